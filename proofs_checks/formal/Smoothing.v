(* A step of all codes towards the uniform one, and what it does to each term: at most proportional to the step, but
   for an empty cell of P_st, where p log p falls infinitely fast. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint.
Open Scope R_scope.

Definition smoothed (e : R) (K : nat) (q : code) : code := fun n s i => (1 - e) * q n s i + e / INR K.

Lemma inverse_range : forall K, (0 < K)%nat -> 0 < / INR K <= 1.
Proof.
  intros K HK. split; [apply inv_pos; auto|]. rewrite <- Rinv_1. apply Rinv_le_contravar; [lra|].
  apply (INR_at_least 1). lia.
Qed.

Section Step.
Variables (N S K : nat) (q1 q2 : code) (e : R).
Context (HN : (0 < N)%nat) (HK : (0 < K)%nat) (H1 : simplex N S K q1) (H2 : simplex N S K q2) (He : 0 < e < / 4).

Let p1 := smoothed e K q1.
Let p2 := smoothed e K q2.
Let u := / INR K.

Lemma u_range : 0 < u <= 1.
Proof. exact (inverse_range K HK). Qed.

Lemma smoothed_simplex : forall q, simplex N S K q -> simplex N S K (smoothed e K q).
Proof.
  intros q H n s Hn Hs. destruct (H n s Hn Hs) as [P T]. unfold smoothed. split.
  - intros i Hi. pose proof (P i Hi). pose proof u_range. unfold Rdiv. fold u.
    assert (0 <= (1 - e) * q n s i) by (apply Rmult_le_pos; lra). nra.
  - rewrite sum_plus, sum_scale, sum_const, T. field. apply Rgt_not_eq, INR_pos; auto.
Qed.

Lemma smoothed_joint : forall s t i j,
  joint N p1 p2 s t i j = (1 - e) * (1 - e) * joint N q1 q2 s t i j
    + e * ((1 - e) * u * (marginal N q1 s i + marginal N q2 t j) + e * (u * u)).
Proof.
  intros. unfold joint, p1, p2, smoothed, marginal.
  rewrite (mean_ext N _ (fun n => (1 - e) * (1 - e) * (q1 n s i * q2 n t j)
    + (e * (1 - e) * u * q1 n s i + e * (1 - e) * u * q2 n t j + e * e * (u * u)))).
  - rewrite !mean_plus, (mean_const N (fun _ => e * e * (u * u)) (e * e * (u * u))), !mean_scale by auto. ring.
  - intros n Hn. unfold u, Rdiv. ring.
Qed.

Lemma marginal_at_most_one : forall q s i, simplex N S K q -> (s < S)%nat -> (i < K)%nat -> marginal N q s i <= 1.
Proof.
  intros q s i H Hs Hi. unfold marginal. rewrite <- (mean_const N (fun _ => 1) 1) by auto. apply mean_le; auto.
  intros n Hn. apply (simplex_at_most_one N S K q n s i); auto.
Qed.

Section Cell.
Variables (s t i j : nat).
Context (Hs : (s < S)%nat) (Ht : (t < S)%nat) (Hi : (i < K)%nat) (Hj : (j < K)%nat).

Let R1 := marginal N q1 s i.
Let R2 := marginal N q2 t j.

Lemma marginals_range : 0 <= R1 <= 1 /\ 0 <= R2 <= 1.
Proof.
  unfold R1, R2. repeat split; try (apply (marginal_nonneg N S K); auto); apply marginal_at_most_one; auto.
Qed.

(* what is added, per unit of step *)
Let added := (1 - e) * u * (R1 + R2) + e * (u * u).

Lemma added_range : 0 <= added <= 2 - e.
Proof.
  pose proof marginals_range as [[A1 A2] [B1 B2]]. pose proof u_range as [U1 U2]. unfold added.
  assert (0 <= (1 - e) * u) by (apply Rmult_le_pos; lra). assert ((1 - e) * u <= 1 - e) by nra.
  assert (0 <= u * u <= 1) by nra. split; nra.
Qed.

(* any cell rises by at most twice the step *)
Lemma cell_rises_little : phi (joint N p1 p2 s t i j) <= phi (joint N q1 q2 s t i j) + 2 * e.
Proof.
  pose proof (joint_nonneg N S K q1 q2 HN H1 H2 s t i j Hs Ht Hi Hj) as P0.
  pose proof (joint_at_most_one N S K q1 q2 HN H1 H2 s t i j Hs Ht Hi Hj) as P1.
  pose proof added_range as [A0 A1]. rewrite smoothed_joint. fold R1 R2. fold added.
  set (p := joint N q1 q2 s t i j) in *. set (w := (1 - e) * (1 - e)).
  assert (W : 0 <= w <= 1) by (unfold w; nra). assert (E : 1 - w = e * (2 - e)) by (unfold w; ring).
  replace (e * added) with ((1 - w) * (added / (2 - e))) by (rewrite E; field; lra).
  assert (Z0 : 0 <= added / (2 - e)) by (apply Rle_mult_inv_pos; lra).
  assert (Z1 : added / (2 - e) <= 1).
  { apply (Rmult_le_reg_r (2 - e)); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  pose proof (phi_convex w p (added / (2 - e)) W P0 Z0) as C.
  pose proof (phi_nonpositive _ Z0 Z1). pose proof (phi_above_minus_one p P0).
  assert ((1 - w) * phi (added / (2 - e)) <= 0) by nra.
  assert (1 - w <= 2 * e) by (rewrite E; nra). assert (w * phi p <= phi p + (1 - w)) by nra. lra.
Qed.

(* an empty cell whose row or column is used *)
Lemma empty_cell_falls : joint N q1 q2 s t i j = 0 ->
  phi (joint N p1 p2 s t i j) <= e * (u * (R1 + R2) / 2) * ln (3 * e).
Proof.
  intros Z. pose proof marginals_range as [[A1 A2] [B1 B2]]. pose proof u_range as [U1 U2].
  rewrite smoothed_joint, Z. fold R1 R2. fold added. rewrite Rmult_0_r, Rplus_0_l.
  pose proof added_range as [D0 D1].
  assert (L : u * (R1 + R2) / 2 <= added).
  { unfold added. assert (0 <= u * (R1 + R2)) by (apply Rmult_le_pos; lra).
    assert (0 <= e * (u * u)) by (apply Rmult_le_pos; nra). nra. }
  assert (N0 : ln (3 * e) <= 0) by (apply ln_nonpositive; lra).
  assert (0 <= u * (R1 + R2)) by (apply Rmult_le_pos; lra).
  assert (0 <= e * (u * (R1 + R2) / 2)) by (apply Rmult_le_pos; lra).
  assert (e * (u * (R1 + R2) / 2) <= e * added) by (apply Rmult_le_compat_l; lra).
  destruct (Req_dec added 0) as [E|E].
  - rewrite E in *. assert (E0 : e * (u * (R1 + R2) / 2) = 0) by lra. rewrite E0, Rmult_0_r, phi_zero. lra.
  - assert (Y : 0 < e * added) by (apply Rmult_lt_0_compat; lra).
    assert (ln (e * added) <= ln (3 * e)) by (apply ln_monotone; auto; nra).
    unfold phi. nra.
Qed.

End Cell.

Lemma smoothed_agreement : forall n s, (n < N)%nat -> (s < S)%nat ->
  (1 - e) * (1 - e) * agreement K q1 q2 n s <= agreement K p1 p2 n s.
Proof.
  intros n s Hn Hs. destruct (H1 n s Hn Hs) as [P1 _], (H2 n s Hn Hs) as [P2 _]. pose proof u_range.
  unfold agreement. rewrite <- sum_scale. apply sum_le; intros i Hi. unfold p1, p2, smoothed, Rdiv. fold u.
  pose proof (P1 i Hi). pose proof (P2 i Hi). set (x := q1 n s i) in *. set (y := q2 n s i) in *.
  assert (0 <= (1 - e) * x) by (apply Rmult_le_pos; lra). assert (0 <= (1 - e) * y) by (apply Rmult_le_pos; lra).
  assert (0 <= e * u) by (apply Rmult_le_pos; lra). nra.
Qed.

Lemma smoothed_agrees_everywhere : agree_everywhere N S K p1 p2.
Proof.
  intros n s Hn Hs.
  apply Rlt_le_trans with (sum K (fun _ => e * u * (e * u))).
  - rewrite sum_const. pose proof u_range. pose proof (INR_pos K HK).
    apply Rmult_lt_0_compat; auto. apply Rmult_lt_0_compat; apply Rmult_lt_0_compat; lra.
  - apply sum_le; intros i Hi. destruct (H1 n s Hn Hs) as [P1 _], (H2 n s Hn Hs) as [P2 _].
    pose proof (P1 i Hi). pose proof (P2 i Hi). pose proof u_range. unfold p1, p2, smoothed, Rdiv. fold u.
    assert (0 <= (1 - e) * q1 n s i) by (apply Rmult_le_pos; lra).
    assert (0 <= (1 - e) * q2 n s i) by (apply Rmult_le_pos; lra).
    assert (0 <= e * u) by (apply Rmult_le_pos; lra). nra.
Qed.

Lemma invariance_rises_little : (0 < S)%nat -> agree_everywhere N S K q1 q2 ->
  invariance N S K p1 p2 <= invariance N S K q1 q2 + 4 * e.
Proof.
  intros HS A. rewrite !invariance_mean.
  assert (mean N (fun n => mean S (fun s => ln (agreement K q1 q2 n s) - 4 * e))
    <= mean N (fun n => mean S (fun s => ln (agreement K p1 p2 n s)))).
  { apply mean_le; auto. intros n Hn. apply mean_le; auto. intros s Hs.
    pose proof (A n s Hn Hs) as G. pose proof (smoothed_agreement n s Hn Hs) as L.
    assert (W : 0 < (1 - e) * (1 - e)) by nra.
    apply Rle_trans with (ln ((1 - e) * (1 - e) * agreement K q1 q2 n s)).
    - rewrite ln_mult, ln_mult by lra. pose proof (surprise_nonneg (/ (1 - e)) ltac:(apply Rinv_0_lt_compat; lra)) as I.
      unfold surprise in I. rewrite ln_Rinv in I by lra.
      assert (/ (1 - e) <= 1 + 2 * e).
      { apply (Rmult_le_reg_r (1 - e)); [lra|]. rewrite Rinv_l by lra. nra. }
      lra.
    - apply ln_monotone; auto. apply Rmult_lt_0_compat; auto. }
  rewrite (mean_ext N _ (fun n => mean S (fun s => ln (agreement K q1 q2 n s)) - 4 * e)) in H.
  - rewrite mean_minus, (mean_const N (fun _ => 4 * e) (4 * e)) in H by auto. lra.
  - intros n Hn. rewrite mean_minus, (mean_const S (fun _ => 4 * e) (4 * e)); auto.
Qed.

Lemma diagonal_rises_little : (0 < S)%nat ->
  diagonal N S K p1 p2 <= diagonal N S K q1 q2 + INR K * (2 * e).
Proof.
  intros HS. unfold diagonal.
  rewrite <- (mean_const S (fun _ => INR K * (2 * e)) (INR K * (2 * e))), <- mean_plus by auto.
  apply mean_le; auto. intros s Hs. rewrite <- sum_const, <- sum_plus. apply sum_le; intros i Hi.
  apply cell_rises_little; auto.
Qed.

(* one empty cell, in block s0, t0, at i0, j0 *)
Lemma off_diagonal_falls : forall s0 t0 i0 j0, (2 <= S)%nat ->
  (s0 < S)%nat -> (t0 < S)%nat -> s0 <> t0 -> (i0 < K)%nat -> (j0 < K)%nat -> joint N q1 q2 s0 t0 i0 j0 = 0 ->
  off_diagonal N S K p1 p2 <= off_diagonal N S K q1 q2 + INR K * INR K * (2 * e)
    + / (INR S * (INR S - 1)) * (e * (u * (marginal N q1 s0 i0 + marginal N q2 t0 j0) / 2) * ln (3 * e)).
Proof.
  intros s0 t0 i0 j0 HS Hs0 Ht0 D Hi0 Hj0 Z.
  set (fall := e * (u * (marginal N q1 s0 i0 + marginal N q2 t0 j0) / 2) * ln (3 * e)).
  assert (E : / (INR S * (INR S - 1)) * fall
    = mean_pairs S (fun s t => sum K (fun i => sum K (fun j => same s0 s * (same t0 t * (same i0 i * (same j0 j * fall))))))).
  { unfold mean_pairs. f_equal. symmetry.
    rewrite (sum_ext S _ (fun s => same s0 s * sum S (fun t => if Nat.eqb s t then 0 else same t0 t * fall))).
    - rewrite (sum_pick S s0 (fun s => sum S (fun t => if Nat.eqb s t then 0 else same t0 t * fall))) by auto.
      rewrite (sum_ext S _ (fun t => same t0 t * fall)); [rewrite (sum_pick S t0 (fun _ => fall)); auto|].
      intros t Ht. destruct (Nat.eqb_spec s0 t) as [<-|]; [rewrite same_diff by auto; ring|reflexivity].
    - intros s Hs. rewrite <- sum_scale. apply sum_ext; intros t Ht.
      destruct (Nat.eqb s t); [ring|]. rewrite <- Rmult_assoc.
      rewrite (sum_ext K _ (fun i => same s0 s * same t0 t * (same i0 i * fall))).
      + rewrite sum_scale, (sum_pick K i0 (fun _ => fall)); auto.
      + intros i Hi. rewrite (sum_ext K _ (fun j => same s0 s * same t0 t * same i0 i * (same j0 j * fall))) by (intros; ring).
        rewrite sum_scale, (sum_pick K j0 (fun _ => fall)) by auto. ring. }
  rewrite E. unfold off_diagonal.
  rewrite <- (mean_pairs_const S (fun _ _ => INR K * INR K * (2 * e)) (INR K * INR K * (2 * e))) by auto.
  rewrite <- !mean_pairs_plus. apply mean_pairs_le; auto. intros s t Hs Ht Dst.
  set (spike := fun i j => same s0 s * (same t0 t * (same i0 i * (same j0 j * fall)))).
  apply Rle_trans with (sum K (fun i => sum K (fun j => phi (joint N q1 q2 s t i j) + 2 * e + spike i j))).
  - apply sum_le; intros i Hi. apply sum_le; intros j Hj.
    pose proof (cell_rises_little s t i j Hs Ht Hi Hj) as C. unfold spike, same.
    destruct (Nat.eqb_spec s0 s) as [<-|]; [|lra]. destruct (Nat.eqb_spec t0 t) as [<-|]; [|lra].
    destruct (Nat.eqb_spec i0 i) as [<-|]; [|lra]. destruct (Nat.eqb_spec j0 j) as [<-|]; [|lra].
    pose proof (empty_cell_falls s0 t0 i0 j0 Hs0 Ht0 Hi0 Hj0 Z) as F. fold fall in F. rewrite Z, phi_zero. lra.
  - right. rewrite (sum_ext K _ (fun i => sum K (fun j => phi (joint N q1 q2 s t i j)) + INR K * (2 * e)
      + sum K (spike i))) by (intros; rewrite !sum_plus, sum_const; reflexivity).
    rewrite !sum_plus, sum_const. unfold spike. ring.
Qed.

End Step.

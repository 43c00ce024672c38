(* C17: where a cell of P_st is empty, a small step towards the uniform code lowers the loss, infinitely fast.
   C10: so at every minimum all cells are filled, which one-hot codes of N < K^2 samples cannot do. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Smoothing.
Open Scope R_scope.

(* an empty cell in a row or column that is used; there is one wherever there is an empty cell at all *)
Lemma empty_cell_in_used_row : forall N S K q1 q2 s t i j, (0 < N)%nat ->
  simplex N S K q1 -> simplex N S K q2 -> (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  joint N q1 q2 s t i j = 0 ->
  exists i', (i' < K)%nat /\ joint N q1 q2 s t i' j = 0 /\ 0 < marginal N q1 s i' + marginal N q2 t j.
Proof.
  intros N S K q1 q2 s t i j HN H1 H2 Hs Ht Hi Hj Z.
  pose proof (marginal_nonneg N S K HN q1 s i H1 Hs Hi).
  pose proof (marginal_nonneg N S K HN q2 t j H2 Ht Hj) as C.
  destruct (Req_dec (marginal N q2 t j) 0) as [E|E]; [|exists i; repeat split; auto; lra].
  destruct (sum_positive_term K (marginal N q1 s)) as [k [Hk P]]; [rewrite (marginal_total N S K); auto; lra|].
  exists k. repeat split; auto; [|lra].
  assert (joint N q1 q2 s t k j <= marginal N q2 t j).
  { rewrite <- (joint_column N S K q1 q2 H1 s t j) by auto.
    apply (sum_term_le K (fun i => joint N q1 q2 s t i j)); auto. intros; apply (joint_nonneg N S K); auto. }
  pose proof (joint_nonneg N S K q1 q2 HN H1 H2 s t k j Hs Ht Hk Hj). lra.
Qed.

(* slope minus infinity *)
Theorem empty_cell_slope : forall a b c N S K q1 q2 x s t i j,
  0 <= a -> 0 < b -> 0 <= c -> (0 < N)%nat -> (2 <= S)%nat -> simplex N S K q1 -> simplex N S K q2 ->
  loss a b c N S K q1 q2 = Finite x ->
  (s < S)%nat -> (t < S)%nat -> s <> t -> (i < K)%nat -> (j < K)%nat -> joint N q1 q2 s t i j = 0 ->
  forall M, exists delta, 0 < delta /\ forall e, 0 < e < delta ->
    exists y, loss a b c N S K (smoothed e K q1) (smoothed e K q2) = Finite y /\ y <= x - M * e.
Proof.
  intros a b c N S K q1 q2 x s t i j Ha Hb Hc HN HS H1 H2 E Hs Ht D Hi Hj Z M.
  assert (HK : (0 < K)%nat) by lia. assert (HS1 : (0 < S)%nat) by lia.
  destruct (empty_cell_in_used_row N S K q1 q2 s t i j) as [k [Hk [Zk U]]]; auto.
  apply loss_is_finite in E as [F ->].
  set (m := b * (/ (INR S * (INR S - 1)) * (/ INR K * (marginal N q1 s k + marginal N q2 t j) / 2))).
  assert (Hm : 0 < m).
  { unfold m. apply Rmult_lt_0_compat; auto. apply Rmult_lt_0_compat; [apply pairs_pos; auto|].
    apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; [apply inv_pos; auto|auto]|lra]. }
  set (C := a * (INR K * 2) + b * (INR K * INR K * 2) + c * 4).
  exists (Rmin (/ 4) (exp (- ((M + C) / m)) / 3)).
  assert (0 < exp (- ((M + C) / m)) / 3).
  { pose proof (exp_pos (- ((M + C) / m))). lra. }
  split; [apply Rmin_glb_lt; lra|]. intros e [He Hd].
  assert (He4 : 0 < e < / 4).
  { split; auto. eapply Rlt_le_trans; [exact Hd|apply Rmin_l]. }
  assert (Hln : ln (3 * e) <= - ((M + C) / m)).
  { rewrite <- (ln_exp (- ((M + C) / m))). apply ln_monotone; [lra|].
    assert (e < exp (- ((M + C) / m)) / 3) by (eapply Rlt_le_trans; [exact Hd|apply Rmin_r]). lra. }
  exists (total a b c N S K (smoothed e K q1) (smoothed e K q2)). split.
  - apply loss_finite. right. apply (smoothed_agrees_everywhere N S K); auto.
  - pose proof (diagonal_rises_little N S K q1 q2 e HN HK H1 H2 He4 HS1) as A1.
    pose proof (off_diagonal_falls N S K q1 q2 e HN HK H1 H2 He4 s t k j HS Hs Ht D Hk Hj Zk) as A2.
    apply (Rmult_le_compat_l a) in A1; auto. apply (Rmult_le_compat_l b) in A2; [|lra].
    assert (A3 : c * invariance N S K (smoothed e K q1) (smoothed e K q2)
      <= c * invariance N S K q1 q2 + c * (4 * e)).
    { destruct F as [->|F]; [lra|]. rewrite <- Rmult_plus_distr_l. apply Rmult_le_compat_l; auto.
      apply invariance_rises_little; auto. }
    assert (A4 : m * ln (3 * e) <= - (M + C)).
    { apply (Rmult_le_compat_l m) in Hln; [|lra]. replace (m * - ((M + C) / m)) with (- (M + C)) in Hln; [auto|field; lra]. }
    apply (Rmult_le_compat_l e) in A4; [|lra].
    unfold total. unfold C in A4.
    assert (G : b * (/ (INR S * (INR S - 1)) * (e * (/ INR K * (marginal N q1 s k + marginal N q2 t j) / 2) * ln (3 * e)))
      = e * (m * ln (3 * e))) by (unfold m; ring).
    lra.
Qed.

(* minima ------------------------------------------------------------------------------------------ *)

(* no code within delta, weight by weight, has a smaller loss *)
Definition local_minimum (a b c : R) (N S K : nat) (q1 q2 : code) : Prop :=
  simplex N S K q1 /\ simplex N S K q2 /\ exists delta, 0 < delta /\ forall p1 p2,
    simplex N S K p1 -> simplex N S K p2 ->
    (forall n s i, (n < N)%nat -> (s < S)%nat -> (i < K)%nat ->
      Rabs (p1 n s i - q1 n s i) <= delta /\ Rabs (p2 n s i - q2 n s i) <= delta) ->
    at_most (loss a b c N S K q1 q2) (loss a b c N S K p1 p2).

Definition minimiser (a b c : R) (N S K : nat) (q1 q2 : code) : Prop :=
  simplex N S K q1 /\ simplex N S K q2 /\ forall p1 p2,
    simplex N S K p1 -> simplex N S K p2 -> at_most (loss a b c N S K q1 q2) (loss a b c N S K p1 p2).

Lemma smoothed_near : forall N S K q e n s i, (0 < K)%nat -> simplex N S K q -> 0 < e < / 4 ->
  (n < N)%nat -> (s < S)%nat -> (i < K)%nat -> Rabs (smoothed e K q n s i - q n s i) <= e.
Proof.
  intros N S K q e n s i HK H He Hn Hs Hi. pose proof (simplex_at_most_one N S K q n s i H Hn Hs Hi).
  pose proof (inverse_range K HK). unfold smoothed, Rdiv. set (u := / INR K) in *.
  replace ((1 - e) * q n s i + e * u - q n s i) with (e * (u - q n s i)) by ring.
  apply Rabs_le. nra.
Qed.

Theorem no_hollow_local_minimum : forall a b c N S K q1 q2 x,
  0 <= a -> 0 < b -> 0 <= c -> (0 < N)%nat -> (2 <= S)%nat ->
  local_minimum a b c N S K q1 q2 -> loss a b c N S K q1 q2 = Finite x ->
  forall s t i j, (s < S)%nat -> (t < S)%nat -> s <> t -> (i < K)%nat -> (j < K)%nat ->
    0 < joint N q1 q2 s t i j.
Proof.
  intros a b c N S K q1 q2 x Ha Hb Hc HN HS [H1 [H2 [delta [Hd L]]]] E s t i j Hs Ht D Hi Hj.
  pose proof (joint_nonneg N S K q1 q2 HN H1 H2 s t i j Hs Ht Hi Hj) as P.
  destruct (Req_dec (joint N q1 q2 s t i j) 0) as [Z|Z]; [exfalso|lra].
  destruct (empty_cell_slope a b c N S K q1 q2 x s t i j Ha Hb Hc HN HS H1 H2 E Hs Ht D Hi Hj Z 1) as [d [Pd F]].
  set (e := Rmin (d / 2) (Rmin delta (/ 8))).
  assert (0 < e) by (unfold e; repeat apply Rmin_glb_lt; lra).
  assert (e <= d / 2) by apply Rmin_l. assert (Q : e <= Rmin delta (/ 8)) by apply Rmin_r.
  assert (e <= delta) by (eapply Rle_trans; [exact Q|apply Rmin_l]).
  assert (e <= / 8) by (eapply Rle_trans; [exact Q|apply Rmin_r]).
  destruct (F e ltac:(lra)) as [y [Ey Ly]]. assert (HK : (0 < K)%nat) by lia.
  assert (He4 : 0 < e < / 4) by lra.
  specialize (L (smoothed e K q1) (smoothed e K q2)). rewrite E, Ey in L. simpl in L.
  assert (x <= y); [|lra]. apply L.
  - apply (smoothed_simplex N S K e); auto.
  - apply (smoothed_simplex N S K e); auto.
  - intros n r k Hn Hr Hk. split; (eapply Rle_trans; [apply (smoothed_near N S K)|]); auto.
Qed.

Lemma minimiser_is_local : forall a b c N S K q1 q2, minimiser a b c N S K q1 q2 -> local_minimum a b c N S K q1 q2.
Proof. intros a b c N S K q1 q2 [H1 [H2 M]]. repeat split; auto; try apply H1; try apply H2; auto. exists 1. split; [lra|auto]. Qed.

(* the uniform code has a finite loss, so a minimum has *)
Lemma minimiser_finite : forall a b c N S K q1 q2, (0 < K)%nat ->
  minimiser a b c N S K q1 q2 -> exists x, loss a b c N S K q1 q2 = Finite x.
Proof.
  intros a b c N S K q1 q2 HK [H1 [H2 M]]. pose proof (inv_pos K HK) as U. pose proof (INR_pos K HK).
  assert (simplex N S K (fun _ _ _ => / INR K)) as HU.
  { intros n s _ _. split; [intros; lra|]. rewrite sum_const. field. lra. }
  specialize (M _ _ HU HU). rewrite (loss_finite a b c N S K (fun _ _ _ => / INR K) (fun _ _ _ => / INR K)) in M.
  - destruct (loss a b c N S K q1 q2) as [x|]; [exists x; auto|destruct M].
  - right. intros n s _ _. unfold agreement. rewrite sum_const. apply Rmult_lt_0_compat; auto.
    apply Rmult_lt_0_compat; auto.
Qed.

Theorem minimiser_fills_every_cell : forall a b c N S K q1 q2,
  0 <= a -> 0 < b -> 0 <= c -> (0 < N)%nat -> (2 <= S)%nat -> minimiser a b c N S K q1 q2 ->
  forall s t i j, (s < S)%nat -> (t < S)%nat -> s <> t -> (i < K)%nat -> (j < K)%nat ->
    0 < joint N q1 q2 s t i j.
Proof.
  intros a b c N S K q1 q2 Ha Hb Hc HN HS M s t i j Hs Ht D Hi Hj.
  destruct (minimiser_finite a b c N S K q1 q2 ltac:(lia) M) as [x E].
  apply (no_hollow_local_minimum a b c N S K q1 q2 x); auto. apply minimiser_is_local; auto.
Qed.

(* how many units a code uses *)
Definition support (K : nat) (q : code) (n s : nat) : R := sum K (fun i => if positive (q n s i) then 1 else 0).

Lemma positive_joint_positive_sample : forall N q1 q2 s t i j, 0 < joint N q1 q2 s t i j ->
  exists n, (n < N)%nat /\ 0 < q1 n s i * q2 n t j.
Proof.
  intros N q1 q2 s t i j P. apply sum_positive_term. unfold joint, mean in P.
  destruct (Rlt_dec 0 (sum N (fun n => q1 n s i * q2 n t j))) as [|Q]; auto. exfalso.
  destruct N as [|N]; [simpl in P; lra|].
  assert (0 < / INR (Datatypes.S N)) by (apply inv_pos; lia). nra.
Qed.

Theorem minimiser_support : forall a b c N S K q1 q2,
  0 <= a -> 0 < b -> 0 <= c -> (0 < N)%nat -> (2 <= S)%nat -> minimiser a b c N S K q1 q2 ->
  forall s t, (s < S)%nat -> (t < S)%nat -> s <> t ->
    INR K * INR K <= sum N (fun n => support K q1 n s * support K q2 n t).
Proof.
  intros a b c N S K q1 q2 Ha Hb Hc HN HS M s t Hs Ht D. pose proof M as [H1 [H2 _]].
  rewrite (sum_ext N _ (fun n => sum K (fun i => sum K (fun j =>
    (if positive (q1 n s i) then 1 else 0) * (if positive (q2 n t j) then 1 else 0))))).
  2: { intros n Hn. unfold support. rewrite sum_times_sum. reflexivity. }
  rewrite sum_swap. rewrite <- sum_const. apply sum_le; intros i Hi.
  rewrite sum_swap. rewrite <- (Rmult_1_r (INR K)), <- sum_const. apply sum_le; intros j Hj.
  pose proof (minimiser_fills_every_cell a b c N S K q1 q2 Ha Hb Hc HN HS M s t i j Hs Ht D Hi Hj) as P.
  destruct (positive_joint_positive_sample _ _ _ _ _ _ _ P) as [n [Hn Q]].
  set (g := fun n => (if positive (q1 n s i) then 1 else 0) * (if positive (q2 n t j) then 1 else 0)).
  apply Rle_trans with (g n).
  - destruct (H1 n s Hn Hs) as [P1 _], (H2 n t Hn Ht) as [P2 _]. specialize (P1 i Hi). specialize (P2 j Hj).
    assert (0 < q1 n s i) by (destruct (Req_dec (q1 n s i) 0) as [Z|]; [rewrite Z, Rmult_0_l in Q; lra|lra]).
    assert (0 < q2 n t j) by (destruct (Req_dec (q2 n t j) 0) as [Z|]; [rewrite Z, Rmult_0_r in Q; lra|lra]).
    apply positive_true in H, H0. unfold g. rewrite H, H0. lra.
  - apply (sum_term_le N g); auto. intros m Hm. unfold g.
    destruct (positive (q1 m s i)), (positive (q2 m t j)); lra.
Qed.

Lemma one_hot_support : forall N S K l q n s, labels N S K l -> equal N S K q (one_hot l) ->
  (n < N)%nat -> (s < S)%nat -> support K q n s = 1.
Proof.
  intros N S K l q n s L E Hn Hs. unfold support. transitivity (sum K (same (l n s))); [|apply sum_same; auto].
  apply sum_ext; intros i Hi. rewrite E by auto. unfold one_hot, same.
  destruct (Nat.eqb (l n s) i); unfold positive; destruct (Rlt_dec 0 _); lra.
Qed.

(* N < K^2: no minimiser is one-hot, be the views equal or not *)
Theorem no_one_hot_minimiser : forall a b c N S K q1 q2 label1 label2,
  0 <= a -> 0 < b -> 0 <= c -> (0 < N)%nat -> (2 <= S)%nat -> (N < K * K)%nat ->
  labels N S K label1 -> labels N S K label2 -> equal N S K q1 (one_hot label1) -> equal N S K q2 (one_hot label2) ->
  ~ minimiser a b c N S K q1 q2.
Proof.
  intros a b c N S K q1 q2 l1 l2 Ha Hb Hc HN HS HNK L1 L2 E1 E2 M.
  pose proof (minimiser_support a b c N S K q1 q2 Ha Hb Hc HN HS M 0 1 ltac:(lia) ltac:(lia) ltac:(lia)) as P.
  rewrite (sum_const_ext N _ 1) in P.
  - rewrite <- mult_INR, Rmult_1_r in P. apply INR_le in P. lia.
  - intros n Hn. rewrite (one_hot_support N S K l1), (one_hot_support N S K l2) by (auto; lia). ring.
Qed.

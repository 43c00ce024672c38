(* C12: codes that ignore the sample stay at or above -(2 + 2/K) log K, and at weight c = 0 only uniform ones lie
   there. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Calculus Pinsker Loss Joint.
Open Scope R_scope.

(* one unit of two constant codes: a log a + b log b + ab log ab, above its tangent plane at (u, u) ------------- *)

Definition unit_price (a b : R) : R := phi a + phi b + phi (a * b).

Definition above_plane (u a b : R) : R :=
  unit_price a b - unit_price u u - (ln u + 1 + 2 * u * ln u + u) * (a + b - 2 * u).

Lemma phi_product : forall a b, 0 <= a -> 0 <= b -> phi (a * b) = b * phi a + a * phi b.
Proof.
  intros a b Ha Hb. unfold phi. destruct (Req_dec a 0) as [->|]; [ring|]. destruct (Req_dec b 0) as [->|]; [ring|].
  rewrite ln_mult by lra. ring.
Qed.

Lemma above_plane_excess : forall u a b, 0 < u -> 0 <= a -> 0 <= b ->
  above_plane u a b = (1 + b) * excess a u + (1 + a) * excess b u + 2 * (1 + ln u) * ((a - u) * (b - u)).
Proof.
  intros u a b Hu Ha Hb. unfold above_plane, unit_price. rewrite !phi_product by lra. unfold excess, phi. ring.
Qed.

(* (1 + 2a) log a + a rises *)
Lemma slope_rises : forall x y, 0 < x -> x < y -> (1 + 2 * x) * ln x + x < (1 + 2 * y) * ln y + y.
Proof.
  intros x y Hx Hxy.
  destruct (MVT_cor2 (fun a => (1 + 2 * a) * ln a + a) (fun a => 2 * ln a + / a + 3) x y Hxy) as [z [E [Z1 Z2]]].
  - intros z Hz. replace (2 * ln z + / z + 3) with ((0 + (0 * z + 2 * 1)) * ln z + (1 + 2 * z) * / z + 1) by (field; lra).
    apply d_plus; [|apply d_id]. apply (d_mult (fun a => 1 + 2 * a) ln); [|apply d_ln; lra].
    apply d_plus; [apply d_const|]. apply (d_mult (fun _ => 2) (fun a => a)); [apply d_const|apply d_id].
  - simpl in E. assert (0 < / z) by (apply Rinv_0_lt_compat; lra).
    (* log (1/z) <= (1/z)/2 + log 2 - 1 *)
    pose proof (ln_below (/ z / 2) ltac:(lra)) as L. rewrite ln_div, ln_Rinv in L by lra.
    pose proof (ln_below 2). nra.
Qed.

(* a = b, strictly *)
Lemma same_side : forall u a, 0 < u -> 0 <= a -> a <> u ->
  0 < (1 + a) * excess a u + (1 + ln u) * ((a - u) * (a - u)).
Proof.
  intros u a Hu Ha N. destruct (Req_dec a 0) as [->|Na].
  - unfold excess. rewrite phi_zero. pose proof (phi_above_minus_one u). unfold phi in H.
    assert (0 < u * u) by (apply Rmult_lt_0_compat; auto).
    assert (0 <= u * (1 + u * ln u)) by (apply Rmult_le_pos; lra). nra.
  - assert (P : 0 < a) by lra. set (k := (1 + 2 * u) * ln u + 1 + u).
    set (f := fun x => (1 + x) * x * ln x + - k * x).
    assert (V : f u < f a).
    { apply (valley f (fun x => ((1 + 2 * x) * ln x + x) - ((1 + 2 * u) * ln u + u))); auto.
      - intros x Hx. unfold f, k.
        replace ((1 + 2 * x) * ln x + x - ((1 + 2 * u) * ln u + u)) with
          (((0 + 1) * x + (1 + x) * 1) * ln x + (1 + x) * x * / x
            + (0 * x + - ((1 + 2 * u) * ln u + 1 + u) * 1)) by (field; lra).
        apply d_plus.
        + apply (d_mult (fun x => (1 + x) * x) ln); [|apply d_ln; auto].
          apply (d_mult (fun x => 1 + x) (fun x => x)); [|apply d_id]. apply d_plus; [apply d_const|apply d_id].
        + apply (d_mult (fun _ => - ((1 + 2 * u) * ln u + 1 + u)) (fun x => x)); [apply d_const|apply d_id].
      - intros x Hx Hxu. pose proof (slope_rises x u Hx Hxu). lra.
      - intros x Hx. pose proof (slope_rises u x Hu Hx). lra. }
    unfold f, k in V. unfold excess, phi. lra.
Qed.

(* a and b on different sides of u *)
Lemma other_side : forall u a, 0 < u <= / 2 -> 0 <= a -> a <> u ->
  0 < (1 + a) * excess a u - (1 + ln u) * ((a - u) * (a - u)).
Proof.
  intros u a Hu Ha N. pose proof (pinsker_cell a u Ha ltac:(lra)) as P. pose proof (ln_below u ltac:(lra)) as L.
  assert (D : 0 < (a - u) * (a - u)) by (destruct (Rdichotomy a u N); nra).
  assert (W : 0 < 2 * a + 4 * u) by lra.
  assert ((1 + ln u) * ((a - u) * (a - u)) <= / 2 * ((a - u) * (a - u))) by (apply Rmult_le_compat_r; lra).
  apply (Rmult_lt_reg_l (2 * a + 4 * u)); auto. rewrite Rmult_0_r. nra.
Qed.

Lemma either_side : forall u a, 0 < u <= / 2 -> 0 <= a -> a <> u ->
  Rabs (1 + ln u) * ((a - u) * (a - u)) < (1 + a) * excess a u.
Proof.
  intros u a Hu Ha N. pose proof (same_side u a ltac:(lra) Ha N). pose proof (other_side u a Hu Ha N).
  unfold Rabs. destruct (Rcase_abs (1 + ln u)); lra.
Qed.

Lemma either_side_weak : forall u a, 0 < u <= / 2 -> 0 <= a ->
  Rabs (1 + ln u) * ((a - u) * (a - u)) <= (1 + a) * excess a u.
Proof.
  intros u a Hu Ha. destruct (Req_dec a u) as [->|N]; [rewrite excess_self; lra|].
  left. apply either_side; auto.
Qed.

Lemma above_plane_scaled : forall u a b, 0 < u <= / 2 -> 0 <= a -> 0 <= b ->
  (1 + b) * (1 + b) * ((1 + a) * excess a u - Rabs (1 + ln u) * ((a - u) * (a - u)))
  + (1 + a) * (1 + a) * ((1 + b) * excess b u - Rabs (1 + ln u) * ((b - u) * (b - u)))
  <= (1 + a) * (1 + b) * above_plane u a b.
Proof.
  intros u a b Hu Ha Hb. rewrite above_plane_excess by lra.
  set (x := (1 + b) * (a - u)). set (y := (1 + a) * (b - u)).
  assert (Q : 0 <= Rabs (1 + ln u) * (x * x + y * y) + 2 * (1 + ln u) * (x * y)).
  { pose proof (Rle_0_sqr (x + y)). pose proof (Rle_0_sqr (x - y)). unfold Rsqr in *.
    unfold Rabs. destruct (Rcase_abs (1 + ln u)); nra. }
  unfold x, y in Q. nra.
Qed.

Lemma above_plane_nonneg : forall u a b, 0 < u <= / 2 -> 0 <= a -> 0 <= b -> 0 <= above_plane u a b.
Proof.
  intros u a b Hu Ha Hb. pose proof (above_plane_scaled u a b Hu Ha Hb).
  pose proof (either_side_weak u a Hu Ha). pose proof (either_side_weak u b Hu Hb).
  assert (0 < (1 + a) * (1 + b)) by (apply Rmult_lt_0_compat; lra).
  apply (Rmult_le_reg_l ((1 + a) * (1 + b))); auto. rewrite Rmult_0_r. eapply Rle_trans; [|exact H].
  apply Rplus_le_le_0_compat; apply Rmult_le_pos; nra.
Qed.

Lemma above_plane_zero : forall u a b, 0 < u <= / 2 -> 0 <= a -> 0 <= b -> above_plane u a b = 0 -> a = u /\ b = u.
Proof.
  intros u a b Hu Ha Hb E. pose proof (above_plane_scaled u a b Hu Ha Hb) as S. rewrite E, Rmult_0_r in S.
  pose proof (either_side_weak u a Hu Ha). pose proof (either_side_weak u b Hu Hb).
  assert (A : 0 < (1 + a) * (1 + a)) by (apply Rmult_lt_0_compat; lra).
  assert (B : 0 < (1 + b) * (1 + b)) by (apply Rmult_lt_0_compat; lra).
  split.
  - destruct (Req_dec a u) as [|N]; auto. pose proof (either_side u a Hu Ha N). exfalso.
    assert (0 < (1 + b) * (1 + b) * ((1 + a) * excess a u - Rabs (1 + ln u) * ((a - u) * (a - u))))
      by (apply Rmult_lt_0_compat; lra).
    assert (0 <= (1 + a) * (1 + a) * ((1 + b) * excess b u - Rabs (1 + ln u) * ((b - u) * (b - u))))
      by (apply Rmult_le_pos; lra). lra.
  - destruct (Req_dec b u) as [|N]; auto. pose proof (either_side u b Hu Hb N). exfalso.
    assert (0 <= (1 + b) * (1 + b) * ((1 + a) * excess a u - Rabs (1 + ln u) * ((a - u) * (a - u))))
      by (apply Rmult_le_pos; lra).
    assert (0 < (1 + a) * (1 + a) * ((1 + b) * excess b u - Rabs (1 + ln u) * ((b - u) * (b - u))))
      by (apply Rmult_lt_0_compat; lra). lra.
Qed.

(* the loss of constant codes ---------------------------------------------------------------------- *)

Definition constant (N S K : nat) (q : code) : Prop :=
  forall n s i, (n < N)%nat -> (s < S)%nat -> (i < K)%nat -> q n s i = q 0%nat s i.

Lemma small_inverse : forall K, (2 <= K)%nat -> 0 < / INR K <= / 2.
Proof.
  intros K HK. split; [apply inv_pos; lia|]. apply Rinv_le_contravar; [lra|]. apply (INR_at_least 2 K HK).
Qed.

Section Codes.
Variables (N S K : nat) (q1 q2 : code).
Context (HN : (0 < N)%nat) (HS : (2 <= S)%nat) (HK : (2 <= K)%nat)
        (H1 : simplex N S K q1) (H2 : simplex N S K q2) (C1 : constant N S K q1) (C2 : constant N S K q2).

Let a s i := q1 0%nat s i.
Let b s i := q2 0%nat s i.

Lemma constant_joint : forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  joint N q1 q2 s t i j = a s i * b t j.
Proof.
  intros s t i j Hs Ht Hi Hj. unfold joint. apply mean_const; auto. intros n Hn. rewrite C1, C2; auto.
Qed.

Lemma a_simplex : forall s, (s < S)%nat -> (forall i, (i < K)%nat -> 0 <= a s i) /\ sum K (a s) = 1.
Proof. intros s Hs. apply (H1 0%nat s); auto. Qed.

Lemma b_simplex : forall s, (s < S)%nat -> (forall i, (i < K)%nat -> 0 <= b s i) /\ sum K (b s) = 1.
Proof. intros s Hs. apply (H2 0%nat s); auto. Qed.

Lemma constant_block : forall s t, (s < S)%nat -> (t < S)%nat ->
  sum K (fun i => sum K (fun j => phi (joint N q1 q2 s t i j))) =
  sum K (fun i => phi (a s i)) + sum K (fun j => phi (b t j)).
Proof.
  intros s t Hs Ht. destruct (a_simplex s Hs) as [PA TA], (b_simplex t Ht) as [PB TB].
  rewrite (sum_ext K _ (fun i => sum K (fun j => phi (a s i) * b t j) + sum K (fun j => a s i * phi (b t j)))).
  - rewrite sum_plus, !sum_times_sum, TA, TB. ring.
  - intros i Hi. rewrite <- sum_plus. apply sum_ext; intros j Hj.
    rewrite constant_joint, phi_product by auto. ring.
Qed.

Let u := / INR K.

Lemma u_small : 0 < u <= / 2.
Proof. exact (small_inverse K HK). Qed.

Lemma constant_entropies :
  diagonal N S K q1 q2 + off_diagonal N S K q1 q2 =
  mean S (fun s => sum K (fun i => above_plane u (a s i) (b s i))) - (2 + 2 / INR K) * ln (INR K).
Proof.
  pose proof (INR_pos K ltac:(lia)) as P. unfold off_diagonal, diagonal.
  rewrite (mean_pairs_ext S _ (fun s t => sum K (fun i => phi (a s i)) + sum K (fun j => phi (b t j))))
    by (intros; apply constant_block; auto).
  rewrite mean_pairs_plus, (mean_pairs_first S (fun s => sum K (fun i => phi (a s i)))),
    (mean_pairs_second S (fun t => sum K (fun j => phi (b t j)))), <- !mean_plus by auto.
  rewrite <- (mean_const S (fun _ => (2 + 2 / INR K) * ln (INR K)) ((2 + 2 / INR K) * ln (INR K))) by (auto; lia).
  rewrite <- mean_minus. apply mean_ext; intros s Hs.
  destruct (a_simplex s Hs) as [PA TA], (b_simplex s Hs) as [PB TB].
  rewrite (sum_ext K (fun i => above_plane u (a s i) (b s i)) (fun i =>
    phi (joint N q1 q2 s s i i) + (phi (a s i) + phi (b s i)) - unit_price u u
    - ((ln u + 1 + 2 * u * ln u + u) * (a s i + b s i) - (ln u + 1 + 2 * u * ln u + u) * (2 * u)))).
  - rewrite !sum_minus, !sum_plus, sum_scale, sum_plus, TA, TB, !sum_const.
    unfold unit_price, phi. rewrite ln_mult by apply u_small. unfold u. rewrite ln_Rinv by auto. field. lra.
  - intros i Hi. unfold above_plane, unit_price at 1. rewrite constant_joint by auto. ring.
Qed.

Lemma planes_nonneg : forall s i, (s < S)%nat -> (i < K)%nat -> 0 <= above_plane u (a s i) (b s i).
Proof.
  intros s i Hs Hi. apply above_plane_nonneg; [apply u_small|apply a_simplex|apply b_simplex]; auto.
Qed.

Lemma invariance_nonneg : agree_everywhere N S K q1 q2 -> 0 <= invariance N S K q1 q2.
Proof.
  intros A. rewrite invariance_mean. apply Ropp_0_ge_le_contravar, Rle_ge.
  rewrite <- (mean_const N (fun _ => 0) 0) by auto. apply mean_le; auto. intros n Hn.
  rewrite <- (mean_const S (fun _ => 0) 0) by (auto; lia). apply mean_le; [lia|]. intros s Hs.
  apply ln_nonpositive; [auto|apply (agreement_at_most_one N S K); auto].
Qed.

End Codes.

Theorem constant_bound : forall c N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (2 <= K)%nat -> 0 <= c ->
  simplex N S K q1 -> simplex N S K q2 -> constant N S K q1 -> constant N S K q2 ->
  at_least (loss 1 1 c N S K q1 q2) (- (2 + 2 / INR K) * ln (INR K)).
Proof.
  intros c N S K q1 q2 HN HS HK Hc H1 H2 C1 C2. apply loss_at_least. intros F. unfold total.
  pose proof (constant_entropies N S K q1 q2 HN HS HK H1 H2 C1 C2) as E.
  assert (0 <= mean S (fun s => sum K (fun i => above_plane (/ INR K) (q1 0%nat s i) (q2 0%nat s i)))).
  { apply mean_nonneg; [lia|]. intros s Hs. apply sum_nonneg; intros i Hi. apply (planes_nonneg N S K); auto. }
  assert (0 <= c * invariance N S K q1 q2).
  { destruct F as [->|A]; [lra|]. apply Rmult_le_pos; auto. apply invariance_nonneg; auto. }
  lra.
Qed.

Theorem constant_equality : forall N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (2 <= K)%nat ->
  simplex N S K q1 -> simplex N S K q2 -> constant N S K q1 -> constant N S K q2 ->
  (loss 1 1 0 N S K q1 q2 = Finite (- (2 + 2 / INR K) * ln (INR K)) <->
   forall n s i, (n < N)%nat -> (s < S)%nat -> (i < K)%nat -> q1 n s i = / INR K /\ q2 n s i = / INR K).
Proof.
  intros N S K q1 q2 HN HS HK H1 H2 C1 C2.
  pose proof (constant_entropies N S K q1 q2 HN HS HK H1 H2 C1 C2) as E. split.
  - intros L n s i Hn Hs Hi. apply loss_is_finite in L as [_ L]. unfold total in L.
    assert (Z : mean S (fun s => sum K (fun i => above_plane (/ INR K) (q1 0%nat s i) (q2 0%nat s i))) = 0) by lra.
    assert (P : forall s i, (s < S)%nat -> (i < K)%nat -> 0 <= above_plane (/ INR K) (q1 0%nat s i) (q2 0%nat s i))
      by (intros; apply (planes_nonneg N S K); auto).
    apply mean_zero_terms with (i := s) in Z; auto; [|intros; apply sum_nonneg; auto].
    apply sum_zero_terms with (i := i) in Z; auto. rewrite C1, C2 by auto.
    apply above_plane_zero; auto; [apply (small_inverse K HK)|apply (H1 0%nat s)|apply (H2 0%nat s)]; auto.
  - intros U. rewrite loss_finite by auto. f_equal. unfold total.
    assert (Z : mean S (fun s => sum K (fun i => above_plane (/ INR K) (q1 0%nat s i) (q2 0%nat s i))) = 0).
    { apply mean_const; [lia|]. intros s Hs. apply sum_zero; intros i Hi.
      destruct (U 0%nat s i HN Hs Hi) as [-> ->]. unfold above_plane. ring. }
    lra.
Qed.

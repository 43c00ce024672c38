(* C17, the other half: at an optimum the step towards softness costs 2 (1 - 1/K) (log K - 1 + c) per unit. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Gap Bound Smoothing.
Open Scope R_scope.

Section Step.
Variables (c : R) (N S K : nat) (q1 q2 : code) (e : R).
Context (HN : (0 < N)%nat) (HS : (2 <= S)%nat) (HK : (0 < K)%nat) (H1 : simplex N S K q1) (H2 : simplex N S K q2)
  (P : perfect N S K q1 q2) (He : 0 < e < / 4).

Let p1 := smoothed e K q1.
Let p2 := smoothed e K q2.
Let u := / INR K.

(* the agreement that is left *)
Definition left_over : R := (1 - e) * (1 - e) + 2 * e * (1 - e) * u + e * e * u.

Lemma perfect_marginals : forall s i, (s < S)%nat -> (i < K)%nat -> marginal N q1 s i = u /\ marginal N q2 s i = u.
Proof.
  intros s i Hs Hi. pose proof (INR_pos K HK). destruct P as [l [L [E1 [E2 U]]]].
  assert (exists t, (t < S)%nat /\ s <> t) as [t [Ht D]].
  { destruct (Nat.eq_dec s 0) as [->|]; [exists 1%nat|exists 0%nat]; lia. }
  rewrite <- (joint_row N S K q1 q2 H2 s t i), <- (joint_column N S K q1 q2 H1 t s i) by auto. unfold u.
  split; (rewrite (sum_const_ext K _ (/ (INR K * INR K))); [field; lra|intros; apply U; auto]).
Qed.

Lemma left_over_off : forall s t i j, (s < S)%nat -> (t < S)%nat -> s <> t -> (i < K)%nat -> (j < K)%nat ->
  joint N p1 p2 s t i j = / (INR K * INR K).
Proof.
  intros s t i j Hs Ht D Hi Hj. unfold p1, p2. rewrite smoothed_joint by auto.
  destruct (perfect_marginals s i Hs Hi) as [-> _], (perfect_marginals t j Ht Hj) as [_ ->].
  destruct P as [l [L [E1 [E2 U]]]]. rewrite U by auto. rewrite Rinv_mult. fold u. ring.
Qed.

Lemma left_over_diagonal : forall s i, (s < S)%nat -> (i < K)%nat -> joint N p1 p2 s s i i = u * left_over.
Proof.
  intros s i Hs Hi. unfold p1, p2. rewrite smoothed_joint by auto.
  destruct (perfect_marginals s i Hs Hi) as [-> ->]. rewrite (perfect_joint_diagonal N S K) by auto.
  fold u. unfold left_over. ring.
Qed.

Lemma left_over_agreement : forall n s, (n < N)%nat -> (s < S)%nat -> agreement K p1 p2 n s = left_over.
Proof.
  intros n s Hn Hs. pose proof (INR_pos K HK). pose proof P as [l [L [E1 [E2 U]]]].
  assert (A : sum K (fun i => q1 n s i * q2 n s i) = 1).
  { change (agreement K q1 q2 n s = 1). rewrite (agreement_ext N S K q1 q2 (one_hot l) (one_hot l)) by auto.
    apply (one_hot_agreement N S); auto. }
  unfold agreement, p1, p2, smoothed, Rdiv. fold u.
  rewrite (sum_ext K _ (fun i => (1 - e) * (1 - e) * (q1 n s i * q2 n s i)
    + (1 - e) * (e * u) * q1 n s i + (1 - e) * (e * u) * q2 n s i + e * u * (e * u))) by (intros; ring).
  rewrite !sum_plus, sum_const, !sum_scale, A. destruct (H1 n s Hn Hs) as [_ ->], (H2 n s Hn Hs) as [_ ->].
  unfold left_over, u. field. lra.
Qed.

Lemma left_over_loss : 0 < left_over ->
  loss 1 1 c N S K p1 p2 = Finite (- 3 * ln (INR K) + (phi left_over + (1 - left_over) * ln (INR K) - c * ln left_over)).
Proof.
  intros T. pose proof (INR_pos K HK).
  rewrite loss_finite by (right; intros n s Hn Hs; rewrite left_over_agreement; auto). f_equal. unfold total.
  rewrite invariance_mean, (mean_const N _ (ln left_over)); auto.
  2: { intros n Hn. apply mean_const; [lia|]. intros s Hs. rewrite left_over_agreement; auto. }
  unfold diagonal, off_diagonal.
  rewrite (mean_const S _ (left_over * (ln left_over - ln (INR K)))); [|lia|].
  2: { intros s Hs. rewrite (sum_const_ext K _ (phi (u * left_over))) by (intros; rewrite left_over_diagonal; auto).
       unfold phi, u. rewrite ln_mult, ln_Rinv by (auto; apply Rinv_0_lt_compat; auto). field. lra. }
  rewrite (mean_pairs_const S _ (- 2 * ln (INR K))); auto.
  2: { intros s t Hs Ht D. rewrite (sum_const_ext K _ (INR K * phi (/ (INR K * INR K)))).
       - unfold phi. rewrite ln_inverse_square by auto. field. lra.
       - intros i Hi. apply sum_const_ext; intros j Hj. rewrite left_over_off; auto. }
  unfold phi. ring.
Qed.

(* per unit of step, up to a multiple of the step *)
Lemma left_over_price : 0 <= c -> 0 < left_over /\
  Rabs ((phi left_over + (1 - left_over) * ln (INR K) - c * ln left_over)
        - 2 * (1 - u) * (ln (INR K) - 1 + c) * e)
  <= (4 * (1 + 2 * c) + Rabs (ln (INR K) - 1 + c)) * (e * e).
Proof.
  intros Hc. pose proof (inverse_range K HK) as U. fold u in U.
  set (k := ln (INR K) - 1 + c). set (d := 1 - left_over).
  assert (Ed : d = (1 - u) * (2 * e - e * e)) by (unfold d, left_over; ring).
  assert (D0 : 0 <= d) by (rewrite Ed; apply Rmult_le_pos; nra).
  assert (D1 : d <= 2 * e) by (rewrite Ed; nra).
  assert (T : / 2 <= left_over) by (unfold d in D1; lra). split; [lra|].
  replace left_over with (1 - d) in * by (unfold d; ring).
  (* log t between 1 - 1/t and t - 1 *)
  pose proof (ln_below (1 - d) ltac:(lra)) as L1.
  pose proof (ln_below (/ (1 - d)) ltac:(apply Rinv_0_lt_compat; lra)) as L2. rewrite ln_Rinv in L2 by lra.
  assert (I : / (1 - d) - 1 <= d + 2 * (d * d)).
  { apply (Rmult_le_reg_r (1 - d)); [lra|]. rewrite Rmult_minus_distr_r, Rinv_l by lra. nra. }
  set (x := ln (1 - d)) in *. unfold phi. fold x.
  assert (Lo : k * d <= (1 - d) * x + (1 - (1 - d)) * ln (INR K) - c * x).
  { assert (- d <= (1 - d) * x).
    { apply (Rmult_le_reg_l (/ (1 - d))); [apply Rinv_0_lt_compat; lra|]. rewrite <- Rmult_assoc, Rinv_l by lra.
      replace (/ (1 - d) * - d) with (1 - / (1 - d)) by (field; lra). lra. }
    assert (c * d <= - c * x) by nra. unfold k. lra. }
  assert (Up : (1 - d) * x + (1 - (1 - d)) * ln (INR K) - c * x <= k * d + (1 + 2 * c) * (d * d)).
  { assert ((1 - d) * x <= (1 - d) * - d) by (apply Rmult_le_compat_l; lra).
    assert (- c * x <= c * (d + 2 * (d * d))) by nra. unfold k. lra. }
  assert (Q : (1 + 2 * c) * (d * d) <= 4 * (1 + 2 * c) * (e * e)).
  { assert (d * d <= 4 * (e * e)) by nra. nra. }
  assert (W : Rabs (k * d - 2 * (1 - u) * k * e) <= Rabs k * (e * e)).
  { replace (k * d - 2 * (1 - u) * k * e) with (k * (- ((1 - u) * (e * e)))) by (rewrite Ed; ring).
    rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos|]. rewrite Rabs_Ropp, Rabs_right; nra. }
  apply Rabs_le. pose proof (Rle_abs (k * d - 2 * (1 - u) * k * e)).
  pose proof (Rle_abs (- (k * d - 2 * (1 - u) * k * e))) as A. rewrite Rabs_Ropp in A.
  assert (0 <= (1 + 2 * c) * (d * d)) by (apply Rmult_le_pos; nra). split; lra.
Qed.

End Step.

Theorem optimum_slope : forall c N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat -> 0 <= c -> simplex N S K q1 -> simplex N S K q2 ->
  perfect N S K q1 q2 ->
  forall eta, 0 < eta -> exists delta, 0 < delta /\ forall e, 0 < e < delta ->
    exists y, loss 1 1 c N S K (smoothed e K q1) (smoothed e K q2) = Finite y
      /\ Rabs ((y - - 3 * ln (INR K)) / e - 2 * (1 - / INR K) * (ln (INR K) - 1 + c)) <= eta.
Proof.
  intros c N S K q1 q2 HN HS HK Hc H1 H2 P eta He.
  set (C := 4 * (1 + 2 * c) + Rabs (ln (INR K) - 1 + c)).
  assert (HC : 0 < C) by (unfold C; pose proof (Rabs_pos (ln (INR K) - 1 + c)); lra).
  exists (Rmin (/ 4) (eta / C)). split; [apply Rmin_glb_lt; [lra|apply Rdiv_lt_0_compat; auto]|].
  intros e [E0 E1].
  assert (E4 : 0 < e < / 4) by (split; auto; eapply Rlt_le_trans; [exact E1|apply Rmin_l]).
  assert (EC : e < eta / C) by (eapply Rlt_le_trans; [exact E1|apply Rmin_r]).
  destruct (left_over_price c K e HK E4 Hc) as [T B].
  pose proof (INR_pos K HK). eexists. split; [apply (left_over_loss c N S K q1 q2 e); auto|].
  set (g := phi (left_over K e) + (1 - left_over K e) * ln (INR K) - c * ln (left_over K e)) in *.
  replace ((- 3 * ln (INR K) + g - - 3 * ln (INR K)) / e - 2 * (1 - / INR K) * (ln (INR K) - 1 + c))
    with ((g - 2 * (1 - / INR K) * (ln (INR K) - 1 + c) * e) * / e) by (field; lra).
  rewrite Rabs_mult, (Rabs_right (/ e)) by (apply Rle_ge; left; apply Rinv_0_lt_compat; auto).
  apply (Rmult_le_reg_r e); auto. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
  eapply Rle_trans; [exact B|]. fold C. apply (Rmult_lt_compat_l C) in EC; auto.
  replace (C * (eta / C)) with eta in EC by (field; lra). nra.
Qed.

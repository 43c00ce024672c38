(* C1: no code on the closed simplex lies below -3 log K, and who lies there. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Gap OneHot.
Open Scope R_scope.

(* different segments are independent and balanced: every P_st is uniform *)
Definition uniform_pairs (N S K : nat) (q1 q2 : code) : Prop :=
  forall s t i j, (s < S)%nat -> (t < S)%nat -> s <> t -> (i < K)%nat -> (j < K)%nat ->
    joint N q1 q2 s t i j = / (INR K * INR K).

(* both views are the one-hot code of one table of labels, every two segments of which are balanced and independent *)
Definition perfect (N S K : nat) (q1 q2 : code) : Prop :=
  exists label, labels N S K label /\ equal N S K q1 (one_hot label) /\ equal N S K q2 (one_hot label)
    /\ uniform_pairs N S K q1 q2.

(* any weights ---------------------------------------------------------------------------------- *)

Theorem weighted_bound : forall a b c N S K q1 q2,
  0 <= a -> 0 <= b -> 0 <= c -> 0 <= kappa a c K -> (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat ->
  simplex N S K q1 -> simplex N S K q2 ->
  at_least (loss a b c N S K q1 q2) (- (a + 2 * b) * ln (INR K)).
Proof.
  intros a b c N S K q1 q2 Ha Hb Hc Hk HN HS HK H1 H2. assert (HS1 : (0 < S)%nat) by lia. apply loss_at_least. intros F.
  pose proof (gap_identity N S K q1 q2 HN HS1 HK H1 H2 a b c HS) as G.
  pose proof (Rmult_le_pos _ _ Ha (diagonal_excess_nonneg N S K q1 q2 HN HS1 HK H1 H2)).
  pose proof (Rmult_le_pos _ _ Hb (divergences_nonneg N S K q1 q2 HN HK H1 H2 HS)).
  pose proof (weighted_surprise_nonneg N S K q1 q2 HN HS1 c Hc F).
  pose proof (mean_agreement_at_most_one N S K q1 q2 HN HS1 H1 H2) as M.
  assert (0 <= kappa a c K * (1 - mean_agreement N S K q1 q2)) by (apply Rmult_le_pos; lra).
  lra.
Qed.

Lemma perfect_joint_diagonal : forall N S K q1 q2 s i, (2 <= S)%nat -> (0 < K)%nat ->
  simplex N S K q2 -> perfect N S K q1 q2 -> (s < S)%nat -> (i < K)%nat -> joint N q1 q2 s s i i = / INR K.
Proof.
  intros N S K q1 q2 s i HS HK H2 [l [L [E1 [E2 U]]]] Hs Hi.
  assert (exists t, (t < S)%nat /\ s <> t) as [t [Ht D]].
  { destruct (Nat.eq_dec s 0) as [->|]; [exists 1%nat|exists 0%nat]; lia. }
  pose proof (INR_pos K HK).
  transitivity (marginal N q1 s i).
  - unfold joint, marginal. apply mean_ext; intros n Hn. rewrite E1, E2 by auto. unfold one_hot, same.
    destruct (Nat.eqb (l n s) i); ring.
  - rewrite <- (joint_row N S K q1 q2 H2 s t i) by auto.
    rewrite (sum_const_ext K _ (/ (INR K * INR K))); [field; lra|auto].
Qed.

Theorem weighted_attained : forall a b c N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat -> simplex N S K q1 -> simplex N S K q2 -> perfect N S K q1 q2 ->
  loss a b c N S K q1 q2 = Finite (- (a + 2 * b) * ln (INR K)).
Proof.
  intros a b c N S K q1 q2 HN HS HK H1 H2 P. assert (HS1 : (0 < S)%nat) by lia. pose proof P as [l [L [E1 [E2 U]]]].
  assert (A : forall n s, (n < N)%nat -> (s < S)%nat -> agreement K q1 q2 n s = 1).
  { intros n s Hn Hs. rewrite (agreement_ext N S K q1 q2 (one_hot l) (one_hot l)) by auto.
    apply (one_hot_agreement N S); auto. }
  rewrite loss_finite by (right; intros n s Hn Hs; rewrite A by auto; lra). f_equal.
  pose proof (gap_identity N S K q1 q2 HN HS1 HK H1 H2 a b c HS) as G.
  rewrite (mean_const S (fun s => sum K _) 0) in G; [|lia|].
  2: { intros s Hs. apply sum_zero; intros i Hi.
       rewrite (perfect_joint_diagonal N S K) by auto. apply excess_self. }
  rewrite (mean_pairs_const S _ 0) in G; auto.
  2: { intros s t Hs Ht D. rewrite (divergence_excess N S K) by auto.
       apply sum_zero; intros i Hi. apply sum_zero; intros j Hj. rewrite U by auto. apply excess_self. }
  rewrite (mean_const N _ 0) in G; auto.
  2: { intros n Hn. apply mean_const; [lia|]. intros s Hs. rewrite A by auto. unfold surprise. rewrite ln_1. ring. }
  unfold mean_agreement in G. rewrite (mean_const N _ 1) in G; auto; [lra|].
  intros n Hn. apply mean_const; [lia|auto].
Qed.

Lemma zero_factor : forall a x, 0 < a -> a * x = 0 -> x = 0.
Proof. intros a x Ha E. apply Rmult_integral in E as [|]; [lra|auto]. Qed.

Theorem weighted_equality : forall a b c N S K q1 q2,
  0 < a -> 0 < b -> 0 <= c -> 0 <= kappa a c K -> (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat ->
  simplex N S K q1 -> simplex N S K q2 ->
  (loss a b c N S K q1 q2 = Finite (- (a + 2 * b) * ln (INR K)) <-> perfect N S K q1 q2).
Proof.
  intros a b c N S K q1 q2 Ha Hb Hc Hk HN HS HK H1 H2. assert (HS1 : (0 < S)%nat) by lia.
  split; [|apply weighted_attained; auto]. intros E. apply loss_is_finite in E as [F E].
  pose proof (gap_identity N S K q1 q2 HN HS1 HK H1 H2 a b c HS) as G.
  pose proof (Rmult_le_pos _ _ (Rlt_le _ _ Ha) (diagonal_excess_nonneg N S K q1 q2 HN HS1 HK H1 H2)).
  pose proof (Rmult_le_pos _ _ (Rlt_le _ _ Hb) (divergences_nonneg N S K q1 q2 HN HK H1 H2 HS)).
  pose proof (weighted_surprise_nonneg N S K q1 q2 HN HS1 c Hc F).
  pose proof (mean_agreement_at_most_one N S K q1 q2 HN HS1 H1 H2) as M.
  assert (0 <= kappa a c K * (1 - mean_agreement N S K q1 q2)) by (apply Rmult_le_pos; lra).
  assert (X0 : mean S (fun s => sum K (fun i => excess (joint N q1 q2 s s i i) (/ INR K))) = 0).
  { apply (zero_factor a); auto. lra. }
  assert (Y0 : mean_pairs S (divergence N K q1 q2) = 0) by (apply (zero_factor b); auto; lra).
  (* every segment has trace one, so every agreement is one *)
  assert (D : forall s i, (s < S)%nat -> (i < K)%nat -> joint N q1 q2 s s i i = / INR K).
  { intros s i Hs Hi.
    assert (P : forall s i, (s < S)%nat -> (i < K)%nat -> 0 <= excess (joint N q1 q2 s s i i) (/ INR K)).
    { intros. apply excess_nonneg; [apply (joint_nonneg N S K)|apply inv_pos]; auto. }
    apply mean_zero_terms with (i := s) in X0; auto; [|intros; apply sum_nonneg; auto].
    apply sum_zero_terms with (i := i) in X0; auto.
    apply excess_zero; auto; [apply (joint_nonneg N S K)|apply inv_pos]; auto. }
  assert (A : forall n s, (n < N)%nat -> (s < S)%nat -> agreement K q1 q2 n s = 1).
  { intros n s Hn Hs.
    assert (Z : mean N (fun n => 1 - agreement K q1 q2 n s) = 0).
    { rewrite mean_minus, <- joint_trace, (mean_const N _ 1), (sum_const_ext K _ (/ INR K)) by auto.
      field. apply Rgt_not_eq, INR_pos; auto. }
    apply mean_zero_terms with (i := n) in Z; auto; [lra|].
    intros m Hm. pose proof (agreement_at_most_one N S K q1 q2 H1 H2 m s Hm Hs). lra. }
  exists (used_unit K q1). split; [|split; [|split]].
  - intros n s Hn Hs. apply (used_unit_spec N S K q1 n s); auto.
  - intros n s i Hn Hs Hi. apply (full_agreement N S K q1 q2 n s); auto.
  - intros n s i Hn Hs Hi. apply (full_agreement N S K q1 q2 n s); auto.
  - intros s t i j Hs Ht Dst Hi Hj. apply (divergence_zero N S K); auto.
    apply (mean_pairs_zero_terms S (divergence N K q1 q2)); auto. intros; apply (divergence_nonneg N S K); auto.
Qed.

(* with one segment there is no off-diagonal term *)
Theorem one_segment_bound : forall c N K q1 q2,
  (0 < N)%nat -> (3 <= K)%nat -> 0 <= c -> simplex N 1 K q1 -> simplex N 1 K q2 ->
  at_least (loss 1 1 c N 1 K q1 q2) (- ln (INR K)).
Proof.
  intros c N K q1 q2 HN HK Hc H1 H2. apply loss_at_least. intros F.
  assert (HK1 : (0 < K)%nat) by lia. assert (HS1 : (0 < 1)%nat) by lia.
  unfold total. rewrite diagonal_excess, invariance_surprise by auto.
  replace (off_diagonal N 1 K q1 q2) with 0 by (unfold off_diagonal, mean_pairs; simpl; ring).
  pose proof (diagonal_excess_nonneg N 1 K q1 q2 HN HS1 HK1 H1 H2).
  pose proof (weighted_surprise_nonneg N 1 K q1 q2 HN HS1 c Hc F).
  pose proof (mean_agreement_at_most_one N 1 K q1 q2 HN HS1 H1 H2).
  pose proof (one_below_ln K HK). nra.
Qed.

(* weights (1, 1, c): the claim as registered ----------------------------------------------------- *)

Lemma kappa_three : forall c K, 0 <= c -> (3 <= K)%nat -> 0 <= kappa 1 c K.
Proof. intros c K Hc HK. unfold kappa. pose proof (one_below_ln K HK). lra. Qed.

Lemma kappa_two : forall c, 1 - ln 2 <= c -> 0 <= kappa 1 c 2.
Proof. intros c Hc. unfold kappa. change (INR 2) with 2. lra. Qed.

Theorem bound : forall c N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (3 <= K)%nat -> 0 <= c ->
  simplex N S K q1 -> simplex N S K q2 ->
  at_least (loss 1 1 c N S K q1 q2) (- 3 * ln (INR K)).
Proof.
  intros c N S K q1 q2 HN HS HK Hc H1 H2. replace (- 3) with (- (1 + 2 * 1)) by ring.
  apply weighted_bound; auto using kappa_three; lra || lia.
Qed.

Theorem bound_equality : forall c N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (3 <= K)%nat -> 0 <= c ->
  simplex N S K q1 -> simplex N S K q2 ->
  (loss 1 1 c N S K q1 q2 = Finite (- 3 * ln (INR K)) <-> perfect N S K q1 q2).
Proof.
  intros c N S K q1 q2 HN HS HK Hc H1 H2. replace (- 3) with (- (1 + 2 * 1)) by ring.
  apply weighted_equality; auto using kappa_three; lra || lia.
Qed.

Lemma ln_INR_two : ln (INR 2) = ln 2.
Proof. reflexivity. Qed.

Theorem bound_two_units : forall c N S q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> 1 - ln 2 <= c ->
  simplex N S 2 q1 -> simplex N S 2 q2 ->
  at_least (loss 1 1 c N S 2 q1 q2) (- 3 * ln 2).
Proof.
  intros c N S q1 q2 HN HS Hc H1 H2. replace (- 3) with (- (1 + 2 * 1)) by ring. rewrite <- ln_INR_two.
  pose proof (ln_below 2). apply weighted_bound; auto using kappa_two; lra || lia.
Qed.

Theorem bound_equality_two_units : forall c N S q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> 1 - ln 2 <= c ->
  simplex N S 2 q1 -> simplex N S 2 q2 ->
  (loss 1 1 c N S 2 q1 q2 = Finite (- 3 * ln 2) <-> perfect N S 2 q1 q2).
Proof.
  intros c N S q1 q2 HN HS Hc H1 H2. replace (- 3) with (- (1 + 2 * 1)) by ring. rewrite <- ln_INR_two.
  pose proof (ln_below 2). apply weighted_equality; auto using kappa_two; lra || lia.
Qed.

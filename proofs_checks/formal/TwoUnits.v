(* C2: with two units a segment and without the invariance term the least loss lies below -3 log 2, at codes that are
   soft, or differ between the views. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Gap Bound Triple.
Open Scope R_scope.

Theorem two_units_minimum : forall N S q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> simplex N S 2 q1 -> simplex N S 2 q2 ->
  at_least (loss 1 1 0 N S 2 q1 q2) (- 2 / exp 1 - 2 * ln 2).
Proof.
  intros N S q1 q2 HN HS H1 H2. apply loss_at_least. intros _. unfold total.
  rewrite (off_diagonal_divergence N S 2) by (auto; lia). rewrite ln_INR_two.
  assert (0 <= mean_pairs S (divergence N 2 q1 q2)) by (apply (divergences_nonneg N S 2); auto; lia).
  assert (- 2 / exp 1 <= diagonal N S 2 q1 q2); [|lra].
  unfold diagonal. rewrite <- (mean_const S (fun _ => - 2 / exp 1) (- 2 / exp 1)) by (auto; lia).
  apply mean_le; [lia|]. intros s Hs. simpl.
  pose proof (phi_above_minus_inverse_e (joint N q1 q2 s s 0 0)).
  pose proof (phi_above_minus_inverse_e (joint N q1 q2 s s 1 1)).
  assert (0 <= joint N q1 q2 s s 0 0) by (apply (joint_nonneg N S 2); auto; lia).
  assert (0 <= joint N q1 q2 s s 1 1) by (apply (joint_nonneg N S 2); auto; lia).
  unfold Rdiv. lra.
Qed.

Theorem two_units_minimum_below : - 2 / exp 1 - 2 * ln 2 < - 3 * ln 2.
Proof.
  assert (E : 1 + 1 < exp 1) by (apply exp_ineq1; lra).
  assert (I : 0 < / exp 1) by (apply Rinv_0_lt_compat, exp_pos).
  assert (D : / 2 <> / exp 1) by (intro X; apply (f_equal Rinv) in X; rewrite !Rinv_inv in X; lra).
  pose proof (excess_positive (/ 2) (/ exp 1)) as P. unfold excess, phi in P.
  rewrite !ln_Rinv, ln_exp in P by lra. unfold Rdiv. lra.
Qed.

(* weight p on the labelled unit, 1 - p on the other *)
Definition softened (p : R) (label : nat -> nat -> nat) : code :=
  fun n s i => p * same (label n s) i + (1 - p) * (1 - same (label n s) i).

Lemma softened_simplex : forall p N S label, 0 <= p <= 1 -> labels N S 2 label -> simplex N S 2 (softened p label).
Proof.
  intros p N S label Hp L n s Hn Hs. specialize (L n s Hn Hs). unfold softened, same. split.
  - intros i _. destruct (Nat.eqb (label n s) i); lra.
  - destruct (label n s) as [|[|u]]; [| |lia]; simpl; lra.
Qed.

(* four samples, three segments *)
Lemma softened_joint : forall p r s t i j, (s < 3)%nat -> (t < 3)%nat -> s <> t -> (i < 2)%nat -> (j < 2)%nat ->
  joint 4 (softened p (modular_triple 2)) (softened r (modular_triple 2)) s t i j = / 4.
Proof.
  intros p r s t i j Hs Ht D Hi Hj.
  destruct s as [|[|[|s]]]; try lia; destruct t as [|[|[|t]]]; try lia;
    destruct i as [|[|i]]; try lia; destruct j as [|[|j]]; try lia;
    unfold joint, mean, softened, modular_triple, same; simpl; field.
Qed.

Lemma softened_trace : forall p r s i, (s < 3)%nat -> (i < 2)%nat ->
  joint 4 (softened p (modular_triple 2)) (softened r (modular_triple 2)) s s i i
  = (p * r + (1 - p) * (1 - r)) / 2.
Proof.
  intros p r s i Hs Hi.
  destruct s as [|[|[|s]]]; try lia; destruct i as [|[|i]]; try lia;
    unfold joint, mean, softened, modular_triple, same; simpl; field.
Qed.

Lemma softened_loss : forall p r, p * r + (1 - p) * (1 - r) = 2 / exp 1 ->
  loss 1 1 0 4 3 2 (softened p (modular_triple 2)) (softened r (modular_triple 2))
  = Finite (- 2 / exp 1 - 2 * ln 2).
Proof.
  intros p r E. rewrite loss_finite by auto. f_equal. unfold total, diagonal, off_diagonal.
  rewrite (mean_const 3 _ (- 2 / exp 1)), (mean_pairs_const 3 _ (- 2 * ln 2)); [ring|lia| |lia|].
  - intros s t Hs Ht D. rewrite (sum_const_ext 2 _ (INR 2 * phi (/ 4))).
    + unfold phi. rewrite ln_Rinv by lra. replace (ln 4) with (2 * ln 2); [simpl; field|].
      replace 4 with (2 * 2) by lra. rewrite ln_mult; lra.
    + intros i Hi. apply sum_const_ext; intros j Hj. rewrite softened_joint; auto.
  - intros s Hs. rewrite (sum_const_ext 2 _ (phi (/ exp 1))).
    + unfold phi. rewrite ln_Rinv, ln_exp by apply exp_pos. simpl. unfold Rdiv. ring.
    + intros i Hi. rewrite softened_trace, E by auto. f_equal. field. apply Rgt_not_eq, exp_pos.
Qed.

Lemma two_over_e : 0 < 2 / exp 1 < 1.
Proof.
  assert (E : 1 + 1 < exp 1) by (apply exp_ineq1; lra). split; [apply Rdiv_lt_0_compat; lra|].
  apply (Rmult_lt_reg_r (exp 1)); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(* the weight a = (1 + sqrt(4/e - 1)) / 2 *)
Definition soft_weight : R := (1 + sqrt (4 / exp 1 - 1)) / 2.

Lemma soft_weight_agrees : soft_weight * soft_weight + (1 - soft_weight) * (1 - soft_weight) = 2 / exp 1.
Proof.
  assert (P : 0 <= 4 / exp 1 - 1).
  { pose proof exp_le_3. assert (4 / 3 <= 4 / exp 1).
    { unfold Rdiv. apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; [apply exp_pos|auto]. }
    lra. }
  unfold soft_weight. pose proof (sqrt_sqrt _ P) as E. set (r := sqrt (4 / exp 1 - 1)) in *.
  replace ((1 + r) / 2 * ((1 + r) / 2) + (1 - (1 + r) / 2) * (1 - (1 + r) / 2)) with ((1 + r * r) / 2) by field.
  rewrite E. field. apply Rgt_not_eq, exp_pos.
Qed.

Lemma soft_weight_inside : / 2 < soft_weight < 1.
Proof.
  pose proof two_over_e. pose proof soft_weight_agrees. pose proof exp_le_3.
  assert (2 / 3 <= 2 / exp 1).
  { unfold Rdiv. apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; [apply exp_pos|auto]. }
  assert (/ 2 <= soft_weight). { unfold soft_weight. pose proof (sqrt_pos (4 / exp 1 - 1)). lra. }
  nra.
Qed.

Lemma triple_labels_two : labels 4 3 2 (modular_triple 2).
Proof. apply (triple_labels 2). lia. Qed.

(* the minimum is attained by a code that is the same in both views and nowhere one-hot, and by one whose views
   differ everywhere: four samples, three segments *)
Theorem two_units_counterexample :
  (exists q, simplex 4 3 2 q /\ loss 1 1 0 4 3 2 q q = Finite (- 2 / exp 1 - 2 * ln 2)
    /\ forall n s i, (n < 4)%nat -> (s < 3)%nat -> (i < 2)%nat -> 0 < q n s i < 1) /\
  (exists q1 q2, simplex 4 3 2 q1 /\ simplex 4 3 2 q2
    /\ loss 1 1 0 4 3 2 q1 q2 = Finite (- 2 / exp 1 - 2 * ln 2)
    /\ forall n s i, (n < 4)%nat -> (s < 3)%nat -> (i < 2)%nat -> q1 n s i <> q2 n s i).
Proof.
  pose proof triple_labels_two as L. pose proof soft_weight_inside as W. pose proof two_over_e as E. split.
  - exists (softened soft_weight (modular_triple 2)). split; [|split].
    + apply softened_simplex; [lra|auto].
    + apply softened_loss, soft_weight_agrees.
    + intros n s i _ _ _. unfold softened, same. destruct (Nat.eqb (modular_triple 2 n s) i); lra.
  - exists (softened 1 (modular_triple 2)), (softened (2 / exp 1) (modular_triple 2)). split; [|split; [|split]].
    + apply softened_simplex; [lra|auto].
    + apply softened_simplex; [lra|auto].
    + apply softened_loss. ring.
    + intros n s i _ _ _. unfold softened, same. destruct (Nat.eqb (modular_triple 2 n s) i); lra.
Qed.

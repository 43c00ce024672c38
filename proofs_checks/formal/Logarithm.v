(* p log p, its tangents, and how far a convex function lies above them. *)

Require Import Reals Lra Lia PeanoNat.
Open Scope R_scope.

(* phi 0 = 0 whatever a logarithm of zero may be: zero times any real number *)
Definition phi (p : R) : R := p * ln p.

(* how far phi lies above its tangent at a: x log(x/a) - x + a *)
Definition excess (x a : R) : R := phi x - x * ln a - x + a.

(* how far -log lies above its tangent at one *)
Definition surprise (g : R) : R := - ln g - 1 + g.

Lemma phi_zero : phi 0 = 0.
Proof. unfold phi. ring. Qed.

Lemma phi_one : phi 1 = 0.
Proof. unfold phi. rewrite ln_1. ring. Qed.

Lemma ln_below : forall x, 0 < x -> ln x <= x - 1.
Proof.
  intros x Hx. destruct (Req_dec (ln x) 0) as [E|E].
  - assert (x = 1) by (rewrite <- (exp_ln x Hx), E; apply exp_0). lra.
  - pose proof (exp_ineq1 (ln x) E). rewrite exp_ln in H by assumption. lra.
Qed.

Lemma ln_strictly_below : forall x, 0 < x -> x <> 1 -> ln x < x - 1.
Proof.
  intros x Hx D. destruct (Req_dec (ln x) 0) as [E|E].
  - exfalso. apply D. rewrite <- (exp_ln x Hx), E. apply exp_0.
  - pose proof (exp_ineq1 (ln x) E). rewrite exp_ln in H by assumption. lra.
Qed.

Lemma ln_div : forall x y, 0 < x -> 0 < y -> ln (x / y) = ln x - ln y.
Proof.
  intros. unfold Rdiv. rewrite ln_mult, ln_Rinv; auto using Rinv_0_lt_compat.
Qed.

Lemma ln_monotone : forall x y, 0 < x -> x <= y -> ln x <= ln y.
Proof. intros x y Hx [H| ->]; [left; apply ln_increasing; auto|right; auto]. Qed.

Lemma ln_nonpositive : forall x, 0 < x -> x <= 1 -> ln x <= 0.
Proof. intros. rewrite <- ln_1. apply ln_monotone; auto. Qed.

Lemma surprise_nonneg : forall g, 0 < g -> 0 <= surprise g.
Proof. intros. unfold surprise. pose proof (ln_below g H). lra. Qed.

Lemma surprise_zero : forall g, 0 < g -> surprise g = 0 -> g = 1.
Proof.
  intros g Hg E. destruct (Req_dec g 1) as [|D]; auto.
  pose proof (ln_strictly_below g Hg D). unfold surprise in E. lra.
Qed.

Lemma excess_positive : forall x a, 0 <= x -> 0 < a -> x <> a -> 0 < excess x a.
Proof.
  intros x a Hx Ha D. unfold excess, phi. destruct (Req_dec x 0) as [->|Hn].
  - rewrite !Rmult_0_l. lra.
  - assert (P : 0 < x) by lra.
    assert (Hq : 0 < a / x) by (apply Rdiv_lt_0_compat; auto).
    assert (N : a / x <> 1).
    { intro E. apply D. apply (Rmult_eq_compat_r x) in E. unfold Rdiv in E.
      rewrite Rmult_assoc, Rinv_l in E by assumption. lra. }
    pose proof (ln_strictly_below _ Hq N) as I. rewrite ln_div in I by assumption.
    apply (Rmult_lt_compat_l x) in I; auto.
    replace (x * (a / x - 1)) with (a - x) in I by (field; auto). lra.
Qed.

Lemma excess_self : forall a, excess a a = 0.
Proof. intros. unfold excess, phi. ring. Qed.

Lemma excess_nonneg : forall x a, 0 <= x -> 0 < a -> 0 <= excess x a.
Proof.
  intros. destruct (Req_dec x a) as [->|]; [rewrite excess_self; lra|left; apply excess_positive; auto].
Qed.

Lemma excess_zero : forall x a, 0 <= x -> 0 < a -> excess x a = 0 -> x = a.
Proof.
  intros x a Hx Ha E. destruct (Req_dec x a) as [|D]; auto.
  pose proof (excess_positive x a Hx Ha D). lra.
Qed.

Lemma tangent : forall x a, 0 <= x -> 0 < a -> x * ln a + x - a <= phi x.
Proof. intros. pose proof (excess_nonneg x a H H0). unfold excess in *. lra. Qed.

Lemma phi_nonpositive : forall x, 0 <= x -> x <= 1 -> phi x <= 0.
Proof.
  intros x H0 H1. destruct (Req_dec x 0) as [->|]; [rewrite phi_zero; lra|].
  unfold phi. pose proof (ln_nonpositive x). nra.
Qed.

(* where a may be zero, if x is zero there: the term of a divergence *)
Lemma gibbs : forall x a, 0 <= x -> 0 <= a -> (a = 0 -> x = 0) -> x - a <= phi x - x * ln a.
Proof.
  intros x a Hx Ha Z. destruct (Req_dec a 0) as [E|N].
  - rewrite (Z E), E, phi_zero. lra.
  - pose proof (tangent x a Hx). lra.
Qed.

(* the least value of phi *)
Lemma phi_above_minus_inverse_e : forall x, 0 <= x -> - / exp 1 <= phi x.
Proof.
  intros x H. assert (0 < / exp 1) by (apply Rinv_0_lt_compat, exp_pos).
  pose proof (tangent x (/ exp 1) H H0). rewrite ln_Rinv, ln_exp in H1 by apply exp_pos. lra.
Qed.

Lemma inverse_e_below_one : / exp 1 < 1.
Proof.
  assert (1 + 1 < exp 1) by (apply exp_ineq1; lra).
  assert (/ exp 1 < / 1) by (apply Rinv_lt_contravar; lra). lra.
Qed.

Lemma phi_above_minus_one : forall x, 0 <= x -> -1 <= phi x.
Proof. intros x H. pose proof (phi_above_minus_inverse_e x H). pose proof inverse_e_below_one. lra. Qed.

(* convexity: tangents at the mixture, with weights that sum to one *)
Lemma phi_convex : forall w x y, 0 <= w <= 1 -> 0 <= x -> 0 <= y ->
  phi (w * x + (1 - w) * y) <= w * phi x + (1 - w) * phi y.
Proof.
  intros w x y [W0 W1] Hx Hy. set (z := w * x + (1 - w) * y).
  assert (0 <= w * x) by (apply Rmult_le_pos; auto).
  assert (0 <= (1 - w) * y) by (apply Rmult_le_pos; lra).
  destruct (Req_dec z 0) as [E|E].
  - assert (A : w * x = 0) by (unfold z in E; lra). assert (B : (1 - w) * y = 0) by (unfold z in E; lra).
    rewrite E, phi_zero. unfold phi. rewrite <- !Rmult_assoc, A, B. lra.
  - assert (Hz : 0 < z) by (unfold z in *; lra).
    pose proof (tangent x z Hx Hz) as T1. pose proof (tangent y z Hy Hz) as T2.
    apply (Rmult_le_compat_l w) in T1; auto. apply (Rmult_le_compat_l (1 - w)) in T2; [|lra].
    assert (EZ : w * (x * ln z + x - z) + (1 - w) * (y * ln z + y - z) = phi z).
    { unfold phi. replace (z * ln z) with ((w * x + (1 - w) * y) * ln z) by reflexivity. unfold z at 2 4. ring. }
    lra.
Qed.

(* logarithms of numbers of units *)
Lemma ln_nat_nonneg : forall K, (1 <= K)%nat -> 0 <= ln (INR K).
Proof.
  intros. rewrite <- ln_1. apply ln_monotone; [lra|]. apply (le_INR 1); auto.
Qed.

Lemma one_below_ln_three : 1 <= ln 3.
Proof. rewrite <- (ln_exp 1). apply ln_monotone; [apply exp_pos|apply exp_le_3]. Qed.

Lemma one_below_ln : forall K, (3 <= K)%nat -> 1 <= ln (INR K).
Proof.
  intros K HK. apply Rle_trans with (ln 3); [apply one_below_ln_three|].
  apply ln_monotone; [lra|]. pose proof (le_INR 3 K HK). simpl in *. lra.
Qed.

(* Pinsker's inequality, cell by cell: 3 (x - a)^2 <= (2 x + 4 a) (x log(x/a) - x + a). *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Calculus.
Open Scope R_scope.

(* log u above its Pade approximant at one *)
Lemma ln_above_pade : forall u, 0 < u -> 0 <= ln u - 5 / 2 + / 4 * / u + 27 / 4 * / (u + 2).
Proof.
  intros u Hu. set (h := fun u => ln u + (- (5 / 2) + (/ 4 * / u + 27 / 4 * / (u + 2)))).
  assert (H1 : h 1 = 0) by (unfold h; rewrite ln_1; field).
  enough (0 <= h u) by (unfold h in H; lra).
  destruct (Req_dec u 1) as [->|N]; [rewrite H1; lra|].
  rewrite <- H1. left.
  apply (valley h (fun x => (x - 1) * ((x - 1) * (x - 1)) * / ((x * (x + 2)) * (x * (x + 2))))); auto; try lra.
  - intros x Hx. unfold h.
    replace ((x - 1) * ((x - 1) * (x - 1)) * / (x * (x + 2) * (x * (x + 2)))) with
      (/ x + (0 + ((0 * / x + / 4 * (- (1) / (x * x)))
        + (0 * / (x + 2) + 27 / 4 * (- (1 + 0) / ((x + 2) * (x + 2))))))) by (field; lra).
    apply d_plus; [apply d_ln; auto|]. apply d_plus; [apply d_const|]. apply d_plus.
    + apply (d_mult (fun _ => / 4) (fun y => / y)); [apply d_const|]. apply (d_inv (fun y => y)); [lra|apply d_id].
    + apply (d_mult (fun _ => 27 / 4) (fun y => / (y + 2))); [apply d_const|].
      apply (d_inv (fun y => y + 2)); [lra|]. apply d_plus; [apply d_id|apply d_const].
  - intros x Hx Hl. assert (0 < / (x * (x + 2) * (x * (x + 2)))).
    { apply Rinv_0_lt_compat. assert (0 < x * (x + 2)) by (apply Rmult_lt_0_compat; lra).
      apply Rmult_lt_0_compat; auto. }
    assert (0 < (1 - x) * ((x - 1) * (x - 1))) by (apply Rmult_lt_0_compat; nra). nra.
  - intros x Hx. assert (0 < / (x * (x + 2) * (x * (x + 2)))).
    { apply Rinv_0_lt_compat. assert (0 < x * (x + 2)) by (apply Rmult_lt_0_compat; lra).
      apply Rmult_lt_0_compat; auto. }
    apply Rmult_lt_0_compat; auto. apply Rmult_lt_0_compat; nra.
Qed.

Lemma pinsker_cell : forall x a, 0 <= x -> 0 < a -> 3 * ((x - a) * (x - a)) <= (2 * x + 4 * a) * excess x a.
Proof.
  intros x a Hx Ha. unfold excess, phi. destruct (Req_dec x 0) as [->|N]; [nra|].
  assert (P : 0 < x) by lra. assert (Q : 0 < x / a) by (apply Rdiv_lt_0_compat; auto).
  pose proof (ln_above_pade (x / a) Q) as I. rewrite ln_div in I by auto.
  apply (Rmult_le_compat_l ((2 * x + 4 * a) * x)) in I; [|nra].
  replace ((2 * x + 4 * a) * x * (ln x - ln a - 5 / 2 + / 4 * / (x / a) + 27 / 4 * / (x / a + 2)))
    with ((2 * x + 4 * a) * (x * ln x - x * ln a - x + a) - 3 * ((x - a) * (x - a))) in I by (field; lra).
  lra.
Qed.

(* with a free multiplier, so that it can be summed before the multiplier is chosen *)
Lemma pinsker_multiplier : forall m x a, 0 <= x -> 0 < a ->
  2 * m * Rabs (x - a) <= m * m * ((2 * x + 4 * a) / 3) + excess x a.
Proof.
  intros m x a Hx Ha. pose proof (pinsker_cell x a Hx Ha) as P. set (w := 2 * x + 4 * a) in *.
  assert (W : 0 < w) by (unfold w; lra). set (d := Rabs (x - a)).
  assert (E : (x - a) * (x - a) = d * d).
  { unfold d. rewrite <- Rabs_mult, Rabs_right; auto. apply Rle_ge, Rle_0_sqr. }
  rewrite E in P. assert (0 <= (m * w - 3 * d) * (m * w - 3 * d)) by (apply Rle_0_sqr).
  apply (Rmult_le_reg_l (3 * w)); [lra|].
  replace (3 * w * (m * m * (w / 3) + excess x a)) with (m * w * (m * w) + 3 * (w * excess x a)) by field.
  nra.
Qed.

(* Codes of logits: shifts and joint scaling change nothing (C32), and no finite logits attain the bound (C1). *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Bound.
Open Scope R_scope.

(* codes of logits z at temperature t *)
Definition softmax (t : R) (K : nat) (z : code) : code :=
  fun n s i => exp (z n s i / t) / sum K (fun j => exp (z n s j / t)).

Lemma exponentials_pos : forall K f, (0 < K)%nat -> 0 < sum K (fun j => exp (f j)).
Proof.
  intros K f HK. apply Rlt_le_trans with (exp (f 0%nat)); [apply exp_pos|].
  apply (sum_term_le K (fun j => exp (f j))); auto. intros; left; apply exp_pos.
Qed.

Lemma softmax_pos : forall t K z n s i, (0 < K)%nat -> 0 < softmax t K z n s i.
Proof.
  intros. apply Rdiv_lt_0_compat; [apply exp_pos|apply (exponentials_pos K (fun j => z n s j / t)); auto].
Qed.

Lemma softmax_simplex : forall t N S K z, (0 < K)%nat -> simplex N S K (softmax t K z).
Proof.
  intros t N S K z HK n s _ _. split; [intros; left; apply softmax_pos; auto|]. unfold softmax.
  pose proof (exponentials_pos K (fun j => z n s j / t) HK). unfold Rdiv at 1. rewrite sum_scale_right.
  apply Rinv_r. lra.
Qed.

Theorem logits_shifted : forall a b c t N S K z1 z2 v1 v2,
  loss a b c N S K (softmax t K (fun n s i => z1 n s i + v1 n s)) (softmax t K (fun n s i => z2 n s i + v2 n s))
  = loss a b c N S K (softmax t K z1) (softmax t K z2).
Proof.
  intros a b c t N S K z1 z2 v1 v2.
  assert (E : forall z v, equal N S K (softmax t K (fun n s i => z n s i + v n s)) (softmax t K z)).
  { intros z v n s i _ _ Hi. unfold softmax.
    rewrite (sum_ext K (fun j => exp ((z n s j + v n s) / t)) (fun j => exp (v n s / t) * exp (z n s j / t))).
    - rewrite sum_scale. replace ((z n s i + v n s) / t) with (z n s i / t + v n s / t) by (unfold Rdiv; ring).
      rewrite exp_plus. pose proof (exp_pos (v n s / t)).
      pose proof (exponentials_pos K (fun j => z n s j / t) ltac:(lia)). field. lra.
    - intros j Hj. rewrite <- exp_plus. f_equal. unfold Rdiv. ring. }
  apply loss_ext; apply E.
Qed.

(* logits and temperature by the same factor *)
Theorem temperature_scaled : forall a b c t r N S K z1 z2, 0 < r -> 0 < t ->
  loss a b c N S K (softmax (r * t) K (fun n s i => r * z1 n s i)) (softmax (r * t) K (fun n s i => r * z2 n s i))
  = loss a b c N S K (softmax t K z1) (softmax t K z2).
Proof.
  intros a b c t r N S K z1 z2 Hr Ht.
  assert (E : forall z, equal N S K (softmax (r * t) K (fun n s i => r * z n s i)) (softmax t K z)).
  { intros z n s i _ _ _. unfold softmax.
    assert (D : forall x, r * x / (r * t) = x / t) by (intros; field; lra).
    rewrite D, (sum_ext K (fun j => exp (r * z n s j / (r * t))) (fun j => exp (z n s j / t))); auto.
    intros j _. rewrite D. reflexivity. }
  apply loss_ext; apply E.
Qed.

Theorem finite_logits_stay_above : forall c t N S K z1 z2,
  (0 < N)%nat -> (2 <= S)%nat -> (3 <= K)%nat -> 0 <= c ->
  exists x, loss 1 1 c N S K (softmax t K z1) (softmax t K z2) = Finite x /\ - 3 * ln (INR K) < x.
Proof.
  intros c t N S K z1 z2 HN HS HK Hc. assert (HK0 : (0 < K)%nat) by lia.
  pose proof (softmax_simplex t N S K z1 HK0) as H1. pose proof (softmax_simplex t N S K z2 HK0) as H2.
  assert (A : agree_everywhere N S K (softmax t K z1) (softmax t K z2)).
  { intros n s Hn Hs. set (g := fun i => softmax t K z1 n s i * softmax t K z2 n s i).
    assert (G : forall i, 0 < g i) by (intros; apply Rmult_lt_0_compat; apply softmax_pos; auto).
    apply Rlt_le_trans with (g 0%nat); auto. apply (sum_term_le K g); auto. intros; left; auto. }
  pose proof (bound c N S K _ _ HN HS HK Hc H1 H2) as B.
  pose proof (bound_equality c N S K _ _ HN HS HK Hc H1 H2) as Q.
  rewrite loss_finite in B, Q by (right; exact A). simpl in B.
  exists (total 1 1 c N S K (softmax t K z1) (softmax t K z2)). split; [apply loss_finite; auto|].
  destruct B as [|E]; auto. exfalso.
  assert (P : perfect N S K (softmax t K z1) (softmax t K z2)) by (apply Q; f_equal; auto).
  destruct P as [l [L [E1 _]]].
  assert (exists j, (j < K)%nat /\ l 0%nat 0%nat <> j) as [j [Hj D]].
  { destruct (Nat.eq_dec (l 0%nat 0%nat) 0) as [->|]; [exists 1%nat|exists 0%nat]; lia. }
  pose proof (E1 0%nat 0%nat j HN ltac:(lia) Hj) as Z. unfold one_hot in Z. rewrite same_diff in Z by auto.
  pose proof (softmax_pos t K z1 0 0 j HK0). lra.
Qed.

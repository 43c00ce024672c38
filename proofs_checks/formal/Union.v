(* C30: the loss of a union of batches is at most the mean of their losses. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint.
Open Scope R_scope.

(* the first N samples are those of p, the others those of q *)
Definition joined (N : nat) (p q : code) : code := fun n => if Nat.ltb n N then p n else q (n - N)%nat.

Section Union.
Variables (N M S K : nat) (p1 p2 q1 q2 : code).
Context (HN : (0 < N)%nat) (HM : (0 < M)%nat) (HS : (0 < S)%nat)
  (P1 : simplex N S K p1) (P2 : simplex N S K p2) (Q1 : simplex M S K q1) (Q2 : simplex M S K q2).

Let u1 := joined N p1 q1.
Let u2 := joined N p2 q2.
Let w := INR N / INR (N + M).

Lemma left_batch : forall p q n, (n < N)%nat -> joined N p q n = p n.
Proof. intros. unfold joined. destruct (Nat.ltb_spec n N); [auto|lia]. Qed.

Lemma right_batch : forall p q n, joined N p q (N + n)%nat = q n.
Proof. intros. unfold joined. destruct (Nat.ltb_spec (N + n) N); [lia|]. f_equal. lia. Qed.

Lemma share : 0 <= w <= 1 /\ 1 - w = INR M / INR (N + M).
Proof.
  unfold w. rewrite plus_INR. pose proof (INR_pos N HN). pose proof (INR_pos M HM). split; [split|field; lra].
  - apply Rle_mult_inv_pos; lra.
  - apply (Rmult_le_reg_r (INR N + INR M)); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

Lemma mean_joined : forall f, mean (N + M) f = w * mean N f + (1 - w) * mean M (fun n => f (N + n)%nat).
Proof.
  intros f. destruct share as [_ ->]. unfold w, mean. rewrite sum_append, plus_INR.
  pose proof (INR_pos N HN). pose proof (INR_pos M HM). field. lra.
Qed.

Lemma joint_joined : forall s t i j,
  joint (N + M) u1 u2 s t i j = w * joint N p1 p2 s t i j + (1 - w) * joint M q1 q2 s t i j.
Proof.
  intros. unfold joint. rewrite mean_joined. f_equal; f_equal; apply mean_ext; intros n Hn; unfold u1, u2.
  - rewrite !left_batch by auto. reflexivity.
  - rewrite !right_batch. reflexivity.
Qed.

Lemma cell_joined : forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  phi (joint (N + M) u1 u2 s t i j) <= w * phi (joint N p1 p2 s t i j) + (1 - w) * phi (joint M q1 q2 s t i j).
Proof.
  intros. rewrite joint_joined. apply phi_convex; [apply share|..]; [apply (joint_nonneg N S K)|apply (joint_nonneg M S K)]; auto.
Qed.

Lemma diagonal_joined : diagonal (N + M) S K u1 u2 <= w * diagonal N S K p1 p2 + (1 - w) * diagonal M S K q1 q2.
Proof.
  unfold diagonal. rewrite <- !mean_scale, <- mean_plus. apply mean_le; auto. intros s Hs.
  rewrite <- !sum_scale, <- sum_plus. apply sum_le; intros i Hi. apply cell_joined; auto.
Qed.

Lemma off_diagonal_joined : (2 <= S)%nat ->
  off_diagonal (N + M) S K u1 u2 <= w * off_diagonal N S K p1 p2 + (1 - w) * off_diagonal M S K q1 q2.
Proof.
  intros HP. unfold off_diagonal. rewrite <- !mean_pairs_scale, <- mean_pairs_plus. apply mean_pairs_le; auto.
  intros s t Hs Ht _. rewrite <- !sum_scale, <- sum_plus. apply sum_le; intros i Hi.
  rewrite <- !sum_scale, <- sum_plus. apply sum_le; intros j Hj. apply cell_joined; auto.
Qed.

Lemma agreement_left : forall n s, (n < N)%nat -> agreement K u1 u2 n s = agreement K p1 p2 n s.
Proof. intros. unfold agreement, u1, u2. rewrite !left_batch by auto. reflexivity. Qed.

Lemma agreement_right : forall n s, agreement K u1 u2 (N + n) s = agreement K q1 q2 n s.
Proof. intros. unfold agreement, u1, u2. rewrite !right_batch. reflexivity. Qed.

Lemma invariance_joined :
  invariance (N + M) S K u1 u2 = w * invariance N S K p1 p2 + (1 - w) * invariance M S K q1 q2.
Proof.
  rewrite !invariance_mean, mean_joined.
  rewrite (mean_ext N (fun n => mean S (fun s => ln (agreement K u1 u2 n s)))
    (fun n => mean S (fun s => ln (agreement K p1 p2 n s)))).
  - rewrite (mean_ext M (fun n => mean S (fun s => ln (agreement K u1 u2 (N + n) s)))
      (fun n => mean S (fun s => ln (agreement K q1 q2 n s)))); [ring|].
    intros n Hn. apply mean_ext; intros s Hs. rewrite agreement_right. reflexivity.
  - intros n Hn. apply mean_ext; intros s Hs. rewrite agreement_left by auto. reflexivity.
Qed.

Lemma joined_agrees : agree_everywhere N S K p1 p2 -> agree_everywhere M S K q1 q2 ->
  agree_everywhere (N + M) S K u1 u2.
Proof.
  intros A B n s Hn Hs. destruct (Nat.lt_ge_cases n N) as [L|G].
  - rewrite agreement_left; auto.
  - replace n with (N + (n - N))%nat by lia. rewrite agreement_right. apply B; auto. lia.
Qed.

End Union.

(* where one of the two losses is infinite there is nothing to show: so is their mean *)
Theorem union_below_weighted_mean : forall a b c N M S K p1 p2 q1 q2 x y,
  0 <= a -> 0 <= b -> 0 <= c -> (0 < N)%nat -> (0 < M)%nat -> (2 <= S)%nat ->
  simplex N S K p1 -> simplex N S K p2 -> simplex M S K q1 -> simplex M S K q2 ->
  loss a b c N S K p1 p2 = Finite x -> loss a b c M S K q1 q2 = Finite y ->
  exists z, loss a b c (N + M) S K (joined N p1 q1) (joined N p2 q2) = Finite z
    /\ z <= (INR N * x + INR M * y) / INR (N + M).
Proof.
  intros a b c N M S K p1 p2 q1 q2 x y Ha Hb Hc HN HM HS P1 P2 Q1 Q2 Ex Ey.
  apply loss_is_finite in Ex as [Fx ->]. apply loss_is_finite in Ey as [Fy ->].
  assert (HS1 : (0 < S)%nat) by lia.
  exists (total a b c (N + M) S K (joined N p1 q1) (joined N p2 q2)). split.
  - apply loss_finite. destruct Fx as [|Fx]; auto. destruct Fy as [|Fy]; auto. right. apply joined_agrees; auto.
  - pose proof (diagonal_joined N M S K p1 p2 q1 q2 HN HM HS1 P1 P2 Q1 Q2) as D.
    pose proof (off_diagonal_joined N M S K p1 p2 q1 q2 HN HM HS1 P1 P2 Q1 Q2 HS) as O.
    pose proof (invariance_joined N M S K p1 p2 q1 q2 HN HM HS1) as I.
    apply (Rmult_le_compat_l a) in D; auto. apply (Rmult_le_compat_l b) in O; auto.
    destruct (share N M HN HM) as [_ W]. set (w := INR N / INR (N + M)) in *.
    pose proof (INR_pos N HN). pose proof (INR_pos M HM).
    replace ((INR N * total a b c N S K p1 p2 + INR M * total a b c M S K q1 q2) / INR (N + M))
      with (w * total a b c N S K p1 p2 + (1 - w) * total a b c M S K q1 q2).
    + unfold total. rewrite I. lra.
    + rewrite W. unfold w. rewrite plus_INR. field. lra.
Qed.

Theorem union_below_mean : forall c N S K p1 p2 q1 q2 x y,
  0 <= c -> (0 < N)%nat -> (2 <= S)%nat ->
  simplex N S K p1 -> simplex N S K p2 -> simplex N S K q1 -> simplex N S K q2 ->
  loss 1 1 c N S K p1 p2 = Finite x -> loss 1 1 c N S K q1 q2 = Finite y ->
  exists z, loss 1 1 c (N + N) S K (joined N p1 q1) (joined N p2 q2) = Finite z /\ z <= (x + y) / 2.
Proof.
  intros c N S K p1 p2 q1 q2 x y Hc HN HS P1 P2 Q1 Q2 Ex Ey.
  destruct (union_below_weighted_mean 1 1 c N N S K p1 p2 q1 q2 x y) as [z [Ez Z]]; auto; try lra.
  exists z. split; auto. rewrite plus_INR in Z. pose proof (INR_pos N HN).
  replace ((INR N * x + INR N * y) / (INR N + INR N)) with ((x + y) / 2) in Z by (field; lra). exact Z.
Qed.

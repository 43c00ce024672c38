(* First facts: when the loss is finite, what the joint distribution sums to, where an agreement lies. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss.
Open Scope R_scope.

(* finite and infinite ------------------------------------------------------------------------- *)

Lemma every_true : forall n p, every n p = true <-> forall i, (i < n)%nat -> p i = true.
Proof.
  induction n; intros p; simpl.
  - split; auto. intros _ i Hi. lia.
  - rewrite Bool.andb_true_iff, IHn. split.
    + intros [H1 H2] i Hi. destruct (Nat.eq_dec i n) as [->|]; auto. apply H1. lia.
    + intros H. split; intros; apply H; lia.
Qed.

Lemma positive_true : forall x, positive x = true <-> 0 < x.
Proof. intros. unfold positive. destruct (Rlt_dec 0 x); split; intros; easy. Qed.

Definition agree_everywhere (N S K : nat) (q1 q2 : code) : Prop :=
  forall n s, (n < N)%nat -> (s < S)%nat -> 0 < agreement K q1 q2 n s.

Lemma all_agree_true : forall N S K q1 q2, all_agree N S K q1 q2 = true <-> agree_everywhere N S K q1 q2.
Proof.
  intros. unfold all_agree, agree_everywhere. rewrite every_true. split.
  - intros H n s Hn Hs. apply positive_true. specialize (H n Hn). rewrite every_true in H. auto.
  - intros H n Hn. apply every_true. intros s Hs. apply positive_true. auto.
Qed.

Definition total (a b c : R) (N S K : nat) (q1 q2 : code) : R :=
  a * diagonal N S K q1 q2 + b * off_diagonal N S K q1 q2 + c * invariance N S K q1 q2.

Lemma loss_finite : forall a b c N S K q1 q2, c = 0 \/ agree_everywhere N S K q1 q2 ->
  loss a b c N S K q1 q2 = Finite (total a b c N S K q1 q2).
Proof.
  intros a b c N S K q1 q2 H. unfold loss, total. destruct (Req_EM_T c 0) as [->|D]; [f_equal; ring|].
  destruct H as [|H]; [contradiction|]. apply all_agree_true in H. rewrite H. reflexivity.
Qed.

Lemma loss_is_finite : forall a b c N S K q1 q2 x, loss a b c N S K q1 q2 = Finite x ->
  (c = 0 \/ agree_everywhere N S K q1 q2) /\ x = total a b c N S K q1 q2.
Proof.
  intros a b c N S K q1 q2 x H. unfold loss in H. destruct (Req_EM_T c 0) as [->|D].
  - inversion H. split; [auto|unfold total; ring].
  - destruct (all_agree N S K q1 q2) eqn:E; inversion H. split; [right; apply all_agree_true; auto|reflexivity].
Qed.

Lemma loss_infinite : forall a b c N S K q1 q2, c <> 0 -> ~ agree_everywhere N S K q1 q2 ->
  loss a b c N S K q1 q2 = Infinite.
Proof.
  intros a b c N S K q1 q2 D H. unfold loss. destruct (Req_EM_T c 0); [contradiction|].
  destruct (all_agree N S K q1 q2) eqn:E; auto. apply all_agree_true in E. contradiction.
Qed.

Lemma loss_at_least : forall a b c N S K q1 q2 x,
  (c = 0 \/ agree_everywhere N S K q1 q2 -> x <= total a b c N S K q1 q2) -> at_least (loss a b c N S K q1 q2) x.
Proof.
  intros a b c N S K q1 q2 x H. destruct (loss a b c N S K q1 q2) eqn:E; simpl; auto.
  apply loss_is_finite in E as [F ->]. auto.
Qed.

(* the three terms, and so the loss, read the codes in range only *)
Lemma joint_ext : forall N S K p1 p2 q1 q2 s t i j,
  equal N S K p1 q1 -> equal N S K p2 q2 -> (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  joint N p1 p2 s t i j = joint N q1 q2 s t i j.
Proof. intros. unfold joint. apply mean_ext; intros. rewrite H, H0; auto. Qed.

Lemma agreement_ext : forall N S K p1 p2 q1 q2 n s,
  equal N S K p1 q1 -> equal N S K p2 q2 -> (n < N)%nat -> (s < S)%nat ->
  agreement K p1 p2 n s = agreement K q1 q2 n s.
Proof. intros. unfold agreement. apply sum_ext; intros. rewrite H, H0; auto. Qed.

Lemma diagonal_ext : forall N S K p1 p2 q1 q2,
  (forall s i, (s < S)%nat -> (i < K)%nat -> joint N p1 p2 s s i i = joint N q1 q2 s s i i) ->
  diagonal N S K p1 p2 = diagonal N S K q1 q2.
Proof.
  intros. unfold diagonal. apply mean_ext; intros s Hs. apply sum_ext; intros i Hi. rewrite H; auto.
Qed.

Lemma off_diagonal_ext : forall N S K p1 p2 q1 q2,
  (forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
    joint N p1 p2 s t i j = joint N q1 q2 s t i j) ->
  off_diagonal N S K p1 p2 = off_diagonal N S K q1 q2.
Proof.
  intros. unfold off_diagonal. apply mean_pairs_ext; intros s t Hs Ht _.
  apply sum_ext; intros i Hi. apply sum_ext; intros j Hj. rewrite H; auto.
Qed.

Lemma invariance_mean : forall N S K q1 q2,
  invariance N S K q1 q2 = - mean N (fun n => mean S (fun s => ln (agreement K q1 q2 n s))).
Proof.
  intros. unfold invariance, mean. rewrite sum_scale, Rinv_mult. ring.
Qed.

(* two pairs of codes with the same terms, and the same infinities, have the same loss *)
Lemma loss_same : forall a b c N M S K p1 p2 q1 q2,
  diagonal N S K p1 p2 = diagonal M S K q1 q2 -> off_diagonal N S K p1 p2 = off_diagonal M S K q1 q2 ->
  invariance N S K p1 p2 = invariance M S K q1 q2 ->
  (agree_everywhere N S K p1 p2 <-> agree_everywhere M S K q1 q2) ->
  loss a b c N S K p1 p2 = loss a b c M S K q1 q2.
Proof.
  intros a b c N M S K p1 p2 q1 q2 D O I A. unfold loss. rewrite D, O, I.
  destruct (Req_EM_T c 0); auto.
  assert (E : all_agree N S K p1 p2 = all_agree M S K q1 q2).
  { apply Bool.eq_iff_eq_true. rewrite !all_agree_true. exact A. }
  rewrite E. reflexivity.
Qed.

Lemma loss_ext : forall a b c N S K p1 p2 q1 q2, equal N S K p1 q1 -> equal N S K p2 q2 ->
  loss a b c N S K p1 p2 = loss a b c N S K q1 q2.
Proof.
  intros. apply loss_same.
  - apply diagonal_ext; intros. apply joint_ext with S K; auto.
  - apply off_diagonal_ext; intros. apply joint_ext with S K; auto.
  - rewrite !invariance_mean. f_equal. apply mean_ext; intros. apply mean_ext; intros. f_equal.
    apply agreement_ext with N S; auto.
  - unfold agree_everywhere. split; intros A n s Hn Hs.
    + rewrite <- (agreement_ext N S K p1 p2); auto.
    + rewrite (agreement_ext N S K p1 p2 q1 q2); auto.
Qed.

(* the law of one segment, and entropies *)
Definition marginal (N : nat) (q : code) (s i : nat) : R := mean N (fun n => q n s i).

Definition entropy (K : nat) (p : nat -> R) : R := - sum K (fun i => phi (p i)).

(* codes on the simplex ------------------------------------------------------------------------ *)

Section Codes.
Variables (N S K : nat) (q1 q2 : code).
Context (HN : (0 < N)%nat) (H1 : simplex N S K q1) (H2 : simplex N S K q2).

Lemma simplex_at_most_one : forall q n s i, simplex N S K q -> (n < N)%nat -> (s < S)%nat -> (i < K)%nat ->
  0 <= q n s i <= 1.
Proof.
  intros q n s i H Hn Hs Hi. destruct (H n s Hn Hs) as [P T]. split; auto.
  rewrite <- T. apply (sum_term_le K (q n s)); auto.
Qed.

Lemma joint_nonneg : forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  0 <= joint N q1 q2 s t i j.
Proof.
  intros s t i j Hs Ht Hi Hj. apply mean_nonneg; auto. intros n Hn.
  apply Rmult_le_pos; [apply (H1 n s)|apply (H2 n t)]; auto.
Qed.

Lemma joint_row : forall s t i, (s < S)%nat -> (t < S)%nat -> (i < K)%nat ->
  sum K (fun j => joint N q1 q2 s t i j) = marginal N q1 s i.
Proof.
  intros s t i Hs Ht Hi. unfold joint, marginal. rewrite <- mean_sum. apply mean_ext; intros n Hn.
  rewrite sum_scale. destruct (H2 n t Hn Ht) as [_ ->]. ring.
Qed.

Lemma joint_column : forall s t j, (s < S)%nat -> (t < S)%nat -> (j < K)%nat ->
  sum K (fun i => joint N q1 q2 s t i j) = marginal N q2 t j.
Proof.
  intros s t j Hs Ht Hj. unfold joint, marginal. rewrite <- mean_sum. apply mean_ext; intros n Hn.
  rewrite sum_scale_right. destruct (H1 n s Hn Hs) as [_ ->]. ring.
Qed.

Lemma joint_total : forall s t, (s < S)%nat -> (t < S)%nat ->
  sum K (fun i => sum K (fun j => joint N q1 q2 s t i j)) = 1.
Proof.
  intros s t Hs Ht. rewrite (sum_ext K _ (marginal N q1 s)).
  - unfold marginal. rewrite <- mean_sum. apply mean_const; auto. intros n Hn. apply (H1 n s); auto.
  - intros i Hi. apply joint_row; auto.
Qed.

Lemma joint_at_most_one : forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  joint N q1 q2 s t i j <= 1.
Proof.
  intros s t i j Hs Ht Hi Hj. rewrite <- (joint_total s t) by auto.
  apply Rle_trans with (sum K (fun j => joint N q1 q2 s t i j)).
  - apply (sum_term_le K (fun j => joint N q1 q2 s t i j)); auto. intros; apply joint_nonneg; auto.
  - apply (sum_term_le K (fun i => sum K (fun j => joint N q1 q2 s t i j))); auto.
    intros; apply sum_nonneg; intros; apply joint_nonneg; auto.
Qed.

Lemma marginal_total : forall q s, simplex N S K q -> (s < S)%nat -> sum K (marginal N q s) = 1.
Proof.
  intros q s H Hs. unfold marginal. rewrite <- mean_sum. apply mean_const; auto. intros n Hn. apply (H n s); auto.
Qed.

Lemma marginal_nonneg : forall q s i, simplex N S K q -> (s < S)%nat -> (i < K)%nat -> 0 <= marginal N q s i.
Proof. intros q s i H Hs Hi. apply mean_nonneg; auto. intros n Hn. apply (H n s); auto. Qed.

(* the trace of a diagonal block is the mean agreement of its segment *)
Lemma joint_trace : forall s, sum K (fun i => joint N q1 q2 s s i i) = mean N (fun n => agreement K q1 q2 n s).
Proof. intros. unfold joint, agreement. rewrite <- mean_sum. reflexivity. Qed.

Lemma agreement_nonneg : forall n s, (n < N)%nat -> (s < S)%nat -> 0 <= agreement K q1 q2 n s.
Proof.
  intros n s Hn Hs. apply sum_nonneg; intros i Hi.
  apply Rmult_le_pos; [apply (H1 n s)|apply (H2 n s)]; auto.
Qed.

(* an agreement is at most the largest weight of either code: here, at most any bound on the weights *)
Lemma agreement_at_most : forall n s m, (n < N)%nat -> (s < S)%nat ->
  (forall i, (i < K)%nat -> q1 n s i <= m) -> agreement K q1 q2 n s <= m.
Proof.
  intros n s m Hn Hs H. destruct (H2 n s Hn Hs) as [P T]. unfold agreement.
  apply Rle_trans with (sum K (fun i => m * q2 n s i)).
  - apply sum_le; intros i Hi. apply Rmult_le_compat_r; auto.
  - rewrite sum_scale, T. lra.
Qed.

Lemma agreement_at_most_one : forall n s, (n < N)%nat -> (s < S)%nat -> agreement K q1 q2 n s <= 1.
Proof.
  intros n s Hn Hs. apply agreement_at_most; auto. intros i Hi. apply (simplex_at_most_one q1 n s i); auto.
Qed.

Lemma agreement_symmetric : forall n s, agreement K q2 q1 n s = agreement K q1 q2 n s.
Proof. intros. unfold agreement. apply sum_ext; intros; ring. Qed.

End Codes.

(* one-hot codes lie on the simplex *)
Lemma one_hot_simplex : forall N S K l, labels N S K l -> simplex N S K (one_hot l).
Proof.
  intros N S K l H n s Hn Hs. unfold one_hot. split.
  - intros i _. unfold same. destruct (Nat.eqb (l n s) i); lra.
  - apply sum_same. auto.
Qed.

Lemma one_hot_agreement : forall N S K l n s, labels N S K l -> (n < N)%nat -> (s < S)%nat ->
  agreement K (one_hot l) (one_hot l) n s = 1.
Proof.
  intros N S K l n s H Hn Hs. unfold agreement, one_hot.
  rewrite (sum_pick K (l n s) (fun i => same (l n s) i)); auto using same_refl.
Qed.

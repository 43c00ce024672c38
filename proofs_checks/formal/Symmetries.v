(* C32: what may be permuted, exchanged, shifted or repeated without a change of the loss. Any codes, any weights. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint.
Open Scope R_scope.

Theorem samples_permuted : forall a b c N S K q1 q2 p, permutation N p ->
  loss a b c N S K (fun n => q1 (p n)) (fun n => q2 (p n)) = loss a b c N S K q1 q2.
Proof.
  intros a b c N S K q1 q2 p H.
  assert (J : forall s t i j, joint N (fun n => q1 (p n)) (fun n => q2 (p n)) s t i j = joint N q1 q2 s t i j)
    by (intros; apply (mean_permutation N p (fun n => q1 n s i * q2 n t j)); auto).
  apply loss_same.
  - apply diagonal_ext; auto.
  - apply off_diagonal_ext; auto.
  - rewrite !invariance_mean. f_equal.
    apply (mean_permutation N p (fun n => mean S (fun s => ln (agreement K q1 q2 n s)))); auto.
  - split; intros A n s Hn Hs; destruct H as [r H]; destruct (H n Hn) as [H1 [H2 [H3 H4]]].
    + rewrite <- H4. exact (A (r n) s H2 Hs).
    + exact (A (p n) s H1 Hs).
Qed.

Theorem segments_permuted : forall a b c N S K q1 q2 p, permutation S p ->
  loss a b c N S K (fun n s => q1 n (p s)) (fun n s => q2 n (p s)) = loss a b c N S K q1 q2.
Proof.
  intros a b c N S K q1 q2 p H. apply loss_same.
  - apply (mean_permutation S p (fun s => sum K (fun i => phi (joint N q1 q2 s s i i)))); auto.
  - apply (mean_pairs_permutation S p (fun s t => sum K (fun i => sum K (fun j => phi (joint N q1 q2 s t i j))))); auto.
  - rewrite !invariance_mean. f_equal. apply mean_ext; intros n Hn.
    apply (mean_permutation S p (fun s => ln (agreement K q1 q2 n s))); auto.
  - split; intros A n s Hn Hs; destruct H as [r H]; destruct (H s Hs) as [H1 [H2 [H3 H4]]].
    + rewrite <- H4. exact (A n (r s) Hn H2).
    + exact (A n (p s) Hn H1).
Qed.

(* within every segment, in both views alike *)
Theorem units_permuted : forall a b c N S K q1 q2 p, (forall s, (s < S)%nat -> permutation K (p s)) ->
  loss a b c N S K (fun n s i => q1 n s (p s i)) (fun n s i => q2 n s (p s i)) = loss a b c N S K q1 q2.
Proof.
  intros a b c N S K q1 q2 p H.
  assert (G : forall n s, (s < S)%nat ->
    agreement K (fun n s i => q1 n s (p s i)) (fun n s i => q2 n s (p s i)) n s = agreement K q1 q2 n s)
    by (intros; apply (sum_permutation K (p s) (fun i => q1 n s i * q2 n s i)); auto).
  apply loss_same.
  - apply mean_ext; intros s Hs. apply (sum_permutation K (p s) (fun i => phi (joint N q1 q2 s s i i))); auto.
  - apply mean_pairs_ext; intros s t Hs Ht _.
    rewrite <- (sum_permutation K (p s) (fun i => sum K (fun j => phi (joint N q1 q2 s t i j)))) by auto.
    apply sum_ext; intros i Hi. apply (sum_permutation K (p t) (fun j => phi (joint N q1 q2 s t (p s i) j))); auto.
  - rewrite !invariance_mean. f_equal. apply mean_ext; intros n Hn. apply mean_ext; intros s Hs.
    rewrite G; auto.
  - split; intros A n s Hn Hs; specialize (A n s Hn Hs); rewrite G in *; auto.
Qed.

Theorem views_exchanged : forall a b c N S K q1 q2, loss a b c N S K q2 q1 = loss a b c N S K q1 q2.
Proof.
  intros. assert (J : forall s t i j, joint N q2 q1 s t i j = joint N q1 q2 t s j i)
    by (intros; apply mean_ext; intros; ring).
  apply loss_same.
  - apply diagonal_ext; intros; apply J.
  - unfold off_diagonal. rewrite <- mean_pairs_swap. apply mean_pairs_ext; intros s t Hs Ht _.
    rewrite sum_swap. apply sum_ext; intros i Hi. apply sum_ext; intros j Hj. rewrite J. reflexivity.
  - rewrite !invariance_mean. f_equal. apply mean_ext; intros n Hn. apply mean_ext; intros s Hs.
    rewrite agreement_symmetric. reflexivity.
  - split; intros A n s Hn Hs; rewrite agreement_symmetric; auto.
Qed.

(* the batch M times over *)
Theorem batch_repeated : forall a b c M N S K q1 q2, (0 < M)%nat -> (0 < N)%nat ->
  loss a b c (M * N) S K (fun n => q1 (n mod N)) (fun n => q2 (n mod N)) = loss a b c N S K q1 q2.
Proof.
  intros a b c M N S K q1 q2 HM HN. pose proof (INR_pos M HM). pose proof (INR_pos N HN).
  assert (R : forall f : nat -> R, mean (M * N) (fun n => f (n mod N)) = mean N f).
  { intros f. unfold mean. rewrite sum_rows, mult_INR, (sum_const_ext M _ (sum N f)); [field; lra|].
    intros i Hi. apply sum_ext; intros j Hj. rewrite Nat.add_comm, Nat.mod_add, Nat.mod_small by lia. reflexivity. }
  assert (J : forall s t i j, joint (M * N) (fun n => q1 (n mod N)) (fun n => q2 (n mod N)) s t i j
    = joint N q1 q2 s t i j) by (intros; apply (R (fun n => q1 n s i * q2 n t j))).
  apply loss_same.
  - apply mean_ext; intros s Hs. apply sum_ext; intros i Hi. rewrite J. reflexivity.
  - apply mean_pairs_ext; intros s t Hs Ht _. apply sum_ext; intros i Hi. apply sum_ext; intros j Hj.
    rewrite J. reflexivity.
  - rewrite !invariance_mean. f_equal. apply (R (fun n => mean S (fun s => ln (agreement K q1 q2 n s)))).
  - split; intros A n s Hn Hs.
    + specialize (A n s ltac:(nia) Hs). unfold agreement in *. rewrite Nat.mod_small in A by auto. exact A.
    + apply (A (n mod N)); auto. apply Nat.mod_upper_bound. lia.
Qed.

(* C22: at the bound no codeword is shared by more than N / (1 + S (K - 1)) samples. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Gap Bound.
Open Scope R_scope.

(* a codeword names one unit a segment; a sample holds it if its code has weight there in every segment *)
Definition holds (S : nat) (q : code) (x : nat -> nat) (n : nat) : bool :=
  every S (fun s => positive (q n s (x s))).

Definition holders (N S : nat) (q : code) (x : nat -> nat) : R := sum N (fun n => if holds S q x n then 1 else 0).

(* entropy of the codewords of the samples, as a mean over samples: log of the share of samples that hold theirs *)
Definition codeword_entropy (N S : nat) (q : code) (codeword : nat -> nat -> nat) : R :=
  - mean N (fun n => ln (holders N S q (codeword n) / INR N)).

Section Perfect.
Variables (N S K : nat) (q1 q2 : code) (l : nat -> nat -> nat) (x : nat -> nat).
Context (HN : (0 < N)%nat) (HS : (2 <= S)%nat) (HK : (0 < K)%nat) (L : labels N S K l)
  (E1 : equal N S K q1 (one_hot l)) (E2 : equal N S K q2 (one_hot l)) (U : uniform_pairs N S K q1 q2)
  (X : forall s, (s < S)%nat -> (x s < K)%nat).

Let hit n s := same (l n s) (x s).
Let score n := sum S (fun s => INR K * hit n s - 1).

Lemma hits_of_two : forall s t, (s < S)%nat -> (t < S)%nat -> s <> t ->
  mean N (fun n => hit n s * hit n t) = / (INR K * INR K).
Proof.
  intros s t Hs Ht D. rewrite <- (U s t (x s) (x t)) by auto. unfold joint. apply mean_ext; intros n Hn.
  rewrite E1, E2 by auto. reflexivity.
Qed.

Lemma hits_of_one : forall s, (s < S)%nat -> mean N (fun n => hit n s) = / INR K.
Proof.
  intros s Hs. assert (P : perfect N S K q1 q2) by (exists l; auto).
  assert (H2 : simplex N S K q2).
  { intros n r Hn Hr. destruct (one_hot_simplex N S K l L n r Hn Hr) as [A B]. split.
    - intros i Hi. rewrite E2 by auto. auto.
    - rewrite <- B. apply sum_ext; intros; apply E2; auto. }
  rewrite <- (perfect_joint_diagonal N S K q1 q2 s (x s)) by auto. unfold joint. apply mean_ext; intros n Hn.
  rewrite E1, E2 by auto. unfold hit, one_hot, same. destruct (Nat.eqb (l n s) (x s)); ring.
Qed.

Lemma hit_squared : forall n s, hit n s * hit n s = hit n s.
Proof. intros. unfold hit, same. destruct (Nat.eqb (l n s) (x s)); ring. Qed.

Lemma score_mean : mean N score = 0.
Proof.
  unfold score. rewrite mean_sum. apply sum_zero; intros s Hs.
  rewrite mean_minus, mean_scale, hits_of_one, (mean_const N (fun _ => 1) 1) by auto.
  field. apply Rgt_not_eq, INR_pos; auto.
Qed.

Lemma score_variance : mean N (fun n => score n * score n) = INR S * (INR K - 1).
Proof.
  pose proof (INR_pos K HK) as P.
  rewrite (mean_ext N _ (fun n => sum S (fun s => sum S (fun t => (INR K * hit n s - 1) * (INR K * hit n t - 1)))))
    by (intros; unfold score; rewrite sum_times_sum; reflexivity).
  rewrite mean_sum. apply sum_const_ext. intros s Hs. rewrite mean_sum.
  rewrite (sum_ext S _ (fun t => same s t * (INR K - 1))).
  - rewrite (sum_pick S s (fun _ => INR K - 1)); auto.
  - intros t Ht.
    rewrite (mean_ext N _ (fun n => INR K * INR K * (hit n s * hit n t) - INR K * hit n s - INR K * hit n t + 1))
      by (intros; ring).
    rewrite mean_plus, !mean_minus, !mean_scale, (mean_const N (fun _ => 1) 1), !hits_of_one by auto.
    destruct (Nat.eq_dec s t) as [<-|D].
    + rewrite (mean_ext N _ (fun n => hit n s)) by (intros; apply hit_squared). rewrite hits_of_one, same_refl by auto.
      field. lra.
    + rewrite hits_of_two, same_diff by auto. field. lra.
Qed.

Lemma holder_score : forall n, (n < N)%nat -> holds S q1 x n = true -> score n = INR S * (INR K - 1).
Proof.
  intros n Hn H. unfold score. apply sum_const_ext; intros s Hs. unfold holds in H. rewrite every_true in H.
  specialize (H s Hs). apply positive_true in H. rewrite E1 in H by auto. unfold hit, one_hot, same in *.
  destruct (Nat.eqb (l n s) (x s)); [ring|lra].
Qed.

Lemma holders_bound : holders N S q1 x * (1 + INR S * (INR K - 1)) <= INR N.
Proof.
  set (A := INR S * (INR K - 1)).
  assert (HA : 0 <= A).
  { unfold A. apply Rmult_le_pos; [apply pos_INR|]. pose proof (INR_at_least 1 K HK). simpl in *. lra. }
  assert (Q : sum N (fun n => (1 + score n) * (1 + score n)) = INR N * (1 + A)).
  { replace (1 + A) with (mean N (fun n => (1 + score n) * (1 + score n))).
    - unfold mean. field. apply Rgt_not_eq, INR_pos; auto.
    - rewrite (mean_ext N _ (fun n => 1 + 2 * score n + score n * score n)) by (intros; ring).
      rewrite !mean_plus, mean_scale, score_mean, score_variance, (mean_const N (fun _ => 1) 1) by auto.
      unfold A. ring. }
  assert (I : holders N S q1 x * ((1 + A) * (1 + A)) <= INR N * (1 + A)).
  { rewrite <- Q. unfold holders. rewrite <- sum_scale_right. apply sum_le; intros n Hn.
    destruct (holds S q1 x n) eqn:E.
    - rewrite (holder_score n Hn E). fold A. lra.
    - rewrite Rmult_0_l. apply Rle_0_sqr. }
  apply (Rmult_le_reg_r (1 + A)); [lra|]. rewrite Rmult_assoc. exact I.
Qed.

End Perfect.

Theorem codeword_share : forall c N S K q1 q2 x,
  (0 < N)%nat -> (2 <= S)%nat -> (3 <= K)%nat -> 0 <= c -> simplex N S K q1 -> simplex N S K q2 ->
  loss 1 1 c N S K q1 q2 = Finite (- 3 * ln (INR K)) -> (forall s, (s < S)%nat -> (x s < K)%nat) ->
  holders N S q1 x * (1 + INR S * (INR K - 1)) <= INR N.
Proof.
  intros c N S K q1 q2 x HN HS HK Hc H1 H2 E X. apply bound_equality in E; auto.
  destruct E as [l [L [E1 [E2 U]]]]. apply (holders_bound N S K q1 q2 l); auto. lia.
Qed.

(* every sample holds a codeword *)
Lemma own_codeword : forall N S K q1 l n, labels N S K l -> equal N S K q1 (one_hot l) -> (n < N)%nat ->
  1 <= holders N S q1 (l n).
Proof.
  intros N S K q1 l n L E Hn. unfold holders.
  assert (H : holds S q1 (l n) n = true).
  { apply every_true. intros s Hs. apply positive_true. rewrite E by auto. unfold one_hot. rewrite same_refl. lra. }
  replace 1 with ((fun m => if holds S q1 (l n) m then 1 else 0) n) at 1 by (cbv beta; rewrite H; reflexivity).
  apply (sum_term_le N (fun m => if holds S q1 (l n) m then 1 else 0)); auto.
  intros m Hm. destruct (holds S q1 (l n) m); lra.
Qed.

(* so the codewords carry log (1 + S (K - 1)) nats at least, and there are at least 1 + S (K - 1) samples *)
Theorem codewords_carry : forall c N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (3 <= K)%nat -> 0 <= c -> simplex N S K q1 -> simplex N S K q2 ->
  loss 1 1 c N S K q1 q2 = Finite (- 3 * ln (INR K)) ->
  exists label, labels N S K label /\ equal N S K q1 (one_hot label) /\
    ln (1 + INR S * (INR K - 1)) <= codeword_entropy N S q1 label /\ 1 + INR S * (INR K - 1) <= INR N.
Proof.
  intros c N S K q1 q2 HN HS HK Hc H1 H2 E. pose proof E as P. apply bound_equality in P; auto.
  destruct P as [l [L [E1 [E2 U]]]]. exists l. split; auto. split; auto.
  pose proof (INR_pos N HN) as PN. set (A := INR S * (INR K - 1)).
  assert (HA : 0 <= A).
  { unfold A. apply Rmult_le_pos; [apply pos_INR|]. pose proof (INR_at_least 3 K HK). simpl in *. lra. }
  assert (B : forall n, (n < N)%nat -> 1 <= holders N S q1 (l n) /\ holders N S q1 (l n) * (1 + A) <= INR N).
  { intros n Hn. split; [apply (own_codeword N S K); auto|]. unfold A. apply (codeword_share c N S K q1 q2); auto. }
  split.
  - assert (M : mean N (fun n => ln (holders N S q1 (l n) / INR N)) <= mean N (fun _ => - ln (1 + A))).
    2: { rewrite (mean_const N (fun _ => - ln (1 + A)) (- ln (1 + A))) in M by auto. unfold codeword_entropy. lra. }
    apply mean_le; auto. intros n Hn. destruct (B n Hn) as [B1 B2].
    rewrite <- ln_Rinv by lra. apply ln_monotone; [apply Rdiv_lt_0_compat; lra|].
    apply (Rmult_le_reg_r (INR N * (1 + A))); [apply Rmult_lt_0_compat; lra|].
    replace (holders N S q1 (l n) / INR N * (INR N * (1 + A))) with (holders N S q1 (l n) * (1 + A)) by (field; lra).
    replace (/ (1 + A) * (INR N * (1 + A))) with (INR N) by (field; lra). exact B2.
  - destruct (B 0%nat HN) as [B1 B2]. nra.
Qed.

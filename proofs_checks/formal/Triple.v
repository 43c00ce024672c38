(* C21: three segments, each a function of the other two, with a loss of exactly -3 log K. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Bound.
Open Scope R_scope.

(* N = K^2 samples (a, b) with labels a, b and a + b mod K *)
Definition modular_triple (K n s : nat) : nat :=
  match s with
  | 0 => n / K
  | 1 => n mod K
  | _ => (n / K + n mod K) mod K
  end.

(* the law of three segments of a table of labels, and its total correlation: the sum of the three entropies less the
   joint entropy *)
Definition joint_of_three (N : nat) (l : nat -> nat -> nat) (i j k : nat) : R :=
  mean N (fun n => same (l n 0%nat) i * same (l n 1%nat) j * same (l n 2%nat) k).

Definition total_correlation (N K : nat) (l : nat -> nat -> nat) : R :=
  sum K (fun i => sum K (fun j => sum K (fun k => phi (joint_of_three N l i j k))))
  - sum 3 (fun s => sum K (fun i => phi (marginal N (one_hot l) s i))).

Lemma add_mod : forall K a b, (a < K)%nat -> (b < K)%nat ->
  ((a + b) mod K = if Nat.ltb (a + b) K then a + b else a + b - K)%nat.
Proof.
  intros K a b Ha Hb. destruct (Nat.ltb_spec (a + b) K); [apply Nat.mod_small; auto|].
  symmetry. apply Nat.mod_unique with 1%nat; lia.
Qed.

Lemma shift_permutation : forall K a, (a < K)%nat -> permutation K (fun b => (a + b) mod K)%nat.
Proof.
  intros K a Ha. exists (fun b => if Nat.leb a b then (b - a)%nat else (b + K - a)%nat). intros b Hb.
  rewrite add_mod by auto.
  destruct (Nat.ltb_spec (a + b) K), (Nat.leb_spec a b); repeat split; try lia;
    try (destruct (Nat.leb_spec a (a + b)); lia); try (destruct (Nat.leb_spec a (a + b - K)); lia);
    rewrite add_mod by lia;
    try (destruct (Nat.ltb_spec (a + (b - a)) K); lia); try (destruct (Nat.ltb_spec (a + (b + K - a)) K); lia).
Qed.

Section Triple.
Variables (K : nat).
Context (HK : (0 < K)%nat).
Let l := modular_triple K.
Let q := one_hot l.

Lemma row_label : forall a b, (b < K)%nat -> l (a * K + b)%nat 0%nat = a.
Proof. intros. unfold l, modular_triple. rewrite Nat.div_add_l, Nat.div_small by lia. lia. Qed.

Lemma column_label : forall a b, (b < K)%nat -> l (a * K + b)%nat 1%nat = b.
Proof.
  intros. unfold l, modular_triple. rewrite Nat.add_comm, Nat.mod_add by lia. apply Nat.mod_small; auto.
Qed.

Lemma sum_label : forall a b, (b < K)%nat -> l (a * K + b)%nat 2%nat = ((a + b) mod K)%nat.
Proof.
  intros a b Hb. pose proof (row_label a b Hb) as A. pose proof (column_label a b Hb) as B.
  unfold l, modular_triple in *. rewrite A, B. reflexivity.
Qed.

Lemma triple_labels : labels (K * K) 3 K l.
Proof.
  intros n s Hn Hs. unfold l, modular_triple. destruct s as [|[|s]].
  - apply Nat.div_lt_upper_bound; lia.
  - apply Nat.mod_upper_bound. lia.
  - apply Nat.mod_upper_bound. lia.
Qed.

(* the mean over K^2 samples as a sum over pairs *)
Lemma mean_pairs_of_units : forall f,
  mean (K * K) f = / (INR K * INR K) * sum K (fun a => sum K (fun b => f (a * K + b)%nat)).
Proof. intros. unfold mean. rewrite sum_rows, mult_INR. reflexivity. Qed.

Lemma shift_sum : forall a k, (a < K)%nat -> (k < K)%nat -> sum K (fun b => same ((a + b) mod K)%nat k) = 1.
Proof.
  intros a k Ha Hk. rewrite (sum_permutation K (fun b => (a + b) mod K)%nat (fun b => same b k)).
  - rewrite (sum_ext K _ (same k)) by (intros; apply same_sym). apply sum_same; auto.
  - apply shift_permutation; auto.
Qed.

Lemma joint_swap : forall N p s t i j, joint N p p s t i j = joint N p p t s j i.
Proof. intros. unfold joint. apply mean_ext; intros; ring. Qed.

Lemma rows_columns : forall i j, (i < K)%nat -> (j < K)%nat ->
  joint (K * K) q q 0 1 i j = / (INR K * INR K).
Proof.
  intros i j Hi Hj. unfold joint. rewrite mean_pairs_of_units. rewrite <- (Rmult_1_r (/ _)) at 2. f_equal.
  rewrite <- (sum_pick K i (fun _ => 1)) by auto. apply sum_ext; intros a Ha.
  rewrite <- (sum_same K j), <- sum_scale by auto. apply sum_ext; intros b Hb.
  unfold q, one_hot. rewrite row_label, column_label, (same_sym a i), (same_sym b j) by auto. reflexivity.
Qed.

Lemma rows_sums : forall i k, (i < K)%nat -> (k < K)%nat -> joint (K * K) q q 0 2 i k = / (INR K * INR K).
Proof.
  intros i k Hi Hk. unfold joint. rewrite mean_pairs_of_units. rewrite <- (Rmult_1_r (/ _)) at 2. f_equal.
  rewrite <- (sum_pick K i (fun _ => 1)) by auto. apply sum_ext; intros a Ha.
  rewrite <- (shift_sum a k), <- sum_scale by auto. apply sum_ext; intros b Hb.
  unfold q, one_hot. rewrite row_label, sum_label, (same_sym a i) by auto. reflexivity.
Qed.

Lemma columns_sums : forall j k, (j < K)%nat -> (k < K)%nat -> joint (K * K) q q 1 2 j k = / (INR K * INR K).
Proof.
  intros j k Hj Hk. unfold joint. rewrite mean_pairs_of_units, sum_swap.
  rewrite <- (Rmult_1_r (/ _)) at 2. f_equal.
  rewrite <- (sum_pick K j (fun _ => 1)) by auto. apply sum_ext; intros b Hb.
  rewrite <- (shift_sum b k), <- sum_scale by auto. apply sum_ext; intros a Ha.
  unfold q, one_hot. rewrite column_label, sum_label, (same_sym b j), (Nat.add_comm a b) by auto. reflexivity.
Qed.

Lemma triple_uniform : uniform_pairs (K * K) 3 K q q.
Proof.
  intros s t i j Hs Ht D Hi Hj.
  destruct s as [|[|[|s]]]; destruct t as [|[|[|t]]]; try lia.
  - apply rows_columns; auto.
  - apply rows_sums; auto.
  - rewrite joint_swap. apply rows_columns; auto.
  - apply columns_sums; auto.
  - rewrite joint_swap. apply rows_sums; auto.
  - rewrite joint_swap. apply columns_sums; auto.
Qed.

Lemma triple_perfect : perfect (K * K) 3 K q q.
Proof.
  exists l. split; [apply triple_labels|]. split; [intros n s i _ _ _; reflexivity|].
  split; [intros n s i _ _ _; reflexivity|apply triple_uniform].
Qed.

(* the joint law of all three is uniform on a graph *)
Lemma triple_law : forall i j k, (i < K)%nat -> (j < K)%nat ->
  joint_of_three (K * K) l i j k = / (INR K * INR K) * same ((i + j) mod K) k.
Proof.
  intros i j k Hi Hj. unfold joint_of_three. rewrite mean_pairs_of_units. f_equal.
  rewrite <- (sum_pick K i (fun a => same ((a + j) mod K) k)) by auto. apply sum_ext; intros a Ha.
  rewrite <- (sum_pick K j (fun b => same ((a + b) mod K) k)), <- sum_scale by auto. apply sum_ext; intros b Hb.
  rewrite row_label, column_label, sum_label, (same_sym a i), (same_sym b j) by auto. ring.
Qed.

Lemma triple_marginal : forall s i, (s < 3)%nat -> (i < K)%nat -> marginal (K * K) q s i = / INR K.
Proof.
  intros s i Hs Hi. pose proof (INR_pos K HK).
  assert (exists t, (t < 3)%nat /\ s <> t) as [t [Ht D]].
  { destruct (Nat.eq_dec s 0) as [->|]; [exists 1%nat|exists 0%nat]; lia. }
  rewrite <- (joint_row (K * K) 3 K q q (one_hot_simplex _ _ _ _ triple_labels) s t i) by auto.
  rewrite (sum_const_ext K _ (/ (INR K * INR K))); [field; lra|]. intros; apply triple_uniform; auto.
Qed.

Lemma triple_total_correlation : total_correlation (K * K) K l = ln (INR K).
Proof.
  pose proof (INR_pos K HK). unfold total_correlation.
  rewrite (sum_const_ext K (fun i => sum K _) (INR K * phi (/ (INR K * INR K)))).
  2: { intros i Hi. rewrite <- sum_const. apply sum_ext; intros j Hj.
       rewrite <- (sum_pick K ((i + j) mod K) (fun _ => phi (/ (INR K * INR K)))) by (apply Nat.mod_upper_bound; lia).
       apply sum_ext; intros k Hk. rewrite triple_law by auto. unfold same.
       destruct (Nat.eqb ((i + j) mod K) k); [rewrite Rmult_1_r|rewrite Rmult_0_r, phi_zero]; ring. }
  rewrite (sum_const_ext 3 (fun s => sum K _) (INR K * phi (/ INR K))).
  2: { intros s Hs. apply sum_const_ext; intros i Hi. apply f_equal, triple_marginal; auto. }
  unfold phi. rewrite !ln_Rinv by (try apply Rmult_lt_0_compat; auto). rewrite ln_mult by auto.
  replace (INR 3) with 3 by (simpl; ring). field. lra.
Qed.

End Triple.

Theorem dependent_triple_at_the_bound : forall c K, (0 < K)%nat ->
  let label := modular_triple K in
  loss 1 1 c (K * K) 3 K (one_hot label) (one_hot label) = Finite (- 3 * ln (INR K))
  /\ (forall n, label n 2%nat = (label n 0 + label n 1) mod K)%nat
  /\ total_correlation (K * K) K label = ln (INR K).
Proof.
  intros c K HK label. split; [|split; [reflexivity|apply triple_total_correlation; auto]].
  replace (- 3) with (- (1 + 2 * 1)) by ring.
  pose proof (one_hot_simplex _ _ _ _ (triple_labels K HK)).
  apply weighted_attained; auto; [nia|apply triple_perfect; auto].
Qed.

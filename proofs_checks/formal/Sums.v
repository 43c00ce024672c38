(* Finite sums and means over 0, ..., n-1, and over pairs of different indices. *)

Require Import Reals Lra Lia PeanoNat.
Open Scope R_scope.

Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S m => sum m f + f m end.

Definition mean (n : nat) (f : nat -> R) : R := / INR n * sum n f.

(* the mean over the n (n - 1) ordered pairs s <> t *)
Definition mean_pairs (n : nat) (f : nat -> nat -> R) : R :=
  / (INR n * (INR n - 1)) * sum n (fun s => sum n (fun t => if Nat.eqb s t then 0 else f s t)).

(* one where i = j, zero elsewhere *)
Definition same (i j : nat) : R := if Nat.eqb i j then 1 else 0.

(* a permutation of 0, ..., n-1, with its inverse *)
Definition permutation (n : nat) (p : nat -> nat) : Prop :=
  exists inverse : nat -> nat, forall i, (i < n)%nat ->
    (p i < n)%nat /\ (inverse i < n)%nat /\ inverse (p i) = i /\ p (inverse i) = i.

(* sums ---------------------------------------------------------------------------------------- *)

Lemma sum_ext : forall n f g, (forall i, (i < n)%nat -> f i = g i) -> sum n f = sum n g.
Proof.
  induction n; simpl; intros f g H; auto.
  rewrite (IHn f g), H; auto.
Qed.

Lemma sum_plus : forall n f g, sum n (fun i => f i + g i) = sum n f + sum n g.
Proof. induction n; simpl; intros; [|rewrite IHn]; ring. Qed.

Lemma sum_minus : forall n f g, sum n (fun i => f i - g i) = sum n f - sum n g.
Proof. induction n; simpl; intros; [|rewrite IHn]; ring. Qed.

Lemma sum_scale : forall n c f, sum n (fun i => c * f i) = c * sum n f.
Proof. induction n; simpl; intros; [|rewrite IHn]; ring. Qed.

Lemma sum_scale_right : forall n c f, sum n (fun i => f i * c) = sum n f * c.
Proof. induction n; simpl; intros; [|rewrite IHn]; ring. Qed.

Lemma sum_const : forall n c, sum n (fun _ => c) = INR n * c.
Proof. induction n; intros; [simpl; ring|]. rewrite S_INR. simpl. rewrite IHn. ring. Qed.

Lemma sum_const_ext : forall n f c, (forall i, (i < n)%nat -> f i = c) -> sum n f = INR n * c.
Proof. intros. rewrite <- sum_const. apply sum_ext; auto. Qed.

Lemma sum_zero : forall n f, (forall i, (i < n)%nat -> f i = 0) -> sum n f = 0.
Proof. intros. rewrite (sum_const_ext n f 0); auto. ring. Qed.

Lemma sum_le : forall n f g, (forall i, (i < n)%nat -> f i <= g i) -> sum n f <= sum n g.
Proof.
  induction n; simpl; intros f g H; [lra|].
  apply Rplus_le_compat; auto.
Qed.

Lemma sum_nonneg : forall n f, (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= sum n f.
Proof. intros. rewrite <- (sum_zero n (fun _ => 0)); auto. apply sum_le; auto. Qed.

Lemma sum_term_le : forall n f i, (forall j, (j < n)%nat -> 0 <= f j) -> (i < n)%nat -> f i <= sum n f.
Proof.
  induction n; simpl; intros f i H Hi; [lia|].
  assert (0 <= sum n f) by (apply sum_nonneg; auto).
  destruct (Nat.eq_dec i n) as [->|]; [lra|].
  assert (f i <= sum n f) by (apply IHn; auto; lia).
  assert (0 <= f n) by auto. lra.
Qed.

Lemma sum_zero_terms : forall n f, (forall j, (j < n)%nat -> 0 <= f j) -> sum n f = 0 ->
  forall i, (i < n)%nat -> f i = 0.
Proof.
  intros n f H E i Hi. pose proof (sum_term_le n f i H Hi). pose proof (H i Hi). lra.
Qed.

(* a sum of positive total has a positive term *)
Lemma sum_positive_term : forall n f, 0 < sum n f -> exists i, (i < n)%nat /\ 0 < f i.
Proof.
  induction n; simpl; intros f H; [lra|].
  destruct (Rlt_dec 0 (f n)) as [|Hn]; [exists n; auto|].
  destruct (IHn f) as [i [Hi Hp]]; [lra|exists i; auto].
Qed.

Lemma sum_swap : forall n m f, sum n (fun i => sum m (fun j => f i j)) = sum m (fun j => sum n (fun i => f i j)).
Proof.
  induction n; simpl; intros; [rewrite sum_zero; auto|].
  rewrite IHn, <- sum_plus. reflexivity.
Qed.

Lemma sum_times_sum : forall n m f g, sum n (fun i => sum m (fun j => f i * g j)) = sum n f * sum m g.
Proof.
  intros. rewrite <- sum_scale_right. apply sum_ext; intros. apply sum_scale.
Qed.

Lemma sum_append : forall n m f, sum (n + m) f = sum n f + sum m (fun i => f (n + i)%nat).
Proof.
  induction m; simpl; intros; [rewrite Nat.add_0_r; ring|].
  rewrite Nat.add_succ_r. simpl. rewrite IHm. ring.
Qed.

(* n rows of m *)
Lemma sum_rows : forall n m f, sum (n * m) f = sum n (fun i => sum m (fun j => f (i * m + j)%nat)).
Proof.
  induction n; simpl; intros; auto.
  rewrite Nat.add_comm, sum_append, IHn. reflexivity.
Qed.

Lemma sum_pick : forall n i x, (i < n)%nat -> sum n (fun j => same i j * x j) = x i.
Proof.
  induction n; intros i x Hi; [lia|]. simpl. unfold same at 2.
  destruct (Nat.eqb_spec i n) as [->|].
  - rewrite sum_zero; [ring|]. intros j Hj. unfold same.
    destruct (Nat.eqb_spec n j); [lia|ring].
  - rewrite IHn by lia. ring.
Qed.

Lemma sum_same : forall n i, (i < n)%nat -> sum n (same i) = 1.
Proof.
  intros. rewrite <- (sum_pick n i (fun _ => 1)) by assumption.
  apply sum_ext; intros; ring.
Qed.

Lemma same_sym : forall i j, same i j = same j i.
Proof. intros. unfold same. rewrite Nat.eqb_sym. reflexivity. Qed.

Lemma same_refl : forall i, same i i = 1.
Proof. intros. unfold same. rewrite Nat.eqb_refl. reflexivity. Qed.

Lemma same_diff : forall i j, i <> j -> same i j = 0.
Proof. intros. unfold same. destruct (Nat.eqb_spec i j); congruence. Qed.

Lemma sum_permutation : forall n p f, permutation n p -> sum n (fun i => f (p i)) = sum n f.
Proof.
  intros n p f [r H].
  rewrite (sum_ext n (fun i => f (p i)) (fun i => sum n (fun j => same (p i) j * f j))).
  2: { intros i Hi. rewrite sum_pick; auto. apply H, Hi. }
  rewrite sum_swap. apply sum_ext. intros j Hj.
  rewrite sum_scale_right.
  rewrite (sum_ext n (fun i => same (p i) j) (same (r j))).
  - rewrite sum_same; [ring|apply H, Hj].
  - intros i Hi. destruct (H i Hi) as [_ [_ [E1 _]]], (H j Hj) as [_ [_ [_ E2]]].
    unfold same. destruct (Nat.eqb_spec (p i) j), (Nat.eqb_spec (r j) i); congruence.
Qed.

(* means --------------------------------------------------------------------------------------- *)

Lemma INR_pos : forall n, (0 < n)%nat -> 0 < INR n.
Proof. exact lt_0_INR. Qed.

Lemma INR_at_least : forall n m, (n <= m)%nat -> INR n <= INR m.
Proof. exact le_INR. Qed.

Lemma inv_pos : forall n, (0 < n)%nat -> 0 < / INR n.
Proof. intros. apply Rinv_0_lt_compat, INR_pos; auto. Qed.

Lemma pairs_pos : forall n, (2 <= n)%nat -> 0 < / (INR n * (INR n - 1)).
Proof.
  intros. apply Rinv_0_lt_compat, Rmult_lt_0_compat.
  - apply INR_pos. lia.
  - pose proof (INR_at_least 2 n H). simpl in *. lra.
Qed.

Lemma mean_ext : forall n f g, (forall i, (i < n)%nat -> f i = g i) -> mean n f = mean n g.
Proof. intros. unfold mean. rewrite (sum_ext n f g); auto. Qed.

Lemma mean_plus : forall n f g, mean n (fun i => f i + g i) = mean n f + mean n g.
Proof. intros. unfold mean. rewrite sum_plus. ring. Qed.

Lemma mean_minus : forall n f g, mean n (fun i => f i - g i) = mean n f - mean n g.
Proof. intros. unfold mean. rewrite sum_minus. ring. Qed.

Lemma mean_scale : forall n c f, mean n (fun i => c * f i) = c * mean n f.
Proof. intros. unfold mean. rewrite sum_scale. ring. Qed.

Lemma mean_scale_right : forall n c f, mean n (fun i => f i * c) = mean n f * c.
Proof. intros. unfold mean. rewrite sum_scale_right. ring. Qed.

Lemma mean_const : forall n f c, (0 < n)%nat -> (forall i, (i < n)%nat -> f i = c) -> mean n f = c.
Proof.
  intros. unfold mean. rewrite (sum_const_ext n f c); auto. field.
  apply Rgt_not_eq, INR_pos; auto.
Qed.

Lemma mean_le : forall n f g, (0 < n)%nat -> (forall i, (i < n)%nat -> f i <= g i) -> mean n f <= mean n g.
Proof.
  intros. unfold mean. apply Rmult_le_compat_l; [left; apply inv_pos; auto|apply sum_le; auto].
Qed.

Lemma mean_nonneg : forall n f, (0 < n)%nat -> (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= mean n f.
Proof.
  intros. unfold mean. apply Rmult_le_pos; [left; apply inv_pos; auto|apply sum_nonneg; auto].
Qed.

Lemma mean_zero_terms : forall n f, (forall i, (i < n)%nat -> 0 <= f i) -> mean n f = 0 ->
  forall i, (i < n)%nat -> f i = 0.
Proof.
  intros n f H E i Hi. apply (sum_zero_terms n f); auto. unfold mean in E.
  apply Rmult_integral in E as [E|]; auto.
  assert (0 < / INR n) by (apply inv_pos; lia). lra.
Qed.

Lemma mean_sum : forall n m f, mean n (fun i => sum m (fun j => f i j)) = sum m (fun j => mean n (fun i => f i j)).
Proof. intros. unfold mean. rewrite sum_swap, <- sum_scale. reflexivity. Qed.

Lemma mean_swap : forall n m f, mean n (fun i => mean m (fun j => f i j)) = mean m (fun j => mean n (fun i => f i j)).
Proof.
  intros. unfold mean. rewrite !sum_scale, sum_swap. ring.
Qed.

Lemma mean_permutation : forall n p f, permutation n p -> mean n (fun i => f (p i)) = mean n f.
Proof. intros. unfold mean. rewrite sum_permutation; auto. Qed.

(* means over pairs ---------------------------------------------------------------------------- *)

Lemma mean_pairs_ext : forall n f g,
  (forall s t, (s < n)%nat -> (t < n)%nat -> s <> t -> f s t = g s t) -> mean_pairs n f = mean_pairs n g.
Proof.
  intros n f g H. unfold mean_pairs. f_equal.
  apply sum_ext; intros s Hs. apply sum_ext; intros t Ht. destruct (Nat.eqb_spec s t); auto.
Qed.

Lemma mean_pairs_plus : forall n f g, mean_pairs n (fun s t => f s t + g s t) = mean_pairs n f + mean_pairs n g.
Proof.
  intros. unfold mean_pairs. rewrite <- Rmult_plus_distr_l, <- sum_plus. f_equal.
  apply sum_ext; intros s _. rewrite <- sum_plus. apply sum_ext; intros t _. destruct (Nat.eqb s t); ring.
Qed.

Lemma mean_pairs_scale : forall n c f, mean_pairs n (fun s t => c * f s t) = c * mean_pairs n f.
Proof.
  intros. unfold mean_pairs. rewrite <- Rmult_assoc, (Rmult_comm c), Rmult_assoc. f_equal.
  rewrite <- (sum_scale n c). apply sum_ext; intros s _. rewrite <- (sum_scale n c).
  apply sum_ext; intros t _. destruct (Nat.eqb s t); ring.
Qed.

Lemma mean_pairs_minus : forall n f g, mean_pairs n (fun s t => f s t - g s t) = mean_pairs n f - mean_pairs n g.
Proof.
  intros. replace (mean_pairs n f - mean_pairs n g) with (mean_pairs n f + -1 * mean_pairs n g) by ring.
  rewrite <- mean_pairs_scale, <- mean_pairs_plus. apply mean_pairs_ext; intros; ring.
Qed.

Lemma mean_pairs_le : forall n f g, (2 <= n)%nat ->
  (forall s t, (s < n)%nat -> (t < n)%nat -> s <> t -> f s t <= g s t) -> mean_pairs n f <= mean_pairs n g.
Proof.
  intros n f g Hn H. unfold mean_pairs. apply Rmult_le_compat_l; [left; apply pairs_pos; auto|].
  apply sum_le; intros s Hs. apply sum_le; intros t Ht. destruct (Nat.eqb_spec s t); [lra|auto].
Qed.

(* of a function of the first segment alone, the mean over pairs is the mean *)
Lemma mean_pairs_first : forall n f, (2 <= n)%nat -> mean_pairs n (fun s _ => f s) = mean n f.
Proof.
  intros n f Hn. unfold mean_pairs, mean.
  rewrite (sum_ext n _ (fun s => (INR n - 1) * f s)).
  - rewrite sum_scale. pose proof (INR_at_least 2 n Hn). simpl in *. field. lra.
  - intros s Hs. rewrite (sum_ext n _ (fun t => f s - same s t * f s)).
    + rewrite sum_minus, sum_const, (sum_pick n s (fun _ => f s)) by assumption. ring.
    + intros t _. unfold same. destruct (Nat.eqb s t); ring.
Qed.

Lemma mean_pairs_swap : forall n f, mean_pairs n (fun s t => f t s) = mean_pairs n f.
Proof.
  intros. unfold mean_pairs. f_equal. rewrite sum_swap.
  apply sum_ext; intros s _. apply sum_ext; intros t _. rewrite Nat.eqb_sym. reflexivity.
Qed.

Lemma mean_pairs_second : forall n f, (2 <= n)%nat -> mean_pairs n (fun _ t => f t) = mean n f.
Proof. intros. rewrite (mean_pairs_swap n (fun s _ => f s)). apply mean_pairs_first; auto. Qed.

Lemma mean_pairs_const : forall n f c, (2 <= n)%nat ->
  (forall s t, (s < n)%nat -> (t < n)%nat -> s <> t -> f s t = c) -> mean_pairs n f = c.
Proof.
  intros n f c Hn H. rewrite (mean_pairs_ext n f (fun _ _ => c)) by auto.
  rewrite (mean_pairs_first n (fun _ => c)) by assumption. apply mean_const; auto. lia.
Qed.

Lemma mean_pairs_nonneg : forall n f, (2 <= n)%nat ->
  (forall s t, (s < n)%nat -> (t < n)%nat -> s <> t -> 0 <= f s t) -> 0 <= mean_pairs n f.
Proof.
  intros n f Hn H. rewrite <- (mean_pairs_const n (fun _ _ => 0) 0) by auto. apply mean_pairs_le; auto.
Qed.

Lemma mean_pairs_zero_terms : forall n f, (2 <= n)%nat ->
  (forall s t, (s < n)%nat -> (t < n)%nat -> s <> t -> 0 <= f s t) -> mean_pairs n f = 0 ->
  forall s t, (s < n)%nat -> (t < n)%nat -> s <> t -> f s t = 0.
Proof.
  intros n f Hn H E s t Hs Ht D. unfold mean_pairs in E.
  apply Rmult_integral in E as [E|E]; [pose proof (pairs_pos n Hn); lra|].
  assert (forall u v, (u < n)%nat -> (v < n)%nat -> 0 <= (if Nat.eqb u v then 0 else f u v)).
  { intros u v Hu Hv. destruct (Nat.eqb_spec u v); [lra|auto]. }
  apply sum_zero_terms with (i := s) in E; auto; [|intros; apply sum_nonneg; auto].
  apply sum_zero_terms with (i := t) in E; auto.
  destruct (Nat.eqb_spec s t); [contradiction|auto].
Qed.

Lemma mean_pairs_permutation : forall n p f, permutation n p ->
  mean_pairs n (fun s t => f (p s) (p t)) = mean_pairs n f.
Proof.
  intros n p f Hp. unfold mean_pairs. f_equal.
  rewrite <- (sum_permutation n p (fun s => sum n (fun t => if Nat.eqb s t then 0 else f s t))) by assumption.
  apply sum_ext; intros s Hs.
  rewrite <- (sum_permutation n p (fun t => if Nat.eqb (p s) t then 0 else f (p s) t)) by assumption.
  apply sum_ext; intros t Ht. destruct Hp as [r H].
  destruct (H s Hs) as [_ [_ [E1 _]]], (H t Ht) as [_ [_ [E2 _]]].
  destruct (Nat.eqb_spec s t), (Nat.eqb_spec (p s) (p t)); try congruence.
Qed.

(* C7: for one-hot, invariant codes the bound is attained by orthogonal arrays of strength two, and by nothing else.
   C8: so K^2 divides N. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Bound.
Open Scope R_scope.

Fixpoint count (n : nat) (p : nat -> bool) : nat :=
  match n with O => O | S m => (count m p + if p m then 1 else 0)%nat end.

(* samples with label i in segment s and label j in segment t *)
Definition pair_count (N : nat) (l : nat -> nat -> nat) (s t i j : nat) : nat :=
  count N (fun n => andb (Nat.eqb (l n s) i) (Nat.eqb (l n t) j)).

(* every pair of labels of two different segments occurs N / K^2 times *)
Definition orthogonal_array (N S K : nat) (l : nat -> nat -> nat) : Prop :=
  forall s t i j, (s < S)%nat -> (t < S)%nat -> s <> t -> (i < K)%nat -> (j < K)%nat ->
    (K * K * pair_count N l s t i j = N)%nat.

Lemma count_sum : forall n p, INR (count n p) = sum n (fun i => if p i then 1 else 0).
Proof.
  induction n; intros p; [reflexivity|]. simpl count. rewrite plus_INR. simpl sum. rewrite <- IHn.
  destruct (p n); reflexivity.
Qed.

Lemma joint_count : forall N l s t i j,
  joint N (one_hot l) (one_hot l) s t i j = INR (pair_count N l s t i j) / INR N.
Proof.
  intros. unfold pair_count. rewrite count_sum. unfold joint, mean, Rdiv. rewrite Rmult_comm. f_equal.
  apply sum_ext; intros n _. unfold one_hot, same. destruct (Nat.eqb (l n s) i), (Nat.eqb (l n t) j); simpl; ring.
Qed.

Lemma uniform_is_orthogonal : forall N S K l, (0 < N)%nat -> (0 < K)%nat ->
  (uniform_pairs N S K (one_hot l) (one_hot l) <-> orthogonal_array N S K l).
Proof.
  intros N S K l HN HK. pose proof (INR_pos N HN). pose proof (INR_pos K HK).
  split; intros H1 s t i j Hs Ht D Hi Hj; specialize (H1 s t i j Hs Ht D Hi Hj).
  - rewrite joint_count in H1. apply INR_eq. rewrite !mult_INR.
    replace (INR (pair_count N l s t i j)) with (INR (pair_count N l s t i j) / INR N * INR N) by (field; lra).
    rewrite H1. field. lra.
  - rewrite joint_count. rewrite <- H1 at 2. rewrite !mult_INR.
    assert (0 < INR (pair_count N l s t i j)).
    { apply INR_pos. destruct (pair_count N l s t i j); lia. }
    field. lra.
Qed.

Theorem attained_by_orthogonal_arrays : forall c N S K label,
  (0 < N)%nat -> (2 <= S)%nat -> (3 <= K)%nat -> 0 <= c -> labels N S K label ->
  (loss 1 1 c N S K (one_hot label) (one_hot label) = Finite (- 3 * ln (INR K)) <-> orthogonal_array N S K label).
Proof.
  intros c N S K l HN HS HK Hc L. pose proof (one_hot_simplex N S K l L) as H.
  rewrite bound_equality, <- uniform_is_orthogonal by (auto; lia). split.
  - intros [l' [_ [_ [_ U]]]]. exact U.
  - intros U. exists l. split; auto. split; [intros n s i _ _ _; reflexivity|]. split; [intros n s i _ _ _; reflexivity|auto].
Qed.

Theorem square_divides_batch : forall c N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (3 <= K)%nat -> 0 <= c -> simplex N S K q1 -> simplex N S K q2 ->
  loss 1 1 c N S K q1 q2 = Finite (- 3 * ln (INR K)) -> exists m, (N = m * (K * K))%nat.
Proof.
  intros c N S K q1 q2 HN HS HK Hc H1 H2 E. apply bound_equality in E; auto.
  destruct E as [l [L [E1 [E2 U]]]].
  assert (O : orthogonal_array N S K l).
  { apply uniform_is_orthogonal; auto; [lia|]. intros s t i j Hs Ht D Hi Hj.
    rewrite <- (joint_ext N S K q1 q2) by auto. apply U; auto. }
  exists (pair_count N l 0 1 0 0). rewrite <- (O 0%nat 1%nat 0%nat 0%nat) at 1 by lia. lia.
Qed.

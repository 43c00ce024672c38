(* The last part of C5: views that agree carry information. Fano's inequality for the two codes of a segment, sampled
   for the two views of a sample; d is the probability that they differ. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Gap Information.
Open Scope R_scope.

Definition binary_entropy (d : R) : R := - phi d - phi (1 - d).

(* the channel that keeps a unit with probability 1 - d and else draws one of the K - 1 others *)
Definition channel (K : nat) (d : R) (i j : nat) : R := if Nat.eqb i j then 1 - d else d / (INR K - 1).

Definition disagreement (N K : nat) (q1 q2 : code) (s : nat) : R := 1 - sum K (fun i => joint N q1 q2 s s i i).

Section Codes.
Variables (N S K : nat) (q1 q2 : code).
Context (HN : (0 < N)%nat) (HK : (2 <= K)%nat) (H1 : simplex N S K q1) (H2 : simplex N S K q2).

Lemma INR_minus_one_pos : 0 < INR K - 1.
Proof. pose proof (INR_at_least 2 K HK). simpl in *. lra. Qed.

Lemma channel_row : forall d j, (j < K)%nat -> sum K (fun i => channel K d i j) = 1.
Proof.
  intros d j Hj. pose proof INR_minus_one_pos.
  rewrite (sum_ext K _ (fun i => d / (INR K - 1) + same j i * (1 - d - d / (INR K - 1)))).
  - rewrite sum_plus, sum_const, (sum_pick K j (fun _ => 1 - d - d / (INR K - 1))) by auto. field. lra.
  - intros i Hi. unfold channel, same. rewrite (Nat.eqb_sym j i). destruct (Nat.eqb i j); ring.
Qed.

Variable s : nat.
Context (Hs : (s < S)%nat).
Let P i j := joint N q1 q2 s s i j.
Let d := disagreement N K q1 q2 s.

Lemma cell_nonneg : forall i j, (i < K)%nat -> (j < K)%nat -> 0 <= P i j.
Proof. intros. apply (joint_nonneg N S K); auto. Qed.

(* the mass off the diagonal *)
Lemma mass_off_diagonal : sum K (fun i => sum K (fun j => (1 - same i j) * P i j)) = d.
Proof.
  rewrite (sum_ext K _ (fun i => sum K (fun j => P i j) - P i i)).
  - rewrite sum_minus. unfold P. rewrite (joint_total N S K) by auto. reflexivity.
  - intros i Hi. rewrite (sum_ext K _ (fun j => P i j - same i j * P i j)) by (intros; ring).
    rewrite sum_minus, (sum_pick K i (P i)) by auto. reflexivity.
Qed.

Lemma cell_off_diagonal : forall i j, (i < K)%nat -> (j < K)%nat -> i <> j -> P i j <= d.
Proof.
  intros i j Hi Hj D. rewrite <- mass_off_diagonal.
  assert (Q : forall i j, (i < K)%nat -> (j < K)%nat -> 0 <= (1 - same i j) * P i j).
  { intros. apply Rmult_le_pos; [unfold same; destruct (Nat.eqb i0 j0); lra|apply cell_nonneg; auto]. }
  apply Rle_trans with ((1 - same i j) * P i j); [rewrite same_diff by auto; lra|].
  apply Rle_trans with (sum K (fun j => (1 - same i j) * P i j)).
  - apply (sum_term_le K (fun j => (1 - same i j) * P i j)); auto.
  - apply (sum_term_le K (fun i => sum K (fun j => (1 - same i j) * P i j))); auto.
    intros; apply sum_nonneg; auto.
Qed.

Lemma cell_on_diagonal : forall i, (i < K)%nat -> P i i <= 1 - d.
Proof.
  intros i Hi. unfold d, disagreement. ring_simplify (1 - (1 - sum K (fun i => joint N q1 q2 s s i i))).
  apply (sum_term_le K (fun i => P i i)); auto. intros; apply cell_nonneg; auto.
Qed.

Lemma d_range : 0 <= d <= 1.
Proof.
  split.
  - rewrite <- mass_off_diagonal. apply sum_nonneg; intros i Hi. apply sum_nonneg; intros j Hj.
    apply Rmult_le_pos; [unfold same; destruct (Nat.eqb i j); lra|apply cell_nonneg; auto].
  - pose proof (cell_on_diagonal 0 ltac:(lia)). pose proof (cell_nonneg 0 0 ltac:(lia) ltac:(lia)). lra.
Qed.

Lemma column_law : forall j, (j < K)%nat -> sum K (fun i => P i j) = marginal N q2 s j.
Proof. intros. apply (joint_column N S K); auto. Qed.

(* cell by cell: P log P against the law (column) x (channel) *)
Lemma fano_cell : forall i j, (i < K)%nat -> (j < K)%nat ->
  P i j * ln (marginal N q2 s j) + same i j * P i j * ln (1 - d)
  + (1 - same i j) * P i j * (ln d - ln (INR K - 1)) + P i j - marginal N q2 s j * channel K d i j <= phi (P i j).
Proof.
  intros i j Hi Hj. pose proof (cell_nonneg i j Hi Hj) as HP. pose proof INR_minus_one_pos as HM.
  pose proof (cell_below_column N S K q1 q2 HN H1 H2 s s i j Hs Hs Hi Hj) as HC. fold (P i j) in HC.
  pose proof d_range as HD. assert (HW : 0 <= channel K d i j).
  { unfold channel. destruct (Nat.eqb i j); [lra|]. apply Rle_mult_inv_pos; lra. }
  destruct (Req_dec (P i j) 0) as [E|D].
  - rewrite E, phi_zero. pose proof (Rmult_le_pos _ _ (marginal_nonneg N S K HN q2 s j H2 Hs Hj) HW). lra.
  - assert (HC' : 0 < marginal N q2 s j) by lra. unfold channel in *. destruct (Nat.eqb_spec i j) as [<-|Dij].
    + rewrite same_refl. pose proof (cell_on_diagonal i Hi).
      assert (W : 0 < 1 - d) by lra.
      pose proof (tangent (P i i) (marginal N q2 s i * (1 - d)) HP ltac:(apply Rmult_lt_0_compat; auto)) as T.
      rewrite ln_mult in T by auto. lra.
    + rewrite same_diff by auto. pose proof (cell_off_diagonal i j Hi Hj Dij).
      assert (W : 0 < d) by lra. assert (W' : 0 < d / (INR K - 1)) by (apply Rdiv_lt_0_compat; auto).
      pose proof (tangent (P i j) (marginal N q2 s j * (d / (INR K - 1))) HP ltac:(apply Rmult_lt_0_compat; auto)) as T.
      rewrite ln_mult, ln_div in T by auto. lra.
Qed.

Lemma fano_entropies : entropy K (marginal N q1 s) - binary_entropy d - d * ln (INR K - 1)
  <= information N K q1 q2 s s.
Proof.
  rewrite (information_entropies N S K) by auto. change (joint N q1 q2 s s) with P.
  assert (I : sum K (fun i => sum K (fun j => P i j * ln (marginal N q2 s j) + same i j * P i j * ln (1 - d)
    + (1 - same i j) * P i j * (ln d - ln (INR K - 1)) + P i j - marginal N q2 s j * channel K d i j))
    <= sum K (fun i => sum K (fun j => phi (P i j)))).
  { apply sum_le; intros i Hi. apply sum_le; intros j Hj. apply fano_cell; auto. }
  assert (E : sum K (fun i => sum K (fun j => P i j * ln (marginal N q2 s j) + same i j * P i j * ln (1 - d)
    + (1 - same i j) * P i j * (ln d - ln (INR K - 1)) + P i j - marginal N q2 s j * channel K d i j))
    = - entropy K (marginal N q2 s) + (1 - d) * ln (1 - d) + d * (ln d - ln (INR K - 1))).
  { rewrite (sum_ext K _ (fun i => sum K (fun j => P i j * ln (marginal N q2 s j))
      + P i i * ln (1 - d) + sum K (fun j => (1 - same i j) * P i j) * (ln d - ln (INR K - 1))
      + sum K (fun j => P i j) - sum K (fun j => marginal N q2 s j * channel K d i j))).
    - rewrite sum_minus, !sum_plus, !sum_scale_right, mass_off_diagonal.
      unfold P at 3. rewrite (joint_total N S K) by auto.
      rewrite (sum_swap K K (fun i j => P i j * _)), (sum_swap K K (fun i j => marginal N q2 s j * _)).
      rewrite (sum_ext K (fun j => sum K (fun i => marginal N q2 s j * _)) (marginal N q2 s)).
      2: { intros j Hj. rewrite sum_scale, channel_row by auto. ring. }
      rewrite (marginal_total N S K) by auto.
      rewrite (sum_ext K (fun j => sum K (fun i => P i j * _)) (fun j => phi (marginal N q2 s j))).
      2: { intros j Hj. rewrite sum_scale_right, column_law by auto. reflexivity. }
      unfold entropy. replace (sum K (fun i => P i i)) with (1 - d); [ring|].
      unfold d, disagreement. unfold P. ring.
    - intros i Hi. rewrite <- sum_scale_right.
      rewrite <- (sum_pick K i (fun j => P i j * ln (1 - d))) by auto.
      rewrite <- !sum_plus, <- sum_minus. apply sum_ext; intros j Hj. ring. }
  rewrite E in I. unfold binary_entropy, phi at 1 2. lra.
Qed.

End Codes.

Theorem agreement_carries_information : forall N S K q1 q2 s,
  (0 < N)%nat -> (2 <= K)%nat -> (s < S)%nat -> simplex N S K q1 -> simplex N S K q2 ->
  let d := disagreement N K q1 q2 s in
  entropy K (marginal N q1 s) - binary_entropy d - d * ln (INR K - 1) <= information N K q1 q2 s s
  /\ (ln (INR K) - 1) * d <= sum K (fun i => phi (joint N q1 q2 s s i i)) + ln (INR K).
Proof.
  intros N S K q1 q2 s HN HK Hs H1 H2 d. split; [apply (fano_entropies N S K); auto; lia|].
  pose proof (INR_pos K ltac:(lia)).
  assert (sum K (fun i => joint N q1 q2 s s i i * ln (/ INR K) + joint N q1 q2 s s i i - / INR K)
    <= sum K (fun i => phi (joint N q1 q2 s s i i))).
  { apply sum_le; intros i Hi. apply tangent; [apply (joint_nonneg N S K); auto|apply Rinv_0_lt_compat; auto]. }
  rewrite sum_minus, sum_plus, sum_scale_right, sum_const, ln_Rinv, Rinv_r in H0 by (auto; lra).
  unfold d, disagreement. lra.
Qed.

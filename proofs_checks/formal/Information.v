(* C20: what the off-diagonal term measures. Its excess over -2 log K is the imbalance of both segments and their
   mutual information. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Gap.
Open Scope R_scope.

(* I(P_st) = sum_ij P log (P / (p_i r_j)), p and r the marginals of P_st *)
Definition information (N K : nat) (q1 q2 : code) (s t : nat) : R :=
  sum K (fun i => sum K (fun j =>
    joint N q1 q2 s t i j * ln (joint N q1 q2 s t i j / (marginal N q1 s i * marginal N q2 t j)))).

Definition imbalance (N K : nat) (q : code) (s : nat) : R := ln (INR K) - entropy K (marginal N q s).

Section Codes.
Variables (N S K : nat) (q1 q2 : code).
Context (HN : (0 < N)%nat) (HK : (0 < K)%nat) (H1 : simplex N S K q1) (H2 : simplex N S K q2).

(* a cell of P_st is at most its row and its column: where either is empty, so is the cell *)
Lemma cell_below_row : forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  joint N q1 q2 s t i j <= marginal N q1 s i.
Proof.
  intros s t i j Hs Ht Hi Hj. rewrite <- (joint_row N S K q1 q2 H2 s t i) by auto.
  apply (sum_term_le K (fun j => joint N q1 q2 s t i j)); auto. intros; apply (joint_nonneg N S K); auto.
Qed.

Lemma cell_below_column : forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  joint N q1 q2 s t i j <= marginal N q2 t j.
Proof.
  intros s t i j Hs Ht Hi Hj. rewrite <- (joint_column N S K q1 q2 H1 s t j) by auto.
  apply (sum_term_le K (fun i => joint N q1 q2 s t i j)); auto. intros; apply (joint_nonneg N S K); auto.
Qed.

Lemma information_cell : forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  joint N q1 q2 s t i j * ln (joint N q1 q2 s t i j / (marginal N q1 s i * marginal N q2 t j))
  = phi (joint N q1 q2 s t i j) - joint N q1 q2 s t i j * ln (marginal N q1 s i)
    - joint N q1 q2 s t i j * ln (marginal N q2 t j).
Proof.
  intros s t i j Hs Ht Hi Hj.
  pose proof (joint_nonneg N S K q1 q2 HN H1 H2 s t i j Hs Ht Hi Hj).
  pose proof (cell_below_row s t i j Hs Ht Hi Hj). pose proof (cell_below_column s t i j Hs Ht Hi Hj).
  set (p := joint N q1 q2 s t i j) in *. unfold phi. destruct (Req_dec p 0) as [->|D]; [ring|].
  assert (0 < marginal N q1 s i) by lra. assert (0 < marginal N q2 t j) by lra.
  assert (0 < marginal N q1 s i * marginal N q2 t j) by (apply Rmult_lt_0_compat; auto).
  rewrite ln_div, ln_mult by (auto; lra). ring.
Qed.

Lemma information_entropies : forall s t, (s < S)%nat -> (t < S)%nat ->
  information N K q1 q2 s t = entropy K (marginal N q1 s) + entropy K (marginal N q2 t)
    + sum K (fun i => sum K (fun j => phi (joint N q1 q2 s t i j))).
Proof.
  intros s t Hs Ht. unfold information, entropy.
  rewrite (sum_ext K _ (fun i => sum K (fun j => phi (joint N q1 q2 s t i j))
    - sum K (fun j => joint N q1 q2 s t i j * ln (marginal N q1 s i))
    - sum K (fun j => joint N q1 q2 s t i j * ln (marginal N q2 t j)))).
  - rewrite !sum_minus.
    rewrite (sum_ext K (fun i => sum K (fun j => _ * ln (marginal N q1 s i))) (fun i => phi (marginal N q1 s i))).
    2: { intros i Hi. rewrite sum_scale_right, (joint_row N S K) by auto. reflexivity. }
    rewrite (sum_swap K K (fun i j => _ * ln (marginal N q2 t j))).
    rewrite (sum_ext K (fun j => sum K (fun i => _ * ln (marginal N q2 t j))) (fun j => phi (marginal N q2 t j))).
    2: { intros j Hj. rewrite sum_scale_right, (joint_column N S K) by auto. reflexivity. }
    ring.
  - intros i Hi. rewrite <- !sum_minus. apply sum_ext; intros j Hj. apply information_cell; auto.
Qed.

Lemma information_nonneg : forall s t, (s < S)%nat -> (t < S)%nat -> 0 <= information N K q1 q2 s t.
Proof.
  intros s t Hs Ht.
  apply Rle_trans with (sum K (fun i => sum K (fun j =>
    joint N q1 q2 s t i j - marginal N q1 s i * marginal N q2 t j))).
  - rewrite (sum_ext K _ (fun i => sum K (fun j => joint N q1 q2 s t i j)
      - sum K (fun j => marginal N q1 s i * marginal N q2 t j))) by (intros; apply sum_minus).
    rewrite sum_minus, sum_times_sum, (joint_total N S K), !(marginal_total N S K) by auto. lra.
  - apply sum_le; intros i Hi. apply sum_le; intros j Hj. rewrite information_cell by auto.
    pose proof (joint_nonneg N S K q1 q2 HN H1 H2 s t i j Hs Ht Hi Hj) as P.
    pose proof (cell_below_row s t i j Hs Ht Hi Hj). pose proof (cell_below_column s t i j Hs Ht Hi Hj).
    set (p := joint N q1 q2 s t i j) in *. unfold phi. destruct (Req_dec p 0) as [->|D].
    + pose proof (Rmult_le_pos _ _ (marginal_nonneg N S K HN q1 s i H1 Hs Hi) (marginal_nonneg N S K HN q2 t j H2 Ht Hj)).
      lra.
    + assert (0 < marginal N q1 s i * marginal N q2 t j) by (apply Rmult_lt_0_compat; lra).
      pose proof (tangent p (marginal N q1 s i * marginal N q2 t j) P ltac:(auto)) as T.
      rewrite ln_mult in T by lra. unfold phi in T. lra.
Qed.

Lemma imbalance_nonneg : forall q s, simplex N S K q -> (s < S)%nat -> 0 <= imbalance N K q s.
Proof.
  intros q s H Hs. unfold imbalance, entropy. pose proof (INR_pos K HK).
  assert (sum K (fun i => marginal N q s i * ln (/ INR K) + marginal N q s i - / INR K)
          <= sum K (fun i => phi (marginal N q s i))).
  { apply sum_le; intros i Hi. apply tangent; [apply (marginal_nonneg N S K); auto|apply inv_pos; auto]. }
  rewrite sum_minus, sum_plus, sum_scale_right, (marginal_total N S K), sum_const, ln_Rinv, Rinv_r in H3 by (auto; lra).
  lra.
Qed.

End Codes.

Theorem off_diagonal_excess : forall N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat -> simplex N S K q1 -> simplex N S K q2 ->
  off_diagonal N S K q1 q2 + 2 * ln (INR K) =
    mean_pairs S (fun s t => imbalance N K q1 s + imbalance N K q2 t + information N K q1 q2 s t)
  /\ (forall s t, (s < S)%nat -> (t < S)%nat ->
        0 <= imbalance N K q1 s /\ 0 <= imbalance N K q2 t /\ 0 <= information N K q1 q2 s t)
  /\ off_diagonal N S K q1 q2 + 2 * ln (INR K) = mean_pairs S (divergence N K q1 q2).
Proof.
  intros N S K q1 q2 HN HS HK H1 H2. split; [|split].
  - rewrite (off_diagonal_divergence N S K) by (auto; lia).
    replace (_ - 2 * ln (INR K) + 2 * ln (INR K)) with (mean_pairs S (divergence N K q1 q2)) by ring.
    apply mean_pairs_ext; intros s t Hs Ht _. rewrite (divergence_entropy N S K), (information_entropies N S K) by auto.
    unfold imbalance. ring.
  - intros s t Hs Ht. split; [|split].
    + apply (imbalance_nonneg N S); auto.
    + apply (imbalance_nonneg N S); auto.
    + apply (information_nonneg N S); auto.
  - rewrite (off_diagonal_divergence N S K) by (auto; lia). ring.
Qed.

(* The gap of the loss above -(a + 2 b) log K, as an exact sum of terms that cannot be negative but for the last. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint.
Open Scope R_scope.

(* nats paid for a unit of lost agreement; log K - 1 + c at weights one *)
Definition kappa (a c : R) (K : nat) : R := a * (ln (INR K) - 1) + c.

Definition mean_agreement (N S K : nat) (q1 q2 : code) : R :=
  mean N (fun n => mean S (fun s => agreement K q1 q2 n s)).

(* KL(P_st || uniform) = sum_ij P log (P / (1 / K^2)) *)
Definition divergence (N K : nat) (q1 q2 : code) (s t : nat) : R :=
  sum K (fun i => sum K (fun j =>
    joint N q1 q2 s t i j * ln (joint N q1 q2 s t i j / / (INR K * INR K)))).

Lemma ln_inverse_square : forall K, (0 < K)%nat -> ln (/ (INR K * INR K)) = - 2 * ln (INR K).
Proof.
  intros K HK. pose proof (INR_pos K HK). rewrite ln_Rinv by (apply Rmult_lt_0_compat; auto).
  rewrite ln_mult by auto. ring.
Qed.

Lemma inverse_square_pos : forall K, (0 < K)%nat -> 0 < / (INR K * INR K).
Proof. intros K HK. pose proof (INR_pos K HK). apply Rinv_0_lt_compat, Rmult_lt_0_compat; auto. Qed.

Lemma times_ln_ratio : forall p u, 0 <= p -> 0 < u -> p * ln (p / u) = phi p - p * ln u.
Proof.
  intros p u Hp Hu. unfold phi. destruct (Req_dec p 0) as [->|]; [ring|].
  rewrite ln_div by lra. ring.
Qed.

Section Codes.
Variables (N S K : nat) (q1 q2 : code).
Context (HN : (0 < N)%nat) (HS : (0 < S)%nat) (HK : (0 < K)%nat)
        (H1 : simplex N S K q1) (H2 : simplex N S K q2).

Lemma divergence_entropy : forall s t, (s < S)%nat -> (t < S)%nat ->
  divergence N K q1 q2 s t = sum K (fun i => sum K (fun j => phi (joint N q1 q2 s t i j))) + 2 * ln (INR K).
Proof.
  intros s t Hs Ht. unfold divergence.
  rewrite (sum_ext K _ (fun i => sum K (fun j => phi (joint N q1 q2 s t i j))
    + sum K (fun j => joint N q1 q2 s t i j) * (2 * ln (INR K)))).
  - rewrite sum_plus, sum_scale_right. rewrite (joint_total N S K) by auto. ring.
  - intros i Hi. rewrite <- sum_scale_right, <- sum_plus. apply sum_ext; intros j Hj.
    rewrite times_ln_ratio, ln_inverse_square; auto using inverse_square_pos; [ring|].
    apply (joint_nonneg N S K); auto.
Qed.

Lemma divergence_excess : forall s t, (s < S)%nat -> (t < S)%nat ->
  divergence N K q1 q2 s t =
  sum K (fun i => sum K (fun j => excess (joint N q1 q2 s t i j) (/ (INR K * INR K)))).
Proof.
  intros s t Hs Ht. rewrite divergence_entropy by auto.
  rewrite (sum_ext K (fun i => sum K (fun j => excess _ _)) (fun i =>
    sum K (fun j => phi (joint N q1 q2 s t i j))
    + sum K (fun j => joint N q1 q2 s t i j) * (2 * ln (INR K) - 1) + INR K * / (INR K * INR K))).
  - rewrite !sum_plus, sum_scale_right, (joint_total N S K), sum_const by auto.
    field. apply Rgt_not_eq, INR_pos; auto.
  - intros i Hi. rewrite <- sum_scale_right, <- (sum_const K (/ (INR K * INR K))), <- !sum_plus. apply sum_ext; intros j Hj.
    unfold excess. rewrite ln_inverse_square by auto. ring.
Qed.

Lemma divergence_nonneg : forall s t, (s < S)%nat -> (t < S)%nat -> 0 <= divergence N K q1 q2 s t.
Proof.
  intros s t Hs Ht. rewrite divergence_excess by auto.
  apply sum_nonneg; intros i Hi. apply sum_nonneg; intros j Hj.
  apply excess_nonneg; [apply (joint_nonneg N S K)|apply inverse_square_pos]; auto.
Qed.

(* no divergence, no unevenness *)
Lemma divergence_zero : forall s t, (s < S)%nat -> (t < S)%nat -> divergence N K q1 q2 s t = 0 ->
  forall i j, (i < K)%nat -> (j < K)%nat -> joint N q1 q2 s t i j = / (INR K * INR K).
Proof.
  intros s t Hs Ht E i j Hi Hj. rewrite divergence_excess in E by auto.
  assert (P : forall i j, (i < K)%nat -> (j < K)%nat -> 0 <= excess (joint N q1 q2 s t i j) (/ (INR K * INR K))).
  { intros. apply excess_nonneg; [apply (joint_nonneg N S K)|apply inverse_square_pos]; auto. }
  apply sum_zero_terms with (i := i) in E; auto; [|intros; apply sum_nonneg; auto].
  apply sum_zero_terms with (i := j) in E; auto.
  apply excess_zero; auto; [apply (joint_nonneg N S K)|apply inverse_square_pos]; auto.
Qed.

(* the diagonal term above its tangent at 1/K *)
Lemma diagonal_excess :
  diagonal N S K q1 q2 =
  mean S (fun s => sum K (fun i => excess (joint N q1 q2 s s i i) (/ INR K)))
  - ln (INR K) + (ln (INR K) - 1) * (1 - mean_agreement N S K q1 q2).
Proof.
  pose proof (INR_pos K HK). unfold diagonal, mean_agreement. rewrite mean_swap.
  rewrite (mean_ext S (fun s => sum K (fun i => phi _)) (fun s =>
    sum K (fun i => excess (joint N q1 q2 s s i i) (/ INR K))
    + (1 - ln (INR K)) * mean N (fun n => agreement K q1 q2 n s) - 1)).
  - rewrite mean_minus, mean_plus, mean_scale, (mean_const S (fun _ => 1) 1) by auto. ring.
  - intros s Hs. rewrite (sum_ext K (fun i => phi _) (fun i => excess (joint N q1 q2 s s i i) (/ INR K)
      + (1 - ln (INR K)) * joint N q1 q2 s s i i - / INR K)).
    + rewrite sum_minus, sum_plus, sum_scale, joint_trace, sum_const. field. lra.
    + intros i Hi. unfold excess. rewrite ln_Rinv by auto. ring.
Qed.

Lemma off_diagonal_divergence : (2 <= S)%nat ->
  off_diagonal N S K q1 q2 = mean_pairs S (divergence N K q1 q2) - 2 * ln (INR K).
Proof.
  intros HP. unfold off_diagonal. rewrite (mean_pairs_ext S _ (fun s t => divergence N K q1 q2 s t + - 2 * ln (INR K))).
  - rewrite mean_pairs_plus, (mean_pairs_const S (fun _ _ => - 2 * ln (INR K)) (- 2 * ln (INR K))) by auto. ring.
  - intros s t Hs Ht _. rewrite divergence_entropy by auto. ring.
Qed.

Lemma invariance_surprise :
  invariance N S K q1 q2 =
  mean N (fun n => mean S (fun s => surprise (agreement K q1 q2 n s))) + (1 - mean_agreement N S K q1 q2).
Proof.
  rewrite invariance_mean. unfold mean_agreement.
  rewrite (mean_ext N (fun n => mean S (fun s => surprise _)) (fun n =>
    -1 * mean S (fun s => ln (agreement K q1 q2 n s)) - 1 + mean S (fun s => agreement K q1 q2 n s))).
  - rewrite mean_plus, mean_minus, mean_scale, (mean_const N (fun _ => 1) 1) by auto. ring.
  - intros n Hn. rewrite (mean_ext S (fun s => surprise _) (fun s =>
      -1 * ln (agreement K q1 q2 n s) - 1 + agreement K q1 q2 n s)) by (intros; unfold surprise; ring).
    rewrite mean_plus, mean_minus, mean_scale, (mean_const S (fun _ => 1) 1) by auto. reflexivity.
Qed.

Theorem gap_identity : forall a b c, (2 <= S)%nat ->
  total a b c N S K q1 q2 + (a + 2 * b) * ln (INR K) =
  a * mean S (fun s => sum K (fun i => excess (joint N q1 q2 s s i i) (/ INR K)))
  + b * mean_pairs S (divergence N K q1 q2)
  + c * mean N (fun n => mean S (fun s => surprise (agreement K q1 q2 n s)))
  + kappa a c K * (1 - mean_agreement N S K q1 q2).
Proof.
  intros. unfold total, kappa. rewrite diagonal_excess, off_diagonal_divergence, invariance_surprise by auto. ring.
Qed.

Lemma diagonal_excess_nonneg : 0 <= mean S (fun s => sum K (fun i => excess (joint N q1 q2 s s i i) (/ INR K))).
Proof.
  apply mean_nonneg; auto. intros s Hs. apply sum_nonneg; intros i Hi.
  apply excess_nonneg; [apply (joint_nonneg N S K)|apply inv_pos]; auto.
Qed.

Lemma divergences_nonneg : (2 <= S)%nat -> 0 <= mean_pairs S (divergence N K q1 q2).
Proof. intros HP. apply mean_pairs_nonneg; auto. intros; apply divergence_nonneg; auto. Qed.

Lemma surprises_nonneg : agree_everywhere N S K q1 q2 ->
  0 <= mean N (fun n => mean S (fun s => surprise (agreement K q1 q2 n s))).
Proof.
  intros A. apply mean_nonneg; auto. intros n Hn. apply mean_nonneg; auto. intros s Hs.
  apply surprise_nonneg; auto.
Qed.

Lemma mean_agreement_at_most_one : mean_agreement N S K q1 q2 <= 1.
Proof.
  unfold mean_agreement. rewrite <- (mean_const N (fun _ => 1) 1) by auto. apply mean_le; auto. intros n Hn.
  rewrite <- (mean_const S (fun _ => 1) 1) by auto. apply mean_le; auto. intros s Hs.
  apply (agreement_at_most_one N S K); auto.
Qed.

Lemma weighted_surprise_nonneg : forall c, 0 <= c -> c = 0 \/ agree_everywhere N S K q1 q2 ->
  0 <= c * mean N (fun n => mean S (fun s => surprise (agreement K q1 q2 n s))).
Proof.
  intros c Hc [->|A]; [lra|]. apply Rmult_le_pos; [auto|apply surprises_nonneg; auto].
Qed.

End Codes.

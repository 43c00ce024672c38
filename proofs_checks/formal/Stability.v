(* C5: a small gap forces all the properties, with constants. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Gap Pinsker.
Open Scope R_scope.

Fixpoint largest (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S m => Rmax (largest m f) (f m) end.

Lemma below_largest : forall n f i, (i < n)%nat -> f i <= largest n f.
Proof.
  induction n; simpl; intros f i Hi; [lia|]. destruct (Nat.eq_dec i n) as [->|]; [apply Rmax_r|].
  apply Rle_trans with (largest n f); [apply IHn; lia|apply Rmax_l].
Qed.

(* means over samples and segments *)
Definition mean_over (N S : nat) (f : nat -> nat -> R) : R := mean N (fun n => mean S (fun s => f n s)).

Definition squared_distance (K : nat) (q1 q2 : code) (n s : nat) : R :=
  sum K (fun i => (q1 n s i - q2 n s i) * (q1 n s i - q2 n s i)).

(* sum_ij |P_st(i,j) - 1/K^2| *)
Definition unevenness (N K : nat) (q1 q2 : code) (s t : nat) : R :=
  sum K (fun i => sum K (fun j => Rabs (joint N q1 q2 s t i j - / (INR K * INR K)))).

(* the gap pays for disagreement and for divergence; the weight c and K decide what disagreement costs *)
Theorem gap_pays : forall c N S K q1 q2 x,
  (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat -> 0 <= c -> simplex N S K q1 -> simplex N S K q2 ->
  loss 1 1 c N S K q1 q2 = Finite x ->
  kappa 1 c K * (1 - mean_agreement N S K q1 q2) + mean_pairs S (divergence N K q1 q2) <= x + 3 * ln (INR K).
Proof.
  intros c N S K q1 q2 x HN HS HK Hc H1 H2 E. apply loss_is_finite in E as [F ->].
  assert (HS1 : (0 < S)%nat) by lia.
  pose proof (gap_identity N S K q1 q2 HN HS1 HK H1 H2 1 1 c HS).
  pose proof (diagonal_excess_nonneg N S K q1 q2 HN HS1 HK H1 H2).
  pose proof (weighted_surprise_nonneg N S K q1 q2 HN HS1 c Hc F). lra.
Qed.

Section Codes.
Variables (N S K : nat) (q1 q2 : code).
Context (HN : (0 < N)%nat) (HS : (0 < S)%nat) (HK : (0 < K)%nat)
        (H1 : simplex N S K q1) (H2 : simplex N S K q2).

Lemma mean_over_le : forall f g, (forall n s, (n < N)%nat -> (s < S)%nat -> f n s <= g n s) ->
  mean_over N S f <= mean_over N S g.
Proof. intros f g H. apply mean_le; auto. intros n Hn. apply mean_le; auto. Qed.

Lemma mean_lost_agreement : mean_over N S (fun n s => 1 - agreement K q1 q2 n s) = 1 - mean_agreement N S K q1 q2.
Proof.
  unfold mean_over, mean_agreement.
  rewrite (mean_ext N _ (fun n => 1 - mean S (fun s => agreement K q1 q2 n s))).
  - rewrite mean_minus, (mean_const N (fun _ => 1) 1); auto.
  - intros n Hn. rewrite mean_minus, (mean_const S (fun _ => 1) 1); auto.
Qed.

Lemma agreement_below_peak : forall n s, (n < N)%nat -> (s < S)%nat ->
  agreement K q1 q2 n s <= largest K (q1 n s).
Proof.
  intros n s Hn Hs. apply (agreement_at_most N S K q1 q2 H2); auto. intros i Hi. apply (below_largest K (q1 n s)); auto.
Qed.

Lemma square_below_one : forall q n s, simplex N S K q -> (n < N)%nat -> (s < S)%nat ->
  sum K (fun i => q n s i * q n s i) <= 1.
Proof.
  intros q n s H Hn Hs. destruct (H n s Hn Hs) as [P T]. rewrite <- T. apply sum_le; intros i Hi.
  pose proof (simplex_at_most_one N S K q n s i H Hn Hs Hi). nra.
Qed.

Lemma distance_below_agreement : forall n s, (n < N)%nat -> (s < S)%nat ->
  squared_distance K q1 q2 n s <= 2 * (1 - agreement K q1 q2 n s).
Proof.
  intros n s Hn Hs. unfold squared_distance, agreement.
  rewrite (sum_ext K _ (fun i => q1 n s i * q1 n s i + q2 n s i * q2 n s i - 2 * (q1 n s i * q2 n s i)))
    by (intros; ring).
  rewrite sum_minus, sum_plus, sum_scale.
  pose proof (square_below_one q1 n s H1 Hn Hs). pose proof (square_below_one q2 n s H2 Hn Hs). lra.
Qed.

(* Pinsker, before the multiplier is chosen *)
Lemma unevenness_multiplier : forall m s t, (s < S)%nat -> (t < S)%nat ->
  2 * m * unevenness N K q1 q2 s t <= 2 * (m * m) + divergence N K q1 q2 s t.
Proof.
  intros m s t Hs Ht. rewrite (divergence_excess N S K) by auto. set (u := / (INR K * INR K)).
  assert (U : 0 < u) by (apply inverse_square_pos; auto).
  apply Rle_trans with (sum K (fun i => sum K (fun j =>
    m * m * ((2 * joint N q1 q2 s t i j + 4 * u) / 3) + excess (joint N q1 q2 s t i j) u))).
  - unfold unevenness. rewrite <- sum_scale. apply sum_le; intros i Hi. rewrite <- sum_scale. apply sum_le; intros j Hj.
    apply pinsker_multiplier; auto. apply (joint_nonneg N S K); auto.
  - right. rewrite (sum_ext K _ (fun i => sum K (fun j => joint N q1 q2 s t i j) * (2 / 3 * (m * m))
      + INR K * (m * m * (4 / 3 * u)) + sum K (fun j => excess (joint N q1 q2 s t i j) u))).
    + rewrite !sum_plus, sum_scale_right, (joint_total N S K), sum_const by auto. unfold u. field.
      apply Rgt_not_eq, INR_pos; auto.
    + intros i Hi. rewrite <- sum_scale_right, <- (sum_const K (m * m * (4 / 3 * u))), <- !sum_plus.
      apply sum_ext; intros j Hj. field.
Qed.

End Codes.

Lemma mean_unevenness_squared : forall N S K q1 q2,
  (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat -> simplex N S K q1 -> simplex N S K q2 ->
  mean_pairs S (unevenness N K q1 q2) * mean_pairs S (unevenness N K q1 q2)
  <= 2 * mean_pairs S (divergence N K q1 q2).
Proof.
  intros N S K q1 q2 HN HS HK H1 H2. set (T := mean_pairs S (unevenness N K q1 q2)).
  assert (M : forall m, 2 * m * T <= 2 * (m * m) + mean_pairs S (divergence N K q1 q2)).
  { intros m. unfold T. rewrite <- mean_pairs_scale, <- (mean_pairs_const S (fun _ _ => 2 * (m * m)) (2 * (m * m))) by auto.
    rewrite <- mean_pairs_plus. apply mean_pairs_le; auto. intros s t Hs Ht _.
    apply (unevenness_multiplier N S K); auto. }
  specialize (M (T / 2)). lra.
Qed.

Theorem gap_controls : forall c eps N S K q1 q2 x,
  (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat -> 0 <= c -> 0 < kappa 1 c K -> simplex N S K q1 -> simplex N S K q2 ->
  loss 1 1 c N S K q1 q2 = Finite x -> x + 3 * ln (INR K) <= eps ->
  mean_over N S (fun n s => 1 - agreement K q1 q2 n s) <= eps / kappa 1 c K
  /\ mean_over N S (squared_distance K q1 q2) <= 2 * eps / kappa 1 c K
  /\ mean_over N S (fun n s => 1 - largest K (q1 n s)) <= eps / kappa 1 c K
  /\ mean_over N S (fun n s => 1 - largest K (q2 n s)) <= eps / kappa 1 c K
  /\ mean_pairs S (divergence N K q1 q2) <= eps
  /\ mean_pairs S (unevenness N K q1 q2) <= sqrt (2 * eps).
Proof.
  intros c eps N S K q1 q2 x HN HS HK Hc Hk H1 H2 E G. assert (HS1 : (0 < S)%nat) by lia.
  pose proof (gap_pays c N S K q1 q2 x HN HS HK Hc H1 H2 E) as P.
  pose proof (divergences_nonneg N S K q1 q2 HN HK H1 H2 HS) as D.
  pose proof (mean_agreement_at_most_one N S K q1 q2 HN HS1 H1 H2) as M.
  assert (Z : 0 <= kappa 1 c K * (1 - mean_agreement N S K q1 q2)) by (apply Rmult_le_pos; lra).
  assert (A : mean_over N S (fun n s => 1 - agreement K q1 q2 n s) <= eps / kappa 1 c K).
  { rewrite mean_lost_agreement by auto. apply (Rmult_le_reg_l (kappa 1 c K)); auto.
    replace (kappa 1 c K * (eps / kappa 1 c K)) with eps by (field; lra). lra. }
  split; [exact A|split; [|split; [|split; [|split]]]].
  - replace (2 * eps / kappa 1 c K) with (2 * (eps / kappa 1 c K)) by (field; lra).
    apply Rle_trans with (2 * mean_over N S (fun n s => 1 - agreement K q1 q2 n s)); [|lra].
    unfold mean_over at 2. rewrite <- mean_scale.
    apply mean_le; auto. intros n Hn. rewrite <- mean_scale. apply mean_le; auto. intros s Hs.
    apply (distance_below_agreement N S); auto.
  - eapply Rle_trans; [|exact A]. apply mean_over_le; auto. intros n s Hn Hs.
    pose proof (agreement_below_peak N S K q1 q2 H2 n s Hn Hs). lra.
  - eapply Rle_trans; [|exact A]. apply mean_over_le; auto. intros n s Hn Hs.
    pose proof (agreement_below_peak N S K q2 q1 H1 n s Hn Hs). rewrite agreement_symmetric in H. lra.
  - lra.
  - pose proof (mean_unevenness_squared N S K q1 q2 HN HS HK H1 H2) as U.
    apply Rsqr_incr_0_var; [|apply sqrt_pos]. rewrite Rsqr_sqrt by lra. unfold Rsqr. lra.
Qed.

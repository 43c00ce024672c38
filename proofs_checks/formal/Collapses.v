(* C13: what each kind of collapse costs. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Gap Bound.
Open Scope R_scope.

(* blocks of a joint distribution ------------------------------------------------------------------ *)

(* minus the entropy of P_st *)
Definition block (N K : nat) (q1 q2 : code) (s t : nat) : R :=
  sum K (fun i => sum K (fun j => phi (joint N q1 q2 s t i j))).

Lemma matched_block : forall K p, (forall i, (i < K)%nat -> (p i < K)%nat) ->
  sum K (fun i => sum K (fun j => phi (same (p i) j * / INR K))) = INR K * phi (/ INR K).
Proof.
  intros K p Hp. apply sum_const_ext; intros i Hi.
  rewrite <- (sum_pick K (p i) (fun _ => phi (/ INR K))) by auto. apply sum_ext; intros j Hj.
  unfold same. destruct (Nat.eqb (p i) j); [rewrite !Rmult_1_l; auto|rewrite !Rmult_0_l; apply phi_zero].
Qed.

Lemma K_phi_inverse : forall K, (0 < K)%nat -> INR K * phi (/ INR K) = - ln (INR K).
Proof. intros K HK. pose proof (INR_pos K HK). unfold phi. rewrite ln_Rinv by auto. field. lra. Qed.

Lemma uniform_block : forall N S K q1 q2 s t, (0 < K)%nat -> uniform_pairs N S K q1 q2 ->
  (s < S)%nat -> (t < S)%nat -> s <> t -> block N K q1 q2 s t = - 2 * ln (INR K).
Proof.
  intros N S K q1 q2 s t HK U Hs Ht D. pose proof (INR_pos K HK). unfold block.
  rewrite (sum_const_ext K _ (INR K * phi (/ (INR K * INR K)))).
  - unfold phi. rewrite ln_inverse_square by auto. field. lra.
  - intros i Hi. apply sum_const_ext; intros j Hj. rewrite U; auto.
Qed.

(* the uniform code, whatever the sample ----------------------------------------------------------- *)

Theorem uniform_collapse : forall c N S K, (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat ->
  let q := fun _ _ _ => / INR K in
  loss 1 1 c N S K q q = Finite (- (2 + 2 / INR K - c) * ln (INR K)).
Proof.
  intros c N S K HN HS HK q. pose proof (INR_pos K HK) as P. pose proof (inv_pos K HK) as I.
  assert (A : forall n s, agreement K q q n s = / INR K).
  { intros. unfold agreement, q. rewrite sum_const. field. lra. }
  assert (J : forall s t i j, joint N q q s t i j = / (INR K * INR K)).
  { intros. unfold joint, q. rewrite Rinv_mult. apply mean_const; auto. }
  rewrite loss_finite by (right; intros n s _ _; rewrite A; auto). f_equal. unfold total.
  rewrite invariance_mean, (mean_const N _ (- ln (INR K))); auto.
  2: { intros n _. apply mean_const; [lia|]. intros s _. rewrite A, ln_Rinv; auto. }
  replace (off_diagonal N S K q q) with (- 2 * ln (INR K)).
  2: { symmetry. apply mean_pairs_const; auto. intros s t Hs Ht D. apply (uniform_block N S); auto.
       intros s' t' i j _ _ _ _ _. apply J. }
  unfold diagonal. rewrite (mean_const S _ (- (2 / INR K) * ln (INR K))); [field; lra|lia|].
  intros s _. rewrite (sum_const_ext K _ (phi (/ (INR K * INR K)))) by (intros; rewrite J; auto).
  unfold phi. rewrite ln_inverse_square by auto. field. lra.
Qed.

(* at two units it ties with the perfect code *)
Theorem uniform_collapse_two_units : forall N S, (0 < N)%nat -> (2 <= S)%nat ->
  let q := fun _ _ _ => / 2 in loss 1 1 0 N S 2 q q = Finite (- 3 * ln 2).
Proof.
  intros N S HN HS. change 2 with (INR 2) at 1. simpl.
  pose proof (uniform_collapse 0 N S 2 HN HS ltac:(lia)) as E. cbv zeta in E. change (INR 2) with 2 in E.
  change (1 + 1) with 2. rewrite E. f_equal. field.
Qed.

(* every sample the same one-hot code: the largest loss of all at c = 0 ------------------------------ *)

Theorem constant_one_hot_collapse : forall c N S K unit, (0 < N)%nat -> (0 < K)%nat ->
  (forall s, (s < S)%nat -> (unit s < K)%nat) ->
  let q := one_hot (fun _ s => unit s) in loss 1 1 c N S K q q = Finite 0.
Proof.
  intros c N S K unit HN HK Hu q.
  assert (L : labels N S K (fun _ s => unit s)) by (intros n s _ Hs; apply Hu; auto).
  assert (A : forall n s, (n < N)%nat -> (s < S)%nat -> agreement K q q n s = 1)
    by (intros; apply (one_hot_agreement N S); auto).
  assert (Z : forall s t i j, phi (joint N q q s t i j) = 0).
  { intros. unfold joint. rewrite (mean_const N _ (same (unit s) i * same (unit t) j)) by auto.
    unfold same. destruct (Nat.eqb (unit s) i), (Nat.eqb (unit t) j);
      rewrite ?Rmult_1_l, ?Rmult_0_l; auto using phi_zero, phi_one. }
  rewrite loss_finite by (right; intros n s Hn Hs; rewrite A by auto; lra). f_equal. unfold total.
  assert (D : diagonal N S K q q = 0).
  { unfold diagonal, mean. rewrite sum_zero; [ring|]. intros s _. apply sum_zero; auto. }
  assert (O : off_diagonal N S K q q = 0).
  { unfold off_diagonal, mean_pairs. rewrite sum_zero; [ring|]. intros s _. apply sum_zero. intros t _.
    destruct (Nat.eqb s t); auto. apply sum_zero. intros i _. apply sum_zero; auto. }
  assert (I : invariance N S K q q = 0).
  { unfold invariance. rewrite sum_zero; [ring|]. intros n Hn. apply sum_zero. intros s Hs.
    rewrite A by auto. apply ln_1. }
  rewrite D, O, I. ring.
Qed.

Theorem entropies_at_most_zero : forall N S K q1 q2 x, (0 < N)%nat -> (2 <= S)%nat ->
  simplex N S K q1 -> simplex N S K q2 -> loss 1 1 0 N S K q1 q2 = Finite x -> x <= 0.
Proof.
  intros N S K q1 q2 x HN HS H1 H2 E. apply loss_is_finite in E as [_ ->]. unfold total.
  assert (P : forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
    phi (joint N q1 q2 s t i j) <= 0).
  { intros. apply phi_nonpositive; [apply (joint_nonneg N S K)|apply (joint_at_most_one N S K)]; auto. }
  assert (D : diagonal N S K q1 q2 <= 0).
  { rewrite <- (mean_const S (fun _ => 0) 0) by (auto; lia). apply mean_le; [lia|]. intros s Hs.
    rewrite <- (sum_zero K (fun _ => 0)) by auto. apply sum_le; auto. }
  assert (O : off_diagonal N S K q1 q2 <= 0).
  { rewrite <- (mean_pairs_const S (fun _ _ => 0) 0) by auto. apply mean_pairs_le; auto. intros s t Hs Ht _.
    rewrite <- (sum_zero K (fun _ => 0)) by auto. apply sum_le; intros i Hi.
    rewrite <- (sum_zero K (fun _ => 0)) by auto. apply sum_le; auto. }
  lra.
Qed.

(* all segments alike: one balanced table of labels, repeated ----------------------------------------- *)

Theorem identical_segments : forall c N S K label, (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat ->
  (forall n, (n < N)%nat -> (label n < K)%nat) ->
  (forall i, (i < K)%nat -> mean N (fun n => same (label n) i) = / INR K) ->
  let q := one_hot (fun n _ => label n) in loss 1 1 c N S K q q = Finite (- 2 * ln (INR K)).
Proof.
  intros c N S K label HN HS HK L B q. pose proof (INR_pos K HK) as P.
  assert (A : forall n s, (n < N)%nat -> (s < S)%nat -> agreement K q q n s = 1).
  { intros n s Hn Hs. apply (one_hot_agreement N S); auto. intros m r Hm _. apply L; auto. }
  assert (J : forall s t i j, (i < K)%nat -> joint N q q s t i j = same i j * / INR K).
  { intros s t i j Hi. rewrite <- (B i Hi), <- mean_scale. unfold joint. apply mean_ext; intros n Hn.
    unfold q, one_hot, same. destruct (Nat.eqb_spec (label n) i) as [->|]; [destruct (Nat.eqb i j); ring|ring]. }
  rewrite loss_finite by (right; intros n s Hn Hs; rewrite A by auto; lra). f_equal. unfold total.
  assert (I : invariance N S K q q = 0).
  { unfold invariance. rewrite sum_zero; [ring|]. intros n Hn. apply sum_zero. intros s Hs.
    rewrite A by auto. apply ln_1. }
  assert (D : diagonal N S K q q = - ln (INR K)).
  { apply mean_const; [lia|]. intros s Hs. rewrite (sum_const_ext K _ (phi (/ INR K))); [apply K_phi_inverse; auto|].
    intros i Hi. rewrite J, same_refl, Rmult_1_l; auto. }
  assert (O : off_diagonal N S K q q = - ln (INR K)).
  { apply mean_pairs_const; auto. intros s t Hs Ht _. rewrite <- K_phi_inverse by auto.
    rewrite <- (matched_block K (fun i => i)) by auto. apply sum_ext; intros i Hi. apply sum_ext; intros j Hj.
    rewrite J; auto. }
  rewrite D, O, I. ring.
Qed.

(* the units of one view renamed by a permutation that keeps f of them -------------------------------- *)

Definition kept (K : nat) (p : nat -> nat) : R := sum K (fun i => same (p i) i).

Lemma relabelled_joint : forall N S K label p s t i j, permutation K p -> labels N S K label ->
  (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
  joint N (one_hot label) (one_hot (fun n s => p (label n s))) s t i (p j)
  = joint N (one_hot label) (one_hot label) s t i j.
Proof.
  intros N S K label p s t i j [r H] L Hs Ht Hi Hj. apply mean_ext; intros n Hn. f_equal. unfold one_hot, same.
  destruct (H _ (L n t Hn Ht)) as [_ [_ [E1 _]]], (H j Hj) as [_ [_ [E2 _]]].
  destruct (Nat.eqb_spec (p (label n t)) (p j)), (Nat.eqb_spec (label n t) j); congruence.
Qed.

Theorem relabelled_view : forall N S K label p, (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat -> labels N S K label ->
  uniform_pairs N S K (one_hot label) (one_hot label) -> permutation K p ->
  let q1 := one_hot label in let q2 := one_hot (fun n s => p (label n s)) in
  loss 1 1 0 N S K q1 q2 = Finite (- (2 + kept K p / INR K) * ln (INR K))
  /\ (forall c i, c <> 0 -> (i < K)%nat -> p i <> i -> loss 1 1 c N S K q1 q2 = Infinite).
Proof.
  intros N S K label p HN HS HK L U Hp q1 q2. pose proof (INR_pos K HK) as P.
  assert (S0 : simplex N S K q1) by (apply one_hot_simplex; auto).
  assert (PF : perfect N S K q1 q1).
  { exists label. split; auto. split; [intros n s i _ _ _; reflexivity|]. split; [intros n s i _ _ _; reflexivity|auto]. }
  assert (J : forall s t i j, (s < S)%nat -> (t < S)%nat -> (i < K)%nat -> (j < K)%nat ->
    joint N q1 q2 s t i (p j) = joint N q1 q1 s t i j) by (intros; apply (relabelled_joint N S K); auto).
  assert (JD : forall s i j, (s < S)%nat -> (i < K)%nat -> (j < K)%nat -> joint N q1 q1 s s i j = same i j * / INR K).
  { intros s i j Hs Hi Hj. destruct (Nat.eq_dec i j) as [<-|D].
    - rewrite same_refl, Rmult_1_l. apply (perfect_joint_diagonal N S K); auto.
    - rewrite same_diff, Rmult_0_l by auto. apply mean_const; auto. intros n Hn. unfold q1, one_hot, same.
      destruct (Nat.eqb_spec (label n s) i), (Nat.eqb_spec (label n s) j); try ring. congruence. }
  split.
  - rewrite loss_finite by auto. f_equal. unfold total.
    assert (D : diagonal N S K q1 q2 = - (kept K p / INR K) * ln (INR K)).
    { apply mean_const; [lia|]. intros s Hs.
      rewrite <- (sum_permutation K p (fun i => phi (joint N q1 q2 s s i i))) by auto.
      rewrite (sum_ext K _ (fun i => same (p i) i * phi (/ INR K))).
      - rewrite sum_scale_right. fold (kept K p). unfold phi. rewrite ln_Rinv by auto. field. lra.
      - intros i Hi. destruct Hp as [r H]. destruct (H i Hi) as [Hpi _]. rewrite J, JD by auto. unfold same.
        destruct (Nat.eqb (p i) i); [rewrite !Rmult_1_l; auto|rewrite !Rmult_0_l; apply phi_zero]. }
    assert (O : off_diagonal N S K q1 q2 = - 2 * ln (INR K)).
    { apply mean_pairs_const; auto. intros s t Hs Ht Dst. rewrite <- (uniform_block N S K q1 q1 s t) by auto.
      apply sum_ext; intros i Hi.
      rewrite <- (sum_permutation K p (fun j => phi (joint N q1 q2 s t i j))) by auto.
      apply sum_ext; intros j Hj. rewrite J; auto. }
    rewrite D, O. field. lra.
  - intros c i Hc Hi Dp. apply loss_infinite; auto. intros A.
    (* some sample has label i in segment 0: its two codes share no unit *)
    assert (T : 0 < joint N q1 q1 0 0 i i).
    { rewrite JD, same_refl by (auto; lia). pose proof (inv_pos K HK). lra. }
    assert (exists n, (n < N)%nat /\ label n 0%nat = i) as [n [Hn En]].
    { destruct (Rlt_dec 0 (sum N (fun n => q1 n 0%nat i * q1 n 0%nat i))) as [Q|Q].
      - apply sum_positive_term in Q as [n [Hn Q]]. exists n. split; auto. unfold q1, one_hot, same in Q.
        destruct (Nat.eqb_spec (label n 0%nat) i); auto. lra.
      - unfold joint, mean in T. pose proof (inv_pos N HN). nra. }
    specialize (A n 0%nat Hn ltac:(lia)).
    assert (Z : agreement K q1 q2 n 0 = 0); [|lra].
    apply sum_zero; intros k Hk. unfold q1, q2, one_hot, same. rewrite En.
    destruct (Nat.eqb_spec i k) as [->|]; [|ring]. destruct (Nat.eqb_spec (p k) k); [contradiction|ring].
Qed.

(* one duplicated pair: a perfect table of S segments and a copy of its first ------------------------- *)

Definition with_copy (S : nat) (label : nat -> nat -> nat) : nat -> nat -> nat :=
  fun n s => if Nat.eqb s S then label n 0%nat else label n s.

Theorem duplicated_pair : forall c N S K label, (0 < N)%nat -> (2 <= S)%nat -> (0 < K)%nat -> labels N S K label ->
  uniform_pairs N S K (one_hot label) (one_hot label) ->
  let q := one_hot (with_copy S label) in
  loss 1 1 c N (Datatypes.S S) K q q
  = Finite (- 3 * ln (INR K) + 2 * ln (INR K) / (INR (Datatypes.S S) * INR S)).
Proof.
  intros c N S K label HN HS HK L U q. pose proof (INR_pos K HK) as P. pose proof (INR_pos S ltac:(lia)) as PS.
  set (o := one_hot label). set (T := Datatypes.S S).
  assert (S0 : simplex N S K o) by (apply one_hot_simplex; auto).
  assert (PF : perfect N S K o o).
  { exists label. split; auto. split; [intros n s i _ _ _; reflexivity|]. split; [intros n s i _ _ _; reflexivity|auto]. }
  set (origin := fun s => if Nat.eqb s S then 0%nat else s).
  assert (OR : forall s, (s < T)%nat -> (origin s < S)%nat).
  { intros s Hs. unfold origin. destruct (Nat.eqb_spec s S); unfold T in *; lia. }
  assert (J : forall s t i j, joint N q q s t i j = joint N o o (origin s) (origin t) i j).
  { intros. unfold joint. apply mean_ext; intros n Hn. unfold q, o, one_hot, with_copy, origin.
    destruct (Nat.eqb s S), (Nat.eqb t S); reflexivity. }
  assert (JD : forall s i j, (s < S)%nat -> (i < K)%nat -> (j < K)%nat -> joint N o o s s i j = same i j * / INR K).
  { intros s i j Hs Hi Hj. destruct (Nat.eq_dec i j) as [<-|D].
    - rewrite same_refl, Rmult_1_l. apply (perfect_joint_diagonal N S K); auto.
    - rewrite same_diff, Rmult_0_l by auto. apply mean_const; auto. intros n Hn. unfold o, one_hot, same.
      destruct (Nat.eqb_spec (label n s) i), (Nat.eqb_spec (label n s) j); try ring. congruence. }
  assert (A : forall n s, (n < N)%nat -> (s < T)%nat -> agreement K q q n s = 1).
  { intros n s Hn Hs. apply (one_hot_agreement N T); auto. intros m r Hm Hr. unfold with_copy.
    destruct (Nat.eqb_spec r S); apply L; auto; unfold T in *; lia. }
  rewrite loss_finite by (right; intros n s Hn Hs; rewrite A by auto; lra). f_equal. unfold total.
  assert (I : invariance N T K q q = 0).
  { unfold invariance. rewrite sum_zero; [ring|]. intros n Hn. apply sum_zero. intros s Hs.
    rewrite A by auto. apply ln_1. }
  assert (D : diagonal N T K q q = - ln (INR K)).
  { apply mean_const; [unfold T; lia|]. intros s Hs. rewrite (sum_const_ext K _ (phi (/ INR K))).
    - apply K_phi_inverse; auto.
    - intros i Hi. rewrite J, JD, same_refl, Rmult_1_l by auto. reflexivity. }
  (* two of the blocks hold a copy, all others are uniform *)
  assert (O : off_diagonal N T K q q = - 2 * ln (INR K) + 2 * ln (INR K) / (INR T * INR S)).
  { unfold off_diagonal.
    rewrite (mean_pairs_ext T _ (fun s t => - 2 * ln (INR K)
      + (same 0 s * same S t + same S s * same 0 t) * ln (INR K))).
    - rewrite mean_pairs_plus, (mean_pairs_const T (fun _ _ => - 2 * ln (INR K)) (- 2 * ln (INR K)))
        by (auto; unfold T; lia). f_equal.
      unfold mean_pairs. rewrite (sum_ext T _ (fun s => (same 0 s + same S s) * ln (INR K))).
      + rewrite sum_scale_right, sum_plus, !sum_same by (unfold T; lia).
        unfold T. rewrite S_INR. field. lra.
      + intros s Hs. rewrite (sum_ext T _ (fun t => same S t * (same 0 s * ln (INR K))
          + same 0 t * (same S s * ln (INR K)))).
        * rewrite sum_plus, (sum_pick T S (fun _ => same 0 s * ln (INR K))),
            (sum_pick T 0 (fun _ => same S s * ln (INR K))) by (unfold T; lia). ring.
        * intros t Ht. unfold same. destruct (Nat.eqb_spec s t) as [<-|].
          -- destruct (Nat.eqb_spec 0 s), (Nat.eqb_spec S s); try ring; lia.
          -- destruct (Nat.eqb 0 s), (Nat.eqb S t), (Nat.eqb S s), (Nat.eqb 0 t); ring.
    - intros s t Hs Ht Dst.
      rewrite (sum_ext K _ (fun i => sum K (fun j => phi (joint N o o (origin s) (origin t) i j))))
        by (intros; apply sum_ext; intros; rewrite J; auto).
      destruct (Nat.eq_dec (origin s) (origin t)) as [E|E].
      + replace ((same 0 s * same S t + same S s * same 0 t)) with 1.
        * rewrite E. rewrite (sum_ext K _ (fun i => sum K (fun j => phi (same i j * / INR K))))
            by (intros; apply sum_ext; intros; rewrite JD; auto).
          rewrite (matched_block K (fun i => i)) by auto. rewrite K_phi_inverse by auto. ring.
        * unfold origin, same in *. destruct (Nat.eqb_spec s S), (Nat.eqb_spec t S), (Nat.eqb_spec 0 s),
            (Nat.eqb_spec S t), (Nat.eqb_spec S s), (Nat.eqb_spec 0 t); try ring; lia.
      + change (sum K (fun i => sum K (fun j => phi (joint N o o (origin s) (origin t) i j))))
          with (block N K o o (origin s) (origin t)).
        rewrite (uniform_block N S K) by auto.
        replace ((same 0 s * same S t + same S s * same 0 t)) with 0; [ring|].
        unfold origin, same in *. destruct (Nat.eqb_spec s S), (Nat.eqb_spec t S), (Nat.eqb_spec 0 s),
            (Nat.eqb_spec S t), (Nat.eqb_spec S s), (Nat.eqb_spec 0 t); try ring; lia. }
  rewrite D, O, I. unfold T. ring.
Qed.

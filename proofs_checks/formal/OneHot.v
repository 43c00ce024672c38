(* Two codes of agreement one are the same one-hot code. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint.
Open Scope R_scope.

(* the last i < n with p i, zero if there is none *)
Fixpoint last_true (n : nat) (p : nat -> bool) : nat :=
  match n with O => O | S m => if p m then m else last_true m p end.

Lemma last_true_spec : forall n p i, (i < n)%nat -> p i = true ->
  (last_true n p < n)%nat /\ p (last_true n p) = true.
Proof.
  induction n; intros p i Hi Hp; [lia|]. simpl. destruct (p n) eqn:E; [auto|].
  assert (i <> n) by congruence.
  destruct (IHn p i) as [A B]; [lia|auto|split; [lia|auto]].
Qed.

Definition used_unit (K : nat) (q : code) (n s : nat) : nat := last_true K (fun i => positive (q n s i)).

Lemma used_unit_spec : forall N S K q n s, simplex N S K q -> (n < N)%nat -> (s < S)%nat ->
  (used_unit K q n s < K)%nat /\ 0 < q n s (used_unit K q n s).
Proof.
  intros N S K q n s H Hn Hs. destruct (H n s Hn Hs) as [_ T].
  destruct (sum_positive_term K (q n s)) as [i [Hi Hp]]; [lra|].
  destruct (last_true_spec K (fun i => positive (q n s i)) i) as [A B]; auto; [apply positive_true; auto|].
  split; [exact A|apply positive_true; exact B].
Qed.

(* a code with a unit of weight one has no other *)
Lemma weight_one : forall N S K q n s i, simplex N S K q -> (n < N)%nat -> (s < S)%nat -> (i < K)%nat ->
  q n s i = 1 -> forall j, (j < K)%nat -> q n s j = same i j.
Proof.
  intros N S K q n s i H Hn Hs Hi E j Hj. destruct (H n s Hn Hs) as [P T].
  destruct (Nat.eq_dec i j) as [<-|D]; [rewrite same_refl; auto|rewrite same_diff by auto].
  assert (Z : sum K (fun k => q n s k - same i k * q n s k) = 0).
  { rewrite sum_minus, T, (sum_pick K i (q n s)) by auto. lra. }
  apply sum_zero_terms with (i := j) in Z; auto; [rewrite same_diff in Z by auto; lra|].
  intros k Hk. pose proof (P k Hk). unfold same. destruct (Nat.eqb i k); lra.
Qed.

Lemma full_agreement : forall N S K q1 q2 n s, simplex N S K q1 -> simplex N S K q2 -> (n < N)%nat -> (s < S)%nat ->
  agreement K q1 q2 n s = 1 ->
  forall i, (i < K)%nat -> q1 n s i = same (used_unit K q1 n s) i /\ q2 n s i = same (used_unit K q1 n s) i.
Proof.
  intros N S K q1 q2 n s H1 H2 Hn Hs E.
  destruct (H1 n s Hn Hs) as [P1 T1], (H2 n s Hn Hs) as [P2 T2].
  destruct (used_unit_spec N S K q1 n s H1 Hn Hs) as [Hu Pu]. set (u := used_unit K q1 n s) in *.
  assert (Z : forall i, (i < K)%nat -> q1 n s i * (1 - q2 n s i) = 0).
  { apply sum_zero_terms.
    - intros i Hi. apply Rmult_le_pos; auto.
      destruct (simplex_at_most_one N S K q2 n s i) as [_ ?]; auto. lra.
    - rewrite (sum_ext K _ (fun i => q1 n s i - q1 n s i * q2 n s i)) by (intros; ring).
      rewrite sum_minus. unfold agreement in E. rewrite T1, E. ring. }
  assert (E2 : q2 n s u = 1). { specialize (Z u Hu). apply Rmult_integral in Z. lra. }
  assert (A2 : forall j, (j < K)%nat -> q2 n s j = same u j) by (apply (weight_one N S K); auto).
  intros i Hi. split; auto.
  assert (B : forall j, (j < K)%nat -> j <> u -> q1 n s j = 0).
  { intros j Hj D. specialize (Z j Hj). rewrite A2, same_diff in Z by auto. lra. }
  destruct (Nat.eq_dec i u) as [->|D]; [|rewrite same_diff by auto; auto].
  rewrite same_refl, <- T1, <- (sum_pick K u (q1 n s)) by auto. apply sum_ext; intros j Hj.
  destruct (Nat.eq_dec j u) as [->|D]; [rewrite same_refl; ring|rewrite same_diff, B by auto; ring].
Qed.

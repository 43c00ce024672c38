(* The loss, as the library defines it: codes on the closed simplex, the joint distribution, three terms, their
   weighted sum.

       diagonal     = (1/S)        sum_s        sum_i   P[s,s,i,i] log P[s,s,i,i]
       off_diagonal = (1/(S(S-1))) sum_{s != t} sum_ij  P[s,t,i,j] log P[s,t,i,j]
       invariance   = -(1/(N S))   sum_n sum_s  log <q1[n,s,:], q2[n,s,:]>

   N samples, S segments, K units a segment; q n s i is the weight of unit i in segment s of sample n. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm.
Open Scope R_scope.

Definition code := nat -> nat -> nat -> R.

(* every q n s lies in the closed simplex: one-hot codes are included *)
Definition simplex (N S K : nat) (q : code) : Prop :=
  forall n s, (n < N)%nat -> (s < S)%nat ->
    (forall i, (i < K)%nat -> 0 <= q n s i) /\ sum K (q n s) = 1.

Definition joint (N : nat) (q1 q2 : code) (s t i j : nat) : R := mean N (fun n => q1 n s i * q2 n t j).

Definition agreement (K : nat) (q1 q2 : code) (n s : nat) : R := sum K (fun i => q1 n s i * q2 n s i).

Definition diagonal (N S K : nat) (q1 q2 : code) : R :=
  mean S (fun s => sum K (fun i => phi (joint N q1 q2 s s i i))).

Definition off_diagonal (N S K : nat) (q1 q2 : code) : R :=
  mean_pairs S (fun s t => sum K (fun i => sum K (fun j => phi (joint N q1 q2 s t i j)))).

(* of use only where every agreement is positive: `loss` asks for that *)
Definition invariance (N S K : nat) (q1 q2 : code) : R :=
  - / (INR N * INR S) * sum N (fun n => sum S (fun s => ln (agreement K q1 q2 n s))).

(* a sample whose two codes share no unit has a logarithm of zero: the loss is then plus infinity *)
Inductive value := Finite (x : R) | Infinite.

Fixpoint every (n : nat) (p : nat -> bool) : bool :=
  match n with O => true | Datatypes.S m => every m p && p m end.

Definition positive (x : R) : bool := if Rlt_dec 0 x then true else false.

Definition all_agree (N S K : nat) (q1 q2 : code) : bool :=
  every N (fun n => every S (fun s => positive (agreement K q1 q2 n s))).

(* a, b, c: weights of the three terms; a term of weight zero is left out, infinite or not *)
Definition loss (a b c : R) (N S K : nat) (q1 q2 : code) : value :=
  if Req_EM_T c 0 then Finite (a * diagonal N S K q1 q2 + b * off_diagonal N S K q1 q2)
  else if all_agree N S K q1 q2
  then Finite (a * diagonal N S K q1 q2 + b * off_diagonal N S K q1 q2 + c * invariance N S K q1 q2)
  else Infinite.

Definition at_least (v : value) (x : R) : Prop := match v with Finite y => x <= y | Infinite => True end.

(* v <= w, with plus infinity on top *)
Definition at_most (v w : value) : Prop :=
  match v, w with _, Infinite => True | Finite x, Finite y => x <= y | Infinite, Finite _ => False end.

(* one-hot codes, given by a table of labels *)
Definition one_hot (label : nat -> nat -> nat) : code := fun n s i => same (label n s) i.

Definition labels (N S K : nat) (label : nat -> nat -> nat) : Prop :=
  forall n s, (n < N)%nat -> (s < S)%nat -> (label n s < K)%nat.

(* two codes that coincide on N samples, S segments, K units *)
Definition equal (N S K : nat) (p q : code) : Prop :=
  forall n s i, (n < N)%nat -> (s < S)%nat -> (i < K)%nat -> p n s i = q n s i.

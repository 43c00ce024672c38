(* Derivatives, as far as two inequalities need them: a function that falls up to u and rises from there is least
   at u. *)

Require Import Reals Lra Lia PeanoNat.
From Music Require Import Logarithm.
Open Scope R_scope.

Lemma d_const : forall k x, derivable_pt_lim (fun _ => k) x 0.
Proof. intros. apply derivable_pt_lim_const. Qed.

Lemma d_id : forall x, derivable_pt_lim (fun y => y) x 1.
Proof. intros. apply derivable_pt_lim_id. Qed.

Lemma d_plus : forall f g x l m, derivable_pt_lim f x l -> derivable_pt_lim g x m ->
  derivable_pt_lim (fun y => f y + g y) x (l + m).
Proof. intros. apply (derivable_pt_lim_plus f g); auto. Qed.

Lemma d_mult : forall f g x l m, derivable_pt_lim f x l -> derivable_pt_lim g x m ->
  derivable_pt_lim (fun y => f y * g y) x (l * g x + f x * m).
Proof. intros. apply (derivable_pt_lim_mult f g); auto. Qed.

Lemma d_ln : forall x, 0 < x -> derivable_pt_lim ln x (/ x).
Proof. exact derivable_pt_lim_ln. Qed.

Lemma d_inv : forall f x l, f x <> 0 -> derivable_pt_lim f x l ->
  derivable_pt_lim (fun y => / f y) x (- l / (f x * f x)).
Proof.
  intros f x l N H. pose proof (derivable_pt_lim_div (fun _ => 1) f x 0 l (d_const 1 x) H N) as D.
  intros eps He. destruct (D eps He) as [delta Hd]. exists delta. intros h Hh Hl.
  specialize (Hd h Hh Hl). unfold div_fct, Rdiv in Hd. rewrite !Rmult_1_l in Hd.
  replace (- l / (f x * f x)) with ((0 * f x - l * 1) * / (f x)²) by (unfold Rsqr; field; auto). exact Hd.
Qed.

(* the sign of the slope is that of x - u, for x > 0 *)
Lemma valley : forall f slope u, 0 < u ->
  (forall x, 0 < x -> derivable_pt_lim f x (slope x)) ->
  (forall x, 0 < x -> x < u -> slope x < 0) -> (forall x, u < x -> 0 < slope x) ->
  forall x, 0 < x -> x <> u -> f u < f x.
Proof.
  intros f slope u Hu D Down Up x Hx N. destruct (Rtotal_order x u) as [L|[E|G]]; [|contradiction|].
  - destruct (MVT_cor2 f slope x u L) as [z [E [Z1 Z2]]]; [intros; apply D; lra|].
    pose proof (Down z ltac:(lra) Z2). nra.
  - destruct (MVT_cor2 f slope u x G) as [z [E [Z1 Z2]]]; [intros; apply D; lra|].
    pose proof (Up z Z1). nra.
Qed.

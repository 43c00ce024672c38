"""The formal definitions, evaluated: what ties the Coq text to the library.

A scene is a pair of rational codes. Python computes their joint distribution in fractions and with it every quantity as
a rational combination of p log p and log p at rational p; Coq is asked to prove that its own definition, applied to its
own text of the codes, equals that very combination; and the combination, in floating point, can be compared with
musiclib. So the three agree, or a file does not compile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

Codes = Sequence[Sequence[Sequence[Fraction]]]
"""[n][s][i], rational."""

CELLS = (
    "joint, agreement, marginal, joint_of_three, mean, smoothed, softened, joined, one_hot, with_copy, modular_triple, "
    "same"
)
"""Definitions behind the numbers that a scene computes in fractions."""
QUANTITIES = (
    "diagonal off_diagonal invariance total mean_agreement kappa imbalance entropy disagreement binary_entropy "
    "total_correlation kept mean mean_pairs sum same Nat.eqb"
)
"""Definitions that are sums over such numbers."""

PREAMBLE = f"""Require Import Reals Lra Lia PeanoNat.
From Music Require Import Sums Logarithm Loss Joint Gap OneHot Bound Triple TwoUnits Stability Information Fano
  Smoothing Softness Constant Collapses Codewords Arrays Union Symmetries Softmax Optimum.
Open Scope R_scope.
Lemma positive_one : positive 1 = true. Proof. apply positive_true; lra. Qed.
Lemma positive_zero : positive 0 = false.
Proof. unfold positive. destruct (Rlt_dec 0 0); [lra|reflexivity]. Qed.
Create HintDb cells.
Create HintDb entries.
#[export] Hint Rewrite phi_zero phi_one ln_1 : cells.
Ltac rational := try field; repeat split; lra.
Ltac measure := cbv beta iota zeta delta [{QUANTITIES}]; autorewrite with cells;
  rewrite ?INR_IZR_INZ; cbn [Z.of_nat Pos.of_succ_nat Pos.succ]; rational.
"""


@dataclass(frozen=True)
class Exact:
    """A rational combination of phi p = p log p, log p, p/e and p, at rational p >= 0."""

    parts: Mapping[tuple[str, Fraction], Fraction] = field(default_factory=dict)

    def __add__(self, other: Exact) -> Exact:
        parts = dict(self.parts)
        for key, factor in other.parts.items():
            parts[key] = parts.get(key, Fraction(0)) + factor
        return Exact({key: factor for key, factor in parts.items() if factor})

    def __mul__(self, factor: int | Fraction) -> Exact:
        return Exact({key: c * factor for key, c in self.parts.items() if c * factor})

    __rmul__ = __mul__

    def __neg__(self) -> Exact:
        return self * -1

    def __sub__(self, other: Exact) -> Exact:
        return self + -other

    def __float__(self) -> float:
        values = {"phi": lambda p: p * math.log(p), "ln": math.log, "over_e": lambda p: p / math.e, "": lambda p: p}
        return math.fsum(float(c) * values[kind](float(p)) for (kind, p), c in self.parts.items())

    @property
    def coq(self) -> str:
        """The same in Coq's words."""
        words = {"phi": "phi ({})", "ln": "ln ({})", "over_e": "(({}) / exp 1)", "": "({})"}
        parts = (f"({coq_of(c)}) * " + words[kind].format(coq_of(p)) for (kind, p), c in self.parts.items())
        return " + ".join(parts) or "0"


def coq_of(number: Fraction | int) -> str:
    """A rational number in Coq's words."""
    number = Fraction(number)
    return f"{number.numerator} / {number.denominator}" if number.denominator > 1 else f"{number.numerator}"


def rational(number: Fraction | int) -> Exact:
    """A rational number."""
    return Exact({("", Fraction(1)): Fraction(number)} if number else {})


def over_e(number: Fraction | int) -> Exact:
    """A rational number divided by e."""
    return Exact({("over_e", Fraction(1)): Fraction(number)})


def phi(p: Fraction) -> Exact:
    """p log p; nothing at p = 0 and p = 1."""
    return Exact({("phi", Fraction(p)): Fraction(1)} if p not in (0, 1) else {})


def log(p: Fraction | int) -> Exact:
    """log p of a rational p > 0."""
    return Exact({("ln", Fraction(p)): Fraction(1)} if p != 1 else {})


def total(terms: Iterable[Exact]) -> Exact:
    """The sum."""
    result = Exact()
    for term in terms:
        result = result + term
    return result


@dataclass(frozen=True)
class Scene:
    """Two codes by two routes: `first`, `second` in fractions, `coq` as Coq's definitions of `q1` and `q2`.

    Without `coq` they are tables. defines: what Coq has to read before; unfold: names that it defines; facts: further
    words and their values, to be proved like the cells; entries: a proof of a single weight, where unfolding is none.
    """

    name: str
    first: Codes
    second: Codes
    coq: tuple[str, str] | None = None
    defines: str = ""
    unfold: tuple[str, ...] = ()
    facts: tuple[tuple[str, Fraction], ...] = ()
    entries: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, S, K)."""
        return len(self.first), len(self.first[0]), len(self.first[0][0])

    @property
    def words(self) -> str:
        """N S K q1 q2, as the formal definitions take them."""
        n, s, k = self.shape
        return f"{n} {s} {k} q1 q2"

    def joint(self, s: int, t: int, i: int, j: int) -> Fraction:
        """P_st(i, j)."""
        pairs = zip(self.first, self.second, strict=True)
        return sum((p[s][i] * q[t][j] for p, q in pairs), Fraction(0)) / len(self.first)

    def agreement(self, n: int, s: int) -> Fraction:
        """<q1_n(s), q2_n(s)>."""
        return sum((a * b for a, b in zip(self.first[n][s], self.second[n][s], strict=True)), Fraction(0))

    def marginal(self, view: int, s: int, i: int) -> Fraction:
        """The mean weight of a unit in view 1 or 2."""
        code = (self.first, self.second)[view - 1]
        return sum((row[s][i] for row in code), Fraction(0)) / len(code)

    def block(self, s: int, t: int) -> Exact:
        """Minus the entropy of P_st."""
        units = range(self.shape[2])
        return total(phi(self.joint(s, t, i, j)) for i in units for j in units)

    def diagonal(self) -> Exact:
        """The diagonal term."""
        _, segments, units = self.shape
        cells = (phi(self.joint(s, s, i, i)) for s in range(segments) for i in range(units))
        return Fraction(1, segments) * total(cells)

    def off_diagonal(self) -> Exact:
        """The off-diagonal term; zero for one segment."""
        segments = self.shape[1]
        if segments == 1:
            return Exact()
        blocks = (self.block(s, t) for s in range(segments) for t in range(segments) if s != t)
        return Fraction(1, segments * (segments - 1)) * total(blocks)

    def invariance(self) -> Exact | None:
        """The invariance term; None for infinite."""
        n, s, _ = self.shape
        agreements = [self.agreement(a, b) for a in range(n) for b in range(s)]
        if not all(agreements):
            return None
        return Fraction(-1, n * s) * total(map(log, agreements))

    def loss(self, a: Fraction | int, b: Fraction | int, c: Fraction | int) -> Exact | None:
        """The weighted loss; None for infinite."""
        terms = self.diagonal() * a + self.off_diagonal() * b
        if not c:
            return terms
        invariance = self.invariance()
        return None if invariance is None else terms + invariance * c

    # Coq's side -----------------------------------------------------------------------------------
    def numbers(self) -> list[tuple[str, Fraction]]:
        """Every cell of the joint, marginal and agreement in Coq's words, with its value."""
        n, s, k = self.shape
        samples, segments, units = range(n), range(s), range(k)
        pairs = [(a, b, i, j) for a in segments for b in segments for i in units for j in units]
        return [
            *((f"joint {n} q1 q2 {a} {b} {i} {j}", self.joint(a, b, i, j)) for a, b, i, j in pairs),
            *((f"agreement {k} q1 q2 {a} {b}", self.agreement(a, b)) for a in samples for b in segments),
            *((f"marginal {n} q{v} {a} {i}", self.marginal(v, a, i)) for v in (1, 2) for a in segments for i in units),
            *self.facts,
        ]

    def text(self) -> str:
        """The codes, and their numbers as lemmas that later proofs rewrite with."""
        n, s, k = self.shape
        q1, q2 = self.coq or (table(self.first), table(self.second))
        lines = [self.defines, f"Definition q1 : code := {q1}.", f"Definition q2 : code := {q2}."]
        proof = f"unfold {', '.join(('q1', 'q2', *self.unfold, CELLS))}; simpl; rational."
        if self.entries:
            codes = ((1, self.first), (2, self.second))
            weights = [(v, a, b, i, q[a][b][i]) for v, q in codes for a in range(n) for b in range(s) for i in range(k)]
            for number, (v, a, b, i, x) in enumerate(weights):
                lines.append(
                    f"Lemma entry{number} : q{v} {a}%nat {b}%nat {i}%nat = {coq_of(x)}. Proof. {self.entries} Qed."
                )
            lines.append(f"#[export] Hint Rewrite {' '.join(f'entry{i}' for i in range(len(weights)))} : entries.")
            proof = f"unfold {CELLS}; cbn [sum]; autorewrite with entries; simpl; rational."
        numbers = self.numbers()
        for number, (words, value) in enumerate(numbers):
            lines.append(f"Lemma cell{number} : {words} = {coq_of(value)}. Proof. {proof} Qed.")
        lines.append(f"#[export] Hint Rewrite {' '.join(f'cell{i}' for i in range(len(numbers)))} : cells.")
        return "\n".join(lines)

    def simplex(self) -> str:
        """Lemmas that both codes lie on the simplex, for proofs that need it."""
        n, s, k = self.shape
        units = f"intros i Hi; do {k} (destruct i as [|i]; [simpl; lra|]); lia"
        one = f"unfold q1, q2; split; [{units}|simpl; lra]"
        proof = f"intros n s Hn Hs; do {n} (destruct n as [|n]; [do {s} (destruct s as [|s]; [{one}|]); lia|]); lia."
        return "\n".join(f"Lemma simplex{v} : simplex {n} {s} {k} q{v}. Proof. {proof} Qed." for v in (1, 2))

    def agree_everywhere(self) -> str:
        """A tactic that proves that every agreement is positive."""
        n, s, _ = self.shape
        inner = f"do {s} (destruct s as [|s]; [autorewrite with cells; lra|]); lia"
        return f"intros n s Hn Hs; do {n} (destruct n as [|n]; [{inner}|]); lia"


def table(code: Codes) -> str:
    """A code as a function of three numbers, written out."""
    rows = [
        f"| {n}%nat, {s}%nat, {i}%nat => {coq_of(x)}"
        for n, sample in enumerate(code)
        for s, segment in enumerate(sample)
        for i, x in enumerate(segment)
    ]
    return "fun n s i => match n, s, i with " + " ".join(rows) + " | _, _, _ => 0 end"


@dataclass(frozen=True)
class Measured:
    """One quantity of a scene: Coq's words for it, its exact value (None: infinite), and musiclib's number.

    serves: theorems whose statements use what is measured. proof: Coq's proof that the words equal the value.
    """

    words: str
    exact: Exact | None
    library: float
    serves: tuple[str, ...]
    proof: str = "measure."


def loss_of(
    scene: Scene, weights: Sequence[Fraction | int], library: Callable[[], float], serves: Sequence[str]
) -> Measured:
    """The weighted loss of a scene, finite or not."""
    a, b, c = weights
    exact = scene.loss(a, b, c)
    words = f"loss ({coq_of(a)}) ({coq_of(b)}) ({coq_of(c)}) {scene.words}"
    if exact is None:
        n, s = next((n, s) for n in range(scene.shape[0]) for s in range(scene.shape[1]) if not scene.agreement(n, s))
        proof = f"apply loss_infinite; [lra|]. intros A. specialize (A {n}%nat {s}%nat ltac:(lia) ltac:(lia)). "
        proof += "autorewrite with cells in A. lra."
    else:
        side = "left; lra" if not c else f"right; {scene.agree_everywhere()}"
        proof = f"rewrite loss_finite by ({side}). f_equal. measure."
    return Measured(words, exact, library(), tuple(serves), proof)


def module_of(scene: Scene, measured: Sequence[Measured]) -> str:
    """A Coq module that compiles exactly if every quantity of a scene is what it is said to be."""
    lines = [f"Module {scene.name}.", scene.text()]
    if any("simplex" in one.proof for one in measured):
        lines.append(scene.simplex())
    for number, one in enumerate(measured):
        right = "Infinite" if one.exact is None else one.exact.coq
        if one.words.startswith("loss ") and one.exact is not None:
            right = f"Finite ({right})"
        lines.append(f"Lemma measured{number} : {one.words} = {right}.\nProof. {one.proof} Qed.")
    return "\n".join([*lines, f"End {scene.name}."])

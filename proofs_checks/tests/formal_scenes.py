"""The scenes on which every formal definition is evaluated, and what musiclib says of the same codes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from musiclib import MusicLoss, code_terms, joint_distribution, lower_bound, segment_softmax
from musiclib.information import entropy, joint_entropy, mutual_information, total_correlation
from proofs_checks.formal.scenes import Codes, Exact, Measured, Scene, log, loss_of, over_e, phi, rational, table
from proofs_checks.formal.scenes import total as sum_of
from proofs_checks.premises import designs
from proofs_checks.premises.strategies import smooth

F = Fraction
HALF = F(1, 2)
WEIGHTS = (HALF, F(2), F(3))
"""Weights of the three terms, none at its default."""

UNFOLD_ALL = "simpl; unfold q1, q2; "


@dataclass(frozen=True)
class Act:
    """A scene with what is measured in it."""

    scene: Scene
    measured: tuple[Measured, ...]


def tensor(code: Codes) -> Tensor:
    """A rational code in float64."""
    return torch.tensor([[[float(x) for x in row] for row in sample] for sample in code], dtype=torch.float64)


def fractions(code: Tensor, denominator: int) -> Codes:
    """A code whose weights are multiples of 1/denominator, exactly."""
    return [[[F(round(float(x) * denominator), denominator) for x in row] for row in sample] for sample in code]


def library_loss(q1: Tensor, q2: Tensor, weights: Sequence[Fraction | int]) -> float:
    """The library's loss of codes at weights (a, b, c)."""
    a, b, c = map(float, weights)
    module = MusicLoss(q1.shape[1], diagonal_weight=a, off_diagonal_weight=b, invariance_weight=c)
    return float(module.combine(code_terms(q1, q2)))


def losses(
    scene: Scene, q1: Tensor, q2: Tensor, serves: str, *, weights: Sequence[Sequence[Fraction | int]]
) -> tuple[Measured, ...]:
    """The loss at several weights; `serves` names the theorems, with blanks between them."""
    return tuple(loss_of(scene, one, lambda one=one: library_loss(q1, q2, one), serves.split()) for one in weights)


def number(words: str, exact: Exact, library: float, serves: str, proof: str = "measure.") -> Measured:
    """One quantity with its value in the library."""
    return Measured(words, exact, float(library), tuple(serves.split()), proof)


# soft codes ---------------------------------------------------------------------------------------

FIRST: Codes = [
    [[HALF, F(1, 4), F(1, 4)], [F(1, 3), F(2, 3), F(0)]],
    [[F(0), F(1), F(0)], [F(1, 6), F(1, 6), F(2, 3)]],
]
SECOND: Codes = [
    [[HALF, HALF, F(0)], [F(1), F(0), F(0)]],
    [[F(1, 5), F(3, 5), F(1, 5)], [F(1, 6), F(1, 3), HALF]],
]
BOUNDS = "weighted_bound weighted_equality bound bound_equality entropies_at_most_zero"


def soft() -> Act:
    """Soft codes with zeros in them; every definition of the bound, of stability and of information."""
    scene, q1, q2 = Scene("soft", FIRST, SECOND), tensor(FIRST), tensor(SECOND)
    terms, joint, words = code_terms(q1, q2), joint_distribution(q1, q2), "2 2 3 q1 q2"
    agreement = [[scene.agreement(n, s) for s in range(2)] for n in range(2)]
    trace = sum((scene.joint(0, 0, i, i) for i in range(3)), F(0))
    law, other = [[scene.marginal(v, s, i) for i in range(3)] for v, s in ((1, 0), (2, 1))]
    first_entropy, other_entropy = (-sum_of(map(phi, p)) for p in (law, other))
    distance = sum(((a - b) ** 2 for p, q in zip(FIRST, SECOND, strict=True) for x, y in zip(p, q, strict=True)
                    for a, b in zip(x, y, strict=True)), F(0)) / 4  # fmt: skip
    uneven = sum((abs(scene.joint(0, 1, i, j) - F(1, 9)) for i in range(3) for j in range(3)), F(0))
    peak = sum((1 - max(x) for p in FIRST for x in p), F(0)) / 4
    free = {"segments": 1, "diagonal_weight": 0.5}
    return Act(
        scene,
        (
            number(f"diagonal {words}", scene.diagonal(), terms.diagonal, "gap_identity"),
            number(f"off_diagonal {words}", scene.off_diagonal(), terms.off_diagonal, "gap_identity"),
            number(f"invariance {words}", scene.invariance(), terms.invariance, "gap_identity"),
            *losses(scene, q1, q2, BOUNDS, weights=[(1, 1, 0), (1, 1, 1), WEIGHTS]),
            number(
                "- (1 / 2 + 2 * 2) * ln (INR 3)",
                F(-9, 2) * log(3),
                lower_bound(3, diagonal_weight=0.5, off_diagonal_weight=2.0, invariance_weight=3.0),
                "weighted_bound weighted_attained weighted_equality",
            ),
            number("- 3 * ln (INR 3)", -3 * log(3), lower_bound(3), "bound bound_equality gap_pays"),
            number(
                "kappa (1 / 2) 3 3",
                HALF * log(3) + rational(F(5, 2)),
                -lower_bound(3, **free) - 0.5 + 3.0,
                "gap_identity weighted_bound gap_pays gap_controls",
            ),
            number(
                f"mean_agreement {words}",
                rational(sum(map(sum, agreement)) / 4),
                (q1 * q2).sum(-1).mean(),
                "gap_identity gap_pays gap_controls",
            ),
            number(
                "divergence 2 3 q1 q2 0 1",
                scene.block(0, 1) + 2 * log(3),
                2 * math.log(3) - float(joint_entropy(joint[0, 1])),
                "gap_identity gap_pays gap_controls off_diagonal_excess",
                "rewrite (divergence_entropy 2 2 3) by (auto using simplex1, simplex2; lia). measure.",
            ),
            number(
                "unevenness 2 3 q1 q2 0 1",
                rational(uneven),
                (joint[0, 1] - 1 / 9).abs().sum(),
                "gap_controls",
                "unfold unevenness; cbn [sum]; autorewrite with cells; rewrite ?INR_IZR_INZ; simpl; "
                "repeat match goal with |- context[Rabs ?x] => "
                "(rewrite (Rabs_right x) by lra) || (rewrite (Rabs_left x) by lra) end; lra.",
            ),
            number(
                "mean_over 2 2 (squared_distance 3 q1 q2)",
                rational(distance),
                (q1 - q2).square().sum(-1).mean(),
                "gap_controls",
                f"unfold mean_over, mean, squared_distance; {UNFOLD_ALL}rational.",
            ),
            number(
                "mean_over 2 2 (fun n s => 1 - largest 3 (q1 n s))",
                rational(peak),
                (1 - q1.amax(-1)).mean(),
                "gap_controls",
                f"unfold mean_over, mean; {UNFOLD_ALL}"
                "simpl; repeat match goal with |- context[Rmax ?x ?y] => "
                "(rewrite (Rmax_left x y) by lra) || (rewrite (Rmax_right x y) by lra) end; rational.",
            ),
            number(
                "entropy 3 (marginal 2 q1 0)",
                first_entropy,
                entropy(q1.mean(0)[0]),
                "off_diagonal_excess agreement_carries_information",
            ),
            number(
                "imbalance 2 3 q2 1",
                log(3) - other_entropy,
                math.log(3) - float(entropy(q2.mean(0)[1])),
                "off_diagonal_excess",
            ),
            number(
                "information 2 3 q1 q2 0 1",
                first_entropy + other_entropy + scene.block(0, 1),
                mutual_information(joint[0, 1]),
                "off_diagonal_excess agreement_carries_information",
                "rewrite (information_entropies 2 2 3) by (auto using simplex1, simplex2; lia). measure.",
            ),
            number(
                "disagreement 2 3 q1 q2 0",
                rational(1 - trace),
                1 - float(joint[0, 0].trace()),
                "agreement_carries_information",
            ),
            number(
                "binary_entropy (2 / 5)",
                -phi(F(2, 5)) - phi(F(3, 5)),
                entropy(torch.tensor([0.4, 0.6], dtype=torch.float64)),
                "agreement_carries_information",
                "unfold binary_entropy; replace (1 - 2 / 5) with (3 / 5) by lra; rational.",
            ),
        ),
    )


def one_segment() -> Act:
    """S = 1: no off-diagonal term."""
    first, second = ([[sample[0]] for sample in code] for code in (FIRST, SECOND))
    scene = Scene("one_segment", first, second)
    return Act(
        scene,
        (
            *losses(
                scene, tensor(first), tensor(second), "one_segment_bound", weights=[(1, 1, 0), (1, 1, HALF), WEIGHTS]
            ),
            number("- ln (INR 3)", -log(3), lower_bound(3, segments=1), "one_segment_bound"),
        ),
    )


# orthogonal arrays --------------------------------------------------------------------------------

LABELS = designs.triple(3)[:, :2]
HARD = fractions(designs.one_hot(LABELS, 3), 1)


def array() -> Act:
    """The first two segments of the modular triple at K = 3: at the bound."""
    q = designs.one_hot(LABELS, 3)
    scene = Scene("array", HARD, HARD, ("one_hot (modular_triple 3)",) * 2)
    counts = designs.pair_counts(LABELS[:, 0], LABELS[:, 1], 3)
    held = int(np.equal(LABELS, LABELS[4]).all(axis=1).sum())
    serves = "weighted_attained attained_by_orthogonal_arrays square_divides_batch codeword_share codewords_carry"
    return Act(
        scene,
        (
            *losses(scene, q, q, f"{serves} weighted_equality bound_equality", weights=[(1, 1, 1), (1, 1, 0), WEIGHTS]),
            number(
                "INR (pair_count 9 (modular_triple 3) 0 1 1 2)",
                rational(1),
                counts[1, 2],
                "attained_by_orthogonal_arrays square_divides_batch",
                "replace (pair_count 9 (modular_triple 3) 0 1 1 2) with 1%nat by reflexivity. simpl. lra.",
            ),
            number(
                "holders 9 2 q1 (fun _ => 1%nat)",
                rational(held),
                held,
                "codeword_share codewords_carry",
                "unfold holders, holds, q1, one_hot, modular_triple, same; simpl; "
                "rewrite ?positive_one, ?positive_zero; simpl; lra.",
            ),
            number(
                "codeword_entropy 9 2 q1 (modular_triple 3)",
                -log(F(1, 9)),
                designs.code_entropy(LABELS),
                "codewords_carry",
                "unfold codeword_entropy; rewrite (mean_const 9 _ (ln (1 / 9))); [rational|lia|]; intros n Hn; "
                "do 9 (destruct n as [|n]; [f_equal; unfold holders, holds, q1, one_hot, modular_triple, same; simpl; "
                "rewrite ?positive_one, ?positive_zero; simpl; rational|]); lia.",
            ),
        ),
    )


def triple() -> Act:
    """All three segments at K = 2: each pair is independent, the triple is not."""
    labels = designs.triple(2)
    code = fractions(designs.one_hot(labels, 2), 1)
    of_three = tuple(
        (
            f"joint_of_three 4 (modular_triple 2) {i} {j} {k}",
            F(int(((labels == (i, j, k)).all(axis=1)).sum()), 4),
        )
        for i in range(2)
        for j in range(2)
        for k in range(2)
    )
    of_one = tuple(
        (f"marginal 4 (one_hot (modular_triple 2)) {s} {i}", F(int((labels[:, s] == i).sum()), 4))
        for s in range(3)
        for i in range(2)
    )
    scene = Scene("triple", code, code, ("one_hot (modular_triple 2)",) * 2, facts=of_three + of_one)
    correlation = -3 * sum_of([phi(HALF)] * 2) + sum_of(phi(p) for _, p in of_three)
    q = designs.one_hot(labels, 2)
    serves = "dependent_triple_at_the_bound"
    return Act(
        scene,
        (
            *losses(
                scene, q, q, f"{serves} bound_two_units bound_equality_two_units", weights=[(1, 1, 0), (1, 1, HALF)]
            ),
            number(
                "total_correlation 4 2 (modular_triple 2)",
                correlation,
                total_correlation(torch.from_numpy(labels)),
                serves,
            ),
        ),
    )


def two_units() -> Act:
    """Soft views of different peaks on the same array, at K = 2, and the minimum that C2 names."""
    peaks = F(5, 6), F(3, 4)
    labels = designs.triple(2)

    def code(peak: Fraction) -> Codes:
        return [[[peak if c == i else 1 - peak for i in range(2)] for c in row] for row in labels.tolist()]

    first, second = map(code, peaks)
    scene = Scene(
        "two_units",
        first,
        second,
        ("softened (5 / 6) (modular_triple 2)", "softened (3 / 4) (modular_triple 2)"),
    )
    serves = "two_units_minimum two_units_counterexample bound_two_units bound_equality_two_units"
    least = lower_bound(2, invariance_weight=0.0)
    return Act(
        scene,
        (
            *losses(scene, tensor(first), tensor(second), serves, weights=[(1, 1, 0), (1, 1, HALF)]),
            number(
                "- 2 / exp 1 - 2 * ln 2",
                over_e(-2) - 2 * log(2),
                least,
                "two_units_minimum two_units_minimum_below two_units_counterexample",
                "unfold Rdiv. ring.",
            ),
            number("- 3 * ln 2", -3 * log(2), lower_bound(2), "two_units_minimum_below bound_two_units"),
        ),
    )


def smoothed() -> Act:
    """The step towards the uniform code, from an orthogonal array."""
    step = F(1, 8)
    code = fractions(smooth(designs.one_hot(LABELS, 3), float(step)), 24)
    scene = Scene("smoothed", code, code, ("smoothed (1 / 8) 3 (one_hot (modular_triple 3))",) * 2)
    q = tensor(code)
    serves = "empty_cell_slope no_hollow_local_minimum optimum_slope minimiser_fills_every_cell no_one_hot_minimiser"
    return Act(
        scene,
        (
            *losses(scene, q, q, f"{serves} minimiser_support", weights=[(1, 1, 0), (1, 1, HALF)]),
            number(
                "support 3 q1 0 1",
                rational(3),
                (q[0, 1] > 0).sum(),
                "minimiser_support",
                "unfold support, q1, smoothed, one_hot, modular_triple, same, positive; simpl; "
                "repeat match goal with |- context[Rlt_dec ?a ?b] => destruct (Rlt_dec a b) end; lra.",
            ),
            number(
                "support 3 (one_hot (modular_triple 3)) 0 1",
                rational(1),
                (designs.one_hot(LABELS, 3)[0, 1] > 0).sum(),
                "minimiser_support no_one_hot_minimiser",
                "unfold support, one_hot, modular_triple, same; simpl; rewrite ?positive_one, ?positive_zero; lra.",
            ),
        ),
    )


# collapses ----------------------------------------------------------------------------------------


def constant() -> Act:
    """The same soft code for every sample, another one in each view."""
    first, second = ([code[0]] * 3 for code in (FIRST, SECOND))
    scene = Scene("constant", first, second)
    serves = "constant_bound constant_equality"
    return Act(
        scene,
        (
            *losses(scene, tensor(first), tensor(second), serves, weights=[(1, 1, 0), (1, 1, HALF)]),
            number("- (2 + 2 / INR 3) * ln (INR 3)", F(-8, 3) * log(3), designs.uniform_loss(3), serves),
        ),
    )


def uniform() -> Act:
    """Every code uniform."""
    code = [[[F(1, 3)] * 3] * 2] * 2
    scene = Scene("uniform", code, code, ("fun _ _ _ => / INR 3",) * 2)
    q = tensor(code)
    return Act(
        scene,
        (
            *losses(scene, q, q, "uniform_collapse", weights=[(1, 1, 0), (1, 1, HALF)]),
            number(
                "- (2 + 2 / INR 3 - 1 / 2) * ln (INR 3)",
                F(-13, 6) * log(3),
                designs.uniform_loss(3, 0.5),
                "uniform_collapse",
            ),
        ),
    )


def uniform_two_units() -> Act:
    """Every code uniform over two units."""
    code = [[[HALF] * 2] * 2] * 2
    scene = Scene("uniform_two_units", code, code, ("fun _ _ _ => / 2",) * 2)
    q = tensor(code)
    return Act(scene, losses(scene, q, q, "uniform_collapse_two_units", weights=[(1, 1, 0), (1, 1, HALF)]))


def hard(name: str, coq: str, labels: np.ndarray, units: int, serves: str, *, defines: str = "") -> Act:
    """Equal views with the given labels; `coq` are the same labels as a function."""
    q = designs.one_hot(labels, units)
    code = fractions(q, 1)
    scene = Scene(name, code, code, (f"one_hot ({coq})",) * 2, defines=defines)
    return Act(scene, losses(scene, q, q, serves, weights=[(1, 1, 0), (1, 1, HALF)]))


def relabelled() -> Act:
    """One view of an orthogonal array with two of three units exchanged."""
    names = np.array([1, 0, 2])
    q1, q2 = designs.one_hot(LABELS, 3), designs.one_hot(names[LABELS], 3)
    scene = Scene(
        "relabelled",
        HARD,
        fractions(q2, 1),
        ("one_hot (modular_triple 3)", "one_hot (fun n s => exchange (modular_triple 3 n s))"),
        defines="Definition exchange (i : nat) := match i with 0 => 1 | 1 => 0 | _ => i end%nat.",
        unfold=("exchange",),
    )
    kept = number(
        "kept 3 exchange",
        rational(1),
        (names == np.arange(3)).sum(),
        "relabelled_view",
        "unfold kept, exchange, same; simpl; lra.",
    )
    return Act(scene, (*losses(scene, q1, q2, "relabelled_view", weights=[(1, 1, 0), (1, 1, HALF)]), kept))


# batches and symmetries ---------------------------------------------------------------------------


def union() -> Act:
    """A batch of two samples and one of one, joined."""
    third = ([SECOND[1]], [FIRST[1]])
    first, second = [*FIRST, *third[0]], [*SECOND, *third[1]]
    defines = "\n".join(
        f"Definition {name} : code := {table(code)}."
        for name, code in (("p1", FIRST), ("p2", SECOND), ("r1", third[0]), ("r2", third[1]))
    )
    scene = Scene(
        "union", first, second, ("joined 2 p1 r1", "joined 2 p2 r2"), defines=defines, unfold=("p1", "p2", "r1", "r2")
    )
    joined = [torch.cat([tensor(a), tensor(b)]) for a, b in ((FIRST, third[0]), (SECOND, third[1]))]
    serves = "union_below_weighted_mean union_below_mean"
    return Act(scene, losses(scene, *joined, serves, weights=[(1, 1, 0), (1, 1, HALF), WEIGHTS]))


BASE = "\n".join(
    (
        f"Definition base1 : code := {table(FIRST)}.",
        f"Definition base2 : code := {table(SECOND)}.",
        "Definition swap (i : nat) := match i with 0 => 1 | 1 => 0 | _ => i end%nat.",
        "Definition turn (s i : nat) := match s, i with 0, 0 => 1 | 0, 1 => 2 | 0, 2 => 0 | _, _ => i end%nat.",
    )
)


def symmetry(name: str, serves: str, coq: str, change: Callable[[Tensor], Tensor]) -> Act:
    """Both views of the soft codes changed in one way: `coq` with {} for a view, and `change` of a tensor."""
    first, second = (fractions(change(tensor(code)), 60) for code in (FIRST, SECOND))
    words = (coq.format("base1"), coq.format("base2"))
    scene = Scene(name, first, second, words, defines=BASE, unfold=("base1", "base2", "swap", "turn"))
    changed = [change(tensor(code)) for code in (FIRST, SECOND)]
    return Act(scene, losses(scene, *changed, serves, weights=[(1, 1, HALF), WEIGHTS]))


def exchanged() -> Act:
    """The second view first."""
    scene = Scene("exchanged", SECOND, FIRST)
    return Act(scene, losses(scene, tensor(SECOND), tensor(FIRST), "views_exchanged", weights=[(1, 1, HALF), WEIGHTS]))


def turned(q: Tensor) -> Tensor:
    """Unit i of the first segment takes the weight of unit i + 1 mod K."""
    return torch.cat([q[:, :1].roll(-1, dims=2), q[:, 1:]], dim=1)


def softmax() -> Act:
    """Logits that are logarithms, shifted in one view and scaled with the temperature in the other."""
    odds = [[[3, 1], [2, 5]], [[1, 1], [4, 3]]]
    code = [[[F(x, sum(row)) for x in row] for row in sample] for sample in odds]
    weights = table([[[F(x) for x in row] for row in sample] for sample in odds])
    defines = "\n".join(
        (
            f"Definition odds : code := {weights}.",
            "Lemma shifted : forall x y, 0 < x -> 0 < y -> exp ((2 * ln x + 2 * ln y) / 2) = x * y.",
            "Proof. intros. rewrite <- (exp_ln x) at 2 by auto. rewrite <- (exp_ln y) at 2 by auto.",
            "rewrite <- exp_plus. f_equal. field. Qed.",
            "Lemma scaled : forall x, 0 < x -> exp (3 * (2 * ln x) / (3 * 2)) = x.",
            "Proof. intros. rewrite <- (exp_ln x) at 2 by auto. f_equal. field. Qed.",
        )
    )
    scene = Scene(
        "softmax_codes",
        code,
        code,
        (
            "softmax 2 2 (fun n s i => 2 * ln (odds n s i) + 2 * ln 4)",
            "softmax (3 * 2) 2 (fun n s i => 3 * (2 * ln (odds n s i)))",
        ),
        defines=defines,
        entries="unfold q1, q2, softmax, odds; simpl; rewrite ?shifted, ?scaled by lra; rational.",
    )
    z = torch.tensor(odds, dtype=torch.float64).log().reshape(2, 4)
    q1 = segment_softmax(2 * z + 2 * math.log(4), segments=2, temperature=2.0)
    q2 = segment_softmax(6 * z, segments=2, temperature=6.0)
    serves = "logits_shifted temperature_scaled finite_logits_stay_above"
    return Act(scene, losses(scene, q1, q2, serves, weights=[(1, 1, 0), (1, 1, HALF), WEIGHTS]))


def all_acts() -> list[Act]:
    """Every scene."""
    copied = np.concatenate([LABELS, LABELS[:, :1]], axis=1)
    return [
        soft(),
        one_segment(),
        array(),
        triple(),
        two_units(),
        smoothed(),
        constant(),
        uniform(),
        uniform_two_units(),
        hard(
            "constant_one_hot",
            "fun _ s => (s + 1)%nat",
            np.array([[1, 2]] * 3),
            3,
            "constant_one_hot_collapse entropies_at_most_zero",
        ),
        hard("identical", "fun n _ => n", np.repeat(np.arange(3)[:, None], 3, axis=1), 3, "identical_segments"),
        hard("duplicated", "with_copy 2 (modular_triple 3)", copied, 3, "duplicated_pair"),
        relabelled(),
        union(),
        symmetry("samples", "samples_permuted", "fun n => {} (swap n)", lambda q: q.flip(0)),
        symmetry("segments", "segments_permuted", "fun n s => {} n (swap s)", lambda q: q.flip(1)),
        symmetry("units", "units_permuted", "fun n s i => {} n s (turn s i)", turned),
        symmetry("repeated", "batch_repeated", "fun n => {} (n mod 2)", lambda q: q.repeat(2, 1, 1)),
        exchanged(),
        softmax(),
    ]

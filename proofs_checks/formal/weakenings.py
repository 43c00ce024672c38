"""One edit of every theorem's statement, a hypothesdropped or a conclusion sharpened, that makes it false.

`python -m proofs_checks.formal.weaken` shows that the file then no longer compiles.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weakening:
    """Replace `old`, which occurs once in the statement, by `new`; the result is false because of `because`."""

    old: str
    new: str
    because: str


_CELL = "a cell inside a diagonal block is in no term: at an orthogonal array it is empty"

WEAKENINGS: dict[str, Weakening] = {
    "gap_identity": Weakening(
        "(2 <= S)%nat ->", "True ->", "with one segment there is no off-diagonal term to pay for 2 b log K"
    ),
    "weighted_bound": Weakening("0 <= kappa a c K ->", "True ->", "K = 2, c = 0: two_units_minimum_below"),
    "weighted_attained": Weakening("(2 <= S)%nat", "(1 <= S)%nat", "one segment has no off-diagonal term: -a log K"),
    "weighted_equality": Weakening("0 < b", "0 <= b", "at b = 0 identical segments attain it"),
    "one_segment_bound": Weakening("(3 <= K)%nat", "(2 <= K)%nat", "K = 2, c = 0: -2/e < -log 2"),
    "bound": Weakening("(3 <= K)%nat", "(2 <= K)%nat", "K = 2, c = 0: two_units_minimum_below"),
    "bound_equality": Weakening(
        "simplex N S K q2 ->",
        "True ->",
        "weights of any sign in the second view reach any loss",
    ),
    "bound_two_units": Weakening("1 - ln 2 <= c", "0 <= c", "c = 0: two_units_minimum_below"),
    "bound_equality_two_units": Weakening("1 - ln 2 <= c", "0 <= c", "c = 0: the uniform code ties"),
    "finite_logits_stay_above": Weakening(
        "(3 <= K)%nat", "(2 <= K)%nat", "K = 2, c = 0: finite logits lie below -3 log 2"
    ),
    "two_units_minimum": Weakening("(- 2 / exp 1 - 2 * ln 2)", "(- 3 * ln 2)", "two_units_counterexample"),
    "two_units_minimum_below": Weakening("- 2 * ln 2 <", "- 1 * ln 2 <", "-2/e is about -0.74"),
    "two_units_counterexample": Weakening("loss 1 1 0 4 3 2 q q", "loss 1 1 1 4 3 2 q q", "bound_two_units"),
    "uniform_collapse_two_units": Weakening(
        "loss 1 1 0 N S 2 q q", "loss 1 1 1 N S 2 q q", "the invariance term adds log 2"
    ),
    "gap_pays": Weakening(
        "0 <= c -> simplex N S K q1",
        "True -> simplex N S K q1",
        "a negative weight rewards rare agreement without limit",
    ),
    "gap_controls": Weakening(
        "(squared_distance K q1 q2) <= 2 * eps",
        "(squared_distance K q1 q2) <= 1 * eps",
        "one-hot views that differ are at squared distance 2",
    ),
    "agreement_carries_information": Weakening(
        "- binary_entropy d - d", "- d", "one-hot views that differ independently of the label"
    ),
    "empty_cell_slope": Weakening("s <> t ->", "True ->", _CELL),
    "no_hollow_local_minimum": Weakening("s <> t ->", "True ->", _CELL),
    "optimum_slope": Weakening("2 * (1 - / INR K)", "3 * (1 - / INR K)", "the slope is a limit, so it has one value"),
    "minimiser_fills_every_cell": Weakening("s <> t ->", "True ->", _CELL),
    "minimiser_support": Weakening("0 < b", "0 <= b", "at b = 0 balanced one-hot codes of N = K samples are minimal"),
    "no_one_hot_minimiser": Weakening("(N < K * K)%nat", "(N <= K * K)%nat", "N = K^2: orthogonal arrays"),
    "constant_bound": Weakening("constant N S K q1 -> constant N S K q2 ->", "True -> True ->", "orthogonal arrays"),
    "constant_equality": Weakening("loss 1 1 0", "loss 1 1 1", "at c = 1 the uniform code pays log K more"),
    "uniform_collapse": Weakening("2 / INR K - c)", "2 / INR K + c)", "the invariance term costs, it does not pay"),
    "constant_one_hot_collapse": Weakening(
        "(unit s < K)%nat", "(unit s <= K)%nat", "a unit out of range is no code, and its invariance is infinite"
    ),
    "entropies_at_most_zero": Weakening("loss 1 1 0", "loss 1 1 1", "the invariance term has no upper bound"),
    "identical_segments": Weakening(
        "(forall i, (i < K)%nat -> mean N (fun n => same (label n) i) = / INR K) ->",
        "True ->",
        "labels that are not balanced: a constant one has loss zero",
    ),
    "relabelled_view": Weakening("c <> 0 -> ", "True -> ", "at c = 0 the loss is finite"),
    "duplicated_pair": Weakening("+ 2 * ln (INR K) /", "+ 1 * ln (INR K) /", "two ordered pairs hold the copy"),
    "off_diagonal_excess": Weakening(
        "imbalance N K q1 s + imbalance N K q2 t + information",
        "imbalance N K q1 s + information",
        "unbalanced second views",
    ),
    "dependent_triple_at_the_bound": Weakening(
        "K label = ln (INR K)", "K label = 0", "the third segment is a function of the others"
    ),
    "codeword_share": Weakening(
        "(1 + INR S * (INR K - 1))", "(1 + INR S * INR K)", "Bush arrays with S = K + 1 attain it"
    ),
    "codewords_carry": Weakening(
        "ln (1 + INR S * (INR K - 1)) <=",
        "ln (1 + INR S * INR K) <=",
        "Bush arrays with S = K + 1: log(1 + S (K - 1)) = 2 log K = log N",
    ),
    "attained_by_orthogonal_arrays": Weakening(
        "(2 <= S)%nat", "(1 <= S)%nat", "with one segment every table is an array, and L >= -log K"
    ),
    "square_divides_batch": Weakening("m * (K * K)", "m * (K * K * K)", "Bush arrays have N = K^2"),
    "union_below_weighted_mean": Weakening("INR N * x + INR M * y", "INR N * x + INR N * y", "sizes that differ"),
    "union_below_mean": Weakening("(x + y) / 2", "Rmin x y", "an optimal batch and a collapsed one"),
    "samples_permuted": Weakening("(fun n => q2 (p n))", "q2", "views of different samples"),
    "segments_permuted": Weakening("(fun n s => q2 n (p s))", "q2", "segments of one view deranged"),
    "units_permuted": Weakening("(fun n s i => q2 n s (p s i))", "q2", "relabelled_view"),
    "views_exchanged": Weakening("N S K q2 q1 =", "N S K q1 q1 =", "views that differ"),
    "batch_repeated": Weakening(
        "(fun n => q2 (n mod N))", "(fun n => q2 (n / M)%nat)", "the views of a sample come apart"
    ),
    "logits_shifted": Weakening("z1 n s i + v1 n s))", "z1 n s i + v1 n i))", "a shift that depends on the unit"),
    "temperature_scaled": Weakening("0 < r -> 0 < t ->", "True -> 0 < t ->", "scaled by zero all logits are equal"),
}

"""The theorems of the formal core: the one list that the command, the README's test and the controls read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theorem:
    """A theorem: its name and file, the claims it stands for, and what it says."""

    name: str
    file: str
    claims: tuple[str, ...]
    says: str


THEOREMS: tuple[Theorem, ...] = (
    Theorem(
        "gap_identity",
        "Gap.v",
        ("C1", "C5"),
        "L + (a + 2b) log K is a sum of divergences, each at least zero, plus kappa times the lost agreement",
    ),
    Theorem("weighted_bound", "Bound.v", ("C1",), "L >= -(a + 2b) log K for weights a, b, c >= 0 with kappa >= 0"),
    Theorem(
        "weighted_attained",
        "Bound.v",
        ("C1",),
        "one-hot, equal views with uniform P_st attain it, whatever the weights",
    ),
    Theorem("weighted_equality", "Bound.v", ("C1",), "nobody else attains it, at weights a, b > 0"),
    Theorem("one_segment_bound", "Bound.v", ("C1",), "S = 1: L >= -log K"),
    Theorem("bound", "Bound.v", ("C1",), "K >= 3, any c >= 0: L >= -3 log K"),
    Theorem(
        "bound_equality", "Bound.v", ("C1",), "with equality exactly for one-hot, equal views with every P_st uniform"
    ),
    Theorem("bound_two_units", "Bound.v", ("C1",), "K = 2: the same from c = 1 - log 2 on"),
    Theorem("bound_equality_two_units", "Bound.v", ("C1",), "K = 2: the same equality case from c = 1 - log 2 on"),
    Theorem(
        "finite_logits_stay_above",
        "Softmax.v",
        ("C1",),
        "K >= 3: the loss of finite logits is finite and strictly above the bound",
    ),
    Theorem("two_units_minimum", "TwoUnits.v", ("C2",), "K = 2, c = 0: L >= -2/e - 2 log 2"),
    Theorem("two_units_minimum_below", "TwoUnits.v", ("C2",), "-2/e - 2 log 2 < -3 log 2"),
    Theorem(
        "two_units_counterexample",
        "TwoUnits.v",
        ("C2",),
        "it is attained by a code that is nowhere one-hot, and by one whose views differ everywhere",
    ),
    Theorem(
        "uniform_collapse_two_units",
        "Collapses.v",
        ("C2", "C13"),
        "K = 2, c = 0: the uniform code has L = -3 log 2, the value of the perfect code",
    ),
    Theorem("gap_pays", "Stability.v", ("C5",), "L + 3 log K >= kappa (1 - mean agreement) + mean KL(P_st || uniform)"),
    Theorem(
        "gap_controls",
        "Stability.v",
        ("C5",),
        "a gap of eps bounds lost agreement, distance of the views, softness, divergence and unevenness",
    ),
    Theorem(
        "agreement_carries_information",
        "Fano.v",
        ("C5",),
        "I(P_ss) >= H(P_s) - h(d) - d log(K - 1), and d (log K - 1) is at most the segment's gap",
    ),
    Theorem(
        "empty_cell_slope",
        "Softness.v",
        ("C17", "C10"),
        "at an empty cell of P_st, s != t, the loss falls infinitely fast along the step towards the uniform code",
    ),
    Theorem(
        "no_hollow_local_minimum",
        "Softness.v",
        ("C17",),
        "a local minimum of finite loss has no empty cell in any P_st, s != t",
    ),
    Theorem(
        "optimum_slope", "Optimum.v", ("C17",), "at an optimum the same step costs 2 (1 - 1/K) (log K - 1 + c) per unit"
    ),
    Theorem(
        "minimiser_fills_every_cell",
        "Softness.v",
        ("C10",),
        "at a minimum over the closed simplex every cell of every P_st, s != t, is positive",
    ),
    Theorem("minimiser_support", "Softness.v", ("C10",), "so sum_n |supp q'_n(s)| |supp q''_n(t)| >= K^2"),
    Theorem("no_one_hot_minimiser", "Softness.v", ("C10",), "N < K^2: no minimiser is one-hot"),
    Theorem("constant_bound", "Constant.v", ("C12",), "codes that ignore the sample have L >= -(2 + 2/K) log K"),
    Theorem("constant_equality", "Constant.v", ("C12",), "at c = 0 with equality exactly for uniform codes"),
    Theorem("uniform_collapse", "Collapses.v", ("C13",), "the uniform code has L = -(2 + 2/K - c) log K"),
    Theorem("constant_one_hot_collapse", "Collapses.v", ("C13",), "one one-hot code for all samples has L = 0"),
    Theorem("entropies_at_most_zero", "Collapses.v", ("C13",), "at c = 0 no code has a larger loss"),
    Theorem("identical_segments", "Collapses.v", ("C13",), "one balanced one-hot segment, repeated, has L = -2 log K"),
    Theorem(
        "relabelled_view",
        "Collapses.v",
        ("C13",),
        "a perfect code, one view renamed by a permutation with f fixed units, has L = -(2 + f/K) log K at c = 0 and "
        "an infinite loss at c > 0, f < K",
    ),
    Theorem(
        "duplicated_pair",
        "Collapses.v",
        ("C13", "C14"),
        "a copy of one of S perfect segments costs 2 log K / ((S + 1) S)",
    ),
    Theorem(
        "off_diagonal_excess",
        "Information.v",
        ("C20",),
        "L_off + 2 log K is the mean of imbalance, imbalance and mutual information, all at least zero, and the mean "
        "of KL(P_st || uniform)",
    ),
    Theorem(
        "dependent_triple_at_the_bound",
        "Triple.v",
        ("C21", "C7"),
        "c3 = c1 + c2 mod K on K^2 samples: L = -3 log K, and total correlation log K",
    ),
    Theorem(
        "codeword_share",
        "Codewords.v",
        ("C22",),
        "at the bound no codeword is held by more than N / (1 + S (K - 1)) samples",
    ),
    Theorem(
        "codewords_carry",
        "Codewords.v",
        ("C22", "C8"),
        "so the codewords carry log(1 + S (K - 1)) nats at least, and N >= 1 + S (K - 1)",
    ),
    Theorem(
        "attained_by_orthogonal_arrays",
        "Arrays.v",
        ("C7",),
        "one-hot, equal views attain the bound exactly if the labels are an orthogonal array of strength two",
    ),
    Theorem("square_divides_batch", "Arrays.v", ("C8",), "the bound attained, K^2 divides N"),
    Theorem(
        "union_below_weighted_mean",
        "Union.v",
        ("C30",),
        "the loss of a union of two batches is at most the mean of their losses, weighted by size",
    ),
    Theorem("union_below_mean", "Union.v", ("C30",), "for equal sizes, at most half their sum"),
    Theorem("samples_permuted", "Symmetries.v", ("C32", "C14"), "samples may be permuted, in both views alike"),
    Theorem("segments_permuted", "Symmetries.v", ("C32",), "segments may be permuted, in both views alike"),
    Theorem(
        "units_permuted", "Symmetries.v", ("C32",), "the units of every segment may be permuted, in both views alike"
    ),
    Theorem("views_exchanged", "Symmetries.v", ("C32",), "the views may be exchanged"),
    Theorem("batch_repeated", "Symmetries.v", ("C32",), "repeating the batch changes nothing"),
    Theorem("logits_shifted", "Softmax.v", ("C32",), "a shift of all logits of a segment changes nothing"),
    Theorem("temperature_scaled", "Softmax.v", ("C32",), "logits and temperature may be scaled together"),
)

PARTS: dict[str, str] = {
    "C7": "the equivalence, and the array of C21; not the other constructions",
    "C8": "the two necessary conditions; not the shortfall of short batches",
    "C13": "the values for the uniform, the constant one-hot, identical segments, one relabelled view, one duplicated "
    "pair; not the other collapses, nor the ranking",
    "C14": "one duplicated pair, shuffled samples; not K = 3",
    "C21": "the triple; not the Bush array",
    "C32": "the symmetries; not the mean over subsets of segments, nor the change by one sample",
}
"""Claims of which the theorems prove a part, and which part. The statements of all others are covered."""

ALLOWED_AXIOMS = (
    "ClassicalDedekindReals.sig_forall_dec",
    "ClassicalDedekindReals.sig_not_dec",
    "FunctionalExtensionality.functional_extensionality_dep",
    "Classical_Prop.classic",
)
"""What the standard library's real numbers and their analysis assume; nothing else may turn up."""

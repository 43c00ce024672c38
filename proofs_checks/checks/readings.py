"""The authors' words once more: what a weaker reading of them makes true, and the words of the preprint and of HOME."""

import math

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.checks.relations import block_information
from proofs_checks.checks.third_order import taken_together
from proofs_checks.numbers.routes import off_pairs, relative_entropy
from proofs_checks.numbers.tolerance import above, at_least, close, entropy_tolerance, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs, designs_soft, strategies
from proofs_checks.premises.labels import Table, arrays
from proofs_checks.premises.strategies import generator
from proofs_checks.register import check

# W5: two segments, hard codes -----------------------------------------------------------------------


def _functions_of_soft_codes(objective: Objective) -> None:
    """A soft pair at the minimum of the off-diagonal term: one code is a function of the other (C23)."""
    q = designs_soft.parabola(2, 4)
    close(objective.code_terms(q, q.clone())[1], -2 * math.log(2), 1e-12, "off-diagonal term")
    x, y = (q[:, s, 0].numpy() for s in range(2))
    close(np.mean((x - x.mean()) ** 2 * y), np.var(x) * y.mean(), 1e-6, "a function of the one with the other")


def _functions_of_two_segments(objective: Objective) -> None:
    """A function of two segments against a third, in the modular triple."""
    labels = designs.triple(3)
    q = designs.one_hot(labels, 3)
    close(objective.code_loss(q, q.clone()), -3 * math.log(3), 1e-12, "loss")
    both, third = (labels[:, 0] + labels[:, 1]) % 3 == 0, labels[:, 2] == 0
    close(np.mean(both & third), both.mean() * third.mean(), 1e-6, "a function of two segments with the third")


@check(
    "W5",
    given={"array": arrays(), "seed": strategies.seeds},
    kills=(
        "joint_view_rolled",
        "joint_samples_unpaired",
        "off_unmasked",
        "off_over_S2",
        "phi_add_in_log",
        "off_mi_only",
    ),
    breaks_without=(("hard codes", _functions_of_soft_codes), ("two segments", _functions_of_two_segments)),
)
def two_segments_share_no_form_of_dependency(objective: Objective, array: Table, seed: int) -> None:
    """The charitable reading: at the bound, for hard codes, E f(c'_s) g(c''_t) = E f E g for ALL functions f, g of the
    units of two different segments, one from each view: no form of dependency is left between two of them.

    Premises: the bound attained, hard codes, two segments at a time. Why: P_st(i, j) = 1/K^2 is a product. Expectations
    are means over the samples, the loss's joint is asked for the same numbers.
    """
    q, k = array.codes, array.k
    close(objective.code_loss(q, q.clone()), -3 * math.log(k), array.tolerance(), "loss")
    f, g = torch.randn(2, k, generator=generator(seed), dtype=torch.float64).numpy()
    joint = objective.joint(q, q.clone()).numpy()
    for s, t in off_pairs(array.labels.shape[1]):
        together = np.mean(f[array.labels[:, s]] * g[array.labels[:, t]])
        close(
            together, f[array.labels[:, s]].mean() * g[array.labels[:, t]].mean(), 1e-13 * k, "E f g over the samples"
        )
        close(f @ joint[s, t] @ g, together, 1e-13 * k, "E f g over the joint")


# W14: given usage ----------------------------------------------------------------------------------


def _with_other_usage(objective: Objective) -> None:
    """From constant to identical segments entropy and information rise together."""
    sums = []
    for labels in (np.zeros((3, 2), int), np.arange(3)[:, None].repeat(2, 1)):
        q = designs.one_hot(labels, 3)
        sums.append(
            -float(objective.code_terms(q, q.clone())[1]) + block_information(objective.joint(q, q)[0, 1].numpy())
        )
    close(sums[0], sums[1], 1e-9, "entropy plus information")


@check(
    "W14",
    given={"codes": strategies.hard_codes(n=(2, 20), s=(2, 2)), "seed": strategies.seeds},
    kills=("off_product_of_marginals", "off_collision", "off_gaussian_cov", "off_sign", "off_over_S2"),
    breaks_without=(("the units' usage is given", _with_other_usage),),
)
def at_given_usage_entropy_and_information_are_opposites(objective: Objective, codes: Codes, seed: int) -> None:
    """Handing the codes of one segment to other samples leaves every segment's usage as it is: the joint entropy then
    rises by exactly what the mutual information falls. So 'minimise the information' and 'maximise the entropy' are one
    aim, once the segments' usage of their units is given.

    Premises: usage given; any codes, here hard ones. Why: H(P_st) + I(P_st) = H(P_s) + H(P_t). The entropy is the
    objective's, the information a relative entropy of its joint in numpy.
    """
    order = torch.from_numpy(np.random.default_rng(seed).permutation(codes.n))
    views = [(codes.q1, codes.q2)]
    views.append(tuple(torch.stack([q[:, 0], q[order, 1]], dim=1) for q in views[0]))
    entropy = [-float(objective.code_terms(*pair)[1]) for pair in views]
    information = []
    for pair in views:
        joint = np.einsum("nsi,ntj->stij", *(q.numpy() for q in pair)) / codes.n
        information.append(np.mean([block_information(joint[s, t]) for s, t in off_pairs(2)]))
    tolerance = 4 * entropy_tolerance(codes.n, codes.k**2)
    close(entropy[1] - entropy[0], information[0] - information[1], tolerance, "rise of the entropy")


# W16: hard codes -----------------------------------------------------------------------------------


@check(
    "W16",
    given={"codes": strategies.hard_codes(n=(1, 12), s=(1, 3))},
    kills=("ti_linear", "ti_log_of_mean", "ti_whole_vector", "joint_over_Nm1", "joint_samples_unpaired"),
)
def for_hard_codes_the_joint_decides_the_invariance_term(objective: Objective, codes: Codes) -> None:
    """Hard codes: the invariance term is 0 if every diagonal block has trace 1, else infinite; so the whole loss is a
    function of the joint at every lambda.

    Premises: one-hot codes. Why: <q', q''> is 0 or 1, and tr P_ss is its mean. The joint is the objective's.
    """
    joint = objective.joint(codes.q1, codes.q2)
    traces = torch.einsum("ssii->s", joint).numpy()
    agree = bool((traces > 1 - 1e-9).all())
    assert agree == torch.equal(codes.q1, codes.q2), "the traces do not say whether the views agree"
    value = objective.code_terms(codes.q1, codes.q2)[2]
    close(value, 0.0 if agree else math.inf, loss_tolerance(codes.n, codes.s, codes.k, lam=1.0), "invariance term")


# W17: partitions -----------------------------------------------------------------------------------


def variation_of_information(first: np.ndarray, second: np.ndarray) -> float:
    """H(a | b) + H(b | a) of two labellings, from counts."""
    pairs = designs.code_entropy(np.stack([first, second], 1))
    return 2 * pairs - designs.code_entropy(first[:, None]) - designs.code_entropy(second[:, None])


def _a_repeated_segment(objective: Objective) -> None:
    """One repeated pair among many segments is nearly free, and its two partitions are the same."""
    labels = np.concatenate([designs.bush(7, 7), designs.bush(7, 1)], axis=1)
    q = designs.one_hot(labels, 7)
    assert float(objective.code_loss(q, q.clone())) + 3 * math.log(7) < 0.07, "the gap is not small"
    above(variation_of_information(labels[:, 0], labels[:, -1]), 0.0, 0.1, "variation of information of the pair")


@check(
    "W17",
    given={"array": arrays()},
    kills=(
        "off_unmasked",
        "off_over_S2",
        "joint_view_rolled",
        "joint_samples_unpaired",
        "off_mi_only",
        "phi_add_in_log",
    ),
    breaks_without=(("the bound attained, not nearly", _a_repeated_segment),),
)
def two_segments_partition_as_differently_as_can_be(objective: Objective, array: Table) -> None:
    """At the bound the partitions of any two segments are 2 log K apart in variation of information, the most that two
    partitions into K parts can be: every part of one is split evenly by the other.

    Premises: the bound attained. Why: counts N/K^2. Two routes: counts of labels; 2 H(P_st) - H(P_s) - H(P_t) with
    H(P_st) from the loss.
    """
    q, k = array.codes, array.k
    close(objective.code_loss(q, q.clone()), -3 * math.log(k), array.tolerance(), "loss")
    distances = [
        variation_of_information(array.labels[:, s], array.labels[:, t]) for s, t in off_pairs(array.labels.shape[1])
    ]
    close(distances, 2 * math.log(k), 1e-12, "variation of information, counted")
    from_loss = -2 * float(objective.code_terms(q, q.clone())[1]) - 2 * math.log(k)
    close(from_loss, np.mean(distances), 2 * array.tolerance(), "variation of information, from the loss")


# W22: information of several variables --------------------------------------------------------------


def _interaction_information(objective: Objective) -> None:
    """The alternating sum of entropies of the modular triple, all from the loss: below that of independent segments."""
    k = 3
    q = designs.one_hot(designs.triple(k), k)
    single, pairs = math.log(k), -float(objective.code_terms(q, q.clone())[1])
    together = taken_together(q, 0, 1, 2)
    triple = -float(objective.code_terms(together, together.clone())[1])
    at_least(3 * single - 3 * pairs + triple, 0.0, 1e-9, "interaction information of the triple")


@check(
    "W22",
    given={"k": st.integers(2, 3), "n": st.integers(1, 20), "seed": strategies.seeds, "free": st.booleans()},
    kills=(
        "off_product_of_marginals",
        "off_mi_only",
        "off_gaussian_cov",
        "phi_log2",
        "joint_samples_unpaired",
        "off_sign",
    ),
    breaks_without=(("total correlation, not interaction information", _interaction_information),),
)
def total_correlation_vanishes_for_independence_alone(
    objective: Objective, k: int, n: int, seed: int, free: bool
) -> None:
    """Three hard segments: H + H + H - H(1, 2, 3), with the last from the loss's third order, is the relative entropy
    of their joint law to the product of its marginals: non-negative, zero exactly if that product is the law.

    Premises: any table of labels; with `free` all K^3 rows. Why: Gibbs' inequality. Two routes: entropies with the
    objective's joint entropy; relative entropy of counts in numpy.
    """
    labels = designs.full_factorial(k, 3) if free else np.random.default_rng(seed).integers(k, size=(n, 3))
    q = designs.one_hot(labels, k)
    together = taken_together(q, 0, 1, 2)
    joint_entropy = -float(objective.code_terms(together, together.clone())[1])
    total = sum(designs.code_entropy(labels[:, [s]]) for s in range(3)) - joint_entropy
    law = np.zeros((k, k, k))
    np.add.at(law, tuple(labels.T), 1 / len(labels))
    product = np.einsum("i,j,l->ijl", law.sum((1, 2)), law.sum((0, 2)), law.sum((0, 1)))
    tolerance = 4 * entropy_tolerance(len(labels), k**4)
    close(total, relative_entropy(law, product), tolerance, "total correlation")
    at_least(total, 0.0, tolerance, "total correlation")
    assert (total < 1e-9) == bool(np.allclose(law, product, atol=1e-12)), "zero without independence, or the reverse"

"""Section 3, values: bad solutions that cost next to nothing (C14)."""

import math

import numpy as np
from hypothesis import strategies as st

from proofs_checks.numbers.tolerance import at_most, close, loss_tolerance
from proofs_checks.objective import Objective
from proofs_checks.premises import designs, strategies
from proofs_checks.premises.designs import one_hot
from proofs_checks.premises.strategies import array
from proofs_checks.register import check


@check(
    "C14",
    given={"k": st.sampled_from([5, 7, 8, 9]), "pairs": st.integers(0, 3), "seed": strategies.seeds},
    kills=(
        "off_over_S2",
        "off_unmasked",
        "off_gaussian_cov",
        "loss_constant",
        "off_product_of_marginals",
    ),
)
def duplicated_pairs_are_nearly_free(objective: Objective, k: int, pairs: int, seed: int) -> None:
    """m disjoint pairs of identical segments among S cost 2 m log K / (S(S-1)) above the bound: less than any eps once
    S is large; and any permutation of which sample gets which codeword is free.

    Premises: an orthogonal base array, any lambda. Why: each pair puts mutual information log K into two of the S(S-1)
    ordered blocks; the loss sees the multiset of codewords, not who has them. At S = 102, K = 80 one pair costs
    0.00085 nats.
    """
    rng = np.random.default_rng(seed)
    base = array(k, k + 1)[:, : k + 1 - pairs]
    labels = np.concatenate([base, base[:, :pairs]], axis=1)
    s = labels.shape[1]
    labels = labels[rng.permutation(len(labels))]
    q = one_hot(labels, k)
    gap = float(objective.code_loss(q, q, 1.0)) + 3 * math.log(k)
    close(gap, 2 * pairs * math.log(k) / (s * (s - 1)), loss_tolerance(len(labels), s, k, lam=1.0), "gap")
    close(2 * math.log(80) / (102 * 101), 0.00085, 5e-6, "price of a duplicated pair at the published size")


@check(
    "C14",
    "C5",
    given={"labels": st.sampled_from([designs.bush(3, 2), designs.bush(3)]), "lost": st.floats(0, 0.5, width=32)},
    kills=(
        "diag_marginal_entropy",
        "diag_renormalised",
        "diag_whole_block",
        "phi_quadratic",
        "ti_always",
        "off_unmasked",
    ),
    examples=({"labels": designs.bush(3), "lost": 0.125}, {"labels": designs.bush(3), "lost": 0.25}),
)
def three_units_hardly_mind_disagreement(objective: Objective, labels: np.ndarray, lost: float) -> None:
    """K = 3, lambda = 0: a share d of disagreement between the views costs (1-d) log((1-d)/3) + log 3, which is 0.0150
    nats for 10 % and 0.0412 for 20 %: kappa = log 3 - 1 = 0.0986 is nearly nothing.

    Premises: one-hot orthogonal first view; the second gives d to the other units evenly. Why: C1's f(tau).
    """
    q1 = one_hot(labels, 3)
    q2 = q1 * (1 - lost) + (1 - q1) * (lost / 2)
    tau = 1 - lost
    gap = float(objective.code_loss(q1, q2)) + 3 * math.log(3)
    tolerance = loss_tolerance(9, labels.shape[1], 3)
    close(gap, tau * math.log(tau / 3) + math.log(3), tolerance, "gap")
    at_most(gap, (math.log(3) - 1) * lost + lost**2, tolerance, "gap")

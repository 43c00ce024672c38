"""C22: the guaranteed rate. What an optimum says about whole codewords: none is crowded, together they carry log(1 +
S(K-1)) nats.
"""

from itertools import product
from math import log

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import linprog

from proofs_checks.numbers import constants, exact
from proofs_checks.numbers.tolerance import at_least, at_most, close, loss_tolerance
from proofs_checks.objective import Objective
from proofs_checks.premises import designs
from proofs_checks.premises.labels import Table, arrays
from proofs_checks.premises.strategies import seeds
from proofs_checks.register import check


@check(
    "C22",
    given={"array": arrays(), "seed": seeds},
    kills=(
        "off_unmasked",
        "off_over_S2",
        "joint_view_rolled",
        "off_collision",
        "off_product_of_marginals",
        "phi_clamp_both",
    ),
)
def no_codeword_is_crowded_at_an_optimum(objective: Objective, array: Table, seed: int) -> None:
    """At L = -3 log K no codeword holds more than N / (1 + S(K-1)) samples, so the codewords carry >= log(1 + S(K-1))
    nats.

    Both directions, in integers: an array keeps to the share; and copying one sample over others until it exceeds the
    share lifts the loss above the bound, by exactly what counting says. (f = sum_s (K 1[c_s = x_s] - 1) has mean 0,
    mean square S(K-1) and the value S(K-1) at x; Cauchy-Schwarz for 1 + f.)
    """
    n, s = array.labels.shape
    share = designs.codeword_share(s, array.k)
    assert designs.largest_class(array.labels) * share <= n
    at_least(designs.code_entropy(array.labels), log(share), 1e-13, "entropy of the codewords")
    q = array.codes
    close(objective.code_loss(q, q.clone()), -3 * log(array.k), array.tolerance(), "loss of the array")
    crowded = array.labels.copy()
    rows = np.random.default_rng(seed).permutation(n)[: n // share + 1]
    crowded[rows] = crowded[rows[0]]
    terms = exact.hard_terms(crowded, crowded, array.k)
    assert designs.largest_class(crowded) * share > n
    assert constants.certainly_less(constants.perfect_loss(array.k), terms.entropy_loss), "crowding leaves the optimum"
    x = designs.one_hot(crowded, array.k)
    close(objective.code_loss(x, x.clone()), float(terms.entropy_loss), array.tolerance(), "loss of the crowded code")


@check(
    "C22",
    given={"size": st.sampled_from(((2, 2), (3, 2), (4, 2), (5, 2), (7, 2), (2, 3), (3, 3), (4, 3)))},
    kills=("off_unmasked", "off_over_S2", "joint_view_rolled", "off_sign", "diag_sign"),
    cost=4,
)
def linear_programming_finds_no_heavier_codeword(objective: Objective, size: tuple[int, int]) -> None:
    """Over ALL laws on K^S codewords with uniform pairs of segments, the heaviest atom that a linear programme finds
    weighs at most 1 / (1 + S(K-1)), with equality at (S, K) = (3, 2), (5, 2), (7, 2), (4, 3); at (5, 2) although no
    array of 6 samples exists. The extremal law, handed to the loss as so many copies of each codeword, is at the
    loss's minimum: the bound is a fact about the loss, not only about arrays of distinct rows."""
    s, k = size
    words = np.array(list(product(range(k), repeat=s)))
    pairs = [
        ((words[:, a] == i) & (words[:, b] == j)).astype(float)
        for a in range(s)
        for b in range(a)
        for i in range(k)
        for j in range(k)
    ]
    target = np.zeros(len(words))
    target[0] = -1.0
    solved = linprog(
        target, A_eq=np.array(pairs), b_eq=np.full(len(pairs), 1 / k**2), bounds=(0, None), method="highs-ds"
    )
    assert solved.status == 0, solved.message
    heaviest = -solved.fun
    at_most(heaviest, 1 / designs.codeword_share(s, k), 1e-9, "heaviest codeword")
    if size in ((3, 2), (5, 2), (7, 2), (4, 3)):
        close(heaviest, 1 / designs.codeword_share(s, k), 1e-9, "heaviest codeword where the bound is tight")
    denominator = next(d for d in range(1, 400) if np.abs(solved.x * d - np.round(solved.x * d)).max() < 1e-7)
    labels = np.repeat(words, np.round(solved.x * denominator).astype(int), axis=0)
    assert designs.is_strength_two(labels, k), "the vertex of the programme is an orthogonal array"
    q = designs.one_hot(labels, k)
    close(objective.code_loss(q, q.clone()), -3 * log(k), loss_tolerance(*labels.shape, k), "loss of the extremal law")

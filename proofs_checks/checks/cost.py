"""C40 to C42: the loss without the D x D joint, what symmetry does not save, and hard codes by counting."""

from fractions import Fraction
from math import log

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from musiclib.streaming import streamed_off_diagonal
from proofs_checks.numbers import exact
from proofs_checks.numbers.routes import agreements, blocks, off_pairs
from proofs_checks.numbers.tolerance import above, at_least, close, entropy_tolerance, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs
from proofs_checks.premises.strategies import codes, generator, hard_codes, seeds
from proofs_checks.register import check


class LargestTensor(TorchDispatchMode):
    """Records the largest number of elements of any tensor that an operation returns while the mode is on, backward
    included.
    """

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


# C40 ----------------------------------------------------------------------------------------------


@check(
    "C40",
    given={"codes": codes(s=(2, 5), kinds=("soft", "peaked", "tied")), "tile": st.sampled_from((1, 4, 7, 1024))},
    kills=(
        "off_unmasked",
        "off_over_S2",
        "off_upper_only",
        "off_symmetrised",
        "off_same_view",
        "phi_add_both",
        "joint_over_Nm1",
    ),
)
def streaming_gives_the_same_value_and_gradients(objective: Objective, codes: Codes, tile: int) -> None:
    """Tile by tile, for tiles of one segment, a few and all: the value is L_off, and both gradients are those of
    L_off, against autograd through the objective. Exact because each cell enters on its own: a tile's share needs no
    other tile."""
    views = [q.clone().requires_grad_() for q in (codes.q1, codes.q2)]
    wanted = objective.code_terms(*views)[1]
    expected = torch.autograd.grad(wanted, views, allow_unused=True)
    assert all(g is not None for g in expected), "the term does not depend on one of the views"
    value = streamed_off_diagonal(*views, tile)
    got = torch.autograd.grad(value, views)
    close(value, wanted, loss_tolerance(codes.n, codes.s, codes.k), "streamed value")
    scale = max(float(g.abs().max()) for g in expected)
    for name, a, b in zip(("first", "second"), got, expected, strict=True):
        close(a, b, 1e-12 * max(scale, 1.0), f"gradient in the {name} view")


def largest_tensor_of(value_of, shape: tuple[int, int, int]) -> int:
    """Elements of the largest tensor made by the forward and backward of a function of two codes of this shape."""
    views = [torch.softmax(torch.randn(shape, generator=generator(i)), -1).requires_grad_() for i in (0, 1)]
    with LargestTensor() as largest:
        value_of(*views).backward()
    return largest.elements


def _dense(objective: Objective) -> None:
    """Without streaming the joint is held: the bound of the check fails."""
    n, s, k, tile = 8, 40, 4, 16
    assert largest_tensor_of(lambda a, b: objective.code_terms(a, b)[1], (n, s, k)) <= max(n * s * k, tile * tile)


@check(
    "C40",
    kills=(
        "off_unmasked",
        "off_over_S2",
        "off_upper_only",
        "off_symmetrised",
        "off_same_view",
        "phi_add_both",
        "joint_over_Nm1",
    ),
    breaks_without=(("streaming", _dense),),
    cost=10,
)
def streaming_never_holds_the_joint(objective: Objective) -> None:
    """Forward and backward of the streamed term create no tensor larger than max(N D, tile^2), far below D^2: every
    operation is watched. N = 8, S = 40, K = 4, tile 16: D^2 = 25,600 elements, the largest tensor has 1,280."""
    n, s, k, tile = 8, 40, 4, 16
    largest = largest_tensor_of(lambda a, b: streamed_off_diagonal(a, b, tile), (n, s, k))
    assert largest <= max(n * s * k, tile * tile), f"a tensor of {largest} elements was made"
    views = [torch.softmax(torch.randn((n, s, k), generator=generator(i), dtype=torch.float64), -1) for i in (0, 1)]
    value = streamed_off_diagonal(*views, tile)
    close(value, objective.code_terms(*views)[1], loss_tolerance(n, s, k), "streamed value against the objective")


# C41 ----------------------------------------------------------------------------------------------


@check(
    "C41",
    given={"codes": codes(kinds=("soft", "peaked", "hard", "tied"), n=(2, 12))},
    kills=("off_upper_only", "off_symmetrised", "off_same_view", "off_over_S2", "joint_samples_unpaired"),
)
def symmetrising_the_joint_is_another_smaller_loss(objective: Objective, codes: Codes) -> None:
    """L_off of the symmetrised joint (P_st + P_ts^T)/2 is never above L_off (concavity of the entropy), and the
    difference is the mean Jensen-Shannon divergence of P_st and P_ts^T, computed as the mean of two relative
    entropies: zero iff P_st = P_ts^T, as for equal views. So "s < t only" or a symmetrised P does not give this loss
    at half the work."""
    joint = blocks(codes)
    halves = []
    for s, t in off_pairs(codes.s):
        p, q = joint[s, t], joint[t, s].T
        m = (p + q) / 2
        halves.append(sum(float((x[x > 0] * np.log(x[x > 0] / m[x > 0])).sum()) for x in (p, q)) / 2)
    mixed = np.array([(joint[s, t] + joint[t, s].T) / 2 for s, t in off_pairs(codes.s)])
    symmetrised = float((mixed[mixed > 0] * np.log(mixed[mixed > 0])).sum()) / len(mixed)
    tolerance = 2 * entropy_tolerance(codes.n, codes.k**2)
    off_diagonal = objective.code_terms(codes.q1, codes.q2)[1]
    at_least(off_diagonal, symmetrised, tolerance, "off-diagonal over its symmetrised form")
    close(float(off_diagonal) - symmetrised, np.mean(halves), tolerance, "difference is the Jensen-Shannon divergence")


@check(
    "C41",
    given={"k": st.integers(2, 6), "seed": seeds},
    kills=("off_upper_only", "off_symmetrised", "off_same_view", "off_over_S2", "joint_samples_unpaired"),
)
def half_of_the_blocks_is_not_enough(objective: Objective, k: int, seed: int) -> None:
    """Segment 0 of view 1 equals segment 1 of view 2, everything else independent: the block (0, 1) is fully
    dependent, (1, 0) is independent. L_off counts their mean, -(3/2) log K, whichever view comes first; the upper
    triangle alone would say -log K or -2 log K depending on the order of the views."""
    grid = np.stack([g.ravel() for g in np.mgrid[:k, :k, :k]], 1)
    grid = np.random.default_rng(seed).permutation(grid)
    first, second = grid[:, [0, 1]], grid[:, [2, 0]]
    terms = exact.hard_terms(first, second, k)
    assert terms == exact.hard_terms(second, first, k), "counting: the views may be exchanged"
    assert terms.off_diagonal == Fraction(-3, 2) * exact.log_of(k), "counting: one dependent and one independent block"
    views = designs.one_hot(first, k), designs.one_hot(second, k)
    for a, b in (views, views[::-1]):
        close(objective.code_terms(a, b)[1], -1.5 * log(k), loss_tolerance(len(grid), 2, k), "off-diagonal term")


# C42 ----------------------------------------------------------------------------------------------


@check(
    "C42",
    given={"codes": hard_codes(n=(1, 40), k=(2, 8))},
    kills=(
        "views_transposed",
        "joint_samples_unpaired",
        "off_upper_only",
        "off_same_view",
        "off_collision",
        "phi_clamp_both",
        "phi_quadratic",
    ),
)
def hard_codes_need_only_histograms(objective: Objective, codes: Codes) -> None:
    """One-hot codes: every P_st is a histogram of pairs of labels, N increments each and no product; the entropy of
    the counts, with logarithms of integers, is L_off."""
    first, second = codes.q1.argmax(-1).numpy(), codes.q2.argmax(-1).numpy()
    terms = exact.hard_terms(first, second, codes.k)
    got = objective.code_terms(codes.q1, codes.q2)
    tolerance = loss_tolerance(codes.n, codes.s, codes.k)
    close(got[1], float(terms.off_diagonal), tolerance, "off-diagonal term from histograms")
    close(got[0], float(terms.diagonal), tolerance, "diagonal term from histograms")
    joint = objective.joint(codes.q1, codes.q2)
    for s, t in off_pairs(codes.s):
        counts = designs.pair_counts(first[:, s], second[:, t], codes.k)
        close(joint[s, t], counts / codes.n, 1e-15, f"joint of segments {s} and {t}")


@check(
    "C42",
    given={"codes": codes(kinds=("soft", "peaked", "hard", "mixed"))},
    kills=("joint_samples_unpaired", "off_upper_only", "off_same_view", "phi_quadratic", "off_sign"),
)
def the_collision_loss_has_a_small_dual(objective: Objective, codes: Codes) -> None:
    """sum_{s != t} ||P_st||^2 (Renyi-2) needs only the sums over segments of the N x N Grams; Shannon's entropy is
    above it: L_off <= log mean ||P_st||^2, with equality only where the occupied cells of all blocks weigh the same.
    The cells come from the objective's joint."""
    first, second = agreements(codes.q1), agreements(codes.q2)
    dual = (first.sum(0) * second.sum(0) - (first * second).sum(0)).mean()
    joint = objective.joint(codes.q1, codes.q2)
    primal = sum(float(joint[s, t].square().sum()) for s, t in off_pairs(codes.s))
    pairs = codes.s * (codes.s - 1)
    close(primal, dual, 1e-13 * pairs, "collision probability, by cells and by Grams")
    tolerance = 2 * entropy_tolerance(codes.n, codes.k**2)
    at_least(log(dual / pairs), objective.code_terms(codes.q1, codes.q2)[1], tolerance, "collision over Shannon")


@check(
    "C42",
    given={"k": st.integers(3, 6)},
    kills=("joint_samples_unpaired", "off_collision", "phi_clamp_both", "phi_quadratic", "off_sign"),
)
def shannon_needs_more_than_the_sums_of_the_grams(objective: Objective, k: int) -> None:
    """Two hard codes of one pair of segments with equal collision probability (so equal sums of the Grams' products)
    and different L_off: cells (a, b, b) against (c, c, d), a = 1/2 and b = 1/4, c = 5/12 and d = 1/6, both with sum of
    squares 3/8. What the collision version needs is not enough, even for hard codes."""
    values = []
    for weights in ((6, 3, 3), (5, 5, 2)):
        labels = np.repeat(np.arange(3), weights)
        q = designs.one_hot(np.stack([labels, labels], 1), k)
        gram = agreements(q)
        values.append(((gram[0] * gram[1]).mean(), float(objective.code_terms(q, q)[1])))
        expected = exact.phi_sum(Fraction(w, 12) for w in weights)
        close(values[-1][1], float(expected), loss_tolerance(12, 2, k), "off-diagonal term of three cells")
    close(values[0][0], values[1][0], 1e-15, "collision probabilities")
    above(values[1][1], values[0][1], 0.01, "off-diagonal terms differ")


def turned(k: int, first: np.ndarray, second: np.ndarray, amount: float) -> Tensor:
    """Two samples at 1/K + and - `amount` times a direction, one direction a segment: codes (2, 2, K)."""
    sign = np.array([1.0, -1.0])[:, None, None]
    return torch.from_numpy(1 / k + amount * sign * np.stack([first, second])[None])


def directions(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors of zero sum, orthogonal to each other: (K-1, -1, ..., -1) and (0, 1, -1, 0, ...), normalised."""
    lopsided = np.full(k, -1.0)
    lopsided[0] = k - 1
    even = np.zeros(k)
    even[1:3] = 1, -1
    return lopsided / np.linalg.norm(lopsided), even / np.linalg.norm(even)


def all_grams(q: Tensor) -> np.ndarray:
    """<q_n(s), q_m(s)> of every segment s, (S, N, N)."""
    return np.einsum("nsi,msi->snm", q.numpy(), q.numpy())


def _two_units_or_hard_codes(objective: Objective) -> None:
    """Hard codes with the same Grams are relabelled codes, and a relabelling does not move the off-diagonal term."""
    labels = np.array([[0, 0], [1, 1], [2, 2], [0, 1]])
    q, relabelled = designs.one_hot(labels, 3), designs.one_hot(np.array([2, 0, 1])[labels], 3)
    close(all_grams(q), all_grams(relabelled), 0.0, "Grams")
    above(abs(objective.code_terms(q, q)[1] - objective.code_terms(relabelled, relabelled)[1]), 0.0, 1e-3, "difference")


@check(
    "C42",
    given={"k": st.integers(3, 6), "share": st.floats(0.5, 1.0, width=32)},
    kills=(
        "phi_quadratic",
        "off_collision",
        "off_gaussian_cov",
        "off_mi_only",
        "off_product_of_marginals",
        "loss_constant",
    ),
    breaks_without=(("soft codes", _two_units_or_hard_codes),),
)
def shannon_is_no_function_of_the_grams(objective: Objective, k: int, share: float) -> None:
    """K >= 3, soft codes: turning the codes of a segment about the uniform one leaves EVERY Gram matrix <q_n(s),
    q_m(s)> as it is, of both views and across them, and moves L_off. So for soft codes the term is no function of the
    samples' Grams at all; for hard codes it is (C37).

    Premises: two samples at 1/K +- a u in both segments, u once (K-1, -1, ..., -1) and once (1, -1, 0, ...)
    normalised. Why: P = 1/K^2 + a^2 u v^T; entropy feels the third moment of the cells, (sum u^3)(sum v^3), the Gram
    does not. Two routes for each value: the objective, and the sum over the cells of that formula.
    """
    lopsided, even = directions(k)
    amount = share / k / lopsided.max()  # the largest entry of both directions: the codes stay on the simplex
    values = []
    codes = [turned(k, u, u, amount) for u in (lopsided, even)]
    for q, u in zip(codes, (lopsided, even), strict=True):
        assert float(q.min()) >= 0
        cells = 1 / k**2 + amount**2 * np.outer(u, u)
        values.append(float(objective.code_terms(q, q)[1]))
        close(values[-1], float((cells * np.log(cells)).sum()), loss_tolerance(2, 2, k), "off-diagonal term")
    close(all_grams(codes[0]), all_grams(codes[1]), 1e-15, "Grams before and after the turn")
    skew = float((lopsided**3).sum()) ** 2  # the other direction has no third moment
    third = k**4 * amount**6 * skew / 6
    above(values[1] - values[0], 0.0, third / 4, "difference of the off-diagonal terms")

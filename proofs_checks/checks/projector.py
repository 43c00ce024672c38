"""C49: covariance penalties behind a projector of each variable, which see as much as the off-diagonal term does.

The variables have K levels; a projector gives w features of the level, the same for every sample of a level. Codes:
segment 0 is the level of x, one-hot; segment 1 the law of y given x, so that any real-valued joint law can be drawn.
"""

from math import log

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.numbers.tolerance import above, close, loss_tolerance
from proofs_checks.objective import Objective
from proofs_checks.premises import strategies
from proofs_checks.premises.strategies import Draw, generator
from proofs_checks.register import check


def codes_of(law: np.ndarray) -> torch.Tensor:
    """Codes (K, 2, K) whose block (0, 1) is a law with uniform first marginal: sample n has x = n and y drawn from row
    n."""
    k = len(law)
    return torch.from_numpy(np.stack([np.eye(k), law * k], axis=1))


def cross_covariance(law: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Covariances (w, w) of features of x (K, w) with features of y (K, w): VICReg's off-diagonal entries across x and
    y."""
    centred = law - np.outer(law.sum(1), law.sum(0))
    return first.T @ centred @ second


@st.composite
def balanced_laws(draw: Draw) -> tuple[np.ndarray, bool]:
    """Laws of (x, y) on K x K cells with uniform marginals, K = 3 to 6, and whether they are independent."""
    k, seed, dependent = draw(st.integers(3, 6)), draw(strategies.seeds), draw(st.booleans())
    law = np.full((k, k), 1 / k**2)
    if dependent:
        rng = np.random.default_rng(seed)
        tilt = rng.normal(size=(k, k))
        tilt -= tilt.mean(0, keepdims=True)
        tilt -= tilt.mean(1, keepdims=True)
        law = law * (1 + draw(st.sampled_from((0.1, 0.9))) * tilt / np.abs(tilt).max())
    return law, dependent


def features(k: int, width: int, seed: int) -> np.ndarray:
    """A projector: w random features of K levels."""
    return torch.randn(k, width, generator=generator(seed), dtype=torch.float64).numpy()


@check(
    "C49",
    given={"case": balanced_laws(), "seeds": st.tuples(strategies.seeds, strategies.seeds)},
    kills=(
        "off_product_of_marginals",
        "off_mi_only",
        "off_collision",
        "off_gaussian_cov",
        "off_sign",
        "joint_samples_unpaired",
    ),
)
def a_projector_of_each_variable_sees_all_dependence(
    objective: Objective, case: tuple[np.ndarray, bool], seeds: tuple[int, int]
) -> None:
    """With K - 1 features of each variable, independent of each other and of the constant, all cross-covariances vanish
    exactly if the variables are independent, exactly if L_off is at -2 log K; else L_off + 2 log K = I(x; y).

    Premises: uniform marginals for the last equality. Why: (1, a) is invertible, so a^T (P - p q^T) b = 0 forces P = p
    q^T, whose rows and columns sum to zero anyway. Quantitatively, |P - p q^T| <= |cov| / (s_min(a) s_min(b)) on the
    complement of the constants.
    """
    law, dependent = case
    k = len(law)
    a, b = (features(k, k - 1, seed) for seed in seeds)
    across = np.abs(cross_covariance(law, a, b)).max()
    q = codes_of(law)
    excess = float(objective.code_terms(q, q.clone())[1]) + 2 * log(k)
    information = float((law * np.log(law * k**2)).sum())
    close(excess, information, loss_tolerance(k, 2, k), "excess of the off-diagonal term")
    centred = [x - x.mean(0) for x in (a, b)]
    smallest = np.prod([np.linalg.svd(x, compute_uv=False).min() for x in centred])
    if dependent:
        above(across * (k - 1), 0.0, smallest * np.linalg.norm(law - 1 / k**2) * (1 - 1e-9), "largest covariance")
        above(excess, 0.0, 1e-4, "excess of a dependent pair")
    else:
        close(across, 0.0, 1e-14, "covariances of an independent pair")
        close(excess, 0.0, loss_tolerance(k, 2, k), "excess of an independent pair")


def _wide_enough(objective: Objective) -> None:
    """With K - 1 features no direction is left over for a pair to hide in."""
    hidden(4, 3, 0)


def hidden(k: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(features, law): w features of x, and a dependent law with uniform marginals that none of them sees."""
    a = features(k, width, seed)
    seen = np.concatenate([np.ones((k, 1)), a], axis=1)
    unseen = np.linalg.svd(seen.T)[2][np.linalg.matrix_rank(seen) :]
    assert len(unseen) > 0, "the features and the constant span all functions of the level"
    v = np.linspace(-1, 1, k)
    return a, (1 + 0.9 * np.outer(unseen[0] / np.abs(unseen[0]).max(), v)) / k**2


@check(
    "C49",
    given={"k": st.integers(3, 6), "narrow": st.integers(1, 4), "seed": strategies.seeds},
    kills=("off_product_of_marginals", "off_collision", "off_gaussian_cov", "off_mi_only", "loss_constant"),
    breaks_without=(("fewer than K - 1 features", _wide_enough),),
)
def a_narrower_projector_has_a_blind_pair(objective: Objective, k: int, narrow: int, seed: int) -> None:
    """With w <= K - 2 features of x, whatever they are, some dependent pair with uniform marginals has covariance zero
    with every feature of y; the off-diagonal term reads its information.

    Premises: K >= 3. Why: u orthogonal to 1 and to the features, P = (1 + eps u v^T)/K^2; w = 1, the variable itself as
    its only feature, is the scalar case of C24. All K indicator features of y are tried.
    """
    a, law = hidden(k, min(narrow, k - 2), seed)
    close(law.sum(0), 1 / k, 1e-15, "marginal of y")
    close(law.sum(1), 1 / k, 1e-15, "marginal of x")
    close(cross_covariance(law, a, np.eye(k)), 0.0, 1e-14, "covariances")
    q = codes_of(law)
    excess = float(objective.code_terms(q, q.clone())[1]) + 2 * log(k)
    close(excess, float((law * np.log(law * k**2)).sum()), loss_tolerance(k, 2, k), "excess of the off-diagonal term")
    above(excess, 0.0, 0.01, "excess of the off-diagonal term")

"""Section 1: the bound -3 log K, what it takes to reach it, and what K = 2 and lambda do to it (C1 to C6)."""

import math

import numpy as np

from proofs_checks import strategies
from proofs_checks.objective import Objective
from proofs_checks.register import check
from proofs_checks.strategies import Codes, lines, one_hot
from proofs_checks.tolerance import at_least, at_most, loss_tolerance

LAMBDA_STAR = 1 - math.log(2)
"""The weight from which on K = 2 behaves like K >= 3 (C3)."""


def _below_at_two_units(objective: Objective) -> None:
    """K = 2 without invariance: a soft array lies below -3 log 2."""
    peak = (1 + math.sqrt(4 / math.e - 1)) / 2
    hard = one_hot(lines(2, 2), 2)
    soft = peak * hard + (1 - peak) * (1 - hard)
    at_least(objective.code_loss(soft, soft), -3 * math.log(2), 1e-9, "loss")


@check(
    "C1",
    "W1",
    given={"codes": strategies.codes(k=(3, 6), s=(1, 4)), "lam": strategies.weights},
    kills=("diag_sign", "diag_no_1_over_S", "off_sign", "off_mi_only", "joint_over_Nm1", "phi_log2", "phi_add_both"),
    breaks_without=(("K >= 3, or lambda >= 1 - log 2", _below_at_two_units),),
)
def no_code_lies_below_three_log_k(objective: Objective, codes: Codes, lam: float) -> None:
    """0 >= off_diagonal >= -2 log K, invariance >= 0, -log K <= diagonal <= 0, hence L >= -3 log K (S = 1: -log K).

    Premises: any codes on the closed simplex, any N, K >= 3, any lambda >= 0. Why: entropies of K^2 cells lie in [0, 2
    log K]; the K numbers P_ss(i,i) sum to tau <= 1, and x log x is convex, so the diagonal is at least tau log(tau /
    K), which at tau <= 1 and K >= e is at least -log K.
    """
    diagonal, off_diagonal, invariance = objective.code_terms(codes.q1, codes.q2)
    log_k, tolerance = math.log(codes.k), loss_tolerance(codes.n, codes.s, codes.k)
    agreement = (codes.q1.numpy() * codes.q2.numpy()).sum(-1).mean(0)  # tau of every segment
    jensen = float(np.mean(np.where(agreement > 0, agreement * np.log(np.maximum(agreement, 1e-300) / codes.k), 0.0)))
    at_least(diagonal, jensen, tolerance, "diagonal")
    at_least(diagonal, -log_k, tolerance, "diagonal")
    at_most(diagonal, 0.0, tolerance, "diagonal")
    at_least(off_diagonal, -2 * log_k, tolerance, "off_diagonal")
    at_most(off_diagonal, 0.0, tolerance, "off_diagonal")
    at_least(invariance, 0.0, tolerance, "invariance")
    bound = -3 * log_k if codes.s > 1 else -log_k
    at_least(objective.code_loss(codes.q1, codes.q2, lam), bound, tolerance, "loss")

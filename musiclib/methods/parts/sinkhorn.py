"""Codes that use every prototype equally: entropic optimal transport by Sinkhorn's iteration, in the log domain.

    max_Q  sum_nk Q_nk scores_nk + epsilon H(Q)     over  Q >= 0,  Q 1 = rows,  Q' 1 = 1/K

(Cuturi 2013, arXiv 1306.0895; equation 3 of SwAV, arXiv 2006.09882). The solution is
Q_nk = exp(u_n + scores_nk / epsilon + v_k); one iteration fits v to the columns, then u to the rows. With scores in
[-1, 1] and epsilon = 0.05 the exponent already spans e^40, and unnormalised scores overflow float32 at once: so the
two potentials are kept as logarithms and no exponential is taken before the last line.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from musiclib.methods.parts.numerics import check_positive, in_float32


@torch.no_grad()
@in_float32
def sinkhorn(
    scores: Float[Tensor, "n k"], epsilon: float = 0.05, iterations: int = 3, rows: Bool[Tensor, "n"] | None = None
) -> Float[Tensor, "n k"]:
    """Soft assignment of samples to prototypes, each row summing to one and, at convergence, each column to N / K.

    scores: similarity of sample n to prototype k, any finite numbers. epsilon > 0: entropy weight; towards 0 the
    codes become one-hot. iterations >= 1: rows are exact after any number, columns only in the limit (SwAV uses 3).
    rows: True where a row takes part in the balance (all of them by default): the others get the codes that the
    potentials of the participants give them, which is how a queue that is not full yet is left out. No gradient
    flows. N = 1 gives uniform codes, K = 1 ones. Several processes: pass the gathered scores, the balance is over
    the global batch.
    """
    if scores.dim() != 2 or 0 in scores.shape or not scores.is_floating_point():
        raise ValueError(f"scores: expected a floating-point matrix (N, K), N, K >= 1, got {tuple(scores.shape)}")
    check_positive(epsilon=epsilon, iterations=iterations)
    kernel = scores / epsilon
    n, k = scores.shape
    if rows is None:
        log_rows = scores.new_full((n, 1), -math.log(n))
    else:
        share = rows.to(scores.dtype).unsqueeze(1)
        log_rows = torch.log(share / share.sum())  # minus infinity drops a row from every column sum
    u = log_rows
    for _ in range(int(iterations)):
        v = -math.log(k) - torch.logsumexp(kernel + u, dim=0, keepdim=True)
        u = log_rows - torch.logsumexp(kernel + v, dim=1, keepdim=True)
    return torch.softmax(kernel + v, dim=1)  # rows of Q divided by their mass

"""A second network that follows the first one slowly: theta' <- m theta' + (1 - m) theta.

Only parameters follow. Batch normalisation in the copy uses the statistics of its own batch (it stays in training
mode) and keeps its own running means, as in BYOL and MoCo; nothing reads those.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def frozen_copy(module: nn.Module) -> nn.Module:
    """A deep copy whose parameters require no gradient, so that optimisers and averaging over processes skip it."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """In place: slow <- momentum * slow + (1 - momentum) * fast, for every parameter. momentum in [0, 1]."""
    if not 0.0 <= momentum <= 1.0:
        raise ValueError(f"momentum: expected a number in [0, 1], got {momentum}")
    get_ema_multi_avg_fn(momentum)(list(slow.parameters()), list(fast.parameters()), None)


def cosine_momentum(base: float, step: int, steps: int) -> float:
    """1 - (1 - base) (1 + cos(pi step / steps)) / 2: from `base` at step 0 to 1 at the end (BYOL, section 3.2).

    Steps beyond `steps` give 1, a copy at rest. steps = 0 gives 1.
    """
    done = min(step / steps, 1.0) if steps > 0 else 1.0
    return 1.0 - (1.0 - base) * (1.0 + math.cos(math.pi * done)) / 2.0

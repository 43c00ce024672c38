"""Optimisers and the learning-rate schedule: SGD, LARS and AdamW behind one function, warm-up and cosine as one
formula.

The optimiser never knows the schedule: the loop computes the rate of a step from its number alone (`learning_rate`) and
writes it into the parameter groups, so that a resumed run needs no scheduler state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling: momentum SGD whose step is as large as a fixed share of each weight's own norm.

    For a parameter w with gradient g in a group with `adapt=True` (norms are Euclidean, over the whole tensor):

        g <- g + weight_decay * w
        g <- g * eta * |w| / |g|       (factor 1 where either norm is zero)
        m <- momentum * m + g
        w <- w - lr * m

    In a group with `adapt=False` the second line is left out; such groups hold biases and normalisation weights. The
    published recipe has momentum 0.9 and eta 0.001. Source: You, Gitman, Ginsburg, "Large batch training of
    convolutional networks" (2017); decay inside the norm as in the implementations that self-supervised recipes rest
    on.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        momentum: float = 0.9,
        eta: float = 0.001,
        weight_decay: float = 0.0,
        adapt: bool = True,
    ) -> None:
        for name, value in (("lr", lr), ("momentum", momentum), ("eta", eta), ("weight_decay", weight_decay)):
            if not value >= 0:
                raise ValueError(f"{name} is {value}; it has to be at least 0")
        super().__init__(
            params, {"lr": lr, "momentum": momentum, "eta": eta, "weight_decay": weight_decay, "adapt": adapt}
        )

    @torch.no_grad()
    def step(self, closure=None) -> None:
        if closure is not None:
            raise ValueError("closure is given; LARS evaluates the loss once a step and takes none")
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            grads = torch._foreach_add([p.grad for p in params], params, alpha=group["weight_decay"])
            if group["adapt"]:
                torch._foreach_mul_(grads, trust_ratios(params, grads, group["eta"]))
            for p in params:
                if "momentum_buffer" not in self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            moments = [self.state[p]["momentum_buffer"] for p in params]
            torch._foreach_mul_(moments, group["momentum"])
            torch._foreach_add_(moments, grads)
            torch._foreach_add_(params, moments, alpha=-group["lr"])


def trust_ratios(params: list[Tensor], grads: list[Tensor], eta: float) -> list[Tensor]:
    """eta |w| / |g| for each pair, 1 where either norm is zero; scalars on their device, no synchronisation."""
    w, g = torch.stack(torch._foreach_norm(params)), torch.stack(torch._foreach_norm(grads))
    ratio = torch.where((w > 0) & (g > 0), eta * w / g.clamp_min(torch.finfo(g.dtype).tiny), torch.ones_like(w))
    return list(ratio.unbind())


def parameter_groups(module: nn.Module, weight_decay: float, decay_all: bool = False) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: matrices and filters, which decay, and one-dimensional ones, which do not,
    unless `decay_all` says so.

    Biases and normalisation weights have no reason to be small, and LARS's trust ratio would stall them. The order is
    that of `module.parameters()`; an empty group is left out.
    """
    trainable = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.dim() <= 1], "weight_decay": weight_decay if decay_all else 0.0},
    ]
    return [group for group in groups if group["params"]]


def build_optimiser(
    name: str, module: nn.Module, *, lr: float, weight_decay: float, decay_all: bool = False
) -> torch.optim.Optimizer:
    """adamw (betas 0.9, 0.999), sgd (momentum 0.9) or lars (momentum 0.9, eta 0.001) over `module`'s trainable
    parameters. decay_all: whether biases and norms decay too."""
    groups = parameter_groups(module, weight_decay, decay_all)
    if not groups:
        raise ValueError("module has no trainable parameter; there is nothing to optimise")
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, fused=True)  # one kernel over all parameters, on the CPU too
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=0.9, foreach=True)
    if name == "lars":
        for group in groups:
            group["adapt"] = group["params"][0].dim() > 1
        return LARS(groups, lr=lr)
    raise ValueError(f"optimiser is {name!r}; it has to be adamw, sgd or lars")


def learning_rate(step: int, *, steps: int, warmup: int, peak: float, final: float = 0.001) -> float:
    """Rate of step `step` (from 0) of `steps`: linear over `warmup` steps to `peak`, then half a cosine to final *
    peak.

    The first step has peak / warmup rather than zero, which would waste it; step `warmup` (or 0 without warm-up) is
    the first of the cosine, at the peak; the last step has final * peak. A warm-up of all steps or more never leaves
    the ramp.
    """
    if not 0 <= step < max(steps, 1):
        raise ValueError(f"step is {step}; it has to lie in 0 .. {steps - 1}")
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(steps - 1 - warmup, 1)
    return peak * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Write one rate into every parameter group."""
    for group in optimiser.param_groups:
        group["lr"] = lr


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, dict[str, Any]]:
    """Per-parameter state by position ("0", "1", ...): what a checkpoint needs; rates and decay come from the
    configuration."""
    return {str(position): dict(state) for position, state in optimiser.state_dict()["state"].items()}


def load_optimiser_state(optimiser: torch.optim.Optimizer, state: dict[str, dict[str, Any]]) -> None:
    """Put `optimiser_state` back, in each parameter's own device and memory layout.

    torch's own loader keeps the layout of the stored tensor; a plain one beside a channels_last parameter
    would send fused kernels down another path, and the resumed run would not have the same bits.
    """
    params = [p for group in optimiser.param_groups for p in group["params"]]
    for position, entries in state.items():
        if not int(position) < len(params):
            raise ValueError(
                f"optimiser state has a parameter {position}, the module only {len(params)}: another model"
            )
        p = params[int(position)]
        restored = {}
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.shape == p.shape and value.dim():
                value = torch.empty_like(p, dtype=value.dtype).copy_(value)
            elif isinstance(value, Tensor) and value.dim():
                raise ValueError(
                    f"optimiser state {name!r} of parameter {position} has shape {tuple(value.shape)}, the "
                    f"parameter {tuple(p.shape)}: another model"
                )
            elif isinstance(value, Tensor):
                value = value.to(p.device) if getattr(optimiser, "defaults", {}).get("fused") else value.clone()
            restored[name] = value
        optimiser.state[p] = restored

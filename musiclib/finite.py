"""Refuse logits that are not finite, without making the GPU wait for the answer."""

from __future__ import annotations

import torch
from torch import Tensor

_ADVICE = (
    "A softmax of NaN or infinite logits has no value. Usual causes: a learning rate that is too high, "
    "float16 overflow, or NaN in the images; look at the last finite step, and at the gradient norm before it"
)


def require_finite(**tensors: Tensor) -> None:
    """Raise ValueError if any named tensor holds a NaN or an infinity.

    Reads one boolean back from the device, which on an accelerator waits for the queue; `FiniteWatch` does not.
    """
    for name, x in tensors.items():
        # A sum is finite only if every value is, and takes one pass; the reverse fails where a sum overflows.
        if not bool(torch.isfinite(x.detach().sum())) and not bool(torch.isfinite(x).all()):
            bad = int((~torch.isfinite(x)).sum())
            raise ValueError(f"{name}: {bad} of {x.numel()} values are NaN or infinite. {_ADVICE}.")


class FiniteWatch:
    """The same refusal, at once on the CPU and at the next look on an accelerator.

    `look(z1=..., z2=...)` on an accelerator queues one flag for copying to pinned memory and reads the flag of an
    *earlier* call, if it has arrived: no synchronisation, and a NaN is reported at most a few steps late. Under
    `torch.compile` it does nothing, since a data-dependent error would split the graph; the training loop's own watch
    covers that case.
    """

    def __init__(self) -> None:
        self._pending: tuple[Tensor, torch.cuda.Event] | None = None

    def look(self, **tensors: Tensor) -> None:
        """Check the tensors; raises ValueError for these (CPU) or for those of an earlier call (accelerator)."""
        if torch.compiler.is_compiling():
            return
        first = next(iter(tensors.values()))
        if first.device.type != "cuda":
            require_finite(**tensors)
            return
        if self._pending is not None and self._pending[1].query():
            finite, self._pending = bool(self._pending[0]), None
            if not finite:
                names = " or ".join(tensors)
                raise ValueError(f"{names}: NaN or infinite values in one of the last steps. {_ADVICE}.")
        if self._pending is None:
            flag = torch.stack([torch.isfinite(x).all() for x in tensors.values()]).all()
            host = torch.empty((), dtype=torch.bool, pin_memory=True)
            host.copy_(flag, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self._pending = (host, event)

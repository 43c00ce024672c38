"""A first-in first-out store of rows in buffers: the newest `length` rows that were pushed."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class RowQueue(nn.Module):
    """`rows` (length, D) float32, `pushed` the number of rows ever pushed. Both are buffers; nothing is read back to
    the host, so a push does not wait for the device."""

    rows: Tensor
    pushed: Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        if length < 1 or width < 1:
            raise ValueError(f"length and width: expected integers >= 1, got {length} and {width}")
        self.register_buffer("rows", torch.zeros(length, width))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long))

    def filled(self) -> Bool[Tensor, "length"]:
        """True for the rows that hold something."""
        return torch.arange(len(self.rows), device=self.rows.device) < self.pushed

    @torch.no_grad()
    def push(self, new: Float[Tensor, "n d"]) -> None:
        """Overwrite the oldest rows by `new`, in order. Of more rows than the queue holds, the last ones stay."""
        if new.dim() != 2 or new.shape[1] != self.rows.shape[1]:
            raise ValueError(f"new: expected rows of width {self.rows.shape[1]}, got shape {tuple(new.shape)}")
        skipped = max(0, len(new) - len(self.rows))
        kept = new[skipped:].to(self.rows.dtype)
        place = self.pushed + skipped + torch.arange(len(kept), device=self.rows.device)
        self.rows[place % len(self.rows)] = kept
        self.pushed += len(new)

"""What DeepCluster and SeLa remember: the last embedding of both views of every training sample."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from musiclib.distributed import Rows, gather_batch
from musiclib.methods.parts.numerics import wide


class EmbeddingMemory(nn.Module):
    """Buffers: `rows` (2, samples, D) float32 on the unit sphere, `seen` (samples,) bool.

    8 * samples * D bytes on every process (50,000 samples at D = 128: 51 MB). Writes are gathered, so that every
    process holds the same memory.
    """

    rows: Tensor
    seen: Tensor

    def __init__(self, samples: int, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(2, samples, width))
        self.register_buffer("seen", torch.zeros(samples, dtype=torch.bool))

    @torch.no_grad()
    def write(
        self, index: Int[Tensor, "n"], z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"], rows: Rows | None = None
    ) -> None:
        """Store the normalised embeddings of both views at their samples' positions, from all processes.

        rows: who holds how many, where it has been counted already.
        """
        where = gather_batch(index, rows)
        for view, z in enumerate((z1, z2)):
            self.rows[view, where] = F.normalize(gather_batch(wide(z.detach()), rows), dim=1).to(self.rows.dtype)
        self.seen[where] = True

    def read(self, view: int) -> Float[Tensor, "m d"]:
        """The stored embeddings of one view, of the samples seen so far, in the order of the training set."""
        return self.rows[view, self.seen]

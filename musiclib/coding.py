"""The MUSIC embedding: D logits, cut into S segments of K units, a softmax in each.

    q[n, s, i] = exp(z[n, s K + i] / t) / sum_k exp(z[n, s K + k] / t)

Every segment is a distribution over its K units, a soft one-hot code of one discrete attribute; the whole embedding
is S such codes. Source: the paper's Section 1 ("we discretize the feature variable by a segment of the one-hot
vector implemented with softmax").
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def _segmented(z: Tensor, segments: int, temperature: float) -> Tensor:
    """Validate, and view (N, D) logits as (N, S, K) logits over the temperature, in float32 at least."""
    if not isinstance(z, Tensor) or not z.is_floating_point():
        kind = z.dtype if isinstance(z, Tensor) else type(z).__name__
        raise TypeError(f"z: expected a floating-point tensor of logits (N, D), got {kind}")
    if z.dim() != 2 or 0 in z.shape:
        raise ValueError(f"z: expected logits of shape (N, D) with N, D >= 1, got {tuple(z.shape)}")
    if isinstance(segments, bool) or not isinstance(segments, int) or segments < 1:
        raise ValueError(f"segments: expected an integer >= 1, got {segments!r}")
    if z.shape[1] % segments:
        raise ValueError(
            f"segments={segments} does not divide D={z.shape[1]}: an embedding of D units is S segments of K units, "
            f"D = S * K; make the projector's output a multiple of {segments}"
        )
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature: expected a finite number > 0, got {temperature!r}")
    wide = z if z.dtype == torch.float64 else z.float()  # half precision would lose the joint's small cells
    segmented = wide.view(z.shape[0], segments, -1)
    # A division by one would be four passes over the batch for nothing.
    return segmented if temperature == 1 else segmented / temperature


def segment_softmax(z: Float[Tensor, "n d"], segments: int, temperature: float = 1.0) -> Float[Tensor, "n s k"]:
    """Soft codes of logits: a softmax over the K = D / S units of every segment.

    z: logits (N, D), any finite values. Returns (N, S, K) in [0, 1], each [n, s, :] summing to one; float64 stays
    float64, everything else becomes float32, also under autocast. K = 1 gives all ones. Invariant to adding a
    constant to a segment's logits; (c z, c t) has the codes of (z, t). Raises TypeError / ValueError for non-float
    input, shape, S * K != D, or temperature <= 0.
    """
    return torch.softmax(_segmented(z, segments, temperature), dim=-1)


def segment_log_softmax(z: Float[Tensor, "n d"], segments: int, temperature: float = 1.0) -> Float[Tensor, "n s k"]:
    """Logarithm of `segment_softmax`, exact where the code itself underflows to zero; values in (-inf, 0], nats."""
    return torch.log_softmax(_segmented(z, segments, temperature), dim=-1)


def hard_codes(x: Tensor, segments: int | None = None) -> Int64[Tensor, "n s"]:
    """The largest unit of every segment: logits (N, D) with `segments`, or codes (N, S, K), to labels (N, S) in 0..K-1.

    Ties go to the lowest unit. Not differentiable; `straight_through` is the form for training.
    """
    if x.dim() == 3:
        if segments is not None and segments != x.shape[1]:
            raise ValueError(f"segments={segments}, but the codes have shape {tuple(x.shape)}, so S={x.shape[1]}")
        return x.argmax(dim=-1)
    if segments is None:
        raise ValueError("segments: needed to cut logits of shape (N, D); codes of shape (N, S, K) carry it themselves")
    return _segmented(x, segments, 1.0).argmax(dim=-1)


def one_hot(labels: Int64[Tensor, "n s"], units: int, dtype: torch.dtype = torch.float32) -> Float[Tensor, "n s k"]:
    """Exact one-hot codes of labels (N, S) in 0..units-1: the corners of the simplex, which no finite logits reach."""
    return torch.nn.functional.one_hot(labels, units).to(dtype)


def straight_through(q: Float[Tensor, "n s k"]) -> Float[Tensor, "n s k"]:
    """One-hot codes in value, soft codes in gradient (Bengio, Leonard and Courville 2013, arXiv 1308.3432).

    The gradient is that of the soft code, so it is not the gradient of what is computed: a variant to compare, not
    the default.
    """
    return one_hot(hard_codes(q), q.shape[-1], q.dtype) + q - q.detach()

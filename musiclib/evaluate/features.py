"""Frozen features of a set of images: the encoder in eval mode, on whole images, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from musiclib.datasets import ImageSet
from musiclib.datasets.stream import ImageStream
from musiclib.views import ViewConfig, plain


@torch.no_grad()
def extract(
    encoder: nn.Module,
    images: ImageSet | UInt8[Tensor, "n c h w"],
    view: ViewConfig,
    *,
    batch: int = 1000,
    device: torch.device | str | None = None,
    precision: str = "float32",
    progress: Callable[[int], Any] | None = None,
) -> Float[Tensor, "n features"]:
    """Features of every image, float32 on the CPU, in the order of the set.

    images: a set, or its uint8 images. view: size, mean and std of the images that the encoder was trained on; nothing
    is augmented. batch bounds the memory: beside the result only one batch of activations is held. device: where the
    encoder is, unless given (the encoder stays there). precision: 'float32', or 'bfloat16' for autocast (faster, some
    two digits less). progress: called with the number of images of every batch. The encoder's mode is put back
    afterwards; its running statistics are used, not changed.
    """
    images = images.images if isinstance(images, ImageSet) else images
    if batch < 1:
        raise ValueError(f"batch={batch}: at least one image at a time")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision={precision!r}: expected 'float32' or 'bfloat16'")
    if device is None:
        device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    device = torch.device(device)
    encoder.to(device)
    training = encoder.training
    encoder.eval()
    try:
        out: Tensor | None = None
        for start in range(0, len(images), batch):
            x = plain(images[start : start + batch].to(device), view)
            with torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext():
                y = encoder(x)
            if out is None:
                out = torch.empty(len(images), y.shape[1])
            out[start : start + len(y)] = y
            if progress is not None:
                progress(len(y))
    finally:
        encoder.train(training)
    if out is None:
        raise ValueError("images: an empty set has no features")
    return out


@torch.no_grad()
def stream_features(
    encoder: nn.Module,
    stream: ImageStream,
    view: ViewConfig,
    *,
    device: torch.device | str,
    progress: Callable[[int], Any] | None = None,
    batch: int = 250,
) -> Float[Tensor, "n features"]:
    """float32 features on the CPU of the centre crops of a stream, in the order of its files; the encoder stays on
    `device`, in eval mode. progress: called with the number of images of every batch."""
    encoder.to(device).eval()
    parts = []
    for _, images, _ in stream.plain(batch):
        parts.append(encoder(plain(images.to(device), view)).float().cpu())
        if progress is not None:
            progress(len(images))
    return torch.cat(parts)


def match_channels(images: UInt8[Tensor, "n c h w"], channels: int) -> UInt8[Tensor, "n channels h w"]:
    """The same images with 1 or 3 channels: grey is repeated, colour becomes its luma (BT.601), rounded."""
    if images.shape[1] == channels:
        return images
    if (images.shape[1], channels) == (1, 3):
        return images.expand(-1, 3, -1, -1).contiguous()
    if (images.shape[1], channels) == (3, 1):
        weights = torch.tensor([0.299, 0.587, 0.114], device=images.device).view(1, 3, 1, 1)
        return (images.float() * weights).sum(1, keepdim=True).round().to(torch.uint8)
    raise ValueError(f"channels={channels}: cannot be made of images with {images.shape[1]}; 1 and 3 are known")

"""The rows without training that every table needs beside the methods: raw pixels and a random encoder.

A method that does not beat raw pixels has learnt nothing; what it adds to a random encoder is what training added.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from musiclib.datasets import ImageSet
from musiclib.encoders import build_encoder
from musiclib.views import ViewConfig, plain


def raw_pixels(images: ImageSet | UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """The images themselves as features: (N, C*H*W) float32 in [0, 1]."""
    images = images.images if isinstance(images, ImageSet) else images
    return images.flatten(1).float() / 255.0


def random_encoder(name: str, channels: int, seed: int) -> nn.Module:
    """An encoder as training finds it: fresh weights of the given seed, eval mode; torch's generator is untouched.

    Call `calibrate` before extracting features.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_encoder(name, channels).eval()


@torch.no_grad()
def calibrate(
    encoder: nn.Module, images: UInt8[Tensor, "n c h w"], view: ViewConfig, *, samples: int = 2000, batch: int = 500
) -> nn.Module:
    """Set the running statistics of every batch normalisation to those of `samples` images; no label is used.

    Without it an untrained encoder would be evaluated with mean 0 and variance 1, which hold nowhere. The images are
    spaced evenly over the set, and so are those of every batch: sets may be sorted by class. Returns the encoder.
    """
    device = next(encoder.parameters()).device
    norms = [m for m in encoder.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta, training = [m.momentum for m in norms], encoder.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    encoder.train()
    used = images[torch.linspace(0, len(images) - 1, min(samples, len(images))).round().long()]
    batches = -(-len(used) // batch)
    for start in range(batches):
        part = used[start::batches]
        if len(part) > 1:
            encoder(plain(part.to(device), view))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return encoder.train(training)

"""Sources of a method, an encoder and a data set from outside, as a user would write them; tests write the files."""

from __future__ import annotations

METHOD = """
from dataclasses import dataclass
import torch
from musiclib.methods.base import Method, Output

@dataclass(frozen=True)
class Options:
    projector: tuple[int, ...] = (32, 8)
    weight: float = 1.0

class Spread(Method):
    Options = Options

    def forward(self, x1, x2, index):
        z1, z2 = self.embed(x1, x2)
        near = (z1 - z2).square().mean()
        wide = (1 - torch.cat([z1, z2]).std(0)).relu().mean()
        return Output(near + self.options.weight * wide, {"near": near.detach()}, z1.detach(), z2.detach())
"""

ENCODER = """
from torch import nn

def factory(channels):
    layers = [nn.Conv2d(channels, 6, 3, 2), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    encoder = nn.Sequential(*layers)
    encoder.features = 6
    return encoder
"""

DATASET = """
import torch
from musiclib.datasets import ImageSet

def load(split, *, samples=60, classes=3):
    generator = torch.Generator().manual_seed({"train": 0, "test": 1}[split])
    labels = torch.arange(samples) % classes
    images = torch.randint(0, 80, (samples, 1, 12, 12), generator=generator) + 50 * labels.view(-1, 1, 1, 1)
    return ImageSet("stripes", split, images.to(torch.uint8), labels, tuple("abcdefgh"[:classes]))
"""

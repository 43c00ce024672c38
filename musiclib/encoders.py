"""Residual encoders and multi-layer perceptrons; plain torch, no torchvision.

Five encoders share one class: 'tiny' and 'compact' halve the image in their first convolution and spend their work
where maps are small, which is what two CPU cores can afford; 'resnet18' keeps the full resolution of 32-pixel images
(3x3 stem, no max-pooling); 'resnet18_imagenet' and 'resnet50' are the ImageNet networks (7x7 stem, max-pooling;
bottleneck blocks have the stride in the 3x3). He et al., "Deep residual learning for image recognition", CVPR 2016.

Others come from outside: `package.module:factory`, where factory(channels) returns a module that maps (N, channels, H,
W) to (N, module.features), or `timm:NAME`, a network of timm with fresh weights and without its classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from musiclib import plugins
from musiclib.distributed import BatchNorm1d, BatchNorm2d


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """relu(x + BN(conv3(relu(BN(conv3 x))))); a 1x1 convolution replaces x where stride or width change."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, pooled_shortcut: bool = False):
        super().__init__()
        self.branch = nn.Sequential(
            _conv(inputs, width, 3, stride), BatchNorm2d(width), nn.ReLU(inplace=True),
            _conv(width, width, 3), BatchNorm2d(width),
        )  # fmt: skip
        self.shortcut = _shortcut(inputs, width, stride, pooled_shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.branch(x).add_(self.shortcut(x)))


class Bottleneck(nn.Module):
    """1x1 to `width`, 3x3 with the stride, 1x1 to 4 `width` channels, each batch-normalised, around a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, pooled_shortcut: bool = False):
        super().__init__()
        outputs = self.expansion * width
        self.branch = nn.Sequential(
            _conv(inputs, width, 1), BatchNorm2d(width), nn.ReLU(inplace=True),
            _conv(width, width, 3, stride), BatchNorm2d(width), nn.ReLU(inplace=True),
            _conv(width, outputs, 1), BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut = _shortcut(inputs, outputs, stride, pooled_shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.branch(x).add_(self.shortcut(x)))


def _shortcut(inputs: int, outputs: int, stride: int, pooled: bool) -> nn.Module:
    """Identity where it fits, else a 1x1 convolution; `pooled` averages over the stride instead of skipping pixels."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    if pooled and stride > 1:
        return nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), _conv(inputs, outputs, 1), BatchNorm2d(outputs))
    return nn.Sequential(_conv(inputs, outputs, 1, stride), BatchNorm2d(outputs))


class ResNet(nn.Module):
    """Stem, four stages or fewer of residual blocks, global average: (N, channels, H, W) -> (N, features).

    stem: kernel, stride and width of the first convolution. pool: 3x3 max-pooling of stride 2 after it. widths, depths,
    strides: one value a stage (width before the block's expansion, number of blocks, stride of the first block).
    pooled_shortcut: shortcuts average over their stride instead of skipping pixels.
    zero_init_residual: the last normalisation of every block starts at zero, so that blocks start as their shortcuts.
    Convolutions are drawn by He's rule (fan-out). Any image of at least one pixel works.
    """

    def __init__(
        self,
        channels: int,
        *,
        stem: tuple[int, int, int],
        widths: Sequence[int],
        depths: Sequence[int],
        strides: Sequence[int],
        block: type[BasicBlock] | type[Bottleneck] = BasicBlock,
        pool: bool = False,
        pooled_shortcut: bool = False,
        zero_init_residual: bool = False,
    ):
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels={channels}: an image has at least one channel")
        if not len(widths) == len(depths) == len(strides):
            raise ValueError(f"widths {widths}, depths {depths}, strides {strides}: one value a stage in each")
        kernel, stride, width = stem
        layers = [_conv(channels, width, kernel, stride), BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*layers, *([nn.MaxPool2d(3, 2, padding=1)] if pool else []))
        stages = []
        for inner, depth, step in zip(widths, depths, strides, strict=True):
            for i in range(depth):
                stages.append(block(width, inner, step if i == 0 else 1, pooled_shortcut))
                width = inner * block.expansion
        self.blocks = nn.Sequential(*stages)
        self.features = width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if zero_init_residual:
            for module in self.blocks:
                nn.init.zeros_(module.branch[-1].weight)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n features"]:
        # The mean in float32 costs nothing and keeps features of bfloat16 runs from being rounded twice.
        return self.blocks(self.stem(x)).float().mean((2, 3))


#: name -> arguments of `ResNet`. What short runs on a CPU taught: blocks that start at zero, around shortcuts that skip
#: three pixels of four, are a nearly blind network for the first epochs, so the small encoders do neither; and 3x3
#: convolutions on 2x2 maps, where most taps fall on padding, are so slow that their last stage stays at 4x4 (for
#: 32-pixel images).
ENCODERS: dict[str, dict] = {
    "tiny": {
        "stem": (3, 2, 16), "widths": (32, 64, 128), "depths": (1, 1, 1), "strides": (2, 2, 1), "pooled_shortcut": True,
    },
    "compact": {
        "stem": (3, 2, 32), "widths": (32, 64, 128, 256), "depths": (1, 1, 1, 1), "strides": (1, 2, 2, 1),
        "pooled_shortcut": True,
    },
    "resnet18": {"stem": (3, 1, 64), "widths": (64, 128, 256, 512), "depths": (2, 2, 2, 2), "strides": (1, 2, 2, 2)},
    "resnet18_imagenet": {
        "stem": (7, 2, 64), "pool": True, "widths": (64, 128, 256, 512), "depths": (2, 2, 2, 2),
        "strides": (1, 2, 2, 2),
    },
    "resnet50": {
        "stem": (7, 2, 64), "pool": True, "block": Bottleneck, "zero_init_residual": True,
        "widths": (64, 128, 256, 512), "depths": (3, 4, 6, 3), "strides": (1, 2, 2, 2),
    },
}  # fmt: skip


def build_encoder(name: str, channels: int = 3) -> nn.Module:
    """An encoder with fresh weights: (N, channels, H, W) -> (N, encoder.features); ours give float32, not negative.

    name: 'tiny' (128 features), 'compact' (256), 'resnet18' (512; 3x3 stem, for small images), 'resnet18_imagenet'
    (512), 'resnet50' (2048), `package.module:factory` or `timm:NAME`. Weights come from torch's global generator: seed
    it around the call (`pretrain` does). Raises PluginError for an encoder from outside that is none.
    """
    if plugins.is_outside(name):
        return _outside_encoder(name, channels)
    if name not in ENCODERS:
        raise ValueError(f"encoder={name!r}: unknown; known: {sorted(ENCODERS)}, package.module:factory and timm:NAME")
    return ResNet(channels, **ENCODERS[name])


class Timm(nn.Module):
    """A network of timm without its classifier: (N, channels, H, W) -> (N, features), pooled as it pools itself."""

    def __init__(self, name: str, channels: int):
        super().__init__()
        timm, title = plugins.module_of_timm(name), f"encoder {name!r}"
        known = {"pretrained": False, "num_classes": 0, "in_chans": channels}
        self.network = plugins.call(title, timm.create_model, name.removeprefix("timm:"), **known)
        self.features = getattr(self.network, "head_hidden_size", None) or self.network.num_features

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n features"]:
        return self.network(x)


def _outside_encoder(name: str, channels: int) -> nn.Module:
    title = f"encoder {name!r}"
    if name.startswith("timm:"):
        encoder: Any = Timm(name, channels)
    else:
        encoder = plugins.call(title, plugins.find(name, "encoder"), channels)
    if not isinstance(encoder, nn.Module):
        raise plugins.PluginError(f"{title} made a {type(encoder).__name__}; it has to be a torch.nn.Module")
    features = getattr(encoder, "features", None)
    if not isinstance(features, int) or isinstance(features, bool) or features < 1:
        raise plugins.PluginError(f"{title} needs an attribute features, the number of its outputs; it is {features!r}")
    encoder.register_forward_hook(partial(_check_features, title))
    return encoder


def _check_features(title: str, encoder: nn.Module, images: tuple, output: Any) -> None:
    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if shape != (len(images[0]), encoder.features):
        raise plugins.PluginError(
            f"{title} gave {shape} for {len(images[0])} images; it has to be (N, features) with features = "
            f"{encoder.features}"
        )


def mlp(widths: Sequence[int], *, bias_last: bool = True, norm_last: bool = False) -> nn.Sequential:
    """Projector: Linear - BN - ReLU for every hidden width, then Linear; (N, widths[0]) -> (N, widths[-1]).

    widths: input, hidden widths, output; two values give one linear map. Linear maps before a normalisation have no
    bias (the normalisation would cancel it). bias_last: bias of the last map, taken only without norm_last. norm_last:
    batch normalisation without scale and shift after the last map.
    """
    widths = list(widths)
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"widths={widths}: needs input and output, both at least 1")
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs, bias=False), BatchNorm1d(outputs), nn.ReLU(inplace=True)]
    layers.append(nn.Linear(widths[-2], widths[-1], bias=bias_last and not norm_last))
    if norm_last:
        layers.append(BatchNorm1d(widths[-1], affine=False))
    return nn.Sequential(*layers)

"""Rendered images with six factors of four values each, all of which survive the usual views.

The set `attributes` is a hard test of the claim that segments become attributes: a crop moves and enlarges its object,
jitter and grey-scale views blur its hues and greys, and its shapes and textures are too fine for a short training, so
that a code which found nothing may have had nothing to find. Here the object is large and central, colours lie 90
degrees apart (jitter moves them by 36), patterns are coarse, and nothing depends on left and right. How far each factor
can be learnt under which views is measured, not assumed: `musiclib.studies.ceilings`.

Four values each, all 4^6 = 4,096 combinations equally likely: K = 4 units fit a factor exactly, and the combinations
carry an orthogonal array over the field of four elements (`musiclib.studies.landmarks`). Drawn in whole numbers and
from the raw stream of PCG64 like `attributes`, so a seed gives the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Int, Int64, UInt8
from torch import Tensor

from musiclib.datasets import attributes as plain
from musiclib.datasets.imageset import ImageSet, random_words

FACTORS: dict[str, tuple[str, ...]] = {
    "shape": ("square", "triangle", "plus", "half disc"),
    "texture": ("plain", "dots", "stripes", "checks"),
    "hue": ("red", "lime", "cyan", "violet"),
    "core": ("none", "white", "black", "ring"),
    "ground": ("red", "lime", "cyan", "violet"),
    "pattern": ("plain", "rows", "columns", "checks"),
}
"""Factor -> names of its values."""

ONE = plain.ONE
HUES = (0, 2, 4, 6)  # places in `plain.COLOURS`, 90 degrees apart
GROUND_SHADE = 104  # the ground is its colour times this / 256, and a third of that in the dark parts of its pattern
RADIUS = 2944  # 11.5 pixels: the object covers a third of the image
CORE, HOLE = 3 * ONE + 128, 2 * ONE  # radii of the disc at the centre and of the hole of the ring
JITTER = 4 * ONE  # the object moves by -2 to +2 pixels either way
COARSE = 3  # the object's textures have their period times 3 / 2, the ground's times 2
SPLITS = {"train": 0, "test": 1}
STREAM = 200  # streams of `attributes` end at 101
NUISANCE = STREAM + 100


def load(
    split: str,
    *,
    samples: int | None = None,
    seed: int = 0,
    label: str = "shape",
    jitter: bool = True,
    noise: int = 6,
) -> ImageSet:
    """Render a random set: (samples, 3, 32, 32) uint8 with all factors in `.factors` and one of them as the label.

    samples       number of images; default 10,000 for 'train' and 2,000 for 'test'. More continue fewer.
    seed, split   name the random stream
    label         the factor that serves as class
    jitter        move the object by up to two pixels and shift its texture and the ground's pattern at random
    noise         every channel of every pixel is moved by a uniform whole number in -noise..noise (0..63)
    """
    count = (10_000 if split == "train" else 2_000) if samples is None else samples
    if isinstance(count, bool) or count < 1:
        raise ValueError(f"samples must be at least 1, got {count}")
    if label not in FACTORS:
        raise ValueError(f"label must be a factor ({', '.join(FACTORS)}), got {label!r}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    factors = {
        name: torch.from_numpy(_draws(count, len(values), seed, split, STREAM + stream))
        for stream, (name, values) in enumerate(FACTORS.items())
    }
    nuisance = None
    if jitter:
        ranges = (JITTER + 1, JITTER + 1, plain.PHASES, plain.PHASES, plain.PHASES, plain.PHASES)
        columns = [_draws(count, r, seed, split, NUISANCE + place) for place, r in enumerate(ranges)]
        nuisance = torch.from_numpy(np.stack(columns, axis=1))
        nuisance[:, :2] -= JITTER // 2
    images = render(factors, nuisance=nuisance)
    if noise != 0:
        plain.add_noise(images, noise, seed + STREAM, SPLITS[split])
    return ImageSet("attributes_wide", split, images, factors[label], FACTORS[label], factors, FACTORS)


def render(
    factors: Mapping[str, Int[Tensor, "n"]], *, nuisance: Int64[Tensor, "n 6"] | None = None
) -> UInt8[Tensor, "n 3 32 32"]:
    """Draw the images with the given factor values, indices 0..3 into FACTORS, of equal lengths.

    nuisance: shift of the object in x and y in 1/256 pixel, the phases of its texture along x and y, and those of the
    ground's pattern; None: none of them.
    """
    if set(factors) != set(FACTORS):
        raise ValueError(f"factors must hold exactly {', '.join(FACTORS)}, got {', '.join(factors)}")
    values = {name: torch.as_tensor(factors[name]).long() for name in FACTORS}
    count = len(values["shape"])
    for name, index in values.items():
        if index.shape != (count,) or (count and not 0 <= int(index.min()) <= int(index.max()) < len(FACTORS[name])):
            raise ValueError(f"factor {name!r} must be {count} indices in 0..{len(FACTORS[name]) - 1}, like 'shape'")
    nuisance = torch.zeros(count, 6, dtype=torch.int64) if nuisance is None else nuisance
    if nuisance.shape != (count, 6):
        raise ValueError(f"nuisance must have shape ({count}, 6), got {tuple(nuisance.shape)}")
    out = torch.empty(count, 3, 32, 32, dtype=torch.uint8)
    group = values["shape"] * 16 + values["texture"] * 4 + values["pattern"]
    order = torch.argsort(group, stable=True)
    for members in torch.split(order, torch.bincount(group, minlength=1).tolist()):
        for rows in torch.split(members, plain.CHUNK):
            if len(rows):
                out[rows] = _draw({name: index[rows] for name, index in values.items()}, nuisance[rows])
    return out


def _draw(values: dict[str, Tensor], nuisance: Tensor) -> Tensor:
    """One chunk whose members share shape, texture and pattern."""
    shift = nuisance.to(torch.int32)[:, :, None, None]
    # Pixel centres from the middle of the image, in 1/256 pixel.
    line = (2 * torch.arange(32, dtype=torch.int32) + 1) * ONE // 2 - 16 * ONE
    across, down = line.view(1, 1, -1), line.view(1, -1, 1)
    x, y = across - shift[:, 0], down - shift[:, 1]
    shape = plain.FACTORS["shape"].index(FACTORS["shape"][int(values["shape"][0])])
    radius = torch.full((len(shift), 1, 1), RADIUS, dtype=torch.int32)
    cover = plain.edge(plain.shape_distance(shape, x, y, radius), 32)
    u, v = x * 2 // COARSE + shift[:, 2], y * 2 // COARSE + shift[:, 3]
    dark = plain.texture_cover(int(values["texture"][0]), u, v)
    light = ONE * ONE - dark * (ONE - plain.SHADE)
    behind = _pattern(int(values["pattern"][0]), across // 2 + shift[:, 4], down // 2 + shift[:, 5])
    ground_light = (3 * ONE - 2 * behind) * GROUND_SHADE // 3
    colours = torch.tensor([plain.COLOURS[h] for h in HUES], dtype=torch.int32)
    distance = plain.length(x, y)
    disc, hole = plain.edge(distance - CORE, 32), plain.edge(distance - HOLE, 32)
    kind = values["core"].view(-1, 1, 1)
    white = torch.where(kind == 1, disc, torch.where(kind == 3, disc - hole, 0))
    black = torch.where(kind == 2, disc, torch.where(kind == 3, hole, 0))
    planes = []
    for channel in range(3):
        ground = (colours[values["ground"], channel].view(-1, 1, 1) * ground_light + (1 << 15)) >> 16
        surface = (colours[values["hue"], channel].view(-1, 1, 1) * light + (1 << 15)) >> 16
        surface = (surface * (ONE - white - black) + 250 * white + 8 * black + 128) >> 8
        planes.append(((ground << 8) + cover * (surface - ground) + 128) >> 8)
    return torch.stack(planes, dim=1).to(torch.uint8)


def _pattern(pattern: int, u: Tensor, v: Tensor) -> Tensor:
    """How dark the ground is, 0..256, at coordinates u, v of its pattern."""
    stripes, checks = plain.FACTORS["texture"].index("stripes"), plain.FACTORS["texture"].index("checks")
    match FACTORS["pattern"][pattern]:
        case "plain":
            return torch.zeros((), dtype=torch.int32)
        case "rows":
            return plain.texture_cover(stripes, v, u)
        case "columns":
            return plain.texture_cover(stripes, u, v)
    return plain.texture_cover(checks, u * 3 // 2, v * 3 // 2)  # stripes have a period of 4 pixels, checks of 6


def _draws(samples: int, values: int, seed: int, split: str, stream: int) -> np.ndarray:
    """Uniform whole numbers in 0..values-1."""
    return plain.scaled(random_words(samples, seed, SPLITS[split], stream), np.full(samples, values, dtype=np.uint64))

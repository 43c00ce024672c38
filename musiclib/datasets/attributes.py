"""Rendered images with known, independent factors, so that one can ask what a representation has found.

One object on a plain grey ground: eight factors, every one a small set of named values, all independent. Everything
is drawn in whole numbers (lengths in 1/256 of a design pixel, angles as integer sine tables; the two square roots are
taken in float64 of exact integers, which IEEE rounds the same way everywhere), and random words come from the raw
stream of PCG64, so a seed gives the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int, Int32, Int64, UInt8
from torch import Tensor

from musiclib.datasets.imageset import ImageSet, random_words

FACTORS: dict[str, tuple[str, ...]] = {
    "shape": ("pill", "square", "triangle", "plus", "half disc", "ell"),
    "texture": ("plain", "dots", "stripes", "checks"),
    "hue": ("red", "amber", "lime", "green", "cyan", "blue", "violet", "magenta"),
    "size": ("small", "medium", "large"),
    "x": ("left", "middle", "right"),
    "y": ("top", "middle", "bottom"),
    "rotation": ("0", "22.5", "45", "67.5"),
    "background": ("black", "charcoal", "grey", "white"),
}
"""Factor -> names of its values. No shape repeats itself within 67.5 degrees, so rotation is always visible."""

ONE = 256  # fixed-point units in a pixel of the 32 x 32 design
COLOURS = (  # red, green, blue of the hues, 45 degrees apart, full value and saturation scaled to 40..230
    (230, 40, 40),
    (230, 182, 40),
    (135, 230, 40),
    (40, 230, 88),
    (40, 230, 230),
    (40, 88, 230),
    (135, 40, 230),
    (230, 40, 182),
)
SHADE = 96  # the dark parts of a texture are the colour times SHADE / 256
GREYS = (16, 56, 136, 244)  # none of them has the luminance of a hue, so the object survives a grey-scale view
RADII = (1408, 1920, 2432)  # 5.5, 7.5 and 9.5 pixels
OFFSETS = (-1280, 0, 1280)  # 5 pixels either way
COSINES = (1024, 946, 724, 392)  # 1024 cos of 0, 22.5, 45, 67.5 degrees, rounded
SINES = (0, 392, 724, 946)
PERIODS = (1024, 1024, 1536)  # of dots, stripes and checks: 4, 4 and 6 pixels
JITTER = 2 * ONE  # drawn images move by -1 to +1 pixel around their position
CHUNK = 512  # images drawn at a time: their planes stay in the cache
SPLITS = {"train": 0, "test": 1}
PHASES = 1536 * 2  # a multiple of every period, so that a texture's phase is uniform
NUISANCE_STREAM, NOISE_STREAM = 100, 101  # the factors have streams 0, 1, 2 ...


def load(
    split: str,
    *,
    samples: int | None = None,
    seed: int = 0,
    size: int = 32,
    label: str = "shape",
    probabilities: Mapping[str, Sequence[float]] | None = None,
    fixed: Mapping[str, int | str] | None = None,
    jitter: bool = True,
    noise: int = 6,
) -> ImageSet:
    """Render a random set: (samples, 3, size, size) uint8 with all factors in `.factors` and one of them as the label.

    samples        number of images; default 10,000 for 'train' and 2,000 for 'test'
    seed, split    name the random stream; the splits of one seed share no stream. More samples continue fewer.
    size           side in pixels, 16..256; the design is scaled
    label          the factor that serves as class
    probabilities  factor -> the probabilities of its values (they sum to one); default uniform. Skewing one factor
                   leaves the draws of all others as they were.
    fixed          factor -> the one value (name or index) that it has throughout
    jitter         move the object by up to a pixel and shift its texture at random (not a factor)
    noise          every channel of every pixel is moved by a uniform whole number in -noise..noise (0..63), then
                   clamped to 0..255
    """
    count = (10_000 if split == "train" else 2_000) if samples is None else samples
    if label not in FACTORS:
        raise ValueError(f"label must be a factor ({', '.join(FACTORS)}), got {label!r}")
    factors = sample_factors(count, seed=seed, split=split, probabilities=probabilities, fixed=fixed)
    nuisance = None
    if jitter:
        words = random_words(4 * count, seed, SPLITS[split], NUISANCE_STREAM).reshape(count, 4)
        ranges = np.array([JITTER + 1, JITTER + 1, PHASES, PHASES], dtype=np.uint64)
        nuisance = torch.from_numpy(scaled(words, ranges))  # (n, 4): dx, dy, texture phase along u and v
        nuisance[:, :2] -= JITTER // 2
    images = render(factors, size=size, nuisance=nuisance)
    if noise != 0:
        add_noise(images, noise, seed, SPLITS[split])
    return ImageSet("attributes", split, images, factors[label], FACTORS[label], factors, FACTORS)


def sample_factors(
    samples: int,
    *,
    seed: int = 0,
    split: str = "train",
    probabilities: Mapping[str, Sequence[float]] | None = None,
    fixed: Mapping[str, int | str] | None = None,
) -> dict[str, Int64[Tensor, "n"]]:
    """Independent draws of every factor, as value indices; the arguments are those of `load`."""
    if isinstance(samples, bool) or samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    probabilities, fixed = probabilities or {}, fixed or {}
    for option, given in (("probabilities", probabilities), ("fixed", fixed)):
        for name in given:
            if name not in FACTORS:
                raise ValueError(f"{option} names the unknown factor {name!r}; factors are {', '.join(FACTORS)}")
    both = sorted(set(probabilities) & set(fixed))
    if both:
        raise ValueError(f"factor {both[0]!r} is in probabilities and in fixed; keep one of them")
    factors = {}
    for stream, (name, values) in enumerate(FACTORS.items()):
        if name in fixed:
            draws = np.full(samples, _value_index(name, fixed[name]), dtype=np.int64)
        else:
            weights = _checked_probabilities(name, probabilities.get(name, [1 / len(values)] * len(values)))
            words = random_words(samples, seed, SPLITS[split], stream) >> np.uint64(32)
            steps = np.round(np.cumsum(weights)[:-1] * 2.0**32).astype(np.uint64)  # words below steps[0]: value 0 ...
            draws = np.searchsorted(steps, words, side="right").astype(np.int64)
        factors[name] = torch.from_numpy(draws)
    return factors


def render(
    factors: Mapping[str, Int[Tensor, "n"]],
    *,
    size: int = 32,
    nuisance: Int64[Tensor, "n 4"] | None = None,
) -> UInt8[Tensor, "n 3 size size"]:
    """Draw the images with the given factor values (indices into FACTORS; all factors, equal lengths).

    Without `nuisance` the objects stand exactly at their place: a clean grid. Its columns are the shift in x and y in
    1/256 pixel of the 32-pixel design and the phase of the texture along the object's two axes, in the same unit.
    """
    if isinstance(size, bool) or not 16 <= size <= 256:
        raise ValueError(f"size must be in 16..256 pixels, got {size}")
    missing = [name for name in FACTORS if name not in factors]
    unknown = [name for name in factors if name not in FACTORS]
    if missing or unknown:
        raise ValueError(
            f"factors must hold exactly {', '.join(FACTORS)}; "
            f"missing: {missing or 'none'}, unknown: {unknown or 'none'}"
        )
    values = {name: torch.as_tensor(factors[name]).long() for name in FACTORS}
    count = len(values["shape"])
    for name, index in values.items():
        if index.shape != (count,):
            raise ValueError(f"factor {name!r} has shape {tuple(index.shape)}, expected ({count},) like 'shape'")
        if count and not (int(index.min()) >= 0 and int(index.max()) < len(FACTORS[name])):
            raise ValueError(
                f"factor {name!r} must lie in 0..{len(FACTORS[name]) - 1}, got {int(index.min())}..{int(index.max())}"
            )
    if nuisance is None:
        nuisance = torch.zeros(count, 4, dtype=torch.int64)
    if nuisance.shape != (count, 4):
        raise ValueError(f"nuisance must have shape ({count}, 4), got {tuple(nuisance.shape)}")
    # Grouped by shape and texture, so that every chunk is drawn by one formula each.
    group = values["shape"] * len(FACTORS["texture"]) + values["texture"]
    order = torch.argsort(group, stable=True)
    out = torch.empty(count, 3, size, size, dtype=torch.uint8)
    for members in torch.split(order, torch.bincount(group, minlength=1).tolist()):
        for rows in torch.split(members, CHUNK):
            if len(rows):
                out[rows] = _draw({name: index[rows] for name, index in values.items()}, nuisance[rows], size)
    return out


def add_noise(images: UInt8[Tensor, "n c h w"], amount: int, seed: int, split: int = 0) -> None:
    """Move every value by a uniform whole number in -amount..amount, clamped to 0..255; in place; amount 0..63."""
    if isinstance(amount, bool) or not 0 <= amount <= 63:  # 255 * (2 * 63 + 1) is the most that int16 holds
        raise ValueError(f"noise must be a whole number in 0..63, got {amount}")
    per_image = images[0].numel()
    words_per_image = -(-per_image // 8)  # eight bytes a word; whole words an image, so that prefixes agree
    bits = random_words(len(images) * words_per_image, seed, split, NOISE_STREAM).astype("<u8").view(np.uint8)
    noise = torch.from_numpy(bits.reshape(len(images), -1)[:, :per_image]).view_as(images)
    for part, moves in zip(images.split(CHUNK), noise.split(CHUNK), strict=True):
        moved = part.to(torch.int16) + ((moves.to(torch.int16) * (2 * amount + 1)) >> 8) - amount
        part.copy_(moved.clamp_(0, 255))


def _draw(values: dict[str, Tensor], nuisance: Tensor, size: int) -> Tensor:
    """One chunk whose members share shape and texture."""

    def table(entries: Sequence[int], name: str) -> Tensor:
        return torch.tensor(entries, dtype=torch.int32)[values[name]].view(-1, 1, 1)

    nuisance = nuisance.to(torch.int32)
    # Pixel centres in design units, relative to the object's centre: pixel i lies at (i + 1/2) 32 / size.
    centres = ((2 * torch.arange(size, dtype=torch.int32) + 1) * 16 * ONE).div(size, rounding_mode="floor")
    x = centres.view(1, 1, -1) - (16 * ONE + table(OFFSETS, "x") + nuisance[:, 0].view(-1, 1, 1))
    y = centres.view(1, -1, 1) - (16 * ONE + table(OFFSETS, "y") + nuisance[:, 1].view(-1, 1, 1))
    cosine, sine = table(COSINES, "rotation"), table(SINES, "rotation")
    u = (cosine * x + sine * y) >> 10  # the object's own axes; the image turns clockwise
    v = (cosine * y - sine * x) >> 10
    radius = table(RADII, "size")
    cover = edge(shape_distance(int(values["shape"][0]), u, v, radius), size)
    phase_u, phase_v = nuisance[:, 2].view(-1, 1, 1), nuisance[:, 3].view(-1, 1, 1)
    dark = texture_cover(int(values["texture"][0]), u + phase_u, v + phase_v, size)
    ground = table(GREYS, "background")
    light = ONE * ONE - dark * (ONE - SHADE)  # 256^2 times the brightness of the object's surface
    colours = torch.tensor(COLOURS, dtype=torch.int32)[values["hue"]]
    planes = []
    for channel in range(3):
        surface = (colours[:, channel].view(-1, 1, 1) * light + (1 << 15)) >> 16
        planes.append(((ground << 8) + cover * (surface - ground) + 128) >> 8)
    return torch.stack(planes, dim=1).to(torch.uint8)


def shape_distance(
    shape: int, u: Int32[Tensor, "n h w"], v: Int32[Tensor, "n h w"], radius: Int32[Tensor, "n 1 1"]
) -> Int32[Tensor, "n h w"]:
    """Signed distance to the outline in 1/256 pixel, negative inside; a lower bound of it outside of corners.

    u, v are coordinates in the object's frame (v downwards), `radius` that of a circle around it, give or take 2 %.
    """
    match FACTORS["shape"][shape]:
        case "pill":  # all points within radius / 2 of a segment
            half = radius // 2
            return length((u.abs() - half).clamp_(min=0), v) - half
        case "square":
            return torch.maximum(u.abs(), v.abs()) - radius * 11 // 16
        case "triangle":  # three half-planes at distance radius / 2; 887 / 1024 is sin 60 degrees
            slanted = (887 * u.abs() - 512 * v) >> 10
            return torch.maximum(slanted, v) - radius // 2
        case "plus":
            return torch.minimum(
                _box(u, v, radius * 15 // 16, radius * 5 // 16), _box(u, v, radius * 5 // 16, radius * 15 // 16)
            )
        case "half disc":
            down = v + radius * 3 // 8
            return torch.maximum(length(u, down) - radius * 15 // 16, -down)
        case "ell":  # a stem on the left, a foot at the bottom
            arm, width = radius * 11 // 16, radius // 4
            return torch.minimum(_box(u + arm - width, v, width, arm), _box(u, v - arm + width, arm, width))
    raise ValueError(f"shape must be in 0..{len(FACTORS['shape']) - 1}, got {shape}")


def texture_cover(
    texture: int, u: Int32[Tensor, "n h w"], v: Int32[Tensor, "n h w"], size: int = 32
) -> Int32[Tensor, "n h w"] | Int32[Tensor, ""]:
    """How dark the texture is, 0..256, at coordinates u, v of the object."""
    match FACTORS["texture"][texture]:
        case "plain":
            return torch.zeros((), dtype=torch.int32)
        case "dots":
            period = PERIODS[0]
            across, along = u.remainder(period) - period // 2, v.remainder(period) - period // 2
            return edge(length(across, along) - 336, size)  # dots of 1.3 pixels' radius
        case "stripes":
            return edge(_wave(u, PERIODS[1]), size)
        case "checks":  # the product of two square waves, from -128..128 each
            first, second = edge(_wave(u, PERIODS[2]), size) - 128, edge(_wave(v, PERIODS[2]), size) - 128
            return 128 + ((first * second) >> 7)
    raise ValueError(f"texture must be in 0..{len(FACTORS['texture']) - 1}, got {texture}")


def edge(distance: Tensor, size: int) -> Tensor:
    """Coverage 0..256 of a pixel whose centre has this signed distance from an edge: a ramp one output pixel wide."""
    if size != 32:
        distance = (distance * size) >> 5
    return (128 - distance).clamp_(0, 256)


def _box(u: Tensor, v: Tensor, half_width: Tensor, half_height: Tensor) -> Tensor:
    return torch.maximum(u.abs() - half_width, v.abs() - half_height)


def _wave(u: Tensor, period: int) -> Tensor:
    """Distance to the nearest border of stripes half a period wide, negative within the dark ones."""
    return (u.remainder(period) - period // 2).abs() - period // 4


def length(u: Tensor, v: Tensor) -> Tensor:
    """The whole part of sqrt(u^2 + v^2); the sum is exact and sqrt is correctly rounded, so every machine agrees."""
    return (u * u + v * v).double().sqrt_().to(torch.int32)


def scaled(words: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Uniform whole numbers in 0..range-1 from the upper half of uint64 words (bias below range / 2^32)."""
    return (((words >> np.uint64(32)) * ranges) >> np.uint64(32)).astype(np.int64)


def _value_index(name: str, value: int | str) -> int:
    names = FACTORS[name]
    if isinstance(value, str) and value in names:
        return names.index(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return value
    raise ValueError(
        f"fixed[{name!r}] must be one of {', '.join(names)} or an index in 0..{len(names) - 1}, got {value!r}"
    )


def _checked_probabilities(name: str, given: Sequence[float]) -> np.ndarray:
    weights = np.asarray(given, dtype=np.float64)
    count = len(FACTORS[name])
    if weights.shape != (count,):
        raise ValueError(f"probabilities[{name!r}] must hold {count} numbers, got shape {weights.shape}")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and abs(weights.sum() - 1) < 1e-6):
        raise ValueError(f"probabilities[{name!r}] must be non-negative and sum to 1, got {weights.tolist()}")
    return weights / weights.sum()

"""Augmented views of a batch of images: everything but the final clamp is linear, so a view is three small matrices.

For an image x (C, H, W) with values in [0, 1] a view is

    view = normalise( solarise( clamp( colour . (R_y x R_x^T) + offset ) ) )

R_y (size, H)   rows of the random resized crop: triangle weights widened by the shrinking factor, so that every pixel
                of the crop counts (what `torch.nn.functional.interpolate(..., antialias=True)` computes); a
                Gaussian blur is a second matrix multiplied from the left.
R_x (size, W)   the same for columns; a horizontal flip reverses its rows.
colour (3, 3), offset (3,)   brightness, contrast, saturation, hue and greyscale in this order, multiplied together.

The order is fixed: crop, flip, blur, brightness, contrast, saturation, hue, greyscale, clamp to [0, 1], solarise,
normalise. Where this differs from the per-image pipelines of torchvision: the four jitters are not shuffled; values are
clamped once at the end and not after each jitter; hue is a rotation about the grey axis in YIQ space (linear, as in
DALI-style pipelines), which keeps luma, where torchvision shifts the hue of HSV; blur comes before the colours (it
commutes with all of them but the clamp), its kernel is cut off nowhere and is renormalised at the border, where
torchvision cuts it at a radius and reflects the image.

Parameters are drawn on the CPU from the generator that is passed in and then moved, so that every device sees the same
views. A sample always uses up the same number of random numbers: switching one operation off changes no other one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from musiclib import plugins

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601 weights of grey, as in PIL, torchvision and kornia
_YIQ = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))
_ATTEMPTS = 10  # crops tried before the fallback, as in torchvision
_BANK_LIMIT = 64  # images up to this side take their crop matrices from a table of all crops


@dataclass(frozen=True)
class ViewConfig:
    """What is drawn for a view. Probabilities in [0, 1]; ranges are (low, high) with low <= high.

    size: side of the view in pixels. crop_scale: area of the crop as a fraction of the image. crop_ratio: its width
    over its height (uniform in the logarithm). flip: probability of a horizontal flip. brightness, contrast,
    saturation: factor uniform in [max(0, 1 - v), 1 + v]. hue: rotation uniform in [-hue, hue] turns (at most 0.5).
    jitter_p: probability that these four are applied at all. grey_p, blur_p, solarise_p: probabilities. blur_sigma:
    standard deviation of the blur in pixels of the view. solarise_threshold: values from here up become 1 - value.
    mean, std: per channel, or one value for all. channels_last: memory format of the output, values do not depend on
    it. One-channel images take brightness and contrast and pass over saturation, hue and greyscale.
    """

    size: int = 32
    crop_scale: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    jitter_p: float = 0.0
    grey_p: float = 0.0
    blur_p: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarise_p: float = 0.0
    solarise_threshold: float = 0.5
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)
    channels_last: bool = True

    def __post_init__(self):
        for name in ("crop_scale", "crop_ratio", "blur_sigma", "mean", "std"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        if self.size < 1:
            raise ValueError(f"size={self.size}: a view needs at least one pixel")
        for name in ("flip", "jitter_p", "grey_p", "blur_p", "solarise_p"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: a probability lies in [0, 1]")
        for name in ("brightness", "contrast", "saturation", "hue"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)}: the half-width of a range is finite and not negative")
        if self.hue > 0.5:
            raise ValueError(f"hue={self.hue}: given in turns, at most 0.5 (half a turn either way)")
        for name in ("crop_scale", "crop_ratio", "blur_sigma"):
            value = getattr(self, name)
            if len(value) != 2 or not 0.0 < value[0] <= value[1] < math.inf:
                raise ValueError(f"{name}={value}: needs two numbers with 0 < low <= high")
        if self.crop_scale[1] > 1.0:
            raise ValueError(f"crop_scale={self.crop_scale}: a crop cannot be larger than the image (at most 1)")
        if len(self.mean) != len(self.std) or not self.mean or min(self.std) <= 0.0:
            raise ValueError(f"mean={self.mean}, std={self.std}: equally many values, std positive")

    @classmethod
    def from_dict(cls, values: Mapping) -> ViewConfig:
        """Build from a plain mapping (JSON, YAML); a key that is no field is an error."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"unknown view options {unknown}; known: {[f.name for f in fields(cls)]}")
        return cls(**values)

    def to_dict(self) -> dict:
        """Plain values that JSON can hold; `from_dict` gives the same configuration back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


_JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "jitter_p": 0.8, "grey_p": 0.2}
_IMAGENET = ViewConfig(
    size=224, crop_scale=(0.08, 1.0), flip=0.5, **(_JITTER | {"saturation": 0.2}),
    mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
)  # fmt: skip
_CIFAR10 = ViewConfig(
    size=32, crop_scale=(0.2, 1.0), flip=0.5, **_JITTER,
    mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616),
)  # fmt: skip
_GREY = {"brightness": 0.4, "contrast": 0.4, "jitter_p": 0.8}
# Means and standard deviations of the pixels of the training sets, as they are in common use.
_CIFAR100 = replace(_CIFAR10, mean=(0.5071, 0.4866, 0.4409), std=(0.2673, 0.2564, 0.2762))
_SVHN = replace(_CIFAR10, flip=0.0, mean=(0.4377, 0.4438, 0.4728), std=(0.1980, 0.2010, 0.1970))  # digits have a side
_STL10 = replace(_CIFAR10, size=96, mean=(0.4467, 0.4398, 0.4066), std=(0.2603, 0.2566, 0.2713))
# One for all sets, grey or in colour: the 0.5 of MedMNIST's own experiments, no change of hue (stains mean something).
_MEDMNIST = ViewConfig(size=28, crop_scale=(0.3, 1.0), flip=0.5, **_GREY, mean=(0.5,), std=(0.5,))

#: Views by data set, a pair as the two views of a batch may differ. cifar10 and imagenet are the recipes of the public
#: code of the authors' follow-up work; the others are this project's choice.
PRESETS: dict[str, tuple[ViewConfig, ViewConfig]] = {
    "cifar10": (_CIFAR10, _CIFAR10),
    "cifar100": (_CIFAR100, _CIFAR100),
    "svhn": (_SVHN, _SVHN),
    "stl10": (_STL10, _STL10),
    "medmnist": (_MEDMNIST, _MEDMNIST),
    "fashion_mnist": (ViewConfig(size=28, crop_scale=(0.3, 1.0), flip=0.5, **_GREY, mean=(0.2860,), std=(0.3530,)),)
    * 2,
    "digits": (ViewConfig(size=16, crop_scale=(0.5, 1.0), **_GREY, mean=(0.305,), std=(0.376,)),) * 2,
    "attributes": (ViewConfig(size=32, crop_scale=(0.4, 1.0), flip=0.5, **_JITTER),) * 2,
    "attributes_wide": (ViewConfig(size=32, crop_scale=(0.4, 1.0), flip=0.5, **_JITTER),) * 2,
    "imagenet": (replace(_IMAGENET, blur_p=1.0), replace(_IMAGENET, blur_p=0.1, solarise_p=0.2)),
    "folder": (replace(_IMAGENET, size=64, crop_scale=(0.2, 1.0)),) * 2,
}


_OUTSIDE = ViewConfig(size=32, crop_scale=(0.2, 1.0), flip=0.5, **_JITTER)


def view_preset(dataset: str) -> tuple[ViewConfig, ViewConfig]:
    """The two view configurations of a data set; what follows a colon in its name ('folder:/some/path') is ignored.

    Sets from outside ('package.module:load') are shown at 32 pixels, grey or in colour, with the operations of CIFAR-10
    and mean 0.5; a configuration's `views` say what fits them better.
    """
    if plugins.is_path(dataset):
        return _OUTSIDE, _OUTSIDE
    key = dataset.split(":", 1)[0]
    if key not in PRESETS:
        raise ValueError(f"dataset={dataset!r}: no views are preset for it; known: {sorted(PRESETS)}")
    return PRESETS[key]


@dataclass(frozen=True)
class ViewParams:
    """The random numbers of one view of a batch, each (N,).

    top, left, height, width: crop in whole source pixels (int64). flip, grey, solarise: bool. sigma: blur in pixels of
    the view, 0 without blur. brightness, contrast, saturation: factors, 1 without jitter. hue: turns, 0 without
    jitter. What is neither whole nor bool is float32.
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor
    sigma: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    grey: Tensor
    solarise: Tensor

    def to(self, device: torch.device | str) -> ViewParams:
        """The same parameters on another device, in one transfer (whole numbers below 2^24 survive float32)."""
        values = [getattr(self, f.name) for f in fields(self)]
        if all(v.device == torch.device(device) for v in values):
            return self
        moved = torch.stack([v.float() for v in values])
        if torch.device(device).type == "cuda":  # from pinned memory the copy does not make the CPU wait for the GPU
            moved = moved.pin_memory()
        moved = moved.to(device, non_blocking=True)
        return ViewParams(*(m.to(v.dtype) for m, v in zip(moved, values, strict=True)))


def _between(t: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * t


def draw(config: ViewConfig, samples: int, height: int, width: int, generator: torch.Generator) -> ViewParams:
    """Parameters of one view for `samples` images of `height` x `width` pixels, drawn on the CPU.

    Crop: area fraction uniform in crop_scale, log ratio uniform, sides rounded to whole pixels; of ten tries the
    first that fits is taken, else the largest centred crop whose ratio is allowed. The place is uniform over all that
    fit.
    """
    if generator.device.type != "cpu":
        raise ValueError(f"generator on {generator.device}: view parameters are drawn on the CPU, pass a CPU generator")
    u = torch.rand(12 + 2 * _ATTEMPTS, samples, generator=generator)

    area = height * width * _between(u[12 : 12 + _ATTEMPTS], *config.crop_scale)
    ratio = torch.exp(_between(u[12 + _ATTEMPTS :], *map(math.log, config.crop_ratio)))
    ws, hs = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()  # (tries, N)
    fits = (ws >= 1) & (ws <= width) & (hs >= 1) & (hs <= height)
    first = fits.int().argmax(0, keepdim=True)
    low, high = config.crop_ratio
    w0 = min(width, max(1, round(height * high))) if width / height > high else width
    h0 = min(height, max(1, round(width / low))) if width / height < low else height
    found = fits.any(0)
    w = torch.where(found, ws.gather(0, first)[0], w0)
    h = torch.where(found, hs.gather(0, first)[0], h0)
    # Fallback crops are centred; a product such as (1 - 2^-24) * 33 may round up to 33, hence the minimum.
    top = torch.where(found, torch.minimum((u[0] * (height - h + 1)).long(), height - h), (height - h) // 2)
    left = torch.where(found, torch.minimum((u[1] * (width - w + 1)).long(), width - w), (width - w) // 2)

    jitter = u[3] < config.jitter_p

    def factor(t: Tensor, spread: float) -> Tensor:
        return torch.where(jitter, _between(t, max(0.0, 1.0 - spread), 1.0 + spread), 1.0)

    return ViewParams(
        top=top, left=left, height=h, width=w,
        flip=u[2] < config.flip,
        sigma=torch.where(u[4] < config.blur_p, _between(u[5], *config.blur_sigma), 0.0),
        brightness=factor(u[6], config.brightness),
        contrast=factor(u[7], config.contrast),
        saturation=factor(u[8], config.saturation),
        hue=torch.where(jitter, _between(u[9], -config.hue, config.hue), 0.0),
        grey=u[10] < config.grey_p,
        solarise=u[11] < config.solarise_p,
    )  # fmt: skip


def crop_matrix(start: Tensor, length: Tensor, source: int, size: int) -> Float[Tensor, "n size source"]:
    """Rows that resample source[start : start + length] to `size` pixels, one matrix a sample; every row sums to one.

    start, length: (N,) integers. Pixel centres lie at half-integers, pixels outside the crop weigh nothing.
    """
    step = (length.float() / size)[:, None, None]  # source pixels per output pixel
    out = torch.arange(size, device=start.device, dtype=torch.float32) + 0.5
    src = torch.arange(source, device=start.device)
    place = (src - start[:, None]).unsqueeze(1)  # (n, 1, source), counted from the start of the crop
    weight = 1.0 - (place + 0.5 - step * out[:, None]).abs() / step.clamp(min=1.0)
    weight = weight.clamp_(min=0.0) * ((place >= 0) & (place < length[:, None, None]))
    return weight / weight.sum(-1, keepdim=True)


@lru_cache(maxsize=16)
def _crop_bank(source: int, size: int, device: torch.device) -> Tensor:
    """`crop_matrix` of every (length, start) of a small image, as row length * source + start.

    Looking a matrix up costs a copy; computing it costs some ten passes over memory. Impossible pairs stay unused.
    """
    length, start = torch.meshgrid(torch.arange(source + 1), torch.arange(source), indexing="ij")
    possible = (length >= 1) & (start + length <= source)
    bank = torch.zeros((source + 1) * source, size, source)
    bank[possible.flatten()] = crop_matrix(start[possible], length[possible], source, size)
    return bank.to(device)


def _crop_rows(start: Tensor, length: Tensor, source: int, size: int) -> Tensor:
    if source <= _BANK_LIMIT and size <= _BANK_LIMIT:
        return _crop_bank(source, size, start.device)[length * source + start]
    return crop_matrix(start, length, source, size)


def blur_matrix(sigma: Float[Tensor, "n"], size: int) -> Float[Tensor, "n size size"]:
    """Gaussian weights exp(-d^2 / (2 sigma^2)) between the pixels of a line, rows normalised; sigma 0: the identity."""
    line = torch.arange(size, device=sigma.device, dtype=torch.float32)
    square = (line[:, None] - line).square()
    weight = torch.exp(-square / (2.0 * sigma.clamp(min=1e-2).square())[:, None, None])
    return weight / weight.sum(-1, keepdim=True)


@lru_cache(maxsize=64)
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A small float32 tensor, sent to its device once: every such transfer would wait for the GPU."""
    return torch.tensor(values, device=device)


@lru_cache(maxsize=16)
def _yiq(device: torch.device) -> tuple[Tensor, Tensor]:
    forward = torch.tensor(_YIQ, dtype=torch.float64)
    return forward.float().to(device), torch.linalg.inv(forward).float().to(device)


def colour_matrix(
    params: ViewParams, mean_rgb: Float[Tensor, "n c"]
) -> tuple[Float[Tensor, "n c c"], Float[Tensor, "n c 1"]]:
    """Matrix A and offset o of brightness, contrast, saturation, hue and greyscale in this order: x -> A x + o.

    mean_rgb: mean colour of the cropped image; contrast pivots on the luma of it after the brightness.
    """
    channels, device = mean_rgb.shape[1], mean_rgb.device
    bright, contrast = params.brightness[:, None, None], params.contrast[:, None, None]
    if channels == 1:
        return bright * contrast, (1.0 - contrast) * bright * mean_rgb[:, :, None]
    luma = _constant(LUMA, device)
    eye, grey = torch.eye(3, device=device), luma.expand(3, 3)  # grey @ x: the luma in every channel
    pivot = (mean_rgb @ luma)[:, None, None] * bright
    to_yiq, from_yiq = _yiq(device)
    angle = params.hue * (2.0 * math.pi)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    rotation = torch.zeros(len(angle), 3, 3, device=device)
    rotation[:, 0, 0] = 1.0
    rotation[:, 1:, 1:] = torch.cat([torch.cat([cos, -sin], 2), torch.cat([sin, cos], 2)], 1)
    saturation = params.saturation[:, None, None]
    linear = from_yiq @ rotation @ to_yiq @ (saturation * eye + (1.0 - saturation) * grey)
    linear = torch.where(params.grey[:, None, None], grey @ linear, linear)
    # Every factor after the contrast maps greys to themselves, so the offset passes through `linear` unchanged.
    return linear * (bright * contrast), ((1.0 - contrast) * pivot).expand(-1, 3, 1)


def _checked(images: Tensor, config: ViewConfig) -> tuple[int, int, int, int]:
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images of shape {tuple(images.shape)}: expected (N, C, H, W) with 1 or 3 channels")
    if images.dtype != torch.uint8:
        raise TypeError(f"images of type {images.dtype}: expected uint8 in 0..255")
    if len(config.mean) not in (1, images.shape[1]):
        raise ValueError(
            f"mean has {len(config.mean)} values for images of {images.shape[1]} channels: give one, or one each"
        )
    return tuple(images.shape)


def render(images: UInt8[Tensor, "n c h w"], params: ViewParams, config: ViewConfig) -> Float[Tensor, "n c size size"]:
    """The view that `params` describes; `config` gives size, mean, std, threshold and memory format only."""
    n, c, h, w = _checked(images, config)
    device, size = images.device, config.size
    # Whether anything is blurred or solarised is asked while the parameters are still on the CPU: no wait for a GPU.
    blurred, solarised = bool((params.sigma > 0).any()), bool(params.solarise.any())
    params = params.to(device)
    with torch.autocast(device.type, enabled=False):
        rows = _crop_rows(params.top, params.height, h, size)
        columns = _crop_rows(params.left, params.width, w, size)
        columns = torch.where(params.flip[:, None, None], columns.flip(1), columns)
        if blurred:
            blur = blur_matrix(params.sigma, size)
            rows, columns = blur @ rows, blur @ columns
        x = torch.bmm(images.float().reshape(n, c * h, w), columns.mT)  # (n, c h, size)
        x = torch.matmul(rows[:, None], x.view(n, c, h, size)).view(n, c, size * size)
        linear, offset = colour_matrix(params, x.mean(-1) / 255.0)
        linear = linear / 255.0  # 0..255 -> [0, 1] here, where it costs no pass over the images
        x = torch.baddbmm(offset, linear, x) if c == 3 else x * linear + offset
        x = x.clamp_(0.0, 1.0)
        if solarised:
            x = torch.where(params.solarise[:, None, None] & (x >= config.solarise_threshold), 1.0 - x, x)
    return _normalise(x.view(n, c, size, size), config)


def _normalise(x: Tensor, config: ViewConfig) -> Tensor:
    mean, std = (_constant(v, x.device).view(1, -1, 1, 1) for v in (config.mean, config.std))
    x = x.sub_(mean).mul_(1.0 / std)
    return x.contiguous(memory_format=torch.channels_last) if config.channels_last else x


def augment(
    images: UInt8[Tensor, "n c h w"], config: ViewConfig, generator: torch.Generator
) -> Float[Tensor, "n c size size"]:
    """One augmented view of every image: uint8 (N, C, H, W) -> float32 (N, C, size, size), normalised, on their device.

    `generator` must be a CPU generator and is advanced; equal states give equal views on every device up to rounding.
    """
    n, _, h, w = _checked(images, config)
    return render(images, draw(config, n, h, w, generator), config)


def two_views(
    images: UInt8[Tensor, "n c h w"], configs: tuple[ViewConfig, ViewConfig], generator: torch.Generator
) -> tuple[Float[Tensor, "n c size1 size1"], Float[Tensor, "n c size2 size2"]]:
    """The two views of a batch, drawn one after the other from the same generator; see `augment`."""
    first, second = configs
    return augment(images, first, generator), augment(images, second, generator)


def plain(images: UInt8[Tensor, "n c h w"], config: ViewConfig) -> Float[Tensor, "n c size size"]:
    """The whole image, resized with antialiasing to size x size and normalised; nothing random.

    What the evaluation sees. An image that is not square is squeezed: crop it before if that matters.
    """
    h, w = _checked(images, config)[2:]
    x = images.float() / 255.0
    if (h, w) != (config.size, config.size):
        ends = [torch.tensor([v], device=images.device) for v in (0, h, w)]
        rows, columns = crop_matrix(ends[0], ends[1], h, config.size), crop_matrix(ends[0], ends[2], w, config.size)
        with torch.autocast(images.device.type, enabled=False):
            x = torch.matmul(rows, torch.matmul(x, columns.mT))
    return _normalise(x, config)

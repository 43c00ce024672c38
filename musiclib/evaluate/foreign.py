"""Encoders that were trained elsewhere, scored by this project's protocol: both probes on frozen features, one record.

    loaded = load_weights("resnet50.pth", "resnet50")
    train, test = (features_of(loaded, s, view, device=device) for s in (train_set, test_set))

What decides the numbers is in `Evaluation`, and its hash names the record; the file counts by its content.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from musiclib import plugins
from musiclib.datasets import ImageSet, load
from musiclib.datasets.stream import ImageStream
from musiclib.encoders import build_encoder
from musiclib.evaluate.features import stream_features
from musiclib.evaluate.naming import Match, check_shapes, match
from musiclib.evaluate.transfer import transfer_features
from musiclib.evaluate.weights import WeightsUnusable, read_state
from musiclib.schema import canonical, check_types
from musiclib.views import ViewConfig, view_preset

STREAMED = "imagenet:"


@dataclass(frozen=True)
class Evaluation:
    """Everything that can change a number. weights: SHA-256 of the file. size, mean, std: how images are shown, None
    for the data set's own. seed: of the split of the training set on which the probe's strength is chosen."""

    weights: str
    encoder: str
    dataset: str
    part: str | None = None
    prefix: str | None = None
    dataset_options: dict[str, Any] = field(default_factory=dict)
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self, "Evaluation")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it has to be at least 0")
        self.view()

    def view(self) -> ViewConfig:
        """How images are shown: the first view of the data set's preset, unaugmented, with the values given here."""
        given = {name: getattr(self, name) for name in ("size", "mean", "std") if getattr(self, name) is not None}
        return replace(view_preset(self.dataset)[0], **given)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values, and the source of plug-ins that took part."""
        outside = [(name, what) for name, what in ((self.encoder, "encoder"), (self.dataset, "dataset"))]
        sources = {name: plugins.source(name, what) for name, what in outside if plugins.is_outside(name)}
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}
        return {**values, **({"plugins": sources} if sources else {})}

    def hash(self) -> str:
        """12 hexadecimal digits that name the evaluation."""
        return hashlib.sha256(canonical(self.to_dict()).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Loaded:
    """An encoder with weights from a file, in eval mode. channels: of the images that it takes."""

    encoder: nn.Module
    channels: int
    match: Match


def load_weights(path: str | os.PathLike, name: str, *, part: str | None = None, prefix: str | None = None) -> Loaded:
    """The encoder `name` with the weights of a file; see `read_state` for part and `match` for prefix.

    The first convolution says how many channels its images have. Raises WeightsUnusable for a file that cannot be used.
    """
    state = read_state(path, part)
    try:
        encoder = build_encoder(name, 3)
        found = match(state, name, encoder, prefix)
        channels = _channels(found, encoder)
        if channels != 3:
            encoder = build_encoder(name, channels)
        check_shapes(found, name, encoder)
    except WeightsUnusable as error:
        raise WeightsUnusable(f"{path}: {error}") from None
    encoder.load_state_dict({**encoder.state_dict(), **found.tensors})
    encoder.to(memory_format=torch.channels_last)  # as in training: the same sums in the same order
    return Loaded(encoder.eval(), channels, found)


def _channels(found: Match, encoder: nn.Module) -> int:
    """Channels of the images that the weights were made for, by their first convolution."""
    first = next((n for n, m in encoder.named_modules() if isinstance(m, nn.Conv2d)), None)
    weight = found.tensors.get(f"{first}.weight")
    channels = 3 if weight is None or weight.dim() != 4 else weight.shape[1]
    if channels not in (1, 3):
        raise WeightsUnusable(f"the weights are for images with {channels} channels; 1 and 3 are known")
    return channels


def open_sets(config: Evaluation, root: str | os.PathLike | None) -> tuple[Any, Any]:
    """(training set, test set): in memory, or streams for imagenet:PATH."""
    if config.dataset.startswith(STREAMED):
        path, view = config.dataset.removeprefix(STREAMED), config.view()
        options = {"size": view.size, "batch": 1, **config.dataset_options}
        return ImageStream(path, "train", **options), ImageStream(path, "test", **options)
    return tuple(load(config.dataset, split, root=root, **config.dataset_options) for split in ("train", "test"))


def features_of(
    loaded: Loaded,
    images: ImageSet | ImageStream,
    view: ViewConfig,
    *,
    device: torch.device | str,
    progress: Callable[[int], Any] | None = None,
) -> Float[Tensor, "n f"]:
    """Features of a set, float32 on the CPU. progress: called with the number of images of every batch."""
    if isinstance(images, ImageStream):
        if loaded.channels != 3:
            raise WeightsUnusable(f"the weights are for images with {loaded.channels} channel; a stream has 3")
        return stream_features(loaded.encoder, images, view, device=device, progress=progress)
    options = {"channels": loaded.channels, "device": device, "progress": progress}
    return transfer_features(loaded.encoder, images, view, **options)


def write_features(path: str | os.PathLike, sides: Mapping[str, tuple[Tensor, Any]]) -> Path:
    """An .npz of features (N, F) float32 and labels (N,) int64 (where there are some) of every split, and the names of
    the classes; all of it or nothing. sides: split -> (features, its set). `numpy.load` reads it without pickle."""
    path = Path(path)
    arrays: dict[str, np.ndarray] = {}
    for split, (features, images) in sides.items():
        arrays[split] = features.numpy()
        if images.labels is not None:
            arrays[f"{split}_labels"] = images.labels.numpy()
        arrays["classes"] = np.array(images.classes, dtype=str)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path

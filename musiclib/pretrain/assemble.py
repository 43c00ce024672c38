"""From a configuration to its parts (data, views, method), and from a run's folder back to the trained network."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from musiclib import files
from musiclib.config import TrainConfig, method_class
from musiclib.distributed import rank, world_size
from musiclib.encoders import build_encoder
from musiclib.evaluate.features import stream_features
from musiclib.methods.base import Output, build_outside
from musiclib.plugins import is_path
from musiclib.pretrain import checkpoint
from musiclib.pretrain.randomness import local_randomness
from musiclib.schema import build
from musiclib.views import ViewConfig, plain, view_preset

if TYPE_CHECKING:
    from musiclib.datasets.stream import ImageStream


def build_method(
    config: TrainConfig,
    *,
    channels: int,
    samples: int,
    steps: int,
    labels: Tensor | None = None,
    classes: int | None = None,
) -> nn.Module:
    """Encoder and method with fresh weights from torch's global generator (see `local_randomness`).

    labels, classes: handed to a method that asks for them (`supervised`), to no other. The untrained `random` row is a
    module with an encoder and nothing else.
    """
    encoder = build_encoder(config.encoder, channels)
    cls, options = method_class(config.method)
    if cls is None:
        holder = nn.Module()
        holder.encoder = encoder
        return holder
    supervision = {"labels": labels, "classes": classes} if "labels" in inspect.signature(cls).parameters else {}
    chosen = build(options, config.options, f"options of {config.method}")
    if is_path(config.method):
        return build_outside(config.method, cls, encoder, chosen, samples=samples, steps=steps, **supervision)
    return cls(encoder, chosen, samples=samples, steps=steps, **supervision)


def view_configs(config: TrainConfig) -> tuple[ViewConfig, ViewConfig]:
    """The dataset's two view configurations with the overrides of `config.views` in both."""
    checked = build(ViewConfig, config.views, "views")
    changes = {name: getattr(checked, name) for name in config.views}
    return tuple(dataclasses.replace(preset, **changes) for preset in view_preset(config.dataset))


def load_data(config: TrainConfig, root: str | os.PathLike | None, *, evaluate: bool = True) -> tuple[Any, Any]:
    """(training set, held-out set): test set, or with `config.validation` the part cut off the training set.

    Without `evaluate` no held-out set is read at all (None), though `validation` still cuts its part off. A dataset
    named imagenet:PATH is not held in memory: both are `Streamed`.
    """
    from musiclib.datasets import load, validation_split

    if config.dataset.split(":", 1)[0] == "imagenet":
        if config.validation:
            raise ValueError(
                "validation is true; a streamed data set cannot be split, give PATH a train folder without it"
            )
        streamed = Streamed.open(config, "train")
        _refuse_unlabelled(config, streamed, evaluate)
        return streamed, Streamed.open(config, "test") if evaluate else None
    train_set = load(config.dataset, "train", root=root, **config.dataset_options)
    _refuse_unlabelled(config, train_set, evaluate)
    if config.validation:
        train_set, held = validation_split(train_set)
        return train_set, held if evaluate else None
    return train_set, load(config.dataset, "test", root=root, **config.dataset_options) if evaluate else None


def _refuse_unlabelled(config: TrainConfig, train_set: Any, evaluate: bool) -> None:
    """Unlabelled, before anything is trained, when labels will be asked of a set that has none."""
    from musiclib.datasets import Unlabelled

    if train_set.labels is None and (evaluate or config.method == "supervised"):
        what = "the method supervised" if config.method == "supervised" else "a probe"
        raise Unlabelled(
            f"{config.dataset!r} has no labels, which {what} needs: train on it with --no-evaluate (evaluate=False), "
            "and score the encoder on a labelled set"
        )


@dataclass(frozen=True)
class Streamed:
    """A tree of images read by worker processes, with what the loop asks of an `ImageSet`.

    checksum: the stream's identity, of the content of all files; they are read for it once, which costs less than an
    epoch, and again when one of them changes.
    """

    stream: ImageStream
    name: str
    checksum: str
    channels: int = 3

    @classmethod
    def open(cls, config: TrainConfig, split: str) -> Streamed:
        """imagenet:PATH as `config` describes it; `dataset_options` may give the number of `workers`."""
        from musiclib.datasets.stream import ImageStream

        path = Path(config.dataset.partition(":")[2]).expanduser().absolute()
        first, second = view_configs(config)
        same = ("size", "crop_scale", "crop_ratio")
        if any(getattr(first, name) != getattr(second, name) for name in same):
            raise ValueError(f"views of a streamed data set have to share {', '.join(same)}; they differ")
        stream = ImageStream(
            path, split, size=first.size, batch=config.batch, crop_scale=first.crop_scale,
            crop_ratio=first.crop_ratio, seed=config.seed, rank=rank(), world=world_size(), **config.dataset_options,
        )  # fmt: skip
        return cls(stream, config.dataset, stream.identity)

    def __len__(self) -> int:
        return len(self.stream)

    @property
    def identity(self) -> str:
        return self.checksum

    @property
    def labels(self) -> Tensor | None:
        return self.stream.labels

    @property
    def classes(self) -> tuple[str, ...]:
        return self.stream.classes

    def features(self, encoder: nn.Module, view: ViewConfig, device: torch.device) -> Tensor:
        """float32 features (N, F) of the centre crops, in the order of the files; the encoder is left in eval mode."""
        return stream_features(encoder, self.stream, view, device=device, batch=self.stream.batch)


def training_images(train_set: Any, device: torch.device) -> Any:
    """What `musiclib.pretrain.feed.batches` reads: the uint8 images on the device, or the stream of a `Streamed`."""
    return train_set.stream if isinstance(train_set, Streamed) else train_set.images.to(device)


@torch.no_grad()
def try_encoder(encoder: nn.Module, images: UInt8[Tensor, "n c h w"], view: ViewConfig, samples: int = 64) -> None:
    """One forward pass over a few unaugmented images, for its time alone: nothing of the encoder changes."""
    training = encoder.training
    encoder.eval()(plain(images[:samples], view).contiguous(memory_format=torch.channels_last))
    encoder.train(training)


def health_of(method: nn.Module) -> Callable[[Output], dict[str, Any]]:
    """The monitors of one step's embeddings (of process 0's share of the batch), as plain numbers."""
    from musiclib.monitor import watch

    look = watch(method)
    return lambda output: files.jsonable(look(output))


def score(
    encoder: nn.Module | None, train_set: Any, held: Any, view: ViewConfig, config: TrainConfig, device: torch.device
) -> dict[str, Any]:
    """Metrics of the frozen encoder: fitted on the training set, named after the held-out split, fractions in [0, 1].

    encoder: None for raw pixels. Features are taken in float32 whatever precision the run was trained in.
    """
    from musiclib.evaluate import evaluate_features, extract
    from musiclib.evaluate.reference import calibrate, raw_pixels

    if isinstance(train_set, Streamed):
        if encoder is None or config.method == "random":
            raise ValueError(f"method {config.method!r} needs its images in memory; {config.dataset!r} is streamed")
        train, test = (s.features(encoder, view, device) for s in (train_set, held))
    elif encoder is None:
        train, test = raw_pixels(train_set), raw_pixels(held)
    else:
        if config.method == "random":
            calibrate(encoder, train_set.images, view)  # running statistics that no training has set
        train, test = (extract(encoder, s, view, device=device) for s in (train_set, held))
    train, test = train.to(device), test.to(device)  # both probes are matrix products: an accelerator's work
    split = "validation" if config.validation else "test"
    return evaluate_features(train, train_set.labels, test, held.labels, split=split, seed=config.seed)


def load_method(out_dir: str | os.PathLike) -> tuple[nn.Module, TrainConfig]:
    """The whole method of a run (encoder, projector, ...) from its newest checkpoint, in eval mode on the CPU, and
    its configuration."""
    out_dir = Path(out_dir)
    values = files.read_json(out_dir / "config.json")
    if values is None:
        raise FileNotFoundError(
            f"{out_dir / 'config.json'} is missing or unreadable; {out_dir} is not the folder of a run"
        )
    config = TrainConfig.from_dict(values)
    saved = checkpoint.load(out_dir / "checkpoint", owner=config.hash())
    if saved is None:
        raise FileNotFoundError(f"{out_dir} has no checkpoint; the run has not started, or trains nothing (pixels)")
    data = saved["data"]
    with local_randomness(config.seed, torch.device("cpu")):
        steps = data["samples"] // config.batch * config.epochs
        method = build_method(
            config, channels=data["channels"], samples=data["samples"], steps=steps,
            labels=saved["method"].get("labels"), classes=data["classes"],
        )  # fmt: skip
    method.load_state_dict(saved["method"])
    return method.eval(), config


def load_encoder(out_dir: str | os.PathLike) -> tuple[nn.Module, TrainConfig]:
    """The encoder of a run from its newest checkpoint, in eval mode on the CPU, and the run's configuration."""
    method, config = load_method(out_dir)
    return method.encoder, config

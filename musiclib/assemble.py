"""From a configuration to its parts (data, views, method), and from a run's folder back to the trained network."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from musiclib import checkpoint, record
from musiclib.config import TrainConfig, build, method_class
from musiclib.encoders import build_encoder
from musiclib.method import Output
from musiclib.training import local_randomness
from musiclib.views import ViewConfig, view_preset


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
    return cls(encoder, chosen, samples=samples, steps=steps, **supervision)


def view_configs(config: TrainConfig) -> tuple[ViewConfig, ViewConfig]:
    """The dataset's two view configurations with the overrides of `config.views` in both."""
    checked = build(ViewConfig, config.views, "views")
    changes = {name: getattr(checked, name) for name in config.views}
    return tuple(dataclasses.replace(preset, **changes) for preset in view_preset(config.dataset))


def load_data(config: TrainConfig, root: str | os.PathLike | None, *, evaluate: bool = True) -> tuple[Any, Any]:
    """(training set, held-out set): test set, or with `config.validation` the part cut off the training set.

    Without `evaluate` no held-out set is read at all (None), though `validation` still cuts its part off.
    """
    from musiclib.datasets import load, validation_split

    train_set = load(config.dataset, "train", root=root, **config.dataset_options)
    if config.validation:
        train_set, held = validation_split(train_set)
        return train_set, held if evaluate else None
    return train_set, load(config.dataset, "test", root=root, **config.dataset_options) if evaluate else None


def training_images(train_set: Any, device: torch.device) -> Any:
    """What `musiclib.training.batches` reads: the uint8 images on the device, or a reader with a method `crops`."""
    return train_set if hasattr(train_set, "crops") else train_set.images.to(device)


def health_of(method: nn.Module) -> Callable[[Output], dict[str, Any]]:
    """The monitors of one step's embeddings (of process 0's share of the batch), as plain numbers."""
    from musiclib.monitor import watch

    look = watch(method)
    return lambda output: record.jsonable(look(output))


def score(
    encoder: nn.Module | None, train_set: Any, held: Any, view: ViewConfig, config: TrainConfig, device: torch.device
) -> dict[str, Any]:
    """Metrics of the frozen encoder: fitted on the training set, named after the held-out split, fractions in [0, 1].

    encoder: None for raw pixels. Features are taken in float32 whatever precision the run was trained in.
    """
    from musiclib.evaluate import evaluate_features, extract
    from musiclib.evaluate.reference import calibrate, raw_pixels

    if encoder is None:
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
    values = record.read_json(out_dir / "config.json")
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

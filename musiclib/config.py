"""What one pre-training run is: a frozen dataclass, readable from YAML, with a hash that names the run.

Two runs with the same hash are meant to give the same numbers on the same machine with the same number of threads, so
the hash covers everything that can change a number and nothing else: where the data lie, the device, the threads, the
progress display and the checkpoint interval are arguments of `musiclib.pretrain.run`, not fields here. Method options
enter the hash with their defaults filled in: a changed default is a different run, and spelling a default out is the
same run.

A configuration file holds the fields by name:

    method: music
    dataset: cifar10
    epochs: 8
    options: {segments: 32, units: 16}
    views: {flip: 0.0}
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from musiclib.plugins import is_outside, is_path, source, unchanged
from musiclib.schema import NotYaml, build, canonical, check_types, read_mapping, read_yaml

UNTRAINED = ("random", "pixels")
"""Reference rows without training: a randomly initialised encoder, and the flattened images themselves."""

OPTIMISER_DEFAULTS = {
    # peak learning rate per 256 samples, weight decay
    "adamw": (1.0e-3, 1.0e-4),  # robust without tuning in short runs
    "sgd": (0.1, 5.0e-4),  # the CIFAR-10 recipe of the method's follow-up code: peak 0.2 at batch 512
    "lars": (0.6, 1.0e-6),  # its ImageNet recipe: peak 4.8 at batch 2048
}


@dataclass(frozen=True)
class TrainConfig:
    """One pre-training run. Unknown names, wrong types and impossible values are errors that name the field."""

    method: str = "music"
    """A name in `musiclib.methods.METHODS`, `supervised` (cross-entropy, a reference row), `random` or `pixels`, or
    package.module:Class from outside."""
    options: dict[str, Any] = field(default_factory=dict)
    """Fields of the method's own options dataclass; what is not named keeps its default."""
    dataset: str = "cifar10"
    """A name that `musiclib.datasets.load` knows, package.module:load among them, or imagenet:PATH, a tree that worker
    processes stream."""
    dataset_options: dict[str, Any] = field(default_factory=dict)
    """Further keyword arguments of `musiclib.datasets.load`."""
    encoder: str = "compact"
    """A name in `musiclib.encoders.ENCODERS`, package.module:factory or timm:NAME. compact: what two CPU cores can
    train in minutes."""
    epochs: int = 8
    """Passes over the training set. 8 passes of the compact encoder over CIFAR-10 take minutes on two cores."""
    batch: int = 512
    """Samples a step, over all processes; each gives two views. A last batch that would be shorter is dropped."""
    optimiser: Literal["adamw", "sgd", "lars"] = "adamw"
    lr: float | None = None
    """Peak learning rate *per 256 samples*: the peak is lr * batch / 256. None: the usual value of the optimiser."""
    weight_decay: float | None = None
    """Not applied to parameters with one dimension (biases, norms). None: the usual value of the optimiser."""
    decay_all: bool = False
    """Whether those with one dimension decay too, as in the CIFAR-10 recipe of the method's follow-up code."""
    warmup_epochs: float = 1.0
    """Linear rise from zero. Long enough for batch statistics to settle, short enough for runs of a few epochs."""
    final_lr: float = 0.001
    """The cosine ends at this fraction of the peak."""
    seed: int = 0
    """Names weights, order and views at once; three or more seeds make a table."""
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    """Autocast of the forward pass; weights, optimiser state and joint distributions stay float32. bfloat16 has the
    range of float32, so no loss scaling is needed, and it halves the time on processors that multiply it."""
    compile: bool = False
    """torch.compile the encoder: pays in runs of many minutes, costs about a minute at the start."""
    deterministic: bool = False
    """CUDA only: deterministic cuDNN kernels instead of the fastest ones. On the CPU runs repeat bit for bit anyway."""
    views: dict[str, Any] = field(default_factory=dict)
    """Fields of `musiclib.views.ViewConfig` that replace those of the dataset's preset, in both views."""
    validation: bool = False
    """Train on the training set minus a stratified tenth and evaluate on that tenth; the test set is not even read.
    Hyper-parameters are chosen this way."""

    watch: int | None = None
    """How many epochs are scored by nearest neighbours on a held-out part of the training set, into the curve. None:
    as many as cost 2 % of the run, ten at most (`musiclib.pretrain.accuracy`)."""

    plugins: dict[str, str] = field(default_factory=dict)
    """Of a stored run: what comes from outside, by name, and its source (`musiclib.plugins.source`). Filled in by
    `resolved`; given and no longer true, it is an error."""

    def __post_init__(self) -> None:
        check_types(self, "TrainConfig")
        lr, decay = OPTIMISER_DEFAULTS[self.optimiser]
        object.__setattr__(self, "lr", lr if self.lr is None else self.lr)
        object.__setattr__(self, "weight_decay", decay if self.weight_decay is None else self.weight_decay)
        if self.method in UNTRAINED:
            object.__setattr__(self, "epochs", 0)
        rules = {
            "epochs": (self.epochs >= 0, "at least 0"),
            "batch": (self.batch >= 2, "at least 2, because batch statistics of one sample say nothing"),
            "lr": (self.lr > 0, "above 0"),
            "weight_decay": (self.weight_decay >= 0, "at least 0"),
            "warmup_epochs": (self.warmup_epochs >= 0, "at least 0"),
            "final_lr": (0 <= self.final_lr <= 1, "between 0 and 1, a fraction of the peak"),
            "seed": (0 <= self.seed < 2**31, "between 0 and 2**31 - 1"),
            "watch": (self.watch is None or self.watch >= 0, "at least 0, or null for the rule"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise ValueError(f"TrainConfig.{name} is {getattr(self, name)!r}; it has to be {rule}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """A configuration from plain values; ValueError for an unknown name, TypeError for a wrong type."""
        return build(cls, values, "TrainConfig")

    @classmethod
    def from_yaml(cls, path: str | Path) -> TrainConfig:
        """Read a YAML file of fields; an empty file is the default configuration."""
        return cls.from_dict(read_mapping(path, empty=True))

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values, `plugins` only where there are some; `from_dict` gives the same configuration
        back."""
        values = json.loads(canonical(dataclasses.asdict(self)))
        if not self.plugins:
            del values["plugins"]
        return values

    def resolved(self) -> TrainConfig:
        """The same run with every default of the method's options and the source of every plug-in written out; errors
        for options it does not have, and for a plug-in that is missing or has changed."""
        outside = {
            name: source(name, what)
            for what, name in (("method", self.method), ("encoder", self.encoder), ("dataset", self.dataset))
            if is_outside(name)
        }
        unchanged(self.plugins, outside)
        _, options = method_class(self.method)
        filled = (
            {} if options is None else dataclasses.asdict(build(options, self.options, f"options of {self.method}"))
        )
        if options is None and self.options:
            raise ValueError(f"method {self.method!r} takes no options; got {sorted(self.options)}")
        return dataclasses.replace(self, options=json.loads(canonical(filled)), plugins=outside)

    def hash(self) -> str:
        """12 hexadecimal digits of the SHA-256 of the resolved configuration.

        The source of a plug-in is part of it: a changed source is another run. `watch` and `decay_all` count only where
        they are asked for, so that runs that were made before they existed keep their names; so does an
        option whose field is marked `later`.
        """
        values = self.resolved().to_dict()
        for name, unasked in (("watch", None), ("decay_all", False)):
            if values[name] == unasked:
                del values[name]
        _, options = method_class(self.method)
        for f in dataclasses.fields(options) if options else ():
            if f.metadata.get("later") and values["options"][f.name] == f.default:
                del values["options"][f.name]
        return hashlib.sha256(canonical(values).encode()).hexdigest()[:12]

    def peak_lr(self) -> float:
        """lr * batch / 256, for every optimiser alike."""
        return self.lr * self.batch / 256


def method_class(name: str) -> tuple[type | None, type | None]:
    """The method's class and options class; (None, None) for the untrained reference rows."""
    if name in UNTRAINED:
        return None, None
    if is_path(name):
        from musiclib.methods.base import outside_method

        return outside_method(name)
    from musiclib.methods import METHODS

    if name == "supervised" and name not in METHODS:
        from musiclib.methods.supervised import Supervised, SupervisedOptions

        return Supervised, SupervisedOptions
    if name not in METHODS:
        known = ", ".join([*METHODS, "supervised", *UNTRAINED, "package.module:Class"])
        raise ValueError(f"method {name!r} is not known; it has to be one of: {known}")
    return METHODS[name]


def override(values: dict[str, Any], assignments: list[str]) -> dict[str, Any]:
    """`values` with `KEY=VALUE` assignments; a dotted key reaches into options, views or dataset_options.

    The value is YAML: `lr=1e-3`, `validation=true`, `options.projector=[1024]`. The text after the first `=` is the
    value, so it may hold further ones.
    """
    values = json.loads(json.dumps(values))
    for text in assignments:
        key, separator, value = text.partition("=")
        head, *rest = key.strip().split(".")
        if not separator or not head or len(rest) > 1 or "" in rest:
            raise ValueError(f"--set {text!r}: write KEY=VALUE or options.KEY=VALUE")
        if rest and head not in ("options", "views", "dataset_options"):
            raise ValueError(f"--set {text!r}: only options, views and dataset_options have names inside, not {head!r}")
        target = values.setdefault(head, {}) if rest else values
        try:
            target[rest[0] if rest else head] = read_yaml(value)
        except NotYaml as error:
            raise ValueError(f"--set {text!r}: {error}") from None
    return values

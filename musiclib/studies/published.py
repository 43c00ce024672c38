"""Numbers that others have published in comparable settings, each with its source, and what differs from a run of ours.

The numbers are data (published.yaml), copied as their sources print them. A published number is no result of this
project and no target of any rule: protocols differ, and `differences` says in what.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from musiclib.schema import build, read_yaml

FILE = Path(__file__).with_name("published.yaml")
PROBES = {
    "linear/test/top1": "logistic regression on frozen features of the last epoch",
    "knn/test/top1": "kNN with k = 20, temperature 0.07, on frozen features of the last epoch",
}
"""This project's probes, in the words that a published probe is set against."""


@dataclass(frozen=True)
class Source:
    """One published table. where: repository and state, or page. metric: the metric of ours that comes nearest.
    batch: None where the source does not say. also: further differences of the protocol."""

    where: str
    encoder: str
    epochs: int
    batch: int | None
    metric: str
    probe: str
    also: str


@dataclass(frozen=True)
class Published:
    """One number: value in [0, 1]. name: what the source calls the method."""

    source: str
    dataset: str
    method: str
    name: str
    value: float
    protocol: Source


@cache
def _all() -> tuple[Published, ...]:
    text = read_yaml(FILE.read_text(encoding="utf-8"))
    sources = {name: build(Source, values, f"sources.{name}") for name, values in text["sources"].items()}
    return tuple(
        Published(source, dataset, method, name, value, sources[source])
        for source, sets in text["numbers"].items()
        for dataset, methods in sets.items()
        for method, (name, value) in methods.items()
    )


def published(dataset: str) -> list[Published]:
    """All published numbers for a data set, in the order of the file; [] where none was found."""
    return [p for p in _all() if p.dataset == dataset]


def differences(theirs: Source, ours: Mapping[str, Any]) -> str:
    """In what their protocol differs from a run of ours. ours: the run's configuration, as in its record."""
    found = []
    for name in ("encoder", "epochs", "batch"):
        value = getattr(theirs, name)
        if value is None:
            found.append(f"{name}: not stated, ours {ours[name]}")
        elif value != ours[name]:
            times = f" ({round(value / ours[name], 1):g} times ours)" if name == "epochs" and ours[name] else ""
            found.append(f"{name}: {value}{times}, ours {ours[name]}")
    if theirs.metric not in PROBES:
        raise ValueError(f"metric={theirs.metric!r}: expected one of {', '.join(PROBES)}")
    return "; ".join([*found, f"{theirs.probe}, ours {PROBES[theirs.metric]}", theirs.also])


def gap(value: float, ours: Mapping[int, float]) -> float:
    """Their number minus the mean of ours, both fractions; NaN without a run of ours."""
    return value - sum(ours.values()) / len(ours) if ours else math.nan

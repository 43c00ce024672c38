"""The cells of the map: what is varied, which run a cell is, and the order of the runs, written before any of them.

A *cell* is one run: a test bench, a kind of views, the invariance weight c, S, K, batch, epochs, encoder, method,
remedy and seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from musiclib.config import TrainConfig
from musiclib.studies.ablations import scaled_views

WEIGHTS = (0.0, 0.1, 0.3, 1.0, 3.0)
"""The invariance weights c of the map; 0 and 1 are the two rows of MUSIC."""

BENCHES: dict[str, dict[str, Any]] = {
    # as many segments as factors and as many units as values: the perfect attribute code attains the bound
    "wide": {"dataset": "attributes_wide", "segments": 6, "units": 4, "lr": 8e-3},
    # the setting of notebook 09
    "attributes": {"dataset": "attributes", "segments": 16, "units": 8, "lr": 8e-3},
    # no factors: redundancy and labels only
    "cifar10": {"dataset": "cifar10", "segments": 32, "units": 16, "lr": 3e-3},
}
_STILL = {"flip": 0.0, "jitter_p": 0.0, "grey_p": 0.0}
VIEWS: dict[str, dict[str, Any]] = {
    "none": {"crop_scale": [1.0, 1.0], "crop_ratio": [1.0, 1.0], **_STILL},
    "crop": dict(_STILL),
    "gentle": {"crop_scale": [0.7, 1.0], **_STILL},
    "standard": {},
    "strong": scaled_views("attributes", 1.5),
}
"""Changes to a bench's views. none: two identical images; crop, gentle: no colours, no flip, crops of at least 40 % and
70 % of the area; standard: the preset; strong: everything half as strong again."""

REMEDIES: dict[str, dict[str, Any]] = {
    "ramp": {"invariance_ramp": 0.5},
    "small logits": {"logit_scale": 0.1},
    "large logits": {"logit_scale": 5.0},
    "normalised": {"normalise": True, "temperature": 0.2},
    "off-diagonal 4": {"off_diagonal_weight": 4.0},
    "K times 4": {},  # the units of the bench times 4, see `config_of`
}
"""What a practitioner might switch on against redundant segments: name -> options of MUSIC."""

PEERS: dict[str, dict[str, Any]] = {
    "barlow_twins": {"projector": [512, 512, 512]},
    "vicreg": {"projector": [512, 512, 512]},
    "simclr": {"projector": [512, 128]},
    "swav": {"projector": [512, 128], "prototypes": 128, "queue": 0},
}
"""Methods whose features are product-quantised to codes of the bench's size, with projectors for a small encoder."""


@dataclass(frozen=True)
class Cell:
    """One run of the map. segments, units: None for those of the bench. ceiling: supervised ceilings in place of it.
    third: weight of a third-order term, the control of `musiclib.studies.third_order`."""

    bench: str = "wide"
    views: str = "standard"
    c: float = 1.0
    seed: int = 0
    segments: int | None = None
    units: int | None = None
    batch: int = 128
    epochs: int = 12
    encoder: str = "tiny"
    method: str = "music"
    remedy: str = ""
    samples: int = 4096
    ceiling: bool = False
    third: float = 0.0

    def __post_init__(self) -> None:
        known = {"bench": BENCHES, "views": VIEWS, "remedy": {"": {}, **REMEDIES}, "method": {"music": {}, **PEERS}}
        for name, choices in known.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r}: one of {', '.join(map(repr, choices))}")

    @property
    def size(self) -> tuple[int, int]:
        """S and K of the code."""
        bench = BENCHES[self.bench]
        k = self.units or bench["units"] * (4 if self.remedy == "K times 4" else 1)
        return self.segments or bench["segments"], k


def config_of(cell: Cell) -> TrainConfig:
    """The training run of a cell; for a ceiling the configuration that it is the ceiling of."""
    segments, units = cell.size
    options = PEERS.get(cell.method)
    if options is None:
        options = {"segments": segments, "units": units, "projector": [256], "invariance_weight": float(cell.c)}
        options |= REMEDIES.get(cell.remedy, {})
    return TrainConfig.from_dict(
        {
            "method": cell.method, "options": options, "dataset": BENCHES[cell.bench]["dataset"],
            "dataset_options": {"samples": cell.samples}, "encoder": cell.encoder, "epochs": cell.epochs,
            "batch": cell.batch, "lr": BENCHES[cell.bench]["lr"], "seed": cell.seed, "views": VIEWS[cell.views],
        }
    )  # fmt: skip


def plan(seeds: Sequence[int] = (0, 1, 2)) -> dict[str, list[Cell]]:
    """The stages of the map in the order in which they are run: name -> cells.

    The first six answer which c, which views, which K and whether patience changes the answer; the others move one
    thing each at c = 0 and 1. patience: see `musiclib.studies.segment_map.settled`.
    """
    two, others, both, between = ("standard", "gentle"), ("none", "crop", "strong"), (0.0, 1.0), (0.1, 0.3, 3.0)

    def cells(**axes: Iterable[Any]) -> list[Cell]:
        found: list[dict[str, Any]] = [{}]
        for name, values in {"seed": seeds, **axes}.items():
            found = [{**f, name: value} for f in found for value in values]
        return [Cell(**f) for f in found]

    cifar = {"bench": ("cifar10",), "samples": (10_000,), "batch": (256,)}
    return {
        "ceilings": cells(seed=seeds[:1], views=VIEWS, ceiling=(True,)),
        "weights": cells(views=two, c=WEIGHTS),
        "third order": cells(views=two, c=both, third=(1.0,)),
        "views": cells(views=others, c=both),
        "units": cells(views=two, c=both, units=(8, 16)),
        "patience": cells(epochs=(24,), views=two, c=both),
        "peers": cells(views=two, method=PEERS),
        "more patience": cells(epochs=(48,), views=two, c=both),
        "remedies": cells(remedy=REMEDIES),
        "bench of notebook 09": cells(bench=("attributes",), views=two, c=both),
        "weights under other views": cells(views=others, c=between),
        "segments": cells(views=two, c=both, segments=(16, 32)),
        "batch": cells(views=two, c=both, batch=(512,)),
        "two units": cells(views=two, c=both, units=(2,)),
        "encoder": cells(c=both, encoder=("compact",)),
        "cifar10": cells(**cifar, c=both) + cells(**cifar, remedy=REMEDIES),
        "ceilings of other seeds": cells(seed=seeds[1:], views=VIEWS, ceiling=(True,)),
        "most patience": cells(epochs=(96,), views=two, c=both),
    }

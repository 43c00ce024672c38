"""Many methods in one loop: the configurations of a comparison, their runs, and what may be said of them.

    plan = rows(["music", "simclr"], shared=shared, epochs=8, lr=3e-3, optimiser="adamw", settings=tuned)
    runs = train(nb, plan, seed=0, seeds=3)
    gain = paired_difference(runs.values("linear/test/top1")["music"], runs.values("linear/test/top1")["simclr"])
    decided(gain)                                     # True, False, or None: not decided

A run that fails is kept as a failure, and the other rows go on: a comparison of ten is worth having.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from musiclib.config import TrainConfig
from musiclib.datasets import DatasetMissing
from musiclib.methods import METHODS
from musiclib.methods.names import VARIANTS, method_of
from musiclib.plugins import is_path
from musiclib.pretrain.accuracy import PROBE
from musiclib.pretrain.loop import Stopped
from musiclib.statistics import LEVEL, Interval, holm, p_value, paired_difference

if TYPE_CHECKING:
    from musiclib.studies.results import Results

SETTINGS = ("lr", "options", "method", "weight_decay", "decay_all")
"""What a row may have of its own."""

LEAST_SEEDS = 3
"""Fewer pairs of runs than this decide nothing."""


def rows(
    methods: Sequence[str],
    *,
    shared: Mapping[str, Any],
    epochs: int,
    lr: float,
    optimiser: str,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    supervised_epochs: int = 0,
    warmup: float = 1.0,
) -> dict[str, dict[str, Any]]:
    """The configurations of a comparison without seed: row -> fields of `TrainConfig`.

    Rows in the order given, then random, pixels and supervised. methods: rows of `musiclib.methods.names`, methods from
    outside by dotted path (package.module:Class), or labels of the caller's own, whose settings then say which method
    they train: one method may stand twice. shared: what a
    fair comparison holds fixed (data set, encoder, batch, views). settings: row -> {"lr": ..., "options": {...}}, what
    tuning has chosen, in place of `lr` and the method's defaults, "weight_decay" and "decay_all" in place of the
    optimiser's, and "method" for a label; rows that are not run may have some. supervised_epochs: 0 for as many as the
    methods. warmup: epochs in which the rate rises, of all trained rows. Notebooks that want the same row get the same
    configuration here, and so the same run.
    """
    settings = settings or {}
    known = [*METHODS, *VARIANTS]
    unknown = [m for m in methods if m not in known and not is_path(m) and "method" not in settings.get(m, {})]
    if unknown or len(set(methods)) != len(methods):
        raise ValueError(
            f"methods={list(methods)}: each once, out of {', '.join(known)}, package.module:Class, or a label whose "
            "settings name its method"
        )
    for name, chosen in settings.items():
        if name not in known and not is_path(name) and name != "supervised" and "method" not in chosen:
            raise ValueError(f"settings has {name!r}; the names are: {', '.join([*known, 'supervised'])}")
        if extra := [k for k in chosen if k not in SETTINGS]:
            raise ValueError(f"settings[{name!r}] has {sorted(extra)}; the names are: {', '.join(SETTINGS)}")
    found: dict[str, dict[str, Any]] = {}
    for name in [*methods, "random", "pixels", "supervised"]:
        if name in ("random", "pixels"):
            found[name] = {**shared, "method": name}
            continue
        chosen = settings.get(name, {})
        trained = method_of(name, **{k: chosen[k] for k in ("method", "options") if k in chosen})
        found[name] = {
            **shared, **trained, "epochs": epochs, "lr": lr, "optimiser": optimiser, "warmup_epochs": warmup,
            **{k: chosen[k] for k in ("lr", "weight_decay", "decay_all") if k in chosen},
        }  # fmt: skip
    found["supervised"]["epochs"] = supervised_epochs or epochs
    return found


@dataclass
class Runs:
    """What a comparison has: configuration and record by (row, seed), and the messages of runs that failed."""

    configs: dict[tuple[str, int], TrainConfig] = field(default_factory=dict)
    records: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    failed: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def rows(self) -> list[str]:
        """All rows that were asked for, in order, those without a finished run included."""
        return list(dict.fromkeys(row for row, _ in self.configs))

    def of(self, row: str) -> dict[int, dict[str, Any]]:
        """The finished records of a row by seed."""
        return {seed: r for (name, seed), r in self.records.items() if name == row}

    def values(self, metric: str) -> dict[str, dict[int, float]]:
        """row -> seed -> metric, for every row that was asked for; a run without that metric is left out."""
        return {
            row: {s: r["metrics"][metric] for s, r in self.of(row).items() if r["metrics"].get(metric) is not None}
            for row in self.rows
        }

    def accuracy(self, row: str) -> dict[int, list[tuple[int, float, float]]]:
        """Held-out accuracy while training, by seed: (epoch, seconds of training, accuracy in [0, 1]) of every epoch
        that was scored; nothing for a row that trains on the held-out labels (supervised)."""
        if row == "supervised":
            return {}
        return {
            seed: [(e["epoch"], e["seconds"], e["accuracy"][PROBE]) for e in r.get("curve", []) if "accuracy" in e]
            for seed, r in self.of(row).items()
        }

    def identity(self, row: str, seed: int) -> str:
        """Names a finished run and not only its configuration: another one once it has been trained anew."""
        return f"{self.configs[row, seed].hash()}, {self.records[row, seed]['time']['started']}"

    def remarks(self, row: str) -> list[str]:
        """What qualifies a row: failed runs and collapsed runs."""
        failed = [s for name, s in self.failed if name == row]
        collapsed = [s for s, r in self.of(row).items() if r["collapsed"]]
        asked = sum(name == row for name, _ in self.configs)
        said = [f"failed in {len(failed)} of {asked} runs (seeds {listed(failed)})"] if failed else []
        return said + (
            [f"collapsed in {len(collapsed)} of {asked} runs (seeds {listed(collapsed)})"] if collapsed else []
        )


def epochs_to_reach(points: Sequence[tuple[int, float, float]], level: float) -> float | None:
    """Epochs until the accuracy of `Runs.accuracy` first reaches `level`, linear between scored epochs; None where no
    scored epoch reaches it. Reached at the first scored epoch: that epoch, an upper bound."""
    before: tuple[int, float] | None = None
    for epoch, _, value in points:
        if value >= level:
            if before is None:
                return float(epoch)
            return before[0] + (epoch - before[0]) * (level - before[1]) / (value - before[1])
        before = epoch, value
    return None


def survives(differences: Mapping[Any, Interval], least: int = LEAST_SEEDS) -> dict[Any, bool]:
    """Which of a family of differences are decided after Holm's correction for the number of them, at 5 % over the
    whole family. A difference of fewer than `least` pairs is never decided and counts as no comparison."""
    compared = {k: p_value(d) if d.n >= least else math.nan for k, d in differences.items()}
    return {k: p <= 1 - LEVEL for k, p in holm(compared).items()}


def listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def configurations(
    plan: Mapping[str, Mapping[str, Any]], *, seed: int, seeds: int, supervised_seeds: int | None = None
) -> dict[tuple[str, int], TrainConfig]:
    """(row, seed) -> configuration. Raw pixels depend on no seed and come once; supervised_seeds: of that row alone,
    None for as many as the others, 0 to leave it out. A misspelt option is an error here, before anything trains."""
    found = {}
    for row, values in plan.items():
        repeats = {"pixels": 1, "supervised": seeds if supervised_seeds is None else supervised_seeds}.get(row, seeds)
        for s in range(seed, seed + repeats):
            found[row, s] = TrainConfig.from_dict({**values, "seed": s})
            found[row, s].hash()  # resolves the options, which checks them
    return found


def train(
    nb: Results,
    plan: Mapping[str, Mapping[str, Any]],
    *,
    seed: int,
    seeds: int,
    supervised_seeds: int | None = None,
    data_root: str = "",
) -> Runs:
    """Train (or find finished) every run of a comparison; failures are kept by message and the next run goes on.

    Two things end the comparison all the same: a missing data set, which no row could do without, and a request to
    stop.
    """
    runs = Runs(configurations(plan, seed=seed, seeds=seeds, supervised_seeds=supervised_seeds))
    for key, config in runs.configs.items():
        try:
            runs.records[key] = nb.train(config, data_root)
        except (Stopped, DatasetMissing):
            raise
        except Exception as error:
            runs.failed[key] = f"{type(error).__name__}: {error}"
    return runs


# ---------------------------------------------------------------- what may be said


def over(values: Mapping[str, Mapping[int, float]], row: str, against: str) -> Interval:
    """Mean of row - against, paired by seed. Raw pixels with a single value have it for every seed."""
    a, b = values.get(row, {}), values.get(against, {})
    if against == "pixels" and len(b) == 1:
        b = dict.fromkeys(a, next(iter(b.values())))
    return paired_difference(a, b)


def decided(difference: Interval, least: int = LEAST_SEEDS) -> bool | None:
    """True where the interval lies above zero, False where it lies below, None where it holds zero or rests on fewer
    than `least` pairs."""
    if difference.n < least or not difference.bounded or difference.low <= 0 <= difference.high:
        return None
    return difference.low > 0


def said(name: str, against: str, difference: Interval, least: int = LEAST_SEEDS) -> str:
    """A sentence about a difference of two fractions, in percentage points."""
    if difference.n == 0:
        return f"{name} and {against} share no finished seed: not compared"
    end = f"; fewer than {least} compare nothing" if difference.n < least else f" over {difference.n} seeds"
    return f"{name} - {against}, points: {points(difference, least)}{end}"


def points(difference: Interval, least: int = LEAST_SEEDS) -> str:
    """A difference of two fractions as a cell: '+0.31 ± 0.20, ahead', '-1.20 (2 seeds)' or '-'."""
    if difference.n == 0:
        return "-"
    if difference.n < least:
        return f"{100 * difference.mean:+.2f} ({difference.n} seed{'s' * (difference.n > 1)})"
    verdict = {True: "ahead", False: "behind", None: "not decided"}[decided(difference, least)]
    return f"{100 * difference.mean:+.2f} ± {100 * difference.half:.2f}, {verdict}"


def markdown(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown; the first column is text, the others are set right."""
    for line in lines:
        if len(line) != len(head):
            raise ValueError(f"line {list(line)} has {len(line)} cells for {len(head)} columns")
    cells = [[str(c).replace("|", "\\|") for c in line] for line in [head, *lines]]
    return "\n".join(
        ["| " + " | ".join(cells[0]) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
        + ["| " + " | ".join(line) + " |" for line in cells[1:]]
    )

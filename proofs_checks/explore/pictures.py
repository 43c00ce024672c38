"""Every exploration as a figure, drawn from its record alone.

As in `musiclib.plots.theory`: a line is a formula, a dot was computed, a grey line is a bound or a landmark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from musiclib.plots.style import Picture
from musiclib.plots.theory import Panel, panels
from musiclib.statistics import t_interval

Row = Mapping[str, Any]
REMEDIES = {
    "none": "Adam, all samples",
    "minibatch": "random half batches",
    "noise": "decaying noise",
    "ramp": "λ ramped up",
    "lbfgs": "L-BFGS",
}


def _where(rows: Iterable[Row], **setting: Any) -> list[Row]:
    return [row for row in rows if all(row["setting"][key] == value for key, value in setting.items())]


def _values(rows: Iterable[Row], name: str) -> list[Any]:
    return sorted({row["setting"][name] for row in rows})


def _steps(gaps: Sequence[float], least: float = 1e-4) -> tuple[list[float], list[float]]:
    """The empirical distribution of gaps: (gap, share of starts at or below it); gaps below `least` are drawn there."""
    ordered = sorted(max(gap, least) for gap in gaps)
    return ordered, [(i + 1) / len(ordered) for i in range(len(ordered))]


def floor(rows: Sequence[Row]) -> Picture:
    """How low the loss was brought at N = 512, K = 32, S = 32, between what is proven from both sides."""
    drawn = []
    for lam in _values(rows, "lam"):
        own = _where(rows, lam=lam)
        dots = {f"from {r['setting']['start']}": ([r["mean_peak"]], [r["best_loss"]]) for r in own}
        levels = {
            "no one-hot code below": own[0]["hard_floor"],
            "no code at all below": own[0]["lower_bound"],
            "−3 log K": own[0]["perfect_loss"],
        }
        drawn.append(
            Panel(
                "mean of the largest probability (1: one-hot)", "lowest loss found (nats)", dots=dots, levels=levels,
                title=f"N = 512, K = 32, S = 32, λ = {lam:g}", levels_at=0.02, ylim=(levels["−3 log K"] - 0.1, -9.3),
                legend="center right" if not drawn else None,
            )
        )  # fmt: skip
    return panels(*drawn)


def softness(rows: Sequence[Row]) -> Picture:
    """How far below every one-hot code the best code found lies, and how soft it is, against N / K^2."""
    gain: dict[str, Any] = {}
    peak: dict[str, Any] = {}
    for units in _values(rows, "units"):
        for lam in _values(rows, "lam"):
            own = _where(rows, units=units, lam=lam)
            few = min(_values(own, "segments"))
            own = sorted(_where(own, segments=few), key=lambda r: r["share_of_cells"])
            x, name = [r["share_of_cells"] for r in own], f"K = {units}, S = {few}, λ = {lam:g}"
            gain[name] = (x, [r["gain_over_hard"] for r in own])
            peak[name] = (x, [r["mean_peak"] for r in own])
    share = "samples per pair of units, N / K²"
    return panels(
        Panel(share, "gain over the best one-hot code (nats)", dots=gain, levels={"one-hot is best": 0.0}),
        Panel(share, "mean of the largest probability", dots=peak, levels={"one-hot": 1.0}, legend=None),
    )


def minima(rows: Sequence[Row]) -> Picture:
    """From random starts at K = 4, S = 5: which share ends within a given gap of the optimum, by scale and remedy."""
    own = _where(rows, units=4, segments=5, copies=1, starts=40)
    plain, first = _where(own, remedy="none", lam=0.0), _where(own, scale=0.1)
    scales = {f"scale {s:g}": _steps(_where(plain, scale=s)[0]["gaps"]) for s in _values(plain, "scale")}
    axes = {"xlabel": "gap to −3 log K (nats)", "ylabel": "share of starts", "log_x": True, "ylim": (0.0, 1.02)}
    drawn = [Panel(dots=scales, title="initial scale, λ = 0", **axes)]
    for lam in (0.0, 1.0):
        found = {}
        for remedy, name in REMEDIES.items():
            those = sorted(_where(first, remedy=remedy, lam=lam), key=lambda r: r["setting"]["steps"])
            for row in those:
                longer = f", {row['setting']['steps']} steps" if len(those) > 1 else ""
                found[name + longer] = _steps(row["gaps"])
        drawn.append(Panel(dots=found, title=f"remedies, λ = {lam:g}", **axes))
    return panels(*drawn)


def reversal(rows: Sequence[Row]) -> Picture:
    """Along codes between uniform and one-hot: which a batch prefers, and when it pushes away from one-hot."""
    share, drawn = "samples per pair of units, N / K²", []
    for lam in _values(rows, "lam"):
        dots = {}
        for units in _values(rows, "units"):
            own = sorted(_where(rows, units=units, lam=lam), key=lambda r: r["share_of_cells"])
            x, y = [r["share_of_cells"] for r in own], [r["best_r"] for r in own]
            dots[f"K = {units}"] = (x, y, [2 * r["best_r_error"] for r in own])
        drawn.append(
            Panel(
                share, "r that the batch loss prefers", dots=dots, log_x=True, title=f"λ = {lam:g}",
                levels={"one-hot": 1.0}, uprights={"N = K²": 1.0}, legend="lower right",
            )
        )  # fmt: skip
    units = max(_values(rows, "units"))
    own = sorted(_where(rows, units=units, lam=0.0), key=lambda r: r["share_of_cells"])
    x = [r["share_of_cells"] for r in own]
    drawn.append(
        Panel(
            share, "dL/dr at r = 0.9 (nats)", log_x=True, title=f"K = {units}, λ = 0",
            lines={"first order in 1/N (C31)": (x, [r["first_order_slope_at_0.9"] for r in own])},
            dots={"mean over batches": (x, [r["slope_at_0.9"] for r in own])},
            levels={"above: away from one-hot": 0.0}, uprights={"N = K²": 1.0},
            ylim=(-8, 4 * max(abs(r["slope_at_0.9"]) for r in own)),
        )
    )  # fmt: skip
    return panels(*drawn)


def batch_training(rows: Sequence[Row]) -> Picture:
    """Free codes of M = 8 K^2 samples trained on batches of N: what they leave to be desired on all samples."""

    def against_batch(name: str) -> dict[str, Any]:
        series = {}
        for lam in _values(rows, "lam"):
            sizes = _values(rows, "samples")
            means = [t_interval([r[name] for r in _where(rows, lam=lam, samples=n)]) for n in sizes]
            x = [_where(rows, samples=n)[0]["share_of_cells"] for n in sizes]
            series[f"λ = {lam:g}"] = (x, [m for m, _ in means], [0.0 if math.isnan(h) else h for _, h in means])
        return series

    share = "samples per pair of units in a batch, N / K²"
    ideal = sorted({(r["share_of_cells"], r["batch_reading_of_ideal_codes"]) for r in rows})
    common = {"log_x": True, "ticks": [x for x, _ in ideal], "uprights": {"N = K²": 1.0}}
    gaps = common | {"log_y": True, "y_ticks": (0.01, 0.03, 0.1, 0.3, 1, 3), "ylim": (0.002, 4)}
    return panels(
        Panel(
            share, "gap of the soft codes (nats)", dots=against_batch("soft_gap"), legend="lower left",
            lines={"what ideal codes read in one batch (C28)": tuple(zip(*ideal, strict=True))}, **gaps,
        ),
        Panel(
            share, "gap of the argmax codes (nats)", dots=against_batch("hard_gap"), legend=None, **gaps,
        ),
        Panel(
            share, "mean of the largest probability", dots=against_batch("mean_peak"), legend=None,
            levels={"one-hot": 1.0}, **common,
        ),
    )  # fmt: skip


FIGURES: dict[str, Callable[[Sequence[Row]], Picture]] = {
    "floor": floor,
    "softness": softness,
    "minima": minima,
    "reversal": reversal,
    "batch_training": batch_training,
}

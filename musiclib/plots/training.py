"""Figures of a training run: the loss and its terms over the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from musiclib.plots.style import OKABE_ITO, Picture, fixed_style, grey_levels, mean_curve, picture, tidy


def term_bounds(units: int) -> dict[str, float]:
    """Least value of each term of MUSIC, in nats, for K >= 3: diagonal -log K, off_diagonal -2 log K, invariance 0."""
    return {"diagonal": -math.log(units), "off_diagonal": -2 * math.log(units), "invariance": 0.0}


@fixed_style()
def loss_curves(
    curves: Sequence[Sequence[Mapping[str, float]]],
    *,
    terms: Sequence[str] = (),
    landmarks: Mapping[str, float] | None = None,
    bounds: Mapping[str, float] | None = None,
    unit: str = "nats",
) -> Picture:
    """The loss over epochs beside its landmarks, and each of its terms beside its bound.

    curves: one a run (the `curve` of its record), each a list of entries with 'epoch', 'loss' and the terms. Runs are
    drawn thin, their mean thick (over the epochs that all runs have). landmarks: horizontal lines through the
    loss, e.g. `monitor.collapse_values`. bounds: one line a term, e.g. `term_bounds`.
    """
    if not curves or not all(curves):
        raise ValueError("curves: needs at least one run with at least one epoch")
    figure = picture(4.8 + 2.6 * len(terms), 3.4)
    panels = figure.subplots(1, 1 + len(terms), width_ratios=[1.7, *[1] * len(terms)], squeeze=False)[0]
    for place, (name, axes) in enumerate(zip(["loss", *terms], panels, strict=True)):
        colour = OKABE_ITO[place % len(OKABE_ITO)]
        runs = [([e["epoch"] for e in curve], [e[name] for e in curve]) for curve in curves]
        mean_curve(tidy(axes), runs, color=colour, marker="o", markersize=2.5, label=f"mean of {len(runs)} runs")
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"{name.replace('_', ' ')} ({unit})")
        if name in (bounds or {}):  # at the left and below, far from a falling curve
            grey_levels(axes, {f"bound {bounds[name]:.2f}": bounds[name]}, at=0.01, below=True)
    if len(curves) > 1:
        panels[0].legend(frameon=False, fontsize=8)
    grey_levels(panels[0], {f"{name} {value:.2f}": value for name, value in (landmarks or {}).items()})
    return figure

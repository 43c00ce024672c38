"""The one style: colours, settings that no matplotlibrc changes, and the marks and lines that figures share.

Colours are those of Okabe and Ito, which people with colour-blindness can tell apart; heat maps use a purple-orange
scale. Figures do not belong to pyplot, so that none has to be closed; in a notebook a figure shows itself when it is
the value of a cell, and `save_svg` writes it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from musiclib.statistics import Interval, t_interval

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
GREY = "#666666"
DASHES = ((0, (6, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 1)))
MARKS = "osD^vPX*"


def fixed_style() -> AbstractContextManager:
    """Matplotlib's defaults in place of the reader's matplotlibrc: a context, or `@fixed_style()` on what draws."""
    return style.context("default")


class Picture(Figure):
    """A figure without pyplot that a notebook still shows."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with fixed_style():
            self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def picture(width: float, height: float) -> Picture:
    """An empty figure of that size in inches; its axes are placed when it is drawn."""
    with fixed_style():
        return Picture(figsize=(width, height), layout="constrained")


def save_svg(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as SVG; the same figure gives the same file, byte for byte, wherever it is written."""
    path = Path(path)
    with fixed_style(), matplotlib.rc_context({"svg.hashsalt": path.stem}):  # salt of the element ids, else random
        figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None})


def tidy(axes: Axes) -> Axes:
    """Axes without a frame at the top and at the right."""
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def paint(place: int) -> tuple[str, str]:
    """Colour and mark of the series at that place."""
    return OKABE_ITO[place % len(OKABE_ITO)], MARKS[place % len(MARKS)]


def mean_marks(
    axes: Axes,
    place: float,
    values: Sequence[float] | Interval,
    ink: tuple[str, str],
    *,
    upright: bool = False,
    shift: float | None = None,
    least: int = 2,
) -> float:
    """Mean, interval, dots: a mark at the mean with its 95 % t interval, and beside it every run as a faint dot.

    place: on the axis that the values do not use. values: one a run, or an interval known already. ink: colour and
    mark. upright: values along y instead of x. shift: from `place` to the dots of two or more runs, None for no dots.
    least: with fewer values than this the mark is hollow and has no interval. Returns the mean.
    """
    colour, mark = ink
    if isinstance(values, Interval):
        mean, half, n = values.mean, values.half, values.n
    else:
        (mean, half), n = t_interval(values), len(values)
    turn = (lambda along, across: (across, along)) if upright else (lambda along, across: (along, across))
    if shift is not None and n > 1:
        dots = turn(values, np.full(n, place + shift))
        axes.plot(*dots, "o", color=colour, alpha=0.4, markersize=3.5, markeredgewidth=0, zorder=2)
    axes.errorbar(
        *turn(mean, place), fmt=mark, color=colour, markersize=5.5, capsize=2.5, linewidth=1.3, zorder=3,
        markerfacecolor="white" if n < least else colour,
        **{"yerr" if upright else "xerr": None if n < least else half},
    )  # fmt: skip
    return mean


def mean_curve(axes: Axes, runs: Sequence[tuple[Sequence[float], Sequence[float]]], **line: Any) -> None:
    """Runs, each (x, y), as thin lines and their mean, over the x that all have, as a thick one with these options."""
    for x, y in runs if len(runs) > 1 else ():
        axes.plot(x, y, color=line["color"], linestyle=line.get("linestyle", "-"), linewidth=0.7, alpha=0.4)
    length = min(len(x) for x, _ in runs)
    axes.plot(runs[0][0][:length], np.mean([y[:length] for _, y in runs], axis=0), **{"linewidth": 1.6, **line})


def grey_levels(axes: Axes, levels: Mapping[str, float], *, at: float | None = 1.0, below: bool = False) -> None:
    """Horizontal lines for bounds and for what means nothing, one dash each.

    levels: name -> height. at: fraction of the width at which the name stands, on its line or `below` it; None leaves
    the names to the legend.
    """
    for (name, value), dash in zip(levels.items(), cycle(DASHES)):
        label = name if at is None else None
        axes.axhline(value, color=GREY, linewidth=1.0, linestyle=dash, zorder=0, label=label)
        if at is not None:
            axes.annotate(
                name, (at, value), xycoords=("axes fraction", "data"), ha="right" if at > 0.5 else "left",
                va="top" if below else "bottom", fontsize=7.5, color=GREY,
            )  # fmt: skip


def clip_percent(axes: Axes) -> None:
    """End the y axis where accuracies end: an interval of few runs may reach where none lies."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -1), min(high, 101))


def plain_log(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5, written as plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda v, _: f"{v:g}")
    axis.set_minor_formatter(lambda v, _: "")

"""Figures of ablations and of cost: one question a figure, rows side by side, what needs no learning drawn through."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D

from musiclib.intervals import t_interval
from musiclib.plots import DASHES, GREY, OKABE_ITO, Picture, _picture, _tidy

MARKS = "osD^vPX*"
COLLAPSED = OKABE_ITO[7]


def ablation(
    values: Mapping[str, Mapping[str, Mapping[int, float]]],
    *,
    xlabel: str,
    question: str = "",
    base: str | None = None,
    collapsed: Mapping[str, Sequence[int]] | None = None,
    trivial: Mapping[str, Mapping[str, float]] | None = None,
    quantity: str = "top-1 accuracy",
) -> Picture:
    """Rows of a study side by side: for every probe the mean of a row with its 95 % t interval, single runs beside it.

    values: probe -> row -> seed -> accuracy in [0, 1]; rows in the order of the first probe. base: this row is shaded.
    collapsed: row -> seeds of collapsed runs, which get a black cross. trivial: name -> probe -> value, lines in the
    probe's colour. A single run has a hollow mean and no interval; a row without a finished run says so.
    """
    rows = list(dict.fromkeys(row for by_row in values.values() for row in by_row))
    if not rows:
        raise ValueError("values: needs at least one row")
    figure = _picture(3.4 + 0.85 * max(len(rows), 4), 3.7)
    axes = _tidy(figure.subplots())
    if base in rows:
        axes.axvspan(rows.index(base) - 0.42, rows.index(base) + 0.42, color="#eeeeee", linewidth=0, zorder=-1)
    spacing = 0.5 / len(values)
    for place, by_row in enumerate(values.values()):
        colour, mark = OKABE_ITO[place], MARKS[place]
        centre = (place - (len(values) - 1) / 2) * spacing
        means = []
        for x, row in enumerate(rows):
            runs = by_row.get(row, {})
            if not runs:
                continue
            y = 100 * np.array(list(runs.values()))
            mean, half = t_interval(y)
            means.append((x + centre, mean))
            single = math.isnan(half)
            axes.errorbar(
                x + centre, mean, yerr=None if single else half, fmt=mark, color=colour, markersize=6, capsize=3,
                linewidth=1.3, markerfacecolor="white" if single else colour, zorder=3,
            )  # fmt: skip
            dead = set((collapsed or {}).get(row, ()))
            for seed, value in zip(runs, y, strict=True):
                at = x + centre + 0.35 * spacing
                if seed in dead:
                    axes.plot(at, value, "X", color=COLLAPSED, markersize=8, zorder=4)
                else:
                    axes.plot(at, value, "_", color=colour, markersize=7, alpha=0.6, zorder=2)
        axes.plot(*zip(*means, strict=True), color=colour, linewidth=0.7, alpha=0.5, zorder=1) if means else None
    for (_, by_probe), dash in zip((trivial or {}).items(), DASHES, strict=False):
        for place, probe in enumerate(values):
            if probe in by_probe:
                axes.axhline(100 * by_probe[probe], color=OKABE_ITO[place], linewidth=1.0, linestyle=dash, zorder=0)
    for x, row in enumerate(rows):
        if not any(by_row.get(row) for by_row in values.values()):
            axes.annotate(
                "no finished run", (x, 0.03), xycoords=("data", "axes fraction"), rotation=90, ha="center", va="bottom",
                fontsize=8, color=GREY,
            )  # fmt: skip
    axes.set_xticks(range(len(rows)), [textwrap.fill(row, 14) for row in rows])
    axes.set_xlim(-0.6, len(rows) - 0.4)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -1), min(high, 101))  # an interval of few runs may reach where no accuracy lies
    axes.set_xlabel(xlabel)
    axes.set_ylabel(f"{quantity} (%)")
    axes.set_title(textwrap.fill(question, 70), fontsize=10, loc="left")
    handles = [
        Line2D([], [], color=OKABE_ITO[i], marker=MARKS[i], linewidth=0.7, label=probe)
        for i, probe in enumerate(values)
    ]
    handles += [
        Line2D([], [], color=GREY, linestyle=dash, linewidth=1.0, label=name)
        for name, dash in zip(trivial or {}, DASHES, strict=False)
    ]
    handles.append(Line2D([], [], color=GREY, marker="_", linewidth=0, label="a single run"))
    if any((collapsed or {}).values()):
        handles.append(Line2D([], [], color=COLLAPSED, marker="X", linewidth=0, label="a collapsed run"))
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=8)
    return figure

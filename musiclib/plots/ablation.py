"""Figures of ablations and of cost: one question a figure, rows side by side, what needs no learning drawn through."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from musiclib.methods.names import NAMES
from musiclib.plots.style import (
    DASHES,
    GREY,
    MARKS,
    OKABE_ITO,
    Picture,
    clip_percent,
    fixed_style,
    grey_levels,
    mean_marks,
    paint,
    picture,
    plain_log,
    tidy,
)
from musiclib.statistics import t_interval

COLLAPSED = OKABE_ITO[7]


def _seeds(axes: Axes, at: float, runs: Mapping[int, float], series: int, shift: float, dead: Sequence[int]) -> float:
    """Mean and interval of seed -> accuracy in [0, 1], each run a stroke, a collapsed one a cross; gives the mean."""
    mean = mean_marks(axes, at, [100 * value for value in runs.values()], paint(series), upright=True)
    for seed, value in runs.items():
        if seed in dead:
            axes.plot(at + shift, 100 * value, "X", color=COLLAPSED, markersize=8, zorder=4)
        else:
            axes.plot(at + shift, 100 * value, "_", color=paint(series)[0], markersize=7, alpha=0.6, zorder=2)
    return mean


def _entries(series: Sequence[str], trivial: Sequence[str], collapsed: bool) -> list[Line2D]:
    """Legend entries: series by colour and mark, values of no learning by dash, and the cross if there is one."""
    entries = []
    for place, name in enumerate(series):
        colour, mark = paint(place)
        entries.append(Line2D([], [], color=colour, marker=mark, linewidth=0.8, label=NAMES.get(name, name)))
    for name, dash in zip(trivial, DASHES, strict=False):
        entries.append(Line2D([], [], color=GREY, linestyle=dash, linewidth=1.0, label=NAMES.get(name, name)))
    entries.append(Line2D([], [], color=GREY, marker="_", linewidth=0, label="a single run"))
    if collapsed:
        entries.append(Line2D([], [], color=COLLAPSED, marker="X", linewidth=0, label="a collapsed run"))
    return entries


@fixed_style()
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
    figure = picture(3.4 + 0.85 * max(len(rows), 4), 3.7)
    axes = tidy(figure.subplots())
    if base in rows:
        axes.axvspan(rows.index(base) - 0.42, rows.index(base) + 0.42, color="#eeeeee", linewidth=0, zorder=-1)
    spacing = 0.5 / len(values)
    for place, by_row in enumerate(values.values()):
        centre = (place - (len(values) - 1) / 2) * spacing
        means = [
            (x + centre, _seeds(axes, x + centre, by_row[row], place, 0.35 * spacing, (collapsed or {}).get(row, ())))
            for x, row in enumerate(rows)
            if by_row.get(row)
        ]
        axes.plot(*np.reshape(means, (-1, 2)).T, color=paint(place)[0], linewidth=0.7, alpha=0.5, zorder=1)
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
    clip_percent(axes)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(f"{quantity} (%)")
    axes.set_title(textwrap.fill(question, 70), fontsize=10, loc="left")
    handles = _entries(list(values), list(trivial or {}), any((collapsed or {}).values()))
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=8)
    return figure


@fixed_style()
def methods_over(
    values: Mapping[str, Mapping[str, Mapping[float, Mapping[int, float]]]],
    *,
    xlabel: str,
    log_x: bool = False,
    collapsed: Mapping[str, Mapping[float, Sequence[int]]] | None = None,
    trivial: Mapping[str, Mapping[str, float]] | None = None,
    quantity: str = "top-1 accuracy",
) -> Picture:
    """Several methods over one setting, a panel a probe: means with 95 % t intervals, single runs as thin marks.

    values: probe -> method -> setting -> seed -> accuracy in [0, 1]. log_x: the settings are spaced by their logarithm.
    collapsed: method -> setting -> seeds of collapsed runs, black crosses. trivial: name -> probe -> value, grey lines.
    """
    figure = picture(1.2 + 4.1 * len(values), 3.6)
    panels = figure.subplots(1, len(values), squeeze=False)[0]
    names = list(dict.fromkeys(name for by_method in values.values() for name in by_method))
    settings = sorted({x for by_method in values.values() for rows in by_method.values() for x in rows})
    if not settings:
        raise ValueError("values: needs at least one run")
    place = (lambda x: math.log2(x)) if log_x else (lambda x: float(x))
    gaps = [b - a for a, b in itertools.pairwise([place(x) for x in settings])]
    step = 0.09 * min(gaps, default=1.0)
    for (probe, by_method), axes in zip(values.items(), panels, strict=True):
        tidy(axes)
        for rank, name in enumerate(names):
            shift, dead = (rank - (len(names) - 1) / 2) * step, (collapsed or {}).get(name, {})
            means = [
                (place(x) + shift, _seeds(axes, place(x) + shift, runs, rank, 0.4 * step, dead.get(x, ())))
                for x, runs in sorted(by_method.get(name, {}).items())
                if runs
            ]
            axes.plot(*np.reshape(means, (-1, 2)).T, color=paint(rank)[0], linewidth=1.0, alpha=0.6, zorder=1)
        for (_, by_probe), dash in zip((trivial or {}).items(), DASHES, strict=False):
            if probe in by_probe:
                axes.axhline(100 * by_probe[probe], color=GREY, linewidth=1.0, linestyle=dash, zorder=0)
        axes.set_xticks([place(x) for x in settings], [f"{x:g}" for x in settings])
        axes.set_xlabel(xlabel)
        axes.set_ylabel(f"{quantity}, {probe} (%)")
        clip_percent(axes)
    crossed = any(seeds for rows in (collapsed or {}).values() for seeds in rows.values())
    handles = _entries(names, list(trivial or {}), crossed)
    figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(handles)), frameon=False, fontsize=8)
    return figure


@fixed_style()
def cost_over(
    panels: Mapping[str, Mapping[str, Mapping[int, Sequence[float]]]], *, xlabel: str, floor: str = "floor"
) -> Picture:
    """Costs over a size, a panel a quantity, both axes logarithmic: medians, with whiskers from least to greatest.

    panels: axis label -> row -> size -> repeated values. floor: this row is what none can do without; grey, dashed.
    """
    figure = picture(3.5 * len(panels), 3.5)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    names = list(dict.fromkeys(name for rows in panels.values() for name in rows))
    coloured = [name for name in names if name != floor]
    for (label, rows), axes in zip(panels.items(), grid, strict=True):
        tidy(axes)
        for name, by_size in rows.items():
            x = sorted(by_size)
            runs = [np.asarray(by_size[size], dtype=float) for size in x]
            middle = np.array([np.median(r) for r in runs])
            spread = np.array([[m - r.min() for m, r in zip(middle, runs, strict=True)],
                               [r.max() - m for m, r in zip(middle, runs, strict=True)]])  # fmt: skip
            place = coloured.index(name) if name in coloured else 0
            style = (
                {"color": GREY, "linestyle": DASHES[0], "marker": "None"} if name == floor
                else {"color": paint(place)[0], "marker": paint(place)[1]}
            )  # fmt: skip
            # Rows of equal cost lie on one line: the earlier one is the broader, and stays visible below the later.
            axes.errorbar(
                x, middle, yerr=spread if spread.any() else None, capsize=2, elinewidth=1.0, markersize=5,
                linewidth=1.3 if name == floor else max(1.2, 3.6 - 1.2 * place), markerfacecolor="none",
                label=NAMES.get(name, name),
                zorder=3 if name == floor else 2, **style,
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        sizes = sorted({size for by_size in rows.values() for size in by_size})
        axes.set_xticks(sizes, [str(size) for size in sizes], rotation=45 if len(sizes) > 4 else 0)
        axes.xaxis.set_minor_formatter(lambda v, _: "")
        axes.set_xlabel(xlabel)
        axes.set_ylabel(label)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(5, len(labels)), frameon=False, fontsize=8)
    return figure


@fixed_style()
def accuracy_against_cost(
    points: Mapping[str, Sequence[tuple[float, str, Sequence[float]]]],
    *,
    xlabel: str,
    ylabel: str,
    trivial: Mapping[str, float] | None = None,
) -> Picture:
    """What accuracy a cost buys: every trained row a point with its 95 % t interval, named.

    points: method -> (cost, name of the row, accuracies of its runs in [0, 1]). A single run is hollow.
    """
    figure = picture(6.8, 4.0)
    axes = tidy(figure.subplots())
    for place, (method, rows) in enumerate(points.items()):
        colour, mark = paint(place)
        for cost, name, values in rows:
            mean = mean_marks(axes, cost, 100 * np.asarray(values, dtype=float), (colour, mark), upright=True)
            axes.annotate(name, (cost, mean), xytext=(6, 3), textcoords="offset points", fontsize=7, color=colour)
        axes.plot([], [], mark, color=colour, label=NAMES.get(method, method))
    grey_levels(axes, {name: 100 * value for name, value in (trivial or {}).items()}, at=None)
    axes.set_xscale("log")
    plain_log(axes.xaxis)
    axes.margins(x=0.2)
    clip_percent(axes)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(f"{ylabel} (%)")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


@fixed_style()
def response(
    series: Mapping[str, Mapping[float, Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    trivial: Mapping[str, float] | None = None,
    log_x: bool = False,
    percent: bool = True,
) -> Picture:
    """How a quantity responds to a setting: mean line, 95 % t band, every run a dot. For ablations.

    series: name -> {setting: values of the runs}. percent: values are fractions and drawn times 100. trivial:
    horizontal lines. log_x: settings on a logarithmic axis (base 2), for widths and batch sizes.
    """
    figure = picture(5.6, 3.6)
    axes = tidy(figure.subplots())
    scale = 100.0 if percent else 1.0
    markers = cycle(MARKS)
    for (name, by_setting), colour, marker in zip(series.items(), cycle(OKABE_ITO), markers):
        x = sorted(by_setting)
        intervals = [t_interval(scale * np.asarray(by_setting[v], dtype=float)) for v in x]
        mean, half = np.array(intervals).T
        axes.plot(x, mean, color=colour, marker=marker, markersize=4, linewidth=1.6, label=name)
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
        for v in x:
            runs = scale * np.asarray(by_setting[v], dtype=float)
            axes.plot(np.full(len(runs), v), runs, ".", color=colour, alpha=0.4, markersize=4)
    grey_levels(axes, {f"{name} {scale * value:.2f}": scale * value for name, value in (trivial or {}).items()})
    if log_x:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(f"{ylabel} (%)" if percent else ylabel)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8)
    return figure

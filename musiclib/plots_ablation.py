"""Figures of ablations and of cost: one question a figure, rows side by side, what needs no learning drawn through."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from musiclib.intervals import t_interval
from musiclib.names import NAMES
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
        Line2D([], [], color=GREY, linestyle=dash, linewidth=1.0, label=NAMES.get(name, name))
        for name, dash in zip(trivial or {}, DASHES, strict=False)
    ]
    handles.append(Line2D([], [], color=GREY, marker="_", linewidth=0, label="a single run"))
    if any((collapsed or {}).values()):
        handles.append(Line2D([], [], color=COLLAPSED, marker="X", linewidth=0, label="a collapsed run"))
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=8)
    return figure


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
    figure = _picture(1.2 + 4.1 * len(values), 3.6)
    panels = figure.subplots(1, len(values), squeeze=False)[0]
    names = list(dict.fromkeys(name for by_method in values.values() for name in by_method))
    settings = sorted({x for by_method in values.values() for rows in by_method.values() for x in rows})
    if not settings:
        raise ValueError("values: needs at least one run")
    place = (lambda x: math.log2(x)) if log_x else (lambda x: float(x))
    gaps = [b - a for a, b in itertools.pairwise([place(x) for x in settings])]
    step = 0.09 * min(gaps, default=1.0)
    for (probe, by_method), axes in zip(values.items(), panels, strict=True):
        _tidy(axes)
        for rank, name in enumerate(names):
            colour, mark = OKABE_ITO[rank % len(OKABE_ITO)], MARKS[rank % len(MARKS)]
            means = []
            for x, runs in sorted(by_method.get(name, {}).items()):
                if not runs:
                    continue
                at = place(x) + (rank - (len(names) - 1) / 2) * step
                y = 100 * np.array(list(runs.values()))
                mean, half = t_interval(y)
                means.append((at, mean))
                single = math.isnan(half)
                axes.errorbar(
                    at, mean, yerr=None if single else half, fmt=mark, color=colour, markersize=6, capsize=3,
                    linewidth=1.3, markerfacecolor="white" if single else colour, zorder=3,
                )  # fmt: skip
                dead = set((collapsed or {}).get(name, {}).get(x, ()))
                for seed, value in zip(runs, y, strict=True):
                    if seed in dead:
                        axes.plot(at + 0.4 * step, value, "X", color=COLLAPSED, markersize=8, zorder=4)
                    else:
                        axes.plot(at + 0.4 * step, value, "_", color=colour, markersize=7, alpha=0.6, zorder=2)
            if means:
                axes.plot(*zip(*means, strict=True), color=colour, linewidth=1.0, alpha=0.6, zorder=1)
        for (_, by_probe), dash in zip((trivial or {}).items(), DASHES, strict=False):
            if probe in by_probe:
                axes.axhline(100 * by_probe[probe], color=GREY, linewidth=1.0, linestyle=dash, zorder=0)
        axes.set_xticks([place(x) for x in settings], [f"{x:g}" for x in settings])
        axes.set_xlabel(xlabel)
        axes.set_ylabel(f"{quantity}, {probe} (%)")
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -1), min(high, 101))
    handles = [
        Line2D(
            [],
            [],
            color=OKABE_ITO[i % len(OKABE_ITO)],
            marker=MARKS[i % len(MARKS)],
            linewidth=1.0,
            label=NAMES.get(name, name),
        )
        for i, name in enumerate(names)
    ]
    handles += [
        Line2D([], [], color=GREY, linestyle=dash, linewidth=1.0, label=NAMES.get(name, name))
        for name, dash in zip(trivial or {}, DASHES, strict=False)
    ]
    if any(seeds for rows in (collapsed or {}).values() for seeds in rows.values()):
        handles.append(Line2D([], [], color=COLLAPSED, marker="X", linewidth=0, label="a collapsed run"))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(handles)), frameon=False, fontsize=8)
    return figure


def cost_over(
    panels: Mapping[str, Mapping[str, Mapping[int, Sequence[float]]]], *, xlabel: str, floor: str = "floor"
) -> Picture:
    """Costs over a size, a panel a quantity, both axes logarithmic: medians, with whiskers from least to greatest.

    panels: axis label -> row -> size -> repeated values. floor: this row is what none can do without; grey, dashed.
    """
    figure = _picture(3.5 * len(panels), 3.5)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    names = list(dict.fromkeys(name for rows in panels.values() for name in rows))
    coloured = [name for name in names if name != floor]
    for (label, rows), axes in zip(panels.items(), grid, strict=True):
        _tidy(axes)
        for name, by_size in rows.items():
            x = sorted(by_size)
            runs = [np.asarray(by_size[size], dtype=float) for size in x]
            middle = np.array([np.median(r) for r in runs])
            spread = np.array([[m - r.min() for m, r in zip(middle, runs, strict=True)],
                               [r.max() - m for m, r in zip(middle, runs, strict=True)]])  # fmt: skip
            place = coloured.index(name) if name in coloured else 0
            style = (
                {"color": GREY, "linestyle": DASHES[0], "marker": "None"} if name == floor
                else {"color": OKABE_ITO[place % len(OKABE_ITO)], "marker": MARKS[place % len(MARKS)]}
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
    figure = _picture(6.8, 4.0)
    axes = _tidy(figure.subplots())
    for place, (method, rows) in enumerate(points.items()):
        colour, mark = OKABE_ITO[place % len(OKABE_ITO)], MARKS[place % len(MARKS)]
        for cost, name, values in rows:
            mean, half = t_interval(100 * np.asarray(values, dtype=float))
            single = math.isnan(half)
            axes.errorbar(
                cost, mean, yerr=None if single else half, fmt=mark, color=colour, markersize=6, capsize=3,
                linewidth=1.2, markerfacecolor="white" if single else colour,
            )  # fmt: skip
            axes.annotate(
                name, (cost, mean), xytext=(6, 3), textcoords="offset points", fontsize=7, color=colour
            )  # fmt: skip
        axes.plot([], [], mark, color=colour, label=NAMES.get(method, method))
    for (name, value), dash in zip((trivial or {}).items(), DASHES, strict=False):
        axes.axhline(100 * value, color=GREY, linewidth=1.0, linestyle=dash, zorder=0, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.xaxis.set_minor_formatter(lambda v, _: "")
    axes.margins(x=0.2)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -1), min(high, 101))
    axes.set_xlabel(xlabel)
    axes.set_ylabel(f"{ylabel} (%)")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure

"""Figures of comparisons: many rows side by side in panels, paired differences, health over training.

Colour and mark of a row are those of its family (`musiclib.names.FAMILIES`): how the method keeps from collapsing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from musiclib.intervals import Interval, t_interval
from musiclib.names import FAMILIES, NAMES, family
from musiclib.plots import DASHES, GREY, OKABE_ITO, Picture, _picture, _tidy

SHADES = dict(
    zip(FAMILIES, (OKABE_ITO[1], OKABE_ITO[0], OKABE_ITO[2], OKABE_ITO[3], OKABE_ITO[4], "#8a8a8a"), strict=True)
)
MARKS = dict(zip(FAMILIES, "DosP^v", strict=True))
LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))


LEAST = 3
"""Runs from which an interval is drawn: that of two runs is 12.7 standard errors wide and hides everything else."""


def _kind(row: str) -> str:
    """Family of a row; what follows a comma in its name ('music, best segment') is a variant."""
    return family(row.split(",")[0])


def _legend(figure: Picture, rows: Sequence[str], levels: Mapping[str, tuple] | None = None) -> None:
    """Families that are drawn, and the names of vertical lines, above the panels."""
    shown = [f for f in FAMILIES if f in {_kind(r) for r in rows}]
    handles = [Line2D([], [], color=SHADES[f], marker=MARKS[f], linestyle="none", markersize=5, label=f) for f in shown]
    handles += [Line2D([], [], color=GREY, linewidth=0.9, linestyle=d, label=n) for n, d in (levels or {}).items()]
    columns = min(len(handles), max(2, int(figure.get_figwidth() / 1.45)))
    figure.legend(
        handles=handles, frameon=False, fontsize=8, loc="outside upper center", ncols=columns, columnspacing=1.2,
        handletextpad=0.4,
    )  # fmt: skip


def dot_panels(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    labels: Mapping[str, str] = NAMES,
    trivial: Mapping[str, Mapping[str, float]] | None = None,
    percent: bool | Sequence[bool] = True,
    sort: bool = True,
    log: Sequence[str] = (),
) -> Picture:
    """Panels that share their rows: in each, every run a faint dot and the mean with its 95 % t interval.

    panels: axis label -> row -> values, one a seed. A row that has no value in a panel is left empty there, and one
    that has none anywhere is marked as having no run. Rows are sorted by their mean in the first panel, best on top
    (sort=False keeps the order given, first on top). trivial: panel -> name -> value of no learning, a vertical
    line. percent: values are fractions and drawn times 100, one for all or one a panel. log: panels with a
    logarithmic axis. Fewer than three runs have a hollow mark and no interval.
    """
    if not panels or not any(panels.values()):
        raise ValueError("panels: needs at least one panel with at least one row")
    rows = list(dict.fromkeys(row for values in panels.values() for row in values))
    first = next(iter(panels.values()))
    if sort:
        rows.sort(key=lambda r: t_interval(first[r])[0] if len(first.get(r, ())) else -math.inf)
    else:
        rows.reverse()
    names = dict.fromkeys(name for lines in (trivial or {}).values() for name in lines)
    dashes = dict(zip(names, cycle(DASHES)))
    shares = [percent] * len(panels) if isinstance(percent, bool) else list(percent)
    figure = _picture(1.6 + 2.9 * len(panels), 1.3 + 0.27 * len(rows))
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for (title, values), axes, share in zip(panels.items(), grid, shares, strict=True):
        _tidy(axes)
        if title in log:
            axes.set_xscale("log")
        for y, row in enumerate(rows):
            found = (100.0 if share else 1.0) * np.asarray(values.get(row, ()), dtype=float)
            if len(found):
                _mean_and_runs(axes, y, found, row)
        for name, value in (trivial or {}).get(title, {}).items():
            axes.axvline((100.0 if share else 1.0) * value, color=GREY, linewidth=0.9, linestyle=dashes[name], zorder=0)
        axes.set_xlabel(f"{title} (%)" if share else title)
        axes.grid(axis="y", color="#eeeeee", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.08)
    grid[0].set_yticks(range(len(rows)), [labels.get(r, r) for r in rows])
    grid[0].set_ylim(-0.7, len(rows) - 0.3)
    for y, row in enumerate(rows):
        if not any(len(values.get(row, ())) for values in panels.values()):
            grid[0].annotate(
                "no finished run", (0.5, y), xycoords=("axes fraction", "data"), ha="center", va="center", fontsize=7.5,
                color=GREY, style="italic",
            )  # fmt: skip
    _legend(figure, rows, dashes)
    return figure


def _mean_and_runs(axes: Axes, y: float, values: np.ndarray, row: str) -> None:
    kind = _kind(row)
    mean, half = t_interval(values)
    few = len(values) < LEAST
    if len(values) > 1:
        axes.plot(values, np.full(len(values), y - 0.25), ".", color=SHADES[kind], alpha=0.45, markersize=4)
    axes.errorbar(
        mean, y, xerr=None if few else half, fmt=MARKS[kind], color=SHADES[kind], markersize=5, capsize=2.5,
        linewidth=1.3, markerfacecolor="white" if few else SHADES[kind],
    )  # fmt: skip


def difference_dots(
    differences: Mapping[str, Mapping[str, Interval]],
    *,
    labels: Mapping[str, str] = NAMES,
    what: str = "MUSIC minus row",
) -> Picture:
    """Paired differences in percentage points, with their 95 % t intervals and a line at zero.

    differences: panel -> row -> interval of differences of fractions. what: which difference it is. A row without a
    pair is left empty; fewer than three pairs have a hollow mark and no interval.
    """
    if not differences or not any(differences.values()):
        raise ValueError("differences: needs at least one panel with at least one row")
    rows = list(dict.fromkeys(row for values in differences.values() for row in values))
    first = next(iter(differences.values()))
    rows.sort(key=lambda r: first[r].mean if r in first and first[r].n else -math.inf)
    figure = _picture(1.6 + 2.9 * len(differences), 1.3 + 0.27 * len(rows))
    grid = figure.subplots(1, len(differences), sharey=True, squeeze=False)[0]
    for (title, values), axes in zip(differences.items(), grid, strict=True):
        _tidy(axes)
        axes.axvline(0.0, color=GREY, linewidth=1.0)
        for y, row in enumerate(rows):
            found = values.get(row)
            if found is None or not found.n:
                continue
            kind, few = _kind(row), found.n < LEAST
            axes.errorbar(
                100 * found.mean, y, xerr=None if few else 100 * found.half, fmt=MARKS[kind], color=SHADES[kind],
                markersize=5, capsize=2.5, linewidth=1.3, markerfacecolor="white" if few else SHADES[kind],
            )  # fmt: skip
        axes.set_xlabel(f"{title}\n{what} (points)")
        axes.grid(axis="y", color="#eeeeee", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(rows)), [labels.get(r, r) for r in rows])
    grid[0].set_ylim(-0.7, len(rows) - 0.3)
    _legend(figure, rows)
    return figure


QUANTITIES = {
    "effective_rank": "effective rank",
    "alignment": "alignment (0: views agree)",
    "uniformity": "uniformity (0: one point)",
}


def health_curves(
    curves: Mapping[str, Sequence[Sequence[Mapping]]],
    *,
    quantities: Mapping[str, str] = QUANTITIES,
    labels: Mapping[str, str] = NAMES,
    levels: Mapping[str, float] | None = None,
    log: Sequence[str] = ("effective_rank",),
) -> Picture:
    """How the embeddings of each method fare over training: the mean over seeds of each quantity, epoch by epoch.

    curves: row -> runs -> entries of a record's `curve`, with 'epoch' and 'health'. Rows without a run are left out.
    Methods of one family share colour and mark and differ in the dash. Thin lines are single runs. levels: quantity ->
    value that counts as collapsed, a horizontal line. log: quantities on a logarithmic axis.
    """
    shown = {row: runs for row, runs in curves.items() if runs and all(runs)}
    if not shown:
        raise ValueError("curves: needs at least one row with a run of at least one epoch")
    figure = _picture(3.1 * len(quantities) + 1.5, 3.5)
    grid = figure.subplots(1, len(quantities), squeeze=False)[0]
    handles = []
    for row, runs in shown.items():
        kind = family(row)
        kin = [r for r in shown if family(r) == kind]
        style = {"color": SHADES[kind], "linestyle": LINES[kin.index(row) % len(LINES)]}
        width = 2.6 if row == "music" else 1.4
        length = min(len(run) for run in runs)
        epochs = [entry["epoch"] for entry in runs[0][:length]]
        every = max(1, length // 6)
        for name, axes in zip(quantities, grid, strict=True):
            values = np.array([[e["health"][name] for e in run[:length]] for run in runs], dtype=float)
            for run in values if len(runs) > 1 else ():
                axes.plot(epochs, run, linewidth=0.6, alpha=0.3, **style)
            axes.plot(
                epochs, values.mean(0), linewidth=width, marker=MARKS[kind], markersize=4, markevery=every, **style
            )
        handles.append(
            Line2D([], [], linewidth=width, marker=MARKS[kind], markersize=4, label=labels.get(row, row), **style)
        )
    for (name, title), axes in zip(quantities.items(), grid, strict=True):
        _tidy(axes)
        axes.set_xlabel("epoch")
        axes.set_ylabel(title)
        if name in log:
            axes.set_yscale("log")
        if name in (levels or {}):
            axes.axhline(levels[name], color=GREY, linewidth=1.0, linestyle=DASHES[0], zorder=0)
            axes.annotate(
                "collapsed below", (1.0, levels[name]), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                fontsize=7, color=GREY,
            )  # fmt: skip
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8, handlelength=3.2)
    return figure

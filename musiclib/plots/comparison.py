"""Figures of comparisons: rows side by side in panels, paired differences, health and accuracy over training.

Colour and mark of a row are those of its family (`musiclib.methods.names.FAMILIES`): how the method keeps from
collapsing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from musiclib.methods.names import FAMILIES, MUSIC, NAMES, family
from musiclib.plots.style import (
    DASHES,
    GREY,
    OKABE_ITO,
    Picture,
    fixed_style,
    grey_levels,
    mean_curve,
    mean_marks,
    picture,
    plain_log,
    tidy,
)
from musiclib.statistics import Interval, t_interval

SHADES = dict(zip(FAMILIES, (*(OKABE_ITO[i] for i in (1, 0, 2, 3, 4, 5)), "#8a8a8a"), strict=True))
MARKS = dict(zip(FAMILIES, "DosP^Xv", strict=True))
LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))


LEAST = 3
"""Runs from which an interval is drawn: that of two runs is 12.7 standard errors wide and hides everything else."""


def _kind(row: str) -> str:
    """Family of a row; what follows a comma in its name ('music, best segment') is a variant."""
    return family(row.split(",")[0])


def _ink(row: str) -> tuple[str, str]:
    """Colour and mark of a row."""
    return SHADES[_kind(row)], MARKS[_kind(row)]


def _line(row: str, rows: Sequence[str]) -> dict[str, Any]:
    """How the curve of a row is drawn: colour and mark of its family, a dash of its own among its kin, MUSIC thick."""
    kin = [r for r in rows if family(r) == family(row)]
    colour, mark = _ink(row)
    return {
        "color": colour, "marker": mark, "linestyle": LINES[kin.index(row) % len(LINES)], "markersize": 4,
        "linewidth": 2.6 if row in MUSIC else 1.4,
    }  # fmt: skip


def _row_panels(rows: Sequence[str], panels: int, labels: Mapping[str, str]) -> tuple[Picture, np.ndarray]:
    """A figure of panels side by side that share named rows, the last on top."""
    figure = picture(1.6 + 2.9 * panels, 1.3 + 0.27 * len(rows))
    grid = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    for axes in grid:
        tidy(axes).grid(axis="y", color="#eeeeee", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(rows)), [labels.get(r, r) for r in rows])
    grid[0].set_ylim(-0.7, len(rows) - 0.3)
    return figure, grid


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


@fixed_style()
def accuracy_dots(
    rows: Mapping[str, Sequence[float]],
    *,
    quantity: str = "top-1 accuracy",
    trivial: Mapping[str, float] | None = None,
    highlight: Sequence[str] = ("music",),
    published: Mapping[str, float] | None = None,
) -> Picture:
    """One line a row of a table: every run a dot, their mean with its 95 % t interval, best mean on top.

    rows: name -> values in [0, 1], one a seed. trivial: values that say nothing was learnt (chance, raw pixels), as
    vertical lines. published: numbers of others, as crosses. A row with a single run has no interval and a hollow
    mean.
    """
    if not rows:
        raise ValueError("rows: needs at least one row")
    names = sorted(rows, key=lambda name: t_interval(rows[name])[0])
    figure = picture(6.4, 0.9 + 0.32 * len(names))
    axes = tidy(figure.subplots())
    for y, name in enumerate(names):
        values = 100 * np.asarray(rows[name], dtype=float)
        mean_marks(axes, y, values, (OKABE_ITO[name in highlight], "D"), shift=-0.24)
        if name in (published or {}):
            axes.plot(100 * published[name], y, "x", color="black", markersize=6)
    for (name, value), dash in zip((trivial or {}).items(), cycle(DASHES)):
        axes.axvline(100 * value, color=GREY, linewidth=1.0, linestyle=dash, zorder=0)
        axes.annotate(
            name, (100 * value, 1.0), xycoords=("data", "axes fraction"), rotation=90, ha="right", va="top",
            fontsize=7.5, color=GREY,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel(f"{quantity} (%), mean and 95 % t interval over runs")
    return figure


@fixed_style()
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
    figure, grid = _row_panels(rows, len(panels), labels)
    for (title, values), axes, share in zip(panels.items(), grid, shares, strict=True):
        if title in log:
            axes.set_xscale("log")
        for y, row in enumerate(rows):
            found = (100.0 if share else 1.0) * np.asarray(values.get(row, ()), dtype=float)
            if len(found):
                mean_marks(axes, y, found, _ink(row), shift=-0.25, least=LEAST)
        for name, value in (trivial or {}).get(title, {}).items():
            axes.axvline((100.0 if share else 1.0) * value, color=GREY, linewidth=0.9, linestyle=dashes[name], zorder=0)
        axes.set_xlabel(f"{title} (%)" if share else title)
        axes.margins(x=0.08)
    for y, row in enumerate(rows):
        if not any(len(values.get(row, ())) for values in panels.values()):
            grid[0].annotate(
                "no finished run", (0.5, y), xycoords=("axes fraction", "data"), ha="center", va="center", fontsize=7.5,
                color=GREY, style="italic",
            )  # fmt: skip
    _legend(figure, rows, dashes)
    return figure


@fixed_style()
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
    figure, grid = _row_panels(rows, len(differences), labels)
    for (title, values), axes in zip(differences.items(), grid, strict=True):
        axes.axvline(0.0, color=GREY, linewidth=1.0)
        for y, row in enumerate(rows):
            found = values.get(row)
            if found is not None and found.n:
                points = Interval(100 * found.mean, 100 * found.low, 100 * found.high, found.n)
                mean_marks(axes, y, points, _ink(row), least=LEAST)
        axes.set_xlabel(f"{title}\n{what} (points)")
    _legend(figure, rows)
    return figure


QUANTITIES = {
    "effective_rank": "effective rank",
    "alignment": "alignment (0: views agree)",
    "uniformity": "uniformity (0: one point)",
}


@fixed_style()
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
    figure = picture(3.1 * len(quantities) + 1.5, 3.5)
    grid = figure.subplots(1, len(quantities), squeeze=False)[0]
    handles = []
    for row, runs in shown.items():
        style = _line(row, list(shown))
        every = max(1, min(len(run) for run in runs) // 6)
        for name, axes in zip(quantities, grid, strict=True):
            lines = [([e["epoch"] for e in run], [e["health"][name] for e in run]) for run in runs]
            mean_curve(axes, lines, markevery=every, **style)
        handles.append(Line2D([], [], label=labels.get(row, row), **style))
    for (name, title), axes in zip(quantities.items(), grid, strict=True):
        tidy(axes)
        axes.set_xlabel("epoch")
        axes.set_ylabel(title)
        if name in log:
            axes.set_yscale("log")
        if name in (levels or {}):
            grey_levels(axes, {"collapsed below": levels[name]})
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8, handlelength=3.2)
    return figure


@fixed_style()
def accuracy_curves(
    curves: Mapping[str, Mapping[int, Sequence[tuple[int, float, float]]]], *, labels: Mapping[str, str] = NAMES
) -> Picture:
    """Held-out accuracy of every row while it trains: the mean over seeds with its 95 % t interval as a band.

    curves: row -> seed -> points (epoch, seconds of training, accuracy in [0, 1]). Rows without a point are left out;
    of seeds that were scored at different epochs only the shared epochs are drawn. Fewer than three seeds have no band.
    Time is the mean over seeds, on the machine of the records.
    """
    shown = {row: by for row, by in curves.items() if any(by.values())}
    if not shown:
        raise ValueError("curves: needs at least one row with at least one scored epoch")
    figure = picture(8.6, 4.2)
    against_epochs, against_time = figure.subplots(1, 2, sharey=True)
    handles = []
    for row, by_seed in shown.items():
        points = [{epoch: (seconds, value) for epoch, seconds, value in run} for run in by_seed.values()]
        epochs = sorted(set.intersection(*map(set, points)))
        values = 100 * np.array([[run[e][1] for e in epochs] for run in points])
        minutes = np.array([[run[e][0] / 60 for e in epochs] for run in points]).mean(0)
        style = _line(row, list(shown))
        for axes, x in ((against_epochs, epochs), (against_time, minutes)):
            axes.plot(x, values.mean(0), zorder=3 if row in MUSIC else 2, **style)
            if len(values) >= LEAST:
                half = np.array([t_interval(column)[1] for column in values.T])
                low, high = values.mean(0) - half, values.mean(0) + half
                axes.fill_between(x, low, high, color=style["color"], alpha=0.12, linewidth=0)
        handles.append(Line2D([], [], label=labels.get(row, row), **style))
    for axes, name in ((against_epochs, "epochs"), (against_time, "minutes of training, one run")):
        tidy(axes)
        axes.set_xlabel(name)
        axes.set_xscale("log")
        plain_log(axes.xaxis)
    against_epochs.set_ylabel("kNN, held-out training images (%)")
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8, handlelength=3.2)
    return figure

"""Figures of what is proven: a line is a formula, a dot was computed by the library.

That is the convention of every panel here: where dots lie on a line, a closed form and `code_terms` agree; a dot with
a bar is a mean over random draws with its 95 % t interval; a grey line is a bound or a landmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np
from jaxtyping import Float, Int
from matplotlib import colormaps, colors
from matplotlib.axes import Axes
from torch import Tensor

from musiclib.plots.codes import segment_blocks
from musiclib.plots.style import (
    DASHES,
    GREY,
    OKABE_ITO,
    Picture,
    fixed_style,
    grey_levels,
    mean_marks,
    paint,
    picture,
    tidy,
)

Curve = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Panel:
    """One pair of axes: what is drawn, and how the axes are named.

    lines: name -> (x, y), formulas. dots: name -> (x, y) or (x, y, half-width of the interval), computed; the same
    name in both shares its colour and one entry of the legend. More than 60 dots are drawn small. levels: name ->
    height of a grey horizontal line, named at the fraction `levels_at` of the width; uprights: name -> place of a
    vertical one. notes: text -> (x, y), a ring with its text at the upper right, or (x, y, "left") at the lower left.
    ticks, y_ticks, xlim, ylim: None lets the data decide. legend: matplotlib's `loc`, or None for none.
    """

    xlabel: str
    ylabel: str
    lines: Mapping[str, Curve] = field(default_factory=dict)
    dots: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    uprights: Mapping[str, float] = field(default_factory=dict)
    levels_at: float = 1.0
    notes: Mapping[str, Sequence] = field(default_factory=dict)
    ticks: Sequence[float] | None = None
    y_ticks: Sequence[float] | None = None
    title: str = ""
    log_x: bool = False
    log_y: bool = False
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None
    legend: str | None = "best"

    def __post_init__(self) -> None:
        if not self.lines and not self.dots:
            raise ValueError("a panel needs at least one line or one series of dots")
        for kind in ("lines", "dots"):
            for name, values in getattr(self, kind).items():
                sizes = {len(v) for v in values}
                if len(values) not in (2, 3) or (kind == "lines" and len(values) != 2) or len(sizes) != 1:
                    raise ValueError(
                        f"{kind}[{name!r}]: expected x and y{' and half-widths' * (kind == 'dots')} of one length"
                    )


@fixed_style()
def panels(*drawn: Panel, width: float = 4.9, height: float = 3.6) -> Picture:
    """Panels side by side, each `width` x `height` inches. A name has one colour in all of them."""
    if not drawn:
        raise ValueError("panels: give at least one")
    names = list(dict.fromkeys(name for p in drawn for name in (*p.lines, *p.dots)))
    style = {name: paint(i) for i, name in enumerate(names)}
    figure = picture(width * len(drawn), height)
    figure.get_layout_engine().set(w_pad=0.1)
    for panel, axes in zip(drawn, figure.subplots(1, len(drawn), squeeze=False)[0], strict=True):
        _draw(tidy(axes), panel, style)
    return figure


def _draw(axes: Axes, panel: Panel, style: Mapping[str, tuple[str, str]]) -> None:
    for name, (x, y) in panel.lines.items():
        axes.plot(x, y, color=style[name][0], linewidth=1.6, label=name)
    for name, (x, y, *half) in panel.dots.items():
        colour, marker = style[name]
        crowd = len(x) > 60
        look = {"markersize": 2.5, "alpha": 0.4} if crowd else {"markersize": 6, "markeredgecolor": "white"}
        axes.errorbar(
            x, y, yerr=half[0] if half else None, fmt=marker, color=colour, capsize=2, linewidth=1.0, **look,
            markeredgewidth=0 if crowd else 0.6, zorder=2 if crowd else 3,
            label=None if name in panel.lines else name,
        )  # fmt: skip
    axes.set_xscale("log" if panel.log_x else "linear")
    axes.set_yscale("log" if panel.log_y else "linear")
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel, xlim=panel.xlim, ylim=panel.ylim)
    axes.set_title(panel.title, fontsize=10, pad=14 if panel.uprights else None)
    if panel.ticks is not None:
        axes.set_xticks(panel.ticks, [f"{x:g}" for x in panel.ticks])
        axes.set_xticks([], minor=True)
    if panel.y_ticks is not None:
        axes.set_yticks(panel.y_ticks, [f"{y:g}" for y in panel.y_ticks])
        axes.set_yticks([], minor=True)
    grey_levels(axes, panel.levels, at=panel.levels_at)
    for (name, value), dash in zip(panel.uprights.items(), cycle(DASHES)):
        axes.axvline(value, ymax=0.98, color=GREY, linewidth=1.0, linestyle=dash, zorder=0)
        axes.annotate(
            name, (value, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=7.5, color=GREY
        )
    for text, (x, y, *where) in panel.notes.items():
        axes.plot([x], [y], "o", markersize=9, markerfacecolor="none", color="black", zorder=4)
        left = where == ["left"]
        axes.annotate(
            text, (x, y), xytext=(-7, -7) if left else (7, 7), textcoords="offset points", fontsize=8,
            ha="right" if left else "left", va="top" if left else "bottom",
        )  # fmt: skip
    if panel.legend:
        axes.legend(fontsize=8, loc=panel.legend, framealpha=0.85, edgecolor="none")


# ---------------------------------------------------------------- codes as tables


def _inks(units: int) -> colors.ListedColormap:
    """K colours that can be told apart: the palette up to 8, beyond it a perceptual scale."""
    if units <= len(OKABE_ITO):
        return colors.ListedColormap(OKABE_ITO[:units])
    return colors.ListedColormap(colormaps["viridis"](np.linspace(0, 1, units)))


@fixed_style()
def code_table(labels: Int[np.ndarray, "n s"], units: int, *, title: str = "") -> Picture:
    """A hard code as a table, and how often each pair of units occurs in each pair of segments.

    labels: N samples in S segments, values 0..K-1. Left: a column a sample, a row a segment, a colour a unit. Right:
    the S x S blocks of K x K counts; in an orthogonal array of strength two all blocks off the diagonal are flat.
    """
    samples, segments = labels.shape
    figure = picture(10.4, 3.7)
    left, right = figure.subplots(1, 2, width_ratios=[1.55, 1])
    left.imshow(labels.T, cmap=_inks(units), vmin=-0.5, vmax=units - 0.5, aspect="auto", interpolation="nearest")
    left.set_xticks(np.arange(-0.5, samples), minor=True)
    left.set_yticks(np.arange(-0.5, segments), minor=True)
    left.grid(which="minor", color="white", linewidth=1.0)
    left.tick_params(which="both", length=0)
    if samples * segments <= 400:
        for (n, s), value in np.ndenumerate(labels):
            left.text(n, s, str(value), ha="center", va="center", fontsize=7.5, color="white", fontweight="bold")
    left.set_yticks(range(segments), [str(s + 1) for s in range(segments)])
    left.set(xlabel=f"sample ({samples} of them)", ylabel="segment", title=title)

    codes = np.eye(units, dtype=int)[labels].reshape(samples, -1)
    counts = codes.T @ codes
    image = right.imshow(counts, cmap="Greys", vmin=0, interpolation="nearest")
    segment_blocks(right, segments, units, color=OKABE_ITO[1], linewidth=0.7)
    right.set(xlabel=f"segment ({units} units each)", ylabel="segment")
    figure.colorbar(image, ax=right, shrink=0.9, ticks=sorted({0, int(counts.max())})).set_label("samples with both")
    return figure


@fixed_style()
def code_maps(
    maps: Mapping[str, Int[Tensor, "outputs h w"]], units: int, *, xlabel: str, ylabel: str, extent: float = 1.0
) -> Picture:
    """What each output says over a square of two factors: one column a method, one row an output, one colour a unit.

    maps: name -> (outputs, H, W) labels in 0..K-1; rows of the array are the second factor from -extent upwards,
    columns the first. Vertical stripes follow the first factor alone, horizontal ones the second.
    """
    if not maps:
        raise ValueError("maps: needs at least one method")
    outputs = {m.shape[0] for m in maps.values()}
    if len(outputs) != 1:
        raise ValueError(f"maps: all methods need the same number of outputs, got {sorted(outputs)}")
    rows = outputs.pop()
    figure = picture(0.6 + 2.1 * len(maps), 0.5 + 2.1 * rows)
    grid = figure.subplots(rows, len(maps), squeeze=False, sharex=True, sharey=True)
    for column, (name, labels) in enumerate(maps.items()):
        for row in range(rows):
            axes = grid[row, column]
            axes.imshow(
                np.asarray(labels[row]), cmap=_inks(units), vmin=-0.5, vmax=units - 0.5, origin="lower",
                extent=(-extent, extent, -extent, extent), interpolation="nearest",
            )  # fmt: skip
            axes.set_xticks([-extent / 2, 0, extent / 2])
            axes.set_yticks([-extent / 2, 0, extent / 2])
            if row == 0:
                axes.set_title(name, fontsize=9)
            if row == rows - 1:
                axes.set_xlabel(xlabel)
            if column == 0:
                axes.set_ylabel(f"output {row + 1}\n{ylabel}")
    return figure


# ---------------------------------------------------------------- lists of numbers


@fixed_style()
def ranking(
    rows: Mapping[str, tuple[float, float]],
    *,
    xlabel: str,
    elsewhere: Mapping[str, float] | None = None,
    note: str = "",
) -> Picture:
    """Named positive numbers on a logarithmic axis, largest on top: closed form as a ring, computed as a dot inside it.

    rows: name -> (computed, closed form). elsewhere: the closed form at another size, as a cross; note: what that size
    is, for the legend.
    """
    if not rows or min(min(pair) for pair in rows.values()) <= 0:
        raise ValueError("rows: needs at least one row, and positive numbers for the logarithmic axis")
    names = sorted(rows, key=lambda name: rows[name][1])
    figure = picture(7.4, 1.0 + 0.34 * len(names))
    axes = tidy(figure.subplots())
    places = range(len(names))
    computed, closed = np.array([rows[name] for name in names]).T
    lowest = min([*closed, *(elsewhere or {}).values()])
    axes.hlines(places, lowest / 2, closed, color=GREY, linewidth=0.6, alpha=0.4)
    axes.plot(closed, places, "o", markersize=10, markerfacecolor="none", color=OKABE_ITO[0], label="closed form")
    axes.plot(computed, places, "o", markersize=4.5, color=OKABE_ITO[1], label="computed")
    if elsewhere:
        shown = [(elsewhere[name], place) for place, name in enumerate(names) if name in elsewhere]
        axes.plot(*zip(*shown, strict=True), "x", color="black", markersize=5, label=note)
    axes.set_xscale("log")
    axes.set_xlim(lowest / 2, 2 * max([*closed, *(elsewhere or {}).values()]))
    axes.set_yticks(places, names)
    axes.set_xlabel(xlabel)
    axes.legend(fontsize=8, loc="upper left", framealpha=1.0, edgecolor="none")
    return figure


@fixed_style()
def spectra(
    values: Mapping[str, Float[np.ndarray, "d"]],
    levels: Mapping[str, Mapping[str, tuple[float, int]]],
    *,
    ylabel: str,
    xlabel: str = "rank",
) -> Picture:
    """Sorted eigenvalues as dots, one panel a name, on the levels that the closed form gives them.

    levels: panel -> {meaning: (value, multiplicity)}; each is a line over the ranks that it should fill.
    """
    if set(values) != set(levels):
        raise ValueError(f"values and levels: expected the same panels, got {sorted(values)} and {sorted(levels)}")
    figure = picture(5.2 * len(values), 3.7)
    for axes, (name, found) in zip(figure.subplots(1, len(values), squeeze=False)[0], values.items(), strict=True):
        tidy(axes)
        meanings = list(levels[name])
        start = 0
        for meaning, (value, many) in sorted(levels[name].items(), key=lambda item: item[1][0]):
            colour = OKABE_ITO[meanings.index(meaning)]
            axes.plot([start - 0.5, start + many - 0.5], [value, value], color=colour, linewidth=7, alpha=0.35)
            axes.plot([], [], color=colour, linewidth=5, alpha=0.5, label=f"{meaning} ({many})")
            start += many
        axes.plot(np.sort(np.asarray(found)), "k.", markersize=3)
        axes.axhline(0, color=GREY, linewidth=0.6, zorder=0)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.set_title(name, fontsize=10)
        axes.legend(frameon=False, fontsize=7.5, loc="upper left")
    return figure


@fixed_style()
def seed_dots(
    readings: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    xlabel: str,
    trivial: Mapping[str, float] | None = None,
    titles: bool = True,
) -> Picture:
    """One panel a reading, one row a method: every seed a dot, the mean a diamond with its 95 % t interval.

    readings: panel -> {method: values of its seeds}; methods keep their order, the first on top. trivial: panel -> the
    value that independent outputs would show, a grey line.
    """
    if not readings or not all(readings.values()):
        raise ValueError("readings: needs at least one panel with at least one method")
    methods = list(dict.fromkeys(name for rows in readings.values() for name in rows))
    figure = picture(2.0 + 2.9 * len(readings), 1.3 + 0.42 * len(methods))
    grid = figure.subplots(1, len(readings), squeeze=False, sharey=True)[0]
    for axes, (title, rows) in zip(grid, readings.items(), strict=True):
        tidy(axes)
        for name, values in rows.items():
            place = methods.index(name)
            mean_marks(axes, -place, values, (paint(place)[0], "D"), shift=-0.22)
        if title in (trivial or {}):
            axes.axvline(trivial[title], color=GREY, linewidth=1.0, linestyle=DASHES[0], zorder=0)
        axes.set_yticks([-i for i in range(len(methods))], methods)
        axes.set_ylim(-len(methods) + 0.4, 0.5)
        axes.set_xlabel(xlabel)
        if titles:
            axes.set_title(title, fontsize=9)
    return figure

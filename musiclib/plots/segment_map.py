"""Figures of the map of segments: the trade-off with its landmarks, what is held under which views, how they part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor

from musiclib.plots.attributes import SCALE, WORDS, gallery_sheet
from musiclib.plots.style import GREY, MARKS, OKABE_ITO, Picture, fixed_style, mean_curve, paint, picture, tidy
from musiclib.statistics import t_interval

LEAST_SEEDS = 3  # below this many a mean is hollow and has no interval


@fixed_style()
def trade_off(
    points: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    landmarks: Mapping[str, tuple[float, float]],
    *,
    peers: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]] | None = None,
    xlabel: str = "redundancy of segments",
    ylabel: str = "purity of segments",
) -> Picture:
    """Where codes lie between redundancy (right) and purity (top): complementary attributes are the upper left corner.

    points: series, a colour each (the weight c) -> kind of views, a mark each -> (x, y), one a seed: mean with 95 % t
    intervals either way, hollow and without them below three seeds. peers: the same of methods, grey with their names.
    landmarks: name -> (x, y), stars, one for all at one place.
    """
    if not points or not any(points.values()):
        raise ValueError("points: needs at least one series with at least one kind of views")
    figure = picture(7.4, 4.6)
    axes = tidy(figure.subplots())
    peers = peers or {}
    kinds = list(dict.fromkeys(kind for series in (points, peers) for group in series.values() for kind in group))
    inks = {name: paint(place)[0] for place, name in enumerate(points)} | dict.fromkeys(peers, GREY)
    for name, by_kind in [*points.items(), *peers.items()]:
        for kind, pairs in by_kind.items():
            (x, x_half), (y, y_half) = (t_interval(list(values)) for values in zip(*pairs, strict=True))
            few = len(pairs) < LEAST_SEEDS
            axes.errorbar(
                x, y, xerr=None if few else x_half, yerr=None if few else y_half, color=inks[name], markersize=7,
                fmt=MARKS[kinds.index(kind) % len(MARKS)], linewidth=0.9, alpha=0.9,
                markerfacecolor="white" if few else inks[name],
            )  # fmt: skip
            if name in peers:
                axes.annotate(name, (x, y), xytext=(6, -8), textcoords="offset points", fontsize=6.5, color=GREY)
    shared: dict[tuple[float, float], list[str]] = {}
    for name, (x, y) in landmarks.items():
        shared.setdefault((round(x, 2), round(y, 2)), []).append(name)
    for (x, y), names in shared.items():
        axes.plot(x, y, "*", color="black", markersize=13, markerfacecolor="white", zorder=4)
        right = x > 0.6
        axes.annotate(
            ", ".join(names), (x, y), xytext=(-9 if right else 9, 4), textcoords="offset points", fontsize=8,
            color=GREY, ha="right" if right else "left",
        )  # fmt: skip
    entries = [Line2D([], [], color=paint(i)[0], marker="s", linewidth=0, label=name) for i, name in enumerate(points)]
    entries += [
        Line2D([], [], color=GREY, marker=MARKS[i % len(MARKS)], linewidth=0, label=k) for i, k in enumerate(kinds)
    ]
    figure.legend(handles=entries, loc="outside right upper", frameon=False, fontsize=8)
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(-0.05, 1.05), ylim=(-0.05, 1.08))
    return figure


@fixed_style()
def held_tables(
    panels: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
    told: Mapping[str, Mapping[str, Mapping[str, tuple[bool, str]]]] | None = None,
) -> Picture:
    """What is readable of each factor (columns) under each kind of views (rows), a panel a code, the ceiling first.

    panels: title -> views -> factor -> readability, one a seed. told: title -> views -> factor -> (predicted to be
    held, 'hit', 'miss' or 'open'), written below the number; misses are framed.
    """
    if not panels:
        raise ValueError("panels: needs at least one")
    first = next(iter(panels.values()))
    rows, columns = list(first), list(next(iter(first.values())))
    figure = picture(1.2 + 0.95 * len(columns), len(panels) * (0.7 + 0.5 * len(rows)))
    grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (title, by_views) in zip(grid, panels.items(), strict=True):
        means = np.array([[np.mean(by_views[r][c]) for c in columns] for r in by_views])
        axes.imshow(means, cmap=SCALE, vmin=0, vmax=1, aspect="auto")
        for i, row in enumerate(by_views):
            for j, column in enumerate(columns):
                mean, half = t_interval(by_views[row][column])
                spread = "" if math.isnan(half) else f" ± {half:.2f}"
                ink = "white" if mean > 0.6 else "black"
                marked = (told or {}).get(title, {}).get(row, {}).get(column)
                axes.text(
                    j, i - (0.16 if marked else 0), f"{mean:.2f}{spread}", ha="center", va="center", fontsize=7.5,
                    color=ink,
                )  # fmt: skip
                if marked:
                    held, outcome = marked
                    text = f"{'held' if held else 'lost'} {WORDS[outcome]}"
                    axes.text(j, i + 0.24, text, ha="center", va="center", fontsize=6.3, color=ink)
                    if outcome == "miss":
                        frame = Rectangle((j - 0.48, i - 0.46), 0.96, 0.92, fill=False, edgecolor=OKABE_ITO[1])
                        frame.set_linewidth(1.6)
                        axes.add_patch(frame)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(by_views)), list(by_views))
        axes.tick_params(length=0)
        axes.set_title(title, fontsize=9, loc="left")
    return figure


@fixed_style()
def parting(
    panels: Mapping[str, Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]]], *, xlabel: str = "epoch"
) -> Picture:
    """Shares, in [0, 1], over training, a panel each: runs as thin lines, their mean as a thick one.

    panels: label of the y axis -> series -> runs, each (epochs, values).
    """
    if not panels:
        raise ValueError("panels: needs at least one")
    figure = picture(3.7 * len(panels) + 1.2, 3.3)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (label, series) in zip(grid, panels.items(), strict=True):
        for place, (name, runs) in enumerate(series.items()):
            mean_curve(tidy(axes), runs, color=paint(place)[0], label=name)
        axes.set(xlabel=xlabel, ylabel=label, ylim=(-0.03, 1.03))
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=8)
    return figure


@fixed_style()
def galleries_beside(
    images: Tensor, sides: Mapping[str, Mapping[str, tuple[Sequence[Sequence[int]], Sequence[str]]]]
) -> Picture:
    """Galleries of two or more codes beside each other, a column of segments each.

    images: (N, C, H, W). sides: name of the code -> title of the segment -> (for every unit the positions of the images
    that press it hardest, what is written below it).
    """
    if not sides or not all(sides.values()):
        raise ValueError("sides: needs at least one code with at least one segment")
    height = max(len(segments) for segments in sides.values())
    figure = picture(4.6 * len(sides), 2.5 * height)
    grid = figure.subplots(height, len(sides), squeeze=False)
    pitch = images.shape[2] + 2
    for column, (name, segments) in enumerate(sides.items()):
        for axes in grid[:, column]:
            axes.set_axis_off()
        for axes, (title, (units, names)) in zip(grid[:, column], segments.items(), strict=False):
            axes.set_axis_on()
            axes.imshow(gallery_sheet(images, units), interpolation="none")
            axes.set_title(f"{name}\n{title}", fontsize=8, loc="left")
            axes.set_xticks([k * pitch + images.shape[2] / 2 for k in range(len(units))], list(names), fontsize=7)
            axes.set_yticks([])
            axes.tick_params(length=0, pad=1)
            axes.spines[:].set_visible(False)
    return figure

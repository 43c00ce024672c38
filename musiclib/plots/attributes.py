"""Figures of what segments mean: information on factors, effects of views, galleries of units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib import colors
from matplotlib.patches import Rectangle
from torch import Tensor

from musiclib.plots.codes import image_array
from musiclib.plots.style import OKABE_ITO, Picture, fixed_style, grey_levels, mean_marks, paint, picture, tidy

WORDS = {"hit": "✓", "miss": "✗", "open": "?"}
SCALE = colors.LinearSegmentedColormap.from_list("share", ["white", OKABE_ITO[0]])


@fixed_style()
def information_panels(
    panels: Mapping[str, tuple[Float[Tensor, "s f"], Int[Tensor, "f"]]], factors: Sequence[str]
) -> Picture:
    """Share of every factor (columns) that every segment (rows) tells, a panel a code, matched cells framed.

    panels: name -> (shares, segment of every factor or -1). Matched segments stand on top in the order of the factors,
    the others follow by their largest share, so that a code with a segment for each factor shows a diagonal.
    """
    if not panels:
        raise ValueError("panels: needs at least one")
    tallest = max(len(shares) for shares, _ in panels.values())
    figure = picture(1.0 + 2.9 * len(panels), 1.4 + 0.2 * tallest)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, (shares, chosen)) in zip(grid, panels.items(), strict=True):
        matched = [int(s) for s in chosen if s >= 0]
        rest = sorted(set(range(len(shares))) - set(matched), key=lambda s, t=shares: -float(t[s].max()))
        order = [*matched, *rest]
        image = axes.imshow(np.asarray(shares[order]), cmap=SCALE, vmin=0, vmax=1, aspect="auto")
        for column, s in enumerate(chosen.tolist()):
            if s >= 0:
                frame = Rectangle((column - 0.5, order.index(s) - 0.5), 1, 1, fill=False, edgecolor=OKABE_ITO[1])
                frame.set_linewidth(1.4)
                axes.add_patch(frame)
        axes.set_xticks(range(len(factors)), factors, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
        axes.set_yticks(range(len(order)), [str(s + 1) for s in order], fontsize=6.5)
        axes.tick_params(length=0)
        axes.set_title(name, fontsize=9)
    grid[0].set_ylabel("segment")
    figure.colorbar(image, ax=list(grid), shrink=0.8).set_label("I(segment; factor) / H(factor)")
    return figure


@fixed_style()
def factor_dots(
    rows: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    ylabel: str,
    floor: float | None = 0.0,
    floor_name: str = "chance",
) -> Picture:
    """Factors side by side, every method a mark in each: mean with its 95 % t interval, runs as small dots.

    rows: method -> {factor: values of the runs}; all methods have the same factors. floor: the value that means
    nothing was found.
    """
    if not rows or not all(rows.values()):
        raise ValueError("rows: needs at least one method with at least one factor")
    factors = list(next(iter(rows.values())))
    figure = picture(2.2 + 1.15 * len(factors), 3.6)
    axes = tidy(figure.subplots())
    step = 0.8 / len(rows)
    for m, (name, values) in enumerate(rows.items()):
        for place, factor in enumerate(factors):
            x = place + (m - (len(rows) - 1) / 2) * step
            mean_marks(axes, x, values[factor], paint(m), upright=True, shift=0.0)
        axes.plot([], [], paint(m)[1], color=paint(m)[0], label=name)
    for edge in range(1, len(factors)):
        axes.axvline(edge - 0.5, color="#dddddd", linewidth=0.7, zorder=0)
    if floor is not None:
        grey_levels(axes, {floor_name: floor}, at=None)
    axes.set_xticks(range(len(factors)), factors)
    axes.set_xlim(-0.5, len(factors) - 0.5)
    axes.set_ylim(top=1.05)
    axes.set_ylabel(ylabel)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


@fixed_style()
def effect_table(
    effects: Mapping[str, Mapping[str, tuple[float, float]]],
    predicted: Mapping[str, Mapping[str, str]],
    outcomes: Mapping[str, Mapping[str, str]],
    *,
    label: str,
) -> Picture:
    """Predictions against measurements, rows operations, columns factors.

    effects: row -> {column: (mean, half-width of its interval or NaN)}, the number and the colour of a cell.
    predicted: row -> {column: 'falls' or 'kept'}; outcomes: 'hit', 'miss' or 'open', a mark in the corner; misses are
    framed.
    """
    rows, columns = list(effects), list(next(iter(effects.values())))
    figure = picture(2.0 + 1.05 * len(columns), 1.2 + 0.72 * len(rows))
    axes = figure.subplots()
    values = np.array([[effects[r][c][0] for c in columns] for r in rows])
    limit = max(0.2, float(np.abs(values).max()))
    image = axes.imshow(values, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            mean, half = effects[row][column]
            dark = abs(mean) > 0.62 * limit
            spread = "" if math.isnan(half) else f" ± {half:.2f}"
            outcome = outcomes[row][column]
            ink = "white" if dark else "black"
            axes.text(j, i - 0.08, f"{mean:+.2f}{spread}", ha="center", va="center", fontsize=7.5, color=ink)
            told = f"predicted: {predicted[row][column]} {WORDS[outcome]}"
            axes.text(j, i + 0.26, told, ha="center", va="center", fontsize=6.3, color=ink)
            if outcome == "miss":
                frame = Rectangle((j - 0.48, i - 0.46), 0.96, 0.92, fill=False, edgecolor="black", linewidth=1.6)
                axes.add_patch(frame)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.set_title("✓ as predicted   ✗ against the prediction (framed)   ? not decided", fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.9).set_label(label)
    return figure


@fixed_style()
def unit_galleries(
    images: Tensor,
    chosen: Mapping[str, Sequence[Sequence[int]]],
    *,
    names: Mapping[str, Sequence[str]] | None = None,
    width: float = 10.0,
) -> Picture:
    """The images that press each unit hardest: a block a segment, a column a unit, strongest on top.

    images: (N, C, H, W), uint8 or floats in [0, 1]. chosen: title of the segment -> for every unit the positions of its
    images; a unit may have fewer, or none (an empty column). names: what is written below each unit.
    """
    if not chosen:
        raise ValueError("chosen: needs at least one segment")
    side = images.shape[2]
    blocks = {title: (len(units), max(1, *(len(u) for u in units))) for title, units in chosen.items()}
    cell = width / (max(count for count, _ in blocks.values()) + 0.5)
    figure = picture(width, sum(0.42 + cell * deep for _, deep in blocks.values()))
    grid = figure.subplots(
        len(blocks), 1, squeeze=False, height_ratios=[0.3 / cell + deep for _, deep in blocks.values()]
    )[:, 0]
    gap = 2
    for axes, (title, units) in zip(grid, chosen.items(), strict=True):
        count, _ = blocks[title]
        axes.imshow(gallery_sheet(images, units, gap), interpolation="none")  # kept in its own pixels
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xticks(
            [k * (side + gap) + side / 2 for k in range(count)],
            (names or {}).get(title, [str(k + 1) for k in range(count)]), fontsize=7,
        )  # fmt: skip
        axes.set_yticks([])
        axes.tick_params(length=0, pad=1)
        axes.spines[:].set_visible(False)
    grid[-1].set_xlabel("unit")
    return figure


def gallery_sheet(images: Tensor, units: Sequence[Sequence[int]], gap: int = 2) -> UInt8[np.ndarray, "h w 3"]:
    """One picture of images (N, C, H, W) in a grid on white, a column a unit, its images from the top; `gap` pixels to
    the right of and below each. units: for every unit the positions of its images; a unit may have none."""
    channels, side = images.shape[1], images.shape[2]
    deep = max(1, *(len(members) for members in units))
    sheet = np.ones((deep * (side + gap), len(units) * (side + gap), 3))
    for k, members in enumerate(units):
        for row, position in enumerate(members):
            image = image_array(images[position])
            image = image if channels == 3 else np.repeat(image[:, :, None], 3, axis=2)
            top, left = row * (side + gap), k * (side + gap)
            sheet[top : top + side, left : left + side] = image
    return (sheet * 255).round().astype(np.uint8)


@fixed_style()
def ranked_dots(
    rows: Mapping[str, Sequence[float]], *, xlabel: str, ylabel: str, levels: Mapping[str, float] | None = None
) -> Picture:
    """Values of many things, sorted downwards, a series a method; grey lines for what means nothing or is the best
    alternative."""
    if not rows:
        raise ValueError("rows: needs at least one series")
    figure = picture(5.6, 3.3)
    axes = tidy(figure.subplots())
    for m, (name, values) in enumerate(rows.items()):
        ranked = sorted(values, reverse=True)
        axes.plot(range(1, len(ranked) + 1), ranked, paint(m)[1], color=paint(m)[0], markersize=4, label=name)
    grey_levels(axes, levels or {}, at=None)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    drawn = [v for values in rows.values() for v in values] + list((levels or {}).values())
    axes.set_ylim(min(0.0, *drawn), 1.35 * max(drawn))  # room for the legend
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    return figure

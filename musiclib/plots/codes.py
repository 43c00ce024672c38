"""Figures of codes: joint distributions as blocks, codes as chords, how often units are used."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle
from torch import Tensor

from musiclib.plots.style import DASHES, GREY, OKABE_ITO, Picture, fixed_style, picture, tidy


def segment_blocks(axes: Axes, segments: int, units: int, *, color: str, linewidth: float) -> None:
    """Lines between the blocks of a matrix of S x S blocks of K x K, and the numbers of the segments as ticks."""
    for edge in range(1, segments):
        for line in (axes.axhline, axes.axvline):
            line(edge * units - 0.5, color=color, linewidth=linewidth)
    centres = units * (np.arange(segments) + 0.5) - 0.5
    axes.set_xticks(centres, [str(s + 1) for s in range(segments)])
    axes.set_yticks(centres, [str(s + 1) for s in range(segments)])
    axes.tick_params(length=0)


@fixed_style()
def joint_heatmap(
    P: Float[Tensor, "s s k k"], *, segments: int = 5, ideal: bool = True, title: str = "measured"
) -> Picture:
    """The joint distribution of two views as blocks of segments, beside the ideal one.

    P: `joint_distribution(q1, q2)`; the first `segments` segments are drawn. Colour is log10(K^2 P), a cell against
    independence with uniform usage: 0 where units of two segments are independent, log10 K on the diagonal of the
    ideal, clipped at a factor K (at least 10) either way, so that cells that never happen are the darkest.
    """
    shown = min(segments, P.shape[0])
    units = P.shape[2]
    blocks = np.asarray(P[:shown, :shown].detach().double().cpu())  # (s, s, k, k)
    perfect = np.full_like(blocks, 1.0 / units**2)
    perfect[np.arange(shown), np.arange(shown)] = np.eye(units) / units
    limit = max(math.log10(units), 1.0)
    panels = [(title, blocks), ("ideal", perfect)] if ideal else [(title, blocks)]
    figure = picture(1.2 + 3.6 * len(panels), 3.9)
    axes_row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, values) in zip(axes_row, panels, strict=True):
        with np.errstate(divide="ignore"):
            logs = np.log10(values * units**2)
        matrix = logs.transpose(0, 2, 1, 3).reshape(shown * units, shown * units)
        image = axes.imshow(
            np.clip(matrix, -limit, limit), cmap="PuOr_r", norm=colors.Normalize(-limit, limit), interpolation="nearest"
        )
        segment_blocks(axes, shown, units, color="black", linewidth=0.6)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(f"segment of view 2 ({units} units each)")
        axes.set_ylabel("segment of view 1")
    bar = figure.colorbar(image, ax=list(axes_row), shrink=0.85, extend="both")
    bar.set_label("log10 of probability over 1 / K² (0: independent)")
    return figure


@fixed_style()
def piano_keys(
    codes: Float[Tensor, "m s k"],
    images: Tensor | None = None,
    *,
    segments: int = 8,
    names: Sequence[str] | None = None,
) -> Picture:
    """A code as a chord: every segment a coloured group of K keys, each key pressed as far as its probability.

    codes: soft codes of M images. images: (M, C, H, W), uint8 or floats in [0, 1], drawn at the left. The first
    `segments` segments are drawn. names: one a row. A one-hot code presses exactly one key of every group.
    """
    rows, shown, units = codes.shape[0], min(segments, codes.shape[1]), codes.shape[2]
    if images is not None and len(images) != rows:
        raise ValueError(f"images: {len(images)} for {rows} codes; give one image a code")
    figure = picture(10.0, 0.5 + 1.15 * rows)
    grid = figure.subplots(rows, 2, width_ratios=[1, 9], squeeze=False)
    q = np.asarray(codes[:, :shown].detach().float().cpu())
    for row in range(rows):
        left, axes = grid[row]
        left.axis("off")
        if images is not None:
            left.imshow(image_array(images[row]), cmap="gray", vmin=0, vmax=1)
        if names is not None:
            left.set_title(names[row], fontsize=9)
        keys, pressed, shades = [], [], []  # key by key: outline, depth, colour
        for s in range(shown):
            for k in range(units):
                x = s * (units + 1) + k  # one key's width between groups
                keys.append(Rectangle((x, 0), 1, 1))
                pressed.append(Rectangle((x, 0), 1, float(q[row, s, k])))
                shades.append(OKABE_ITO[s % len(OKABE_ITO)])
        axes.add_collection(
            PatchCollection(
                keys, facecolor=[(*colors.to_rgb(c), 0.10) for c in shades], edgecolor="#999999", linewidth=0.6
            )
        )
        axes.add_collection(PatchCollection(pressed, facecolor=shades, edgecolor="none"))
        axes.set_xlim(-0.5, shown * (units + 1) - 0.5)
        axes.set_ylim(0, 1.02)
        axes.set_yticks([0, 0.5, 1])
        axes.tick_params(axis="x", length=0)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.set_xticks([s * (units + 1) + units / 2 for s in range(shown)], [str(s + 1) for s in range(shown)])
        if row == rows - 1:
            more = f" (first {shown} of {codes.shape[1]})" if shown < codes.shape[1] else ""
            axes.set_xlabel(f"segment{more}, {units} units each")
    grid[rows // 2][1].set_ylabel("probability")
    return figure


def image_array(image: Tensor) -> np.ndarray:
    """An image (C, H, W), uint8 or floats in [0, 1], as matplotlib wants it: (H, W, 3), or (H, W) if grey."""
    x = np.asarray(image.detach().float().cpu())
    x = x / 255.0 if not image.is_floating_point() else x
    return x[0] if x.shape[0] == 1 else x.transpose(1, 2, 0)


@fixed_style()
def usage_histogram(usage: Float[Tensor, "s k"], *, dead_below: float = 0.1) -> Picture:
    """How often the units of all segments are used, times K: 1 for every unit where all are used alike.

    usage: mean code of every segment, (S, K), rows summing to one. Units below `dead_below` are counted as dead in
    the title.
    """
    s, k = usage.shape
    values = np.asarray(usage.detach().double().cpu()).ravel() * k
    figure = picture(4.8, 3.2)
    axes = tidy(figure.subplots())
    top = max(2.0, float(values.max()) * 1.02)
    axes.hist(values, bins=np.linspace(0, top, 33), color=OKABE_ITO[0])
    axes.axvline(1.0, color=GREY, linestyle=DASHES[0], linewidth=1.0)
    axes.annotate(
        "uniform", (1.0, 1.0), xycoords=("data", "axes fraction"), ha="left", va="top", fontsize=8, color=GREY
    )
    dead = int((values < dead_below).sum())
    axes.set_title(f"{s} segments of {k} units; {dead} of {s * k} used less than {dead_below:g} / K", fontsize=9)
    axes.set_xlabel("share of samples on a unit, times K")
    axes.set_ylabel("units")
    return figure

"""Every figure, as a function of data that returns a matplotlib figure; nothing is read or trained here.

Colours are those of Okabe and Ito, which people with colour-blindness can tell apart; heat maps use a purple-orange
scale. Axes carry names and units, repeated runs show their spread (t intervals, because runs are few), and the
value that means nothing has been learnt is drawn wherever there is one. Figures do not belong to pyplot, so that
none has to be closed; in a notebook a figure shows itself when it is the value of a cell, and
`save_svg` writes it.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from musiclib.intervals import t_interval

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
GREY = "#666666"
DASHES = ((0, (6, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 1)))


class Picture(Figure):
    """A figure without pyplot that a notebook still shows."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def _picture(width: float, height: float) -> Picture:
    return Picture(figsize=(width, height), layout="constrained")


def save_svg(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as SVG; the same figure gives the same file, byte for byte, wherever it is written."""
    path = Path(path)
    with matplotlib.rc_context({"svg.hashsalt": path.stem}):  # salt of the element ids, else random
        figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None})


def _tidy(axes: Axes) -> Axes:
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def term_bounds(units: int) -> dict[str, float]:
    """Least value of each term of MUSIC, in nats, for K >= 3: diagonal -log K, off_diagonal -2 log K, invariance 0."""
    return {"diagonal": -math.log(units), "off_diagonal": -2 * math.log(units), "invariance": 0.0}


# ---------------------------------------------------------------- training


def loss_curves(
    curves: Sequence[Sequence[Mapping[str, float]]],
    *,
    terms: Sequence[str] = (),
    landmarks: Mapping[str, float] | None = None,
    bounds: Mapping[str, float] | None = None,
    unit: str = "nats",
) -> Picture:
    """The loss over epochs beside its landmarks, and each of its terms beside its bound.

    curves: one a run (the `curve` of its record), each a list of entries with 'epoch', 'loss' and the terms. Runs are
    drawn thin, their mean thick (over the epochs that all runs have). landmarks: horizontal lines through the
    loss, e.g. `monitor.collapse_values`. bounds: one line a term, e.g. `term_bounds`.
    """
    if not curves or not all(curves):
        raise ValueError("curves: needs at least one run with at least one epoch")
    figure = _picture(4.8 + 2.6 * len(terms), 3.4)
    panels = figure.subplots(1, 1 + len(terms), width_ratios=[1.7, *[1] * len(terms)], squeeze=False)[0]
    for place, (name, axes) in enumerate(zip(["loss", *terms], panels, strict=True)):
        _tidy(axes)
        colour = OKABE_ITO[place % len(OKABE_ITO)]
        runs = [([e["epoch"] for e in curve], [e[name] for e in curve]) for curve in curves]
        for x, y in runs:
            axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.45 if len(runs) > 1 else 1.0, marker="o", markersize=2)
        if len(runs) > 1:
            length = min(len(x) for x, _ in runs)
            mean = np.mean([y[:length] for _, y in runs], axis=0)
            axes.plot(runs[0][0][:length], mean, color=colour, linewidth=2.2, label=f"mean of {len(runs)} runs")
            if place == 0:
                axes.legend(frameon=False, fontsize=8)
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"{name.replace('_', ' ')} ({unit})")
        if name in (bounds or {}):
            _level(axes, bounds[name], "bound", DASHES[0])
    for (name, value), dash in zip((landmarks or {}).items(), cycle(DASHES)):
        _level(panels[0], value, name, dash)
    return figure


def _level(axes: Axes, value: float, name: str, dash: tuple) -> None:
    """A horizontal line with its name at its right end; a bound's at the left and below, far from a falling curve."""
    left = name == "bound"
    axes.axhline(value, color=GREY, linewidth=1.0, linestyle=dash, zorder=0)
    axes.annotate(
        f"{name} {value:.2f}", (0.01 if left else 1.0, value), xycoords=("axes fraction", "data"),
        ha="left" if left else "right", va="top" if left else "bottom", fontsize=7.5, color=GREY,
    )  # fmt: skip


# ---------------------------------------------------------------- results


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
    figure = _picture(6.4, 0.9 + 0.32 * len(names))
    axes = _tidy(figure.subplots())
    for y, name in enumerate(names):
        values = 100 * np.asarray(rows[name], dtype=float)
        mean, half = t_interval(values)
        colour = OKABE_ITO[1] if name in highlight else OKABE_ITO[0]
        axes.plot(
            values, np.full(len(values), y - 0.24), "o", color=colour, alpha=0.35, markersize=4, markeredgewidth=0
        )
        axes.errorbar(
            mean, y, xerr=None if math.isnan(half) else half, fmt="D", color=colour, markersize=5, capsize=3,
            linewidth=1.4, markerfacecolor="white" if math.isnan(half) else colour,
        )  # fmt: skip
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
    figure = _picture(5.6, 3.6)
    axes = _tidy(figure.subplots())
    scale = 100.0 if percent else 1.0
    markers = cycle("osD^vPX*")
    for (name, by_setting), colour, marker in zip(series.items(), cycle(OKABE_ITO), markers):
        x = sorted(by_setting)
        intervals = [t_interval(scale * np.asarray(by_setting[v], dtype=float)) for v in x]
        mean, half = np.array(intervals).T
        axes.plot(x, mean, color=colour, marker=marker, markersize=4, linewidth=1.6, label=name)
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
        for v in x:
            runs = scale * np.asarray(by_setting[v], dtype=float)
            axes.plot(np.full(len(runs), v), runs, ".", color=colour, alpha=0.4, markersize=4)
    for (name, value), dash in zip((trivial or {}).items(), cycle(DASHES)):
        _level(axes, scale * value, name, dash)
    if log_x:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(f"{ylabel} (%)" if percent else ylabel)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8)
    return figure


# ---------------------------------------------------------------- codes


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
    figure = _picture(1.2 + 3.6 * len(panels), 3.9)
    axes_row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, values) in zip(axes_row, panels, strict=True):
        with np.errstate(divide="ignore"):
            logs = np.log10(values * units**2)
        matrix = logs.transpose(0, 2, 1, 3).reshape(shown * units, shown * units)
        image = axes.imshow(
            np.clip(matrix, -limit, limit), cmap="PuOr_r", norm=colors.Normalize(-limit, limit), interpolation="nearest"
        )
        for edge in range(1, shown):
            for line in (axes.axhline, axes.axvline):
                line(edge * units - 0.5, color="black", linewidth=0.6)
        centres = units * (np.arange(shown) + 0.5) - 0.5
        axes.set_xticks(centres, [str(s + 1) for s in range(shown)])
        axes.set_yticks(centres, [str(s + 1) for s in range(shown)])
        axes.tick_params(length=0)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(f"segment of view 2 ({units} units each)")
        axes.set_ylabel("segment of view 1")
    bar = figure.colorbar(image, ax=list(axes_row), shrink=0.85, extend="both")
    bar.set_label("log10 of probability over 1 / K² (0: independent)")
    return figure


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
    figure = _picture(10.0, 0.5 + 1.15 * rows)
    grid = figure.subplots(rows, 2, width_ratios=[1, 9], squeeze=False)
    q = np.asarray(codes[:, :shown].detach().float().cpu())
    for row in range(rows):
        left, axes = grid[row]
        left.axis("off")
        if images is not None:
            left.imshow(_picture_array(images[row]), cmap="gray", vmin=0, vmax=1)
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


def _picture_array(image: Tensor) -> np.ndarray:
    x = np.asarray(image.detach().float().cpu())
    x = x / 255.0 if not image.is_floating_point() else x
    return x[0] if x.shape[0] == 1 else x.transpose(1, 2, 0)


def usage_histogram(usage: Float[Tensor, "s k"], *, dead_below: float = 0.1) -> Picture:
    """How often the units of all segments are used, times K: 1 for every unit where all are used alike.

    usage: mean code of every segment, (S, K), rows summing to one. Units below `dead_below` are counted as dead in
    the title.
    """
    s, k = usage.shape
    values = np.asarray(usage.detach().double().cpu()).ravel() * k
    figure = _picture(4.8, 3.2)
    axes = _tidy(figure.subplots())
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

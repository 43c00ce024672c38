"""Figures of training as it happens: quantities over epochs, the way out of the uniform code, codes against their
floors."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from musiclib.plots import DASHES, GREY, OKABE_ITO, Picture, _picture, _tidy

Curve = Sequence[Mapping[str, Any]]
MARKS = "osD^vPX*"


def over_epochs(
    rows: Mapping[str, Sequence[Curve]],
    panels: Mapping[str, Callable[[Mapping[str, Any]], float]],
    *,
    levels: Mapping[str, Mapping[str, float]] | None = None,
    log: Sequence[str] = (),
    unit_range: bool = True,
) -> Picture:
    """Quantities of every row of runs over the epochs, a panel each: every run thin, the mean of a row thick.

    rows: name -> curves of its runs. panels: axis label -> how the quantity is read off an entry of a curve. levels:
    panel -> {name: value}, horizontal lines for what means nothing. log: panels with a logarithmic axis; the others
    run from 0 to 1 where `unit_range`.
    """
    if not rows or not all(rows.values()):
        raise ValueError("rows: every row needs at least one run")
    across = min(len(panels), 4)
    down = -(-len(panels) // across)
    width = max(3.1 * across, 6.4)
    columns = max(1, min(len(rows), int(12 * width / (6 + max(len(name) for name in rows)))))
    figure = _picture(width, 2.8 * down + 0.25 * -(-len(rows) // columns) + 0.2)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for unused in grid[len(panels) :]:
        unused.set_visible(False)
    for (label, read), axes in zip(panels.items(), grid, strict=False):
        _tidy(axes)
        for place, (name, curves) in enumerate(rows.items()):
            style = {"color": OKABE_ITO[place % len(OKABE_ITO)], "marker": MARKS[place % len(MARKS)], "markersize": 3.5}
            series = [([e["epoch"] for e in c], [read(e) for e in c]) for c in curves]
            if len(series) > 1:
                for x, y in series:
                    axes.plot(x, y, color=style["color"], linewidth=0.6, alpha=0.4)
            shortest = min(len(x) for x, _ in series)
            mean = np.mean([y[:shortest] for _, y in series], axis=0)
            axes.plot(series[0][0][:shortest], mean, linewidth=1.5, label=name, **style)
        for (text, value), dash in zip((levels or {}).get(label, {}).items(), cycle(DASHES)):
            _named_level(axes, value, text, dash)
        axes.set_xlabel("epoch")
        axes.set_ylabel(textwrap.fill(label, 30))
        if label in log:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
            axes.yaxis.set_minor_formatter(lambda v, _: "")
        elif unit_range:
            axes.set_ylim(-0.03, 1.03)
        axes.xaxis.get_major_locator().set_params(integer=True)
    if len(rows) > 1:
        handles, names = grid[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False, fontsize=9)
    return figure


def _named_level(axes: Axes, value: float, text: str, dash: tuple) -> None:
    axes.axhline(value, color=GREY, linewidth=1.0, linestyle=dash, zorder=0)
    axes.annotate(
        text, (0.99, value), xycoords=("axes fraction", "data"), xytext=(0, 2), textcoords="offset points",
        ha="right", va="bottom", fontsize=7.5, color=GREY,
    )  # fmt: skip


def saddle(
    free: Mapping[str, Sequence[Mapping[str, float]]],
    network: Mapping[str, Sequence[Mapping[str, float]]],
    uniform: Mapping[str, float],
) -> Picture:
    """The way out of the uniform code. Left: free codes, size of a logit beside its predicted growth. Right: a network,
    loss minus the uniform code's.

    free: row -> trace of `dynamics.escape_from_uniform`. network: row -> trace of `dynamics.network_steps`; uniform:
    row -> loss of the uniform code with that row's weights, in nats.
    """
    figure = _picture(9.4, 3.5)
    left, right = (_tidy(axes) for axes in figure.subplots(1, 2))
    for place, (name, trace) in enumerate(free.items()):
        colour, mark = OKABE_ITO[place % len(OKABE_ITO)], MARKS[place % len(MARKS)]
        steps, size = [e["step"] for e in trace], np.array([e["size"] for e in trace])
        left.plot(steps, size, color=colour, marker=mark, markevery=max(1, len(steps) // 12), markersize=4, label=name)
        predicted = np.array([e["predicted"] for e in trace])
        shown = predicted <= 3 * size.max()
        left.plot(
            np.array(steps)[shown], predicted[shown], color=colour, linestyle=DASHES[place % len(DASHES)], linewidth=1.0
        )
    left.plot([], [], color=GREY, linestyle=DASHES[0], linewidth=1.0, label="predicted by the curvature")
    left.set_yscale("log")
    left.set_xlabel("step of gradient descent")
    left.set_ylabel("root mean square of a logit")
    left.set_title("free codes", fontsize=10)
    left.legend(frameon=False, fontsize=8, loc="lower right")
    for place, (name, trace) in enumerate(network.items()):
        colour, mark = OKABE_ITO[place % len(OKABE_ITO)], MARKS[place % len(MARKS)]
        below = [e["loss"] - uniform[name] for e in trace]
        right.plot(
            [e["step"] for e in trace], below, color=colour, marker=mark, markevery=max(1, len(below) // 12),
            markersize=4, label=name,
        )  # fmt: skip
    right.axhline(0, color=GREY, linewidth=1.0, linestyle=DASHES[1], zorder=0)
    right.annotate(
        "uniform code", (0.99, 0), xycoords=("axes fraction", "data"), xytext=(0, 3), textcoords="offset points",
        ha="right", va="bottom", fontsize=7.5, color=GREY,
    )  # fmt: skip
    right.margins(y=0.12)
    right.set_xlabel("step of gradient descent")
    right.set_ylabel("loss minus that of the uniform code (nats)")
    right.set_title("a network on fresh batches", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    return figure


def softening(traces: Mapping[str, Sequence[Mapping[str, float]]], floors: Mapping[str, float]) -> Picture:
    """Free codes of a batch of fewer than K^2 samples: loss and mean peak over the steps, beside the floors.

    traces: row -> trace of `dynamics.free_codes`. floors: name -> loss in nats, e.g. the least of any one-hot code.
    """
    figure = _picture(9.4, 3.3)
    left, right = (_tidy(axes) for axes in figure.subplots(1, 2))
    for place, (name, trace) in enumerate(traces.items()):
        style = {"color": OKABE_ITO[place % len(OKABE_ITO)], "marker": MARKS[place % len(MARKS)], "markersize": 4}
        steps = [e["step"] for e in trace]
        every = max(1, len(steps) // 10)
        for axes, quantity in ((left, "loss"), (right, "peak")):
            axes.plot(steps, [e[quantity] for e in trace], markevery=every, linewidth=1.4, label=name, **style)
    for (text, value), dash in zip(floors.items(), cycle(DASHES)):
        _named_level(left, value, f"{text} {value:.2f}", dash)
    low = min([*floors.values(), *(trace[-1]["loss"] for trace in traces.values())])
    left.set_ylim(low - 0.2, low + 4)
    right.set_ylim(0, 1.03)
    _named_level(right, 1.0, "one-hot", DASHES[1])
    for axes, label in ((left, "loss (nats)"), (right, "mean largest probability of a code")):
        axes.set_xlabel("step")
        axes.set_ylabel(label)
    left.legend(frameon=False, fontsize=8, loc="upper right")
    return figure

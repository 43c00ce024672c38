"""Figures of training as it happens: quantities over epochs, the way out of the uniform code, codes against their
floors."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from musiclib.plots.style import (
    DASHES,
    GREY,
    Picture,
    fixed_style,
    grey_levels,
    mean_curve,
    paint,
    picture,
    plain_log,
    tidy,
)

Curve = Sequence[Mapping[str, Any]]


@fixed_style()
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
    figure = picture(width, 2.8 * down + 0.25 * -(-len(rows) // columns) + 0.2)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for unused in grid[len(panels) :]:
        unused.set_visible(False)
    for (label, read), axes in zip(panels.items(), grid, strict=False):
        tidy(axes)
        for place, (name, curves) in enumerate(rows.items()):
            colour, mark = paint(place)
            runs = [([e["epoch"] for e in c], [read(e) for e in c]) for c in curves]
            mean_curve(axes, runs, color=colour, marker=mark, markersize=3.5, label=name)
        grey_levels(axes, (levels or {}).get(label, {}))
        axes.set_xlabel("epoch")
        axes.set_ylabel(textwrap.fill(label, 30))
        if label in log:
            axes.set_yscale("log")
            plain_log(axes.yaxis)
        elif unit_range:
            axes.set_ylim(-0.03, 1.03)
        axes.xaxis.get_major_locator().set_params(integer=True)
    if len(rows) > 1:
        handles, names = grid[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False, fontsize=9)
    return figure


@fixed_style()
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
    figure = picture(9.4, 3.5)
    left, right = (tidy(axes) for axes in figure.subplots(1, 2))
    for place, (name, trace) in enumerate(free.items()):
        colour, mark = paint(place)
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
        colour, mark = paint(place)
        below = [e["loss"] - uniform[name] for e in trace]
        right.plot(
            [e["step"] for e in trace], below, color=colour, marker=mark, markevery=max(1, len(below) // 12),
            markersize=4, label=name,
        )  # fmt: skip
    grey_levels(right, {"uniform code": 0.0})
    right.margins(y=0.12)
    right.set_xlabel("step of gradient descent")
    right.set_ylabel("loss minus that of the uniform code (nats)")
    right.set_title("a network on fresh batches", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    return figure


@fixed_style()
def softening(traces: Mapping[str, Sequence[Mapping[str, float]]], floors: Mapping[str, float]) -> Picture:
    """Free codes of a batch of fewer than K^2 samples: loss and mean peak over the steps, beside the floors.

    traces: row -> trace of `dynamics.free_codes`. floors: name -> loss in nats, e.g. the least of any one-hot code.
    """
    figure = picture(9.4, 3.3)
    left, right = (tidy(axes) for axes in figure.subplots(1, 2))
    for place, (name, trace) in enumerate(traces.items()):
        colour, mark = paint(place)
        steps = [e["step"] for e in trace]
        every = max(1, len(steps) // 10)
        for axes, quantity in ((left, "loss"), (right, "peak")):
            axes.plot(
                steps, [e[quantity] for e in trace], color=colour, marker=mark, markersize=4, markevery=every,
                linewidth=1.4, label=name,
            )  # fmt: skip
    grey_levels(left, {f"{text} {value:.2f}": value for text, value in floors.items()})
    low = min([*floors.values(), *(trace[-1]["loss"] for trace in traces.values())])
    left.set_ylim(low - 0.2, low + 4)
    right.set_ylim(0, 1.03)
    grey_levels(right, {"one-hot": 1.0})
    for axes, label in ((left, "loss (nats)"), (right, "mean largest probability of a code")):
        axes.set_xlabel("step")
        axes.set_ylabel(label)
    left.legend(frameon=False, fontsize=8, loc="upper right")
    return figure

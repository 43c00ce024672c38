"""Accuracy while training: against epochs and against time, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from musiclib.intervals import t_interval
from musiclib.names import MUSIC, NAMES, family
from musiclib.plots import Picture, _picture, _tidy
from musiclib.plots_comparison import LEAST, LINES, MARKS, SHADES


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
    figure = _picture(8.6, 4.2)
    against_epochs, against_time = figure.subplots(1, 2, sharey=True)
    handles = []
    for row, by_seed in shown.items():
        points = [{epoch: (seconds, value) for epoch, seconds, value in run} for run in by_seed.values()]
        epochs = sorted(set.intersection(*map(set, points)))
        values = 100 * np.array([[run[e][1] for e in epochs] for run in points])
        minutes = np.array([[run[e][0] / 60 for e in epochs] for run in points]).mean(0)
        kind = family(row)
        kin = [r for r in shown if family(r) == kind]
        style = {"color": SHADES[kind], "linestyle": LINES[kin.index(row) % len(LINES)], "marker": MARKS[kind]}
        style |= {"linewidth": 2.6 if row in MUSIC else 1.2, "markersize": 3.5}
        for axes, x in ((against_epochs, epochs), (against_time, minutes)):
            axes.plot(x, values.mean(0), zorder=3 if row in MUSIC else 2, **style)
            if len(values) >= LEAST:
                half = np.array([t_interval(column)[1] for column in values.T])
                low, high = values.mean(0) - half, values.mean(0) + half
                axes.fill_between(x, low, high, color=SHADES[kind], alpha=0.12, linewidth=0)
        handles.append(Line2D([], [], label=labels.get(row, row), **style))
    for axes, name in ((against_epochs, "epochs"), (against_time, "minutes of training, one run")):
        _tidy(axes)
        axes.set_xlabel(name)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    against_epochs.set_ylabel("kNN, held-out training images (%)")
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8, handlelength=3.2)
    return figure

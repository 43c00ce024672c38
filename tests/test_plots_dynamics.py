"""Figures of training: what they draw is what they were given, trivial values included."""

import math

import numpy as np
import pytest

from musiclib.plots.dynamics import over_epochs, saddle, softening


def curve(shift=0.0, epochs=3):
    return [{"epoch": e, "health": {"peak": 0.2 * e + shift, "gap": 10.0**-e}} for e in range(1, epochs + 1)]


PANELS = {"peak": lambda e: e["health"]["peak"], "gap": lambda e: e["health"]["gap"]}


def test_rows_show_their_runs_and_the_mean_over_common_epochs():
    rows = {"two": [curve(), curve(0.1, epochs=4)], "one": [curve(0.3)]}
    figure = over_epochs(rows, PANELS, levels={"peak": {"trivial": 0.25}}, log=["gap"])
    peak, gap = figure.axes
    by_label = {line.get_label(): line for line in peak.lines}
    assert list(by_label["two"].get_xdata()) == [1, 2, 3]
    assert by_label["two"].get_ydata() == pytest.approx([0.25, 0.45, 0.65])
    assert len([line for line in peak.lines if len(line.get_xdata()) == 4]) == 1  # the longer run, thin
    assert [line.get_ydata()[0] for line in peak.lines if list(line.get_xdata()) == [0, 1]] == [0.25]
    assert "trivial" in [t.get_text() for t in peak.texts]
    assert (gap.get_yscale(), peak.get_yscale()) == ("log", "linear")
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["two", "one"]
    assert (peak.get_xlabel(), peak.get_ylabel()) == ("epoch", "peak")


def test_one_row_needs_no_legend_and_no_row_is_an_error():
    assert not over_epochs({"one": [curve()]}, PANELS).legends
    with pytest.raises(ValueError, match="at least one run"):
        over_epochs({"one": []}, PANELS)


def test_the_saddle_draws_size_prediction_and_depth_below_the_uniform_code():
    free = {"c = 1": [{"step": s, "size": 1e-3 * 2**s, "predicted": 1e-3 * 3**s} for s in range(5)]}
    free["c = 1"].append({"step": 5, "size": 0.02, "predicted": math.inf})
    network = {"c = 1": [{"step": s, "loss": -4.0 - s} for s in range(4)]}
    left, right = saddle(free, network, {"c = 1": -4.0}).axes
    assert left.get_yscale() == "log"
    assert left.lines[0].get_ydata()[:3] == pytest.approx([1e-3, 2e-3, 4e-3])
    assert left.lines[1].get_ydata()[1] == pytest.approx(3e-3)
    assert np.isfinite(left.lines[1].get_ydata()).all()
    assert list(right.lines[0].get_ydata()) == [0, -1, -2, -3]
    assert "nats" in right.get_ylabel()


def test_softening_shows_floors_and_sharpness():
    trace = [{"step": s, "loss": -2.0 - s / 10, "peak": 0.5 + s / 100} for s in range(20)]
    left, right = softening({"c = 0": trace}, {"one-hot floor": -3.0, "bound": -4.0}).axes
    assert [t.get_text() for t in left.texts] == ["one-hot floor -3.00", "bound -4.00"]
    assert left.lines[0].get_ydata()[-1] == pytest.approx(-3.9)
    assert right.lines[0].get_ydata()[-1] == pytest.approx(0.69)
    assert left.get_ylim()[0] < -4.0

"""Figures of ablations and cost draw what they are given, with spread, collapsed runs and trivial values."""

import pytest
from matplotlib.colors import to_hex

from musiclib.plots import OKABE_ITO, t_interval
from musiclib.plots_ablation import COLLAPSED, ablation

VALUES = {
    "linear probe": {"0": {0: 0.6, 1: 0.7, 2: 0.65}, "1": {0: 0.8}, "2": {}},
    "weighted kNN": {"0": {0: 0.5, 1: 0.6, 2: 0.52}, "1": {0: 0.7}, "2": {}},
}


def draw(**options):
    figure = ablation(VALUES, xlabel="depth", **options)
    return figure, figure.axes[0]


def test_means_intervals_and_single_runs_are_the_data():
    _, axes = draw(question="Is depth needed?")
    mean, half = t_interval([60, 70, 65])
    bars = [c for c in axes.containers if c.has_yerr]
    assert len(bars) == 2  # the rows with three runs, one a probe
    low, high = bars[0][2][0].get_segments()[0][:, 1]
    assert (low, high) == (pytest.approx(mean - half), pytest.approx(mean + half))
    ticks = [line for line in axes.lines if line.get_marker() == "_" and line.get_alpha()]  # not the caps of intervals
    assert sorted(float(line.get_ydata()[0]) for line in ticks) == pytest.approx([50, 52, 60, 60, 65, 70, 70, 80])
    assert axes.get_ylabel() == "top-1 accuracy (%)"
    assert axes.get_title(loc="left") == "Is depth needed?"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "1", "2"]


def test_single_runs_are_hollow_and_missing_ones_are_said():
    _, axes = draw()
    hollow = [c[0] for c in axes.containers if not c.has_yerr]
    assert [to_hex(line.get_markerfacecolor()) for line in hollow] == ["#ffffff"] * 2
    assert "no finished run" in [t.get_text() for t in axes.texts]


def test_collapsed_runs_have_a_mark_and_a_legend_entry_of_their_own():
    figure, axes = draw(collapsed={"0": [1]})
    crosses = [line for line in axes.lines if line.get_marker() == "X" and line.get_color() == COLLAPSED]
    assert sorted(float(line.get_ydata()[0]) for line in crosses) == pytest.approx([60, 70])
    assert "a collapsed run" in [t.get_text() for t in figure.legends[0].get_texts()]
    assert "a collapsed run" not in [t.get_text() for t in draw()[0].legends[0].get_texts()]


def test_trivial_values_are_lines_in_the_colour_of_their_probe():
    figure, axes = draw(trivial={"raw pixels": {"linear probe": 0.4, "weighted kNN": 0.3}})
    lines = {float(line.get_ydata()[0]): line.get_color() for line in axes.lines if list(line.get_xdata()) == [0, 1]}
    assert {round(y, 9): colour for y, colour in lines.items()} == {40.0: OKABE_ITO[0], 30.0: OKABE_ITO[1]}
    assert "raw pixels" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_no_row_is_an_error():
    with pytest.raises(ValueError, match="at least one row"):
        ablation({"linear": {}}, xlabel="x")

"""Figures of ablations and cost draw what they are given, with spread, collapsed runs and trivial values."""

import pytest
from matplotlib.colors import to_hex

from musiclib.methods.names import NAMES
from musiclib.plots.ablation import COLLAPSED, ablation, accuracy_against_cost, cost_over, methods_over
from musiclib.plots.style import OKABE_ITO
from musiclib.statistics import t_interval

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


# ---------------------------------------------------------------- cost


def test_methods_over_a_setting_have_a_panel_a_probe():
    runs = {"music": {64: {0: 0.5, 1: 0.6}, 256: {0: 0.7}}, "vicreg": {64: {0: 0.4}}}
    figure = methods_over(
        {"linear": runs, "kNN": runs}, xlabel="D", log_x=True,
        collapsed={"vicreg": {64: [0]}}, trivial={"pixels": {"linear": 0.3}},
    )  # fmt: skip
    left, right = figure.axes
    assert left.get_ylabel() == "top-1 accuracy, linear (%)"
    bar = next(c for c in left.containers if c.has_yerr)
    mean, half = t_interval([50, 60])
    assert bar[2][0].get_segments()[0][:, 1] == pytest.approx([mean - half, mean + half])
    assert [t.get_text() for t in left.get_xticklabels()] == ["64", "256"]
    assert len([line for line in left.lines if line.get_marker() == "X"]) == 1
    flat = [[line.get_ydata()[0] for line in a.lines if list(line.get_xdata()) == [0, 1]] for a in (left, right)]
    assert flat == [[pytest.approx(30.0)], []]
    with pytest.raises(ValueError, match="at least one run"):
        methods_over({"linear": {}}, xlabel="D")


def test_costs_are_medians_with_their_whole_spread():
    figure = cost_over(
        {"time (ms)": {"floor": {256: [1.0, 1.0], 512: [2.0, 2.0]}, "music": {256: [1.0, 2.0, 9.0], 512: [4.0]}}},
        xlabel="D",
    )
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    music = axes.containers[1]
    assert list(music[0].get_ydata()) == [2.0, 4.0]
    assert music[2][0].get_segments()[0][:, 1] == pytest.approx([1.0, 9.0])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["floor", NAMES["music"]]


def test_accuracy_against_cost_names_every_row():
    points = {"music": [(1e6, "D = 64", [0.5, 0.6]), (2e6, "D = 256", [0.7])]}
    axes = accuracy_against_cost(points, xlabel="flops", ylabel="accuracy", trivial={"pixels": 0.3}).axes[0]
    assert [t.get_text() for t in axes.texts] == ["D = 64", "D = 256"]
    assert [float(c[0].get_ydata()[0]) for c in axes.containers] == pytest.approx([55, 70])
    assert axes.get_ylabel() == "accuracy (%)"

"""Figures of comparisons: what is drawn is the data, rows share their place, and few runs have no interval."""

import math

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from musiclib.methods.names import NAMES
from musiclib.plots.comparison import SHADES, difference_dots, dot_panels, health_curves
from musiclib.statistics import mean_interval, t_interval

VALUES = {"music": [0.6, 0.7, 0.8], "simclr": [0.5, 0.9], "pixels": [0.4], "byol": []}


def marks(axes):
    """Height -> (mean, whether an interval is drawn) of every row."""
    found = {}
    for bars in axes.containers:
        assert isinstance(bars, ErrorbarContainer)
        (x,), (y,) = bars[0].get_data()
        found[int(y)] = (float(x), bool(bars[2]))
    return found


def heights(axes):
    return {label.get_text(): int(y) for y, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}


def test_a_row_stands_at_its_mean_in_percent_and_three_runs_have_an_interval():
    figure = dot_panels({"linear": VALUES, "kNN": {"music": [0.3]}})
    left, right = figure.axes
    at, drawn = heights(left), marks(left)
    assert drawn[at[NAMES["music"]]] == (pytest.approx(70.0), True)
    assert drawn[at["SimCLR"]] == (pytest.approx(70.0), False)
    assert drawn[at["raw pixels"]] == (pytest.approx(40.0), False)
    assert at["BYOL"] not in drawn
    assert [t.get_text() for t in left.texts] == ["no finished run"]
    assert left.texts[0].xy[1] == at["BYOL"]
    assert marks(right) == {at[NAMES["music"]]: (pytest.approx(30.0), False)}
    assert left.get_xlabel() == "linear (%)"
    bar = next(b for b in left.containers if b[2])[2][0].get_segments()[0]
    assert bar[1][0] - bar[0][0] == pytest.approx(2 * 100 * t_interval(VALUES["music"])[1])


def test_rows_are_sorted_by_the_first_panel_unless_told_otherwise():
    values = {"simclr": [0.1], "music": [0.9], "byol": [0.5]}
    assert list(heights(dot_panels({"a": values}).axes[0])) == ["SimCLR", "BYOL", NAMES["music"]]
    given = dot_panels({"a": values}, sort=False).axes[0]
    assert list(heights(given)) == ["BYOL", NAMES["music"], "SimCLR"]  # upwards, so the first one given is on top


def test_values_of_no_learning_are_lines_that_the_legend_names():
    figure = dot_panels({"a": VALUES}, trivial={"a": {"raw pixels": 0.4}})
    assert [line.get_xdata()[0] for line in figure.axes[0].lines if list(line.get_ydata()) == [0, 1]] == [40.0]
    assert "raw pixels" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_a_panel_may_be_no_percentage_and_logarithmic():
    axes = dot_panels({"time (s)": {"music": [3.0]}}, percent=False, log=["time (s)"]).axes[0]
    assert axes.get_xlabel() == "time (s)"
    assert marks(axes)[0][0] == 3.0
    assert axes.get_xscale() == "log"


def test_a_variant_of_a_row_has_the_colour_of_its_family():
    figure = dot_panels({"a": {"music, best segment": [0.4]}}, labels={"music, best segment": "codes"})
    assert figure.axes[0].containers[0][0].get_color() == SHADES["informational coding"]
    assert list(heights(figure.axes[0])) == ["codes"]


def test_differences_are_drawn_in_points_beside_zero():
    three, one = mean_interval([0.01, 0.02, 0.03]), mean_interval([-0.05])
    figure = difference_dots({"linear": {"simclr": three, "pixels": one, "byol": mean_interval([])}})
    axes = figure.axes[0]
    at, drawn = heights(axes), marks(axes)
    assert drawn[at["SimCLR"]] == (pytest.approx(2.0), True)
    assert drawn[at["raw pixels"]] == (pytest.approx(-5.0), False)
    assert at["BYOL"] not in drawn
    assert 0.0 in [line.get_xdata()[0] for line in axes.lines]
    assert axes.get_xlabel() == "linear\nMUSIC minus row (points)"


def course(shift, epochs=3):
    return [
        {"epoch": e, "health": {"effective_rank": 10.0 * e + shift, "alignment": 0.1, "uniformity": -float(e)}}
        for e in range(1, epochs + 1)
    ]


def test_health_is_the_mean_over_seeds_and_rows_without_runs_are_left_out():
    figure = health_curves({"music": [course(0), course(4, 5)], "simclr": [course(1)], "byol": []})
    rank = figure.axes[0]
    thick = max(rank.lines, key=lambda line: line.get_linewidth())
    assert list(thick.get_ydata()) == [12.0, 22.0, 32.0]  # over the epochs that both have
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [NAMES["music"], NAMES["simclr"]]
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch"] * 3


def test_the_collapse_level_is_drawn():
    figure = health_curves({"music": [course(0)]}, levels={"effective_rank": 2.0})
    assert any(np.allclose(line.get_ydata(), 2.0) for line in figure.axes[0].lines)


@pytest.mark.parametrize("draw", [dot_panels, difference_dots, health_curves])
def test_nothing_to_draw_is_an_error(draw):
    with pytest.raises(ValueError, match="at least one"):
        draw({})
    assert math.isnan(mean_interval([]).mean)

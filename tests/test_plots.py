"""Figures: what stands on the axes is the data, with names, units, spread and the trivial value."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.collections import PatchCollection
from scipy import stats

from musiclib import joint_distribution
from musiclib.plots.ablation import response
from musiclib.plots.codes import joint_heatmap, piano_keys, usage_histogram
from musiclib.plots.comparison import accuracy_dots
from musiclib.plots.style import OKABE_ITO
from musiclib.plots.training import loss_curves, term_bounds
from musiclib.statistics import t_interval


def curve(shift=0.0, epochs=4):
    return [
        {"epoch": e, "loss": -e + shift, "diagonal": -0.5 * e, "off_diagonal": -0.7 * e, "invariance": 0.2 * e}
        for e in range(1, epochs + 1)
    ]


def levels(axes):
    """Heights of the horizontal lines that span the axes."""
    return [line.get_ydata()[0] for line in axes.lines if list(line.get_xdata()) == [0, 1]]


def written(axes):
    return " ".join(text.get_text() for text in axes.texts)


def codes(n=50, s=3, k=4, seed=0):
    return torch.softmax(3 * torch.randn(n, s, k, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_t_interval_is_that_of_scipy_and_one_run_has_none():
    x = [0.61, 0.64, 0.66]
    mean, half = t_interval(x)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(x), scale=stats.sem(x))
    assert (mean - half, mean + half) == (pytest.approx(low), pytest.approx(high))
    assert t_interval([0.5])[0] == 0.5
    assert math.isnan(t_interval([0.5])[1])
    with pytest.raises(ValueError, match="at least one number"):
        t_interval([])


def test_loss_curves_show_runs_mean_bound_and_landmarks():
    figure = loss_curves(
        [curve(), curve(1.0, epochs=6)],
        terms=["diagonal", "invariance"],
        landmarks={"bound": -8.3, "uniform": -3.1},
        bounds=term_bounds(16),
    )
    loss, diagonal, invariance = figure.axes
    assert list(loss.lines[0].get_ydata()) == [-1, -2, -3, -4]
    assert list(loss.lines[1].get_ydata()) == [0, -1, -2, -3, -4, -5]
    assert list(loss.lines[2].get_ydata()) == [-0.5, -1.5, -2.5, -3.5]  # the mean, over the epochs of both
    assert loss.get_legend().get_texts()[0].get_text() == "mean of 2 runs"
    assert levels(loss) == [-8.3, -3.1]
    assert "uniform -3.10" in written(loss)
    assert levels(diagonal) == [pytest.approx(-math.log(16))]
    assert levels(invariance) == [0.0]
    assert (loss.get_xlabel(), loss.get_ylabel(), diagonal.get_ylabel()) == ("epoch", "loss (nats)", "diagonal (nats)")
    with pytest.raises(ValueError, match="at least one run"):
        loss_curves([])


def test_bounds_of_the_terms_add_up_to_that_of_the_loss():
    assert sum(term_bounds(32).values()) == pytest.approx(-3 * math.log(32))


def test_accuracy_dots_order_rows_and_show_every_run_and_the_trivial_values():
    rows = {"music": [0.6, 0.62, 0.64], "random": [0.4, 0.42, 0.41], "supervised": [0.9]}
    figure = accuracy_dots(rows, trivial={"chance": 0.1, "raw pixels": 0.39}, published={"music": 0.7})
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["random", "music", "supervised"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots[1].get_xdata(), [60, 62, 64])
    mean, half = t_interval(rows["music"])
    marker, _caps, (span,) = axes.containers[1].lines
    assert float(marker.get_xdata()[0]) == pytest.approx(100 * mean)
    np.testing.assert_allclose(np.array(span.get_segments()[0])[:, 0], [100 * (mean - half), 100 * (mean + half)])
    assert not axes.containers[2].lines[2]  # a single run has no interval ...
    assert axes.containers[2].lines[0].get_markerfacecolor() == "white"  # ... and a hollow mean
    verticals = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    assert verticals == [pytest.approx(10), pytest.approx(39)]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert crosses[0].get_xdata() == [70]
    assert crosses[0].get_ydata() == [1]
    assert "%" in axes.get_xlabel()
    with pytest.raises(ValueError, match="at least one row"):
        accuracy_dots({})


def test_response_sorts_settings_and_draws_the_band():
    runs = {1024: [0.6, 0.7, 0.8], 256: [0.5, 0.5, 0.5]}
    figure = response({"music": runs}, xlabel="D", ylabel="accuracy", trivial={"raw pixels": 0.4}, log_x=True)
    axes = figure.axes[0]
    assert list(axes.lines[0].get_xdata()) == [256, 1024]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [50, 70])
    band = axes.collections[0].get_paths()[0].vertices
    mean, half = t_interval(runs[1024])
    assert band[:, 1].max() == pytest.approx(100 * (mean + half))
    assert levels(axes) == [pytest.approx(40)]
    assert axes.get_xscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("D", "accuracy (%)")
    plain = response({"a": {1: [2.0]}, "b": {1: [3.0]}}, xlabel="x", ylabel="loss (nats)", percent=False).axes[0]
    assert plain.lines[0].get_ydata() == [2.0]
    assert [t.get_text() for t in plain.get_legend().get_texts()] == ["a", "b"]


def test_the_heat_map_holds_the_blocks_and_the_ideal():
    q1, q2 = codes(), codes(seed=1)
    P = joint_distribution(q1, q2)
    measured, ideal = joint_heatmap(P, segments=2).axes[:2]
    drawn = measured.images[0].get_array()
    assert drawn.shape == (8, 8)
    want = math.log10(float(P[0, 1, 2, 3]) * 16)
    assert drawn[2, 4 + 3] == pytest.approx(np.clip(want, -1, 1), abs=1e-5)
    perfect = ideal.images[0].get_array()
    assert perfect[0, 0] == pytest.approx(math.log10(4))
    assert perfect[0, 1] == -1  # never happens: clipped
    assert perfect[0, 5] == pytest.approx(0)  # independent segments
    assert [t.get_text() for t in measured.get_xticklabels()] == ["1", "2"]
    assert len(joint_heatmap(P, ideal=False).axes) == 2  # map and colour bar
    assert joint_heatmap(P).axes[0].images[0].get_array().shape == (12, 12)  # no more segments than there are


def test_piano_keys_are_pressed_as_far_as_their_probability():
    q = codes(2, 3, 4)
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    figure = piano_keys(q, images, segments=2, names=["first", "second"])
    picture, keys = figure.axes[:2]
    np.testing.assert_allclose(picture.images[0].get_array(), images[0].permute(1, 2, 0) / 255, atol=1e-6)
    outline, pressed = (c for c in keys.collections if isinstance(c, PatchCollection))
    assert len(outline.get_paths()) == len(pressed.get_paths()) == 8
    boxes = [path.get_extents() for path in pressed.get_paths()]
    np.testing.assert_allclose([box.height for box in boxes], q[0, :2].flatten(), atol=1e-6)
    assert [box.x0 for box in boxes] == [0, 1, 2, 3, 5, 6, 7, 8]  # a gap between the groups
    from matplotlib.colors import to_hex

    assert {to_hex(c).upper() for c in pressed.get_facecolor()} == set(OKABE_ITO[:2])
    assert figure.axes[0].get_title() == "first"
    assert "first 2 of 3" in figure.axes[3].get_xlabel()
    with pytest.raises(ValueError, match="1 for 2 codes"):
        piano_keys(q, images[:1])


def test_usage_histogram_counts_every_unit_and_the_dead_ones():
    usage = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    axes = usage_histogram(usage).axes[0]
    assert sum(patch.get_height() for patch in axes.patches) == 8
    assert "2 of 8" in axes.get_title()
    assert axes.lines[0].get_xdata()[0] == 1.0


def test_every_figure_can_be_written_and_shown(tmp_path):
    q = codes()
    figures = [
        loss_curves([curve()]),
        accuracy_dots({"a": [0.5]}),
        response({"a": {1: [0.1, 0.2]}}, xlabel="x", ylabel="y"),
        joint_heatmap(joint_distribution(q, q)),
        piano_keys(q[:1], torch.rand(1, 1, 8, 8)),
        usage_histogram(q.mean(0)),
    ]
    for i, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{i}.svg")
        assert (tmp_path / f"{i}.svg").stat().st_size > 1000
        assert figure._repr_png_().startswith(b"\x89PNG")


def test_pyplot_stays_unused():
    parts = ("style", "training", "codes", "comparison", "ablation", "attributes", "dynamics", "theory")
    code = f"import sys; from musiclib.plots import {', '.join(parts)}; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

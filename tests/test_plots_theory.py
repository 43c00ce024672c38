"""Figures of the theory: formulas are lines, computed numbers are dots, and both stand where the data say."""

import math

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from musiclib.plots.style import OKABE_ITO
from musiclib.plots.theory import Panel, code_maps, code_table, panels, ranking, seed_dots, spectra

XY = ([1.0, 2.0, 4.0], [3.0, 1.0, 2.0])


def named(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def written(axes):
    return [text.get_text() for text in axes.texts]


def markers(axes):
    """Data lines that are drawn as markers without a line."""
    return [line for line in axes.lines if line.get_linestyle() == "None" and line.get_marker() != "None"]


def test_a_line_and_its_dots_share_colour_and_legend_entry_in_every_panel():
    figure = panels(
        Panel("x", "y", lines={"a": XY, "b": XY}, dots={"a": XY}),
        Panel("x", "y", dots={"b": XY, "a": XY}),
    )
    first, second = figure.axes
    assert named(first) == ["a", "b"]
    line = first.lines[0]
    assert line.get_xydata().tolist() == np.transpose(XY).tolist()
    assert {to_hex(dots.get_color()) for dots in markers(first)} == {to_hex(line.get_color())} == {"#0072b2"}
    assert [to_hex(dots.get_color()) for dots in markers(second)] == [OKABE_ITO[1].lower(), OKABE_ITO[0].lower()]


def test_intervals_levels_uprights_notes_ticks_and_scales_are_drawn():
    panel = Panel(
        "batch",
        "nats",
        dots={"a": (*XY, [0.5, 0.1, 0.2])},
        levels={"bound": -1.5},
        uprights={"here": 3.0},
        notes={"paper": (2.0, 1.0), "other": (4.0, 2.0, "left")},
        ticks=[1, 4],
        log_x=True,
        ylim=(-2, 4),
    )
    (axes,) = panels(panel).axes
    bars = axes.collections[0].get_segments()
    assert np.allclose([(b[0][1], b[1][1]) for b in bars], [(2.5, 3.5), (0.9, 1.1), (1.8, 2.2)])
    assert {"bound", "here", "paper", "other"} == set(written(axes))
    assert [text.get_ha() for text in axes.texts if text.get_text() in ("paper", "other")] == ["left", "right"]
    assert axes.get_xscale() == "log"
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim() == (-2, 4)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "4"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("batch", "nats")


def test_crowds_of_dots_are_drawn_smaller():
    x = list(range(61))
    (axes,) = panels(Panel("x", "y", dots={"few": XY, "many": (x, x)})).axes
    few, many = sorted(markers(axes), key=lambda line: len(line.get_xdata()))
    assert many.get_markersize() < few.get_markersize()


def test_panels_refuse_nothing_and_ragged_series():
    with pytest.raises(ValueError, match="at least one line"):
        Panel("x", "y")
    with pytest.raises(ValueError, match=r"lines\['a'\]"):
        Panel("x", "y", lines={"a": ([1, 2], [1])})
    with pytest.raises(ValueError, match=r"dots\['a'\].*half-widths"):
        Panel("x", "y", dots={"a": ([1], [1], [1], [1])})
    with pytest.raises(ValueError, match="at least one"):
        panels()


def test_a_code_table_shows_the_labels_and_the_counts_of_pairs():
    labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 1]])
    table, counts, _ = code_table(labels, 2, title="five samples").axes
    assert np.array_equal(table.images[0].get_array(), labels.T)
    assert [text.get_text() for text in table.texts] == [str(x) for x in labels.ravel()]
    together = np.array([[2, 0, 1, 1], [0, 3, 1, 2], [1, 1, 2, 0], [1, 2, 0, 3]])  # counted by hand
    assert np.array_equal(counts.images[0].get_array(), together)
    assert table.get_title() == "five samples"
    many = np.random.default_rng(0).integers(11, size=(121, 12))
    assert not list(code_table(many, 11).axes[0].texts)  # too many to read


def test_code_maps_are_one_column_a_method_and_one_row_an_output():
    maps = {"one": torch.zeros(2, 3, 3, dtype=torch.long), "two": torch.arange(18).view(2, 3, 3) % 4}
    figure = code_maps(maps, 4, xlabel="u", ylabel="v")
    grid = np.array(figure.axes).reshape(2, 2)
    for row in range(2):
        for column, name in enumerate(maps):
            image = grid[row, column].images[0]
            assert np.array_equal(image.get_array(), maps[name][row])
            assert image.origin == "lower"  # the second factor grows upwards
            assert image.get_clim() == (-0.5, 3.5)
    assert [axes.get_title() for axes in grid[0]] == ["one", "two"]
    assert grid[1, 0].get_ylabel().startswith("output 2")
    with pytest.raises(ValueError, match="same number of outputs"):
        code_maps({"one": maps["one"], "two": maps["two"][:1]}, 4, xlabel="u", ylabel="v")
    with pytest.raises(ValueError, match="at least one method"):
        code_maps({}, 4, xlabel="u", ylabel="v")


def test_a_ranking_puts_the_largest_on_top_and_the_dots_at_the_computed_values():
    rows = {"small": (0.011, 0.01), "large": (2.1, 2.0), "middle": (0.31, 0.3)}
    (axes,) = ranking(rows, xlabel="gap", elsewhere={"large": 5.0}, note="elsewhere").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["small", "middle", "large"]
    closed, computed, other = markers(axes)
    assert closed.get_xdata().tolist() == [0.01, 0.3, 2.0]
    assert computed.get_xdata().tolist() == [0.011, 0.31, 2.1]
    assert other.get_xydata().tolist() == [[5.0, 2]]
    low, high = axes.get_xlim()
    assert low < 0.01
    assert high > 5
    for bad in ({}, {"zero": (0.0, 1.0)}):
        with pytest.raises(ValueError, match="positive"):
            ranking(bad, xlabel="gap")


def test_spectra_lay_sorted_eigenvalues_on_levels_of_their_multiplicity():
    found = np.array([2.0, -1.0, 2.0, 0.0])
    levels = {"case": {"up": (2.0, 2), "down": (-1.0, 1), "flat": (0.0, 1)}}
    (axes,) = spectra({"case": found}, levels, ylabel="eigenvalue").axes
    dots = next(line for line in axes.lines if line.get_marker() == ".")
    assert dots.get_ydata().tolist() == [-1.0, 0.0, 2.0, 2.0]
    bars = [line.get_xydata().tolist() for line in axes.lines if line.get_linewidth() == 7]
    assert bars == [[[-0.5, -1], [0.5, -1]], [[0.5, 0], [1.5, 0]], [[1.5, 2], [3.5, 2]]]
    assert set(named(axes)) == {"up (2)", "down (1)", "flat (1)"}
    with pytest.raises(ValueError, match="same panels"):
        spectra({"case": found}, {}, ylabel="eigenvalue")


def test_seed_dots_show_every_seed_the_mean_and_the_trivial_value():
    readings = {"left": {"a": [0.1, 0.2, 0.3], "b": [1.0, 1.0, 1.0]}, "right": {"b": [5.0], "a": [4.0]}}
    left, right = seed_dots(readings, xlabel="nats", trivial={"left": 0.05}).axes
    seeds = {line.get_ydata()[0]: line.get_xdata().tolist() for line in markers(left) if len(line.get_xdata()) == 3}
    assert sorted(seeds.values()) == [[0.1, 0.2, 0.3], [1.0, 1.0, 1.0]]
    means = sorted(float(line.get_xdata()[0]) for line in markers(left) if line.get_marker() == "D")
    assert means == [pytest.approx(0.2), 1.0]
    assert [label.get_text() for label in left.get_yticklabels()] == ["a", "b"]  # the order of the first panel
    assert any(list(line.get_xdata()) == [0.05, 0.05] for line in left.lines)
    assert not any(math.isclose(line.get_xdata()[0], 0.05) for line in right.lines)
    with pytest.raises(ValueError, match="at least one panel"):
        seed_dots({}, xlabel="nats")


def test_figures_write_svg(tmp_path):
    panels(Panel("x", "y", lines={"a": XY})).savefig(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().count("<svg") == 1

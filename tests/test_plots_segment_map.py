"""Figures of the map, read back from what was drawn."""

import numpy as np
import pytest
import torch

from musiclib.plots.attributes import gallery_sheet
from musiclib.plots.segment_map import galleries_beside, held_tables, parting, trade_off
from musiclib.plots.style import GREY


def texts(axes):
    return [t.get_text() for t in axes.texts]


def test_points_lie_where_they_are_and_few_seeds_are_hollow():
    three = [(0.1, 0.2), (0.3, 0.4), (0.2, 0.3)]
    figure = trade_off({"c = 0": {"gentle": three}, "c = 1": {"none": [(0.9, 0.8)]}}, {})
    lines = [line for container in figure.axes[0].containers for line in [container.lines[0]]]
    assert [tuple(map(float, np.ravel(line.get_data()))) for line in lines] == [
        pytest.approx((0.2, 0.3)),
        pytest.approx((0.9, 0.8)),
    ]
    assert lines[1].get_markerfacecolor() == "white" != lines[0].get_markerfacecolor()
    assert lines[0].get_marker() != lines[1].get_marker()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["c = 0", "c = 1", "gentle", "none"]


def test_peers_are_grey_and_named_beside_their_marks():
    figure = trade_off({"c": {"v": [(0.5, 0.5)]}}, {}, peers={"simclr": {"w": [(0.2, 0.1), (0.4, 0.3)]}})
    own, peer = (container.lines[0] for container in figure.axes[0].containers)
    assert texts(figure.axes[0]) == ["simclr"]
    assert tuple(np.ravel(peer.get_data())) == pytest.approx((0.3, 0.2))
    assert peer.get_color() == GREY != own.get_color()
    assert peer.get_markerfacecolor() == "white"
    assert not figure.axes[0].containers[1].has_xerr


def test_landmarks_at_one_place_share_a_star():
    figure = trade_off({"c": {"v": [(0.5, 0.5)]}}, {"arbitrary": (0.0, 0.001), "null": (0.0, 0.0), "same": (1.0, 1.0)})
    assert texts(figure.axes[0]) == ["arbitrary, null", "same"]


def test_tables_tell_means_and_frame_the_misses():
    values = {"gentle": {"hue": [0.8, 0.9], "core": [0.1, 0.1]}}
    figure = held_tables(
        {"top": values, "codes": values}, {"codes": {"gentle": {"hue": (False, "miss"), "core": (False, "hit")}}}
    )
    top, codes = figure.axes
    assert texts(top)[1] == "0.10 ± 0.00"
    assert texts(codes)[1] == "lost ✗"
    assert texts(codes)[3] == "lost ✓"
    assert len(codes.patches) == 1
    assert len(top.patches) == 0


def test_curves_of_every_series_are_drawn_with_their_mean():
    figure = parting(
        {"a": {"x": [([1, 2], [0.0, 0.4]), ([1, 2], [0.2, 0.8])]}, "b": {"x": [([1], [0.5])]}}, xlabel="step"
    )
    first, second = figure.axes
    assert [line.get_ydata()[-1] for line in first.lines] == pytest.approx([0.4, 0.8, 0.6])
    assert first.get_xlabel() == "step"
    assert second.get_ylabel() == "b"


def test_a_sheet_holds_every_image_in_its_column():
    images = torch.stack([torch.full((3, 4, 4), v, dtype=torch.uint8) for v in (10, 20, 30)])
    sheet = gallery_sheet(images, [[0, 1], [], [2]], gap=1)
    assert sheet.shape == (10, 15, 3)
    assert (sheet[:4, :4] == 10).all()
    assert (sheet[5:9, :4] == 20).all()
    assert (sheet[:, 5:9] == 255).all()
    assert (sheet[:4, 10:14] == 30).all()


def test_galleries_stand_beside_each_other_under_their_names():
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    sides = {
        "c = 0": {"segment 1": ([[0], [1]], ["a", "b"])},
        "c = 1": {s: ([[0], [1]], ["a", "b"]) for s in ("s", "t")},
    }
    figure = galleries_beside(images, sides)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["c = 0\nsegment 1", "c = 1\ns", "", "c = 1\nt"]
    assert [axes.axison for axes in figure.axes] == [True, True, False, True]


@pytest.mark.parametrize(
    ("draw", "given", "words"),
    [
        (trade_off, ({"c": {}}, {}), "points: needs"),
        (held_tables, ({},), "panels: needs"),
        (parting, ({},), "panels: needs"),
        (galleries_beside, (torch.zeros(1, 3, 2, 2), {"c": {}}), "sides: needs"),
    ],
)
def test_empty_figures_are_refused(draw, given, words):
    with pytest.raises(ValueError, match=words):
        draw(*given)

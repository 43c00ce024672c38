"""Figures of what segments mean: cells, frames, marks and pictures stand where the data say; and signs are judged."""

import math

import numpy as np
import pytest
import torch

from musiclib.evaluate.predictions import judge_effect
from musiclib.plots.attributes import effect_table, factor_dots, information_panels, ranked_dots, unit_galleries


def written(axes):
    return [text.get_text() for text in axes.texts]


def test_matched_segments_stand_on_top_and_are_framed():
    shares = torch.tensor([[0.1, 0.0], [0.0, 0.3], [0.9, 0.2], [0.0, 0.8]])
    figure = information_panels({"code": (shares, torch.tensor([2, 3]))}, ["hue", "size"])
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["3", "4", "2", "1"]  # matched, then by largest share
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn[:, 0].tolist() == pytest.approx([0.9, 0.0, 0.0, 0.1])
    assert [(p.get_x(), p.get_y()) for p in axes.patches] == [(-0.5, -0.5), (0.5, 0.5)]
    fewer = information_panels({"code": (shares[:1], torch.tensor([0, -1]))}, ["hue", "size"]).axes[0]
    assert len(fewer.patches) == 1
    with pytest.raises(ValueError, match="at least one"):
        information_panels({}, [])


def test_each_method_has_a_mark_in_each_factor_and_chance_is_drawn():
    rows = {"a": {"hue": [0.2, 0.4], "size": [0.5, 0.5]}, "b": {"hue": [0.9], "size": [0.1]}}
    figure = factor_dots(rows, ylabel="share")
    axes = figure.axes[0]
    centres = sorted(float(c.lines[0].get_ydata()[0]) for c in axes.containers)
    assert centres == pytest.approx([0.1, 0.3, 0.5, 0.9])
    assert [t.get_text() for t in axes.get_xticklabels()] == ["hue", "size"]
    assert {t.get_text() for t in figure.legends[0].get_texts()} == {"a", "b", "chance"}
    with pytest.raises(ValueError, match="at least one method"):
        factor_dots({"a": {}}, ylabel="share")


def test_the_effect_table_shows_number_prediction_and_outcome():
    figure = effect_table(
        {"crop": {"x": (-0.5, 0.1), "hue": (-0.2, math.nan)}},
        {"crop": {"x": "falls", "hue": "kept"}},
        {"crop": {"x": "hit", "hue": "miss"}},
        label="effect",
    )
    axes = figure.axes[0]
    assert written(axes) == ["-0.50 ± 0.10", "predicted: falls ✓", "-0.20", "predicted: kept ✗"]
    assert len(axes.patches) == 1
    assert axes.patches[0].get_x() == pytest.approx(0.52)  # the missed cell


def test_a_gallery_puts_every_image_into_the_column_of_its_unit():
    images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 1, 4, 4) * 40
    figure = unit_galleries(images, {"segment 1": [[5, 1], []], "segment 2": [[2]]}, names={"segment 1": ["a", "b"]})
    first, second = figure.axes
    sheet = np.asarray(first.images[0].get_array())
    assert sheet.shape == (12, 12, 3)
    assert (sheet[:4, :4] == 200).all()
    assert (sheet[6:10, :4] == 40).all()
    assert (sheet[:, 6:] == 255).all()  # no image for the second unit
    assert (np.asarray(second.images[0].get_array())[:4, :4] == 80).all()
    assert [t.get_text() for t in first.get_xticklabels()] == ["a", "b"]
    with pytest.raises(ValueError, match="at least one segment"):
        unit_galleries(images, {})


def test_ranked_dots_fall_and_levels_are_named():
    axes = ranked_dots({"a": [0.1, 0.5, 0.3]}, xlabel="rank", ylabel="y", levels={"chance": 0.2}).axes[0]
    assert axes.lines[0].get_ydata() == pytest.approx([0.5, 0.3, 0.1])
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["a", "chance"]


@pytest.mark.parametrize(
    ("prediction", "effects", "outcome"),
    [
        ("falls", [-0.5, -0.52, -0.48], "hit"),
        ("falls", [0.5, 0.52, 0.48], "miss"),
        ("falls", [-0.5, 0.5, 0.1], "open"),
        ("falls", [-0.5], "open"),
        ("kept", [0.3, 0.31, 0.32], "hit"),
        ("kept", [-0.05, -0.05, -0.051], "hit"),
        ("kept", [-0.3, -0.31, -0.32], "miss"),
        ("kept", [-0.3, 0.3, 0.1], "open"),
    ],
)
def test_a_prediction_is_judged_by_the_interval(prediction, effects, outcome):
    assert judge_effect(prediction, effects, margin=0.1) == outcome


def test_a_prediction_that_is_none_is_told():
    with pytest.raises(ValueError, match="falls, kept"):
        judge_effect("rises", [0.1], 0.1)
    with pytest.raises(ValueError, match="margin"):
        judge_effect("kept", [0.1], -0.1)

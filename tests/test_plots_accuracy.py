"""The figure of accuracy while training shows the means, bands from three seeds on, and the epochs that seeds share."""

import numpy as np
import pytest
from scipy import stats

from musiclib.methods.names import NAMES
from musiclib.plots.comparison import accuracy_curves

CURVES = {
    "music": {
        0: [(1, 10.0, 0.30), (4, 40.0, 0.5)], 1: [(1, 20.0, 0.34), (4, 80.0, 0.6)],
        2: [(1, 30.0, 0.38), (4, 60.0, 0.7)],
    },
    "simclr": {0: [(1, 10.0, 0.2), (4, 40.0, 0.4)], 1: [(4, 50.0, 0.5)]},
    "byol": {0: []},
}  # fmt: skip


def lines(axes):
    return [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.get_lines()]


def test_means_stand_against_epochs_and_against_minutes_and_rows_without_points_are_left_out():
    epochs, minutes = accuracy_curves(CURVES).axes
    assert lines(epochs) == [([1, 4], pytest.approx([34.0, 60.0])), ([4], pytest.approx([45.0]))]
    assert lines(minutes)[0][0] == pytest.approx([20 / 60, 1.0])
    assert {epochs.get_xscale(), minutes.get_xscale()} == {"log"}


def test_the_band_is_the_t_interval_and_two_seeds_have_none():
    epochs, _ = accuracy_curves(CURVES).axes
    (band,) = epochs.collections
    low, high = stats.ttest_1samp([50.0, 60.0, 70.0], 0).confidence_interval(0.95)
    y = band.get_paths()[0].vertices[:, 1]
    assert (np.isclose(y, low).any(), np.isclose(y, high).any()) == (True, True)


def test_rows_have_their_names_and_no_point_at_all_is_an_error():
    texts = [t.get_text() for t in accuracy_curves(CURVES).legends[0].get_texts()]
    assert texts == [NAMES["music"], NAMES["simclr"]]
    with pytest.raises(ValueError, match="scored epoch"):
        accuracy_curves({"byol": {0: []}})

"""Studies: every one holds the base itself, changes one thing, and says beforehand which rows decide its claim."""

import pytest

from musiclib.config import TrainConfig
from musiclib.studies.ablations import BUILDERS, Study, scaled_views, studies, verdict
from musiclib.views import ViewConfig, view_preset

BASE = {
    "dataset": "digits", "encoder": "tiny", "epochs": 2, "batch": 128, "lr": 2e-3,
    "options": {"segments": 32, "units": 8, "projector": [256]},
}  # fmt: skip


def config(row):
    return TrainConfig.from_dict({**row, "seed": 0})


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("base", [BASE, {}, {**BASE, "dataset": "cifar10", "options": {"projector": [64, 32]}}])
def test_every_study_holds_the_base_and_rows_that_differ(name, base):
    study = studies(base)[name]
    own = TrainConfig.from_dict({**base, "method": "music"}).hash()
    hashes = [config(row).hash() for row in study.rows.values()]
    assert config(study.rows[study.base]).hash() == own
    assert len(set(hashes)) == len(hashes) >= 2
    assert set(study.first) | set(study.second) <= set(study.rows)
    assert not set(study.first) & set(study.second)


@pytest.mark.parametrize(
    ("name", "field"),
    [("segments_units", "options"), ("dimension", "options"), ("batch", "batch"), ("projector_depth", "options"),
     ("projector_width", "options"), ("temperature", "options"), ("terms", "options"), ("invariance", "options"),
     ("views", "views")],
)  # fmt: skip
def test_a_study_changes_one_field(name, field):
    own = TrainConfig.from_dict({**BASE, "method": "music"}).to_dict()
    for row in studies(BASE)[name].rows.values():
        assert {k for k, v in config(row).to_dict().items() if v != own[k]} <= {field}


def test_the_settings_are_those_that_the_questions_name():
    found = studies(BASE)
    assert list(found["segments_units"].rows) == ["64×4", "32×8", "16×16", "8×32", "4×64"]
    assert found["segments_units"].first == ("64×4", "32×8")  # K^2 <= 128
    for row in found["segments_units"].rows.values():
        assert row["options"]["segments"] * row["options"]["units"] == 256
    assert list(found["dimension"].rows) == ["64", "128", "256", "512", "1024"]
    assert [r["options"]["units"] for r in found["dimension"].rows.values()] == [8] * 5
    assert [r["options"]["projector"] for r in found["projector_depth"].rows.values()] == [
        [], [256], [256, 256], [256, 256, 256],
    ]  # fmt: skip
    assert list(found["terms"].rows) == ["all terms", "no diagonal", "no off-diagonal", "no invariance"]
    assert found["terms"].rows["no off-diagonal"]["options"]["off_diagonal_weight"] == 0.0
    assert found["views"].rows["0"]["views"]["crop_scale"] == [1.0, 1.0]


def test_levels_replace_settings_and_the_base_stays():
    found = studies(
        BASE, {"batch": [64], "terms": ["diagonal+invariance"], "projector_depth": [3], "dimension": [2048]}
    )
    assert list(found["batch"].rows) == ["64", "128"]
    assert list(found["terms"].rows) == ["all terms", "no diagonal, no invariance"]
    assert (found["projector_depth"].first, found["projector_depth"].second) == (("1",), ("3",))
    assert (found["dimension"].first, found["dimension"].second) == (("256",), ("2048",))
    with pytest.raises(ValueError, match="the studies are"):
        studies(BASE, {"colour": [1]})
    with pytest.raises(ValueError, match="no multiple of K=8"):
        studies(BASE, {"dimension": [100]})
    with pytest.raises(ValueError, match="does not divide"):
        studies(BASE, {"segments_units": [7]})
    with pytest.raises(ValueError, match="name one of"):
        studies(BASE, {"terms": ["entropy"]})


@pytest.mark.parametrize("dataset", ["attributes", "digits", "cifar10", "fashion_mnist", "imagenet:/x"])
def test_views_without_strength_are_the_image_and_stronger_ones_stay_valid(dataset):
    preset = view_preset(dataset)[0]
    assert scaled_views(dataset, 1.0) == {}
    none = ViewConfig(**{**preset.to_dict(), **scaled_views(dataset, 0.0)})
    assert none.crop_scale == (1.0, 1.0)
    assert (none.flip, none.brightness, none.contrast, none.hue, none.jitter_p, none.grey_p) == (0, 0, 0, 0, 0, 0)
    strong = ViewConfig(**{**preset.to_dict(), **scaled_views(dataset, 50.0)})
    assert strong.crop_scale[0] == 0.05
    assert strong.hue <= 0.5
    half = scaled_views(dataset, 0.5)["crop_scale"]
    assert half[0] == pytest.approx((1 + preset.crop_scale[0]) / 2)


def test_what_the_two_views_do_not_share_is_left_alone_and_overrides_are_scaled():
    assert not {"blur_p", "solarise_p"} & set(scaled_views("imagenet:/x", 0.5))
    assert scaled_views("cifar10", 0.5, {"flip": 0.2})["flip"] == pytest.approx(0.1)
    with pytest.raises(ValueError, match="finite number"):
        scaled_views("cifar10", -1.0)


def study(margin):
    return Study("?", "x", "c", {"a": {}, "b": {}, "c": {}}, "a", ("a", "b"), ("c",), margin)


def test_a_verdict_needs_its_whole_interval_on_one_side_of_the_margin():
    better = {"a": {0: 0.70, 1: 0.71, 2: 0.70}, "b": {0: 0.72, 1: 0.71, 2: 0.72}, "c": {0: 0.60, 1: 0.61, 2: 0.60}}
    worse = {"a": better["c"], "b": better["c"], "c": better["a"]}
    assert verdict(study(0.0), better)[0] is True
    assert verdict(study(0.01), worse)[0] is False
    noisy = {**better, "c": {0: 0.2, 1: 0.95, 2: 0.8}}
    assert verdict(study(0.01), noisy)[0] is None
    near = {
        "a": {0: 0.600, 1: 0.601, 2: 0.602},
        "b": {0: 0.600, 1: 0.601, 2: 0.602},
        "c": {0: 0.605, 1: 0.6062, 2: 0.607},
    }
    assert verdict(study(0.01), near)[0] is True  # half a point behind: within the margin
    assert verdict(study(0.0), near)[0] is False


def test_few_seeds_and_missing_rows_decide_nothing():
    two = {"a": {0: 0.9, 1: 0.9}, "b": {0: 0.9, 1: 0.9}, "c": {0: 0.1, 1: 0.1}}
    holds, text = verdict(study(0.0), two)
    assert holds is None
    assert "+80.00" in text
    assert verdict(study(0.0), {"a": {0: 0.5}, "c": {0: 0.5}})[0] is None
    assert verdict(study(0.0), {"a": {0: 0.5}, "b": {1: 0.5}, "c": {0: 0.5}})[0] is None  # no common seed

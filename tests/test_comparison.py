"""A comparison: which runs it asks for, what it does when one fails, and what it says of differences."""

import math

import pytest

from musiclib.config import TrainConfig
from musiclib.datasets import DatasetMissing
from musiclib.methods import METHODS
from musiclib.methods.names import FAMILIES, NAMES, family, row_of
from musiclib.pretrain.loop import Stopped
from musiclib.statistics import Interval, mean_interval
from musiclib.studies import comparison
from musiclib.studies.comparison import (
    Runs,
    configurations,
    decided,
    epochs_to_reach,
    markdown,
    over,
    points,
    rows,
    said,
    survives,
    train,
)

SHARED = {"dataset": "digits", "dataset_options": {}, "encoder": "tiny", "batch": 64, "views": {}}


def plan(methods=("music", "simclr"), **more):
    return rows(methods, shared=SHARED, **({"epochs": 2, "lr": 1e-3, "optimiser": "adamw"} | more))


def entry(top1, collapsed=False):
    return {"metrics": {"linear/test/top1": top1}, "collapsed": collapsed}


class Loop:
    """Stands for a notebook: answers by method, or raises."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def train(self, config, data_root):
        self.asked.append((config.method, config.seed, data_root))
        answer = self.answers(config)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_comparison_asks_for_the_runs_of_the_notebook_of_one_method():
    # the fields as notebook 03 spells them out, so that both find the same folders
    trained = {**SHARED, "epochs": 2, "lr": 1e-3, "optimiser": "adamw"}
    alone = {
        "music": {**trained, "options": {"segments": 8}},
        "random": SHARED,
        "pixels": SHARED,
        "supervised": {**trained, "epochs": 5},
    }
    found = configurations(
        plan(["music"], settings={"music": {"options": {"segments": 8}}}, supervised_epochs=5), seed=3, seeds=1
    )
    assert {k[0]: c.hash() for k, c in found.items()} == {
        name: TrainConfig.from_dict({**values, "method": name, "seed": 3}).hash() for name, values in alone.items()
    }


def test_the_rise_of_the_rate_is_that_of_all_trained_rows():
    found = plan(["music"], warmup=0.5)
    assert {name: values.get("warmup_epochs") for name, values in found.items()} == {
        "music": 0.5, "random": None, "pixels": None, "supervised": 0.5,
    }  # fmt: skip


def test_settings_replace_rate_and_options_of_their_row_alone():
    found = plan(settings={"simclr": {"lr": 5e-3, "options": {"temperature": 0.2}}, "vicreg": {"lr": 1.0}})
    assert found["simclr"]["lr"] == 5e-3
    assert found["simclr"]["options"] == {"temperature": 0.2}
    assert found["music"]["lr"] == found["supervised"]["lr"] == 1e-3
    assert "vicreg" not in found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": ["music", "musik"]}, "methods="),
        ({"methods": ["music", "music"]}, "each once"),
        ({"settings": {"musik": {}}}, "settings has 'musik'"),
        ({"settings": {"music": {"epochs": 9}}}, "names are: lr, options"),
    ],
)
def test_a_wrong_name_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan(**arguments)


def test_a_misspelt_option_is_an_error_before_anything_trains():
    loop = Loop(lambda config: entry(0.5))
    with pytest.raises(ValueError, match="temprature"):
        train(loop, plan(settings={"simclr": {"options": {"temprature": 1.0}}}), seed=0, seeds=1)
    assert loop.asked == []


def test_repeats_follow_what_a_row_depends_on():
    found = configurations(plan(), seed=5, seeds=3, supervised_seeds=2)
    seeds = {row: [s for name, s in found if name == row] for row in NAMES}
    assert seeds["music"] == seeds["simclr"] == seeds["random"] == [5, 6, 7]
    assert seeds["supervised"] == [5, 6]
    assert seeds["pixels"] == [5]
    assert not any(row == "supervised" for row, _ in configurations(plan(), seed=0, seeds=3, supervised_seeds=0))


def test_a_failed_run_leaves_a_gap_and_a_remark_and_the_others_go_on():
    loop = Loop(
        lambda c: FloatingPointError("loss is nan") if (c.method, c.seed) == ("music", 1) else entry(0.5 + c.seed / 10)
    )
    runs = train(loop, plan(), seed=0, seeds=3, data_root="there")
    assert runs.failed == {("music", 1): "FloatingPointError: loss is nan"}
    values = runs.values("linear/test/top1")
    assert values["music"] == {0: 0.5, 2: 0.7}
    assert list(values) == ["music", "simclr", "random", "pixels", "supervised"]
    assert runs.remarks("music") == ["failed in 1 of 3 runs (seeds 1)"]
    assert runs.remarks("simclr") == []
    assert {root for *_, root in loop.asked} == {"there"}


def test_collapsed_runs_are_told():
    runs = train(Loop(lambda c: entry(0.1, c.method == "simclr" and c.seed > 0)), plan(), seed=0, seeds=3)
    assert runs.remarks("simclr") == ["collapsed in 2 of 3 runs (seeds 1, 2)"]


@pytest.mark.parametrize("error", [Stopped("asked to stop"), DatasetMissing("digits", ["here"], "get it")])
def test_a_missing_data_set_and_a_request_to_stop_end_the_comparison(error):
    with pytest.raises(type(error)):
        train(Loop(lambda c: error), plan(), seed=0, seeds=1)


def test_a_metric_that_a_run_lacks_is_left_out():
    runs = train(Loop(lambda c: {"metrics": {}, "collapsed": False}), plan(), seed=0, seeds=1)
    assert set(map(len, runs.values("knn/test/top1").values())) == {0}
    assert Runs().rows == []


def test_a_run_that_was_trained_anew_has_another_identity():
    first, again = (
        train(Loop(lambda c, at=at: entry(0.5) | {"time": {"started": at}}), plan(), seed=0, seeds=1) for at in "ab"
    )
    assert first.identity("music", 0) != again.identity("music", 0)
    assert first.identity("music", 0) != first.identity("simclr", 0)
    assert first.identity("music", 0).startswith(first.configs["music", 0].hash())


def test_differences_are_paired_by_seed_and_raw_pixels_stand_against_every_seed():
    values = {"music": {0: 0.5, 1: 0.7, 2: 0.6}, "byol": {1: 0.4, 2: 0.5, 9: 0.0}, "pixels": {0: 0.4}}
    paired = over(values, "music", "byol")
    assert (paired.mean, paired.n) == (pytest.approx(0.2), 2)
    assert over(values, "music", "pixels") == mean_interval([0.5 - 0.4, 0.7 - 0.4, 0.6 - 0.4])
    assert over(values, "music", "simclr").n == 0
    drawn = values | {"pixels": {0: 0.4, 1: 0.5}}  # values that depend on the seed after all, by its draw of labels
    assert over(drawn, "music", "pixels") == mean_interval([0.5 - 0.4, 0.7 - 0.5])


def test_three_pairs_on_one_side_of_zero_decide_and_two_do_not():
    assert decided(Interval(0.2, 0.1, 0.3, 3)) is True
    assert decided(Interval(-0.2, -0.3, -0.1, 3)) is False
    assert decided(Interval(0.2, -0.1, 0.5, 3)) is None
    assert decided(Interval(0.2, 0.1, 0.3, 2)) is None
    assert decided(Interval(0.2, math.nan, math.nan, 1), least=1) is None


def test_sentences_say_what_was_decided():
    assert points(Interval(0.02, 0.01, 0.03, 3)) == "+2.00 ± 1.00, ahead"
    assert points(Interval(-0.02, -0.03, -0.01, 3)) == "-2.00 ± 1.00, behind"
    assert points(Interval(0.0, -0.01, 0.01, 4)) == "+0.00 ± 1.00, not decided"
    assert points(Interval(0.02, 0.01, 0.03, 2)) == "+2.00 (2 seeds)"
    assert "compare nothing" in said("MUSIC", "BYOL", Interval(0.02, 0.01, 0.03, 2))
    assert "not compared" in said("MUSIC", "BYOL", mean_interval([]))
    assert said("MUSIC", "BYOL", Interval(0.02, 0.01, 0.03, 3)).endswith("ahead over 3 seeds")


def test_a_markdown_table_has_as_many_cells_a_line_as_its_head():
    assert markdown(["a", "b"], [["x|y", 1]]).splitlines() == ["| a | b |", "|---|---:|", "| x\\|y | 1 |"]
    with pytest.raises(ValueError, match="3 cells for 2 columns"):
        markdown(["a", "b"], [[1, 2, 3]])


def test_every_method_has_a_name_and_exactly_one_family():
    assert set(METHODS) <= set(NAMES)
    for row in NAMES:
        assert sum(row in members for members in FAMILIES.values()) == 1
    assert family("barlow_twins") == "decorrelation"
    assert comparison.LEAST_SEEDS == 3


def test_the_two_rows_of_music_differ_in_the_invariance_weight_alone():
    found = configurations(
        plan(["music_entropies", "music"], settings={"music_entropies": {"options": {"segments": 8}}}), seed=0, seeds=1
    )
    weights = {row: c.resolved().options["invariance_weight"] for (row, _), c in found.items() if c.method == "music"}
    assert weights == {"music_entropies": 0.0, "music": 1.0}
    assert found["music_entropies", 0].options["segments"] == 8


def test_a_label_of_its_own_names_the_method_it_trains_so_that_one_method_can_stand_twice():
    found = plan(["simclr", "warm"], settings={"warm": {"method": "simclr", "options": {"temperature": 0.5}}})
    assert [found[row]["method"] for row in ("simclr", "warm")] == ["simclr"] * 2
    assert [found[row]["options"] for row in ("simclr", "warm")] == [{}, {"temperature": 0.5}]


def test_a_run_is_found_in_its_row_by_its_options():
    assert row_of("music", {"invariance_weight": 0.0, "segments": 8}) == "music_entropies"
    assert row_of("music", {"invariance_weight": 0.3}) == row_of("music") == "music"
    assert row_of("simclr", {"invariance_weight": 0.0}) == "simclr"


def curve(*points):
    return [{"epoch": e, "seconds": 10.0 * e, **({"accuracy": {"knn": v}} if v is not None else {})} for e, v in points]


def test_accuracy_while_training_is_that_of_the_scored_epochs_and_supervised_rows_have_none():
    points = curve((1, 0.3), (2, None), (3, 0.5))
    runs = train(Loop(lambda c: entry(0.5) | {"curve": points}), plan(["simclr"]), seed=0, seeds=2)
    assert runs.accuracy("simclr") == {s: [(1, 10.0, 0.3), (3, 30.0, 0.5)] for s in (0, 1)}
    assert runs.accuracy("supervised") == {}


@pytest.mark.parametrize(("level", "epochs"), [(0.2, 1.0), (0.4, 2.0), (0.55, 4.0), (0.7, None)])
def test_epochs_to_reach_a_level_lie_between_scored_epochs(level, epochs):
    assert epochs_to_reach([(1, 1.0, 0.3), (3, 3.0, 0.5), (5, 5.0, 0.6)], level) == (
        None if epochs is None else pytest.approx(epochs)
    )


def test_of_many_differences_fewer_survive_the_correction_than_seem_decided():
    steps = {f"row {i}": [0.01 + 0.0005 * (i + 1) * k for k in (-1, 0, 1)] for i in range(10)}
    family = {name: mean_interval(values) for name, values in steps.items()}
    alone = {name for name, d in family.items() if decided(d)}
    after = {name for name, yes in survives(family).items() if yes}
    assert {"row 0"} <= after < alone
    assert not any(survives({"two seeds": mean_interval([0.01, 0.0100001])}).values())


def test_a_row_may_have_a_decay_of_its_own():
    found = configurations(
        plan(settings={"simclr": {"weight_decay": 0.1, "decay_all": True}}), seed=0, seeds=1, supervised_seeds=1
    )
    assert (found["simclr", 0].weight_decay, found["simclr", 0].decay_all) == (0.1, True)
    assert (found["music", 0].weight_decay, found["music", 0].decay_all) == (1e-4, False)

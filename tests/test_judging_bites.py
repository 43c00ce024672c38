"""What a judge of records could get wrong without anybody seeing it: each test here was written against a mutation."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from reproduce_fixtures import training_record, write_notebook, write_profile, write_records

from musiclib import music_terms
from musiclib.datasets.imageset import ImageSet, fewer
from musiclib.methods.names import MUSIC
from musiclib.monitor import code_health, health
from musiclib.statistics import Interval, holm, mean_interval, p_value, percent, t_interval
from musiclib.studies import comparison
from reproduce.judging import compare, evidence, records, tables, verdicts
from reproduce.judging.statistics import repeated, share_interval, welch_difference
from reproduce.planning import cost, hours
from reproduce.planning.jobs import duration
from reproduce.planning.plan import build, read_settings

RULE = {"id": "r", "claim": "c", "source": "s", "because": "b"}
BETTER = {
    **RULE,
    "kind": "better",
    "metric": "linear/test/top1",
    "rows": {"method": "music"},
    "against": {"method": "simclr"},
    "margin": 0.0,
}
AT_LEAST = {**RULE, "kind": "at_least", "metric": "linear/test/top1", "rows": {"method": "music"}, "value": 0.5}
NEVER = {**RULE, "kind": "never", "rows": {"method": "music"}, "field": "collapsed", "runs": 3}
SPREAD = (-0.001, 0.0, 0.001)


def three(method, mean, **more):
    return [training_record(method, s, linear=mean + d, **more) for s, d in enumerate(SPREAD)]


def with_views(lines, **views):
    for r in lines:
        r["config"] = {**r["config"], "views": views}
    return lines


def judged(lines, rule):
    return verdicts.judge(lines, [rule])[0]


# -- which runs count ----------------------------------------------------------------------------------------------


def test_of_several_schedules_the_longest_stands_for_a_method():
    lines = [*three("music", 0.55, epochs=8), *three("music", 0.70, epochs=50), *three("music", 0.45, epochs=2)]
    assert judged(lines, AT_LEAST).parts[0].interval.mean == pytest.approx(0.70)


def test_of_two_variants_as_near_to_the_defaults_the_one_with_more_seeds_stands_for_a_method():
    usual = json.loads(verdicts.default_options("music"))
    few, many = {**usual, "segments": 8}, {**usual, "segments": 16}
    lines = [training_record("music", 0, linear=0.9, options=few), *three("music", 0.6, options=many)]
    assert judged(lines, AT_LEAST).parts[0].interval.mean == pytest.approx(0.6)


def test_one_variant_stands_for_a_method_and_is_not_averaged_with_another():
    usual = json.loads(verdicts.default_options("music"))
    lines = [*three("music", 0.6, options=usual), *three("music", 0.8, options={**usual, "segments": 8})]
    interval = judged(lines, AT_LEAST).parts[0].interval
    assert (interval.mean, interval.n) == (pytest.approx(0.6), 3)


def test_runs_with_other_views_are_no_pairs_and_no_rows_of_one_table():
    plain, cropped = three("music", 0.7), with_views(three("simclr", 0.6), flip=0.0)
    assert judged([*plain, *cropped], BETTER).verdict == verdicts.NOT_TESTED
    assert [len(t.rows) for t in tables.build([*plain, *cropped])] == [1, 1]


def test_a_failed_run_is_no_trial_and_neither_is_one_that_does_not_say():
    good = three("music", 0.6)
    failed = {**training_record("music", 7), "status": "failed"}
    silent = training_record("music", 8)
    del silent["collapsed"]
    assert judged(good, NEVER).verdict == verdicts.REPRODUCED
    assert judged([*good[:2], failed], NEVER).verdict == verdicts.UNDECIDED
    assert judged([*good[:2], silent], NEVER).verdict == verdicts.UNDECIDED
    assert judged([silent], NEVER).verdict == verdicts.NOT_TESTED


def test_a_run_on_a_validation_split_is_no_trial():
    lines = [*three("music", 0.6), {**training_record("music", 7, validation=True), "collapsed": True}]
    assert judged(lines, NEVER).verdict == verdicts.REPRODUCED


def test_a_failed_notebook_claims_nothing():
    book = {"kind": "notebook", "status": "done", "job": "09", "run": "r", "claims": {"k": True}}
    rule = {**RULE, "kind": "claim", "key": "k"}
    assert judged([book], rule).verdict == verdicts.REPRODUCED
    assert judged([{**book, "status": "failed"}], rule).verdict == verdicts.NOT_TESTED


def test_one_collapsed_run_is_one_too_many_and_its_share_is_told():
    lines = [*three("music", 0.6), {**training_record("music", 7), "collapsed": True}]
    found = judged(lines, NEVER)
    assert found.verdict == verdicts.NOT_REPRODUCED
    # at least one of four: 1 - (1 - p)^4 = 0.025 at the lower end
    low = 1 - 0.975**0.25
    assert f"in 1 of 4 runs (at 95 % a share of [{low:.2f}, 0.81])" in found.parts[0].text


def test_a_failed_run_has_no_metric():
    assert records.metric({**training_record(linear=0.6), "status": "failed"}, "linear/test/top1") is None


def test_a_seed_without_a_number_is_left_out_and_is_no_zero():
    lines = three("music", 0.6)
    lines[1]["metrics"]["linear/test/top1"] = None
    (table,) = tables.build(lines)
    assert table.rows[0].cells["linear/test/top1"].seeds == {0: pytest.approx(0.599), 2: pytest.approx(0.601)}
    peers = three("simclr", 0.5)
    assert judged([*lines, *peers], BETTER).parts[0].interval.n == 2
    assert judged(lines, AT_LEAST).parts[0].interval.n == 2


def test_a_measured_seed_without_a_number_or_without_its_peer_is_left_out():
    metrics = {
        "ours/0": 0.9,
        "ours/1": None,
        "ours/2": 0.8,
        "ours/3": 0.7,
        "theirs/0": 0.5,
        "theirs/1": 0.5,
        "theirs/2": 0.4,
    }
    book = {"kind": "notebook", "status": "done", "job": "09", "run": "r", "config": {}, "metrics": metrics}
    rule = {**RULE, "kind": "measured", "metric": "ours", "bound": 0.0}
    assert judged([book], rule).parts[0].interval.n == 3
    paired = judged([book], {**rule, "minus": "theirs"}).parts[0].interval
    assert (paired.mean, paired.n) == (pytest.approx(0.4), 2)


def test_a_comparison_leaves_out_a_run_that_lacks_the_metric():
    runs = comparison.Runs()
    for seed, value in enumerate((0.5, None, 0.7)):
        runs.configs["music", seed] = None
        runs.records["music", seed] = {"metrics": {"x": value} if value else {}, "collapsed": False}
    assert runs.values("x") == {"music": {0: 0.5, 2: 0.7}}


# -- scale ---------------------------------------------------------------------------------------------------------


def scaled(rows, **scale):
    part = verdicts.Part("cifar10", verdicts.NOT_REPRODUCED, "found", None, ())
    return verdicts.scaled({"scale": scale}, part, rows).verdict


def test_the_shortest_run_sets_the_scale():
    rows = [training_record(epochs=e) for e in (80, 8, 60)]
    assert scaled(rows, epochs=50) == verdicts.NOT_TESTABLE
    assert scaled(rows, epochs=8) == verdicts.NOT_REPRODUCED


def test_three_runs_of_one_seed_are_one_seed():
    rows = [training_record(seed=0, run=name) for name in "abc"]
    assert scaled(rows, seeds=3) == verdicts.NOT_TESTABLE
    assert scaled([training_record(seed=s) for s in range(3)], seeds=3) == verdicts.NOT_REPRODUCED


# -- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.1, 0.3, verdicts.UNDECIDED),
        (-0.1, 0.1, verdicts.UNDECIDED),
        (0.11, 0.3, verdicts.REPRODUCED),
        (-0.1, 0.09, verdicts.NOT_REPRODUCED),
    ],
)
def test_an_interval_that_touches_the_bound_decides_nothing(low, high, word):
    assert verdicts.decide(Interval((low + high) / 2, low, high, 3), 0.1) == word


def test_at_least_asks_for_its_value_itself():
    assert judged(three("music", 0.6), AT_LEAST).verdict == verdicts.REPRODUCED
    assert judged(three("music", 0.4), AT_LEAST).verdict == verdicts.NOT_REPRODUCED


def test_better_asks_for_more_than_its_margin_and_competitive_for_no_less_than_minus_it():
    lines = [*three("music", 0.62), *three("simclr", 0.60)]
    for s, r in enumerate(r for r in lines if r["method"] == "music"):
        r["metrics"]["linear/test/top1"] += 1e-4 * s
    assert judged(lines, {**BETTER, "margin": 0.01}).verdict == verdicts.REPRODUCED
    assert judged(lines, {**BETTER, "margin": 0.03}).verdict == verdicts.NOT_REPRODUCED
    assert judged(lines, {**BETTER, "kind": "competitive", "margin": 0.03}).verdict == verdicts.REPRODUCED


def test_one_word_for_several_data_sets_is_the_least_favourable():
    r, n, u, t = verdicts.REPRODUCED, verdicts.NOT_REPRODUCED, verdicts.UNDECIDED, verdicts.NOT_TESTABLE
    for words, word in (([r, n, u], n), ([r, u], u), ([r, t], r), ([t], t), ([], verdicts.NOT_TESTED)):
        assert verdicts.overall(words) == verdicts.overall(words[::-1]) == word


def test_all_conditions_of_a_place_have_to_hold():
    assert not verdicts.matches({"x": 3}, {"x": {"at_least": 1, "at_most": 2}})
    assert not verdicts.matches({"x": 2, "y": 1}, {"x": 2, "y": 2})
    assert verdicts.matches({"x": 2}, {"x": {"at_least": 1, "at_most": 2}})


def test_a_rule_of_each_row_asks_for_the_metric_of_that_row():
    rule = {**RULE, "kind": "measured", "metric": "purity/each", "minus": "peer/each", "bound": 0.0}
    for one, row in zip(verdicts.for_each_row(rule), MUSIC, strict=True):
        assert (one["metric"], one["minus"], one["id"]) == (f"purity/{row}", f"peer/{row}", f"r.{row}")


# -- statistics ----------------------------------------------------------------------------------------------------


def test_two_values_have_the_interval_of_one_degree_of_freedom():
    mean, half = t_interval([0.0, 2.0])
    assert (mean, half) == (
        1.0,
        pytest.approx(12.706204736432095),
    )  # t(0.975, 1) from a printed table; sd / sqrt(2) = 1


def test_the_p_value_at_the_edge_of_the_interval_is_its_level():
    touching = Interval(0.5, 0.0, 1.0, 3)
    assert p_value(touching) == pytest.approx(0.05)
    half = Interval(0.25, -0.25, 0.75, 2)  # one degree of freedom: Cauchy, t = tan(0.475 pi) / 2
    assert p_value(half) == pytest.approx(1 - 2 / math.pi * math.atan(math.tan(0.475 * math.pi) / 2))


def test_adjusted_p_values_never_fall_with_the_rank_and_never_pass_one():
    assert list(holm({"a": 0.010, "b": 0.011, "c": 0.9}).values()) == pytest.approx([0.03, 0.03, 0.9])
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}


def test_a_cell_shows_half_of_its_interval():
    assert percent(Interval(0.5, 0.4, 0.6, 3)) == "50.00 ± 10.00"
    assert percent(Interval(0.5, 0.4, 0.6, 3), "+-") == "50.00 +- 10.00"


def test_unequal_spreads_have_the_degrees_of_freedom_of_welch_and_satterthwaite():
    a, b = [0.0, 2.0, 4.0, 6.0], [1.0, 1.1]
    own = welch_difference(a, b)
    va, vb = np.var(a, ddof=1) / 4, np.var(b, ddof=1) / 2
    freedom = (va + vb) ** 2 / (va**2 / 3 + vb**2)
    assert freedom == pytest.approx(3.0, abs=0.02)
    assert own.half == pytest.approx(
        3.182446305284263 * math.sqrt(va + vb), rel=3e-3
    )  # t(0.975, 3) from a printed table
    assert (own.mean, own.n) == (pytest.approx(3.0 - 1.05), 2)
    assert welch_difference([1.0, 1.0], [0.5, 0.5]) == Interval(0.5, 0.5, 0.5, 2)
    one_still = welch_difference([1.0, 1.0], [0.4, 0.6])  # one degree of freedom, that of the group that varies
    assert one_still.half == pytest.approx(12.706204736432095 * 0.1)


def same(found, mean, n):
    """No interval, and these values."""
    assert (found.n, found.bounded) == (n, False)
    assert found.mean == pytest.approx(mean, nan_ok=True)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_too_few_values_have_a_difference_and_no_interval():
    same(welch_difference([0.5], [0.2, 0.3]), 0.25, 1)
    same(welch_difference([0.5, 0.6], [0.2]), 0.35, 1)
    same(welch_difference([], [0.2, 0.3]), math.nan, 0)
    same(welch_difference([0.2], []), math.nan, 0)
    same(share_interval(0, 0), math.nan, 0)
    assert (share_interval(1, 4).mean, share_interval(1, 4).n) == (0.25, 4)
    assert welch_difference([0.0, 1.0], [5.0, 6.0]).half > 1


@pytest.mark.parametrize(("count", "n"), [(2, 7), (1, 4)])
def test_a_share_as_low_or_as_high_as_its_interval_says_leaves_the_tails_of_the_binomial(count, n):
    own, narrow = share_interval(count, n), share_interval(count, n, level=0.8)

    def chance(p, counts):
        return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in counts)

    assert chance(own.low, range(count, n + 1)) == pytest.approx(0.025)
    assert chance(own.high, range(count + 1)) == pytest.approx(0.025)
    assert chance(narrow.high, range(count + 1)) == pytest.approx(0.1)


def test_two_seeds_of_one_value_are_told():
    assert repeated({0: 0.5, 1: 0.5}) == [(0, 1)]


# -- two result sets -----------------------------------------------------------------------------------------------


def cell(values):
    return tables.Cell(mean_interval(list(values.values())), values, ())


def test_the_same_seeds_on_both_sides_are_paired():
    a = {0: 0.50, 1: 0.60, 2: 0.70}
    b = {s: v + 0.01 + 0.0001 * s for s, v in a.items()}
    found = compare.change("x", "m", cell(a), cell(b))
    assert (found.paired, found.word) == (True, compare.CHANGED)
    assert found.gap.mean == pytest.approx(0.0101)
    other = compare.change("x", "m", cell(a), cell({s + 5: v for s, v in b.items()}))
    assert (other.paired, other.word) == (False, compare.WITHIN)


def test_one_seed_on_both_sides_is_no_pair_and_two_are():
    one = compare.change("x", "m", cell({0: 0.5}), cell({0: 0.6}))
    assert (one.paired, one.word) == (False, compare.UNKNOWN)
    two = compare.change("x", "m", cell({0: 0.5, 1: 0.6}), cell({0: 0.6, 1: 0.7}))
    assert (two.paired, two.word) == (True, compare.CHANGED)
    still = compare.change("x", "m", cell({0: 0.5, 1: 0.6, 2: 0.7}), cell({0: 0.5, 1: 0.6, 2: 0.8}))
    assert still.word == compare.WITHIN  # the interval holds zero
    assert compare.change("x", "m", cell({0: 0.5, 1: 0.5}), cell({0: 0.5, 1: 0.5})).word == compare.SAME


def test_a_comparison_of_sets_says_everything_that_differs(tmp_path):
    a = write_records(tmp_path / "a", [*three("music", 0.6, epochs=60), *three("simclr", 0.7, epochs=60)])
    b = write_records(tmp_path / "b", [*three("music", 0.8, epochs=60), *three("simclr", 0.7, epochs=60)])
    with (b / records.FILE).open("a") as file:
        file.write("{\n")
    found = compare.compare(a, b)
    moved = {claim: (x, y) for claim, x, y in found.verdicts}
    assert moved == {"competitive-simclr.music": (verdicts.NOT_REPRODUCED, verdicts.REPRODUCED)}
    lines = compare.describe(found, a, b).splitlines()
    assert lines[:3] == [f"A = {a}", f"B = {b}", ""]
    assert lines[3] == "changed: 1 of 4 numbers"
    assert "B - A = +20.00 [+20.00, +20.00] points, paired by seed" in lines[4]
    assert lines[5] == "identical: 3 of 4 numbers"
    assert lines[6] == "(of 1 differences with an interval about 0.1 would look changed by chance alone)"
    assert lines[7:9] == [
        "verdicts that differ:", "  competitive-simclr.music: not reproduced -> reproduced"
    ]  # fmt: skip
    assert lines[9].startswith("warning: ")
    assert "records.jsonl:7: is no JSON" in lines[9]
    one = write_records(tmp_path / "one", [training_record("music", 0, linear=0.6, epochs=60)])
    other = write_records(tmp_path / "other", [training_record("music", 1, linear=0.7, epochs=60)])
    single = compare.describe(compare.compare(one, other), one, other)
    assert "B - A = +10.00 (one run, no interval) points, unpaired" in single
    none = write_records(tmp_path / "none", [])
    assert compare.describe(compare.compare(none, none), none, none).endswith(
        "neither set has a table: no training run with metrics"
    )
    only = compare.describe(compare.compare(one, none), one, none)
    assert "only in A: 1 rows" in only
    assert "neither" not in only


def test_a_set_that_says_more_stands_before_one_that_says_less(tmp_path):
    rules = [{**BETTER, "scale": {"epochs": 50, "either_way": True}}]
    folders = {
        name: write_records(tmp_path / name, [*three("music", m, epochs=e), *three("simclr", 0.6, epochs=e)])
        for name, m, e in (("short", 0.7, 8), ("long", 0.5, 60))
    }
    found = [evidence.read(folder, rules) for folder in folders.values()]
    assert [e.name for e, _ in evidence.strongest(found, "r")] == ["long"]
    assert evidence.word(found, "r") == verdicts.NOT_REPRODUCED
    assert [e.name for e, _ in evidence.strongest(found[:1], "r")] == ["short"]


# -- comparisons in a notebook -------------------------------------------------------------------------------------


def test_an_interval_that_ends_at_zero_decides_nothing():
    assert comparison.decided(Interval(0.1, 0.0, 0.2, 3)) is None
    assert comparison.decided(Interval(-0.1, -0.2, 0.0, 3)) is None


def test_a_level_is_reached_where_the_line_between_two_scored_epochs_passes_it():
    points = [(1, 1.0, 0.3), (3, 3.0, 0.5), (7, 7.0, 0.6)]
    assert comparison.epochs_to_reach(points, 0.35) == pytest.approx(1.5)
    assert comparison.epochs_to_reach(points, 0.575) == pytest.approx(6.0)
    assert comparison.epochs_to_reach(points, 0.6) == pytest.approx(7.0)


def test_what_survives_has_a_chance_of_five_per_cent_over_the_family():
    clear = Interval(0.5, 0.4, 0.6, 3)
    assert comparison.survives({"a": Interval(0.5, 0.02, 0.98, 3), "b": clear}) == {"a": True, "b": True}
    assert comparison.survives({"a": Interval(0.5, -0.02, 1.02, 3), "b": clear}) == {"a": False, "b": True}


def test_remarks_count_failures_among_what_was_asked_for():
    runs = comparison.Runs()
    for seed in range(4):
        runs.configs["music", seed] = None
    runs.failed["music", 1] = runs.failed["simclr", 0] = "x"
    runs.records["music", 0] = {"collapsed": True}
    assert runs.remarks("music") == ["failed in 1 of 4 runs (seeds 1)", "collapsed in 1 of 4 runs (seeds 0)"]


def test_supervised_has_the_epochs_of_the_methods_unless_it_has_its_own():
    given = {"shared": {}, "epochs": 7, "lr": 1e-3, "optimiser": "adamw"}
    assert comparison.rows(["music"], **given)["supervised"]["epochs"] == 7
    own = comparison.rows(["music"], supervised_epochs=3, **given)
    assert (own["supervised"]["epochs"], own["music"]["epochs"]) == (3, 7)


# -- monitors and parts of sets ------------------------------------------------------------------------------------


def test_a_gap_is_the_loss_minus_the_value_of_a_collapse():
    weights = {"diagonal_weight": 1.0, "off_diagonal_weight": 1.0, "invariance_weight": 1.0}
    method = SimpleNamespace(options=SimpleNamespace(segments=2, temperature=1.0, **weights))
    z1, z2 = (torch.randn(64, 8, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    terms = music_terms(z1, z2, 2)
    loss = float(terms.diagonal + terms.off_diagonal + terms.invariance)
    found = health(z1, z2, method, terms._asdict())
    assert found["gap_constant"] == pytest.approx(loss, abs=1e-4)
    assert found["gap_bound"] == pytest.approx(loss + 3 * math.log(4), abs=1e-4)
    assert found["gap_identical"] == pytest.approx(loss + 2 * math.log(4), abs=1e-4)


def test_another_seed_draws_another_part_of_a_set():
    labels = torch.arange(10).repeat(20)
    images = torch.arange(200, dtype=torch.uint8).view(200, 1, 1, 1).expand(200, 1, 4, 4).contiguous()
    whole = ImageSet("x", "train", images, labels, tuple("abcdefghij"))
    drawn = {seed: fewer(whole, 50, seed).images[:, 0, 0, 0].tolist() for seed in (0, 1)}
    assert set(drawn[0]) != set(drawn[1])
    assert drawn[1] == fewer(whole, 50, seed=1).images[:, 0, 0, 0].tolist()


def test_usage_is_that_of_both_views():
    one = torch.nn.functional.one_hot(torch.zeros(4, 1, dtype=torch.long), 2).float()
    other = torch.nn.functional.one_hot(torch.ones(4, 1, dtype=torch.long), 2).float()
    assert code_health(one, other)["usage_mean"] == pytest.approx(1.0)


# -- plans ---------------------------------------------------------------------------------------------------------


def planned(tmp_path, settings=(), **entry):
    write_notebook(tmp_path / "books", "01_x", parameters='out: str = "o"\nseed: int = 0\nepochs: int = 2\n')
    profile = write_profile(tmp_path, [{"notebook": "01_x", **entry}])
    return build(str(profile), notebooks=tmp_path / "books", settings=list(settings), check_data=False)


def test_a_job_may_take_ten_times_what_was_expected_and_at_least_ten_minutes(tmp_path):
    assert planned(tmp_path, minutes=0.5).jobs[0].limit_minutes == 10
    assert planned(tmp_path, minutes=3).jobs[0].limit_minutes == 30
    assert planned(tmp_path, minutes=3, limit_minutes=4).jobs[0].limit_minutes == 4


def test_set_wins_over_what_an_entry_varies(tmp_path):
    assert [j.values["epochs"] for j in planned(tmp_path, matrix={"epochs": [3, 4]}).jobs] == [3, 4]
    assert [j.values["epochs"] for j in planned(tmp_path, ["epochs=7"], matrix={"epochs": [3, 4]}).jobs] == [7]


def test_time_and_disk_are_not_negative(tmp_path):
    assert any("minutes=-1 must be a number >= 0" in p for p in planned(tmp_path, minutes=-1).problems)


def test_other_values_are_another_job(tmp_path):
    hashes = [planned(tmp_path, parameters={"epochs": e}).jobs[0].hash for e in (2, 3, 2)]
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_value_of_set_may_hold_an_equals_sign_and_no_name_comes_twice():
    problems: list[str] = []
    assert read_settings(["name=a=b", "options.x=1"], problems) == {"name": "a=b", "options.x": "1"}
    assert problems == []
    read_settings(["x=1", "x=2"], problems)
    assert problems == ["--set x is given twice"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 00 s"),
        (599, "9 min 59 s"),
        (600, "10 min"),
        (3900, "1 h 05 min"),
        (-3, "0 s"),
    ],
)
def test_durations_are_read_by_people(seconds, text):
    assert duration(seconds) == text


PARTS = {
    "device": "d", "step_s": {"256": 0.2}, "loss_s": 0.05, "loss_batch": 2048, "embedding": 8160, "parameters": 10**8,
    "views_s_per_image": 0.0, "decode_s_per_image": 0.01, "peak_mb": {"256": 2048},
}  # fmt: skip


def test_decoding_runs_beside_computing_and_the_slower_one_counts():
    slow = cost.estimate(PARTS, epochs=1, batch=2048, processes=8, nodes=1, cores=2)
    steps = 1_281_167 // 2048
    assert slow["bound_by"] == "decoding"
    assert slow["hours"] == pytest.approx(steps * 256 * 0.01 / 2 / 3600)
    fast = cost.estimate(PARTS, epochs=1, batch=2048, processes=8, nodes=1, cores=64)
    assert fast["hours"] == pytest.approx(steps * 0.25 / 3600)
    assert fast["gpu_hours"] == pytest.approx(8 * fast["hours"])


def test_a_later_job_pays_for_its_own_runs_alone():
    jobs = build("lease", check_data=False).jobs[:2]
    first, second = hours.new_runs(jobs)
    assert {c.hash() for c in first} == set(hours.runs_of(jobs[0]))
    assert {c.hash() for c in second} == set(hours.runs_of(jobs[1])) - set(hours.runs_of(jobs[0]))

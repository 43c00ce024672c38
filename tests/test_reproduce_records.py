"""Records, tables and verdicts: from lines of JSON to what a reader is told, with nothing dropped in silence."""

from __future__ import annotations

import json
import math

import pytest
from reproduce_fixtures import training_record, write_records

from musiclib.methods.names import MUSIC
from reproduce.judging import compare, records, tables, verdicts

# -- reading -------------------------------------------------------------------------------------------------------


def test_good_lines_are_read_and_bad_ones_are_told_with_their_number(tmp_path):
    good = training_record()
    path = tmp_path / records.FILE
    bad = [
        b'{"schema": 1, "kind"',
        b"[1, 2]",
        b"\xff\xfe",
        json.dumps({**good, "schema": 99}).encode(),
        json.dumps({**good, "status": "fine"}).encode(),
    ]
    path.write_bytes(b"\n".join([json.dumps(good).encode(), *bad, b"", json.dumps(good).encode()]))
    found = records.read(path)
    assert [r["_line"] for r in found.lines] == [1, 8]
    assert [p.line for p in found.problems] == [2, 3, 4, 5, 6]
    told = [p.reason for p in found.problems]
    for part, text in zip(
        ("is no JSON", "is list, not an object", "no UTF-8", "schema 99 is newer than 1", "status='fine'"),
        told,
        strict=True,
    ):
        assert part in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": "0"}, "seed='0' must be int"),
        ({"seed": True}, "seed=True must be int"),
        ({"kind": "other"}, "kind='other'"),
        ({"kind": {"a": 1}}, "kind={'a': 1} must be str"),
        ({"metrics": {"linear/test/top1": 61.2}}, "must be a fraction between 0 and 1"),
        ({"metrics": {"linear/test/top1": "0.6"}}, "is no number"),
        ({"config": None}, "config=None must be dict"),
        ({"schema": "1"}, "schema='1' must be a whole number"),
    ],
)
def test_a_wrong_field_is_told(tmp_path, change, told):
    write_records(tmp_path, [{**training_record(), **change}])
    found = records.load(tmp_path)
    assert found.lines == []
    assert told in found.problems[0].reason


def test_a_missing_field_is_told(tmp_path):
    record = training_record()
    del record["dataset"]
    write_records(tmp_path, [record])
    assert "lacks 'dataset'" in records.load(tmp_path).problems[0].reason


def test_flags_and_missing_values_among_the_metrics_are_fine_and_are_no_numbers(tmp_path):
    write_records(tmp_path, [{**training_record(), "metrics": {"linear/converged": True, "knn/test/top1": None}}])
    found = records.load(tmp_path)
    assert found.problems == []
    assert records.metric(found.lines[0], "linear/converged") is None
    assert records.metric(found.lines[0], "knn/test/top1") is None


def test_an_old_schema_is_upgraded_step_by_step():
    steps = {0: lambda r: {**r, "metrics": {"linear/test/top1": r["accuracy"] / 100}}, 1: lambda r: {**r, "two": True}}
    new = records.upgrade({"schema": 0, "accuracy": 50}, to=2, steps=steps)
    assert (new["schema"], new["metrics"], new["two"]) == (2, {"linear/test/top1": 0.5}, True)
    with pytest.raises(ValueError, match="cannot be read any more"):
        records.upgrade({"schema": 0}, to=1, steps={})


def test_one_configuration_counts_once_and_the_finished_attempt_wins():
    failed = {**training_record(run="a"), "status": "failed"}
    done = training_record(run="a", linear=0.7)
    assert records.once([failed, done]) == [done]
    assert records.once([done, failed]) == [done]
    book = {"kind": "notebook", "job": "x", "status": "failed"}
    assert records.once([book, {**book, "status": "done"}, book]) == [book]  # the last attempt of a notebook


def test_computed_places_of_a_record():
    r = training_record(options={"segments": 32, "units": 16, "projector": [1024, 1024]})
    assert records.look_up(r, "embedding") == 512
    assert records.look_up(r, "projector_depth") == 2
    assert records.look_up(r, "config.options.segments") == 32
    assert records.look_up(r, "config.nothing.here") is None
    assert records.look_up(training_record(options={"projector": [2048, 256]}), "embedding") == 256


# -- tables --------------------------------------------------------------------------------------------------------


def small_set():
    lines = [training_record("pixels", s, linear=0.4, knn=0.3, epochs=0) for s in range(3)]
    lines += [training_record("random", s, linear=0.5 + 0.01 * s, knn=0.4, epochs=0) for s in range(3)]
    lines += [training_record("music", s, linear=x, knn=0.6 + 0.001 * s) for s, x in enumerate((0.60, 0.61, 0.62))]
    lines += [training_record("simclr", s, linear=x, knn=0.59 + 0.001 * s) for s, x in enumerate((0.58, 0.60, 0.59))]
    return lines


def test_a_table_has_the_reference_rows_first_and_says_what_was_not_run():
    (table,) = tables.build(small_set())
    assert [r.label for r in table.rows] == ["raw pixels", "random encoder", "MUSIC with invariance", "SimCLR"]
    assert "Not run: supervised." in table.notes
    assert table.columns == ("linear/test/top1", "knn/test/top1")


def test_a_supervised_row_of_fewer_epochs_stands_in_the_table_and_says_so():
    own = small_set()[6]["config"]["epochs"]
    same = training_record("supervised", 0, linear=0.9, knn=0.9)
    less = training_record("supervised", 0, linear=0.8, knn=0.8, epochs=own - 1)
    (table,) = tables.build([*small_set(), same, less])
    assert [r.label for r in table.rows if "supervised" in r.label] == ["supervised", f"supervised ({own - 1} epochs)"]


def test_cells_are_mean_and_t_interval_over_seeds_in_percent():
    (table,) = tables.build(small_set())
    half = 4.302652729911275 * 0.01 / math.sqrt(3)  # t(0.975, 2) from a printed table, standard deviation 0.01
    (line,) = [x for x in tables.markdown(table).splitlines() if x.startswith("| MUSIC with invariance")]
    assert [c.strip() for c in line.strip("|").split("|")][1:3] == ["3", f"61.00 ± {100 * half:.2f}"]


def test_settings_do_not_mix():
    lines = [
        *small_set(),
        *(training_record("music", s, linear=0.8, epochs=200) for s in range(3)),
        training_record("music", 0, dataset="digits"),
    ]
    built = tables.build(lines)
    assert len(built) == 3
    long = next(t for t in built if "200 epochs" in t.title)
    assert [r.label for r in long.rows] == ["raw pixels", "random encoder", "MUSIC with invariance"]
    digits = next(t for t in built if t.title.startswith("digits"))
    assert [r.label for r in digits.rows] == ["MUSIC with invariance"]


def test_variants_of_a_method_are_rows_of_their_own_named_by_what_differs():
    lines = [
        training_record("music", s, options={"segments": n, "units": 16, "projector": [64]})
        for s in (0, 1)
        for n in (16, 32)
    ]
    (table,) = tables.build(lines)
    assert [r.label for r in table.rows] == [
        "MUSIC with invariance (segments=16)",
        "MUSIC with invariance (segments=32)",
    ]


def test_one_run_has_no_interval_and_failures_are_in_no_mean():
    lines = [
        training_record("music", 0, linear=0.6),
        {**training_record("music", 1), "status": "failed", "metrics": {}},
    ]
    (table,) = tables.build(lines)
    assert "60.00 (1 run)" in tables.markdown(table)
    assert any("MUSIC with invariance seed 1" in n for n in table.notes)


def test_what_qualifies_a_row_is_noted():
    lines = [training_record("music", s, linear=0.6, knn=0.5) for s in range(2)] + [
        {**training_record("byol", 0, linear=0.1), "collapsed": True}
    ]
    lines[0]["code"] = {"sources": "other"}
    (table,) = tables.build(lines)
    notes = " ".join(table.notes)
    assert "MUSIC with invariance: seeds [0, 1] gave identical numbers" in notes
    assert "BYOL: collapsed in 1 of 1 runs" in notes
    assert "older sources than the newest here" in notes


def test_tables_do_not_depend_on_the_order_of_the_records():
    lines = small_set()
    first, second = tables.build(lines), tables.build(lines[::-1])
    assert [tables.markdown(t) for t in first] == [tables.markdown(t) for t in second]
    assert [tables.latex(t) for t in first] == [tables.latex(t) for t in second]


def test_latex_escapes_what_latex_would_read():
    assert tables.escape("fashion_mnist 95 % & {a}") == r"fashion\_mnist 95 \% \& \{a\}"
    (table,) = tables.build(
        [training_record("music", s, dataset="fashion_mnist", linear=0.6 + s / 100) for s in range(2)]
    )
    text = tables.latex(table)
    assert r"fashion\_mnist" in text
    assert text.count(r"\begin") == text.count(r"\end") == 2


# -- verdicts ------------------------------------------------------------------------------------------------------

BETTER = {
    "id": "x",
    "claim": "c",
    "source": "s",
    "because": "b",
    "kind": "better",
    "metric": "linear/test/top1",
    "rows": {"method": "music"},
    "against": {"method": "simclr"},
    "margin": 0.0,
}


def lines_of(music, simclr, **more):
    return [
        training_record(m, s, linear=v, **more)
        for m, values in (("music", music), ("simclr", simclr))
        for s, v in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("music", "simclr", "word"),
    [
        ((0.70, 0.71, 0.72), (0.60, 0.61, 0.62), verdicts.REPRODUCED),
        ((0.50, 0.51, 0.52), (0.60, 0.61, 0.62), verdicts.NOT_REPRODUCED),
        ((0.60, 0.65, 0.55), (0.61, 0.60, 0.60), verdicts.UNDECIDED),
        ((0.90,), (0.10,), verdicts.UNDECIDED),
        ((0.90,), (), verdicts.NOT_TESTED),
    ],
)
def test_better_is_decided_by_the_interval_of_the_paired_difference(music, simclr, word):
    (verdict,) = verdicts.judge(lines_of(music, simclr), [BETTER])
    assert verdict.verdict == word


def test_pairing_by_seed_decides_what_the_means_alone_would_not():
    spread = (0.50, 0.60, 0.70)
    lines = lines_of([v + 0.01 for v in spread], spread)
    assert verdicts.judge(lines, [BETTER])[0].verdict == verdicts.REPRODUCED


def test_competitive_allows_its_margin_and_no_more():
    rule = {**BETTER, "kind": "competitive", "margin": 0.01}
    base = (0.600, 0.601, 0.602)
    for shift, word in ((-0.005, verdicts.REPRODUCED), (-0.05, verdicts.NOT_REPRODUCED)):
        lines = lines_of([v + shift + 1e-4 * i for i, v in enumerate(base)], base)
        assert verdicts.judge(lines, [rule])[0].verdict == word


def test_one_data_set_against_the_claim_is_enough():
    good, bad = (
        lines_of((0.7, 0.71, 0.72), (0.6, 0.61, 0.62)),
        lines_of((0.5, 0.51, 0.52), (0.6, 0.61, 0.62), dataset="digits"),
    )
    (verdict,) = verdicts.judge(good + bad, [BETTER])
    assert verdict.verdict == verdicts.NOT_REPRODUCED
    assert {p.dataset: p.verdict for p in verdict.parts} == {
        "cifar10": verdicts.REPRODUCED,
        "digits": verdicts.NOT_REPRODUCED,
    }


def test_below_the_scale_a_miss_is_no_evidence_but_a_success_is():
    rule = {**BETTER, "scale": {"epochs": 50, "seeds": 3}}
    miss, success = (
        lines_of((0.5, 0.51, 0.52), (0.6, 0.61, 0.62), epochs=8),
        lines_of((0.7, 0.71, 0.72), (0.6, 0.61, 0.62), epochs=8),
    )
    assert verdicts.judge(miss, [rule])[0].verdict == verdicts.NOT_TESTABLE
    assert "8 epochs, the rule asks for 50" in verdicts.judge(miss, [rule])[0].parts[0].text
    assert verdicts.judge(success, [rule])[0].verdict == verdicts.REPRODUCED
    strict = {**rule, "scale": {**rule["scale"], "either_way": True}}
    assert verdicts.judge(success, [strict])[0].verdict == verdicts.NOT_TESTABLE
    few = lines_of((0.7, 0.71), (0.6, 0.61), epochs=80)
    assert verdicts.judge(few, [rule])[0].verdict == verdicts.NOT_TESTABLE


def test_runs_on_a_validation_split_are_no_evidence():
    lines = lines_of((0.7, 0.71, 0.72), (0.6, 0.61, 0.62), validation=True)
    assert verdicts.judge(lines, [BETTER])[0].verdict == verdicts.NOT_TESTED


def test_the_default_options_stand_for_a_method_not_its_best_variant():
    usual = json.loads(verdicts.default_options("music"))
    lines = lines_of((), (0.60, 0.61, 0.62))
    lines += [training_record("music", s, linear=0.5 + s / 100, options=usual) for s in range(3)]
    lines += [training_record("music", s, linear=0.9 + s / 100, options={**usual, "segments": 8}) for s in range(3)]
    assert verdicts.judge(lines, [BETTER])[0].verdict == verdicts.NOT_REPRODUCED


def test_a_part_of_a_set_is_another_set():
    lines = lines_of((0.7, 0.71, 0.72), (0.6, 0.61, 0.62))
    small = lines_of((0.3, 0.31, 0.32), (0.4, 0.41, 0.42), epochs=80, dataset_options={"samples": 100})
    whole, part = verdicts.judge([*lines, *small], [BETTER])[0].parts
    assert (whole.verdict, part.verdict) == (verdicts.REPRODUCED, verdicts.NOT_REPRODUCED)
    assert part.dataset == whole.dataset + " samples=100"


def test_of_several_variants_the_one_nearest_to_the_defaults_stands_for_a_method():
    usual = json.loads(verdicts.default_options("music"))
    near, far = {**usual, "projector": [8]}, {**usual, "projector": [8], "diagonal_weight": 0.0}
    lines = lines_of((), (0.60, 0.61, 0.62))
    lines += [training_record("music", s, linear=0.5 + s / 100, options=near) for s in range(3)]
    lines += [training_record("music", s, linear=0.9 + s / 100, options=far) for s in range(3)]
    assert verdicts.judge(lines, [BETTER])[0].verdict == verdicts.NOT_REPRODUCED


def test_pixels_need_no_seeds_of_their_own():
    lines = [training_record("music", s, linear=0.6 + s / 100) for s in range(3)] + [
        training_record("pixels", 0, linear=0.4, epochs=0)
    ]
    rule = {**BETTER, "against": {"method": "pixels"}, "pair_by": ["seed"]}
    (verdict,) = verdicts.judge(lines, [rule])
    assert verdict.verdict == verdicts.REPRODUCED
    assert verdict.parts[0].interval.n == 3


def test_never_counts_runs():
    rule = {
        "id": "n",
        "claim": "c",
        "source": "s",
        "because": "b",
        "kind": "never",
        "rows": {"method": "music"},
        "field": "collapsed",
        "runs": 3,
    }
    good = [training_record("music", s) for s in range(3)]
    assert verdicts.judge(good, [rule])[0].verdict == verdicts.REPRODUCED
    assert verdicts.judge(good[:2], [rule])[0].verdict == verdicts.UNDECIDED
    assert (
        verdicts.judge([*good, {**training_record("music", 9), "collapsed": True}], [rule])[0].verdict
        == verdicts.NOT_REPRODUCED
    )


def test_a_notebooks_own_claim_is_taken_from_its_record():
    rule = {"id": "k", "claim": "c", "source": "s", "because": "b", "kind": "claim", "key": "C1"}
    book = {
        "kind": "notebook",
        "status": "done",
        "job": "02",
        "run": "r",
        "claims": {"C1": {"holds": True, "text": "to 1e-15"}},
    }
    assert verdicts.judge([book], [rule])[0].verdict == verdicts.REPRODUCED
    assert verdicts.judge([{**book, "claims": {"C1": False}}], [rule])[0].verdict == verdicts.NOT_REPRODUCED
    assert verdicts.judge([{**book, "claims": {}}], [rule])[0].verdict == verdicts.NOT_TESTED


def test_selectors_compare_places_of_the_record():
    r = training_record(options={"segments": 32, "units": 16, "projector": [1024]})
    assert verdicts.matches(
        r, {"method": "music", "embedding": {"at_most": 512}, "projector_depth": {"at_least": 1, "at_most": 1}}
    )
    assert not verdicts.matches(r, {"embedding": {"at_least": 513}})
    assert not verdicts.matches(training_record(options={}), {"embedding": {"at_most": 512}})
    assert verdicts.matches(r, {"method": {"in": ["music", "byol"]}, "dataset": {"not": "digits"}})


def book(job="09_what", epochs=8, status="done", **metrics):
    values = {f"{name}/{seed}": v for name, found in metrics.items() for seed, v in enumerate(found)}
    return {
        "kind": "notebook", "status": status, "job": job, "run": job, "config": {"epochs": epochs}, "metrics": values,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "extra", "verdict"),
    [
        ([0.6, 0.61, 0.62], {}, "reproduced"),
        ([0.3, 0.31, 0.32], {}, "not reproduced"),
        ([0.2, 0.5, 0.9], {}, "undecided"),
        ([0.6], {}, "undecided"),
        ([0.3, 0.31, 0.32], {"side": "below"}, "reproduced"),
        ([0.6, 0.61, 0.62], {"side": "below"}, "not reproduced"),
        ([0.6, 0.61], {"scale": {"seeds": 3}}, "not testable at this scale"),
        ([0.3, 0.31, 0.32], {"scale": {"epochs": 9}}, "not testable at this scale"),
        ([0.6, 0.61, 0.62], {"scale": {"epochs": 9}}, "reproduced"),
        ([], {}, "not tested"),
    ],
)
def test_what_a_notebook_measured_is_judged_by_the_interval_of_its_seeds(values, extra, verdict):
    rule = {"id": "a", "kind": "measured", "metric": "purity", "bound": 0.5, **extra}
    (found,) = verdicts.judge([book(purity=values, purity_of_another=[9.0, 9.0, 9.0])], [rule])
    assert found.verdict == verdict
    if len(values) == 3:
        assert f"{sum(values) / 3:.3f} [" in found.parts[0].text


def test_a_measured_difference_is_paired_by_seed_and_each_notebook_is_a_part():
    rule = {"id": "a", "kind": "measured", "metric": "ours", "minus": "theirs", "bound": 0.0}
    wide = {"ours": [0.1, 0.5, 0.9], "theirs": [0.0, 0.39, 0.81]}  # differences 0.1, 0.11, 0.09
    (found,) = verdicts.judge([book(**wide), book("other", ours=[0.1], theirs=[0.2])], [rule])
    assert [p.dataset for p in found.parts] == ["09_what", "other"]
    assert found.parts[0].verdict == "reproduced"
    assert found.parts[0].interval.mean == pytest.approx(0.1)
    assert verdicts.judge([book(status="failed", **wide)], [rule])[0].verdict == "not tested"
    assert verdicts.judge([book(ours=[0.1, 0.2])], [rule])[0].verdict == "not tested"


def test_a_side_that_is_none_is_told(tmp_path):
    path = tmp_path / "rules.yaml"
    rule = "{id: a, claim: c, source: s, because: b, kind: measured, metric: m, bound: 0, side: left}"
    path.write_text(f"rules:\n  - {rule}\n")
    with pytest.raises(ValueError, match="above or below"):
        verdicts.read_rules(path)


def test_the_shipped_rules_are_well_formed_and_name_every_method():
    rules = verdicts.read_rules()
    against = {r["against"]["method"] for r in rules if r["kind"] == "competitive" and "method" in r["against"]}
    assert against >= set(tables.NAMES) - set(tables.REFERENCE) - set(MUSIC)
    assert all(r["source"].startswith(("excerpt", "preprint, abstract")) for r in rules)


def test_every_shipped_rule_judges_both_rows_of_music():
    rules = verdicts.read_rules()
    for name in {r["id"].rpartition(".")[0] for r in rules}:
        assert [r["row"] for r in rules if r["id"].rpartition(".")[0] == name] == list(MUSIC)
    assert not any("each" in json.dumps([r.get(k) for k in ("rows", "against", "metric", "minus")]) for r in rules)


def test_each_row_of_music_is_judged_by_its_own_runs():
    rule = {**BETTER, "rows": {"row": "each"}}
    alone = [training_record("music", s, linear=0.5 + s / 100, options={"invariance_weight": 0.0}) for s in range(3)]
    lines = [*lines_of((0.7, 0.71, 0.72), (0.6, 0.61, 0.62)), *alone]
    found = {v.rule["id"]: v.verdict for v in verdicts.judge(lines, verdicts.for_each_row(rule))}
    assert found == {"x.music_entropies": verdicts.NOT_REPRODUCED, "x.music": verdicts.REPRODUCED}


def test_runs_of_one_setting_are_pooled_and_those_of_another_are_told():
    short, long = (
        lines_of((0.7, 0.71, 0.72), (0.6, 0.61, 0.62), epochs=6),
        lines_of((0.5, 0.51, 0.52), (0.6, 0.61, 0.62), epochs=20),
    )
    (part,) = verdicts.judge([*short, *long], [BETTER])[0].parts
    assert (part.verdict, part.interval.n) == (verdicts.NOT_REPRODUCED, 3)
    assert "1 further settings not pooled" in part.text
    other = [
        {**r, "config": {**r["config"], "views": {"flip": 0.0}}} for r in lines_of((0.9, 0.91), (0.6, 0.61), epochs=20)
    ]
    assert verdicts.judge([*long, *other], [BETTER])[0].parts[0].interval.n == 3


def test_a_selector_may_ask_how_a_value_starts():
    assert verdicts.matches({"dataset": "imagenet:there"}, {"dataset": {"starts": "imagenet:"}})
    assert not verdicts.matches({"dataset": "digits"}, {"dataset": {"starts": "imagenet:"}})


def test_a_rule_with_a_mistake_is_told(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n  - {id: a, kind: better, metric: m}\n  - {kind: best}\n")
    with pytest.raises(ValueError, match=r"lacks 'against'") as told:
        verdicts.read_rules(path)
    assert "needs a `kind`" in str(told.value)


# -- comparing two sets --------------------------------------------------------------------------------------------


def test_compare_tells_changed_from_noise_and_from_identical(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    write_records(a, small_set())
    moved = small_set()
    for r in moved:
        if r["method"] == "music":
            r["metrics"]["linear/test/top1"] += 0.05 + 0.0001 * r["seed"]
        if r["method"] == "simclr":
            r["metrics"]["knn/test/top1"] += 0.001 * (-1) ** r["seed"]
    write_records(b, [r for r in moved if r["method"] != "random"])
    found = compare.compare(a, b)
    words = {(c.where.split(": ")[1], c.metric): c.word for c in found.cells}
    assert words["MUSIC with invariance", "linear/test/top1"] == compare.CHANGED
    assert words["MUSIC with invariance", "knn/test/top1"] == compare.SAME
    assert words["SimCLR", "knn/test/top1"] == compare.WITHIN
    assert len(found.only_a) == 1
    assert "random encoder" in found.only_a[0]
    told = compare.describe(found, a, b)
    assert "only in A: 1 rows" in told
    assert "B - A = +5.01" in told


def test_compare_of_single_runs_claims_no_uncertainty(tmp_path):
    write_records(tmp_path / "a", [training_record("music", 0, linear=0.6)])
    write_records(tmp_path / "b", [training_record("music", 0, linear=0.7)])
    (change,) = [c for c in compare.compare(tmp_path / "a", tmp_path / "b").cells if c.metric.startswith("linear")]
    assert change.word == compare.UNKNOWN

"""Versions of the sources behind a table: one where possible, and where not, the older rows are marked."""

from __future__ import annotations

from reproduce_fixtures import training_record, write_records

from reproduce.judging import records, tables, verdicts, versions

OLD, NEW = "aaaa", "0000"  # by name the new one would come first
DAY = {OLD: "2026-11-01T10:00:00+00:00", NEW: "2026-11-05T10:00:00+00:00"}


def run_of(version, method="music", seed=0, started=None, **more):
    r = training_record(method, seed, epochs=0 if method in ("pixels", "random") else 8, **more)
    return {**r, "code": {"sources": version}, "time": {**r["time"], "started": started or DAY[version]}}


def test_a_version_is_as_old_as_its_first_run_and_its_name_does_not_count():
    late = run_of(OLD, started="2026-11-30T10:00:00+00:00")
    book = {"kind": "notebook", "run": "b", "job": "04", "code": {"sources": "later"}, "time": {"started": "2026-12"}}
    for order in ([book, run_of(NEW), run_of(OLD), late], [late, run_of(OLD), run_of(NEW), book]):
        starts = versions.first_runs(order)
        assert starts == DAY
    assert versions.named("never seen", starts) == "never seen"
    assert versions.newest(["never seen", OLD], starts) == OLD
    assert versions.newest([OLD, NEW], starts) == NEW
    assert versions.newest([NEW, OLD], starts) == NEW
    assert versions.named(NEW, starts) == "0000, first run 2026-11-05"


def test_runs_that_name_no_version_or_no_start_are_older_than_those_that_do():
    nameless = {**run_of(NEW), "code": {}}
    assert versions.version(nameless) == "unknown"
    undated = run_of(NEW)
    undated["time"]["started"] = None
    starts = versions.first_runs([undated, run_of(OLD)])
    assert starts == {NEW: "", OLD: DAY[OLD]}
    assert versions.newest(["unknown", NEW], {"unknown": "2027", NEW: ""}) == NEW
    assert versions.newest(["unknown"], {}) == "unknown"
    assert versions.named(NEW, starts) == NEW
    assert versions.first_runs([undated, run_of(NEW)]) == {NEW: DAY[NEW]}


def table_of(lines):
    (table,) = tables.build(lines)
    return table


def test_rows_of_older_sources_are_marked_in_every_form_of_the_table_and_told_below_it():
    lines = [run_of(OLD, "pixels"), *(run_of(NEW, seed=s) for s in (0, 1)), run_of(OLD, "simclr"), run_of(NEW, "byol")]
    table = table_of(lines)
    assert {r.label: r.older for r in table.rows} == {
        "raw pixels": (OLD,), "MUSIC with invariance": (), "SimCLR": (OLD,), "BYOL": (),
    }  # fmt: skip
    (note,) = [n for n in table.notes if n.startswith("†")]
    assert note == (
        "† Made by older sources than the newest here (0000, first run 2026-11-05): "
        "raw pixels, SimCLR (aaaa, first run 2026-11-01)."
    )
    for text in (tables.markdown(table), tables.as_html(table)):
        assert "SimCLR †" in text
        assert "BYOL †" not in text
        assert note in text
    assert r"SimCLR $^\dagger$ &" in tables.latex(table)
    assert "† Made by older" in tables.latex(table)  # as a comment


def test_one_older_seed_marks_its_row():
    table = table_of([run_of(NEW, seed=0), run_of(OLD, seed=1)])
    assert table.rows[0].marked() == "MUSIC with invariance †"


def test_a_table_of_one_version_has_no_mark_and_no_date():
    table = table_of([run_of(OLD, "pixels"), run_of(OLD, seed=0), run_of(OLD, seed=1)])
    assert "†" not in tables.markdown(table)
    assert "2026" not in tables.markdown(table)


def test_an_untrained_row_that_was_made_again_stands_beside_the_methods_of_its_own_version(tmp_path):
    methods = [run_of(OLD, "music", s) for s in range(2)]
    pixels, again = run_of(OLD, "pixels", linear=0.4), run_of(NEW, "pixels", linear=0.3)
    for order in ([pixels, *methods, again], [again, *methods, pixels]):
        found = records.load(write_records(tmp_path, order)).lines
        assert [r["metrics"]["linear/test/top1"] for r in found if r["method"] == "pixels"] == [0.4]
    more = [run_of(NEW, "simclr", s) for s in range(3)]
    found = records.load(write_records(tmp_path, [again, pixels, *methods, *more])).lines
    assert [r["metrics"]["linear/test/top1"] for r in found if r["method"] == "pixels"] == [0.3]


def test_a_method_that_was_trained_again_counts_as_it_was_trained_last(tmp_path):
    others = [run_of(OLD, "simclr", s) for s in range(5)]
    lines = [run_of(OLD, "music", 0, linear=0.5), *others, run_of(NEW, "music", 0, linear=0.6)]
    found = records.load(write_records(tmp_path, lines)).lines
    assert [r["metrics"]["linear/test/top1"] for r in found if r["method"] == "music"] == [0.6]


def test_a_failed_attempt_of_the_right_version_replaces_nothing(tmp_path):
    broken = {**run_of(OLD, "pixels"), "status": "failed", "metrics": {}}
    lines = [run_of(OLD, "music", 0), broken, run_of(NEW, "pixels", linear=0.3)]
    found = records.load(write_records(tmp_path, lines)).lines
    assert [r["metrics"].get("linear/test/top1") for r in found if r["method"] == "pixels"] == [0.3]


def test_a_record_that_lacks_a_later_field_is_of_the_same_row_as_one_that_has_it_unasked():
    """Seeds trained before and after a field came are one row, and one variant for the verdicts."""
    before, after = run_of(NEW, seed=0), run_of(NEW, seed=1)
    after["config"] |= {"watch": 3, "decay_all": False}
    assert [r.cells["linear/test/top1"].interval.n for r in table_of([before, after]).rows] == [2]
    asked = run_of(NEW, seed=0)
    asked["config"] |= {"decay_all": True}
    assert sorted(r.cells["linear/test/top1"].interval.n for r in table_of([before, after, asked]).rows) == [1, 2]
    assert len(verdicts.main_rows([before, after], ["seed"])) == 2

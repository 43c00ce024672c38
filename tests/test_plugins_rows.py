"""A method from outside in comparisons, figures, tables, verdicts and plans: a row of its own, with its name."""

from __future__ import annotations

import json
import os

import pytest
from plugin_sources import DATASET, METHOD
from reproduce_fixtures import training_record, write_notebook, write_profile, write_records
from test_plugins import write  # noqa: F401  a fixture

from musiclib import plugins
from musiclib.methods.names import FAMILIES, NAMES, family
from musiclib.plots.comparison import MARKS, SHADES, difference_dots, dot_panels, health_curves
from musiclib.statistics import mean_interval
from musiclib.studies import comparison
from reproduce.batch.executors import environment
from reproduce.judging import records, tables, verdicts
from reproduce.judging.compare import compare
from reproduce.planning.plan import build

PATH = "my_loss:Spread"
SHARED = {"dataset": "digits", "encoder": "tiny", "batch": 64}
FIXED = {"shared": SHARED, "epochs": 1, "lr": 1e-3, "optimiser": "adamw"}


# ---------------------------------------------------------------- rows and figures


def test_a_path_is_a_row_and_a_label_is_another_one():
    settings = {PATH: {"lr": 5e-3}, "my loss, wide": {"method": PATH, "options": {"weight": 9.0}}}
    plan = comparison.rows(["music", PATH, "my loss, wide"], settings=settings, **FIXED)
    assert list(plan) == ["music", PATH, "my loss, wide", "random", "pixels", "supervised"]
    assert (plan[PATH]["method"], plan[PATH]["lr"], plan[PATH]["options"]) == (PATH, 5e-3, {})
    assert (plan["my loss, wide"]["method"], plan["my loss, wide"]["options"]) == (PATH, {"weight": 9.0})
    assert [NAMES[row] for row in plan][:3] == ["MUSIC with invariance", PATH, "my loss, wide"]


def test_what_is_no_path_is_still_refused():
    with pytest.raises(ValueError, match=r"package\.module:Class, or a label whose settings name its method"):
        comparison.rows(["folder:cats"], **FIXED)
    with pytest.raises(ValueError, match="settings has 'mine'"):
        comparison.rows(["music"], settings={"mine": {}}, **FIXED)


def test_rows_that_nobody_has_named_are_a_family_of_their_own():
    assert family(PATH) == family("my loss") == "outside"
    assert [family(row) for row in ("scratch", "pixels", "music", "byol")] == [
        "reference", "reference", "informational coding", "asymmetric networks",
    ]  # fmt: skip
    assert set(SHADES) == set(MARKS) == set(FAMILIES)
    assert len(set(SHADES.values())) == len(set(MARKS.values())) == len(FAMILIES)


def legend(figure) -> list[str]:
    return [t.get_text() for t in figure.legends[0].get_texts()]


def test_figures_show_the_row_under_its_name_in_the_colour_of_its_family():
    figure = dot_panels({"linear": {PATH: [0.5, 0.6, 0.7], "byol": [0.2, 0.3, 0.4]}})
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["BYOL", PATH]
    assert figure.axes[0].containers[1][0].get_color() == SHADES["outside"]
    assert legend(figure) == ["asymmetric networks", "outside"]
    figure = difference_dots({"linear": {PATH: mean_interval([0.01, 0.02, 0.03])}})
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [PATH]
    entry = {"epoch": 1, "health": {"effective_rank": 3.0, "alignment": 0.1, "uniformity": -1.0}}
    assert legend(health_curves({PATH: [[entry]], "music": [[entry]]})) == [PATH, NAMES["music"]]


# ---------------------------------------------------------------- tables and verdicts


def outside(seed: int, source: str = "a" * 12, *, linear: float = 0.5, dataset: str = "cifar10", **options) -> dict:
    """A record of the method from outside, with the source that it had."""
    found = training_record(PATH, seed, linear=linear, dataset=dataset, **options)
    found["config"]["plugins"] = {PATH: source, **({dataset: "d" * 12} if ":" in dataset else {})}
    return {**found, "run": f"{source}{seed}{dataset}{linear}"}


def test_a_table_has_the_row_with_its_name_and_no_row_of_a_changed_source_is_pooled_with_it():
    lines = [outside(s, linear=0.5 + s / 100) for s in range(3)] + [
        training_record("music", 0),
        training_record("pixels"),
    ]
    (table,) = tables.build(lines)
    labels = {row.label: row for row in table.rows}
    assert list(labels) == ["raw pixels", "MUSIC with invariance", PATH]
    assert labels[PATH].cells["linear/test/top1"].seeds == {0: 0.5, 1: 0.51, 2: 0.52}
    (table,) = tables.build([*lines, outside(0, "b" * 12, linear=0.9)])
    labels = {row.label: row for row in table.rows}
    assert labels[f'{PATH} ({PATH}="{"b" * 12}")'].cells["linear/test/top1"].seeds == {0: 0.9}
    assert labels[f'{PATH} ({PATH}="{"a" * 12}")'].cells["linear/test/top1"].interval.n == 3
    assert PATH in tables.markdown(table)


def test_a_data_set_from_outside_is_another_one_when_its_source_changes():
    name = "stripes_set:load"
    lines = [outside(0, dataset=name), outside(1, dataset=name)]
    assert len(tables.build(lines)) == 1
    lines[1]["config"]["plugins"][name] = "e" * 12
    assert len(tables.build(lines)) == 2
    assert len({verdicts.images(r) for r in lines}) == 2


def test_tables_of_runs_without_plugins_keep_their_identities():
    found = training_record("music", 0)
    assert json.loads(tables.setting(found)) == {n: found["config"].get(n) for n in tables.SETTING}
    assert "plugins" not in tables.variant(found)
    assert "plugins" not in tables.variant({**found, "config": {**found["config"], "plugins": {"x:load": "1"}}})


def test_the_rule_for_peers_judges_a_method_from_outside():
    rules = verdicts.read_rules()
    ours = [training_record("music", s, linear=0.8 + s / 1000, epochs=50) for s in range(3)]
    theirs = [outside(s, linear=0.6 + s / 1000, epochs=50) for s in range(3)]
    found = {v.rule["id"]: v for v in verdicts.judge([*ours, *theirs], rules)}
    verdict = found[f"competitive-{PATH}.music"]
    assert verdict.verdict == verdicts.REPRODUCED
    assert verdict.rule["claim"] == f"MUSIC is at least as good as {PATH}."
    assert verdict.rule["margin"] == next(r["margin"] for r in rules if r["id"] == "competitive-simclr.music")
    assert verdict.parts[0].interval.mean == pytest.approx(0.2)
    assert found[f"competitive-{PATH}.music_entropies"].verdict == verdicts.NOT_TESTED
    worse = [outside(s, linear=0.95 + s / 1000, epochs=50) for s in range(3)]
    found = {v.rule["id"]: v for v in verdicts.judge([*ours, *worse], rules)}
    assert found[f"competitive-{PATH}.music"].verdict == verdicts.NOT_REPRODUCED
    assert len(verdicts.judge(ours, rules)) == len(rules)


def test_two_result_sets_are_compared_though_one_alone_has_the_method(tmp_path):
    ours = [training_record("music", s, linear=0.8 + s / 1000, epochs=50) for s in range(3)]
    theirs = [outside(s, linear=0.6 + s / 1000, epochs=50) for s in range(3)]
    with_it, without = write_records(tmp_path / "a", [*ours, *theirs]), write_records(tmp_path / "b", ours)
    change = (f"competitive-{PATH}.music", verdicts.REPRODUCED, verdicts.NOT_TESTED)
    assert compare(with_it, without).verdicts == (change,)
    assert compare(without, with_it).verdicts == ((change[0], change[2], change[1]),)


def test_judging_imports_nothing_that_a_record_names(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "find", lambda *_: pytest.fail("a record made the judge import a plug-in"))
    folder = write_records(tmp_path, [outside(0, dataset="x:load"), outside(1, epochs=20)])
    found = records.load(folder)
    assert not found.problems
    assert tables.build(found.lines)
    assert verdicts.judge(found.lines, verdicts.read_rules())


# ---------------------------------------------------------------- plans


def planned(tmp_path, methods: list[str], **given):
    parameters = 'out: str = "x"\nseed: int = 0\nmethods: list = []\nsettings: dict = {}\ndataset: str = "digits"\n'
    write_notebook(tmp_path / "books", "04_some", parameters=parameters)
    profile = write_profile(tmp_path, [{"notebook": "04_some", "parameters": {"methods": methods, **given}}])
    return build(str(profile), notebooks=tmp_path / "books")


def test_a_plan_tells_of_every_plugin_that_cannot_be_used(tmp_path, write):  # noqa: F811
    write(my_loss=METHOD, not_one="def Spread(): pass\n")
    settings = {"mine": {"method": "not_one:Spread"}, "other": {"method": PATH}}
    plan = planned(tmp_path, ["music", "nowhere:X", "mine"], settings=settings, dataset="gone:load")
    assert len(plan.problems) == 3
    said = "\n".join(plan.problems)
    assert "method 'nowhere:X': there is no module 'nowhere'" in said
    assert "(needed by 04_some)" in said
    assert "method 'not_one:Spread' has to be a class that inherits" in said
    assert "dataset 'gone:load': there is no module 'gone'" in said
    assert planned(tmp_path, ["music", PATH], settings={"other": {"method": PATH}}).problems == []


def test_a_plan_reads_a_set_from_outside_and_says_what_it_found(tmp_path, write):  # noqa: F811
    write(stripes_set=DATASET)
    assert planned(tmp_path, [], dataset="stripes_set:load").problems == []
    write(stripes_set=DATASET.replace("12, 12)", "12, 10)"))
    assert "square images" in planned(tmp_path, [], dataset="stripes_set:load").problems[0]


def test_a_job_whose_plugin_has_changed_is_another_job(tmp_path, write):  # noqa: F811
    write(my_loss=METHOD)
    before = planned(tmp_path, [PATH]).jobs[0].hash
    assert planned(tmp_path, [PATH]).jobs[0].hash == before
    write(my_loss=METHOD + "# changed\n")
    assert planned(tmp_path, [PATH]).jobs[0].hash != before


def test_a_job_with_a_plugin_finds_what_the_command_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["lib", "/elsewhere"]))
    spec = {"threads": 1, "environment": {}, "values": {"methods": ["music"]}}
    plain = environment(spec)["PYTHONPATH"].split(os.pathsep)
    assert plain[1:] == [str(tmp_path / "lib"), "/elsewhere"]
    with_plugin = environment({**spec, "values": {"methods": ["music", PATH]}})["PYTHONPATH"].split(os.pathsep)
    assert with_plugin == [*plain, str(tmp_path)]

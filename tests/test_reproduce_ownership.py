"""What a runner may delete, replace or take for done: its own work, of the same values and the same data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from reproduce_fixtures import PARAMETERS, write_notebook, write_profile

from musiclib import files, written
from reproduce.__main__ import main
from reproduce.batch import ownership
from reproduce.batch.processes import LOCK
from reproduce.judging import report

pytestmark = pytest.mark.timeout(600)
WITH_N = PARAMETERS + "n: int = 1\n"


@pytest.fixture
def batch(tmp_path, monkeypatch):
    """A function that runs one notebook through the command line into a folder, and returns code and messages."""
    write_notebook(tmp_path / "books", "a", "metrics = {'n': n}", parameters=WITH_N)
    profile = str(write_profile(tmp_path, [{"notebook": "a"}]))

    def run(*arguments, out=tmp_path / "out"):
        return main(
            ["run", "--profile", profile, "--notebooks", str(tmp_path / "books"), "--out", str(out), *arguments]
        )

    return run


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("flags", [["--fresh"], ["--resume"], []])
@pytest.mark.parametrize(
    "own",
    ["figures/fig1.pdf", "tables/main.tex", "notebooks/own.ipynb", "notebooks/job/notebook.ipynb", "runs/final/x.txt",
     "kept/letters.json", "report.html", "plan.json", "records.jsonl", "submitit/run.sh", "tables"],
)  # fmt: skip
def test_a_folder_with_things_of_others_is_refused_by_name_and_left_as_it_is(batch, tmp_path, capsys, own, flags):
    path = tmp_path / "out" / own
    path.parent.mkdir(parents=True)
    path.write_text("[1]")
    before = tree(tmp_path / "out")
    assert batch(*flags) == 2
    said = capsys.readouterr().err
    assert (
        "holds what this runner did not write: " + own.replace("/x.txt", "").replace("job/notebook.ipynb", "job")
        in said
    )
    assert said.count("\n") == 1
    assert tree(tmp_path / "out") == before


def test_a_link_to_a_folder_of_others_is_not_followed(batch, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.pdf").write_text("a")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "figures").symlink_to(tmp_path / "thesis")
    assert batch("--fresh") == 2
    assert (tmp_path / "thesis" / "a.pdf").exists()


def test_fresh_empties_what_a_runner_made_and_keeps_the_rest(batch, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert batch() == 0
    (out / "notebooks" / "a" / "left.txt").write_text("of the notebook")
    assert batch("--fresh", "--set", "n=3") == 0
    assert not (out / "notebooks" / "a" / "left.txt").exists()
    assert (out / "mine.txt").read_text() == "mine"
    (out / "tables").mkdir()
    (out / "tables" / "thesis.tex").write_text("of the author, in a folder of ours")
    before = tree(out)
    assert batch("--fresh") == 2
    assert "tables/thesis.tex" in capsys.readouterr().err
    assert tree(out) == before
    assert batch("--resume", "--set", "n=3") == 0, "without --fresh nothing of the author's is in the way"
    assert (out / "tables" / "thesis.tex").exists()


def test_results_that_no_runner_made_are_not_emptied(batch, tmp_path, capsys):
    run = tmp_path / "out" / "runs" / "0123456789ab"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    assert batch("--fresh") == 2
    assert f"no runner has worked there (it has no {LOCK})" in capsys.readouterr().err
    assert (run / "config.json").exists()


def test_stale_tables_go_and_tables_of_others_stay(tmp_path):
    folder = tmp_path / "tables"
    for name in ("old.md", "kept.md"):
        files.write_text(folder / name, name)
        written.note(folder / name)
    assert list(files.read_json(folder / written.MARK)) == ["kept.md", "old.md"], "whatever the order of writing"
    (folder / "foreign.md").write_text("x")
    files.write_text(folder / "edited.md", "ours")
    written.note(folder / "edited.md")
    (folder / "edited.md").write_text("by hand")
    written.clear(folder, keep={"kept.md"})
    assert sorted(p.name for p in folder.glob("*.md")) == ["edited.md", "foreign.md", "kept.md"]
    assert ownership.foreign(tmp_path) == [folder / "edited.md", folder / "foreign.md"]


def test_the_report_marks_what_it_writes(batch, tmp_path):
    assert batch() == 0
    assert ownership.foreign(tmp_path / "out") == []
    report.write(tmp_path / "out")
    assert ownership.foreign(tmp_path / "out") == []


def test_resume_never_replaces_a_finished_job_of_other_values(batch, tmp_path, capsys):
    assert batch("--set", "n=2") == 0
    before = tree(tmp_path / "out" / "notebooks")
    assert batch("--resume", "--set", "n=3") == 2
    assert "holds a, finished with n=2 (now 3)" in capsys.readouterr().err
    assert tree(tmp_path / "out" / "notebooks") == before
    assert batch("--resume", "--set", "n=2") == 0
    assert "1 done before" in capsys.readouterr().out
    assert tree(tmp_path / "out" / "notebooks") == before


def test_a_changed_notebook_is_run_again_also_with_a_new_parameter(batch, tmp_path):
    assert batch("--set", "n=2") == 0
    write_notebook(tmp_path / "books", "a", "metrics = {'n': n + m}", parameters=WITH_N + "m: int = 5\n")
    assert batch("--resume", "--set", "n=2") == 0
    assert json.loads((tmp_path / "out" / "notebooks" / "a" / "record.json").read_text())["metrics"] == {"n": 7}


def test_other_data_are_no_finished_job(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for root in ("a", "b"):
        for part in ("train", "test"):
            for name in ("cats", "dogs"):
                (tmp_path / root / "pets" / part / name).mkdir(parents=True)
                image = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
                image.save(tmp_path / root / "pets" / part / name / "0.png")
    parameters = PARAMETERS + 'data_root: str = ""\ndataset: str = "folder:pets"\n'
    write_notebook(tmp_path / "books", "a", parameters=parameters)
    profile = str(write_profile(tmp_path, [{"notebook": "a"}]))
    command = ["run", "--profile", profile, "--notebooks", str(tmp_path / "books"), "--out", str(tmp_path / "out")]
    assert main([*command, "--data-root", str(tmp_path / "a")]) == 0
    assert main([*command, "--resume", "--data-root", str(tmp_path / "b")]) == 2
    assert "holds a, finished with other data (folder:pets, t" in capsys.readouterr().err
    (tmp_path / "a").rename(tmp_path / "c")
    assert main([*command, "--resume", "--data-root", str(tmp_path / "c")]) == 0, "the same data elsewhere"
    assert "1 done before" in capsys.readouterr().out


# -- known work through the command line -----------------------------------------------------------------------------

TRAINS = """
from musiclib.config import TrainConfig
from musiclib.studies.results import Results
nb = Results("t", out, seed=seed)
config = TrainConfig(method="random", dataset="digits", encoder="tiny", seed=seed)
record = nb.train(config, evaluate=True)
nb.finish(started=float(record["time"]["started"][-8:-6]), wall=record["time"]["wall_s"],
          value=nb.kept({"of": config.hash()}, lambda: record["time"]["wall_s"]))
"""


def test_what_one_machine_keeps_another_does_not_run_again(tmp_path, capsys):
    write_notebook(tmp_path / "books", "t", TRAINS, record=False)
    profile = str(write_profile(tmp_path, [{"notebook": "t"}]))
    command = ["run", "--profile", profile, "--notebooks", str(tmp_path / "books"), "--threads", "1"]
    first, second, known = tmp_path / "first", tmp_path / "second", tmp_path / "known"
    assert main([*command, "--out", str(first)]) == 0
    capsys.readouterr()
    assert main(["keep", "--out", str(first), "--into", str(known)]) == 0
    assert "2 new records, 1 new evaluations" in capsys.readouterr().out
    assert main([*command, "--out", str(second), "--known", str(known)]) == 0
    assert "1 runs and 1 evaluations are known" in capsys.readouterr().err
    metrics = [json.loads((o / "notebooks" / "t" / "record.json").read_text())["metrics"] for o in (first, second)]
    assert metrics[0] == metrics[1], "wall times repeat only if nothing was run again"
    assert not list(second.glob("runs/*/checkpoint"))


def test_records_of_another_version_are_no_known_work(tmp_path, capsys):
    write_notebook(tmp_path / "books", "a")
    profile = str(write_profile(tmp_path, [{"notebook": "a"}]))
    (tmp_path / "known").mkdir()
    line = {"schema": 1, "kind": "pretrain", "run": "x", "status": "done", "config": {"no_such_field": 1},
            "method": "music", "dataset": "digits", "seed": 0, "metrics": {"a": 1.0}, "time": {}, "environment": {},
            "code": {}}  # fmt: skip
    (tmp_path / "known" / "records.jsonl").write_text(json.dumps(line) + "\n")
    command = ["run", "--profile", profile, "--notebooks", str(tmp_path / "books"), "--out", str(tmp_path / "out")]
    assert main([*command, "--known", str(tmp_path / "known")]) == 0
    assert "0 runs and 0 evaluations are known; 1 runs are of other sources" in capsys.readouterr().err


def test_keep_says_where_it_cannot_write(tmp_path, capsys):
    (tmp_path / "out" / "runs").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    assert main(["keep", "--out", str(tmp_path / "out"), "--into", str(tmp_path / "file" / "x")]) == 2
    assert capsys.readouterr().err.count("\n") == 1

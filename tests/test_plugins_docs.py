"""docs/plugins.md, run as it stands, and notebook 04 with a method from outside as a row."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import papermill
import pytest
from plugin_sources import METHOD

from musiclib.methods import METHODS
from musiclib.methods.names import NAMES, REFERENCE
from reproduce.judging import records

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "plugins.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def call(command: str, folder: Path) -> str:
    """Run one line of the page in a folder, with this interpreter and this library; what it printed."""
    words = [w for w in shlex.split(command) if "=" not in w or w.startswith(("options", "views", "dataset"))]
    words = [sys.executable if w == "python" else w for w in words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "MUSICLIB_DATA": str(folder)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working directory with the files of the page."""
    place = tmp_path_factory.mktemp("working")
    for text in [*blocks("python"), *blocks("yaml")]:
        name = re.match(r"# (\S+)\n", text)[1]
        (place / name).write_text(text)
    return place


def test_twenty_lines_are_twenty(folder):
    counted = 0
    for name in ("mine.py", "compare.py"):
        lines = (folder / name).read_text().splitlines()
        ast.parse("\n".join(lines))
        counted += sum(bool(line.strip()) and not line.startswith("#") for line in lines)
    assert counted == 20


@pytest.mark.slow
def test_your_loss_stands_beside_eleven_others(folder):
    command = blocks("sh")[0].strip()
    assert command.endswith("python compare.py")
    shown = {line.rsplit(maxsplit=2)[0]: float(line.split()[-2]) for line in call(command, folder).splitlines()}
    assert list(shown) == [*METHODS, "mine:Spread", "random", "pixels", "supervised"]
    assert all(10 < value <= 100 for value in shown.values())


@pytest.mark.slow
def test_an_encoder_and_a_set_of_your_own_are_trained_and_loaded_again(folder):
    said = call(blocks("sh")[1], folder)
    assert "mine:Spread on parts:load" in said
    assert "linear/test/top1" in said
    again = call("python again.py", folder)
    assert re.match(r"\{'mine:Spread': '\w{12}', 'parts:load': '\w{12}', 'parts:network': '\w{12}'\} 32\n", again)


@pytest.mark.slow
def test_the_profile_of_the_page_is_one_that_runs(folder):
    said = call(blocks("sh")[2], folder)
    assert "04_comparison" in said
    assert "mine:Spread" in said


@pytest.mark.slow
def test_notebook_04_has_a_method_from_outside_as_a_row(tmp_path, monkeypatch):
    (tmp_path / "my_loss.py").write_text(METHOD)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("MUSICLIB_RUNS", str(tmp_path / "runs"))
    values = {
        "out": str(tmp_path / "out"), "methods": ["music", "my_loss:Spread", "my loss, wide"], "epochs": 1, "seeds": 1,
        "settings": {"my loss, wide": {"method": "my_loss:Spread", "options": {"weight": 9.0}}}, "supervised_seeds": 0,
    }  # fmt: skip
    source = ROOT / "notebooks" / "04_comparison.ipynb"
    book = papermill.execute_notebook(str(source), None, values, progress_bar=False, kernel_name="python3")
    shown = "".join(json.dumps(cell.get("outputs", "")) for cell in book.cells)
    for name in ("my_loss:Spread", "my loss, wide", NAMES["music"], REFERENCE["pixels"]):
        assert f"| {name} |" in shown  # a line of the table
    assert "failed" not in shown
    done = json.loads((tmp_path / "out" / "record.json").read_text())
    assert done["status"] == "done"
    assert any("my_loss:Spread above raw pixels" in claim for claim in done["claims"])
    figure = (tmp_path / "out" / "figures" / "accuracy.svg").read_text()
    assert "outside" in figure
    assert "my_loss:Spread" in figure
    lines = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    found = [r for r in lines if "plugins" in r["config"]]
    assert [r["config"]["options"]["weight"] for r in found] == [1.0, 9.0]
    assert all(records.faults(r) == [] for r in found)

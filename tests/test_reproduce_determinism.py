"""The shipped notebooks under the runner: they keep their contract, and the same values twice give the same tables."""

from __future__ import annotations

import json

import pytest

from reproduce import NOTEBOOKS
from reproduce.batch import executors, runner
from reproduce.judging import report
from reproduce.planning.handover import papermill_disagrees
from reproduce.planning.parameters import read_notebook
from reproduce.planning.plan import build

pytestmark = pytest.mark.timeout(900)  # many processes: seconds on a quiet machine, minutes on a busy one

BOOKS = sorted(NOTEBOOKS.glob("*.ipynb"))
SMALL = ["dataset=digits", "dataset_options={}", "epochs=1", "seeds=1", "batch=128", "supervised_seeds=0",
         "options={segments: 4, units: 8, projector: [32]}"]  # fmt: skip


@pytest.mark.parametrize("path", BOOKS, ids=lambda p: p.stem)
def test_a_notebook_keeps_the_contract_and_is_stored_without_outputs(path):
    book = read_notebook(path)
    assert book.problems == ()
    assert papermill_disagrees(book) == []
    assert book.title
    cells = json.loads(path.read_text())["cells"]
    assert not any(c.get("outputs") or c.get("execution_count") for c in cells if c["cell_type"] == "code")


def test_the_same_values_twice_give_the_same_tables(tmp_path):
    plan = build("quick", only=["03_pretrain_and_evaluate"], settings=SMALL)
    assert plan.problems == []
    tables = []
    for name in ("first", "second"):
        summary = runner.run(plan, tmp_path / name, executor=executors.Local(1), threads=1, quiet=True)
        assert summary.failed == {}
        report.write(tmp_path / name)
        tables.append({p.name: p.read_bytes() for p in (tmp_path / name / "tables").iterdir()})
    assert tables[0]
    assert tables[0] == tables[1]

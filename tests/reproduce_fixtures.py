"""Tiny notebooks for the tests of the runner: made on the spot, so that a test shows what it runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nbformat

PARAMETERS = 'out: str = "outputs/notebook"  # where files go\nseed: int = 0  # names the run\n'
RECORD = """
import json, os
from pathlib import Path
folder = Path(out)
folder.mkdir(parents=True, exist_ok=True)
text = json.dumps({"schema": 1, "kind": "notebook", "status": "done", "token": os.environ.get("MUSICLIB_RUN", ""),
                   "metrics": globals().get("metrics", {}), "figures": [], "tables": [], "claims": {}})
(folder / ".record").write_text(text)
os.replace(folder / ".record", folder / "record.json")
"""


def write_notebook(
    folder: Path, name: str, *cells: str, parameters: str = PARAMETERS, record: bool = True, check: str = ""
) -> Path:
    """A notebook with a parameters cell, the given code cells and, unless told otherwise, the last cell that writes
    the record."""
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    book.cells.append(nbformat.v4.new_markdown_cell(f"# Title of {name}"))
    book.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    if check:
        book.cells.append(nbformat.v4.new_code_cell(check, metadata={"tags": ["check"]}))
    book.cells += [nbformat.v4.new_code_cell(c) for c in (*cells, *([RECORD] if record else []))]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(book, path)
    return path


def write_profile(folder: Path, jobs: list[dict], **top) -> Path:
    """A profile file (JSON is YAML)."""
    path = folder / "profile.yaml"
    path.write_text(json.dumps({"title": "test", "workers": 2, **top, "jobs": jobs}, indent=1))
    return path


def training_record(
    method: str = "music",
    seed: int = 0,
    *,
    dataset: str = "cifar10",
    linear: float = 0.6,
    knn: float = 0.5,
    epochs: int = 8,
    options: dict | None = None,
    dataset_options: dict | None = None,
    validation: bool = False,
    run: str | None = None,
) -> dict:
    """A record as `musiclib.pretrain` writes it, with the numbers that a test is about."""
    config = {
        "method": method,
        "options": options or {},
        "dataset": dataset,
        "dataset_options": dataset_options or {},
        "encoder": "compact",
        "epochs": epochs,
        "batch": 512,
        "optimiser": "adamw",
        "lr": 1e-3,
        "weight_decay": 1e-4,
        "seed": seed,
        "views": {},
        "precision": "bfloat16",
        "validation": validation,
    }
    name = run or hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
    split = "validation" if validation else "test"
    return {
        "schema": 1,
        "kind": "pretrain",
        "run": name,
        "status": "done",
        "config": config,
        "method": method,
        "dataset": dataset,
        "seed": seed,
        "metrics": {f"linear/{split}/top1": linear, f"knn/{split}/top1": knn, "linear/converged": True},
        "monitor": {},
        "collapsed": False,
        "curve": [],
        "time": {"started": "2026-11-01T10:00:00+00:00", "wall_s": 100.0, "train_s": 90.0, "views_per_s": 3000.0},
        "memory": {"peak_mb": 900.0},
        "environment": {"python": "3.11", "device_name": "a processor", "threads": 2},
        "code": {"commit": "0123456789abcdef", "dirty": False, "sources": "aaaa"},
        "data": {"name": dataset, "checksum": "f" * 64, "samples": 1000},
        "notebook": None,
        "error": None,
    }


def write_records(folder: Path, lines: list[dict]) -> Path:
    """A results folder with nothing but records."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    return folder

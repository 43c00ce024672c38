"""Tiny notebooks for the tests of the runner: made on the spot, so that a test shows what it runs."""

from __future__ import annotations

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

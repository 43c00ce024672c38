"""How paths and parameters reach papermill, which reads both in its own way. Imports nothing heavy: every worker starts
with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reproduce.planning.parameters import Notebook


def braces(path: Path) -> str:
    """papermill reads braces in a path as format fields."""
    return str(path).replace("{", "{{").replace("}", "}}")


def papermill_disagrees(book: Notebook) -> list[str]:
    """Parameters that this package reads in the notebook and papermill itself does not, or the other way round. Types
    with `|` or quotes are let pass: papermill hands their values over, with a warning that it does not know them."""
    if book.problems:
        return []
    from papermill import inspect_notebook  # half a second, so only where it is needed

    theirs = set(inspect_notebook(braces(book.path)))
    beyond = {p.name for p in book.parameters.values() if set(p.annotation) & set("|'\"")}
    differ = sorted((theirs ^ set(book.parameters)) - beyond)
    sees = "papermill {} it; check its line"
    return [
        f"has the parameter {n}: {sees.format('does not see' if n in book.parameters else 'alone sees')}"
        for n in differ
    ]

"""What failures usually mean: the wrong losses that fail as the target does.

The stored kill matrix says which checks refute each wrong loss. Of the checks that the target was asked, the failing
ones are compared with those that refute a wrong loss: the share of the failures of either that are failures of both.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from proofs_checks import RESULTS
from proofs_checks.wrong import MUTANTS

MATRIX = RESULTS / "kill_matrix.json"
LEAST = 0.5
"""The share of common failures from which two losses are said to fail alike."""


@dataclass(frozen=True)
class Likeness:
    """A wrong loss, what is wrong with it, and the share of the failures of either that are failures of both."""

    name: str
    fault: str
    share: float


def read_matrix(path: Path = MATRIX) -> dict[str, list[str]]:
    """Wrong loss -> names of the checks that refute it; empty where no matrix is stored (a bare installation)."""
    return json.loads(path.read_text(encoding="utf-8"))["refuted"] if path.exists() else {}


def fault_of(name: str) -> str:
    """What is wrong with a wrong loss, in one line."""
    return " ".join((inspect.getdoc(MUTANTS[name]) or "").split("\n\n")[0].split()).rstrip(".")


def fails_like(
    failed: Collection[str], asked: Collection[str], refuted: Mapping[str, Collection[str]], most: int = 3
) -> list[Likeness]:
    """The wrong losses that fail most like a target, the likest first; empty where nothing failed.

    failed, asked: names of the checks; refuted: the kill matrix; most: how many at most.
    """
    found = []
    for name, checks in refuted.items():
        theirs = set(checks) & set(asked)
        share = len(theirs & set(failed)) / max(1, len(theirs | set(failed)))
        if name in MUTANTS and share >= LEAST:
            found.append(Likeness(name, fault_of(name), share))
    return sorted(found, key=lambda one: (-one.share, one.name))[:most] if failed else []

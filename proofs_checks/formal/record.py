"""The record of a compilation, the marks that follow from it, and the command that makes it.

A claim is marked *machine-checked* because a stored run compiled its theorems from the sources that are here now;
nobody sets the mark by hand, and an edit of any source takes all marks away until the next run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from musiclib.files import write_json
from musiclib.record import now
from proofs_checks import RESULTS
from proofs_checks.formal.compile import (
    FOLDER,
    Compiled,
    CoqMissing,
    FormalError,
    compile_core,
    hash_of,
    read_sources,
)
from proofs_checks.formal.theorems import PARTS, THEOREMS

RECORD = RESULTS / "formal.json"

DONE, FAILED, NO_COQ = 0, 1, 3
"""Exit status: all compiled; something does not stand; there is no coqc to say."""


def as_record(compiled: Compiled) -> dict[str, Any]:
    """The stored form of a compilation: Coq's version, hash of the sources, axioms, theorems, and claims by id."""
    claims: dict[str, dict[str, Any]] = {}
    for theorem in THEOREMS:
        for claim in theorem.claims:
            claims.setdefault(claim, {"part": PARTS.get(claim), "theorems": []})["theorems"].append(theorem.name)
    return {
        "date": now(),
        "coq": compiled.coq,
        "seconds": round(compiled.seconds, 1),
        "sources": compiled.sources,
        "axioms": list(compiled.axioms),
        "theorems": {t.name: {"file": t.file, "claims": list(t.claims), "says": t.says} for t in THEOREMS},
        "claims": claims,
    }


def read_marks(record: Path = RECORD, folder: Path = FOLDER) -> dict[str, str | None]:
    """Claims that are machine-checked -> None, or the part that is. Empty without a record of these very sources."""
    if not record.exists():
        return {}
    stored = json.loads(record.read_text(encoding="utf-8"))
    if stored["sources"] != hash_of(read_sources(folder)):
        return {}
    return {claim: entry["part"] for claim, entry in stored["claims"].items()}


def describe_mark(claim: str, rests_on: Iterable[str], marks: Mapping[str, str | None]) -> str:
    """The mark of a claim in words: its own, or those of the claims it rests on; empty without any."""
    if claim in marks:
        return "machine-checked" + (f" in part: {marks[claim]}" if marks[claim] else "")
    carried = [one + (" in part" if marks[one] else "") for one in rests_on if one in marks]
    return f"rests on machine-checked {', '.join(carried)}" if carried else ""


def carry_out(*, write: bool = False, as_json: bool = False) -> int:
    """`python -m proofs_checks --formal`: compile, print a line a theorem, store the record if asked; exit status."""
    try:
        compiled = compile_core()
    except CoqMissing as missing:
        print(missing, file=sys.stderr)
        return NO_COQ
    except FormalError as error:
        print(f"RED  {error}", file=sys.stderr)
        return FAILED
    record = as_record(compiled)
    if write:
        write_json(RECORD, record)
    if as_json:
        print(json.dumps(record, indent=1))
        return DONE
    for theorem in THEOREMS:
        print(f"ok {', '.join(theorem.claims):<9}{theorem.file:<15}{theorem.name:<32}{theorem.says}")
    whole = sorted((claim for claim, entry in record["claims"].items() if not entry["part"]), key=lambda c: int(c[1:]))
    print(
        f"\n{len(THEOREMS)} theorems, {len(whole)} claims in full ({', '.join(whole)}), {len(PARTS)} in part "
        f"({', '.join(PARTS)}); Coq {compiled.coq}, {compiled.seconds:.0f} s.\n"
        f"Assumed, all by the standard library's real numbers: {', '.join(compiled.axioms)}."
    )
    return DONE

"""One exploration: a question, its settings, a function from a setting to a row, and the JSON record they fill."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

import proofs_checks
from musiclib.files import jsonable, read_json, write_json
from musiclib.record import provenance

RESULTS = proofs_checks.RESULTS / "explore"


@dataclass(frozen=True)
class Exploration:
    """A question and the experiment that answers it.

    reading: how to read the columns; row: the experiment; settings: its keyword arguments, one row each.
    """

    name: str
    question: str
    reading: Mapping[str, str]
    settings: Sequence[Mapping[str, Any]]
    row: Callable[..., Mapping[str, Any]]

    @property
    def source(self) -> str:
        """12 hexadecimal digits of the file that defines the experiment: rows of another version are not resumed."""
        return hashlib.sha256(Path(sys.modules[self.row.__module__].__file__).read_bytes()).hexdigest()[:12]


def run(exploration: Exploration, folder: Path = RESULTS, *, fresh: bool = False) -> dict[str, Any]:
    """Compute the rows that are missing, writing the record after each; returns the record.

    fresh: discard what is there. A finished record is returned as it is.
    """
    path = Path(folder) / f"{exploration.name}.json"
    record = None if fresh else read_json(path)
    if not record or record.get("source") != exploration.source:
        record = {
            "schema": 1,
            "kind": "exploration",
            "name": exploration.name,
            "question": exploration.question,
            "reading": dict(exploration.reading),
            "source": exploration.source,
            "status": "running",
            "seconds": 0.0,
            "rows": [],
            **provenance(),
        }
    done = [row["setting"] for row in record["rows"]]
    missing = [setting for setting in exploration.settings if jsonable(dict(setting)) not in done]
    for setting in tqdm(missing, desc=exploration.name, disable=not sys.stderr.isatty()):
        started = time.perf_counter()
        result = dict(exploration.row(**setting))
        seconds = time.perf_counter() - started
        record["rows"].append(jsonable({"setting": dict(setting), "seconds": round(seconds, 2), **result}))
        record["seconds"] = round(record["seconds"] + seconds, 1)
        write_json(path, record)
    if record["status"] != "done":
        record["status"] = "done"
        write_json(path, record)
    return record

"""Reading records: one JSON object a line, checked against the schema, with nothing dropped in silence.

Two kinds of line share a file `records.jsonl`. `pretrain` is one training run with its evaluation, written by
`musiclib.pretrain`; `notebook` is one executed notebook, written by the runner from the notebook's own `record.json`.
Lines that cannot be read are reported with their number. Old schemas are upgraded in memory, newer ones are refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from musiclib.methods.names import row_of
from reproduce.judging.versions import beside_methods

SCHEMA = 1
FILE = "records.jsonl"

COMMON = {"schema": int, "kind": str, "run": str, "status": str, "metrics": dict}
FIELDS = {
    "pretrain": {
        "config": dict,
        "method": str,
        "dataset": str,
        "seed": int,
        "time": dict,
        "environment": dict,
        "code": dict,
    },
    "evaluate": {
        "config": dict,
        "weights": dict,
        "dataset": str,
        "seed": int,
        "time": dict,
        "environment": dict,
        "code": dict,
    },
    "notebook": {"job": str, "notebook": dict, "config": dict, "time": dict},
}
STATUSES = ("done", "failed")
UPGRADES: dict[int, Callable[[dict], dict]] = {}
"""Schema number -> function that turns a record of that schema into one of the next. None yet: 1 is the first
schema."""


@dataclass(frozen=True)
class Problem:
    """A line that could not be used: where, and why."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


@dataclass
class Records:
    """What a file held. lines: valid records, in order, each with `_line` (its number). problems: everything else."""

    path: Path
    lines: list[dict] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[dict]:
        return [r for r in self.lines if r["kind"] == kind]


def upgrade(record: dict, to: int = SCHEMA, steps: dict[int, Callable[[dict], dict]] = UPGRADES) -> dict:
    """The record in schema `to`. Raises ValueError for a schema that is newer, or that no step leads away from."""
    schema = record.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise ValueError(f"schema={schema!r} must be a whole number")
    if schema > to:
        raise ValueError(f"schema {schema} is newer than {to}, the newest that this version reads; update the package")
    while record["schema"] != to:
        if record["schema"] not in steps:
            raise ValueError(f"schema {record['schema']} cannot be read any more")
        record = {**steps[record["schema"]](record), "schema": record["schema"] + 1}
    return record


def faults(record: dict) -> list[str]:
    """Everything that keeps a record of the current schema from being used; empty for a good one."""
    found = []
    kind = record.get("kind")
    for name, wanted in {**COMMON, **(FIELDS.get(kind, {}) if isinstance(kind, str) else {})}.items():
        value = record.get(name)
        if name not in record:
            found.append(f"lacks {name!r}")
        elif not isinstance(value, wanted) or isinstance(value, bool):
            found.append(f"{name}={value!r} must be {wanted.__name__}")
    if isinstance(kind, str) and kind not in FIELDS:
        found.append(f"kind={kind!r} is none of {', '.join(FIELDS)}")
    if isinstance(record.get("status"), str) and record["status"] not in STATUSES:
        found.append(f"status={record['status']!r} is none of {', '.join(STATUSES)}")
    metrics = record.get("metrics")
    for name, value in (metrics if isinstance(metrics, dict) else {}).items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not isinstance(value, (int, float)):
            found.append(f"metric {name}={value!r} is no number")
        elif number and name.split("/")[-1] in ("top1", "top5") and not 0 <= value <= 1:
            found.append(f"metric {name}={value!r} must be a fraction between 0 and 1")
    return found


def read(path: Path, steps: dict[int, Callable[[dict], dict]] = UPGRADES) -> Records:
    """All records of a file of lines. A missing file is an empty one."""
    path = Path(path)
    found = Records(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return found
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line.decode("utf-8"), parse_constant=lambda name: math.nan)
            if not isinstance(record, dict):
                raise ValueError(f"is {type(record).__name__}, not an object")
            record = upgrade(record, steps=steps)
            if reasons := faults(record):
                raise ValueError("; ".join(reasons))
        except UnicodeDecodeError:
            found.problems.append(Problem(path, number, "is no UTF-8 text"))
        except json.JSONDecodeError as error:
            found.problems.append(Problem(path, number, f"is no JSON ({error.msg} at character {error.pos})"))
        except RecursionError:
            found.problems.append(Problem(path, number, "is nested too deeply"))
        except ValueError as error:
            found.problems.append(Problem(path, number, str(error)))
        else:
            found.lines.append({**record, "_line": number})
    return found


def load(folder: Path) -> Records:
    """The records of a results folder, each run and each job once: the last finished one, else the last one at all.
    Untrained rows come from the sources of the trained ones beside them, where both are there."""
    found = read(Path(folder) / FILE)
    return Records(found.path, beside_methods(found.lines, once(found.lines)), found.problems)


def identity(record: dict) -> tuple:
    """What makes two lines records of the same thing: a job of a notebook, or a training configuration."""
    return ("notebook", record["job"]) if record["kind"] == "notebook" else (record["kind"], record["run"])


def once(records: Iterable[dict]) -> list[dict]:
    """One record for each identity, in the order of first appearance. A training configuration that was run in several
    notebooks is one run, not several seeds. For a notebook the last attempt counts, for a training run the last that
    finished."""
    kept: dict[tuple, dict] = {}
    for record in records:
        key = identity(record)
        if (
            key not in kept
            or record["kind"] == "notebook"
            or record["status"] == "done"
            or kept[key]["status"] != "done"
        ):
            kept[key] = record
    return list(kept.values())


def config_of(record: dict) -> dict:
    """A training run's configuration without what tells no two rows apart: the seed, how often accuracy was watched
    (which changes no number), and a later field where it has the value that all runs had before."""
    config = {k: v for k, v in record["config"].items() if k not in ("seed", "watch")}
    return {k: v for k, v in config.items() if (k, v) != ("decay_all", False)}


def look_up(record: dict, dotted: str) -> object:
    """The value at a dotted place ('config.options.segments'); None when there is none. Metric names contain slashes,
    not dots. Three places are computed: `row` (see `musiclib.methods.names`), `embedding` (segments * units, else the
    last projector width) and `projector_depth` (hidden layers)."""
    if dotted == "row":
        return row(record)
    if dotted == "embedding":
        return embedding(record)
    if dotted == "projector_depth":
        projector = look_up(record, "config.options.projector")
        return len(projector) if isinstance(projector, list) else None
    value: object = record
    for part in dotted.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def row(record: dict) -> str | None:
    """The row of a training run: its method, or a variant of it by its options; None for other records."""
    return row_of(record["method"], look_up(record, "config.options")) if record.get("method") else None


def embedding(record: dict) -> int | None:
    """Number of embedding features: S * K for MUSIC, else the last projector width."""
    options = look_up(record, "config.options") or {}
    if isinstance(options.get("segments"), int) and isinstance(options.get("units"), int):
        return options["segments"] * options["units"]
    projector = options.get("projector")
    return projector[-1] if isinstance(projector, list) and projector and isinstance(projector[-1], int) else None


def metric(record: dict, name: str) -> float | None:
    """A metric of a finished record; None where it is missing or not finite."""
    value = record["metrics"].get(name)
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number and record["status"] == "done" else None

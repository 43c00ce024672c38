"""Finished work that travels as records: kept from a results folder, and taken as done in another one.

A long batch on machines that come and go keeps its records (`python -m reproduce keep`), which are small, and not its
encoders, which are large. On a fresh machine `--known` puts the records back as finished runs, so that the same command
goes on where the last machine stopped. Only what this very code made counts: runs with the present sources under the
name of their configuration, and evaluations whose key holds the present code of the evaluation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from musiclib import files
from musiclib import record as store
from musiclib.config import TrainConfig
from reproduce.judging import records

KEPT = "kept.jsonl"


@dataclass(frozen=True)
class Adopted:
    """How much was put back. foreign: runs of other sources or under another name, which are left alone."""

    runs: int
    evaluations: int
    foreign: int

    def __str__(self) -> str:
        text = f"{self.runs} runs and {self.evaluations} evaluations are known"
        return text + (f"; {self.foreign} runs are of other sources and are left alone" if self.foreign else "")


def keep(result: Path, known: Path) -> tuple[int, int]:
    """Append the finished runs, the notebooks' lines and the kept evaluations of `result` to the records in `known`,
    each once; the numbers of new records and of new evaluations."""
    known.mkdir(parents=True, exist_ok=True)
    there = {json.dumps(line, sort_keys=True) for line in files.read_lines(known / records.FILE)}
    found = files.read_lines(result / records.FILE)
    found += [line for path in sorted(result.glob("runs/*/record.json")) if (line := files.read_json(path))]
    fresh = {
        text: line
        for line in found
        if line.get("status") == "done" and (text := json.dumps(line, sort_keys=True)) not in there
    }
    for line in fresh.values():
        files.append_line(known / records.FILE, line)
    names = {line["name"] for line in files.read_lines(known / KEPT)}
    evaluations = [path for path in sorted(result.glob("kept/*.json")) if path.stem not in names]
    for path in evaluations:
        files.append_line(known / KEPT, {"name": path.stem, "content": files.read_json(path)})
    return len(fresh), len(evaluations)


def adopt(result: Path, known: Path) -> Adopted:
    """Put the runs and evaluations of `known` into `result` as finished ones; what is there already stays as it is."""
    present, runs, foreign = store.sources_hash(), 0, 0
    for line in records.read(known / records.FILE).of_kind("pretrain"):
        if line["status"] != "done" or not line["metrics"]:
            continue
        try:
            config = TrainConfig.from_dict(line["config"])
        except (TypeError, ValueError):  # of a version with other fields
            config = None
        if config is None or line["code"].get("sources") != present or config.hash() != line["run"]:
            foreign += 1
            continue
        folder = result / "runs" / line["run"]
        if (folder / "config.json").exists():
            continue
        files.write_json(folder / "config.json", config.resolved().to_dict())
        files.write_json(folder / "record.json", {k: v for k, v in line.items() if k != "_line"})
        runs += 1
    evaluations = 0
    for line in files.read_lines(known / KEPT):
        path = result / "kept" / f"{Path(line['name']).name}.json"
        if not path.exists():
            files.write_json(path, line["content"])
            evaluations += 1
    return Adopted(runs, evaluations, foreign)

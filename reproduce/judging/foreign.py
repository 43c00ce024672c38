"""Tables of weights from outside: what `python -m musiclib.evaluate` recorded, beside what needs no learning.

A row is a file of weights, by its name and content, under one encoder and one way of showing images. The reference
rows are the training runs without training on the same images, where the result set has some.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from musiclib.methods.names import NAMES
from reproduce.judging.tables import Row, Table, cell, columns_of, setting
from reproduce.judging.tables import build as trained_tables

IMAGES = ("dataset", "dataset_options")
NOTES = (
    "Scored by this project's probes; how the weights were trained, and on which images, no record here says.",
    "n counts the splits on which the probe's strength was chosen, not trainings.",
)


def build(found: Iterable[dict]) -> list[Table]:
    """One table for each data set on which weights from outside were scored, from records as `records.load` gives
    them."""
    found = list(found)
    scored = [r for r in found if r["kind"] == "evaluate" and r["status"] == "done" and r["metrics"]]
    trained = [r for r in found if r["kind"] == "pretrain" and r["status"] == "done" and r["metrics"]]
    tables = []
    for key in sorted({setting(r, IMAGES) for r in scored}):
        inside = [r for r in scored if setting(r, IMAGES) == key]
        beside = [
            r
            for r in trained
            if r["method"] in ("pixels", "random") and setting(r, IMAGES) == key and not r["config"].get("validation")
        ]
        tables.append(one_table(key, inside, beside))
    return tables


def every_table(found: Iterable[dict]) -> list[Table]:
    """The tables of a result set: those of its trainings, then those of weights from outside."""
    found = list(found)
    return [*trained_tables(found), *build(found)]


def one_table(key: str, inside: list[dict], beside: list[dict]) -> Table:
    columns, groups = columns_of([*beside, *inside], "test"), {}
    for r in [*sorted(beside, key=lambda r: r["method"]), *sorted(inside, key=label)]:
        reference = r["kind"] == "pretrain"
        groups.setdefault((reference_label(r) if reference else label(r), reference), []).append(r)
    rows = []
    for (name, reference), group in groups.items():
        cells = {c: cell(group, c) for c in columns}
        # These runs have no line of their own on the page that a number could lead to.
        cells = {c: type(v)(v.interval, v.seeds) for c, v in cells.items()}
        rows.append(Row(name, f"{key}|{name}", cells, reference))
    told = json.loads(key)
    options = f", dataset_options: {json.dumps(told['dataset_options'])}" if told["dataset_options"] else ""
    name = re.sub(r"[^a-z0-9]+", "-", f"{told['dataset']}-weights".lower()).strip("-")
    identity = f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:6]}"
    return Table(identity, f"{told['dataset']}, weights from outside{options}", tuple(columns), tuple(rows), NOTES)


def reference_label(record: dict) -> str:
    name = NAMES[record["method"]]
    return name if record["method"] == "pixels" else f"{name} ({record['config']['encoder']})"


def label(record: dict) -> str:
    """'resnet50.pth (resnet50, size=224, 0a1b2c3d)': file, encoder, what was chosen, the first digits of its hash."""
    config = record["config"]
    chosen = [f"{n}={json.dumps(config[n])}" for n in ("part", "prefix", "size", "mean", "std") if config.get(n)]
    return f"{record['weights']['file']} ({', '.join([config['encoder'], *chosen, config['weights'][:8]])})"

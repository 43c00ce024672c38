"""The map: when do segments become discrete, complementary, attribute-like? Runs, their scores, and the rules of both.

    python -m musiclib.studies.segment_map --out DIR [--minutes 60] [--stages base,patience,...]

trains and scores the cells of `plan` in order, one line a cell in DIR/rows.jsonl; the same command goes on where it was
stopped. Notebook 11 reads such a file, or trains a grid of its own.

Cells are those of `musiclib.studies.segment_cells`. The place of one is measured on test images: redundancy, purity,
matched, found and sharpness as in `musiclib.evaluate.attributes`; the gap of the last epoch's loss to the bound;
`beyond_pairs`; what linear and nearest-neighbour probes read of the factors.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musiclib import files, record
from musiclib.coding import segment_softmax
from musiclib.config import TrainConfig
from musiclib.datasets import ImageSet, load
from musiclib.evaluate import attributes
from musiclib.evaluate.dependence import beyond_pairs
from musiclib.evaluate.disentanglement import above_chance, readability
from musiclib.evaluate.features import extract
from musiclib.evaluate.hashing import quantised_codes
from musiclib.evaluate.knn import knn_predict
from musiclib.objective import lower_bound
from musiclib.pretrain import load_method, run
from musiclib.pretrain.assemble import view_configs
from musiclib.schema import canonical
from musiclib.studies import third_order
from musiclib.studies.ceilings import ceilings
from musiclib.studies.segment_cells import Cell, config_of, plan

MOVED = 0.05
"""The rule of `settled`: nothing changes any more when redundancy, purity and the loss over log K all move by less."""


def measure(cell: Cell, folder: Path, train: Callable[[TrainConfig], dict], data_root: str | None = None) -> dict:
    """The row of a cell: trained by `train` (a record; the run lies in `folder`/runs/HASH), scored, kept in
    `folder`/rows. A kept row is returned as it is unless the code that scores has changed; one whose network
    is not kept, a ceiling or the third-order control, always."""
    config = config_of(cell)
    code = record.sources_hash(record.PACKAGE / "evaluate")
    changed = {f.name: v for f in dataclasses.fields(cell) if (v := getattr(cell, f.name)) != f.default}
    name = hashlib.sha256(canonical([changed, config.hash()]).encode()).hexdigest()[:16]
    path = folder / "rows" / f"{name}.json"
    kept = files.read_json(path)
    if kept is not None and (cell.ceiling or cell.third or kept["scored_by"] == code):
        return kept
    start = time.monotonic()
    row: dict[str, Any] = {"cell": dataclasses.asdict(cell), "scored_by": code}
    if cell.ceiling:
        row |= {"scores": {f"readable/{f}": v for f, v in ceilings(config, data_root=data_root).items()}}
    else:
        if cell.third:
            images = _images(config.dataset, canonical(config.dataset_options), data_root)[0]
            method, curve = third_order.trained(config, images, cell.third)
        else:
            trained = train(config)
            method, curve = load_method(folder / "runs" / config.hash())[0], trained["curve"]
            row |= {"run": trained["run"], "collapsed": trained["collapsed"]}
        row |= {"curve": _curve(curve), "scores": scores(method, config, cell.size, data_root)}
        if cell.method == "music":
            row["scores"] |= _end(curve[-1], cell, config)
    row = files.jsonable({**row, **record.provenance(), "seconds": time.monotonic() - start, "finished": record.now()})
    files.write_json(path, row)
    return row


def _end(last: dict, cell: Cell, config: TrainConfig) -> dict[str, float]:
    """Loss (that of the pairwise terms, with their weights), its gap to the bound, agreement of views: last epoch."""
    o = config.resolved().options
    weights = {w: o[w] for w in ("diagonal_weight", "off_diagonal_weight", "invariance_weight")}
    loss = last["loss"] - cell.third * last.get("third", 0.0)
    bound = lower_bound(cell.size[1], segments=cell.size[0], **weights)
    return {"loss": loss, "gap": loss - bound, "agreement": last["health"]["agreement"]}


def _curve(curve: list[dict]) -> list[dict[str, float]]:
    """Epoch by epoch: loss, hard information between segments, agreement of the views (of the last batch)."""
    return [
        {"epoch": e["epoch"], "loss": e["loss"]}
        | {k: e["health"][k] for k in ("information_hard", "agreement", "peak") if k in e["health"]}
        for e in curve
    ]


@functools.lru_cache(maxsize=4)
def _images(dataset: str, options: str, data_root: str | None) -> tuple[ImageSet, ImageSet]:
    given = json.loads(options)
    held = {**given, "samples": 2000}
    return load(dataset, "train", root=data_root, **given), load(dataset, "test", root=data_root, **held)


@torch.no_grad()
def codes_of(method: nn.Module, features: Tensor) -> Tensor:
    """Soft codes (N, S, K) of features under MUSIC's own projector."""
    o = method.options
    return segment_softmax(method.projector(features), o.segments, o.temperature)


def scores(
    method: nn.Module, config: TrainConfig, size: tuple[int, int], data_root: str | None = None
) -> dict[str, float]:
    """The numbers of one trained method on its own data: codes of MUSIC, product-quantised features of a peer."""
    sets = _images(config.dataset, canonical(config.dataset_options), data_root)
    view = view_configs(config)[0]
    features = [extract(method.encoder, images, view) for images in sets]
    found: dict[str, float] = {}
    if config.method == "music":
        soft = [codes_of(method, x) for x in features]
        found["sharpness"] = float(attributes.sharpness(soft[1]).mean())
        codes = [q.argmax(-1) for q in soft]
    else:
        both = quantised_codes(features[0], torch.cat(features), *size, seed=config.seed)
        codes = list(both.split([len(x) for x in features]))
    factors = [images.factors or {"label": images.labels} for images in sets]
    found |= attributes.summary(codes[1], factors[1])
    generator = torch.Generator().manual_seed(config.seed)
    found |= {f"triples/{name}": value for name, value in beyond_pairs(codes[1], generator).items()}
    best = attributes.segment_information(codes[1], factors[1]).of_factor.max(0).values
    found |= {f"best/{f}": float(v) for f, v in zip(factors[1], best, strict=True)}
    flat = [F.one_hot(c, size[1]).flatten(1).float() for c in codes]
    for kind, (a, b) in {"readable": flat, "linear": features}.items():
        read = readability(a, factors[0], b, factors[1], grid=(1e-2,), max_iterations=60)
        found |= {f"{kind}/{f}": v for f, v in read.items()}
        found[kind] = float(np.mean(list(read.values())))
    near = []
    for f, y in factors[0].items():
        hit = (knn_predict(features[0], y, features[1]) == factors[1][f]).double().mean().item()
        near.append(above_chance(hit, factors[1][f]))
    found["knn"] = float(np.mean(near))
    return found


def select(rows: Iterable[dict], **wanted: Any) -> list[dict]:
    """Rows whose cell has these values; what is not named has to be the default of `Cell`, seed apart."""
    base = {f.name: f.default for f in dataclasses.fields(Cell) if f.name != "seed"}
    asked = {name: value for name, value in {**base, **wanted}.items() if value is not ...}
    # a row from before a field was there has its default
    return [r for r in rows if all(r["cell"].get(name, base.get(name)) == value for name, value in asked.items())]


def values(rows: Iterable[dict], score: str) -> list[float]:
    """That score of every row that has it, in the order of the seeds."""
    ordered = sorted(rows, key=lambda r: r["cell"]["seed"])
    return [r["scores"][score] for r in ordered if r["scores"].get(score) is not None]


def settled(by_epochs: dict[int, list[dict]]) -> int | None:
    """The fewest epochs after which nothing changes: means over the seeds of redundancy, of purity and of loss / log K
    have all moved by less than `MOVED` since half as many. None: still moving at the longest, or nothing to compare.

    by_epochs: epochs -> rows. A budget is a run of its own, with its own learning-rate schedule.
    """
    for epochs in sorted(by_epochs):
        before = by_epochs.get(epochs // 2)
        if not before or epochs % 2:
            continue
        units = Cell(**by_epochs[epochs][0]["cell"]).size[1]
        scale = {"redundancy": 1.0, "purity": 1.0, "loss": math.log(units)}
        moves = [
            abs(np.mean(values(by_epochs[epochs], s)) - np.mean(values(before, s))) / per for s, per in scale.items()
        ]
        if max(moves) < MOVED:
            return epochs
    return None


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m musiclib.studies.segment_map", description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True, help="folder for runs/, rows/ and rows.jsonl")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no further cell after so many minutes")
    parser.add_argument("--stages", default="", help=f"which, joined by commas: {', '.join(plan())}; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0")
    parser.add_argument("--data-root", default=None, help="where CIFAR-10 lies")
    chosen = parser.parse_args(argv)
    stages = plan(tuple(range(chosen.seeds)))
    unknown = [s for s in filter(None, chosen.stages.split(",")) if s not in stages]
    if unknown:
        parser.error(f"--stages: no stage {unknown[0]!r}; there are {', '.join(stages)}")
    wanted = [s for s in stages if not chosen.stages or s in chosen.stages.split(",")]
    torch.set_num_threads(1)
    folder, end, rows = Path(chosen.out).absolute(), time.monotonic() + 60 * chosen.minutes, []

    def train(config: TrainConfig) -> dict:
        out = folder / "runs" / config.hash()
        return run(config, out, data_root=chosen.data_root, evaluate=False, progress=False, wait=True)

    for stage in wanted:
        done = 0
        for cell in stages[stage]:
            if time.monotonic() > end:
                break
            rows.append(measure(cell, folder, train, chosen.data_root))
            done += 1
            text = "".join(f"{canonical(row)}\n" for row in rows)
            files.write_text(folder / "rows.jsonl", text)
        print(f"{record.now()} {stage}: {done} of {len(stages[stage])} cells", flush=True)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())

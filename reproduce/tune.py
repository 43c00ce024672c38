"""The same small search for every method: learning rates until the best is bracketed, then its main hyper-parameter.

    python -m reproduce tune --dataset cifar10 --epochs 8 --out outputs/tune

Every trial is an ordinary run of `musiclib.pretrain` with `validation: true`, in a process of its own, so that an
interrupted search goes on where it stopped. Results: OUT/records.jsonl (all trials) and OUT/chosen.json (the winner
of each method, with its score, its margin over the runner-up and the number of trials). The space is
`reproduce/tuning.yaml`; the test set is never read.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from musiclib.config import TrainConfig
from musiclib.encoders import build_encoder
from musiclib.files import read_json, write_json
from musiclib.methods.names import VARIANTS, method_of
from musiclib.pretrain.inputs import identities
from musiclib.pretrain.processes import pick_device
from musiclib.schema import read_mapping

SPACE = Path(__file__).with_name("tuning.yaml")


def score(record: dict[str, Any] | None, metric: str) -> float:
    """The trial's validation score; a failed or collapsed-to-nothing trial scores below every finished one."""
    return float(record["metrics"].get(metric, -1.0)) if record and record["status"] == "done" else -1.0


def beyond(best: float, tried: set[float]) -> float | None:
    """The rate that would follow `best` outside the rates tried, at their own spacing there; None where best is inside.

    A single rate brackets nothing and asks for nothing: None.
    """
    rates = sorted(tried)
    if len(rates) < 2 or rates[0] < best < rates[-1]:
        return None
    return best * rates[0] / rates[1] if best == rates[0] else best * rates[-1] / rates[-2]


def run_trial(
    config: TrainConfig, out: Path, data_root: str | None, threads: int, device: str | None
) -> dict[str, Any] | None:
    """One trial in its own process; its record, or None where it left none (its log says why)."""
    folder = out / "runs" / config.hash()
    folder.mkdir(parents=True, exist_ok=True)
    asked = out / "asked" / f"{config.hash()}.yaml"
    asked.parent.mkdir(exist_ok=True)
    asked.write_text(yaml.safe_dump(config.to_dict()))
    command = [sys.executable, "-m", "musiclib.pretrain", "--config", str(asked), "--out", str(out), "--no-progress"]
    command += ["--threads", str(threads)]
    command += ["--data-root", data_root] if data_root else []
    command += ["--device", device] if device else []
    with open(out / "asked" / f"{config.hash()}.log", "a") as log:
        subprocess.run(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": str(threads)}, check=False)
    return read_json(folder / "record.json")


def search(
    base: dict[str, Any],
    methods: Iterable[str],
    out: Path,
    *,
    workers: int,
    data_root: str | None,
    threads: int,
    device: str | None = None,
    space: dict[str, Any] | None = None,
    rounds: int = 2,
) -> dict[str, Any]:
    """Run the rounds for all rows; {row: {lr, options, score, trials, ...}}, also written to OUT/chosen.json.

    methods: rows of `musiclib.methods.names`: methods, variants of them with options of their own, and supervised.
    base: fields of TrainConfig shared by all trials. Trials of one round run `workers` at a time. rounds: 1 stops after
    the learning rates; a later call with 2 finds those trials finished.
    """
    space = space or read_mapping(SPACE)
    if rounds == 1:
        space = space | {"main": dict.fromkeys(space["main"], ())}
    methods = list(methods)
    if unknown := sorted(set(methods) - set(space["main"])):
        raise ValueError(f"methods: {unknown} have no entry in {SPACE.name}; it knows {sorted(space['main'])}")
    trials: dict[str, list[tuple[float, TrainConfig]]] = {m: [] for m in methods}
    bar = tqdm(total=sum(len(space["lr"]) + len(space["main"][m]) for m in methods), desc="trials", unit="run")

    def one(job: tuple[str, dict[str, Any]]) -> None:
        method, changes = job
        row = method_of(method, options=changes.get("options"))
        config = TrainConfig.from_dict(base | {"validation": True} | changes | row)
        trials[method].append((score(run_trial(config, out, data_root, threads, device), space["score"]), config))
        bar.update()

    def winner(method: str) -> TrainConfig:
        return max(trials[method], key=lambda t: (t[0], -t[1].lr))[1]

    def outward(method: str) -> float | None:
        """The next rate beyond the grid where the best one lies at its edge; None where both neighbours were tried."""
        return beyond(winner(method).lr, {config.lr for _, config in trials[method]})

    with bar, ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, [(m, {"lr": lr}) for lr in space["lr"] for m in methods]))
        for _ in range(space.get("widen", 0)):
            wider = [(m, {"lr": lr}) for m in methods if (lr := outward(m)) is not None]
            bar.total += len(wider)
            list(pool.map(one, wider))
        second = [(m, {"lr": winner(m).lr, "options": options}) for m in methods for options in space["main"][m]]
        list(pool.map(one, second))

    chosen = {}
    for method in methods:
        scores = sorted((s for s, _ in trials[method]), reverse=True)
        best = winner(method)
        own = VARIANTS.get(method, {}).get("options", {})
        chosen[method] = {
            "lr": best.lr,
            "options": {k: v for k, v in best.options.items() if k not in own},
            "score": scores[0],
            "trials": len(scores),
            "margin": scores[0] - scores[1] if len(scores) > 1 else None,
            "at_edge": beyond(best.lr, {config.lr for _, config in trials[method]}) is not None,
        }
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "chosen.json", {"base": base, "space": space, "chosen": chosen})
    return chosen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m reproduce tune`."""
    parser.add_argument("--dataset", default="cifar10", help="data set (default cifar10)")
    parser.add_argument("--encoder", default="compact", help="encoder (default compact)")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of every trial (default 8)")
    parser.add_argument("--batch", type=int, default=512, help="batch of every trial (default 512)")
    parser.add_argument("--seed", type=int, default=100, help="seed of the trials; the tables use others (default 100)")
    parser.add_argument("--rounds", type=int, choices=(1, 2), default=2, help="1: learning rates only (default 2)")
    parser.add_argument("--methods", nargs="+", metavar="ROW", help="which rows (default: all)")
    parser.add_argument("--workers", type=int, default=1, help="trials at a time (default 1)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads of a trial (default: all)")
    parser.add_argument("--device", help="cpu, cuda ... (default: a GPU where there is one)")
    parser.add_argument("--data-root", help="where data sets are looked for")
    parser.add_argument("--out", type=Path, default=Path("outputs/tune"), help="results (default outputs/tune)")


def refuse_wrong(options: argparse.Namespace, base: dict[str, Any], methods: list[str]) -> None:
    """Raise ValueError, TypeError or OSError for what every trial would fail of."""
    for name in ("workers", "threads"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} {getattr(options, name)} must be at least 1")
    if unknown := sorted(set(methods) - set(read_mapping(SPACE)["main"])):
        raise ValueError(f"--methods {unknown[0]}: {SPACE.name} knows {', '.join(read_mapping(SPACE)['main'])}")
    config = TrainConfig.from_dict(base).resolved()
    build_encoder(config.encoder, 3)
    pick_device(options.device)
    identities(config, options.data_root, evaluate=False)


def main(options: argparse.Namespace) -> int:
    """Run the search that the parsed options describe and print the choices."""
    base = {name: getattr(options, name) for name in ("dataset", "encoder", "epochs", "batch", "seed")}
    methods = options.methods or list(read_mapping(SPACE)["main"])
    try:
        refuse_wrong(options, base, methods)
    except (TypeError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    chosen = search(
        base,
        methods,
        options.out,
        workers=options.workers,
        data_root=options.data_root,
        threads=options.threads,
        device=options.device,
        rounds=options.rounds,
    )
    for method, best in chosen.items():
        edge = "  (at the edge of the grid)" if best["at_edge"] else ""
        print(f"{method:14} {best['score']:.4f}  lr {best['lr']:g}  {best['options'] or 'own defaults'}{edge}")
    print(f"written: {options.out / 'chosen.json'}")
    return 0 if all(best["score"] >= 0 for best in chosen.values()) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    sys.exit(main(parser.parse_args()))

"""Does the runner lose anything? Many short runs side by side, and random kills with real training.

    python benchmarks/batches.py runs --count 40 --jobs 2       # no lost run, no wrong "done"; overhead of a run
    python benchmarks/batches.py kills --kills 100              # kill -9 of runner, worker, kernel, training, SLURM job

`runs` executes notebooks of which some raise, die or forget their record, and checks every verdict. `kills` runs two
trainings (one in a notebook, one of two processes under torchrun), kills a random process of the batch at random
moments, resumes, and so on; at the end the tables must equal, byte for byte, those of an undisturbed batch, and every
JSON file must be whole. Where SLURM and munge are installed every other round runs on a cluster of one node, and its
jobs are among what is killed. What came out is kept in benchmarks/results/batches_runs.json and batches_kills.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import psutil  # noqa: E402
import slurm_cluster  # noqa: E402
from reproduce_fixtures import PARAMETERS, write_notebook, write_profile  # noqa: E402

from musiclib.files import write_json  # noqa: E402
from musiclib.record import now, provenance  # noqa: E402
from reproduce.batch import executors, runner, slurm  # noqa: E402
from reproduce.batch.processes import RESULT, marked  # noqa: E402
from reproduce.judging import records  # noqa: E402
from reproduce.planning.plan import build  # noqa: E402


def many_runs(count: int, jobs: int) -> dict:
    """`count` notebooks, every fifth of which fails in one of three ways; what came out, and whether every verdict is
    right."""
    base = Path(tempfile.mkdtemp(prefix="batches-"))
    work = "import random, time\ntime.sleep(random.Random(n).uniform(0.1, 0.4))\nmetrics = {'n': n, 'seed': seed}"
    parameters = PARAMETERS + "n: int = 0\n"
    write_notebook(base / "notebooks", "good", work, parameters=parameters)
    write_notebook(base / "notebooks", "raises", work, "1/0", parameters=parameters)
    write_notebook(base / "notebooks", "dies", work, "import os; os.kill(os.getpid(), 9)", parameters=parameters)
    write_notebook(base / "notebooks", "forgets", work, parameters=parameters, record=False)
    kinds = ["raises", "dies", "forgets"]
    names = [kinds[i // 5 % 3] if i % 5 == 4 else "good" for i in range(count)]
    entries = [
        {"notebook": name, "matrix": {"n": [i for i, k in enumerate(names) if k == name]}, "minutes": 0.03}
        for name in dict.fromkeys(names)
    ]
    plan = build(str(write_profile(base, entries)), notebooks=base / "notebooks")
    assert not plan.problems, plan.problems
    random.Random(0).shuffle(plan.jobs)
    summary = runner.run(plan, base / "out", executor=executors.Local(jobs), threads=1)
    good = {j.id for j in plan.jobs if j.notebook == "good"}
    lines = {r["job"]: r for r in records.load(base / "out").of_kind("notebook")}
    right = (
        set(summary.done) == good
        and len(lines) == count
        and all((lines[j]["status"] == "done") == (j in good) for j in lines)
    )
    right &= all(lines[j.id]["metrics"] == {"n": j.values["n"], "seed": 0} for j in plan.jobs if j.id in good)
    overhead = [r["time"]["wall_s"] - r["time"]["cells_s"] for j, r in lines.items() if j in good]
    return {
        "right": right,
        "runs": count,
        "jobs": jobs,
        "done": len(summary.done),
        "failed": len(summary.failed),
        "wall_s": summary.wall_s,
        "overhead_s_median": round(statistics.median(overhead), 2),
        "overhead_s_max": round(max(overhead), 2),
    }


TRAINS = """
from musiclib.config import TrainConfig
from musiclib.pretrain import run
from musiclib.studies.results import Results
nb = Results("trains", out, seed=seed)
for s in (seed, seed + 1):
    config = TrainConfig(dataset="digits", encoder="tiny", epochs=epochs, batch=128, seed=s, precision="float32",
                         options={"segments": 4, "units": 8, "projector": [64]})
    nb.trained.append(config.hash())
    run(config, nb.runs / config.hash(), wait=True, checkpoint_seconds=0.5)  # kills meet runs that go on half-way
nb.finish()
"""
SLURM = ["--executor", "slurm", "--slurm", "mem_gb=1", "--slurm", "gpus_per_node=0"]


def training_profile(base: Path, epochs: int) -> list[str]:
    """Two small trainings; the arguments of `python -m reproduce run` for them."""
    small = {"segments": 4, "units": 8, "projector": [64]}
    parameters = PARAMETERS + "epochs: int = 1\n"
    write_notebook(base / "notebooks", "trains", TRAINS, parameters=parameters, record=False)
    profile = write_profile(
        base,
        [
            {"notebook": "trains", "minutes": 0.3, "parameters": {"epochs": epochs}},
            {
                "pretrain": "two_processes",
                "processes": 2,
                "minutes": 0.3,
                "config": {"dataset": "digits", "encoder": "tiny", "epochs": epochs, "batch": 128, "options": small},
            },
        ],
    )
    return ["--profile", str(profile), "--notebooks", str(base / "notebooks"), "--threads", "2", "--jobs", "2"]


def start(arguments: list[str], out: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "reproduce", "run", *arguments, "--out", str(out), "--resume"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def tables_of(out: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in sorted((out / "tables").iterdir())}


def broken_files(out: Path) -> list[str]:
    """JSON files and lines that do not parse; partial notebooks and temporary files by their names are not among
    them."""
    bad = [str(p) for p in records.read(out / records.FILE).problems]
    for path in [*out.rglob("*.json"), *out.rglob("*.ipynb"), *out.rglob("log.jsonl")]:
        if path.name.startswith(".") or ".partial." in path.name:
            continue
        try:
            for text in path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]:
                json.loads(text)
        except ValueError as error:
            bad.append(f"{path}: {error}")
    return bad


def many_kills(kills: int, epochs: int, seed: int, minutes: float) -> dict:
    """Kill, resume, and so on, until so many kills or minutes; what was killed, and what showed at the end (nothing, if
    all is right)."""
    rng, base = random.Random(seed), Path(tempfile.mkdtemp(prefix="kills-"))
    arguments = training_profile(base, epochs)
    began = time.monotonic()
    said, _ = (first := start(arguments, base / "quiet")).communicate()
    assert first.returncode == 0, said
    length, wanted = time.monotonic() - began, tables_of(base / "quiet")
    print(f"undisturbed: {length:.0f} s, {len(wanted)} table files", flush=True)
    rounds, wrong, victims = 0, [], []
    with contextlib.ExitStack() as stack:
        if not slurm_cluster.missing():
            stack.enter_context(slurm_cluster.one_node())
        while len(victims) < kills and time.monotonic() - began < 60 * minutes:
            rounds += 1
            on_slurm = rounds % 2 == 0 and not slurm_cluster.missing()
            wrong += one_round(base / f"round{rounds}", arguments, on_slurm, kills, length, rng, victims)
            if tables_of(base / f"round{rounds}") != wanted:
                wrong.append(f"round {rounds}: tables differ from the undisturbed ones")
            print(f"round {rounds}: {len(victims)} kills so far, {len(wrong)} wrong", flush=True)
    return {
        "right": not wrong,
        "kills": len(victims),
        "rounds": rounds,
        "undisturbed_s": round(length, 1),
        "victims": {v: victims.count(v) for v in sorted(set(victims))},
        "wrong": wrong,
    }


def one_round(
    out: Path, arguments: list[str], on_slurm: bool, kills: int, length: float, rng: random.Random, victims: list[str]
) -> list[str]:
    """One batch, killed up to eight times and resumed until it is done; what is wrong with what it left."""
    code, wrong, left = None, [], 8
    while code != 0:
        process = start([*arguments, *(SLURM if on_slurm else [])], out)
        while left and len(victims) < kills and process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.5, max(2.0, 0.4 * length)))
            if process.poll() is None:
                victims.append(kill_one(process, out, rng, victims, on_slurm))
                left -= 1
        said, _ = process.communicate()
        code = process.returncode
        if code not in (0, 1, -9):
            return [f"{out.name}: exit code {code}: {said[-500:]}"]
    wrong += [f"{out.name}: {b}" for b in broken_files(out)]
    if marked(RESULT, str(out)) or (on_slurm and slurm.alive(slurm.queue(), slurm.mark(out))):
        wrong.append(f"{out.name}: processes left")
    return wrong


KINDS = (
    ("reproduce.batch.worker", "worker"),
    ("reproduce.batch.kernel", "kernel"),
    ("torch.distributed", "torchrun"),
    ("musiclib.pretrain", "training"),
)


def kill_one(process: subprocess.Popen, out: Path, rng: random.Random, victims: list[str], on_slurm: bool) -> str:
    """SIGKILL the runner, one of the batch's processes or one of its SLURM jobs, of a kind that was killed least so
    far; what it was."""
    place = " on SLURM" if on_slurm else ""
    kinds: dict[str, list] = {"runner" + place: [psutil.Process(process.pid)]}
    for p in marked(RESULT, str(out.resolve())):
        with contextlib.suppress(psutil.Error):
            text = " ".join(p.cmdline())
            if kind := next((kind for word, kind in KINDS if word in text), ""):
                kinds.setdefault(kind + place, []).append(p)
    if on_slurm and (jobs := slurm.alive(slurm.queue(), slurm.mark(out))):
        kinds["SLURM job"] = jobs
    least = min(map(victims.count, kinds))
    kind = rng.choice(sorted(k for k in kinds if victims.count(k) == least))
    victim = rng.choice(kinds[kind])
    try:
        if kind == "SLURM job":
            slurm_cluster.ask("scancel", "--signal=KILL", "--full", victim)
        else:
            victim.kill()
    except psutil.NoSuchProcess:
        return f"{kind} (too late)"
    return kind


def main() -> int:
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)
    p = commands.add_parser("runs", help="many short runs side by side")
    p.add_argument("--count", type=int, default=40)
    p.add_argument("--jobs", type=int, default=2)
    p = commands.add_parser("kills", help="random kills with real training")
    p.add_argument("--kills", type=int, default=20)
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--minutes", type=float, default=60.0, help="start no further round after so long (default 60)")
    for p in commands.choices.values():
        p.add_argument("--out", type=Path, help="record (default benchmarks/results/batches_COMMAND.json)")
    args = top.parse_args()
    if args.command == "runs":
        found = many_runs(args.count, args.jobs)
    else:
        found = many_kills(args.kills, args.epochs, args.seed, args.minutes)
    print(json.dumps(found))
    out = args.out or ROOT / "benchmarks" / "results" / f"batches_{args.command}.json"
    write_json(out, {**provenance(), "date": now(), **found})
    return 0 if found["right"] else 1


if __name__ == "__main__":
    sys.exit(main())

"""Try checks and their controls, in parallel processes; results are stored, so that a long run can be resumed.

A control is a wrong loss that the check must refute by an assertion on a number (a NaN counts for the checks of
numerics alone), or a premise without which its conclusion fails.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

# its import registers the checks
import proofs_checks.checks  # noqa: F401
from musiclib.files import write_json
from musiclib.record import sources_hash
from proofs_checks import ROOT
from proofs_checks.objective import Objective
from proofs_checks.profiles import Profile, quick_examples
from proofs_checks.register import CHECKS, Check, Outcome, run
from proofs_checks.wrong import MUTANTS


@dataclass
class Trial(Outcome):
    """What became of one check on the library, and of each of its controls ('refuted' is what a control should be)."""

    controls: dict[str, str] = field(default_factory=dict)
    premises: dict[str, str] = field(default_factory=dict)

    @property
    def green(self) -> bool:
        """Whether the check held, every declared wrong loss was refuted, every dropped premise broke the conclusion."""
        declared = all(self.controls.get(name) == "refuted" for name in CHECKS[self.check].kills)
        return self.verdict == "held" and declared and all(x == "refuted" for x in self.premises.values())


@dataclass(frozen=True)
class Plan:
    """How to try checks: the profile, and the seed of the thorough one.

    controls: which wrong losses are tried, 'declared' (those that each check declares), 'all' or 'none'.
    """

    profile: Profile
    seed: int = 0
    controls: str = "declared"

    def wrong_losses(self, name: str) -> Sequence[str]:
        """The wrong losses that are tried on the check of that name."""
        return {"declared": CHECKS[name].kills, "all": tuple(MUTANTS), "none": ()}[self.controls]


def try_control(check: Check, mutant: str, examples: int) -> Outcome:
    """Run a check on a wrong loss. A NaN refutes it where numerics is the subject; elsewhere it says nothing about the
    equation, and the example is passed over."""
    return run(check, MUTANTS[mutant], examples=examples, nan_refutes=check.section == "numerics")


def try_check(name: str, plan: Plan) -> Trial:
    """Run one check with its controls."""
    check = CHECKS[name]
    quick = plan.profile.name == "quick"
    entropy = None if quick else int.from_bytes(hashlib.sha256(f"{plan.seed}/{name}".encode()).digest()[:6], "big")
    examples = quick_examples(check.cost) if quick else plan.profile.examples
    trial = Trial(**asdict(run(check, Objective, examples=examples, entropy=entropy)))
    for mutant in plan.wrong_losses(name):
        most = plan.profile.controls if mutant in check.kills else plan.profile.matrix
        trial.controls[mutant] = try_control(check, mutant, most).verdict
    for premise, conclusion in check.breaks_without:
        try:
            conclusion(Objective())
            trial.premises[premise] = "held"
        except AssertionError:
            trial.premises[premise] = "refuted"
    return trial


def checks_hash() -> str:
    """12 hexadecimal digits over every Python file of this package."""
    return sources_hash(ROOT / "proofs_checks")


def folder_of(plan: Plan, out: Path) -> Path:
    """The folder of a plan's results: another one for every state of the sources."""
    return out / f"{plan.profile.name}-{plan.controls}-seed{plan.seed}-{sources_hash()}-{checks_hash()}"


def _work(task: tuple[str, Plan, str | None]) -> Trial:
    name, plan, folder = task
    path = Path(folder) / f"{name}.json" if folder else None
    if path is not None and path.exists():
        return Trial(**json.loads(path.read_text(encoding="utf-8")))
    trial = try_check(name, plan)
    # a failure is tried again by the next run
    if path is not None and trial.green:
        write_json(path, asdict(trial))
    return trial


def _one_thread() -> None:
    torch.set_num_threads(1)


def try_all(names: Sequence[str], plan: Plan, *, jobs: int = 1, out: Path | None = None) -> Iterator[Trial]:
    """Try the named checks, dearest first, yielding each result as it is ready.

    jobs: processes, one thread each. out: where results are stored; a check that is already there, with the same
    sources, is not tried again.
    """
    folder = str(folder_of(plan, out)) if out is not None else None
    tasks = [(name, plan, folder) for name in sorted(names, key=lambda name: -CHECKS[name].cost)]
    bar = tqdm(total=len(tasks), unit="check", disable=not sys.stderr.isatty(), leave=False)
    if jobs <= 1 or len(tasks) <= 1:
        results: Iterator[Trial] = map(_work, tasks)
        yield from _progress(results, bar, len(tasks))
        return
    # a forked torch may deadlock
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(jobs, len(tasks)), initializer=_one_thread) as pool:
        yield from _progress(pool.imap_unordered(_work, tasks), bar, len(tasks))


def _progress(results: Iterator[Trial], bar: tqdm, total: int) -> Iterator[Trial]:
    for done, trial in enumerate(results, 1):
        bar.update()
        if not sys.stderr.isatty() and (done % max(1, total // 10) == 0 or done == total):
            print(f"{done} of {total} checks", file=sys.stderr, flush=True)
        yield trial
    bar.close()


def default_jobs() -> int:
    """How many processes to use: one per core that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

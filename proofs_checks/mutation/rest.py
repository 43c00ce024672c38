"""Mutants of everything outside the core, tried for as long as there is time: musiclib's other files, and reproduce.

Each file is judged by the tests that import it. Outside the core nothing is promised: a survivor is a question, not an
error, and is listed. The mutants come in a drawn order, so that a run that ends early has tried a fair sample of each
file; a later run with the same sources goes on where it stopped.
"""

from __future__ import annotations

import ast
import functools
import random
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from musiclib.files import read_json, read_lines, write_json, write_text
from proofs_checks import ROOT
from proofs_checks.mutation.mutants import FILES, Mutant, copy_files, mutants_of, run_pytest

COPIED = ("musiclib", "proofs_checks", "reproduce", "tests", "notebooks", "docs", "benchmarks")
LIMITS = {"cpu_seconds": 20.0, "cpu_factor": 4.0, "wall_seconds": 120.0}
NO_JUDGES = ("test_mutations_by_hand", "test_guarantees", "test_mutation", "test_packaging", "test_readme")
"""Tests about sources, which every mutant would turn red, or that change code themselves."""
LEFT_OUT = "not browser and not torchrun and not executor and not processes and not compiles"
"""Tests that start other processes, which do not see mutmut's switch, by words of their names (pytest -k)."""


def rest() -> list[str]:
    """Every file of musiclib and reproduce that is none of the core, relative to the repository."""
    found = [p for room in ("musiclib", "reproduce") for p in (ROOT / room).rglob("*.py")]
    names = sorted(p.relative_to(ROOT).as_posix() for p in found if p.name not in ("__init__.py", "__main__.py"))
    return [name for name in names if name not in FILES]


@functools.cache
def imported(path: Path) -> set[str]:
    """The modules that a file may import, with the names that it takes from packages: 'a.b' and 'a.b.c' of
    `from a.b import c`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def judges_of(file: str) -> list[str]:
    """The tests that import a module, relative to the repository."""
    module = file.removesuffix(".py").replace("/", ".")
    tests = [p for p in sorted((ROOT / "tests").glob("test_*.py")) if p.stem not in NO_JUDGES]
    return [p.relative_to(ROOT).as_posix() for p in tests if module in imported(p)]


def only_words(mutant: Mutant) -> bool:
    """Whether a mutant only changes the letters of a text: mutmut writes XX around it, or changes its case."""
    return "XX" in mutant.mutated or mutant.mutated.lower() == mutant.original.lower()


def prepare(folder: Path, file: str) -> tuple[list[Mutant], int]:
    """Copy the sources into `folder` with the mutants in place of the file; the mutants in a drawn order, and how many
    others change only words, which are not tried."""
    listed = read_json(folder / "mutants.json")
    if listed is None:
        skip = shutil.ignore_patterns("__pycache__", "*.ipynb_checkpoints")
        paths = [ROOT / name for name in COPIED if (ROOT / name).is_dir()]
        for path in paths:
            shutil.copytree(path, folder / path.name, ignore=skip, dirs_exist_ok=True)
        copy_files(folder, [p for p in ROOT.glob("*.*") if p.is_file()])
        code, mutants, words = mutants_of(file, (ROOT / file).read_text(encoding="utf-8"))
        write_text(folder / file, code)
        words += sum(map(only_words, mutants))
        mutants = [m for m in mutants if not only_words(m)]
        random.Random(file).shuffle(mutants)
        listed = {"mutants": [vars(m) for m in mutants], "words": words}
        write_json(folder / "mutants.json", listed)
    return [Mutant(**one) for one in listed["mutants"]], listed["words"]


def judge_file(folder: Path, file: str, until: float) -> dict[str, Any]:
    """Try the mutants of a file until a moment (seconds as of time.time); counts, and the survivors."""
    judges = judges_of(file)
    if not judges:
        return {"judges": [], "problem": "no test imports it"}
    mutants, words = prepare(folder, file)
    results = folder / "results.jsonl"
    done = {line["mutant"] for line in read_lines(results)}
    waiting = [m.name for m in mutants if m.name not in done]
    problem = None
    if waiting and time.time() < until:
        plan = {"mutants": waiting, "results": str(results), "limits": LIMITS, "until": until}
        write_json(folder / "plan.json", plan)
        arguments = ("-p", "proofs_checks.mutation.judge", "-k", LEFT_OUT, *judges)
        status = run_pytest(folder, *arguments, quiet=True, MUTATION_PLAN=str(folder / "plan.json"))
        problem = f"its tests do not run beside mutants (pytest says {status})" if status else None
    outcomes = {line["mutant"]: line["outcome"] for line in read_lines(results)}
    survivors = [m for m in mutants if outcomes.get(m.name) in ("survived", "no tests")]
    return {
        "judges": judges,
        "mutants": len(mutants),
        "tried": len(outcomes),
        "killed": sum(o == "killed" for o in outcomes.values()),
        "undecided": sum(o in ("timeout", "crash") for o in outcomes.values()),
        "words_not_tried": words,
        "survivors": [vars(m) | {"outcome": outcomes[m.name]} for m in survivors],
        "problem": problem,
    }


def judge_rest(folder: Path, files: Iterable[str], minutes: float) -> dict[str, dict[str, Any]]:
    """Judge files for so many minutes together, an equal share of what is left for each; file -> counts."""
    files, end = list(files), time.time() + 60 * minutes
    found = {}
    for number, file in enumerate(files):
        left = max(0.0, end - time.time())
        share = time.time() + left / (len(files) - number)
        found[file] = judge_file(folder / file.removesuffix(".py").replace("/", "."), file, share)
    return found

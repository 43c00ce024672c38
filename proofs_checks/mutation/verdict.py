"""Judge the mutants of the core, and hold the survivors against the list of those that no test can kill."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from musiclib.files import read_json, read_lines, write_json, write_text
from musiclib.schema import read_yaml
from proofs_checks import ROOT
from proofs_checks.mutation.guarantees import BETWEEN_PROCESSES, break_between_processes
from proofs_checks.mutation.mutants import FILES, JUDGES, Mutant, copy_files, mutants_of, run_pytest, sources

EQUIVALENT = Path(__file__).with_name("equivalent_mutants.yaml")
BY_TESTS = ("-k", "not compiles", *JUDGES)
CHECKS = "proofs_checks/tests/test_checks.py"
LIMITS = {"cpu_seconds": 20.0, "cpu_factor": 5.0, "wall_seconds": 600.0}

Key = tuple[str, str, str, str]


def prepare(folder: Path) -> tuple[list[Mutant], dict[str, int]]:
    """Copy the sources into `folder`, with the mutants in place of the core.

    Returns the mutants to try, and how many others of each file change only the words of an error.
    """
    listed = read_json(folder / "mutants.json")
    if listed is not None:
        return [Mutant(**one) for one in listed["mutants"]], listed["words"]
    copy_files(folder, sources())
    everything, words = [], {}
    for file in FILES:
        code, mutants, words[file] = mutants_of(file, (ROOT / file).read_text(encoding="utf-8"))
        write_text(folder / file, code)
        everything += mutants
    write_json(folder / "mutants.json", {"mutants": [vars(mutant) for mutant in everything], "words": words})
    return everything, words


def judge(folder: Path, mutants: list[Mutant]) -> dict[str, dict[str, Any]]:
    """Try every mutant on the tests of the core; results are stored in the folder line by line.

    Returns name -> {"outcome", "by": the test that killed it}.
    """
    results = folder / "results.jsonl"
    done = {line["mutant"] for line in read_lines(results)}
    waiting = [mutant.name for mutant in mutants if mutant.name not in done]
    if waiting:
        write_json(folder / "plan.json", {"mutants": waiting, "results": str(results), "limits": LIMITS})
        plan = str(folder / "plan.json")
        if status := run_pytest(folder, "-p", "proofs_checks.mutation.judge", *BY_TESTS, MUTATION_PLAN=plan):
            raise SystemExit(f"the judges could not run (pytest says {status}); do the tests pass without a mutant?")
    return {line["mutant"]: line for line in read_lines(results)}


def judge_again(folder: Path, mutant: Mutant, outcome: str) -> tuple[str, str | None]:
    """Try a mutant once more: a timeout in a fresh process by the same tests, a survivor by the checks."""

    def killed_by(*arguments: str) -> bool:
        return run_pytest(folder, *arguments, quiet=True, MUTANT_UNDER_TEST=mutant.name) == 1

    if outcome in ("timeout", "crash") and killed_by(*BY_TESTS):
        return "killed", "a fresh process"
    return ("killed", CHECKS) if killed_by(CHECKS) else ("survived", None)


def allow_list(path: Path = EQUIVALENT) -> dict[Key, str]:
    """The mutants that no test can tell from the original, each with the reason."""
    reasons: dict[Key, str] = {}
    for group in read_yaml(path.read_text(encoding="utf-8")):
        for one in group["mutants"]:
            key = (group["file"], group["function"], one["original"].strip(), one["mutated"].strip())
            if key in reasons:
                raise ValueError(f"{path.name}: {key} is listed twice")
            reasons[key] = " ".join(group["reason"].split())
    return reasons


def verdict(mutants: list[Mutant], outcomes: dict[str, str], reasons: dict[Key, str]) -> tuple[list[Mutant], list[Key]]:
    """What is wrong with an outcome: survivors without a reason, and reasons without a survivor."""
    survivors = [mutant for mutant in mutants if outcomes[mutant.name] != "killed"]
    files = {mutant.file for mutant in mutants}
    alive = {mutant.key for mutant in survivors}
    return [m for m in survivors if m.key not in reasons], [k for k in reasons if k[0] in files and k not in alive]


def judge_files(folder: Path, files: tuple[str, ...]) -> dict[str, Any]:
    """Judge all mutants of the files, and take away the guarantees between processes; returns the result as data."""
    mutants, words = prepare(folder)
    mutants = [mutant for mutant in mutants if mutant.file in files]
    first, reasons = judge(folder, mutants), allow_list()
    outcomes, by = {}, {}
    for mutant in mutants:
        outcome, judged_by = first[mutant.name]["outcome"], first[mutant.name]["by"]
        if outcome != "killed" and (outcome in ("timeout", "crash") or mutant.key not in reasons):
            outcome, judged_by = judge_again(folder, mutant, outcome)
        outcomes[mutant.name], by[mutant.name] = outcome, judged_by
    unexplained, stale = verdict(mutants, outcomes, reasons)
    explained = [m for m in mutants if outcomes[m.name] != "killed" and m.key in reasons]
    counts = {}
    for file in files:
        mine = [mutant.name for mutant in mutants if mutant.file == file]
        counts[file] = {
            "mutants": len(mine),
            "killed": sum(outcomes[name] == "killed" for name in mine),
            "equivalent": sum(mutant.file == file for mutant in explained),
            "unexplained": sum(mutant.file == file for mutant in unexplained),
            "timed_out_at_first": sum(first[name]["outcome"] == "timeout" for name in mine),
            "words_of_errors_not_tried": words[file],
        }
    red = break_between_processes()
    return {
        "counts": counts,
        "unexplained": [vars(mutant) for mutant in unexplained],
        "stale": [dict(zip(("file", "function", "original", "mutated"), key, strict=True)) for key in stale],
        "equivalent": [{**vars(mutant), "reason": reasons[mutant.key]} for mutant in explained],
        "red_without": {one.name: one.test if red[one.name] else None for one in BETWEEN_PROCESSES},
        "killed_by": dict(Counter(test.partition("[")[0] for test in by.values() if test).most_common()),
    }

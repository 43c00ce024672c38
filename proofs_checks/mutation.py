"""Mutation testing of the core: change the code a little, everywhere, and see that a test goes red.

    python -m proofs_checks.mutation                            all files; writes mutation.json and mutation.md
    python -m proofs_checks.mutation --file musiclib/joint.py   one file, nothing written to the repository

mutmut makes the mutants (another operator, constant or argument, None for a value ...); `mutation_judge` tries each
against the tests of the core, in a copy of the sources, so that work on the checkout does not disturb a run. What
survives must be in `equivalent_mutants.yaml`, with the reason why no test can tell it from the original, and what is
there must survive: exit status 1 for a survivor without a reason, and for a reason without a survivor. A survivor
without a reason is given to the checks of this package before it is called one; a mutant that timed out is tried again
in a fresh process. An interrupted run goes on where it stopped, as long as no source has changed.

Not tried, by rule: the words of an error (mutants inside a `raise` statement: they cannot change which condition
raises). Not mutated by mutmut: module constants, and functions with decorators other than staticmethod, of which these
files have one, the backward of the streaming form; `tests/test_guarantees.py` breaks that by hand. Left out as judges:
the two-process tests, which start processes, and torch.compile, which does not see through mutmut's switch.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from musiclib.record import now, provenance, read_json, read_lines, write_json, write_text
from proofs_checks import guarantees

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "reproduce" / "results" / "proofs"
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.yaml")
NAMES = ("streaming", "objective", "joint", "coding", "information")
FILES = tuple(f"musiclib/{name}.py" for name in NAMES)
JUDGES = tuple(f"tests/test_{name}.py" for name in NAMES)
LEFT_OUT = "compiles"
LIMITS = {"cpu_seconds": 20.0, "cpu_factor": 5.0, "wall_seconds": 600.0}


@dataclass(frozen=True)
class Mutant:
    """A mutant: mutmut's name for it, and the lines of one function that differ."""

    name: str
    file: str
    function: str
    original: str
    mutated: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What identifies it although mutmut's numbers shift with every edit."""
        return self.file, self.function, self.original, self.mutated


def sources() -> list[Path]:
    """What a run depends on, relative to the repository."""
    paths = [*ROOT.glob("musiclib/**/*.py"), *ROOT.glob("proofs_checks/**/*.py"), ROOT / "tests" / "conftest.py"]
    paths += [ROOT / "tests" / "oracles.py", *(ROOT / judge for judge in JUDGES), ROOT / "pyproject.toml"]
    return sorted(path.relative_to(ROOT) for path in paths)


def fingerprint() -> str:
    """12 hexadecimal digits over the sources of a run."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"{path.as_posix()}\0".encode() + (ROOT / path).read_bytes())
    return digest.hexdigest()[:12]


# the mutants --------------------------------------------------------------------------------------


def _functions(code: str) -> dict[str, tuple[list[str], ast.AST]]:
    """name -> (lines, tree) of every function and method of a module, methods under their plain name."""
    lines = code.splitlines()
    found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)]
    return {node.name: (lines[node.lineno - 1 : node.end_lineno], node) for node in found}


def _in_raise(node: ast.AST, lines: set[int]) -> bool:
    """Do all of these lines of a function (0 is its `def`) belong to `raise` statements?"""
    first = node.lineno
    spans = [(n.lineno - first, n.end_lineno - first) for n in ast.walk(node) if isinstance(n, ast.Raise)]
    return all(any(a <= line <= b for a, b in spans) for line in lines)


def mutants_of(file: str, code: str) -> tuple[str, list[Mutant], int]:
    """The module with all mutants behind a switch, those to try, and how many change only the words of an error."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    with contextlib.chdir(ROOT):  # mutmut reads its section of pyproject.toml from here
        result = mutate_file_contents(file, code)
    functions = _functions(result.code)
    mutants, words = [], 0
    for name in result.mutant_names:
        original_name = name.partition("__mutmut_")[0] + "__mutmut_orig"
        (before, node), (after, _) = functions[original_name], functions[name]
        function, owner = orig_function_and_class_names_from_key(name)
        old = [line.replace(original_name, function) for line in before]
        new = [line.replace(name, function) for line in after]
        steps = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        changed = [step for step in steps if step[0] != "equal"]
        if _in_raise(node, {line for _, a, b, _, _ in changed for line in range(a, b)}):
            words += 1
            continue
        original = "\n".join(line.strip() for _, a, b, _, _ in changed for line in old[a:b])
        mutated = "\n".join(line.strip() for _, _, _, a, b in changed for line in new[a:b])
        module = file.removesuffix(".py").replace("/", ".")
        qualified = f"{owner}.{function}" if owner else function
        mutants.append(Mutant(f"{module}.{name}", file, qualified, original, mutated))
    return result.code, mutants, words


# judging ------------------------------------------------------------------------------------------


def prepare(folder: Path) -> tuple[list[Mutant], dict[str, int]]:
    """Copy the sources into `folder`, with the mutants in place of the core; how many of a file are only words."""
    listed = read_json(folder / "mutants.json")
    if listed is not None:
        return [Mutant(**one) for one in listed["mutants"]], listed["words"]
    for path in sources():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path)
    everything, words = [], {}
    for file in FILES:
        code, mutants, words[file] = mutants_of(file, (ROOT / file).read_text())
        write_text(folder / file, code)
        everything += mutants
    write_json(folder / "mutants.json", {"mutants": [vars(mutant) for mutant in everything], "words": words})
    return everything, words


def _pytest(folder: Path, *arguments: str, **environment: str) -> int:
    """Run pytest in the copy, on one thread; its exit status."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=native", "-p", "no:cacheprovider", *arguments]
    variables = {**os.environ, **one, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    output = subprocess.DEVNULL if "MUTANT_UNDER_TEST" in environment else None
    return subprocess.run(command, cwd=folder, env=variables, stdout=output, check=False).returncode


def judge(folder: Path, mutants: list[Mutant]) -> dict[str, dict[str, Any]]:
    """name -> {"outcome", "by"} of every mutant, by the tests of the core; kept in the folder line by line."""
    results = folder / "results.jsonl"
    done = {line["mutant"] for line in read_lines(results)}
    left = [mutant.name for mutant in mutants if mutant.name not in done]
    if left:
        write_json(folder / "plan.json", {"mutants": left, "results": str(results), "limits": LIMITS})
        arguments = ("-p", "proofs_checks.mutation_judge", "-k", f"not {LEFT_OUT}", *JUDGES)
        if status := _pytest(folder, *arguments, MUTATION_PLAN=str(folder / "plan.json")):
            raise SystemExit(f"the judges could not run (pytest says {status}); do the tests pass without a mutant?")
    return {line["mutant"]: line for line in read_lines(results)}


def second_look(folder: Path, mutant: Mutant, outcome: str) -> tuple[str, str | None]:
    """Timeouts again in a fresh process, by the same tests; survivors by the checks of this package."""
    if outcome in ("timeout", "crash"):
        if _pytest(folder, "-k", f"not {LEFT_OUT}", *JUDGES, MUTANT_UNDER_TEST=mutant.name) == 1:
            return "killed", "a fresh process"
        outcome = "survived"
    if _pytest(folder, "proofs_checks/test_checks.py", MUTANT_UNDER_TEST=mutant.name) == 1:
        return "killed", "proofs_checks/test_checks.py"
    return "survived", None


# the verdict --------------------------------------------------------------------------------------


def allow_list(path: Path = EQUIVALENT) -> dict[tuple[str, str, str, str], str]:
    """Mutant -> reason why no test can tell it from the original."""
    reasons: dict[tuple[str, str, str, str], str] = {}
    for group in yaml.safe_load(path.read_text(encoding="utf-8")):
        for one in group["mutants"]:
            key = (group["file"], group["function"], one["original"].strip(), one["mutated"].strip())
            if key in reasons:
                raise ValueError(f"{path.name}: {key} is listed twice")
            reasons[key] = " ".join(group["reason"].split())
    return reasons


def verdict(
    mutants: list[Mutant], outcomes: dict[str, str], reasons: dict[tuple[str, str, str, str], str]
) -> tuple[list[Mutant], list[tuple[str, str, str, str]]]:
    """Survivors without a reason, and reasons without a survivor."""
    survivors = [mutant for mutant in mutants if outcomes[mutant.name] != "killed"]
    files = {mutant.file for mutant in mutants}
    alive = {mutant.key for mutant in survivors}
    return [m for m in survivors if m.key not in reasons], [k for k in reasons if k[0] in files and k not in alive]


def run(folder: Path, files: tuple[str, ...]) -> dict[str, Any]:
    """Judge all mutants of the files; the result as data."""
    mutants, words = prepare(folder)
    mutants = [mutant for mutant in mutants if mutant.file in files]
    first, reasons = judge(folder, mutants), allow_list()
    outcomes, by = {}, {}
    for mutant in mutants:
        outcome, judged_by = first[mutant.name]["outcome"], first[mutant.name]["by"]
        if outcome != "killed" and (outcome in ("timeout", "crash") or mutant.key not in reasons):
            outcome, judged_by = second_look(folder, mutant, outcome)
        outcomes[mutant.name], by[mutant.name] = outcome, judged_by
    unexplained, stale = verdict(mutants, outcomes, reasons)
    counts = {}
    for file in files:
        mine = [mutant for mutant in mutants if mutant.file == file]
        killed = sum(outcomes[mutant.name] == "killed" for mutant in mine)
        counts[file] = {
            "mutants": len(mine),
            "killed": killed,
            "equivalent": sum(outcomes[m.name] != "killed" and m.key in reasons for m in mine),
            "unexplained": sum(m.file == file for m in unexplained),
            "timed_out_at_first": sum(first[m.name]["outcome"] == "timeout" for m in mine),
            "words_of_errors_not_tried": words[file],
        }
    names = {guarantee.name: guarantee.test for guarantee in guarantees.BETWEEN_PROCESSES}
    explained = [m for m in mutants if outcomes[m.name] != "killed" and m.key in reasons]
    return {
        "counts": counts,
        "unexplained": [vars(mutant) for mutant in unexplained],
        "stale": [dict(zip(("file", "function", "original", "mutated"), key, strict=True)) for key in stale],
        "equivalent": [{**vars(mutant), "reason": reasons[mutant.key]} for mutant in explained],
        "red_without": {name: (names[name] if red else None) for name, red in guarantees.between_processes().items()},
        "killed_by": dict(Counter(test.partition("[")[0] for test in by.values() if test).most_common()),
    }


# output -------------------------------------------------------------------------------------------


def table(counts: dict[str, dict[str, int]]) -> str:
    """Counts as Markdown, one row a file."""
    columns = list(next(iter(counts.values())))
    rows = {**counts, "**all**": {c: sum(row[c] for row in counts.values()) for c in columns}}
    lines = ["| file | " + " | ".join(c.replace("_", " ") for c in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(f"{row[c]}" for c in columns) + " |" for name, row in rows.items()]
    return "\n".join(lines)


def _code(text: str) -> str:
    return "<br>".join(f"`{line}`".replace("|", "\\|") for line in text.splitlines()) or "(nothing)"


def page(result: dict[str, Any]) -> str:
    """The result for a reader."""
    code, environment = result["provenance"]["code"], result["provenance"]["environment"]
    commit = (code["commit"] or "unknown")[:12] + (" with changes" if code["dirty"] else "")
    lines = [
        "# Mutation testing of the core",
        "",
        f"Written by `python -m proofs_checks.mutation` on {result['provenance']['date']}, commit {commit}, sources "
        f"{code['sources']}, torch {environment['torch']}, mutmut {environment['mutmut']}, Python "
        f"{environment['python']}, one thread. Judges: {', '.join(JUDGES)} without the tests of torch.compile, then "
        "`proofs_checks/test_checks.py` for what they leave. The rules are in `proofs_checks/mutation.py`.",
        "",
        table(result["counts"]),
        "",
        "## Survivors that no test can tell from the original",
        "",
        "| file | function | original | mutant | why |",
        "|---|---|---|---|---|",
    ]
    for m in result["equivalent"]:
        reason = m["reason"].replace("|", "\\|")
        lines.append(f"| {m['file']} | {m['function']} | {_code(m['original'])} | {_code(m['mutated'])} | {reason} |")
    lines += [
        "",
        "## Guarantees that can be taken away, and what then goes red",
        "",
        "Those between processes by this run, the others by `tests/test_guarantees.py`.",
        "",
        guarantees.table(),
    ]
    if result["unexplained"]:
        lines += ["", "## Survivors without an explanation", ""]
        lines += [f"- {m['name']}: {_code(m['original'])} became {_code(m['mutated'])}" for m in result["unexplained"]]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m proofs_checks.mutation", description=__doc__, formatter_class=plain
    )
    parser.add_argument("--file", action="append", choices=FILES, help="only this file; writes no result")
    parser.add_argument("--out", type=Path, default=Path("outputs/proofs"), help="where the copies and the results go")
    parser.add_argument("--fresh", action="store_true", help="do not go on with an interrupted run")
    options = parser.parse_args(arguments)
    source = {**provenance(), "date": now(), "judged": fingerprint()}
    source["environment"]["mutmut"] = importlib.metadata.version("mutmut")
    folder = (options.out / f"mutation-{fingerprint()}").resolve()
    if options.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    result = {"provenance": source, **run(folder, tuple(options.file or FILES))}
    if not options.file:
        write_json(RESULTS / "mutation.json", result)
        write_text(RESULTS / "mutation.md", page(result))
    print(table(result["counts"]))
    for mutant in result["unexplained"]:
        print(f"RED  {mutant['name']} survives\n  - {mutant['original']}\n  + {mutant['mutated']}", file=sys.stderr)
    for entry in result["stale"]:
        print(f"RED  {EQUIVALENT.name} explains what does not survive: {json.dumps(entry)}", file=sys.stderr)
    green = [name for name, test in result["red_without"].items() if test is None]
    for name in green:
        print(f"RED  without the guarantee {name!r} its test stays green", file=sys.stderr)
    return 1 if result["unexplained"] or result["stale"] or green else 0


if __name__ == "__main__":
    sys.exit(main())

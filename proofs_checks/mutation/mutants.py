"""Which files are mutated, the mutants that mutmut makes of them, and the copy of the sources they are tried in."""

from __future__ import annotations

import ast
import contextlib
import difflib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

from proofs_checks import ROOT

NAMES = ("streaming", "objective", "joint", "coding", "information")
FILES = tuple(f"musiclib/{name}.py" for name in NAMES)
JUDGES = tuple(f"tests/test_{name}.py" for name in NAMES)


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


# the copy -----------------------------------------------------------------------------------------


def sources() -> list[Path]:
    """The files that a run depends on."""
    paths = [*ROOT.glob("musiclib/**/*.py"), *ROOT.glob("proofs_checks/**/*.py"), ROOT / "tests" / "conftest.py"]
    paths += [ROOT / "tests" / "oracles.py", *(ROOT / judge for judge in JUDGES), ROOT / "pyproject.toml"]
    return sorted(paths)


def fingerprint() -> str:
    """12 hexadecimal digits over the sources of a run."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def copy_files(folder: Path, paths: Iterable[Path]) -> None:
    """Copy files of the repository into `folder`, each to its own place."""
    for path in paths:
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def run_pytest(folder: Path, *arguments: str, quiet: bool = False, **environment: str) -> int:
    """Run pytest in the copy, on one thread; returns its exit status, 1 where a test failed."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=native", "-p", "no:cacheprovider", *arguments]
    variables = {**os.environ, **one, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, cwd=folder, env=variables, stdout=output, check=False).returncode


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
    """Mutate a module: its code with all mutants behind a switch, those to try, and how many are words of an error."""
    # mutmut reads its section of pyproject.toml from the working directory
    with contextlib.chdir(ROOT):
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

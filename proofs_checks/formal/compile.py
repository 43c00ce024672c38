"""Compile the formal core with Coq, and ask what its theorems assume.

Fails, in one line, if a file or a theorem is missing, if a source holds an unproven statement (`Admitted`, `Axiom`,
...), if a file does not compile, or if `Print Assumptions` names anything beyond `ALLOWED_AXIOMS`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from proofs_checks.formal.theorems import ALLOWED_AXIOMS, THEOREMS, Theorem

FOLDER = Path(__file__).resolve().parent

FORBIDDEN = re.compile(
    r"\b(Admitted|admit|give_up|Abort|Axioms?|Parameters?|Conjecture|bypass_check|type_in_type"
    r"|Unset\s+(?:Guard|Positivity|Universe)\s+Checking)\b"
)
"""Words by which a file compiles without a proof."""

TIME_LIMIT = 600.0
"""Seconds that one file may take: a guard against a proof search that does not end, no measure."""


class FormalError(RuntimeError):
    """The formal core does not stand; the message is one line that says what is wrong."""


class CoqMissing(RuntimeError):
    """There is no `coqc` on this machine."""


@dataclass(frozen=True)
class Compiled:
    """What a compilation showed: Coq's version, seconds, hash of the sources, axioms of all theorems together."""

    coq: str
    seconds: float
    sources: str
    axioms: tuple[str, ...]


def read_sources(folder: Path = FOLDER) -> dict[str, str]:
    """The text of every Coq source by its name, sorted."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.v"))}


def hash_of(sources: Mapping[str, str]) -> str:
    """12 hexadecimal digits over names and contents."""
    digest = hashlib.sha256()
    for name, text in sorted(sources.items()):
        digest.update(f"{name}\0{len(text.encode())}\0{text}".encode())
    return digest.hexdigest()[:12]


def without_comments(text: str) -> str:
    """Coq text with its comments, which may be nested, replaced by blanks; line breaks stay."""
    kept, depth = [], 0
    for part in re.split(r"(\(\*|\*\))", text):
        if part == "(*":
            depth += 1
        elif part == "*)" and depth:
            depth -= 1
        else:
            kept.append(re.sub(r"[^\n]", " ", part) if depth else part)
    return "".join(kept)


def requirements(text: str) -> list[str]:
    """Names of the files that a source requires from this folder."""
    lines = re.findall(r"^From Music Require Import ([\w\s]+)\.", without_comments(text), flags=re.MULTILINE)
    return [f"{name}.v" for line in lines for name in line.split()]


def in_order(sources: Mapping[str, str]) -> list[str]:
    """The files, each after those that it requires."""
    done: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise FormalError(f"{name} requires itself through {' -> '.join(path)}")
        if name not in sources:
            raise FormalError(f"{name} is missing; {path[-1] if path else 'the list of theorems'} needs it")
        if name not in done:
            for required in requirements(sources[name]):
                visit(required, (*path, name))
            done.append(name)

    for name in sources:
        visit(name, ())
    return done


def statement_of(theorem: Theorem, sources: Mapping[str, str]) -> str:
    """A theorem's statement as it stands in its file, from `Theorem` to before `Proof`."""
    if theorem.file not in sources:
        raise FormalError(f"{theorem.file} is missing; theorem {theorem.name} stands there")
    found = re.findall(rf"^Theorem {theorem.name} .*?(?=^Proof)", sources[theorem.file], flags=re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        raise FormalError(f"{theorem.file}: theorem {theorem.name} stands there {len(found)} times, expected once")
    return found[0].strip()


def check_text(sources: Mapping[str, str], theorems: Sequence[Theorem] = THEOREMS) -> None:
    """Refuse sources that hold an unproven statement or lack a theorem, before any compilation."""
    for theorem in theorems:
        statement_of(theorem, sources)
    for name, text in sources.items():
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            if found := FORBIDDEN.search(line):
                raise FormalError(f"{name}:{number}: {found[0]!r} leaves something unproven")


def coqc() -> str:
    """The compiler's path."""
    path = shutil.which("coqc")
    if path is None:
        raise CoqMissing("coqc is not on this machine; Debian has it as the package coq: apt-get install coq")
    return path


def run_coqc(file: Path, library: Path) -> tuple[int, str]:
    """Compile one file, with the compiled files of `library` at hand: (exit status, what was printed)."""
    command = [coqc(), "-q", "-Q", str(library), "Music", str(file)]
    try:
        done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return 1, f"not done after {TIME_LIMIT:.0f} s"
    return done.returncode, done.stdout + done.stderr


def first_error(printed: str) -> str:
    """Coq's complaint in one line: the place and the first line of the message."""
    place = re.search(r'File "[^"]*?([\w.]+\.v)", line (\d+)', printed)
    message = " ".join(printed[printed.find("Error") :].split())[:200] if "Error" in printed else printed.strip()[:200]
    return f"{place[1]}:{place[2]}: {message}" if place else message


def compile_into(library: Path, sources: Mapping[str, str]) -> None:
    """Write the sources to `library`, and compile them there."""
    for name, text in sources.items():
        (library / name).write_text(text, encoding="utf-8")
    for name in in_order(sources):
        status, printed = run_coqc(library / name, library)
        if status:
            raise FormalError(f"does not compile: {first_error(printed)}")


def axioms_of(library: Path, theorems: Sequence[Theorem] = THEOREMS) -> tuple[str, ...]:
    """What `Print Assumptions` names for the theorems taken together, sorted."""
    modules = sorted({Path(theorem.file).stem for theorem in theorems})
    together = ", ".join(f"@Music.{Path(theorem.file).stem}.{theorem.name}" for theorem in theorems)
    file = library / "ask_assumptions.v"
    file.write_text(
        f"From Music Require {' '.join(modules)}.\nDefinition together := ({together}).\nPrint Assumptions together.\n"
    )
    status, printed = run_coqc(file, library)
    if status:
        raise FormalError(f"Print Assumptions failed: {first_error(printed)}")
    # an axiom stands at the beginning of a line, its type is indented; whatever else stands there is named too
    names = {line.split()[0] for line in printed.splitlines() if line.strip() and not line[0].isspace()}
    if not names & {"Axioms:", "Closed"}:
        raise FormalError(f"Print Assumptions did not answer, but said {printed.strip()[:100]!r}")
    return tuple(sorted(names - {"Axioms:", "Closed"}))


def check_axioms(library: Path, theorems: Sequence[Theorem] = THEOREMS) -> tuple[str, ...]:
    """Refuse an axiom that the standard library's real numbers do not bring along; returns the axioms used."""
    used = axioms_of(library, theorems)
    if foreign := sorted(set(used) - set(ALLOWED_AXIOMS)):
        guilty = [t.name for t in theorems if foreign[0] in axioms_of(library, [t])]
        raise FormalError(f"{', '.join(guilty)} assumes {foreign[0]}, which is none of the real numbers' own axioms")
    return used


def compile_core(folder: Path = FOLDER, theorems: Sequence[Theorem] = THEOREMS) -> Compiled:
    """Check, compile in a temporary folder, and ask for the axioms."""
    sources = read_sources(folder)
    check_text(sources, theorems)
    version = subprocess.run([coqc(), "--print-version"], capture_output=True, text=True, check=True).stdout.split()[0]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="formal-") as name:
        library = Path(name)
        compile_into(library, sources)
        axioms = check_axioms(library, theorems)
    return Compiled(version, time.perf_counter() - started, hash_of(sources), axioms)

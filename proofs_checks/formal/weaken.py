"""Show that the formal core says no more than is true: weaken each theorem, and see its file refused.

    python -m proofs_checks.formal.weaken             every theorem
    python -m proofs_checks.formal.weaken bound       some theorems

Prints a line a theorem: the edit, where Coq stops, and why the edited statement is false. Exit status 0 if every edit
is refused inside the proof of its theorem, 1 if one is not, 3 without coqc.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from proofs_checks.formal.compile import (
    CoqMissing,
    FormalError,
    check_text,
    compile_into,
    in_order,
    read_sources,
    requirements,
    run_coqc,
    statement_of,
)
from proofs_checks.formal.theorems import THEOREMS, Theorem
from proofs_checks.formal.weakenings import WEAKENINGS, Weakening


def needed_by(theorems: Sequence[Theorem], sources: Mapping[str, str]) -> dict[str, str]:
    """The sources that the theorems' files require, directly or not; the files themselves only where one needs them."""
    needed: set[str] = set()
    waiting = [required for t in theorems for required in requirements(sources[t.file])]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += requirements(sources[name])
    return {name: sources[name] for name in in_order(sources) if name in needed}


def edited(theorem: Theorem, weakening: Weakening, sources: Mapping[str, str]) -> tuple[str, range]:
    """The theorem's file with its statement edited, cut off after its proof, and the lines of that proof."""
    statement = statement_of(theorem, sources)
    if statement.count(weakening.old) != 1:
        raise FormalError(f"{theorem.name}: {weakening.old!r} stands {statement.count(weakening.old)} times in it")
    text = sources[theorem.file]
    begin = text.index(statement)
    end = text.index("Qed.", begin) + len("Qed.")
    changed = text[:begin] + text[begin:end].replace(weakening.old, weakening.new, 1)
    first = text[: text.index("Proof", begin)].count("\n") + 1
    return changed + "\n", range(first, changed.count("\n") + 2)


def refusal(theorem: Theorem, weakening: Weakening, sources: Mapping[str, str], library: Path) -> int | None:
    """The line of the proof at which Coq refuses the edited theorem; None if it compiles.

    `library` holds the compiled files that the theorem's file requires. An edit that is refused outside the proof, by
    the parser or the type checker, shows nothing and raises FormalError.
    """
    text, proof = edited(theorem, weakening, sources)
    with tempfile.TemporaryDirectory(prefix="weakened-") as folder:
        file = Path(folder) / theorem.file
        file.write_text(text, encoding="utf-8")
        status, printed = run_coqc(file, library)
    if status == 0:
        return None
    found = re.search(r'", line (\d+), characters', printed)
    line = int(found[1]) if found else 0
    if line not in proof:
        raise FormalError(
            f"{theorem.name}: the edit is refused at line {line}, outside of the proof: {printed.strip()}"
        )
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Weaken the named theorems, or all; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m proofs_checks.formal.weaken",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="THEOREM", help="only these theorems")
    options = parser.parse_args(arguments)
    known = {theorem.name: theorem for theorem in THEOREMS}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"unknown theorem {unknown[0]!r}: there are {', '.join(known)}")
    chosen = [known[name] for name in options.names] or list(THEOREMS)
    sources, failed = read_sources(), 0
    try:
        check_text(sources, chosen)
        with tempfile.TemporaryDirectory(prefix="formal-") as folder:
            compile_into(Path(folder), needed_by(chosen, sources))
            for theorem in chosen:
                edit = WEAKENINGS[theorem.name]
                line = refusal(theorem, edit, sources, Path(folder))
                failed += line is None
                seen = "COMPILES" if line is None else f"refused at {theorem.file}:{line}"
                print(f"{theorem.name:<32}{seen:<30}{edit.old!r} to {edit.new!r}: {edit.because}", flush=True)
    except CoqMissing as missing:
        print(missing, file=sys.stderr)
        return 3
    except FormalError as error:
        print(f"RED  {error}", file=sys.stderr)
        return 1
    print(f"\n{len(chosen) - failed} of {len(chosen)} weakened theorems refused.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

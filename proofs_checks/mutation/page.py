"""The result of the mutation run, and the guarantees, as Markdown."""

from __future__ import annotations

from typing import Any

from proofs_checks.mutation.guarantees import BETWEEN_PROCESSES, GUARANTEES, MUTATIONS
from proofs_checks.mutation.mutants import JUDGES
from proofs_checks.mutation.verdict import CHECKS
from proofs_checks.report import describe_origin, markdown_table


def _code(text: str) -> str:
    return "<br>".join(f"`{line.strip()}`" for line in text.splitlines()) or "(nothing)"


def counts_table(counts: dict[str, dict[str, int]]) -> str:
    """Counts as Markdown, one row a file."""
    columns = list(next(iter(counts.values())))
    rows = {**counts, "**all**": {c: sum(row[c] for row in counts.values()) for c in columns}}
    head = "| file | " + " | ".join(c.replace("_", " ") for c in columns) + " |"
    return markdown_table(head, [[name, *(f"{row[c]}" for c in columns)] for name, row in rows.items()])


def guarantees_table() -> str:
    """All guarantees as Markdown: the line of each, and what goes red without it."""
    rows = [
        (
            g.name, f"`{g.function}`", _code(g.line), _code(g.instead), f"`{g.test}`", f"`{g.check}`" if g.check else ""
        )
        for g in (*GUARANTEES, *BETWEEN_PROCESSES)
    ]  # fmt: skip
    return markdown_table("| guarantee | function | line | instead | test that goes red | check that goes red |", rows)


def mutations_table() -> str:
    """All mutations by hand as Markdown, each with the test that notices."""
    rows = [(m.name, f"`{m.function}`", _code(m.line), _code(m.instead), f"`{m.test}`") for m in MUTATIONS]
    return markdown_table("| what would be wrong | function | line | instead | test that goes red |", rows)


def rest_page(result: dict[str, Any]) -> str:
    """Mutants outside the core: counts by file, and every survivor."""
    files = result["files"]
    counts = [
        (
            file,
            *(f"{found.get(c, 0)}" for c in ("mutants", "tried", "killed")),
            f"{len(found.get('survivors', []))}",
            f"{found.get('undecided', 0)}",
            found["problem"] or "",
        )
        for file, found in files.items()
    ]
    survivors = [
        (m["file"], m["function"], _code(m["original"]), _code(m["mutated"]), m["outcome"])
        for found in files.values()
        for m in found.get("survivors", [])
    ]
    parts = [
        "# Mutants outside the core",
        f"{describe_origin('python -m proofs_checks.mutation --rest', result['provenance'])}, {result['minutes']:g} "
        "minutes. A survivor is a question: a test may be missing, or no test can tell.",
        markdown_table("| file | mutants | tried | killed | survived | undecided | problem |", counts),
        "## Survivors",
        markdown_table("| file | function | original | mutant | outcome |", survivors),
    ]
    return "\n\n".join(parts) + "\n"


def page(result: dict[str, Any]) -> str:
    """The result for a reader."""
    code, environment = result["provenance"]["code"], result["provenance"]["environment"]
    origin = describe_origin("python -m proofs_checks.mutation", result["provenance"])
    equivalent = [
        (m["file"], m["function"], _code(m["original"]), _code(m["mutated"]), m["reason"]) for m in result["equivalent"]
    ]
    parts = [
        "# Mutation testing of the core",
        f"{origin}, sources {code['sources']}, torch {environment['torch']}, mutmut {environment['mutmut']}, Python "
        f"{environment['python']}, one thread. Judges: {', '.join(JUDGES)} without the tests of torch.compile, then "
        f"`{CHECKS}` for what they leave. The rules are in `proofs_checks/mutation/__init__.py`.",
        counts_table(result["counts"]),
        "## Survivors that no test can tell from the original",
        markdown_table("| file | function | original | mutant | why |", equivalent),
        "## Guarantees that can be taken away, and what then goes red",
        "Those between processes by this run, the others by `tests/test_guarantees.py`.",
        guarantees_table(),
    ]
    if result["unexplained"]:
        lines = [f"- {m['name']}: {_code(m['original'])} became {_code(m['mutated'])}" for m in result["unexplained"]]
        parts += ["## Survivors without an explanation", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"

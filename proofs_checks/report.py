"""From trials to tables: one row a claim, the kill matrix, the table of the README, and the one Markdown table."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from proofs_checks.claims import CLAIMS, checks_of
from proofs_checks.formal.record import describe_mark, read_marks
from proofs_checks.formal.theorems import PARTS, THEOREMS, Theorem
from proofs_checks.register import CHECKS, Claim
from proofs_checks.trial import Trial
from proofs_checks.wrong import MUTANTS


@dataclass(frozen=True)
class Row:
    """What a run saw of one claim.

    checks: how many carry it; tried: examples; slack: the smallest of its inequalities, None if it has none; share: the
    largest share of a tolerance that an equality used; killed: how many of its controls went red; green: whether all is
    as registered.
    """

    id: str
    verdict: str
    statement: str
    checks: int
    tried: int
    slack: float | None
    share: float
    killed: int
    controls: int
    green: bool


def row_of(claim: Claim, trials: Mapping[str, Trial]) -> Row:
    """The row of a claim, from the trials of the checks that carry it."""
    mine = [trials[check.name] for check in checks_of(claim)]
    slacks = [trial.slack for trial in mine if trial.slack is not None]
    declared = [(trial.controls.get(name), name) for trial in mine for name in CHECKS[trial.check].kills]
    verdicts = [verdict for verdict, _ in declared] + [v for trial in mine for v in trial.premises.values()]
    return Row(
        id=claim.id,
        verdict=claim.verdict,
        statement=claim.statement,
        checks=len(mine),
        tried=sum(trial.tried for trial in mine),
        slack=min(slacks, default=None),
        share=max((trial.share for trial in mine), default=0.0),
        killed=sum(verdict == "refuted" for verdict in verdicts),
        controls=len(verdicts),
        green=bool(mine) and all(trial.green for trial in mine),
    )


def _scientific(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}e}"


def text_table(rows: list[Row]) -> str:
    """Rows as a table for a terminal."""
    width = max(20, shutil.get_terminal_size((140, 24)).columns - 95)
    marks = read_marks()
    lines = [
        f"{'':2}{'claim':<6}{'verdict':<22}{'Coq':<6}{'checks':>6}{'examples':>10}{'slack':>11}{'error/tol':>11}{'controls':>10}"
        f"   statement"
    ]
    for row in rows:
        controls = f"{row.killed}/{row.controls}"
        formal = "-" if row.id not in marks else "part" if marks[row.id] else "yes"
        lines.append(
            f"{'ok' if row.green else '!!':<3}{row.id:<5}{row.verdict:<22}{formal:<6}{row.checks:>6}{row.tried:>10}"
            f"{_scientific(row.slack, 2):>11}{_scientific(row.share):>11}{controls:>10}   "
            f"{textwrap.shorten(row.statement, width, placeholder=' ...')}"
        )
    return "\n".join(lines)


def failures(trials: Mapping[str, Trial]) -> list[str]:
    """What is not as registered, one line each."""
    lines = []
    for name, trial in sorted(trials.items()):
        if trial.verdict != "held":
            lines.append(f"{name} {trial.verdict}: {trial.message}")
        lines += [
            f"{name} does not refute {mutant} ({trial.controls.get(mutant, 'not tried')})"
            for mutant in CHECKS[name].kills
            if trial.controls.get(mutant) != "refuted"
        ]
        lines += [f"{name} holds without its premise: {p}" for p, v in trial.premises.items() if v != "refuted"]
    return lines


# the kill matrix ----------------------------------------------------------------------------------


def survivors(trials: Mapping[str, Trial]) -> list[str]:
    """Wrong losses that no check refutes."""
    return [m for m in MUTANTS if not any(trial.controls.get(m) == "refuted" for trial in trials.values())]


def matrix_table(trials: Mapping[str, Trial]) -> str:
    """The kill matrix as text: a line a wrong loss, a mark a check, and how many checks refute the loss.

    X: declared and refuted; x: refuted; !: crashed; .: held.
    """
    names = sorted(trials, key=lambda name: (CHECKS[name].section, name))
    lines = [f"{number:>4}  {CHECKS[name].section}.{name}" for number, name in enumerate(names, 1)]
    lines += ["", " " * 28 + "".join(str(number % 10) for number in range(1, len(names) + 1)) + "  refuted by"]
    for mutant in MUTANTS:
        marks = ""
        for name in names:
            verdict = trials[name].controls.get(mutant, "not tried")
            declared = mutant in CHECKS[name].kills
            marks += {"refuted": "X" if declared else "x", "crashed": "!", "held": "."}.get(verdict, "?")
        count = sum(mark in "Xx" for mark in marks)
        lines.append(f"{mutant:<28}{marks}  {count if count else 'NONE: survives'}")
    return "\n".join(lines)


def matrix_json(trials: Mapping[str, Trial]) -> dict:
    """The kill matrix as data: refuted[wrong loss] = names of the checks, crashed likewise, survivors."""

    def checks_that(verdict: str) -> dict[str, list[str]]:
        return {m: sorted(n for n, t in trials.items() if t.controls.get(m) == verdict) for m in MUTANTS}

    return {
        "checks": {name: {"section": CHECKS[name].section, "declared": list(CHECKS[name].kills)} for name in trials},
        "refuted": checks_that("refuted"),
        "crashed": checks_that("crashed"),
        "survivors": survivors(trials),
    }


# markdown -----------------------------------------------------------------------------------------


def markdown_table(head: str, rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of rows of cells, in which a pipe and a line break are no mark-up; `head` is its first line."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *map(line, rows)])


def describe_origin(command: str, source: Mapping[str, Any]) -> str:
    """The beginning of a stored page: the command, date and commit that it comes from."""
    commit = (source["code"]["commit"] or "unknown")[:12] + (" with changes" if source["code"]["dirty"] else "")
    return f"Written by `{command}` on {source['date']}, commit {commit}"


def _verdict(claim: Claim, marks: Mapping[str, str | None]) -> str:
    mark = describe_mark(claim.id, claim.rests_on, marks)
    return f"**{claim.verdict}**" + (f", *{mark}*" if mark else "")


def readme_table() -> str:
    """The authors' words with their verdicts, exact premises and, where the words allow one, a weaker reading that is
    true: the table of the README, from the register and the record of the machine-checked core."""
    rows, marks = [], read_marks()
    for claim in CLAIMS.values():
        if claim.words:
            exact = claim.premises if claim.corrected is None else f"True instead: {claim.corrected}"
            exact += f" {claim.where}" if claim.where else ""
            words = f"“{claim.words}”" + ("" if claim.source == "excerpt" else f" ({claim.source})")
            rows.append((claim.id, words, claim.statement, _verdict(claim, marks), exact, claim.fair or ""))
    return markdown_table("| | The words | Read as | Verdict | Exactly when | A weaker reading that is true |", rows)


def claims_table(rows: list[Row]) -> str:
    """Every claim with formula, premises, verdict, proof, and what the last run saw."""
    marks = read_marks()

    def cells(row: Row, claim: Claim) -> tuple[str, ...]:
        return (
            claim.id,
            claim.statement,
            f"${claim.latex}$",
            claim.premises,
            _verdict(claim, marks)
            + (f": {claim.corrected}" if claim.corrected else "")
            + (f" A weaker reading is true: {claim.fair}" if claim.fair else ""),
            claim.proof + (f" {claim.where}" if claim.where else ""),
            ", ".join(check.name for check in checks_of(claim)),
            f"{row.tried}",
            _scientific(row.slack),
            _scientific(row.share),
            f"{row.killed}/{row.controls}",
        )

    head = "| | Statement | Formula | Premises | Verdict | Proof "
    head += "| Checks | Examples | Slack | Error/tolerance | Controls |"
    return markdown_table(head, [cells(row, CLAIMS[row.id]) for row in rows])


def theorems_table() -> str:
    """The theorems of the formal core with their claims: the table of its README."""

    def claims_of(theorem: Theorem) -> str:
        return ", ".join(claim + (" (part)" if claim in PARTS else "") for claim in theorem.claims)

    rows = [(claims_of(t), t.says, f"`{t.name}`", f"[{t.file}]({t.file})") for t in THEOREMS]
    parts = [f"- {claim}: {part}." for claim, part in PARTS.items()]
    table = markdown_table("| Claim | Says | Theorem | File |", rows)
    return "\n".join([table, "", "In part:", "", *parts])


def claims_json(rows: list[Row], trials: Mapping[str, Trial]) -> dict:
    """Rows, claims and trials as data."""
    marks = read_marks()

    def of(row: Row) -> dict:
        claim = CLAIMS[row.id]
        formal = describe_mark(claim.id, claim.rests_on, marks) or None
        return {**asdict(claim), **asdict(row), "names": [c.name for c in checks_of(claim)], "formal": formal}

    return {
        "claims": [of(row) for row in rows],
        "trials": {name: asdict(trial) for name, trial in sorted(trials.items())},
        "failures": failures(trials),
    }

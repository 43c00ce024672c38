"""From trials to tables: one row a claim, the kill matrix, and the table of the README."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from proofs_checks.claims import CLAIMS, checks_of
from proofs_checks.mutants import MUTANTS
from proofs_checks.register import CHECKS, Claim
from proofs_checks.trial import Trial


@dataclass(frozen=True)
class Row:
    """One claim: how many checks carry it, examples tried, smallest slack of its inequalities (None if it has none),
    largest share of a tolerance that an equality used, controls gone red of all, and whether all is as registered."""

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


def text_table(rows: list[Row]) -> str:
    """Rows for a terminal."""
    width = max(20, shutil.get_terminal_size((140, 24)).columns - 89)
    lines = [
        f"{'':2}{'claim':<6}{'verdict':<22}{'checks':>6}{'examples':>10}{'slack':>11}{'error/tol':>11}{'controls':>10}"
        f"   statement"
    ]
    for row in rows:
        slack = "-" if row.slack is None else f"{row.slack:.2e}"
        controls = f"{row.killed}/{row.controls}"
        lines.append(
            f"{'ok' if row.green else '!!':<3}{row.id:<5}{row.verdict:<22}{row.checks:>6}{row.tried:>10}{slack:>11}"
            f"{row.share:>11.1e}{controls:>10}   {textwrap.shorten(row.statement, width, placeholder=' ...')}"
        )
    return "\n".join(lines)


def failures(trials: Mapping[str, Trial]) -> list[str]:
    """One line for everything that is not as registered."""
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
    """Wrong losses by checks: X declared and refuted, x refuted, ! crashed, . held, and how many refute each."""
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
    return {
        "checks": {name: {"section": CHECKS[name].section, "declared": list(CHECKS[name].kills)} for name in trials},
        "refuted": {m: sorted(n for n, t in trials.items() if t.controls.get(m) == "refuted") for m in MUTANTS},
        "crashed": {m: sorted(n for n, t in trials.items() if t.controls.get(m) == "crashed") for m in MUTANTS},
        "survivors": survivors(trials),
    }


# markdown -----------------------------------------------------------------------------------------


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def readme_table() -> str:
    """The paper's words with their verdicts and exact premises: the table of the README, from the register alone."""
    lines = ["| | The words | Read as | Verdict | Exactly when |", "|---|---|---|---|---|"]
    for claim in CLAIMS.values():
        if claim.words:
            exact = claim.premises if claim.corrected is None else f"True instead: {claim.corrected}"
            exact += f" {claim.where}" if claim.where else ""
            cells = (claim.id, f"“{claim.words}”", claim.statement, f"**{claim.verdict}**", exact)
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def claims_table(rows: list[Row]) -> str:
    """Every claim with formula, premises, verdict, proof, and what the last run saw."""
    lines = [
        "| | Statement | Formula | Premises | Verdict | Proof | Checks | Examples | Slack | Error/tolerance "
        "| Controls |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        claim = CLAIMS[row.id]
        cells = (
            claim.id,
            claim.statement,
            f"${claim.latex}$",
            claim.premises,
            f"**{claim.verdict}**" + (f": {claim.corrected}" if claim.corrected else ""),
            claim.proof + (f" {claim.where}" if claim.where else ""),
            ", ".join(check.name for check in checks_of(claim)),
            f"{row.tried}",
            "-" if row.slack is None else f"{row.slack:.1e}",
            f"{row.share:.1e}",
            f"{row.killed}/{row.controls}",
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _names(claim: str) -> list[str]:
    return [check.name for check in checks_of(CLAIMS[claim])]


def claims_json(rows: list[Row], trials: Mapping[str, Trial]) -> dict:
    """Rows, claims and trials as data."""
    return {
        "claims": [
            {**asdict(CLAIMS[row.id]), **asdict(row), "names": [c.name for c in checks_of(CLAIMS[row.id])]}
            for row in rows
        ],
        "trials": {name: asdict(trial) for name, trial in sorted(trials.items())},
        "failures": failures(trials),
    }

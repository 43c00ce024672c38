"""The verdict table of a target: a row a claim of the register, and which wrong losses fail alike.

A check of numerics speaks for the claims of numerics, those that no other section carries: coarse arithmetic refutes
no equation.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from proofs_checks.claims import checks_of
from proofs_checks.conformance.alike import Likeness, fails_like
from proofs_checks.conformance.judge import NUMERICS, Finding
from proofs_checks.conformance.limits import Limits
from proofs_checks.register import CHECKS, Check, Claim
from proofs_checks.report import markdown_table

ORDER = ("refuted", "crashed", "within limits", "held in part", "held", "not asked")
"""Verdicts, the worst first; a claim's is the worst of its checks that were asked, and in part if some were not."""
MARKS = {
    "refuted": "!!",
    "crashed": "!!",
    "within limits": "~",
    "held in part": "(ok)",
    "held": "ok",
    "not asked": "--",
    "not stated": "--",
}


@dataclass
class Row:
    """What became of a claim: the worst verdict of its checks, how many of them were asked, the check that decided it
    (None unless red or within limits), and the wrong losses of the target's likeness that this claim's failures fit."""

    id: str
    statement: str
    verdict: str
    checks: int
    asked: int
    examples: int
    needs: list[str]
    decided: Finding | None = None
    alike: list[str] = field(default_factory=list)


@dataclass
class Report:
    """A target's rows, its limits, what it offers and lacks, and the wrong losses that fail like it."""

    target: str
    offers: list[str]
    lacks: list[str]
    limits: Limits
    rows: list[Row]
    findings: list[Finding]
    alike: list[Likeness]

    @property
    def red(self) -> list[Row]:
        """The rows that speak against the target."""
        return [row for row in self.rows if row.verdict in ("refuted", "crashed")]

    def count(self, verdict: str) -> int:
        """How many claims have that verdict."""
        return sum(row.verdict == verdict for row in self.rows)

    def data(self) -> dict[str, Any]:
        """As plain data."""
        words = {"limits_in_words": describe_limits(self.limits), "means": likeness_lines(self)}
        counts = {verdict: self.count(verdict) for verdict in ORDER}
        return {**asdict(self), "arithmetic": self.limits.arithmetic, **words, "verdicts": counts}


def decides(check: Check, claim: Claim) -> bool:
    """Whether a check of a claim may decide it."""
    sections = {one.section for one in CHECKS.values() if claim.id in one.claims}
    return check.section != NUMERICS or sections == {NUMERICS}


def row_of(claim: Claim, findings: Mapping[str, Finding], alike: Sequence[Likeness], refuted: Mapping) -> Row:
    """The row of a claim, from the findings of its checks."""
    mine = [findings[check.name] for check in checks_of(claim) if check.name in findings and decides(check, claim)]
    verdict = min((one.verdict for one in mine), key=ORDER.index, default="not asked")
    worst = [one for one in mine if one.verdict == verdict]
    needs = sorted({need for one in mine for need in one.needs})
    asked = sum(one.verdict != "not asked" for one in mine)
    if verdict == "held" and asked < len(mine):
        verdict = "held in part"
    row = Row(claim.id, claim.statement, verdict, len(mine), asked, sum(one.asked for one in mine), needs)
    if verdict not in ("held", "held in part", "not asked"):
        row.decided = max(worst, key=lambda one: one.off or 0.0)
        broken = {one.check for one in worst}
        row.alike = [one.name for one in alike if broken & set(refuted.get(one.name, ()))]
    return row


def report_of(
    target: Any, limits: Limits, findings: Sequence[Finding], claims: Sequence[Claim], refuted: Mapping[str, list[str]]
) -> Report:
    """Put findings together, for the given claims; `refuted` is the kill matrix."""
    by_name = {one.check: one for one in findings}
    failed = [one.check for one in findings if one.red]
    alike = fails_like(failed, [one.check for one in findings if one.verdict != "not asked"], refuted)
    rows = [row_of(claim, by_name, alike, refuted) for claim in claims]
    return Report(target.path, target.offers, target.lacks, limits, rows, list(findings), alike)


# text -------------------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """A difference with one digit."""
    return "" if value is None else f"{value:.1e}"


def describe_limits(limits: Limits) -> str:
    """Both limits in words."""
    reach = "no limit found" if limits.reach == math.inf else f"{limits.reach:.0f} nats"
    return f"Resolution {limits.resolution:.1e} ({limits.arithmetic}), reach of disagreement: {reach}."


def reason(row: Row) -> str:
    """Why a row is as it is, in one line."""
    one = row.decided
    if one is None:
        return f"needs {', '.join(row.needs)}" if row.verdict in ("not asked", "held in part") and row.needs else ""
    if row.verdict == "within limits":
        return f"{one.check}: " + (f"{one.what} off by {number(one.off)}" if one.what else "beyond its reach")
    what = f"; {one.what} {one.answer:.6g}, expected {one.expected:.6g}" if one.answer is not None else ""
    return f"{one.check}: {one.message}{what}; smallest example: {' '.join(one.example.split())}"


def summary(report: Report) -> str:
    """How many claims have which verdict."""
    counts = {verdict: report.count(verdict) for verdict in ORDER if report.count(verdict)}
    return f"{len(report.rows)} claims: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())}."


def likeness_lines(report: Report) -> list[str]:
    """What the failures usually mean: limits of arithmetic first, then the wrong losses."""
    if not any(one.red for one in report.findings):
        return []
    lines, limits = [], report.limits
    if limits.coarse:
        lines.append(f"computes in {limits.arithmetic}: a joint or codes that are cast, or autocast")
    if limits.reach < math.inf:
        lines.append(
            f"two views further apart than {limits.reach:.0f} nats are not told from each other: an agreement clamped "
            f"near {math.exp(-limits.reach):.0e}, or taken of codes instead of their logarithms"
        )
    lines += [f"fails like {one.name} ({one.share:.0%} in common): {one.fault}" for one in report.alike]
    return lines or ["fails like none of the wrong losses"]


def text(report: Report) -> str:
    """The verdict table for a terminal."""
    lines = [
        f"target {report.target}: offers {', '.join(report.offers)}; lacks {', '.join(report.lacks) or 'nothing'}",
        describe_limits(report.limits),
        "",
        f"{'':5}{'claim':<6}{'verdict':<15}{'asked':>7}{'examples':>10}{'off by':>10}   statement",
    ]
    for row in report.rows:
        off = number(row.decided.off) if row.decided else ""
        shares = f"{row.asked}/{row.checks}"
        statement = textwrap.shorten(row.statement, 76, placeholder=" ...")
        lines.append(
            f"{MARKS[row.verdict]:<5}{row.id:<6}{row.verdict:<15}{shares:>7}{row.examples:>10}{off:>10}   {statement}"
        )
        if why := reason(row):
            lines += textwrap.wrap(why, 130, initial_indent=" " * 9, subsequent_indent=" " * 11)
        if row.alike:
            lines.append(f"{'':9}as in {', '.join(row.alike)}")
    return "\n".join([*lines, "", summary(report), *likeness_lines(report)])


def markdown(data: Mapping[str, Any]) -> str:
    """A stored report (`Report.data()`) for a page: the claims of every verdict, then the failing ones with the check
    that decided, its smallest example and by how much."""
    by_verdict = {verdict: [row for row in data["rows"] if row["verdict"] == verdict] for verdict in ORDER}
    head = "| Verdict | Claims | Which |"
    counts = [
        (verdict, str(len(rows)), ", ".join(_partly(row) for row in rows))
        for verdict, rows in by_verdict.items()
        if rows
    ]
    parts = [f"`{data['target']}` offers {', '.join(data['offers'])}. {data['limits_in_words']}"]
    parts.append(markdown_table(head, counts))
    red = [*by_verdict["refuted"], *by_verdict["crashed"]]
    if red:
        rows = [(row["id"], *_cells(row["decided"]), ", ".join(f"`{x}`" for x in row["alike"])) for row in red]
        parts.append(markdown_table("| | Check | Says | Off by | Smallest example | As in |", rows))
        parts.append(f"What that usually means: {'; '.join(data['means'])}.")
    return "\n\n".join(parts)


def _partly(row: Mapping[str, Any]) -> str:
    whole = row["asked"] in (0, row["checks"])
    return row["id"] if whole else f"{row['id']} ({row['asked']}/{row['checks']})"


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    return f"`{one['check']}`", one["message"], number(one["off"]), " ".join(one["example"].split())

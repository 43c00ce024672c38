"""Committed evidence: the verdicts of the result sets that ship with the package, and where each comes from.

A newcomer's own runs are short and decide little. Beside their verdicts the report puts those of `reproduce/results/`,
computed now, by the same rules, from the records that are committed there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reproduce.judging import records, verdicts

RESULTS = Path(__file__).resolve().parents[1] / "results"
SAYS = {
    verdicts.REPRODUCED: 3,
    verdicts.NOT_REPRODUCED: 3,
    verdicts.UNDECIDED: 2,
    verdicts.NOT_TESTABLE: 1,
    verdicts.NOT_TESTED: 0,
}
"""How much a verdict says, whichever way it goes."""


@dataclass(frozen=True)
class Evidence:
    """One result set. where: its records, as a path of the repository. verdicts: by id of the rule. days: of its first
    and last run. devices, commits: all that its runs name."""

    name: str
    where: str
    verdicts: dict[str, verdicts.Verdict]
    runs: int
    days: tuple[str, str]
    devices: tuple[str, ...]
    commits: tuple[str, ...]

    def origin(self) -> str:
        """Where the numbers come from, in a line."""
        days = " to ".join(dict.fromkeys(d for d in self.days if d)) or "unknown days"
        code = f"commit {self.commits[0]}" if len(self.commits) == 1 else f"{len(self.commits)} commits"
        return f"{self.where}: {self.runs} runs, {days}, {'; '.join(self.devices)}, {code}"


def sets(except_for: Path | None = None, folder: Path = RESULTS) -> list[Path]:
    """The folders of the result sets that ship and hold records, without one of them."""
    found = [p.parent for p in sorted(folder.glob(f"*/{records.FILE}"))]
    return [p for p in found if except_for is None or p.resolve() != Path(except_for).resolve()]


def read(folder: Path, rules: list[dict]) -> Evidence:
    """The verdicts of a result set and its origin."""
    found = records.load(folder)
    trained = found.of_kind("pretrain")
    days = sorted(d[:10] for r in trained if (d := r["time"].get("started")))
    devices = [(r["environment"].get("device_name", "unknown"), r["environment"].get("threads")) for r in trained]
    root = RESULTS.parents[1]
    path = found.path.resolve()
    return Evidence(
        folder.name,
        (path.relative_to(root) if path.is_relative_to(root) else path).as_posix(),
        {v.rule["id"]: v for v in verdicts.judge(found.lines, rules)},
        len(trained),
        (days[0], days[-1]) if days else ("", ""),
        tuple(
            sorted(
                {
                    f"{name}, {threads} thread{'s' if threads > 1 else ''}" if threads else name
                    for name, threads in devices
                }
            )
        ),
        tuple(dict.fromkeys((r["code"].get("commit") or "unknown")[:10] for r in trained)),
    )


def strongest(found: Iterable[Evidence], rule: str) -> list[tuple[Evidence, verdicts.Verdict]]:
    """What the sets say of a rule: all those whose verdict says most, so that no set is preferred for the way its
    verdict goes; none where no set has tested it."""
    told = [(e, e.verdicts[rule]) for e in found if rule in e.verdicts]
    most = max((SAYS[v.verdict] for _, v in told), default=0)
    return [(e, v) for e, v in told if most and SAYS[v.verdict] == most]


def word(found: Iterable[Evidence], rule: str) -> str:
    """One word for what all sets say of a rule."""
    return verdicts.overall([v.verdict for _, v in strongest(found, rule)])

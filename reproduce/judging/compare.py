"""`compare A B`: what changed between two result sets beyond their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reproduce.judging import foreign, records, tables, verdicts
from reproduce.judging.statistics import LEVEL, Interval, paired_difference, welch_difference

SAME, CHANGED, WITHIN, UNKNOWN = "identical", "changed", "within uncertainty", "one run, uncertainty unknown"


@dataclass(frozen=True)
class Change:
    """One cell that both sets have: B - A, as fractions. paired: whether the difference is by seed."""

    where: str
    metric: str
    a: tables.Cell
    b: tables.Cell
    gap: Interval
    paired: bool
    word: str


@dataclass(frozen=True)
class Comparison:
    """cells: what both have. only_a, only_b: rows of one alone. verdicts: (claim id, word in A, word in B) where they
    differ."""

    cells: tuple[Change, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    verdicts: tuple[tuple[str, str, str], ...]
    problems: tuple[str, ...]


def compare(a: Path, b: Path) -> Comparison:
    """Compare the records of two results folders cell by cell. The same seeds on both sides are paired, others are
    not. Raises FileNotFoundError for a folder without records."""
    sets = []
    for folder in (a, b):
        if not (Path(folder) / records.FILE).is_file():
            raise FileNotFoundError(
                f"{folder} holds no {records.FILE}; give the folder of a result set, such as outputs/quick"
            )
        sets.append(records.load(folder))
    rows = [{(t.id, r.key): (t, r) for t in foreign.every_table(s.lines) for r in t.rows} for s in sets]
    cells = []
    for key, (table, row) in rows[0].items():
        if key not in rows[1]:
            continue
        other = rows[1][key][1]
        for metric in table.columns:
            if metric in other.cells and row.cells[metric].interval.n and other.cells[metric].interval.n:
                cells.append(change(f"{table.title}: {row.label}", metric, row.cells[metric], other.cells[metric]))
    only = [tuple(f"{t.title}: {r.label}" for k, (t, r) in rows[i].items() if k not in rows[1 - i]) for i in (0, 1)]
    words = [{v.rule["id"]: v.verdict for v in verdicts.judge(s.lines, verdicts.read_rules())} for s in sets]
    asked = list(dict.fromkeys([*words[0], *words[1]]))  # a method from outside may have run in one of them alone
    said = [tuple(w.get(i, verdicts.NOT_TESTED) for w in words) for i in asked]
    moved = tuple((i, *pair) for i, pair in zip(asked, said, strict=True) if pair[0] != pair[1])
    return Comparison(tuple(cells), only[0], only[1], moved, tuple(str(p) for s in sets for p in s.problems))


def change(where: str, metric: str, a: tables.Cell, b: tables.Cell) -> Change:
    paired = set(a.seeds) == set(b.seeds) and len(a.seeds) > 1
    gap = (
        paired_difference(b.seeds, a.seeds)
        if paired
        else welch_difference(list(b.seeds.values()), list(a.seeds.values()))
    )
    if a.seeds == b.seeds:
        word = SAME
    elif not gap.bounded:
        word = UNKNOWN
    else:
        word = CHANGED if gap.low > 0 or gap.high < 0 else WITHIN
    return Change(where, metric, a, b, gap, paired, word)


def describe(found: Comparison, a: Path, b: Path) -> str:
    """The comparison as text, what changed first."""
    lines = [f"A = {a}", f"B = {b}", ""]
    for word in (CHANGED, UNKNOWN, WITHIN, SAME):
        cells = [c for c in found.cells if c.word == word]
        if not cells:
            continue
        lines.append(f"{word}: {len(cells)} of {len(found.cells)} numbers")
        if word == SAME:
            continue
        for c in cells:
            gap = verdicts.signed(c.gap).replace("one pair", "one run")
            how = "paired by seed" if c.paired else "unpaired"
            lines.append(
                f"  {c.where}, {c.metric}: {tables.percent(c.a.interval)} -> {tables.percent(c.b.interval)}; B "
                f"- A = {gap} points, {how}"
            )
    tested = sum(c.gap.bounded for c in found.cells if c.word != SAME)
    if tested:
        lines.append(
            f"(of {tested} differences with an interval about {(1 - LEVEL) * tested:.1f} would look changed by "
            f"chance alone)"
        )
    for name, rows in (("A", found.only_a), ("B", found.only_b)):
        if rows:
            lines += [f"only in {name}: {len(rows)} rows", *(f"  {r}" for r in rows)]
    if found.verdicts:
        lines += ["verdicts that differ:", *(f"  {i}: {x} -> {y}" for i, x, y in found.verdicts)]
    if not found.cells and not found.only_a and not found.only_b:
        lines.append("neither set has a table: no training run with metrics")
    lines += [f"warning: {p}" for p in found.problems]
    return "\n".join(lines)

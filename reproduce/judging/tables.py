"""Tables from records alone: one for every setting, rows of methods beside raw pixels, random encoder and supervised.

A setting is what a fair comparison holds fixed: data set, encoder, epochs, batch, views, precision. Cells are means
with 95 % t intervals over seeds, in percent. Nothing here depends on time, order of runs or machine, so that two runs
of one profile with the same seeds and threads give the same bytes.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tabulate import tabulate

from musiclib.methods.names import NAMES, REFERENCE
from musiclib.statistics import Interval, mean_interval, percent
from reproduce.judging import records
from reproduce.judging.statistics import repeated
from reproduce.judging.versions import first_runs, named, newest, version

SETTING = ("dataset", "dataset_options", "encoder", "epochs", "batch", "views", "precision", "validation")
FIRST = ("linear", "knn")  # probes in the order in which they are read
OLDER = "†"


@dataclass(frozen=True)
class Cell:
    """One number of a table: its interval, and the value and run of every seed behind it."""

    interval: Interval
    seeds: dict[int, float] = field(default_factory=dict)
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One line: a method, or one variant of it where there are several. key: the same in two result sets for the same
    thing. older: the versions of the sources, other than the table's newest, that made runs of it."""

    label: str
    key: str
    cells: dict[str, Cell]
    reference: bool
    older: tuple[str, ...] = ()

    def marked(self) -> str:
        """The label, with a mark where sources older than the table's newest made the row."""
        return f"{self.label} {OLDER}" if self.older else self.label


@dataclass(frozen=True)
class Table:
    """All rows of one setting. notes: what a reader has to know before comparing them."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def setting(record: dict, names: Iterable[str] = SETTING) -> str:
    config, sources = record["config"], record["config"].get("plugins") or {}
    chosen = {n: config.get(n) for n in names}
    # A data set or an encoder from outside whose source has changed is another one.
    own = {chosen[n]: sources[chosen[n]] for n in ("dataset", "encoder") if chosen.get(n) in sources}
    return json.dumps({**chosen, **({"plugins": own} if own else {})}, sort_keys=True)


def variant(record: dict) -> dict:
    """What distinguishes rows of one method in one setting: everything in the configuration but setting, method and
    seed; for a method from outside its source as well."""
    sources = (record["config"].get("plugins") or {}).items()
    own = {k: v for k, v in sources if k == record["method"]}
    rest = {k: v for k, v in records.config_of(record).items() if k not in (*SETTING, "method", "plugins")}
    return {**rest, **({"plugins": own} if own else {})}


def column_name(metric: str) -> str:
    """'linear/test/top1' -> 'linear, test, top-1 (%)'."""
    return ", ".join(metric.split("/")).replace("top1", "top-1").replace("top5", "top-5") + " (%)"


def columns_of(rows: Iterable[dict], split: str) -> list[str]:
    found = {m for r in rows for m in r["metrics"] if re.fullmatch(rf".+/{split}/top[15]", m)}
    return sorted(found, key=lambda m: (FIRST.index(m.split("/")[0]) if m.split("/")[0] in FIRST else len(FIRST), m))


def build(found: Iterable[dict]) -> list[Table]:
    """The tables of a result set, one for each setting in which something was trained, from records as `records.load`
    gives them."""
    trained = [r for r in found if r["kind"] == "pretrain"]
    starts = first_runs(trained)
    done = [r for r in trained if r["status"] == "done" and r["metrics"]]
    methods = [r for r in done if r["method"] not in REFERENCE]
    tables = []
    for key in sorted({setting(r) for r in methods or done}):
        inside = [r for r in methods or done if setting(r) == key]
        # Reference rows belong to every setting that shares what they depend on.
        fixed = {
            "pixels": ("dataset", "dataset_options", "validation"),
            "random": ("dataset", "dataset_options", "encoder", "validation"),
            "supervised": ("dataset", "dataset_options", "encoder", "batch", "validation"),
        }
        references = [
            r
            for r in done
            if r["method"] in fixed
            and any(setting(r, fixed[r["method"]]) == setting(i, fixed[r["method"]]) for i in inside)
        ]
        failed = [r for r in trained if r["status"] == "failed" and setting(r) == key]
        tables.append(one_table(key, inside, references, failed, starts))
    return tables


def one_table(
    key: str, inside: list[dict], references: list[dict], failed: list[dict], starts: dict[str, str]
) -> Table:
    told = json.loads(key)
    split = "validation" if told.get("validation") else "test"
    rows = [r for r in references if r not in inside] + inside
    columns = columns_of(rows, split)
    grouped: dict[tuple[str, str], list[dict]] = {}
    for r in rows:
        grouped.setdefault(
            (
                records.row(r),
                json.dumps(variant(r), sort_keys=True) if r["method"] not in REFERENCE else shorter(r, told),
            ),
            [],
        ).append(r)
    order = list(NAMES)
    names = sorted(
        grouped, key=lambda k: (k[0] not in REFERENCE, order.index(k[0]) if k[0] in order else len(order), k)
    )
    lines, notes = [], []
    latest = newest({version(r) for r in rows}, starts)
    for method, text in names:
        group = sorted(grouped[method, text], key=lambda r: (r["seed"], r["run"]))
        siblings = [json.loads(v) for m, v in names if m == method and v and m not in REFERENCE]
        label = NAMES.get(method, method) + (told_apart(json.loads(text), siblings) if len(siblings) > 1 else "")
        label = f"{NAMES[method]} ({text})" if method == "supervised" and text else label
        cells = {c: cell(group, c) for c in columns}
        older = tuple(sorted({version(r) for r in group} - {latest}))
        lines.append(Row(label, f"{key}|{method}|{text}", cells, method in REFERENCE, older))
        notes += remarks(label, group, cells)
    if failed:
        runs = ", ".join(sorted(f"{NAMES.get(records.row(r), r['method'])} seed {r['seed']}" for r in failed))
        notes.append(f"Failed and in no mean: {runs}.")
    if old := [row for row in lines if row.older]:
        made = {v: [row.label for row in old if v in row.older] for row in old for v in row.older}
        by_age = sorted(made, key=lambda v: (starts[v], v))
        lists = "; ".join(f"{', '.join(made[v])} ({named(v, starts)})" for v in by_age)
        notes.append(f"{OLDER} Made by older sources than the newest here ({named(latest, starts)}): {lists}.")
    if missing := [NAMES[m] for m in REFERENCE if m not in {r["method"] for r in rows}]:
        notes.append(f"Not run: {', '.join(missing)}.")
    title = f"{told['dataset']}, {told['encoder']} encoder, {told['epochs']} epochs, batch {told['batch']}"
    extras = [f"{n}: {json.dumps(told[n])}" for n in ("dataset_options", "views") if told.get(n)]
    return Table(table_id(key), ", ".join([title, *extras]), tuple(columns), tuple(lines), tuple(notes))


def shorter(reference: dict, told: dict) -> str:
    """'4 epochs' for a supervised row that trained for another number of epochs than the table's methods, else ''."""
    epochs = reference["config"].get("epochs")
    return f"{epochs} epochs" if reference["method"] == "supervised" and epochs != told["epochs"] else ""


def table_id(key: str) -> str:
    import hashlib

    told = json.loads(key)
    name = re.sub(r"[^a-z0-9]+", "-", f"{told['dataset']}-{told['encoder']}-{told['epochs']}".lower()).strip("-")
    return f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:6]}"


def cell(group: list[dict], metric: str) -> Cell:
    seeds = {r["seed"]: records.metric(r, metric) for r in group}
    seeds = {s: v for s, v in seeds.items() if v is not None}
    return Cell(mean_interval(list(seeds.values())), seeds, tuple(r["run"] for r in group if r["seed"] in seeds))


def told_apart(mine: dict, siblings: list[dict]) -> str:
    """What the configurations of one method differ in, for the label of a row: ' (segments=16)'."""

    def flat(values: dict, before: str = "") -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in values.items():
            found |= flat(value, "") if isinstance(value, dict) else {before + name: value}
        return found

    all_flat = [flat(s) for s in siblings]
    differ = [n for n in flat(mine) if len({json.dumps(s.get(n), sort_keys=True) for s in all_flat}) > 1]
    return f" ({', '.join(f'{n}={json.dumps(flat(mine)[n])}' for n in sorted(differ))})" if differ else ""


def remarks(label: str, group: list[dict], cells: dict[str, Cell]) -> list[str]:
    """What qualifies a row: collapsed runs, seeds that changed nothing, epochs that never happened."""
    notes = []
    collapsed = [r["seed"] for r in group if r.get("collapsed")]
    if collapsed:
        notes.append(
            f"{label}: collapsed in {len(collapsed)} of {len(group)} runs (seeds {', '.join(map(str, collapsed))})."
        )
    same = {g for c in cells.values() for g in repeated(c.seeds)} if group[0]["method"] != "pixels" else set()
    if (
        len(cells) > 1
        and same
        and all(any(set(g) <= set(h) for h in repeated(c.seeds)) for c in cells.values() for g in same)
    ):
        notes.append(
            f"{label}: seeds {'; '.join(str(list(g)) for g in sorted(same))} gave identical numbers, so the "
            f"interval is too narrow."
        )
    return notes


# -- as text -------------------------------------------------------------------------------------------------------


def runs_of(row: Row) -> str:
    counts = sorted({c.interval.n for c in row.cells.values()})
    return "-".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else "0"


CAPTION = "Mean ± half the 95 % t interval over n seeds."


def markdown(table: Table) -> str:
    """A table in GitHub's Markdown, with caption and notes."""
    head = ["method", "n", *map(column_name, table.columns)]
    lines = [
        [r.marked().replace("|", "\\|"), runs_of(r), *(percent(r.cells[c].interval) for c in table.columns)]
        for r in table.rows
    ]
    align = ["left", *["right"] * (len(head) - 1)]
    text = tabulate(lines, head, tablefmt="pipe", colalign=align, disable_numparse=True)
    return "\n".join([f"**{table.title}.** {CAPTION}", "", text, "", *(f"- {n}" for n in table.notes)]).rstrip() + "\n"


def latex(table: Table) -> str:
    """A table for LaTeX with booktabs; the notes stand below it as comments."""
    head = ["method", "$n$", *map(column_name, table.columns)]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.title)}. {escape(CAPTION)}}}",
        rf"\label{{tab:{table.id}}}",
        rf"\begin{{tabular}}{{lr{'r' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(h if "$" in h else escape(h) for h in head) + r" \\",
        r"\midrule",
    ]
    for number, row in enumerate(table.rows):
        if number and table.rows[number - 1].reference and not row.reference:
            lines.append(r"\midrule")
        lines.append(
            " & ".join(
                [escape(row.marked()), runs_of(row), *(percent(row.cells[c].interval, r"$\pm$") for c in table.columns)]
            )
            + r" \\"
        )
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}", *(f"% {n}" for n in table.notes)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Plain text for LaTeX."""
    text = re.sub(r"([%&#_{}])", r"\\\1", text.replace("\\", r"\textbackslash "))
    return text.replace("±", r"$\pm$").replace(OLDER, r"$^\dagger$")


def as_html(table: Table, beside: dict[str, Row] | None = None) -> str:
    """A table for the report. beside: committed reference rows by key, whose cells are shown below the own ones.
    Every number links to the runs it is made of."""
    beside = beside or {}
    out = [
        f'<figure class="table" id="table-{table.id}"><figcaption><b>{html.escape(table.title)}.</b> '
        f"{CAPTION}</figcaption>",
        '<div class="scroll"><table><thead><tr><th>method</th><th class="n">n</th>',
    ]
    out += [f'<th class="n">{html.escape(column_name(c))}</th>' for c in table.columns]
    out.append("</tr></thead><tbody>")
    for row in table.rows:
        out.append(
            f'<tr class="{"reference" if row.reference else "method"}"><td>{html.escape(row.marked())}</td><td '
            f'class="n">{runs_of(row)}</td>'
        )
        for c in table.columns:
            own, theirs = row.cells[c], beside[row.key].cells.get(c) if row.key in beside else None
            text = html.escape(percent(own.interval))
            text = f'<a href="#run-{own.runs[0]}" title="{html.escape(by_seed(own))}">{text}</a>' if own.runs else text
            under = (
                f"<small>committed {html.escape(percent(theirs.interval))}</small>"
                if theirs and theirs.interval.n
                else ""
            )
            out.append(f'<td class="n">{text}{under}</td>')
        out.append("</tr>")
    out.append("</tbody></table></div>")
    if table.notes:
        out.append("<ul class='notes'>" + "".join(f"<li>{html.escape(n)}</li>" for n in table.notes) + "</ul>")
    return "".join(out) + "</figure>"


def by_seed(cell: Cell) -> str:
    return ", ".join(f"seed {s}: {100 * v:.2f}" for s, v in sorted(cell.seeds.items()))

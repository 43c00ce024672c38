"""One page that says what was run, what became of each claim, and where every number comes from: `report.html`, one
file, no network.

Everything on it is computed from records; the verdicts by the rules of `verdicts.yaml`. A committed result set of the
same profile is shown beside the own numbers.
"""

from __future__ import annotations

import base64
import html
import json
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import quote

from musiclib import record as store
from reproduce.judging import records, tables, verdicts
from reproduce.judging.records import EXECUTED, LOG
from reproduce.planning.jobs import duration

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
LARGEST_FIGURE = 4_000_000  # bytes; larger ones are linked instead of embedded
TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
esc = html.escape


def write(result: Path, committed: Path | None = None) -> Path:
    """Build report.html and tables/ in a results folder from what lies there. committed: another results folder to
    show beside it (default: reproduce/results/PROFILE where there is one). Returns the path of the page."""
    result = Path(result).resolve()
    plan = store.read_json(result / "plan.json") or {}
    found = records.load(result)
    if committed is None and plan.get("profile") and (RESULTS / plan["profile"]).resolve() != result:
        committed = RESULTS / plan["profile"]
    theirs = records.load(committed) if committed and (committed / records.FILE).is_file() else None
    built = tables.build(found.lines)
    for table in built:
        store.write_text(result / "tables" / f"{table.id}.md", tables.markdown(table))
        store.write_text(result / "tables" / f"{table.id}.tex", tables.latex(table))
    for stale in (result / "tables").glob("*.*"):
        if stale.stem not in {t.id for t in built}:
            stale.unlink()
    readable(result)
    page = Page(result, plan, found, built, theirs, committed)
    template = (HERE / "templates" / "report.html").read_text(encoding="utf-8")
    title = f"MUSIC: reproduction report, profile {plan.get('profile', result.name)}"
    store.write_text(result / "report.html", template.replace("{{title}}", esc(title)).replace("{{body}}", page.body()))
    return result / "report.html"


def readable(result: Path) -> None:
    """Write notebook.html beside every executed notebook, since a browser shows an .ipynb as bare JSON. A damaged one
    is left as it is: its own link still leads to it."""
    stale = []
    for path in result.glob(f"notebooks/*/{EXECUTED}"):
        page = path.with_suffix(".html")
        if not page.is_file() or page.stat().st_mtime_ns < path.stat().st_mtime_ns:
            stale.append(path)
    if not stale:
        return
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="lab", require_js_url="", jquery_url="")
    for path in stale:
        try:
            text, _ = exporter.from_filename(str(path))
        except Exception as error:  # whatever a broken file makes of a converter
            print(f"warning: {path} could not be made readable: {error}", file=sys.stderr)
        else:
            store.write_text(path.with_suffix(".html"), text)


def css(word: str) -> str:
    return word.replace(" ", "-")


def badge(word: str) -> str:
    return f'<span class="badge {css(word)}">{esc(word)}</span>'


def rows(head: list[str], lines: list[list[str]], numeric: tuple[int, ...] = (), ids: list[str] | None = None) -> str:
    """An HTML table of ready-made cells."""
    mark = [' class="n"' if i in numeric else "" for i in range(len(head))]
    out = [
        "<div class='scroll'><table><thead><tr>",
        *(f"<th{mark[i]}>{esc(h)}</th>" for i, h in enumerate(head)),
        "</tr></thead><tbody>",
    ]
    for number, line in enumerate(lines):
        name = f' id="{esc(ids[number])}"' if ids else ""
        out.append(f"<tr{name}>" + "".join(f"<td{mark[i]}>{c}</td>" for i, c in enumerate(line)) + "</tr>")
    return "".join(out) + "</tbody></table></div>"


class Page:
    """The parts of the report, in the order in which they are read."""

    def __init__(
        self,
        result: Path,
        plan: dict,
        found: records.Records,
        built: list,
        theirs: records.Records | None,
        committed: Path | None,
    ):
        self.result, self.plan, self.found, self.tables = result, plan, found, built
        self.theirs, self.committed = theirs, committed
        self.trained, self.books = found.of_kind("pretrain"), found.of_kind("notebook")
        self.by_job = {b["job"]: b for b in self.books}
        self.verdicts = verdicts.judge(found.lines, verdicts.read_rules())

    def body(self) -> str:
        parts = [
            ("claims", "Claims", self.claims()),
            ("tables", "Tables", self.all_tables()),
            ("figures", "Figures", self.figures()),
            ("notebooks", "Notebooks", self.notebooks()),
            ("checks", "Checks inside notebooks", self.checks()),
            ("runs", "Training runs", self.runs()),
            ("missing", "What was cut or is missing", self.missing()),
            ("environment", "Environment", self.environment()),
        ]
        shown = [(i, t, b) for i, t, b in parts if b]
        nav = "<nav>" + "".join(f'<a href="#{i}">{t}</a>' for i, t, _ in shown) + "</nav>"
        return self.head() + nav + "".join(f'<section><h2 id="{i}">{t}</h2>{b}</section>' for i, t, b in shown)

    def head(self) -> str:
        times = sorted(r["time"].get("started") or "" for r in [*self.trained, *self.books] if r["time"].get("started"))
        when = times[0][:16].replace("T", " ") + " UTC" if times else "unknown"
        spent = sum(b["time"].get("wall_s") or 0 for b in self.books)
        environment = (self.plan.get("environment") or (self.trained or self.books or [{}])[0].get("environment")) or {}
        jobs = [j["id"] for j in self.plan.get("jobs", [])] or list(self.by_job)
        done = sum(self.state(j) == "done" for j in jobs)
        counts = Counter(v.verdict for v in self.verdicts)
        codes = [r["code"] for r in [self.plan, *self.trained, *self.books] if r.get("code")]
        commits = list(dict.fromkeys((c.get("commit") or "no commit")[:10] for c in codes))
        commit = commits[0] if len(commits) == 1 else f"{len(commits)} commits"
        commit += " + changes" if any(c.get("dirty") for c in codes) else ""
        facts = [
            ("notebooks done", f"{done} of {len(jobs)}"),
            ("training runs", str(len(self.trained))),
            ("started", when),
            ("time of all notebooks", duration(spent)),
            (
                "machine",
                f"{environment.get('device_name', 'unknown')}, "
                f"{self.plan.get('threads', environment.get('threads', '?'))} threads a notebook",
            ),
            ("code", commit),
        ]
        boxes = "".join(f"<div><span>{esc(k)}</span><b>{esc(v)}</b></div>" for k, v in facts)
        words = " ".join(
            f'<span class="badge {css(w)}">{counts[w]} {esc(w)}</span>'
            for w in (
                verdicts.REPRODUCED,
                verdicts.NOT_REPRODUCED,
                verdicts.UNDECIDED,
                verdicts.NOT_TESTABLE,
                verdicts.NOT_TESTED,
            )
            if counts[w]
        )
        profile = self.plan.get("profile", self.result.name)
        return (
            f"<header><small>MUSIC: multi-segmental informational coding · reproduction "
            f"report</small><h1>Profile <code>{esc(profile)}</code>: "
            f"{esc(self.plan.get('title', ''))}</h1><p class='soft'>{esc(self.plan.get('purpose', ''))}</p><div "
            f"class='facts'>{boxes}</div>"
            f"<p>Claims of the paper: {words}</p></header>"
        )

    def state(self, job: str) -> str:
        return self.by_job[job]["status"] if job in self.by_job else "missing"

    def claims(self) -> str:
        tested = [v for v in self.verdicts if v.verdict != verdicts.NOT_TESTED]
        rest = [v for v in self.verdicts if v.verdict == verdicts.NOT_TESTED]
        out = [
            "<p>Each verdict follows from the records by a rule that was written down before the runs "
            "(<code>reproduce/judging/verdicts.yaml</code>, "
            f"<code>{verdicts.rules_hash()}</code>). Differences are in percentage points, paired by seed, with "
            f"95 % t intervals. "
            "None of the paper's own numbers was available; nothing is compared with them.</p>"
        ]
        if tested:
            out.append(
                "<table class='claims'><thead><tr><th>claim</th><th>verdict</th><th>what was "
                "found</th></tr></thead><tbody>"
            )
            for v in tested:
                many = len(v.parts) > 1
                found = "".join(
                    f"<div>{esc(p.dataset)}: {badge(p.verdict) if many else ''} {esc(p.text)}</div>" for p in v.parts
                )
                why = "".join(f"<p>{esc(p.dataset)}: {self.run_links(p.runs)}</p>" for p in v.parts)
                out.append(
                    f"<tr "
                    f"id='claim-{esc(v.rule['id'])}'><td>{esc(v.rule['claim'])}</td><td>{badge(v.verdict)}</td><td>{found}<details>"
                    f"<summary><small>source, rule, runs</small></summary><small><p>Source: {esc(v.rule['source'])}</p>"
                    f"<p>Rule {esc(v.rule['id'])} ({esc(v.rule['kind'])}): "
                    f"{esc(v.rule['because'])}</p>{why}</small></details></td></tr>"
                )
            out.append("</tbody></table>")
        if rest:
            items = "".join(f"<li id='claim-{esc(v.rule['id'])}'>{esc(v.rule['claim'])}</li>" for v in rest)
            out.append(
                f"<details{'' if tested else ' open'}><summary>{len(rest)} claims were not tested by these "
                f"runs</summary><ul>{items}</ul></details>"
            )
        return "".join(out)

    def run_links(self, runs: tuple[str, ...]) -> str:
        known = {r["run"] for r in self.trained}
        links = [f'<a href="#run-{r}">{i}</a>' for i, r in enumerate((r for r in runs if r in known), 1)]
        return f"runs {' '.join(links)}" if links else ""

    def all_tables(self) -> str:
        beside = {row.key: row for t in (tables.build(self.theirs.lines) if self.theirs else []) for row in t.rows}
        own = "".join(tables.as_html(t, beside) for t in self.tables)
        note = ""
        if self.theirs:
            when = sorted(r["time"].get("started") or "" for r in self.theirs.lines)
            told = f"{esc(str(self.committed.name))}, {when[-1][:10] if when else ''}"
            note = f"<p class='soft'>Small numbers below are the committed results of this profile ({told}).</p>"
            mine = {t.id for t in self.tables}
            others = [t for t in tables.build(self.theirs.lines) if t.id not in mine]
            if others:
                own += (
                    f"<details><summary>{len(others)} committed tables that these runs did not make</summary>"
                    + "".join(unlinked(tables.as_html(t)) for t in others)
                    + "</details>"
                )
        files = "".join(f' <a href="tables/{t.id}.{s}">{t.id}.{s}</a>' for t in self.tables for s in ("md", "tex"))
        return (note + own + (f"<p><small>as text:{files}</small></p>" if files else "")) if own else ""

    def figures(self) -> str:
        out = []
        for book in self.books:
            folder = self.result / "notebooks" / book["job"]
            for entry in book.get("figures") or []:
                name, caption = (
                    (entry.get("file", ""), entry.get("caption", "")) if isinstance(entry, dict) else (str(entry), "")
                )
                path = (
                    folder / name
                    if (folder / name).is_file()
                    else self.result / "figures" / book["job"] / Path(name).name
                )
                if path.is_file():
                    out.append(
                        self.figure(path, caption or Path(name).stem.replace("_", " ").replace("-", " "), book["job"])
                    )
        return f"<p class='soft'>A click enlarges a figure.</p><div class='figures'>{''.join(out)}</div>" if out else ""

    def figure(self, path: Path, caption: str, job: str) -> str:
        link = self.relative(path)
        source = self.link(self.executed(job), job)
        if path.suffix.lower() not in TYPES or path.stat().st_size > LARGEST_FIGURE:
            return (
                f"<figure><figcaption><a href='{link}'>{esc(caption)}</a> <small>{source}</small></figcaption></figure>"
            )
        data = f"data:{TYPES[path.suffix.lower()]};base64,{base64.b64encode(path.read_bytes()).decode()}"
        return (
            f"<figure><figcaption>{esc(caption)} <small>{source} · <a "
            f'href="{link}">{path.suffix[1:]}</a></small></figcaption>'
            f'<button type="button"><img src="{data}" alt="{esc(caption)}"></button></figure>'
        )

    def relative(self, path: Path) -> str:
        return quote(path.resolve().relative_to(self.result).as_posix())

    def executed(self, job: str) -> Path:
        """The page of an executed notebook, or the notebook itself where there is none."""
        path = self.result / "notebooks" / job / EXECUTED
        return path.with_suffix(".html") if path.with_suffix(".html").is_file() else path

    def link(self, path: Path, text: str) -> str:
        return f'<a href="{self.relative(path)}">{esc(text)}</a>' if path.is_file() else esc(text)

    def notebooks(self) -> str:
        planned = {j["id"]: j for j in self.plan.get("jobs", [])}
        lines, ids, errors = [], [], []
        for job in dict.fromkeys([*planned, *self.by_job]):
            book, folder = self.by_job.get(job), self.result / "notebooks" / job
            wall = book["time"].get("wall_s") if book else None
            peak = ((book or {}).get("memory") or {}).get("peak_mb")
            links = " ".join(
                self.link(folder / f, t)
                for f, t in (
                    (self.executed(job).name, "read"),
                    (EXECUTED, "ipynb"),
                    (LOG, "log"),
                    ("record.json", "record"),
                )
                if (folder / f).is_file()
            )
            given = planned.get(job, {}).get("given", (book or {}).get("config", {}))
            values = " ".join(
                f"{k}={json.dumps(v) if isinstance(v, (dict, list)) else v}"
                for k, v in given.items()
                if k != "data_root"
            )
            expected = planned.get(job, {}).get("minutes")
            lines.append(
                [
                    esc(job),
                    badge(self.state(job)),
                    esc(duration(wall)) if wall is not None else "",
                    esc(duration(60 * expected)) if expected is not None else "",
                    f"{peak:.0f} MB" if peak else "",
                    f"<code>{esc(values)}</code>",
                    links,
                ]
            )
            ids.append(f"job-{job}")
            if book and book["status"] == "failed" and book.get("error"):
                e = book["error"]
                cell = f"cell {e['cell']}, " if e.get("cell") is not None else ""
                errors.append(
                    f"<details open><summary>{esc(job)}: {esc(cell)}{esc(e.get('name') or e['kind'])}: "
                    f"{esc(str(e.get('message', ''))[:300])}</summary>"
                    f"<pre>{esc(str(e.get('source') or ''))}\n{esc(str(e.get('traceback') or ''))}</pre></details>"
                )
        return rows(
            ["job", "state", "took", "expected", "peak memory", "values", "files"], lines, (2, 3, 4), ids
        ) + "".join(errors)

    def checks(self) -> str:
        lines = []
        for book in self.books:
            for key, told in (book.get("claims") or {}).items():
                word, text = verdicts.claim_told(told)
                shown = {verdicts.REPRODUCED: "holds", verdicts.NOT_REPRODUCED: "does not hold"}.get(word, "open")
                mark = f'<span class="badge {css(word)}">{shown}</span>'
                lines.append(
                    [esc(str(key)), mark, esc(text), f'<a href="#job-{esc(book["job"])}">{esc(book["job"])}</a>']
                )
        return rows(["check", "result", "what was found", "notebook"], lines) if lines else ""

    def runs(self) -> str:
        lines, ids = [], []
        names = sorted(
            {m for r in self.trained for m in r["metrics"] if m.endswith("/top1") and "/selection/" not in m}
        )
        found = [*self.result.glob("notebooks/*/runs/*/record.json"), *self.result.glob("runs/*/record.json")]
        where = {p.parent.name: p for p in found}
        asked = {run: book["job"] for book in self.books for run in book.get("runs") or []}
        order = list(tables.NAMES)

        def key(r: dict) -> tuple:
            rank = order.index(r["method"]) if r["method"] in order else len(order)
            return r["dataset"], rank, json.dumps(tables.variant(r), sort_keys=True), r["seed"]

        for r in sorted(self.trained, key=key):
            scores = [f"{100 * v:.2f}" if (v := records.metric(r, m)) is not None else "" for m in names]
            path = where.get(r["run"])
            files = f"line {r['_line']} of " + self.link(self.result / records.FILE, records.FILE)
            if path:
                job = asked.get(r["run"]) or (path.parents[2].name if path.parents[3].name == "notebooks" else None)
                notebook = self.link(self.executed(job), "notebook") if job else ""
                files = f"{self.link(path, 'record')} {notebook} <small>{files}</small>"
            text = json.dumps({k: v for k, v in r.items() if k not in ("curve", "_line")}, indent=1)
            files += f"<details class='record'><summary>all of it</summary><pre>{esc(text)}</pre></details>"
            state = (
                badge("failed")
                if r["status"] == "failed"
                else '<span class="badge undecided">collapsed</span>'
                if r.get("collapsed")
                else ""
            )
            speed = r["time"].get("views_per_s")
            lines.append(
                [
                    f"<code>{esc(r['run'])}</code>",
                    esc(tables.NAMES.get(r["method"], r["method"])) + " " + state,
                    esc(r["dataset"]),
                    str(r["seed"]),
                    *scores,
                    esc(duration(r["time"]["wall_s"])) if r["time"].get("wall_s") else "",
                    f"{speed:.0f}" if speed else "",
                    files,
                ]
            )
            ids.append(f"run-{r['run']}")
        head = ["run", "method", "data", "seed", *(tables.column_name(m) for m in names), "took", "views/s", "where"]
        return rows(head, lines, tuple(range(3, 6 + len(names))), ids) if lines else ""

    def missing(self) -> str:
        items = [
            f"Job {esc(j['id'])} was not run." for j in self.plan.get("jobs", []) if self.state(j["id"]) == "missing"
        ]
        items += [f"Job {esc(b['job'])} failed." for b in self.books if b["status"] == "failed"]
        items += [f"Record that cannot be used: {esc(str(p))}" for p in self.found.problems]
        items += [
            f"Committed record that cannot be used: {esc(str(p))}"
            for p in (self.theirs.problems if self.theirs else [])
        ]
        notes = "".join(f"<p>{esc(p)}</p>" for p in (self.plan.get("notes") or "").strip().split("\n\n") if p)
        return notes + (
            "<ul>" + "".join(f"<li>{i}</li>" for i in items) + "</ul>" if items else "" if notes else "<p>Nothing.</p>"
        )

    def environment(self) -> str:
        seen: dict[str, set[str]] = {}
        for source in [self.plan, *self.trained, *self.books]:
            for part in ("environment", "code"):
                for name, value in (source.get(part) or {}).items():
                    if not isinstance(value, (list, dict)) and value is not None:
                        seen.setdefault(name, set()).add(str(value))
        lines = [[esc(n), esc(", ".join(sorted(v)))] for n, v in seen.items()]
        checksums = sorted(
            {f"{r['data']['name']}: {r['data']['checksum'][:16]}…" for r in self.trained if r.get("data")}
        )
        lines += [["data", esc("; ".join(checksums))]] if checksums else []
        lines += [
            [
                "notebooks",
                esc("; ".join(sorted({f"{b['notebook']['name']}: {b['notebook']['hash']}" for b in self.books}))),
            ]
        ]
        lines += [["verdict rules", verdicts.rules_hash()], ["report made", esc(store.now())]]
        return rows(["what", "value"], lines)


def unlinked(text: str) -> str:
    """Committed tables without links to runs that are not on this page."""
    import re

    return re.sub(r'<a href="#run-[^>]*>([^<]*)</a>', r"\1", text)

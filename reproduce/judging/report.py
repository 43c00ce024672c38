"""One page that says what was run, what became of each claim, and where every number comes from: `report.html`, one
file, no network.

Everything on it is computed from records; the verdicts by the rules of `verdicts.yaml`. Beside the own verdicts stand
those of the committed evidence, and beside the own numbers those of a committed result set of the same profile.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from musiclib import files
from musiclib import record as store
from musiclib.methods.names import NAMES
from musiclib.written import clear, note
from reproduce import EXECUTED, LOG
from reproduce.judging import evidence, foreign, pages, records, tables, verdicts
from reproduce.judging.evidence import RESULTS
from reproduce.planning.jobs import duration

HERE = Path(__file__).resolve().parent
FILES = ((EXECUTED, "ipynb"), (LOG, "log"), ("record.json", "record"))
TEXTS = (("md", tables.markdown), ("tex", tables.latex))
LARGEST_FIGURE = 4_000_000  # bytes; larger ones are linked instead of embedded
TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


def write(result: Path, committed: Path | None = None, others: Iterable[Path] | None = None) -> Path:
    """Build report.html and tables/ in a results folder from what lies there.

    committed: another results folder whose numbers are shown beside the own ones (default: reproduce/results/PROFILE
    where there is one). others: the result sets whose verdicts stand beside the own ones (default: all that ship).
    Returns the path of the page.
    """
    result = Path(result).resolve()
    plan = files.read_json(result / "plan.json") or {}
    found = records.load(result)
    if committed is None and plan.get("profile") and (RESULTS / plan["profile"]).resolve() != result:
        committed = RESULTS / plan["profile"]
    theirs = records.load(committed) if committed and (committed / records.FILE).is_file() else None
    built = foreign.every_table(found.lines)
    texts = {f"{t.id}.{kind}": text(t) for t in built for kind, text in TEXTS}
    clear(result / "tables", keep=set(texts))
    for name, text in texts.items():
        files.write_text(result / "tables" / name, text)
        note(result / "tables" / name)
    pages.write_pages(result)
    rules = verdicts.read_rules()
    found_evidence = [evidence.read(p, rules) for p in (evidence.sets(result) if others is None else others)]
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["column_name"] = tables.column_name
    page = Page(result, plan, found, built, theirs, committed, found_evidence)
    text = templates.get_template("report.html").render(page=page, verdicts=verdicts, made=store.now())
    files.write_text(result / "report.html", text)
    return result / "report.html"


@dataclass(frozen=True)
class Line:
    """One rule of a claim: the row of MUSIC that it is about ('' for a rule that is about no single row), the own
    verdict, what the committed evidence says, and in one word."""

    row: str
    own: verdicts.Verdict
    beside: list[tuple[evidence.Evidence, verdicts.Verdict]]
    word: str

    def own_parts(self) -> list[tuple[str, verdicts.Part]]:
        """('', part) of the own verdict."""
        return [("", p) for p in self.own.parts]

    def parts_beside(self) -> list[tuple[str, verdicts.Part]]:
        """(name of the result set, part) of the committed evidence."""
        return [(e.name, p) for e, v in self.beside for p in v.parts]


@dataclass(frozen=True)
class Claim:
    """A claim with a line for each row of MUSIC; the id is that of its rules, without the row."""

    id: str
    rule: dict
    lines: tuple[Line, ...]

    @property
    def tested(self) -> bool:
        """Whether the own runs or the committed evidence have tested it."""
        return any({i.own.verdict, i.word} != {verdicts.NOT_TESTED} for i in self.lines)


class Page:
    """What the report shows, part by part; how it is shown stands in templates/."""

    def __init__(
        self,
        result: Path,
        plan: dict,
        found: records.Records,
        built: list,
        theirs: records.Records | None,
        committed: Path | None,
        found_evidence: list[evidence.Evidence],
    ):
        self.result, self.plan, self.found = result, plan, found
        self.theirs, self.committed, self.evidence = theirs, committed, found_evidence
        self.trained, self.books = found.of_kind("pretrain"), found.of_kind("notebook")
        self.by_job = {b["job"]: b for b in self.books}
        self.verdicts = verdicts.judge(found.lines, verdicts.read_rules())
        self.profile = plan.get("profile", result.name)
        own, others = {t.id: t for t in built}, foreign.every_table(theirs.lines) if theirs else []
        beside = {row.key: row for t in others for row in t.rows}
        self.tables = {id: Markup(tables.as_html(t, beside)) for id, t in own.items()}
        self.other_tables = [unlinked(tables.as_html(t)) for t in others if t.id not in own]

    def facts(self) -> list[tuple[str, str]]:
        """What was run where and when, in pairs of a name and a value."""
        times = sorted(r["time"].get("started") or "" for r in [*self.trained, *self.books] if r["time"].get("started"))
        when = times[0][:16].replace("T", " ") + " UTC" if times else "unknown"
        environment = (self.plan.get("environment") or (self.trained or self.books or [{}])[0].get("environment")) or {}
        jobs = [j["id"] for j in self.plan.get("jobs", [])] or list(self.by_job)
        codes = [r["code"] for r in [self.plan, *self.trained, *self.books] if r.get("code")]
        commits = list(dict.fromkeys((c.get("commit") or "no commit")[:10] for c in codes))
        commit = commits[0] if len(commits) == 1 else f"{len(commits)} commits"
        threads = self.plan.get("threads", environment.get("threads", "?"))
        return [
            ("notebooks done", f"{sum(self.state(j) == 'done' for j in jobs)} of {len(jobs)}"),
            ("training runs", str(len(self.trained))),
            ("started", when),
            ("time of all notebooks", duration(sum(b["time"].get("wall_s") or 0 for b in self.books))),
            ("machine", f"{environment.get('device_name', 'unknown')}, {threads} threads a notebook"),
            ("code", commit + (" + changes" if any(c.get("dirty") for c in codes) else "")),
        ]

    def counts(self) -> list[tuple[str, dict[str, int]]]:
        """How many rules have each verdict: by the own runs, and by the committed evidence where there is any."""
        own = Counter(v.verdict for v in self.verdicts)
        beside = Counter(evidence.word(self.evidence, v.rule["id"]) for v in self.verdicts)
        return [("these runs", own), *([("committed evidence", beside)] if self.evidence else [])]

    def claims(self) -> list[Claim]:
        """Every claim with the verdicts of its rules; first those of which most is known, else in the order of the
        rules."""
        found: dict[str, list[verdicts.Verdict]] = {}
        for v in self.verdicts:
            row = v.rule.get("row")
            found.setdefault(v.rule["id"].removesuffix(f".{row}") if row else v.rule["id"], []).append(v)
        claims = [
            Claim(
                id,
                several[0].rule,
                tuple(
                    Line(
                        NAMES.get(v.rule.get("row"), ""),
                        v,
                        evidence.strongest(self.evidence, v.rule["id"]),
                        evidence.word(self.evidence, v.rule["id"]),
                    )
                    for v in several
                ),
            )
            for id, several in found.items()
        ]
        return sorted(claims, key=lambda c: -max(evidence.SAYS[w] for i in c.lines for w in (i.own.verdict, i.word)))

    def state(self, job: str) -> str:
        return self.by_job[job]["status"] if job in self.by_job else "missing"

    def known(self, runs: tuple[str, ...]) -> list[str]:
        """Those runs that have a line on this page."""
        there = {r["run"] for r in self.trained}
        return [run for run in runs if run in there]

    def last_committed(self) -> str:
        """The day of the newest committed run."""
        return max((r["time"].get("started") or "" for r in self.theirs.lines), default="")[:10]

    def figures(self) -> list[dict]:
        """Every figure that a notebook named and that is there: job, caption, path, data (none where it is linked)."""
        shown = []
        for book in self.books:
            for entry in book.get("figures") or []:
                entry = entry if isinstance(entry, dict) else {"file": str(entry)}
                name, job = entry.get("file", ""), book["job"]
                path = self.result / "notebooks" / job / name
                path = path if path.is_file() else self.result / "figures" / job / Path(name).name
                if path.is_file():
                    caption = entry.get("caption") or path.stem.replace("_", " ").replace("-", " ")
                    shown.append({"job": job, "caption": caption, "path": path, "data": embedded(path)})
        return shown

    def relative(self, path: Path) -> str:
        return quote(path.resolve().relative_to(self.result).as_posix())

    def executed(self, job: str) -> Path:
        """The page of an executed notebook, or the notebook itself where there is none."""
        path = self.result / "notebooks" / job / EXECUTED
        return path.with_suffix(".html") if path.with_suffix(".html").is_file() else path

    def link(self, path: Path, text: str) -> str:
        """A link to a file of the results folder; the text alone where there is none."""
        return Markup('<a href="{}">{}</a>').format(self.relative(path), text) if path.is_file() else text

    def jobs(self) -> list[dict]:
        """One line a job that was planned or run."""
        planned, lines = {j["id"]: j for j in self.plan.get("jobs", [])}, []
        for job in dict.fromkeys([*planned, *self.by_job]):
            book, folder = self.by_job.get(job, {}), self.result / "notebooks" / job
            wall, expected = book.get("time", {}).get("wall_s"), planned.get(job, {}).get("minutes")
            peak = (book.get("memory") or {}).get("peak_mb")
            files = ((self.executed(job), "read"), *((folder / f, t) for f, t in FILES))
            given = planned.get(job, {}).get("given", book.get("config", {}))
            lines.append(
                {
                    "id": job,
                    "state": self.state(job),
                    "took": duration(wall) if wall is not None else "",
                    "expected": duration(60 * expected) if expected is not None else "",
                    "peak": f"{peak:.0f} MB" if peak else "",
                    "values": " ".join(f"{k}={shown(v)}" for k, v in given.items() if k != "data_root"),
                    "files": [self.link(path, text) for path, text in files if path.is_file()],
                    "error": book.get("error") if book.get("status") == "failed" else None,
                }
            )
        return lines

    def checks(self) -> list[tuple[str, str, str, str]]:
        """What notebooks checked themselves: key, verdict, text, job."""
        claims = [(book["job"], *item) for book in self.books for item in (book.get("claims") or {}).items()]
        return [(str(key), *verdicts.claim_told(claim), job) for job, key, claim in claims]

    def scores(self) -> list[str]:
        """The accuracies that some training run has."""
        names = {m for r in self.trained for m in r["metrics"]}
        return sorted(m for m in names if m.endswith("/top1") and "/selection/" not in m)

    def runs(self) -> list[dict]:
        """One line a training run, by data set and method."""
        found = [*self.result.glob("notebooks/*/runs/*/record.json"), *self.result.glob("runs/*/record.json")]
        where = {p.parent.name: p for p in found}
        asked = {run: book["job"] for book in self.books for run in book.get("runs") or []}
        order, lines = list(NAMES), []

        def key(r: dict) -> tuple:
            rank = order.index(r["method"]) if r["method"] in order else len(order)
            return r["dataset"], rank, json.dumps(tables.variant(r), sort_keys=True), r["seed"]

        for r in sorted(self.trained, key=key):
            path, speed, wall = where.get(r["run"]), r["time"].get("views_per_s"), r["time"].get("wall_s")
            inside = path and path.parents[3].name == "notebooks"
            job = path and (asked.get(r["run"]) or (path.parents[2].name if inside else None))
            values = [records.metric(r, m) for m in self.scores()]
            lines.append(
                {
                    **r,
                    "name": NAMES.get(r["method"], r["method"]),
                    "scores": [f"{100 * v:.2f}" if v is not None else "" for v in values],
                    "took": duration(wall) if wall else "",
                    "speed": f"{speed:.0f}" if speed else "",
                    "record": self.link(path, "record") if path else None,
                    "notebook": self.link(self.executed(job), "notebook") if job else "",
                    "line": r["_line"],
                    "file": self.link(self.result / records.FILE, records.FILE),
                    "text": json.dumps({k: v for k, v in r.items() if k not in ("curve", "_line")}, indent=1),
                }
            )
        return lines

    def missing(self) -> list[str]:
        """Everything that was planned and is not there, or is there and cannot be used."""
        theirs = self.theirs.problems if self.theirs else []
        return [
            *(f"Job {j['id']} was not run." for j in self.plan.get("jobs", []) if self.state(j["id"]) == "missing"),
            *(f"Job {b['job']} failed." for b in self.books if b["status"] == "failed"),
            *(f"Record that cannot be used: {p}" for p in self.found.problems),
            *(f"Committed record that cannot be used: {p}" for p in theirs),
        ]

    def notes(self) -> list[str]:
        return [p for p in (self.plan.get("notes") or "").strip().split("\n\n") if p]

    def environment(self) -> dict[str, str]:
        """Versions, device, code, checksums: every value that any record names."""
        seen: dict[str, set[str]] = {}
        for source in [self.plan, *self.trained, *self.books]:
            for part in ("environment", "code"):
                for name, value in (source.get(part) or {}).items():
                    if not isinstance(value, (list, dict)) and value is not None:
                        seen.setdefault(name, set()).add(str(value))
        sums = {f"{r['data']['name']}: {r['data']['checksum'][:16]}…" for r in self.trained if r.get("data")}
        books = {f"{b['notebook']['name']}: {b['notebook']['hash']}" for b in self.books}
        data = {"data": "; ".join(sorted(sums))} if sums else {}
        return {**{n: ", ".join(sorted(v)) for n, v in seen.items()}, **data, "notebooks": "; ".join(sorted(books))}


def shown(value: object) -> object:
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def embedded(path: Path) -> str | None:
    """A figure as the text of an address; None for one that is too large, or that no browser draws."""
    if path.suffix.lower() not in TYPES or path.stat().st_size > LARGEST_FIGURE:
        return None
    return f"data:{TYPES[path.suffix.lower()]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def unlinked(text: str) -> Markup:
    """Committed tables without links to runs that are not on this page."""
    return Markup(re.sub(r'<a href="#run-[^>]*>([^<]*)</a>', r"\1", text))

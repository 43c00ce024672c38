"""The generated parts of pages: `<!-- site: NAME WORDS -->` becomes Markdown made from records and sources.

words, claims      the register of the theory as its last committed run left it; proofs: formulas and proofs of it
explorations       pictures and questions of proofs_checks.explore
tables, figures    of a profile's committed results: `<!-- site: tables cpu -->`
notebooks          what each asks
modules            the reference of every module below the named ones: `<!-- site: modules musiclib.methods -->`
core               the reference of the modules that lie in musiclib directly
example            a file of docs/examples
"""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "reproduce" / "results"
UP = "../"
"""From a page of docs to the checkout."""

MARK = re.compile(r"^<!-- site: (\w+) ?(.*?) -->$", flags=re.MULTILINE)
SYMBOLS = {True: "holds", False: "does not hold", None: "not decided"}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def linked(text: str) -> str:
    """Names of claims in prose as links to their rows; formulas stay as they are."""
    parts = re.split(r"(\$[^$]+\$)", text)
    parts[::2] = [re.sub(r"\b([CW]\d+)\b", r'<a href="#\1">\1</a>', part) for part in parts[::2]]
    return "".join(parts)


def cell(text: str) -> str:
    return linked(text.replace("|", r"\|").replace("\n", " "))


def table(head: list[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def verdict(claim: dict, formal: dict) -> str:
    said = f"**{claim['verdict']}**"
    if claim["id"] in formal:
        part = formal[claim["id"]]["part"]
        said += f", *machine-checked{' in part: ' + part if part else ''}*"
    if claim["corrected"]:
        said += f". True instead: {claim['corrected'].rstrip('.')}"
    if claim["fair"]:
        said += f". A weaker reading is true: {claim['fair']}"
    return said


def register() -> tuple[list[dict], dict]:
    """The claims with what the last run saw, and the marks of the machine-checked core."""
    folder = RESULTS / "proofs"
    return read(folder / "claims.json")["claims"], read(folder / "formal.json")["claims"]


def anchored(claim: dict) -> str:
    return f'<a id="{claim["id"]}"></a>{claim["id"]}'


def words() -> str:
    claims, formal = register()
    rows = (
        [anchored(c), f"“{c['words']}”", cell(c["statement"]), cell(verdict(c, formal)), cell(c["premises"])]
        for c in claims
        if c["words"]
    )
    return table(["", "The words", "Read as", "Verdict", "Premises"], rows)


def claims() -> str:
    found, formal = register()
    rows = (
        [
            linked(c["id"]),
            cell(c["statement"]),
            cell(verdict(c, formal)),
            f"{c['checks']}",
            f"{c['killed']}/{c['controls']}",
        ]
        for c in found
        if not c["words"]
    )
    return table(["", "Statement", "Verdict", "Checks", "Controls"], rows)


def proofs() -> str:
    """Formula, premises and proof of every claim, one below the other."""
    return "\n\n".join(
        f"**{anchored(c)}** {linked(c['statement'])}\n\n$$\n{c['latex']}\n$$\n\n*Premises.* {linked(c['premises'])}\n"
        f"*Proof.* {linked(' '.join(filter(None, (c['proof'], c['where']))))}"
        for c in register()[0]
        if not c["words"]
    )


def explorations() -> str:
    folder = RESULTS / "proofs" / "explore"
    parts = []
    for path in sorted(folder.glob("*.json")):
        picture = path.with_suffix(".svg").relative_to(ROOT).as_posix()
        parts.append(f"### {path.stem.replace('_', ' ')}\n\n{read(path)['question']}\n\n![{path.stem}]({UP}{picture})")
    return "\n\n".join(parts)


def tables(profile: str) -> str:
    paths = sorted((RESULTS / profile / "tables").glob("*.md"))
    return "\n\n".join(path.read_text(encoding="utf-8").strip() for path in paths)


def jobs(profile: str) -> dict[str, dict]:
    """The last finished record of every notebook job of a profile."""
    lines = (RESULTS / profile / "records.jsonl").read_text(encoding="utf-8").splitlines()
    records = map(json.loads, lines)
    return {r["job"]: r for r in records if r["kind"] == "notebook" and r["status"] == "done"}


def figures(profile: str) -> str:
    parts = []
    for job, record in sorted(jobs(profile).items()):
        parts.append(f"### {job}")
        for figure in record["figures"]:
            path = RESULTS / profile / "figures" / job / Path(figure["file"]).name
            if path.is_file():
                parts.append(
                    f"![{figure['caption']}]({UP}{path.relative_to(ROOT).as_posix()})\n\n*{figure['caption']}*"
                )
        seen = [f"- {name}: **{SYMBOLS[c['holds']]}**. {c['text']}" for name, c in record["claims"].items()]
        parts.append("\n".join(seen))
    return "\n\n".join(part for part in parts if part)


def notebooks() -> str:
    def title(path: Path) -> str:
        first = next(cell for cell in read(path)["cells"] if cell["cell_type"] == "markdown")
        return "".join(first["source"]).splitlines()[0].lstrip("# ")

    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    return table(["notebook", ""], ([f"[{p.stem}]({UP}notebooks/{p.name})", title(p)] for p in paths))


def below(names: list[str]) -> list[str]:
    """The named modules and packages with everything inside them, but for tests and command lines."""
    found = []
    for name in names:
        found.append(name)
        inner = getattr(import_module(name), "__path__", None)
        found += [m.name for m in pkgutil.walk_packages(inner, f"{name}.")] if inner and name.count(".") else []
    return [name for name in found if not re.search(r"\.(tests|test_\w+|__main__)(\.|$)", name)]


def modules(*names: str) -> str:
    found = below(list(names))
    parts = []
    for name in found:
        # a function of a package that has the name of a module in it has no address of its own
        taken = [m.rpartition(".")[2] for m in found if m.startswith(f"{name}.") and callable(import_part(m))]
        body = [f".. automodule:: {name}", "   :members:", "   :ignore-module-all:"]
        body += [f"   :exclude-members: {', '.join(taken)}"] if taken else []
        body += [f"\n.. autofunction:: {name}.{function}\n   :no-index:" for function in taken]
        parts.append("\n".join([f"## {name}\n\n```{{eval-rst}}", *body, "```"]))
    return "\n\n".join(parts)


def import_part(name: str) -> Any:
    """What a dotted name gives in Python: the module, or what its package has put in its place."""
    package, _, part = name.rpartition(".")
    return getattr(import_module(package), part, None)


def core() -> str:
    """The reference of the package and of the modules that lie in it directly."""
    inner = pkgutil.iter_modules(import_module("musiclib").__path__, "musiclib.")
    return modules("musiclib", *(m.name for m in inner if not m.ispkg))


def example(name: str) -> str:
    source = (ROOT / "docs" / "examples" / name).read_text(encoding="utf-8")
    return f"```python\n{source.strip()}\n```\n\nThe file: [`{name}`]({UP}docs/examples/{name})."


MAKERS = (words, claims, proofs, explorations, tables, figures, notebooks, modules, core, example)
PARTS = {make.__name__: make for make in MAKERS}


def fill(text: str, depth: int = 0) -> str:
    """A page with its marked lines filled. depth: folders between docs and the page."""

    def made(match: re.Match) -> str:
        if match[1] not in PARTS:
            raise ValueError(f"<!-- site: {match[1]} -->: there is {', '.join(PARTS)}")
        return PARTS[match[1]](*match[2].split()).replace(f"]({UP}", f"]({UP * (depth + 1)}")

    return MARK.sub(made, text)


def outside(text: str, folder: Path) -> str:
    """Links to Markdown files beyond docs, which are no pages of the site, as links to a copy of the file."""

    def made(match: re.Match) -> str:
        path = (folder / match[2]).resolve()
        return match[0] if path.is_relative_to(ROOT / "docs") else f"{{download}}`{match[1]} <{match[2]}>`"

    return re.sub(r"\[([^\]]+)\]\((\.\./[^)#]+\.md)\)", made, text)


def on_read(app: Any, page: str, source: list[str]) -> None:
    source[0] = outside(fill(source[0], page.count("/")), (ROOT / "docs" / page).parent)


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

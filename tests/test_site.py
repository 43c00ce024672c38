"""The site builds without a network and without a warning, and every link in it leads somewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOADED = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src", "object": "data"}
"""Tags whose attribute a browser fetches by itself."""


class Page(HTMLParser):
    """What a page points to, what it loads, and the places in it that others may point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.places |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in LOADED and values.get(LOADED[tag]):
            self.loads.append(values[LOADED[tag]])


def broken(folder: Path) -> list[str]:
    """Links and loaded files of the pages in a folder that lead nowhere, and loads that need a network."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    wrong = []
    for path, page in pages.items():
        for target in [*page.links, *page.loads]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in page.loads and parts.scheme != "data":
                    wrong.append(f"{path.name} loads {target}")
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not file.is_file():
                wrong.append(f"{path.name} -> {target}: no such file")
            elif file in pages and unquote(parts.fragment) not in pages[file].places:
                wrong.append(f"{path.name} -> {target}: no such place")
    return wrong


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    for package in ("sphinx", "furo", "myst_parser"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the extra 'site' is not installed: no {package}")
    out = tmp_path_factory.mktemp("site")
    # docs is not written to, and a proxy that nobody serves stands in for a machine without a network
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(out / "doctrees")]
    done = subprocess.run(
        [*command, "docs", str(out / "html")], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out / "html"


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_a_network(site):
    assert len(list(site.rglob("*.html"))) > 15
    assert not broken(site)


def test_every_page_of_docs_and_every_module_is_in_it(site):
    written = {p.relative_to(ROOT / "docs").with_suffix(".html") for p in (ROOT / "docs").rglob("*.md")}
    assert written <= {p.relative_to(site) for p in site.rglob("*.html")}
    text = "".join(p.read_text() for p in (site / "api").glob("*.html"))
    for path in (ROOT / "musiclib").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        assert path.stem == "__main__" or f'id="module-{name}"' in text, name
    assert 'id="musiclib.objective.MusicLoss"' in text


def test_claims_formulas_tables_and_figures_are_drawn(site):
    theory, results = ((site / f"{name}.html").read_text() for name in ("theory", "results"))
    claims = json.loads((ROOT / "reproduce" / "results" / "proofs" / "claims.json").read_text())["claims"]
    assert {claim["id"] for claim in claims} <= Page(theory).places
    assert theory.count("<math") == sum(not claim["words"] for claim in claims)
    assert "machine-checked" in theory
    assert results.count("<img") > 40
    assert "MUSIC with invariance" in results
    everything = {p: p.read_text() for p in site.rglob("*.html")}
    assert not [load for text in everything.values() for load in Page(text).loads if "mathjax" in load.lower()]
    assert "<!-- site:" not in "".join(everything.values())


def test_pages_are_reached_from_the_first_one(site):
    reached, waiting = set(), [(site / "index.html").resolve()]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        targets = (urlsplit(link) for link in Page(path.read_text()).links)
        files = (
            (path.parent / unquote(t.path)).resolve() for t in targets if not t.scheme and t.path.endswith(".html")
        )
        waiting += [file for file in files if file.is_file()]
    assert {p.resolve() for p in site.rglob("*.html")} - {(site / "search.html").resolve()} <= reached


def test_a_browser_draws_a_page_without_a_network(site, tmp_path):
    if BROWSER is None:
        pytest.skip("no chromium on this machine")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=4000", "--dump-dom"]
    done = subprocess.run(
        [BROWSER, *options, (site / "index.html").as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "<munder" in done.stdout, "the sum of the loss, as MathML"
    assert "How to" in done.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('<a href="absent.html">x</a>', "no such file"),
        ('<a href="other.html#absent">x</a>', "no such place"),
        ('<a href="#absent">x</a>', "no such place"),
        ('<img src="absent.svg">', "no such file"),
        ('<script src="https://example.org/x.js"></script>', "loads https"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "loads //example.org"),
    ],
)
def test_a_link_that_leads_nowhere_is_seen(tmp_path, text, told):
    (tmp_path / "other.html").write_text('<p id="here"><a href="https://example.org">outside</a></p>')
    (tmp_path / "page.html").write_text('<a href="other.html#here">x</a><a href="other.html">y</a>')
    assert not broken(tmp_path)
    (tmp_path / "page.html").write_text(text)
    (said,) = broken(tmp_path)
    assert told in said

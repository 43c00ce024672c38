"""The page: complete without a network, links that resolve, figures that a browser really draws."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import numpy as np
import pytest
from PIL import Image
from reproduce_fixtures import training_record, write_records

from musiclib import written
from reproduce import NOTEBOOKS
from reproduce.judging import evidence, pages, records, report, tables, verdicts

SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300">
<rect width="400" height="300" fill="#d0021b"/></svg>"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A results folder as the runner leaves it: two notebooks, one failed, runs of three methods, a corrupt line."""
    result = tmp_path_factory.mktemp("result") / "out"
    lines = [
        training_record(m, s, linear=base + s / 100, knn=base - 0.05, epochs=e)
        for m, base, e in (("pixels", 0.40, 0), ("random", 0.50, 0), ("music", 0.62, 8), ("simclr", 0.60, 8))
        for s in range(3)
    ]
    book = {
        "schema": 1,
        "kind": "notebook",
        "run": "aaaa",
        "status": "done",
        "job": "03_train.seed=0",
        "notebook": {"name": "03_train", "hash": "h"},
        "config": {"seed": 0},
        "seed": 0,
        "metrics": {},
        "figures": [{"file": "figures/red.svg", "caption": "A red <field> & more"}],
        "tables": [],
        "claims": {"bound": {"holds": True, "text": "gap 1e-15 < 1e-12"}, "other": {"holds": False, "text": "no"}},
        "time": {"started": "2026-11-01T09:00:00+00:00", "wall_s": 75.0, "cells_s": 70.0},
        "memory": {"peak_mb": 512.0},
        "environment": {"device_name": "a processor", "threads": 2},
        "code": {"commit": "0123456789abcdef", "dirty": True, "sources": "aaaa"},
        "error": None,
    }
    failed = {
        **book,
        "job": "04_broken",
        "status": "failed",
        "figures": [],
        "claims": {},
        "run": "bbbb",
        "error": {
            "kind": "cell",
            "cell": 4,
            "name": "ValueError",
            "message": "bad <value>",
            "traceback": "line 1",
            "source": "f(<x>)",
        },
    }
    write_records(result, [*lines, book, failed])
    with (result / records.FILE).open("a") as file:
        file.write('{"schema": 1, "ki\n')
    job = result / "notebooks" / "03_train.seed=0"
    run = job / "runs" / lines[6]["run"]
    run.mkdir(parents=True)
    (run / "record.json").write_text(json.dumps(lines[6]))
    (job / "figures").mkdir()
    (job / "figures" / "red.svg").write_text(SVG)
    executed = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# What was executed")])
    nbformat.write(executed, job / "notebook.ipynb")
    for name in ("log.txt", "record.json"):
        (job / name).write_text("{}")
    plan = {
        "profile": "quick",
        "title": "A <test>",
        "purpose": "to see",
        "notes": "Nothing <was> cut.",
        "threads": 1,
        "budget": {},
        "jobs": [{"id": j, "given": {"seed": 0}, "minutes": 1.0} for j in ("03_train.seed=0", "04_broken", "05_never")],
    }
    (result / "plan.json").write_text(json.dumps(plan))
    committed = tmp_path_factory.mktemp("committed") / "quick"
    write_records(committed, [training_record("music", s, linear=0.70 + s / 1000) for s in range(3)])
    return report.write(result, committed, others=[committed])


class Reader(HTMLParser):
    """Ids, links, images and text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.images, self.open, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" and "href" in found else []
        self.images += [found["src"]] if tag == "img" and "src" in found else []
        if tag not in ("meta", "img", "br", "input", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def read(page):
    return Reader(page.read_text())


def test_every_tag_is_closed_and_every_id_is_there_once(read):
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))


def test_every_link_resolves(page, read):
    assert len(read.links) > 30
    for link in read.links:
        if link.startswith("#"):
            assert link[1:] in read.ids, link
        else:
            assert (page.parent / unquote(link)).is_file(), link


def test_nothing_is_fetched_from_elsewhere(page):
    text = page.read_text()
    assert not re.findall(r"""(?:src|href)=["']https?:""", text)
    assert "@import" not in text
    assert all(s.startswith("data:image/svg+xml;base64,") for s in Reader(text).images if s)


def test_the_first_screen_says_what_was_run_and_the_verdicts(read):
    first = read.text[: read.text.index("Figures A click") if "Figures A click" in read.text else 6000]
    for part in (
        "Profile quick: A <test>",
        "1 of 3",
        "2026-11-01 09:00",
        "a processor",
        "+ changes",
        "reproduced",
        "not tested",
    ):
        assert part in first, part
    assert "raw pixels" in read.text


def test_numbers_have_intervals_links_and_the_committed_results_beside_them(page, read):
    half = 4.302652729911275 * 0.01 / 3**0.5
    assert f"63.00 ± {100 * half:.2f}" in read.text
    assert "committed 70.10 ±" in read.text
    music = training_record("music", 0, linear=0.62, knn=0.57)["run"]
    assert f'href="#run-{music}"' in page.read_text()


def test_failures_missing_jobs_and_corrupt_lines_are_told(read):
    for part in (
        "ValueError: bad <value>",
        "f(<x>)",
        "Job 05_never was not run.",
        "Job 04_broken failed.",
        "records.jsonl:15: is no JSON",
        "Nothing <was> cut.",
    ):
        assert part in read.text, part


def test_what_notebooks_checked_themselves_is_listed(read):
    assert "gap 1e-15 < 1e-12" in read.text
    assert "does not hold" in read.text


def test_tables_are_written_as_markdown_and_latex_too_and_stale_ones_go(page):
    folder = page.parent / "tables"
    (folder / "old.md").write_text("of an earlier run")
    written.note(folder / "old.md")
    (folder / "own.md").write_text("of the author")
    report.write(page.parent, others=[])
    (table,) = tables.build(records.load(page.parent).lines)
    assert sorted(p.name for p in folder.glob("[a-z]*")) == [f"{table.id}.md", f"{table.id}.tex", "own.md"]
    (folder / "own.md").unlink()
    assert (folder / f"{table.id}.md").read_text() == tables.markdown(table)


def test_a_folder_with_nothing_but_records_has_a_report_too(tmp_path):
    write_records(tmp_path, [training_record("music", 0)])
    assert "60.00 (1 run)" in report.write(tmp_path).read_text()


def test_executed_notebooks_can_be_read_in_a_browser(page):
    assert "What was executed" in (page.parent / "notebooks" / "03_train.seed=0" / "notebook.html").read_text()
    assert 'href="notebooks/03_train.seed%3D0/notebook.html"' in page.read_text()


def test_an_empty_set_has_a_report_that_says_so(tmp_path):
    write_records(tmp_path, [])
    text = Reader(report.write(tmp_path).read_text()).text
    assert "0 of 0" in text
    assert "claims were not tested" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")
@pytest.mark.parametrize(("width", "height"), [(1280, 2600), (390, 6000)])
def test_a_browser_draws_the_figures_and_nothing_is_wider_than_the_screen(page, tmp_path, width, height):
    shot, url = tmp_path / "shot.png", page.resolve().as_uri()
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--hide-scrollbars",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    subprocess.run(
        [CHROMIUM, *flags, f"--window-size={width},{height}", f"--screenshot={shot}", url],
        check=True,
        capture_output=True,
        timeout=120,
    )
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    red = np.abs(pixels - [0xD0, 0x02, 0x1B]).max(axis=2) < 8
    columns = np.flatnonzero(red.any(axis=0))
    assert red.sum() > 20_000, "the figure was not drawn"
    assert columns[-1] < pixels.shape[1] - 8, "the figure reaches over the edge"
    assert np.abs(pixels[:40] - pixels[0, 0]).max() > 60, "no heading at the top"


def test_the_template_is_part_of_the_package():
    assert (Path(report.__file__).parent / "templates" / "report.html").is_file()


# -- the committed evidence, and formulas --------------------------------------------------------------------------


def verdict_set(folder, music, peer, epochs):
    """A result set in which MUSIC and SimCLR have these accuracies on CIFAR-10."""
    rows = [("music", music), ("simclr", peer)]
    return write_records(
        folder,
        [training_record(m, s, linear=v + 0.0001 * s**2, epochs=epochs) for m, v in rows for s in range(3)],
    )


def claim_of(page, name="competitive-simclr", row="MUSIC with invariance"):
    (claim,) = [c for c in page.claims() if c.id == name]
    (line,) = [i for i in claim.lines if i.row == row]
    return line


def page_of(result, others):
    rules = verdicts.read_rules()
    found = records.load(result)
    return report.Page(result, {}, found, [], None, None, [evidence.read(o, rules) for o in others])


def test_beside_the_own_verdict_stands_that_of_the_set_that_says_most(tmp_path):
    own = verdict_set(tmp_path / "own", 0.50, 0.60, epochs=2)
    long = verdict_set(tmp_path / "long", 0.70, 0.60, epochs=60)
    short = verdict_set(tmp_path / "short", 0.50, 0.60, epochs=3)
    line = claim_of(page_of(own, [long, short]))
    assert (line.own.verdict, line.word) == (verdicts.NOT_TESTABLE, verdicts.REPRODUCED)
    assert [name for name, _ in line.parts_beside()] == ["long"]


def test_of_two_sets_that_decide_both_are_shown_and_the_unfavourable_one_counts(tmp_path):
    good = verdict_set(tmp_path / "good", 0.70, 0.60, epochs=60)
    bad = verdict_set(tmp_path / "bad", 0.50, 0.60, epochs=60)
    own = write_records(tmp_path / "own", [])
    for others in ([good, bad], [bad, good]):
        line = claim_of(page_of(own, others))
        assert line.word == verdicts.NOT_REPRODUCED
        assert sorted(name for name, _ in line.parts_beside()) == ["bad", "good"]


def test_the_page_says_where_the_evidence_comes_from(tmp_path):
    own = verdict_set(tmp_path / "own", 0.50, 0.60, epochs=2)
    long = verdict_set(tmp_path / "long", 0.70, 0.60, epochs=60)
    told = Reader(report.write(own, others=[long]).read_text()).text
    head = told[: told.index("Claims")]
    assert "these runs" in head
    assert "committed evidence" in head
    assert f"long is {long}/records.jsonl: 6 runs, 2026-11-01, a processor, 2 threads, commit 0123456789" in head
    assert "long, cifar10: +10.00" in told


def test_without_committed_evidence_there_is_no_column_for_it(tmp_path):
    own = verdict_set(tmp_path / "own", 0.50, 0.60, epochs=2)
    assert "committed evidence" not in Reader(report.write(own, others=[]).read_text()).text


def test_a_set_is_no_evidence_beside_itself():
    names = [p.name for p in evidence.sets()]
    assert {"cpu", "quick"} <= set(names)
    assert [p.name for p in evidence.sets(except_for=evidence.RESULTS / "cpu")] == [n for n in names if n != "cpu"]


def test_what_was_decided_comes_first_and_what_nobody_tested_last(tmp_path):
    own = verdict_set(tmp_path / "own", 0.50, 0.60, epochs=2)
    long = verdict_set(tmp_path / "long", 0.70, 0.60, epochs=60)
    claims = page_of(own, [long]).claims()
    assert claims[0].id == "competitive-simclr"
    tested = [c.tested for c in claims]
    assert tested == sorted(tested, reverse=True)
    assert True in tested
    assert False in tested


def test_formulas_of_executed_notebooks_are_drawn_without_a_network(tmp_path):
    text = r"The bound is $-3 \log K$, and $$\frac{1}{S}\sum_s P_{ss}$$ is below it; \$5 stay dollars."
    output = nbformat.v4.new_output("display_data", {"text/markdown": r"so $\tau < 1$"})
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("1", outputs=[output])]
    path = tmp_path / "notebooks" / "a" / "notebook.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    pages.write_pages(tmp_path)
    page = path.with_suffix(".html").read_text()
    body = page[page.index("<main>") :]
    assert body.count("<math") == 3
    assert body.count("<mfrac>") == 1
    shown = re.sub(r'title="[^"]*"', "", body)
    assert not re.findall(r"\\(log|frac|tau)", shown)
    assert "$5 stay dollars" in shown
    assert not re.findall(r"<script|<link|@import|url\(http", page)


def test_every_formula_of_the_shipped_notebooks_can_be_drawn(capsys):
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        page, _ = pages.exporter().from_filename(str(path))
        assert "<script" not in page, path.name
    assert capsys.readouterr().err == ""


def test_what_is_no_formula_stays_as_its_text(capsys):
    assert pages.mathml(r"<b> \left(") == r"<code>&lt;b&gt; \left(</code>"
    assert "could not be drawn" in capsys.readouterr().err

"""An installed wheel opens every door from an empty folder, in an environment that holds what its extra declares."""

from __future__ import annotations

import json
import re
import tomllib
import zipfile
from pathlib import Path

import pytest
from installed import ROOT, build, call, copy_sources, make_environment, unpack

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The sdist of this checkout, and the wheel of that sdist."""
    folder = tmp_path_factory.mktemp("built")
    sdist = build("sdist", copy_sources(folder / "checkout"), folder / "dist")
    return sdist, build("wheel", unpack(sdist, folder / "unpacked"), folder / "dist")


@pytest.fixture(scope="module")
def core(built, tmp_path_factory) -> Path:
    return make_environment(tmp_path_factory.mktemp("core") / "env", built[1], EXTRAS["dependencies"])


@pytest.fixture(scope="module")
def suite(built, tmp_path_factory) -> Path:
    extras = EXTRAS["optional-dependencies"]
    declared = [*EXTRAS["dependencies"], *extras["train"], *extras["suite"]]
    third = [line for line in declared if not line.startswith(EXTRAS["name"])]
    return make_environment(tmp_path_factory.mktemp("suite") / "env", built[1], third)


@pytest.fixture
def empty(tmp_path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def one_line(done) -> str:
    """What a command said that did not start: one line, no traceback, exit status 1."""
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_notebooks_and_profiles_and_no_results(built):
    inside = names(built[1])
    profiles = {path.name for path in (ROOT / "reproduce" / "profiles").glob("*.yaml")}
    assert {Path(n).name for n in inside if n.startswith("reproduce/notebooks/")} == NOTEBOOKS
    assert {Path(n).name for n in inside if n.startswith("reproduce/profiles/")} == profiles
    assert [n for n in inside if "/results/" in n] == ["reproduce/results/proofs/formal.json"]
    assert {n.split("/")[0] for n in inside} == {"musiclib", "proofs_checks", "reproduce", "music_ssl-0.1.0.dist-info"}
    assert not [n for n in inside if re.search(r"/tests?[/_]", n)]
    assert built[1].stat().st_size < 2 * 2**20


def test_the_core_is_a_loss_and_says_which_extra_the_other_doors_need(core, empty):
    code = (
        "import torch; from musiclib import MusicLoss; z = torch.zeros(8, 12, requires_grad=True);"
        "loss = MusicLoss(segments=4)(z, z); loss.backward(); print(loss.item())"
    )
    done = call(core, "-c", code, cwd=empty)
    # uniform codes of K = 3: the diagonal is -log(9)/3, the off-diagonal -log 9, the invariance log 3; log 3 = 1.0986
    assert float(done.stdout) == pytest.approx((-2 / 3 - 2 + 1) * 1.0986122886681098, abs=1e-5), done.stderr
    for room, extra in {"musiclib.pretrain": "train", "proofs_checks": "suite", "reproduce": "suite"}.items():
        said = one_line(call(core, "-m", room, cwd=empty))
        assert said.endswith(f"this needs the extra {extra!r} of music-ssl"), said
    assert not list(empty.iterdir())


def test_the_door_of_the_theory_opens(suite, empty):
    done = call(suite, "-m", "proofs_checks", "--claim", "C20", "--jobs", "1", cwd=empty)
    assert done.returncode == 0, done.stderr
    # the mark "yes" comes from a record that the wheel has to hold
    assert re.search(r"^ok C20 +proven +yes", done.stdout, flags=re.MULTILINE), done.stdout


@pytest.mark.parametrize("command", ["proofs_checks --write", "proofs_checks.mutation", "proofs_checks.explore floor"])
def test_what_writes_into_the_repository_says_that_it_needs_one(suite, empty, command):
    said = one_line(call(suite, "-m", *command.split(), cwd=empty))
    assert said.startswith(f"python -m {command.split()[0]}")
    assert "this needs a checkout" in said
    assert not list(empty.iterdir())


def test_the_door_of_tables_and_figures_opens(suite, empty):
    listed = call(suite, "-m", "reproduce", "list", cwd=empty)
    assert all(name.removesuffix(".ipynb") in listed.stdout for name in NOTEBOOKS), listed.stderr
    assert all(profile in listed.stdout for profile in ("quick", "cpu", "gpu", "imagenet"))
    done = call(suite, "-m", "reproduce", "run", "--only", "00", "--set", "epochs=1", "--quiet", cwd=empty)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (empty / "outputs" / "quick" / "report.html").stat().st_size > 10_000
    records = [json.loads(line) for line in (empty / "outputs" / "quick" / "records.jsonl").read_text().splitlines()]
    assert {(r["kind"], r["status"]) for r in records} == {("pretrain", "done"), ("notebook", "done")}
    assert all(r["code"]["commit"] is None for r in records), "an installed copy has no commit"


def test_a_training_runs_from_the_command_line(suite, empty):
    what = "--dataset attributes --set dataset_options.samples=64 --encoder tiny --epochs 1 --batch 32 --no-evaluate"
    done = call(suite, "-m", "musiclib.pretrain", *what.split(), cwd=empty)
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = (empty / "outputs" / "pretrain" / "runs").glob("*/record.json")
    assert json.loads(record.read_text())["status"] == "done"


def test_no_door_writes_into_the_installation(suite):
    (site,) = suite.parents[1].glob("lib/python*/site-packages")
    ours = [path for room in ("musiclib", "proofs_checks", "reproduce") for path in (site / room).rglob("*")]
    installed = set((next(site.glob("music_ssl-*.dist-info")) / "RECORD").read_text().splitlines())
    listed = {line.split(",")[0] for line in installed}
    assert not {p.relative_to(site).as_posix() for p in ours if p.is_file() and p.suffix != ".pyc"} - listed

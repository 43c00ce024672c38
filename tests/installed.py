"""Helpers of test_wheel.py: distributions built offline, environments that hold what an extra declares and no more."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def copy_sources(into: Path) -> Path:
    """The files of this checkout that git knows or would add, as they are now; without git all but what it ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        skipped = shutil.ignore_patterns(
            ".*", "outputs", "build", "dist", "data", "mutants", "*.egg-info", "__pycache__"
        )
        return Path(shutil.copytree(ROOT, into, ignore=skipped))
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
    return into


def build(kind: str, sources: Path, into: Path) -> Path:
    """The sdist or wheel of a source tree, by the backend that is installed here: nothing is downloaded."""
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(into)!r}))"
    into.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-c", code], cwd=sources, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return into / done.stdout.splitlines()[-1]


def unpack(archive: Path, into: Path) -> Path:
    """The one folder that an sdist unpacks to."""
    with tarfile.open(archive) as file:
        file.extractall(into, filter="data")
    (folder,) = into.iterdir()
    return folder


def closure(requirements: list[str]) -> dict[str, importlib.metadata.Distribution]:
    """Every installed distribution that these requirements bring, whatever else is installed here."""
    found, seen, waiting = {}, set(), [Requirement(line) for line in requirements]
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        distribution = found[key[0]] = importlib.metadata.distribution(wanted.name)
        for line in distribution.requires or []:
            needed = Requirement(line)
            extras = ["", *wanted.extras]
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return found


def make_environment(folder: Path, wheel: Path, requirements: list[str]) -> Path:
    """A fresh environment of the wheel and of what the requirements bring, linked from here. Returns its python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for distribution in closure(requirements).values():
        tops = {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}
        for top in sorted(tops):
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
        for file in distribution.files or []:
            if file.parts[0] == ".." and "share" in file.parts:  # nbconvert's templates lie outside site-packages
                link = Path(os.path.normpath(site / file))
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(Path(distribution.locate_file(file)).resolve())
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    return folder / "bin" / "python"


def call(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run python in a folder, with nothing of this checkout's environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "OPENBLAS_CORETYPE") if name in os.environ}
    environment = {**kept, "HOME": str(cwd.parent), "OMP_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"}
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)

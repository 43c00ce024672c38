"""The environment is one thing said three times, and the default path stays light."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    lines = [
        line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), "the lock holds exact versions only"
    return {name_of(line): line.split("==")[1] for line in lines}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][-1]["pip"]
    assert pip[0] == "-c requirements.lock"
    assert pip[-1] == "-e ."
    return {name_of(line): line.split("==")[1] for line in pip[1:-1]}


def direct(project: dict) -> list[str]:
    extras = project["optional-dependencies"]
    groups = [project["dependencies"], *(extras[name] for name in extras if name != "site")]
    return [r for group in groups for r in group if not r.startswith(f"{project['name']}[")]


def test_the_lock_satisfies_every_range_of_the_project(project, lock):
    for line in direct(project):
        requirement = Requirement(line)
        assert requirement.specifier.contains(lock[name_of(line)]), line


def test_the_conda_environment_pins_what_the_lock_pins(project, lock, environment):
    assert set(environment) == {name_of(line) for line in direct(project)}
    assert environment == {name: lock[name] for name in environment}


def test_the_lock_has_no_torchvision_which_has_no_build_beside_this_torch(lock):
    assert "torchvision" not in lock


def test_every_package_the_user_named_is_there(environment):
    assert {"torch", "numpy", "scipy", "jupyter", "matplotlib", "papermill", "hypothesis"} <= set(environment)


MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for room in ("musiclib", "proofs_checks", "reproduce")
    for path in (ROOT / room).rglob("*.py")
    if path.stem not in ("__main__", "conftest") and not path.stem.startswith("test_")
)


def test_nothing_in_the_default_path_imports_torchvision():
    """Every module is imported in a fresh interpreter in which torchvision cannot be imported at all."""
    code = f"""
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            raise ImportError("torchvision was imported")
sys.meta_path.insert(0, Refuse())
for name in {MODULES!r}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_the_library_imports_nothing_from_the_rooms_that_build_on_it():
    code = """
import sys, importlib, pkgutil, musiclib
for module in pkgutil.walk_packages(musiclib.__path__, "musiclib."):
    if not module.name.startswith("musiclib.plots.") and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
rooms = {"reproduce", "proofs_checks", "papermill", "matplotlib", "hypothesis", "kornia"}
print(sorted(rooms & {name.split(".")[0] for name in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"

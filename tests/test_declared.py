"""Every import of another project is declared by the extra of the room it is in, and every declaration has a use."""

from __future__ import annotations

import ast
import importlib.metadata
import math
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_imports import graph_of, read_imports

from musiclib.installed import DISTRIBUTION, extra

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = PROJECT["name"]
assert NAME == DISTRIBUTION

NO_IMPORT = {
    "jupyter": "people open notebooks in it",
    "pytest-xdist": "make test",
    "pytest-timeout": "pyproject.toml",
    "nbmake": "notebooks as tests, by hand",
    "ruff": "make lint",
    "setuptools": "builds wheels",
    "sphinx": "make site",
    "tensorboard": "torch.utils.tensorboard",
    "furo": "docs/conf.py",
    "myst-parser": "docs/conf.py",
}
"""Declared, used by name and not by import."""

ONLY_IN = {"musiclib": ["train", "tensorboard"], "proofs_checks": ["suite"], "reproduce": ["suite", "slurm"]}
"""Room -> the extras whose packages it may import; below, the parts that need another one."""
PARTS = {"proofs_checks/mutation": ["dev"], "proofs_checks/tests": ["dev"]}
BESIDE = {"tests": ["dev"], "benchmarks": ["dev"], "docs": ["dev", "site"]}


THEIRS = {
    "musiclib/plugins.py": {"timm"},
    "musiclib/export/formats.py": {"onnx", "onnxruntime"},
    "tests/test_export.py": {"onnx", "onnxscript"},
    "benchmarks/bench_lightly.py": {"lightly", "torchvision"},
    "benchmarks/against_peers.py": {"lightly", "torchvision"},
}
"""Used where a user has them, asked for in one line where not, and never declared: most would bring torchvision."""


def declared(extras: list[str]) -> set[str]:
    """Names of the distributions that the core and these extras declare themselves, other extras of ours included."""
    lines = list(PROJECT["dependencies"])
    for name in extras:
        lines += PROJECT["optional-dependencies"][name]
    found = {canonicalize_name(Requirement(line).name) for line in lines} - {NAME}
    inner = [e for line in lines if line.startswith(f"{NAME}[") for e in Requirement(line).extras]
    return found | declared(inner) if inner else found


OWNERS = importlib.metadata.packages_distributions()


def owners(module: str) -> set[str]:
    """The distributions that bring an imported name; the name itself where none is installed."""
    return {canonicalize_name(name) for name in OWNERS.get(module, [module])}


def foreign(path: Path, *, top_only: bool = False) -> set[str]:
    """Top names of what a file imports from other projects; top_only: what importing the file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if top_only:
        tree = ast.Module([n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))], [])
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    found = {origin.split(".")[0] for origin, _ in read_imports(tree, module, path.name == "__init__.py")}
    ours = {"musiclib", "proofs_checks", "reproduce", "__future__"}
    beside = {file.stem for folder in BESIDE for file in (ROOT / folder).glob("*.py")}
    return found - set(sys.stdlib_module_names) - ours - beside - set(BESIDE)


def files_of(folder: str) -> list[Path]:
    """Its Python files; the examples, which stand in other people's loops, aside."""
    return [path for path in sorted((ROOT / folder).rglob("*.py")) if "examples" not in path.parts]


def extras_of(path: Path) -> list[str]:
    name = path.relative_to(ROOT).as_posix()
    parts = [extras for part, extras in PARTS.items() if name.startswith(f"{part}/")]
    return parts[0] if parts else {**ONLY_IN, **BESIDE}[name.split("/")[0]]


def undeclared(path: Path, extras: list[str]) -> set[str]:
    allowed = declared(extras)
    theirs = THEIRS.get(path.relative_to(ROOT).as_posix(), set())
    return {module for module in foreign(path) - theirs if not owners(module) & allowed}


@pytest.mark.parametrize("room", [*ONLY_IN, *BESIDE])
def test_every_import_is_declared(room):
    wrong = {
        path.relative_to(ROOT).as_posix(): bad for path in files_of(room) if (bad := undeclared(path, extras_of(path)))
    }
    assert not wrong


def test_an_undeclared_import_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "musiclib").mkdir()
    source = tmp_path / "musiclib" / "other.py"
    source.write_text("import math\nimport torch\ndef f():\n    import psutil\n    from PIL import Image")
    assert foreign(source) == {"torch", "psutil", "PIL"}
    assert undeclared(source, ["train"]) == {"psutil"}
    assert undeclared(source, []) == {"psutil", "PIL"}


def test_every_declaration_has_a_use():
    imported = {
        owner for room in (*ONLY_IN, *BESIDE) for path in files_of(room) for m in foreign(path) for owner in owners(m)
    }
    named = declared(list(PROJECT["optional-dependencies"]))
    assert named - imported - set(NO_IMPORT) == set()
    assert set(NO_IMPORT) <= named, "a reason for what is not declared"


def core_modules() -> set[str]:
    """The modules that `import musiclib` runs."""
    graph = graph_of(ROOT)
    reached, waiting = set(), ["musiclib"]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += graph[module]
    return reached


def test_the_core_asks_for_torch_numpy_and_jaxtyping_when_it_is_imported():
    core = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert core == {"torch", "numpy", "jaxtyping"}
    for module in core_modules():
        path = ROOT / module.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assert foreign(path, top_only=True) <= core, path


def test_the_loss_works_where_nothing_but_the_core_can_be_imported():
    ours = declared(list(PROJECT["optional-dependencies"])) - declared([])
    torch_too = {"jinja2", "markupsafe", "mpmath", "setuptools"}  # torch needs them itself
    refused = {module for module in OWNERS if owners(module) & (ours - torch_too)}
    assert {"scipy", "sklearn", "PIL", "yaml", "matplotlib", "safetensors", "tqdm", "hypothesis"} <= refused
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(refused)!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Refuse())
import torch
from musiclib import MusicLoss, information, lower_bound
z = torch.randn(16, 12, generator=torch.Generator().manual_seed(1), requires_grad=True)
(MusicLoss(segments=4)(z, z.flip(0)) + MusicLoss(segments=4, tile=2)(z, z.flip(0))).backward()
print(float(z.grad.abs().sum()), lower_bound(units=3), float(information.entropy(torch.full((4,), 0.25))))
information.expected_uniform_entropy(16, 4)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    slope, bound, entropy = map(float, done.stdout.split())
    assert slope > 0
    assert (bound, entropy) == pytest.approx((-3 * math.log(3), math.log(4)))
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: scipy", "the control: scipy is refused"


def advice(text: str) -> list[str]:
    """Commands in a text that would install a distribution of another project that has one of our packages' names."""
    packages = r"(?<![\w./-])(musiclib|reproduce)(?![\w/.-])"
    return [line for line in re.findall(r"(?:pip|uv|conda) (?:install|add)[^\n`]*", text) if re.search(packages, line)]


def pages() -> list[Path]:
    """Everything that people read or copy from, but for what is generated."""
    folders = ("docs", "reproduce", "notebooks", "musiclib", "proofs_checks", "benchmarks")
    found = [*ROOT.glob("*.md"), *ROOT.glob("*.yml"), ROOT / "Makefile", ROOT / "pyproject.toml"]
    found += [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return [p for p in found if p.is_file() and p.suffix in ("", ".md", ".py", ".ipynb", ".yml", ".yaml", ".toml")]


def test_no_page_and_no_requirement_would_bring_the_other_musiclib():
    assert not {page.name: told for page in pages() if (told := advice(page.read_text(encoding="utf-8")))}
    assert advice("run `pip install -U musiclib` now") == ["pip install -U musiclib"]
    assert advice("pip install 'musiclib[train]'")
    assert not advice("pip install ./musiclib/ 'music-ssl[suite]'")
    lines = [line for group in PROJECT["optional-dependencies"].values() for line in group]
    assert not [line for line in lines if Requirement(line).name in ("musiclib", "reproduce")]
    assert not re.search(r"^(musiclib|reproduce)\b", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)


def test_a_missing_module_names_the_extra_and_a_program_can_catch_it(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["a_program.py"])
    with pytest.raises(ModuleNotFoundError, match=r"absent.part.*extra 'train' of music-ssl"), extra("train"):
        raise ModuleNotFoundError(name="absent.part")
    for first in ("-m", "/somewhere/proofs_checks/__main__.py"):
        monkeypatch.setattr(sys, "argv", [first])
        with pytest.raises(SystemExit, match="extra 'suite' of music-ssl"), extra("suite"):
            raise ModuleNotFoundError(name="absent")
        with pytest.raises(ModuleNotFoundError, match=r"^ours$"), extra("suite"):
            raise ModuleNotFoundError("ours", name="musiclib.absent")

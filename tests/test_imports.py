"""The import graph of the repository, read from the sources: no circle, and arrows between rooms run one way.

Imports inside functions and under TYPE_CHECKING count: they hide a circle from the interpreter, not from a reader.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {"musiclib": set(), "proofs_checks": {"musiclib"}, "reproduce": {"musiclib"}}
"""Room -> the other rooms that it may import."""

THEORY = ("01_the_theory_in_pictures", "02_beyond_linear_correlation")
"""Notebooks that borrow constructions from proofs_checks; all others import musiclib alone."""

FLOORS = {
    "musiclib": (
        ("finite", "distributed", "coding", "information", "schema", "files", "statistics", "installed", "console"),
        ("record", "written"),
        ("plugins",),
        ("joint", "streaming", "encoders", "views"),
        ("objective", "datasets"),
        ("methods",),
        ("config", "monitor", "evaluate"),
        ("pretrain", "plots"),
        ("studies", "export"),
    ),
    "proofs_checks": (
        ("objective", "profiles"),
        ("register",),
        ("claims", "wrong", "numbers"),
        ("premises",),
        ("checks", "explore"),
        ("trial", "formal"),
        ("report",),
        ("conformance",),
        ("mutation", "__main__"),
    ),
    "reproduce": (("planning",), ("judging",), ("batch",), ("tune",), ("__main__",)),
}
"""Rooms and files of a package from the ground up: each imports from its own room and from floors below."""


def read_imports(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[str, str | None]]:
    """(module, name or None) of every import anywhere in a tree; relative ones resolved, import_module("...") too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            base = parts[: len(parts) - node.level + is_package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((origin, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value, None


def targets(origin: str, name: str | None, module: str, modules: set[str]) -> set[str]:
    """What an import reaches: the module, and from outside a package also its `__init__`, which runs first."""
    reached = f"{origin}.{name}" if f"{origin}.{name}" in modules else origin
    parents = {reached[:i] for i, letter in enumerate(reached) if letter == "."}
    return {reached} | {parent for parent in parents if not f"{module}.".startswith(f"{parent}.")}


def graph_of(root: Path, rooms: tuple[str, ...] = tuple(MAY_IMPORT)) -> dict[str, set[str]]:
    """Module -> the modules of the rooms that it imports."""
    files = [path.relative_to(root) for room in rooms for path in (root / room).rglob("*.py")]
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in sorted(files)}
    graph = {}
    for module, path in modules.items():
        tree = ast.parse((root / path).read_text(encoding="utf-8"))
        found = read_imports(tree, module, path.name == "__init__.py")
        reached = set().union(*(targets(origin, name, module, set(modules)) for origin, name in found))
        graph[module] = (reached & set(modules)) - {module}
    return graph


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Sets of two or more modules that all reach each other."""
    names = sorted(graph)
    arrows = np.array([[b in graph[a] for b in names] for a in names])
    _, labels = connected_components(arrows, connection="strong")
    groups = (
        frozenset(name for name, mine in zip(names, labels == label, strict=True) if mine) for label in set(labels)
    )
    return {group for group in groups if len(group) > 1}


def part_of(module: str) -> str:
    """The room or file of its package that a module belongs to; "" for the package itself."""
    return ".".join(module.split(".")[1:2])


@pytest.fixture(scope="module")
def graph():
    return graph_of(ROOT)


def test_no_modules_import_each_other_in_a_circle(graph):
    assert circles(graph) == set()


def test_arrows_between_rooms_run_one_way(graph):
    for module, reached in graph.items():
        room = module.split(".")[0]
        others = {target.split(".")[0] for target in reached} - {room}
        assert others <= MAY_IMPORT[room], f"{module} imports {others - MAY_IMPORT[room]}"


@pytest.mark.parametrize("package", FLOORS)
def test_inside_a_package_arrows_run_down(graph, package):
    floor = {part: number for number, parts in enumerate(FLOORS[package]) for part in parts}
    mine = {module: reached for module, reached in graph.items() if module.startswith(f"{package}.")}
    parts = {part_of(module) for module in mine} - {"tests"}
    assert parts == set(floor)
    for module, reached in mine.items():
        for target in reached & set(mine):
            here, there = part_of(module), part_of(target)
            assert here in (there, "tests") or floor[there] < floor[here], f"{module} imports {target}"


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_imports_the_library_and_the_theory_of_its_own(path):
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    trees = [ast.parse("".join(cell["source"])) for cell in cells]
    reached = {origin.split(".")[0] for tree in trees for origin, _ in read_imports(tree, "", False)}
    allowed = {"musiclib", "proofs_checks"} if path.stem in THEORY else {"musiclib"}
    assert reached & set(MAY_IMPORT) <= allowed


def write_package(root: Path, **sources: str) -> dict[str, set[str]]:
    """The graph of a made-up package `house` of these modules; a double underscore is a folder."""
    for name, source in {"__init__": "", **sources}.items():
        path = root / "house" / f"{name if name == '__init__' else name.replace('__', '/', 1)}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return graph_of(root, ("house",))


@pytest.mark.parametrize(
    "back",
    [
        "import house.a",
        "from house import a",
        "from house.a import x",
        "from . import a",
        "from .a import x",
        "def f():\n    from house.a import x",
        "if TYPE_CHECKING:\n    from house.a import x",
        "importlib.import_module('house.a')",
    ],
)
def test_a_circle_is_seen_however_it_is_closed(tmp_path, back):
    graph = write_package(tmp_path, a="from house import b", b="from house import c", c=back)
    assert circles(graph) == {frozenset({"house.a", "house.b", "house.c"})}
    assert circles(write_package(tmp_path, c="import math")) == set()


def test_a_circle_through_the_face_of_a_package_is_seen_and_siblings_are_none(tmp_path):
    room = {"room____init__": "from house.room.inner import x", "room__inner": "from house import outside"}
    graph = write_package(tmp_path, **room, room__other="", outside="from house.room import other")
    assert circles(graph) == {frozenset({"house.room", "house.room.inner", "house.outside"})}
    assert circles(write_package(tmp_path, room__inner="from house.room import other", outside="")) == set()

"""What `musiclib` guarantees (`guarantees.yaml`), and how to take a guarantee away and see what goes red.

`tests/test_guarantees.py` takes every guarantee of `GUARANTEES` away, one at a time, in this process: it replaces the
code of the one function. The processes of a two-process test import the library anew, so those of `BETWEEN_PROCESSES`
are taken away in a copy of the sources, by `python -m proofs_checks.mutation`.
"""

from __future__ import annotations
import __future__

import contextlib
import importlib
import inspect
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musiclib.schema import read_yaml
from proofs_checks import ROOT
from proofs_checks.mutation.mutants import copy_files, run_pytest


@dataclass(frozen=True)
class Guarantee:
    """One thing that the library guarantees, upheld by a line of a function; its fields are explained in the file."""

    name: str
    function: str
    line: str
    instead: str
    test: str
    given: dict[str, Any] = field(default_factory=dict)
    check: str | None = None

    @property
    def file(self) -> str:
        """The file of the function, relative to the repository."""
        return module_of(self.function).replace(".", "/") + ".py"

    def remove_from(self, source: str) -> str:
        """The source with `instead` in place of the line, which must occur in it once."""
        if source.count(self.line) != 1:
            raise LookupError(f"{self.name}: {self.line!r} must occur once in {self.function}")
        return source.replace(self.line, self.instead)


_LISTED = read_yaml(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
GUARANTEES = tuple(Guarantee(**one) for one in _LISTED["in_one_process"])
MUTATIONS = tuple(
    Guarantee(**one) for one in read_yaml(Path(__file__).with_name("by_hand.yaml").read_text(encoding="utf-8"))
)
"""Mutations by hand outside the mathematics: `name` says what is wrong, `test` goes red."""
BETWEEN_PROCESSES = tuple(Guarantee(**one) for one in _LISTED["between_processes"])


def module_of(dotted: str) -> str:
    """The module in package.module.function or package.room.module.Class.method: the part that is a file."""
    parts = dotted.split(".")
    return next(name for n in range(len(parts) - 1, 0, -1) if is_file(name := ".".join(parts[:n])))


def is_file(module: str) -> bool:
    """Whether there is a file of that module in the repository."""
    return (ROOT / (module.replace(".", "/") + ".py")).is_file()


def find_function(dotted: str) -> Any:
    """The plain function behind a dotted name (function, method or property), without its decorators."""
    module = module_of(dotted)
    thing: Any = importlib.import_module(module)
    for part in dotted.removeprefix(module + ".").split("."):
        thing = getattr(thing, part)
    return inspect.unwrap(thing.fget if isinstance(thing, property) else thing)


@contextlib.contextmanager
def taken_away(guarantee: Guarantee) -> Iterator[None]:
    """A context in which the function runs without its line, also for everybody who imported it before."""
    function = find_function(guarantee.function)
    source = textwrap.dedent(inspect.getsource(function))
    # from its `def`, without decorators
    broken = guarantee.remove_from(source[source.index("def ") :])
    names = dict(function.__globals__)
    flags = __future__.annotations.compiler_flag
    exec(compile(broken, f"<{guarantee.function}, broken>", "exec", flags=flags, dont_inherit=True), names)
    code = function.__code__
    try:
        function.__code__ = names[function.__name__].__code__
        yield
    finally:
        function.__code__ = code


def break_between_processes() -> dict[str, bool]:
    """Take away, in a copy of the sources, each guarantee that needs several processes.

    Returns name -> did its test go red? The copy has to be green before anything is taken away.
    """
    red = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_files(folder, [*ROOT.glob("musiclib/**/*.py"), *ROOT.glob("tests/*.py"), ROOT / "pyproject.toml"])
        if run_pytest(folder, "tests/test_distributed.py", quiet=True):
            raise SystemExit("tests/test_distributed.py must pass before anything is taken away")
        for guarantee in BETWEEN_PROCESSES:
            path = folder / guarantee.file
            whole = path.read_text(encoding="utf-8")
            path.write_text(guarantee.remove_from(whole))
            red[guarantee.name] = run_pytest(folder, f"tests/{guarantee.test}", quiet=True) == 1
            path.write_text(whole, encoding="utf-8")
    return red

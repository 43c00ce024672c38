"""Take a guarantee away: in this process by replacing a function's code, or in a copy of the sources."""

from __future__ import annotations
import __future__

import contextlib
import importlib
import inspect
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proofs_checks import ROOT
from proofs_checks.mutation.guarantees import BETWEEN_PROCESSES, Guarantee
from proofs_checks.mutation.mutants import copy_files, run_pytest


def find_function(dotted: str) -> Any:
    """The plain function behind musiclib.module.function or musiclib.module.Class.method, without its decorators."""
    parts = dotted.split(".")
    thing: Any = importlib.import_module(".".join(parts[:2]))
    for part in parts[2:]:
        thing = getattr(thing, part)
    return inspect.unwrap(thing)


@contextlib.contextmanager
def taken_away(guarantee: Guarantee) -> Iterator[None]:
    """Inside, the function runs without its line, also for everybody who imported it before."""
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
    """Name -> did its test go red, for those that need several processes; an unbroken copy has to be green first."""
    red = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_files(folder, [*ROOT.glob("musiclib/**/*.py"), *ROOT.glob("tests/*.py"), ROOT / "pyproject.toml"])
        if run_pytest(folder, "tests/test_distributed.py", quiet=True):
            raise SystemExit("tests/test_distributed.py must pass before anything is taken away")
        for guarantee in BETWEEN_PROCESSES:
            path = folder / guarantee.file
            whole = path.read_text()
            path.write_text(guarantee.remove_from(whole))
            red[guarantee.name] = run_pytest(folder, f"tests/{guarantee.test}", quiet=True) == 1
            path.write_text(whole)
    return red

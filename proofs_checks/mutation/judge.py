"""The judge of the mutants, a pytest plugin: collect the tests once, then try every mutant in a process of its own.

    MUTATION_PLAN=plan.json python -m pytest -p proofs_checks.mutation.judge tests/test_coding.py ...

The plan names the mutants and the file that takes one line a mutant. For each, this process forks; the child switches
the mutant on and runs the tests that reach its function, quickest first, until one fails. That is what `mutmut run`
does, except that mutmut also starts pytest and collects again for every mutant, which is most of its time.

Two rules, because a forked torch may deadlock: this process itself never runs a test, so that it has no thread whose
lock a child could inherit (and OMP_NUM_THREADS=1 has to be set); and a child that runs out of time has shown nothing:
its outcome is "timeout", which is no kill until a fresh process has confirmed it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from tqdm import tqdm

from musiclib.files import append_line


def _run(item: pytest.Item) -> tuple[bool, float]:
    """Did the test fail, and how many CPU seconds did it take?"""
    start = time.process_time()
    reports = runtestprotocol(item, log=False, nextitem=None)
    return any(report.failed for report in reports), time.process_time() - start


def run_clean(items: list[pytest.Item]) -> dict[str, Any]:
    """Run the tests without a mutant.

    Returns the tests that fail, the CPU seconds of each, the mutated functions that each reaches, and the modules that
    were imported on the way.
    """
    set_mutant_under_test("stats")
    seen: dict[str, Any] = {"failed": [], "seconds": {}, "reaches": {}}
    before = set(sys.modules)
    for item in items:
        state()._stats.clear()
        failed, seconds = _run(item)
        seen["failed"] += [item.nodeid] if failed else []
        seen["seconds"][item.nodeid] = seconds
        seen["reaches"][item.nodeid] = sorted(state()._stats)
    return {**seen, "modules": [name for name in sys.modules if name not in before]}


def find_failure(mutant: str, items: list[pytest.Item]) -> dict[str, Any]:
    """Run the tests with a mutant: {"by": the first that fails, or None}."""
    set_mutant_under_test(mutant)
    return {"by": next((item.nodeid for item in items if _run(item)[0]), None)}


def in_child(work: Callable[[], dict[str, Any]], cpu_seconds: float, wall_seconds: float) -> dict[str, Any] | str:
    """Do `work` in a forked child; its result, "timeout" when a limit is passed, or "crash" when it dies otherwise."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            limit = int(time.process_time() + cpu_seconds) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            os.write(write, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    text, deadline = b"", time.monotonic() + wall_seconds
    with open(read, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0] and (part := pipe.read(65536)):
            text += part
    late = time.monotonic() >= deadline
    if late:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with suppress(ValueError):
        return json.loads(text)
    return "timeout" if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU) else "crash"


def function_of(mutant: str) -> str:
    """The name under which calls are recorded: musiclib.joint.x_agreement of musiclib.joint.x_agreement__mutmut_3."""
    return mutant.partition("__mutmut_")[0]


def judge_all(mutants: list[str], items: list[pytest.Item], limits: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Try every mutant, one result each: {"mutant", "outcome", "by": the test that killed it}.

    outcome: "killed", "survived", "timeout", "crash" or "no tests".
    """
    clean = in_child(lambda: run_clean(items), 600, limits["wall_seconds"] * 10)
    wrong = clean if isinstance(clean, str) else clean["failed"]
    if wrong:
        raise pytest.UsageError(f"the tests must pass without a mutant: {wrong}")
    # once here instead of once in every child
    for name in clean["modules"]:
        with suppress(Exception):
            importlib.import_module(name)
    items = sorted(items, key=lambda item: clean["seconds"][item.nodeid])
    for mutant in mutants:
        mine = [item for item in items if function_of(mutant) in clean["reaches"][item.nodeid]]
        cpu = limits["cpu_seconds"] + limits["cpu_factor"] * sum(clean["seconds"][item.nodeid] for item in mine)
        result = in_child(lambda m=mutant, i=mine: find_failure(m, i), cpu, limits["wall_seconds"])
        if isinstance(result, str):
            yield {"mutant": mutant, "outcome": result, "by": None}
        elif not mine:
            yield {"mutant": mutant, "outcome": "no tests", "by": None}
        else:
            yield {"mutant": mutant, "outcome": "killed" if result["by"] else "survived", "by": result["by"]}


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Instead of running the tests: judge the mutants of the plan."""
    if session.config.option.collectonly or session.testsfailed:
        return None
    plan = json.loads(Path(os.environ["MUTATION_PLAN"]).read_text(encoding="utf-8"))
    mutants, total = plan["mutants"], len(plan["mutants"])
    # the thread of its monitor would be copied by every fork
    tqdm.monitor_interval = 0
    terminal = sys.__stderr__ is not None and sys.__stderr__.isatty()
    with tqdm(total=total, unit="mutant", disable=not terminal, leave=False) as bar:
        for done, result in enumerate(judge_all(mutants, session.items, plan["limits"]), 1):
            append_line(plan["results"], result)
            bar.update()
            if time.time() > plan.get("until", float("inf")):
                break
            if not terminal and (done % 100 == 0 or done == total):
                os.write(2, f"{done} of {total} mutants\n".encode())
    return True

"""The command line's part: judge a target in parallel processes, print the verdict table or data.

Exit status 0 if nothing that could be asked fails, 1 if something does, 2 if the target is no adapter.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

from musiclib.files import jsonable, write_json
from musiclib.record import now, provenance
from proofs_checks import RESULTS
from proofs_checks.claims import CLAIMS, checks_of
from proofs_checks.conformance import verdicts
from proofs_checks.conformance.adapter import Target
from proofs_checks.conformance.alike import read_matrix
from proofs_checks.conformance.judge import Finding, judge, limits_of
from proofs_checks.conformance.limits import Limits
from proofs_checks.conformance.peer_checks import MEANS, PeerFinding, judge_peer
from proofs_checks.conformance.peers import PEERS
from proofs_checks.trial import CHECKS, checks_hash


@cache
def _loaded(path: str) -> Target:
    return Target(path)


def _work(task: tuple[str, Limits, str]) -> Finding:
    path, limits, name = task
    return judge(CHECKS[name], _loaded(path), limits)


def _one_thread() -> None:
    torch.set_num_threads(1)


def judge_all(path: str, limits: Limits, names: Sequence[str], jobs: int) -> list[Finding]:
    """The findings of the named checks, in their order."""
    tasks = [(path, limits, name) for name in names]
    if jobs <= 1 or len(tasks) <= 1:
        return list(map(_work, tasks))
    # a forked torch may deadlock
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(tasks)), initializer=_one_thread) as pool:
        return pool.map(_work, tasks, chunksize=1)


def report_on(path: str, ids: Sequence[str] | None = None, jobs: int = 1) -> verdicts.Report:
    """Judge the target that a dotted path names by the claims of these ids, all by default. TargetError if it is no
    adapter."""
    claims = [CLAIMS[one] for one in ids] if ids else list(CLAIMS.values())
    names = list(dict.fromkeys(check.name for claim in claims for check in checks_of(claim)))
    target = _loaded(path)
    limits = limits_of(target)
    return verdicts.report_of(target, limits, judge_all(path, limits, names, jobs), claims, read_matrix())


RECORD = RESULTS / "conformance.json"
"""Verdicts that docs/conformance.md shows, by target."""


def store(report: verdicts.Report) -> None:
    """Put a report on all claims into the record, with its origin, in the place of an earlier one of that target."""
    reports = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    kept = {name: value for name, value in report.data().items() if name != "findings"}
    source = {**provenance(), "date": now()}
    source["code"]["checks"] = checks_hash()
    reports[report.target] = {"provenance": source, **kept}
    write_json(RECORD, reports)


def carry_out(
    path: str, ids: Sequence[str] | None = None, *, jobs: int = 1, as_json: bool = False, write: bool = False
) -> int:
    """Judge and print, and `write` the report on all claims; returns the exit status, 0 or 1."""
    report = report_on(path, ids, jobs)
    if write:
        store(report)
    print(as_text(report.data()) if as_json else verdicts.text(report))
    for row in report.red:
        print(f"RED  {row.id} {row.verdict}: {verdicts.reason(row)}", file=sys.stderr)
    return 1 if report.red or any(one.red for one in report.findings) else 0


def carry_out_peer(path: str, name: str, *, as_json: bool = False) -> int:
    """Judge an implementation of a peer and print; returns the exit status, 0 or 1."""
    findings = judge_peer(path, PEERS[name])
    if as_json:
        print(as_text({"target": path, "peer": name, "findings": [one.data() for one in findings]}))
    else:
        print(f"target {path} as {name}({', '.join((*PEERS[name].arguments, *PEERS[name].numbers))})\n")
        print("\n".join(peer_line(one) for one in findings))
    for one in findings:
        if one.red:
            print(f"RED  {one.check} {one.verdict}: usually {MEANS[one.check]}", file=sys.stderr)
    return 1 if any(one.red for one in findings) else 0


def peer_line(one: PeerFinding) -> str:
    """A finding of a peer as a line of its table."""
    numbers = f": {one.answer:.9g}, stated {one.expected:.9g}" if one.verdict == "refuted" else ""
    where = f"   {one.where}{numbers}" if one.red else ""
    return (
        f"{verdicts.MARKS[one.verdict]:<3}{one.check:<15}{one.verdict:<12}{one.cases:>3} cases{one.off:>10.1e}{where}"
    )


def as_text(data: Any) -> str:
    """Data as JSON."""
    return json.dumps(jsonable(data), indent=1)

"""Versions of the library's sources behind records: which of them is the newest, and which rows of a table are older.

A record names its version by a hash (`code.sources`). Hashes have no order, so a version is as old as the first run
that a result set has of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

UNTRAINED = ("pixels", "random")
UNKNOWN = "unknown"


def version(record: dict) -> str:
    """The version of the sources that made a record; 'unknown' where it names none."""
    return (record.get("code") or {}).get("sources") or UNKNOWN


def first_runs(records: Iterable[dict]) -> dict[str, str]:
    """Version -> start of its first run ('2026-11-22T10:00:00+00:00'; '' where no record of it has one)."""
    starts: dict[str, str] = {}
    for r in records:
        if r["kind"] != "pretrain":
            continue
        started = (r.get("time") or {}).get("started") or ""
        known = starts.get(version(r), "")
        starts[version(r)] = min(known, started) if known and started else known or started
    return starts


def newest(versions: Iterable[str], starts: dict[str, str]) -> str:
    """The version whose first run is the latest; of two with the same start the last by name, and 'unknown' only
    where there is no other."""
    return max(versions, key=lambda v: (v != UNKNOWN, starts.get(v, ""), v))


def named(version: str, starts: dict[str, str]) -> str:
    """'d038ffb65e5d, first run 2026-11-22', or the version alone where no start is known."""
    day = starts.get(version, "")[:10]
    return f"{version}, first run {day}" if day else version


def beside_methods(attempts: Iterable[dict], kept: list[dict]) -> list[dict]:
    """`kept`, one record a configuration, with the untrained rows exchanged for attempts by the sources that made most
    of the trained runs on their data set, where there are such attempts: rows of one table then come from one version.

    Trained rows stay as they are, whatever their version: the last finished run is the one that counts.
    """
    made: dict[str, Counter] = {}
    for r in kept:
        if r["kind"] == "pretrain" and r["status"] == "done" and r["method"] not in UNTRAINED:
            made.setdefault(r["dataset"], Counter())[version(r)] += 1
    chosen = {r["run"]: r for r in kept if r["kind"] == "pretrain" and r["method"] in UNTRAINED}
    for r in attempts:
        if r["kind"] == "pretrain" and r["status"] == "done" and r["run"] in chosen:
            count = made.get(r["dataset"], Counter())
            if count[version(r)] > count[version(chosen[r["run"]])]:
                chosen[r["run"]] = r
    return [chosen.get(r["run"], r) if r["kind"] == "pretrain" else r for r in kept]

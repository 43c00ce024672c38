"""What in a results folder is the runner's own, so that `--fresh` and stale files cost nobody anything else.

A folder is ours when a runner has worked in it (its lock file is there), and a file only when it looks like what the
runner, a notebook or a training writes at that place. Whatever else lies where results go is named, and nothing is
deleted.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from musiclib import files
from musiclib.written import MARK, written
from reproduce.batch.processes import LOCK, Refused
from reproduce.judging import records
from reproduce.planning.checks import job_data

SPEC, PLAN = "spec.json", "plan.json"
OWN = ("notebooks", "runs", "kept", records.FILE, "tables", "figures", "report.html", "submitit", PLAN)


def foreign(result: Path) -> list[Path]:
    """Everything at the places of results that no runner, notebook or training has put there."""
    result = Path(result)
    return sorted({path for name in OWN for path in strangers(result / name) if exists(path)})


def exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def strangers(place: Path) -> Iterator[Path]:
    if not exists(place):
        return
    if place.is_symlink() or place.is_dir() != ("." not in place.name):
        yield place
    elif place.name == "notebooks":
        yield from (p for p in place.iterdir() if not is_job(p))
    elif place.name == "runs":
        yield from (p for p in place.iterdir() if not is_run(p))
    elif place.name == "kept":
        yield from (p for p in place.iterdir() if not re.fullmatch(r"\.?[0-9a-f]{16}\.json.*", p.name))
    elif place.name == "submitit":
        yield from (p for p in place.iterdir() if not re.match(r"\d+_|\.submission_file_|[0-9a-f]{32}\.pkl", p.name))
    elif place.name in ("tables", "figures"):
        ours = written(place)
        yield from (p for p in place.rglob("*") if not p.is_dir() and p not in ours and p.name != MARK)
    elif place.name == records.FILE:
        if not any(isinstance(line, dict) and "schema" in line for line in files.read_lines(place)) and size(place):
            yield place
    elif place.name == PLAN:
        found = files.read_json(place)
        if not (isinstance(found, dict) and {"profile", "jobs"} <= set(found)):
            yield place
    elif place.name == "report.html" and 'name="generator" content="reproduce"' not in head(place):
        yield place


def is_job(folder: Path) -> bool:
    """Whether the runner made this folder: it wrote the job's specification first of all."""
    found = files.read_json(folder / SPEC) if folder.is_dir() and not folder.is_symlink() else None
    return isinstance(found, dict) and {"job", "hash", "values"} <= set(found)


def is_run(folder: Path) -> bool:
    """Whether a training made this folder: its configuration or its lock is there, or nothing is."""
    if folder.is_symlink() or not folder.is_dir() or not re.fullmatch(r"[0-9a-f]{12}", folder.name):
        return False
    return (folder / "config.json").is_file() or not [p for p in folder.iterdir() if p.name != ".lock"]


def size(path: Path) -> int:
    return path.stat().st_size


def head(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""


def named(result: Path, paths: list[Path]) -> str:
    """'tables/main.tex, figures/fig1.pdf and 3 more' of a results folder."""
    shown = ", ".join(str(p.relative_to(result)) for p in paths[:3])
    return shown + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def claim(result: Path, *, fresh: bool) -> None:
    """Raise Refused unless the runner may work in `result`, and may empty it where `fresh` says so. Changes nothing."""
    result, strange = Path(result), foreign(result)
    there = [name for name in OWN if exists(result / name)]
    if strange and (fresh or not (result / LOCK).is_file()):
        raise Refused(
            f"{result} holds what this runner did not write: {named(result, strange)}. Nothing was changed; choose "
            "another folder with --out, or move that away."
        )
    if fresh and there and not (result / LOCK).is_file():
        raise Refused(
            f"{result} holds {', '.join(there)}, and no runner has worked there (it has no {LOCK}), so --fresh will "
            "not empty it. Choose another folder with --out."
        )


def discard(result: Path) -> None:
    """Delete what a runner writes into a results folder that `claim` has found to be ours alone."""
    for name in OWN:
        path = Path(result) / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def finished(job, result: Path) -> dict | None:
    """The specification of the finished job in this job's folder; None where none is finished there."""
    folder = job.folder(result)
    spec, done = files.read_json(folder / SPEC), files.read_json(folder / "record.json")
    if not isinstance(spec, dict) or not isinstance(done, dict) or done.get("status") != "done":
        return None
    carried = str(done.get("token") or done.get("run") or "")
    return spec if carried.startswith(f"{spec.get('hash')}.") or carried == spec.get("hash") else None


def other_values(job, result: Path, hidden: tuple[str, ...]) -> dict[str, tuple] | None:
    """{name: (then, now)} where the job's folder holds a finished job of the same name with other values; None
    otherwise. hidden: values that say where things lie. Names that only one of the two has are the notebook's change,
    not the caller's."""
    spec = finished(job, result)
    if spec is None:
        return None
    then, now = spec.get("values") or {}, json.loads(json.dumps(job.values))
    return {n: (then[n], now[n]) for n in then if n in now and n not in hidden and then[n] != now[n]} or None


def other_data(job, result: Path) -> str:
    """The part of the data that is not what the finished job in the folder was made from; empty where all are."""
    spec = finished(job, result)
    then = (spec or {}).get("data") or {}
    now = job_data(job) if then else {}
    return next(
        (
            f"{part}: {then[part][:12]}, now {now[part][:12]}"
            for part in then
            if now.get(part, then[part]) != then[part]
        ),
        "",
    )

"""What only the library can say about a plan before it starts: are the data there, is there such a method, do values
go together."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from musiclib import datasets
from musiclib.config import TrainConfig
from reproduce.planning.jobs import Job
from reproduce.planning.parameters import unknown_name


def library_problems(jobs: list[Job]) -> list[str]:
    """Everything below, for jobs that have passed all other checks."""
    return [*config_problems(jobs), *data_problems(jobs)]


def data_problems(jobs: list[Job]) -> list[str]:
    """One message for every data set that jobs name (parameters `dataset`, `datasets`) and that is not there, with
    where it was looked for and how to get it. Small sets are read for it, which also fills their cache; folders are
    only looked for."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        if job.processes:
            continue  # checked when it was planned
        named = [job.values.get("dataset"), *(job.values.get("datasets") or [])]
        for name in named:
            if isinstance(name, str) and name:
                wanted.setdefault((name, job.values.get("data_root") or ""), []).append(job.id)
    found = []
    for (name, root), ids in wanted.items():
        jobs_text = f" (needed by {ids[0]}{f' and {len(ids) - 1} more jobs' if len(ids) > 1 else ''})"
        if name.startswith("folder:"):
            path = Path(name.removeprefix("folder:")).expanduser()
            if not path.is_dir() and not (datasets.data_root(root or None) / path).is_dir():
                found.append(f"{name}: no such folder, here or in {datasets.data_root(root or None)}{jobs_text}")
        elif name not in datasets.NAMES:
            found.append(unknown_name(name, datasets.NAMES, "dataset") + ", or folder:PATH" + jobs_text)
        else:
            try:
                datasets.load(name, "test", root=root or None)
            except (datasets.DatasetMissing, ValueError, OSError) as error:
                found.append(f"{error}{jobs_text}")
    return found


def config_problems(jobs: list[Job]) -> list[str]:
    """Values that the training loop would refuse, for notebooks whose parameters are those of `TrainConfig` by name."""
    fields, found = {f.name for f in dataclasses.fields(TrainConfig)}, []
    for job in jobs:
        values = {} if job.processes else {n: v for n, v in job.values.items() if n in fields}
        if not {"method", "epochs"} <= set(values):
            continue
        try:
            TrainConfig.from_dict(values).resolved()
        except (TypeError, ValueError, KeyError) as error:
            found.append(f"{job.id}: {error}")
    return found

"""What only the library can say about a plan before it starts: are the data there, is there such a method, do values
go together."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from musiclib import datasets
from musiclib.config import TrainConfig, method_class
from musiclib.plugins import PluginError, is_outside, named_in, source
from musiclib.pretrain.inputs import identities
from reproduce.planning.jobs import Job
from reproduce.planning.parameters import unknown_name


def library_problems(jobs: list[Job]) -> list[str]:
    """Everything below, for jobs that have passed all other checks."""
    return [*plugin_problems(jobs), *config_problems(jobs), *data_problems(jobs)]


def plugin_problems(jobs: list[Job]) -> list[str]:
    """One message for everything from outside that jobs name and that cannot be used: methods, encoders, data sets by
    dotted path. They are imported for it, as the job will import them."""
    found = {}
    for job in jobs:
        for name, what in named_in(job.values).items():
            try:
                if what == "method":
                    method_class(name)
                source(name, what)
            except PluginError as error:
                found.setdefault(name, f"{error} (needed by {job.id})")
    return list(found.values())


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
        elif is_outside(name) and any(name in problem for problem in plugin_problems(jobs)):
            continue  # told already
        elif not datasets.known(name):
            found.append(unknown_name(name, datasets.NAMES, "dataset") + ", or folder:PATH" + jobs_text)
        else:
            try:
                datasets.load(name, "test", root=root or None)
            except (datasets.DatasetMissing, ValueError, OSError) as error:
                found.append(f"{error}{jobs_text}")
    return found


def job_data(job: Job) -> dict[str, str]:
    """'SET, PART' -> identity of the data in files that a job's values name, wherever among them; what is not found is
    left out."""
    if job.processes:
        return {f"{job.values['dataset']}, {part}": name for part, name in found(job).items()}
    root, options, data = job.values.get("data_root") or None, job.values.get("dataset_options") or {}, {}
    for name in sorted(set(texts(job.values))):
        if not datasets.known(name) or name in datasets.MADE:
            continue
        chosen = options if name == job.values.get("dataset") else {}
        for part in datasets.SPLITS:
            with contextlib.suppress(OSError, ValueError):
                data[f"{name}, {part}"] = datasets.identity(name, part, root=root, **chosen)
    return data


def found(job: Job) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError, TypeError):
        return identities(TrainConfig.from_dict(job.values), None)
    return {}


def texts(value: object) -> Iterator[str]:
    """Every text among values, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


def config_problems(jobs: list[Job]) -> list[str]:
    """Values that the training loop would refuse, for notebooks whose parameters are those of `TrainConfig` by name."""
    fields, found = {f.name for f in dataclasses.fields(TrainConfig)}, []
    for job in jobs:
        values = {} if job.processes else {n: v for n, v in job.values.items() if n in fields}
        if not {"method", "epochs"} <= set(values):
            continue
        try:
            TrainConfig.from_dict(values).resolved()
        except PluginError:
            continue  # told already
        except (TypeError, ValueError, KeyError) as error:
            found.append(f"{job.id}: {error}")
    return found

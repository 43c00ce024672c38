"""From a profile to a list of jobs: what would run, with which values, how long, how much disk. Nothing is started
here.

A profile is a YAML file in `reproduce/profiles/`:

    title: What a newcomer runs first
    purpose: every notebook to its end, on any laptop
    budget: {minutes: 5, cores: 2, disk_mb: 300}      # of the whole profile
    workers: 2                                        # jobs at a time, unless --jobs says otherwise
    parameters: {device: cpu}                         # for every notebook that has such a parameter
    jobs:
      - notebook: 03_pretrain_and_evaluate
        minutes: 1.5                                  # expected, of one run
        disk_mb: 40                                   # expected, of one run
        limit_minutes: 15                             # killed after this; default ten times the expected, at least 10
        memory_gb: 8                                  # asked of a cluster; default 8
        parameters: {epochs: 10}
        seeds: [0, 1, 2]
        matrix: {dataset: [cifar10, fashion_mnist]}   # every combination
        cases:                                        # alternatives that go together
          - {method: music}
          - {method: simclr, options: {temperature: 0.5}}

An entry with `pretrain:` trains through torchrun instead, see training.py.

All mistakes of a profile, of `--set` and of the notebooks are collected in `Plan.problems`, so that they are told at
once.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
from pathlib import Path

from musiclib.plugins import PluginError, named_in, source
from musiclib.schema import read_mapping
from reproduce import NOTEBOOKS
from reproduce.planning import training
from reproduce.planning.checks import library_problems
from reproduce.planning.handover import papermill_disagrees
from reproduce.planning.jobs import Job, Plan
from reproduce.planning.parameters import (
    Notebook,
    failed_checks,
    from_text,
    problem_with,
    read_notebook,
    unknown_name,
    values_hash,
)

PROFILES = Path(__file__).resolve().parents[1] / "profiles"

PROFILE_KEYS = {
    "title": str,
    "purpose": str,
    "budget": dict,
    "workers": int,
    "parameters": dict,
    "jobs": list,
    "notes": str,
}
BUDGET_KEYS = {"minutes": float, "cores": int, "disk_mb": float, "gpus": int}
JOB_KEYS = {
    "notebook": str,
    "minutes": float,
    "disk_mb": float,
    "limit_minutes": float,
    "memory_gb": float,
    "parameters": dict,
    "seeds": list,
    "matrix": dict,
    "cases": list,
    "label": str,
}


def profile_names() -> list[str]:
    """The profiles that ship, in the order of their cost."""
    order = ["quick", "cpu", "lease", "gpu", "imagenet"]
    names = [p.stem for p in PROFILES.glob("*.yaml")]
    return sorted(names, key=lambda n: (order.index(n) if n in order else len(order), n))


def profile_path(name: str) -> Path:
    """The file of a shipped profile, or the file itself where `name` ends in .yaml. Raises ValueError for an unknown
    one."""
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise ValueError(f"no profile file {name}; looked in {path.resolve().parent}")
        return path
    if name not in profile_names():
        raise ValueError(unknown_name(name, profile_names(), "profile") + ". A path to a YAML file works too.")
    return PROFILES / f"{name}.yaml"


def typed(section: dict, keys: dict, where: str, problems: list[str]) -> dict:
    """The entries of a YAML section whose names and types are right; the others are told."""
    good = {}
    for name, value in section.items():
        if name not in keys:
            problems.append(f"{where}: {unknown_name(str(name), keys, 'key')}")
        elif keys[name] is float and isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
            good[name] = float(value)
        elif isinstance(value, keys[name]) and not isinstance(value, bool):
            good[name] = value
        else:
            problems.append(
                f"{where}: {name}={value!r} must be "
                f"{'a number >= 0' if keys[name] is float else 'a ' + keys[name].__name__}"
            )
    return good


def build(
    profile: str,
    *,
    notebooks: Path = NOTEBOOKS,
    only: list[str] | None = None,
    settings: list[str] | None = None,
    data_root: str | None = None,
    check_data: bool = True,
) -> Plan:
    """Spell a profile out and check every value. profile: name or path of a YAML file. only: notebooks (name, leading
    part of one, or a job id). settings: 'NAME=VALUE' texts. Mistakes do not raise; they are all in `Plan.problems`."""
    try:
        path = profile_path(profile)
        content = read_mapping(path)
    except ValueError as error:
        return Plan(profile, problems=[str(error)])
    problems: list[str] = []
    content = typed(content, PROFILE_KEYS, path.name, problems)
    plan = Plan(
        path.stem, content.get("title", ""), content.get("purpose", ""), content.get("notes", ""), problems=problems
    )
    plan.budget = typed(content.get("budget", {}), BUDGET_KEYS, f"{path.name} budget", problems)
    plan.workers = max(1, content.get("workers", 1))
    chosen = read_settings(settings or [], problems)
    if data_root is not None:
        chosen["data_root"] = str(Path(data_root).expanduser().resolve())
    entries = select(entries_of(content, path.name, notebooks, problems), only or [], problems)
    for name in dict.fromkeys(e["notebook"] for e in entries if "pretrain" not in e):
        book = read_notebook(Path(notebooks) / f"{name}.ipynb")
        plan.notebooks[name] = book
        problems.extend(f"{name}.ipynb {p}" for p in book.problems)
        problems.extend(f"{name}.ipynb {p}" for p in papermill_disagrees(book))
    used: set[str] = set()
    for entry in entries:
        if "pretrain" in entry:
            plan.jobs.extend(training.expand(entry, chosen, data_root, used, problems))
        elif (book := plan.notebooks[entry["notebook"]]).parameters:
            plan.jobs.extend(expand(entry, book, content.get("parameters", {}), chosen, used, problems))
    if plan.notebooks and all(b.parameters for b in plan.notebooks.values()):
        known = {p for b in plan.notebooks.values() for p in b.parameters}
        common = [(n, f"{path.name} parameters") for n in content.get("parameters", {}) if not only]
        for name, what in [*common, *((n, "--set") for n in chosen if n != "data_root")]:
            if name not in used:
                problems.append(
                    f"{what}: none of the chosen notebooks has it: {unknown_name(name, known, 'parameter')}"
                )
    plan.jobs = select_jobs(plan.jobs, only or [])
    seen: dict[str, Job] = {}
    for job in plan.jobs:
        if seen.setdefault(job.id, job) is not job:
            problems.append(f"{path.name}: two jobs are called {job.id}; give one of the entries a `label`")
    if data_root is not None and not Path(data_root).expanduser().is_dir():
        problems.append(f"--data-root {data_root}: there is no such folder")
    elif check_data and not problems:
        problems.extend(library_problems(plan.jobs))
    plan.problems = list(dict.fromkeys(problems))
    return plan


def read_settings(settings: list[str], problems: list[str]) -> dict[str, str]:
    """'NAME=VALUE' texts as a dict of texts; the value may contain further '='."""
    chosen: dict[str, str] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.replace(".", "_").isidentifier():
            problems.append(f"--set {text!r} must read NAME=VALUE")
        elif name == "out":
            problems.append(
                "--set out=... is not possible: every job has its own folder; use --out for the folder of them all"
            )
        elif name in chosen:
            problems.append(f"--set {name} is given twice")
        else:
            chosen[name] = value
    return chosen


def entries_of(content: dict, where: str, notebooks: Path, problems: list[str]) -> list[dict]:
    """The `jobs` of a profile that name an existing notebook and are well formed."""
    available, entries = [p.stem for p in sorted(Path(notebooks).glob("*.ipynb"))], []
    if not content.get("jobs"):
        problems.append(f"{where}: needs a list `jobs` with at least one entry")
    for number, raw in enumerate(content.get("jobs", []), 1):
        here = f"{where} job {number}"
        if not isinstance(raw, dict):
            problems.append(f"{here}: must be a mapping with a key `notebook`, not {raw!r}")
            continue
        if "pretrain" in raw:
            entries.append(
                {
                    **typed(raw, training.KEYS, here, problems),
                    "where": here,
                    "notebook": "pretrain",
                    "pretrain": str(raw["pretrain"]),
                }
            )
            continue
        entry = typed(raw, JOB_KEYS, here, problems)
        if "notebook" not in entry:
            problems.append(f"{here}: lacks the key `notebook`")
        elif entry["notebook"] not in available:
            problems.append(f"{here}: {unknown_name(entry['notebook'], available, 'notebook')} (in {notebooks})")
        elif any(not isinstance(v, list) or not v for v in entry.get("matrix", {}).values()):
            problems.append(f"{here}: every value of `matrix` must be a list that is not empty")
        elif any(not isinstance(c, dict) for c in entry.get("cases", [])):
            problems.append(f"{here}: every item of `cases` must be a mapping of parameters to values")
        else:
            entries.append({**entry, "where": here})
    return entries


def select(entries: list[dict], only: list[str], problems: list[str]) -> list[dict]:
    """The entries whose notebook is meant by one of `only`: its name, a leading part of it ('03'), or a job id of
    it."""
    names = [e["notebook"] for e in entries]
    for wanted in only:
        if not any(names_notebook(wanted, n) for n in names):
            problems.append(f"--only {wanted}: {unknown_name(wanted, names, 'notebook of this profile')}")
    return [e for e in entries if not only or any(names_notebook(w, e["notebook"]) for w in only)]


def names_notebook(wanted: str, name: str) -> bool:
    """Whether an entry of `--only` (a name, a leading part of one, or a job id) is about the notebook `name`."""
    wanted = wanted.removesuffix(".ipynb")
    return name.startswith(wanted) or wanted.startswith(name + ".")


def select_jobs(jobs: list[Job], only: list[str]) -> list[Job]:
    """Where `only` names single jobs (NOTEBOOK.LABEL), those of that notebook alone."""
    names = {j.notebook for j in jobs}
    exact = {w for w in only if any(w.startswith(n + ".") and not w.endswith(".ipynb") for n in names)}
    if not exact:
        return jobs
    whole = [w for w in only if w not in exact]
    return [j for j in jobs if j.id in exact or any(names_notebook(w, j.notebook) for w in whole)]


def expand(entry: dict, book: Notebook, common: dict, chosen: dict, used: set[str], problems: list[str]) -> list[Job]:
    """All jobs of one entry of a profile: cases x matrix x seeds, with `--set` on top."""
    where, parameters = entry["where"], book.parameters
    fixed = {n: v for n, v in common.items() if n in parameters} | entry.get("parameters", {})
    axes = {**entry.get("matrix", {}), **({"seed": entry["seeds"]} if entry.get("seeds") else {})}
    cases = entry.get("cases") or [{}]
    overrides: dict[str, object] = {}
    for name, text in chosen.items():
        if name in parameters:
            used.add(name)
            try:
                overrides[name] = from_text(parameters[name], text)
            except ValueError as error:
                problems.append(f"--set {error} ({book.name})")
    used |= set(fixed) & set(parameters)
    bad = False
    for name, value in [
        *fixed.items(),
        *((n, v) for c in cases for n, v in c.items()),
        *((n, v) for n, vs in axes.items() for v in vs),
    ]:
        reason = (
            unknown_name(str(name), parameters, "parameter")
            if name not in parameters
            else problem_with(parameters[name], value)
        )
        if name == "out":
            reason = "out is set by the runner; every job has its own folder"
        if reason:
            bad = True
            problems.append(f"{where} ({book.name}): {reason}")
    if bad:
        return []
    jobs: dict[str, Job] = {}
    for case, combination in itertools.product(cases, itertools.product(*axes.values())):
        varied = {**case, **dict(zip(axes, combination, strict=True))}
        given = {**fixed, **varied, **overrides}
        values = {n: given.get(n, p.default) for n, p in parameters.items() if n != "out"}
        varied = {n: values[n] for n in varied}
        for message in failed_checks(book, values):
            problems.append(f"{where} ({book.name}{label(varied)}): {message}")
        identity = hashlib.sha256(f"{book.hash} {values_hash(values)}{outside(values)}".encode()).hexdigest()[:12]
        minutes = entry.get("minutes", 1.0)
        job = Job(
            id=job_id(book.name, entry.get("label", ""), varied, identity),
            notebook=book.name,
            path=book.path.resolve(),
            values=values,
            given=given,
            hash=identity,
            minutes=minutes,
            disk_mb=entry.get("disk_mb", 20.0),
            limit_minutes=entry.get("limit_minutes", max(10.0, 10 * minutes)),
            source=book.hash,
            memory_gb=entry.get("memory_gb", 0.0),
        )
        jobs.setdefault(job.hash, job)  # --set may make several of them the same
    return list(jobs.values())


def outside(values: dict) -> str:
    """The source of every plug-in that a job names, for its identity: a job whose plug-in has changed is not done. What
    cannot be imported is told elsewhere (`checks.plugin_problems`)."""
    found = []
    for name, what in sorted(named_in(values).items()):
        with contextlib.suppress(PluginError):
            found.append(f" {name} {source(name, what)}")
    return "".join(found)


def label(varied: dict) -> str:
    return "".join(f" {n}={json.dumps(v) if isinstance(v, (dict, list)) else v}" for n, v in varied.items())


def job_id(notebook: str, extra: str, varied: dict, identity: str) -> str:
    """A name that reads well, is a valid folder name, and does not depend on what else is in the profile."""
    parts = [extra] if extra else []
    parts += [f"{n}={v}" for n, v in varied.items() if not isinstance(v, (dict, list))]
    parts += [identity[:6]] if any(isinstance(v, (dict, list)) for v in varied.values()) else []
    text = re.sub(r"[^A-Za-z0-9=._+-]+", "-", ",".join(parts).replace(",", "_"))
    if len(text) > 80:
        text = text[:72] + "-" + identity[:6]
    return f"{notebook}.{text}" if text else notebook

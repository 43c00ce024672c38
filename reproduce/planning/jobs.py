"""What planning makes of a profile: jobs, and the plan that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reproduce.planning.parameters import Notebook


@dataclass(frozen=True)
class Job:
    """One notebook with one set of parameter values. `hash` names notebook source and values together."""

    id: str
    notebook: str
    path: Path
    values: dict
    given: dict
    hash: str
    minutes: float
    disk_mb: float
    limit_minutes: float
    source: str = ""  # hash of the notebook alone
    processes: int = 0  # 0: a notebook; else a training through torchrun, so many processes a machine
    nodes: int = 1
    memory_gb: float = 0.0  # asked of a cluster; 0: the executor's default

    def folder(self, result: Path) -> Path:
        """Where everything of this job lies: the notebook's `out`."""
        return Path(result) / "notebooks" / self.id


@dataclass
class Plan:
    """A profile spelt out. Runs only when `problems` is empty."""

    profile: str
    title: str = ""
    purpose: str = ""
    notes: str = ""
    budget: dict = field(default_factory=dict)
    workers: int = 1
    jobs: list[Job] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notebooks: dict[str, Notebook] = field(default_factory=dict)


def duration(seconds: float) -> str:
    """'8 s', '3 min 20 s', '2 h 05 min': to read, not to compute with."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"

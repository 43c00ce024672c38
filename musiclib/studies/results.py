"""What a notebook does besides thinking: keep its figures, numbers and claims, and say at the end that it got there.

    nb = Results("00_music_in_five_minutes", out, seed=seed)
    nb.figure(fig, "joint", "What the figure shows")          # kept as SVG, and shown
    nb.claim("bound", loss >= bound, f"{loss:.3f} >= {bound:.3f}")   # kept, and an assertion
    nb.finish(metrics={"loss": loss})                          # record.json, the last act

`record.json` is what a runner judges the notebook by: an executed notebook on disk proves nothing, since papermill
marks cells as completed that never ran. Works alike under papermill, Jupyter and nbmake, whatever the working
directory: a relative `out` lies below the project (or below the working directory, for an installed package without
the project around it).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from musiclib import files, record
from musiclib.config import TrainConfig
from musiclib.pretrain import run
from musiclib.schema import canonical, coerce
from musiclib.written import clear, note, written

PROJECT = record.PACKAGE.parent

SCORING = [
    record.PACKAGE / part
    for part in ("evaluate", "studies/frozen.py", "studies/few_labels.py", "studies/across_sets.py")
]
"""Sources that decide what a kept evaluation returns."""


def check_parameters(namespace: dict[str, Any]) -> None:
    """TypeError for a parameter whose value is not of the type that the notebook's first cell gives it.

    namespace: globals() of the notebook. `papermill -p flag false` hands over the text "false", which is true.
    """
    for name, kind in dict(namespace.get("__annotations__", {})).items():
        hint = eval(kind, {"Literal": Literal}) if isinstance(kind, str) else kind
        value = namespace[name]
        try:
            coerce(value, hint, name)
        except (TypeError, ValueError) as error:
            hint = (
                '; papermill reads -p NAME False, and anything with -y "NAME: VALUE"' if value.__class__ is str else ""
            )
            raise TypeError(f"{error}{hint}") from None


def anchored(path: str | os.PathLike) -> Path:
    """An absolute path: `path` itself, or below the project's root, or below the working directory without a
    project."""
    home = PROJECT if (PROJECT / "pyproject.toml").is_file() else Path.cwd()
    return home / Path(path).expanduser()


class Results:
    """The folder of one executed notebook: figures/, record.json, and `runs/` for what it trains."""

    def __init__(self, name: str, out: str | os.PathLike, **parameters: Any) -> None:
        """name: of the notebook. out: folder for everything it leaves. parameters: the values it ran with."""
        self.name, self.out, self.parameters = name, anchored(out), parameters
        self.figures: list[dict[str, str]] = []
        self.claims: dict[str, dict[str, Any]] = {}
        self.trained: list[str] = []
        self.started = record.now()
        self._clear()

    def _clear(self) -> None:
        """Take away what an earlier execution left, since an old success must not vouch for this one, and nothing
        else: FileExistsError where the record is somebody else's."""
        path = self.out / "record.json"
        before = files.read_json(path)
        if path.exists() and not (isinstance(before, dict) and before.get("kind") == "notebook"):
            raise FileExistsError(f"{path} is not a notebook's record; choose another folder for `out`")
        shown = before.get("figures") if before else None
        listed = [f["file"] for f in shown or [] if isinstance(f, dict) and isinstance(f.get("file"), str)]
        for name in listed:  # of a version that kept no list of what it wrote
            if re.fullmatch(r"figures/[^/]+\.svg", name):
                (self.out / name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        clear(self.out / "figures")
        (self.out / "figures").mkdir(parents=True, exist_ok=True)

    @property
    def runs(self) -> Path:
        """Where training runs go: the folder that all notebooks of a batch share (the runner sets MUSICLIB_RUNS), else
        one of this notebook's own."""
        return Path(os.environ.get("MUSICLIB_RUNS") or self.out / "runs")

    def train(self, config: TrainConfig, data_root: str = "", *, evaluate: bool = True) -> dict[str, Any]:
        """The record of one training run, which is trained, resumed, or found finished; see `musiclib.pretrain.run`.

        Waits where another notebook of the batch is at the same run. evaluate: False for a run whose probes nobody asks
        for; its metrics are then empty, and no table shows it.
        """
        self.trained.append(config.hash())
        return run(config, self.runs / config.hash(), data_root=data_root or None, evaluate=evaluate, wait=True)

    def kept(self, settings: dict[str, Any], compute: Callable[[], Any]) -> Any:
        """compute(), a JSON value, or what it returned when it was asked with the same settings before.

        For evaluations that take minutes, so that an interrupted notebook goes on where it was. settings: everything
        that the value depends on, among it the hashes of the runs; the evaluation's own code counts too. Kept in the
        folder `kept` beside the runs.
        """
        key = files.jsonable({"settings": settings, "code": [record.sources_hash(p) for p in SCORING]})
        path = self.runs.parent / "kept" / f"{hashlib.sha256(canonical(key).encode()).hexdigest()[:16]}.json"
        found = files.read_json(path)
        if found is None or found["key"] != key:
            found = {"key": key, "value": files.jsonable(compute())}
            files.write_json(path, found)
        return found["value"]

    def figure(self, figure: Any, name: str, caption: str) -> Any:
        """Keep a matplotlib figure as figures/NAME.svg and return it, so that the cell shows it. caption: one
        sentence."""
        if any(f["file"] == f"figures/{name}.svg" for f in self.figures):
            raise ValueError(f"name={name!r}: this notebook has a figure of that name already")
        from musiclib.plots.style import save_svg

        path = self.out / "figures" / f"{name}.svg"
        if path.exists() and path not in written(path.parent):
            raise FileExistsError(f"{path} was not written by this notebook; choose another folder for `out`")
        save_svg(figure, path)
        note(path)
        self.figures.append({"file": f"figures/{name}.svg", "caption": caption})
        return figure

    def claim(self, key: str, holds: bool, text: str) -> None:
        """Keep a claim with what was found; AssertionError with that text if it does not hold, whatever Python does
        with `assert`."""
        self.observe(key, bool(holds), text)
        if not holds:
            raise AssertionError(f"{key}: {text}")

    def observe(self, key: str, holds: bool | None, text: str) -> None:
        """Keep an outcome that is a result either way: True, False, or None where the data do not decide."""
        if key in self.claims:
            raise ValueError(f"key={key!r}: this notebook has a claim of that name already")
        self.claims[key] = {"holds": holds, "text": text}

    def finish(self, **metrics: float) -> Path:
        """Write record.json, atomically; the last line of every notebook. metrics: plain numbers by name."""
        body = {
            "schema": record.SCHEMA,
            "kind": "notebook",
            "status": "done",
            "token": os.environ.get("MUSICLIB_RUN"),
            "notebook": {"name": self.name},
            "config": self.parameters,
            "metrics": {name: float(value) for name, value in metrics.items()},
            "figures": self.figures,
            "claims": self.claims,
            "runs": list(dict.fromkeys(self.trained)),
            "time": {"started": self.started, "finished": record.now()},
            **record.provenance(),
        }
        files.write_json(self.out / "record.json", body)
        return self.out / "record.json"

"""A run's folder, opened for export."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from musiclib import files
from musiclib.config import UNTRAINED, TrainConfig
from musiclib.plugins import PluginError
from musiclib.pretrain import checkpoint
from musiclib.pretrain.assemble import load_encoder, view_configs
from musiclib.views import ViewConfig

PROBE_IMAGES = 8


class ExportError(ValueError):
    """The run cannot be exported, or not in this format. One line."""


@dataclass(frozen=True)
class Source:
    """A finished run. encoder: in eval mode on the CPU, laid out as when it was scored. channels: of its images. view:
    how they are shown to it. record: its own; siblings: finished records that differ from it in the seed alone, its own
    among them, by seed. floors: method -> record of rows without learning on the same images."""

    folder: Path
    config: TrainConfig
    record: dict[str, Any]
    encoder: nn.Module
    channels: int
    view: ViewConfig
    siblings: tuple[dict[str, Any], ...]
    floors: dict[str, list[dict[str, Any]]]

    @property
    def split(self) -> str:
        """The split that its metrics are named after."""
        return "validation" if self.config.validation else "test"

    def images(self) -> Float[Tensor, "n c h w"]:
        """Drawn images, the same for every export, on which written encoders are compared with this one."""
        generator = torch.Generator().manual_seed(20220)
        return torch.randn(PROBE_IMAGES, self.channels, self.view.size, self.view.size, generator=generator)

    @torch.no_grad()
    def features(self) -> Float[Tensor, "n f"]:
        """Features of `images`."""
        return self.encoder(self.images())


def open_source(folder: str | os.PathLike, records: str | os.PathLike | None = None) -> Source:
    """The run in a folder. records: a file of JSON lines with further seeds and reference rows; None for records.jsonl
    beside the folder `runs` that the run lies in, if there is one. Raises ExportError, PluginError for a plug-in that
    is missing or has changed, and what `musiclib.pretrain.checkpoint` raises for a damaged checkpoint."""
    folder = Path(folder).absolute()
    done = files.read_json(folder / "record.json")
    if done is None or not (folder / "config.json").is_file():
        raise ExportError(f"{folder} is not the folder of a run: it has no config.json and record.json")
    if done.get("status") != "done" or done.get("kind") != "pretrain":
        raise ExportError(f"{folder} holds no finished training (its record says {done.get('status')!r})")
    if done.get("method") in UNTRAINED:
        raise ExportError(f"the method {done['method']!r} trains nothing: there are no weights to export")
    try:
        encoder, config = load_encoder(folder)
    except FileNotFoundError as error:
        raise ExportError(str(error)) from None
    except PluginError as error:
        raise PluginError(f"{folder}: {error}") from None
    if config.hash() != done.get("run"):
        raise ExportError(f"{folder}: record.json is of the run {done.get('run')}, config.json of {config.hash()}")
    encoder.to(memory_format=torch.channels_last)
    data = checkpoint.load(folder / "checkpoint", owner=config.hash())["data"]
    view = view_configs(config)[0]
    path = Path(records) if records is not None else folder.parent.parent / "records.jsonl"
    if records is not None and not path.is_file():
        raise ExportError(f"--records {path}: there is no such file")
    known = [r for r in files.read_lines(path) if r.get("kind") == "pretrain" and r.get("status") == "done"]
    by_seed = {r["seed"]: r for r in known if _but_seed(r) == _but_seed(done)} | {done["seed"]: done}
    siblings = tuple(by_seed[seed] for seed in sorted(by_seed))
    return Source(folder, config, done, encoder, data["channels"], view, siblings, _floors(known, done))


def _but_seed(record: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in record["config"].items() if k != "seed"}


def _floors(known: list[dict[str, Any]], done: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Raw pixels and random encoders on the images of the run, each seed once."""
    same = {"pixels": ("dataset", "dataset_options", "validation")}
    same["random"] = (*same["pixels"], "encoder")
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for r in known:
        names = same.get(r["method"])
        if names and all(r["config"].get(n) == done["config"].get(n) for n in names):
            found.setdefault(r["method"], {})[r["seed"]] = r
    return {method: list(found[method].values()) for method in same if method in found}

"""Jobs that pre-train through torchrun instead of running a notebook: several processes, several machines.

An entry of a profile with `pretrain: NAME` in place of `notebook:` has the fields of `musiclib.config.TrainConfig`
under `config`, and `processes` (a machine) and `nodes`. The data set `imagenet` stands for `imagenet:DIR` with the
DIR of --data-root. The job is done when `musiclib.pretrain` has written its own finished record of exactly this
configuration.
"""

from __future__ import annotations

import os
from pathlib import Path

from musiclib.config import TrainConfig, override
from musiclib.pretrain.assemble import view_configs
from reproduce.planning.jobs import Job

KEYS = {
    "pretrain": str,
    "config": dict,
    "processes": int,
    "nodes": int,
    "minutes": float,
    "disk_mb": float,
    "limit_minutes": float,
    "memory_gb": float,
    "seeds": list,
}


def expand(
    entry: dict, settings: dict[str, str], data_root: str | None, used: set[str], problems: list[str]
) -> list[Job]:
    """The jobs of one `pretrain` entry, one a seed, with `--set` on top (dotted names reach into options, views,
    dataset_options)."""
    where, jobs = entry["where"], []
    chosen = {n: v for n, v in settings.items() if n not in ("data_root", "processes", "nodes")}
    used |= {*chosen, "data_root", "processes", "nodes"}
    try:
        processes = int(settings.get("processes", entry.get("processes", 1)))
        nodes = int(settings.get("nodes", entry.get("nodes", 1)))
        values = override(entry.get("config", {}), [f"{n}={v}" for n, v in chosen.items()])
        seeds = [values["seed"]] if "seed" in chosen else entry.get("seeds", [values.get("seed", 0)])
        if values.get("dataset") == "imagenet":
            try:
                values["dataset"] = f"imagenet:{imagenet_folder(data_root)}"
            except FileNotFoundError as error:  # told, and the job is listed all the same
                problems.append(f"{where} (pretrain {entry['pretrain']}): {error}")
                values["dataset"] = "imagenet:DIR"
        for seed in seeds:
            config = TrainConfig.from_dict({**values, "seed": seed}).resolved()
            view_configs(config)
            if config.batch % (processes * nodes):
                raise ValueError(f"batch={config.batch} must be a multiple of the {processes * nodes} processes")
            minutes = entry.get("minutes", 1.0)
            name = f"pretrain.{entry['pretrain']}" + (f"_seed={seed}" if len(seeds) > 1 else "")
            jobs.append(
                Job(
                    id=name,
                    notebook="pretrain",
                    path=Path(),
                    values=config.to_dict(),
                    hash=config.hash(),
                    minutes=minutes,
                    given={
                        **{k: v for k, v in values.items() if k != "seed"},
                        "seed": seed,
                        "processes": processes,
                        "nodes": nodes,
                    },
                    disk_mb=entry.get("disk_mb", 20.0),
                    limit_minutes=entry.get("limit_minutes", max(10.0, 10 * minutes)),
                    processes=processes,
                    nodes=nodes,
                    memory_gb=entry.get("memory_gb", 0.0),
                )
            )
    except (TypeError, ValueError) as error:
        problems.append(f"{where} (pretrain {entry['pretrain']}): {error}")
    return jobs


def imagenet_folder(data_root: str | None) -> Path:
    """The folder with train/CLASS/*.jpg below a data root. Raises FileNotFoundError saying where it was looked for."""
    root = data_root or os.environ.get("MUSICLIB_DATA") or "data"
    looked = [Path(root).expanduser().absolute() / part for part in ("", "imagenet", "ILSVRC2012")]
    for folder in looked:
        if (folder / "train").is_dir() and any((folder / held).is_dir() for held in ("val", "test", "validation")):
            return folder
    raise FileNotFoundError(
        f"ImageNet was not found: no folder with train/ and val/ among {', '.join(map(str, looked))}. Give "
        f"--data-root DIR "
        "with DIR/train/CLASS/*.JPEG and DIR/val/CLASS/*.JPEG; it has to be fetched from image-net.org by hand, after "
        "agreeing to its terms."
    )

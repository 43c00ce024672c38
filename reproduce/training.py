"""Jobs that pre-train through torchrun instead of running a notebook: several processes, several machines.

An entry of a profile with `pretrain: NAME` in place of `notebook:` has the fields of `musiclib.config.TrainConfig`
under `config`, and `processes` (a machine) and `nodes`. The data set `imagenet` stands for `imagenet:DIR` with the
DIR of --data-root. The job is done when `musiclib.pretrain` has written its own finished record of exactly this
configuration.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from reproduce.plan import Job

KEYS = {
    "pretrain": str,
    "config": dict,
    "processes": int,
    "nodes": int,
    "minutes": float,
    "disk_mb": float,
    "limit_minutes": float,
    "seeds": list,
}
PORT = 29511  # of the rendezvous between machines


def expand(
    entry: dict, settings: dict[str, str], data_root: str | None, used: set[str], problems: list[str]
) -> list[Job]:
    """The jobs of one `pretrain` entry, one a seed, with `--set` on top (dotted names reach into options, views,
    dataset_options)."""
    from musiclib.config import TrainConfig, override
    from musiclib.training.assemble import view_configs

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


def command(spec: dict, config: Path, environ: dict[str, str]) -> list[str]:
    """The torchrun command of one machine. On a cluster MUSICLIB_NODE (this machine's number) and MUSICLIB_HOST (the
    first one's name) are set by the executor."""
    if spec["nodes"] > 1:
        rendezvous = [
            "--nnodes",
            str(spec["nodes"]),
            "--node-rank",
            environ["MUSICLIB_NODE"],
            "--rdzv-backend",
            "c10d",
            "--rdzv-id",
            spec["hash"],
            "--rdzv-endpoint",
            f"{environ['MUSICLIB_HOST']}:{PORT}",
        ]
    else:
        rendezvous = ["--standalone"]
    launcher = [sys.executable, "-m", "torch.distributed.run", *rendezvous, "--nproc-per-node", str(spec["processes"])]
    if spec["nodes"] == spec["processes"] == 1:
        launcher = [sys.executable]
    return [*launcher, "-m", "musiclib.pretrain", "--config", str(config), "--out", spec["out"]]


def execute(spec: dict) -> dict | None:
    """Train; None when `musiclib.pretrain` left a finished record, else what went wrong. Writes the job's
    record.json, which carries the token of this attempt, only from that record."""
    out = Path(spec["out"])
    config = out / "config.yaml"
    config.write_text(json.dumps(spec["values"], indent=1), encoding="utf-8")  # JSON is YAML
    code = subprocess.run(command(spec, config, dict(os.environ)), check=False).returncode
    if int(os.environ.get("MUSICLIB_NODE", 0)):
        return None if code == 0 else failure(f"torchrun ended with code {code} on this machine")
    own = out / "runs" / spec["hash"] / "record.json"
    try:
        found = json.loads(own.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return failure(f"musiclib.pretrain ended with code {code} and left no record; its last words are in the log")
    if found.get("status") != "done" or found.get("run") != spec["hash"]:
        told = found.get("error") or {}
        return failure(told.get("message") or f"musiclib.pretrain ended with code {code}", told.get("type"))
    body = {
        "schema": 1,
        "kind": "notebook",
        "status": "done",
        "token": os.environ["MUSICLIB_RUN"],
        "metrics": {k: v for k, v in found["metrics"].items() if isinstance(v, (int, float))},
        "figures": [],
        "claims": {},
        "environment": found["environment"],
        "code": found["code"],
    }
    (out / ".record.json").write_text(json.dumps(body, indent=1), encoding="utf-8")
    os.replace(out / ".record.json", out / "record.json")
    return None


def failure(message: str, name: str | None = None) -> dict:
    return {"kind": "training", "cell": None, "name": name or "training", "message": message, "traceback": ""}

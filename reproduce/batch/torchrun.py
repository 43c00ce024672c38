"""Run one training job through torchrun, on every machine that it has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from musiclib import files

PORT = 29511  # of the rendezvous between machines


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
    files.write_json(config, spec["values"])  # JSON is YAML
    code = subprocess.run(command(spec, config, dict(os.environ)), check=False).returncode
    if int(os.environ.get("MUSICLIB_NODE", 0)):
        return None if code == 0 else failure(f"torchrun ended with code {code} on this machine")
    found = files.read_json(out / "runs" / spec["hash"] / "record.json")
    if found is None:
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
    files.write_json(out / "record.json", body)
    return None


def failure(message: str, name: str | None = None) -> dict:
    return {"kind": "training", "cell": None, "name": name or "training", "message": message, "traceback": ""}

"""The life of one run: find it finished or resume it, train, evaluate, and leave one record."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from musiclib import files, record
from musiclib.config import TrainConfig
from musiclib.distributed import broadcast_state, is_main, world_size
from musiclib.pretrain import checkpoint
from musiclib.pretrain.accuracy import accuracy_watch, unscored
from musiclib.pretrain.assemble import (
    build_method,
    health_of,
    load_data,
    score,
    training_images,
    view_configs,
)
from musiclib.pretrain.loop import (
    Stopped,
    TrainState,
    generator_states,
    local_randomness,
    set_generator_states,
    train,
)
from musiclib.pretrain.optimisers import build_optimiser, load_optimiser_state, optimiser_state
from musiclib.pretrain.processes import cudnn_choice, pick_device, processes, stop_signal, told
from musiclib.pretrain.progress import Display, levels
from musiclib.views import ViewConfig


class FolderTaken(RuntimeError):
    """The output folder holds a run of another configuration."""


def run(
    config: TrainConfig,
    out_dir: str | os.PathLike,
    *,
    data_root: str | os.PathLike | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
    evaluate: bool = True,
    checkpoint_seconds: float = 60.0,
    records: str | os.PathLike | None = None,
    notebook: dict[str, Any] | None = None,
    wait: bool = False,
) -> dict[str, Any]:
    """Train, evaluate and record one configuration in `out_dir`; returns the record (schema: README of reproduce).

    Resumes from `out_dir`; returns at once when it holds a finished record of the same configuration.

    data_root: where data sets are looked for, see `musiclib.datasets.load`. device: default cuda where there is one.
    progress: bar or lines. evaluate: score the frozen encoder at the end; without it `metrics` is empty.
    checkpoint_seconds: longest time between two checkpoints. records: a file of JSON lines that the finished record
    is appended to (by default records.jsonl beside the folder `runs` that `out_dir` lies in, if it does). notebook:
    {"name", "hash"} of the caller. wait: when another process is at this run, wait for its record; otherwise that is
    FolderInUse.

    Under torchrun every process calls this; process 0 writes and returns the record, the others {}. Raises what the
    CLI's exit codes list; a run that fails after its start leaves a record with status "failed" and its error.
    """
    out_dir = Path(out_dir).absolute()
    resolved, run_id = config.resolved(), config.hash()
    if records is None and out_dir.parent.name == "runs":
        records = out_dir.parent.parent / "records.jsonl"
    device = pick_device(device)
    with processes(device):
        if config.batch % world_size():
            raise ValueError(
                f"TrainConfig.batch is {config.batch}; it has to be a multiple of the {world_size()} processes"
            )
        with files.exclusive(out_dir, wait=wait) if is_main() else contextlib.nullcontext():
            finished = _finished(out_dir, run_id, evaluate) if is_main() else None
            if told(finished is not None, device):
                if finished is not None and records is not None:
                    files.append_line(records, finished, once=True)
                return finished or {}
            if is_main():
                files.write_json(out_dir / "config.json", resolved.to_dict())
            base = {
                "schema": record.SCHEMA, "run": run_id, "status": "failed", "kind": "pretrain",
                "config": resolved.to_dict(),
                "method": config.method, "dataset": config.dataset, "seed": config.seed,
                "metrics": {}, "monitor": {}, "collapsed": False, "curve": [],
                "time": {"started": record.now()}, "memory": {}, **record.provenance(device),
                "data": None, "notebook": notebook, "error": None,
            }  # fmt: skip
            base["environment"]["processes"] = world_size()
            start = time.monotonic()
            try:
                with local_randomness(config.seed, device), cudnn_choice(config.deterministic):
                    body = _run(resolved, run_id, out_dir, data_root, device, progress, evaluate, checkpoint_seconds)
            except Stopped:
                raise
            except Exception as error:
                at = getattr(error, "step", None)
                base["error"] = {"type": type(error).__name__, "message": str(error), "step": at}
                base["time"]["wall_s"] = time.monotonic() - start
                if is_main():
                    files.write_json(out_dir / "record.json", base)
                raise
            if not is_main():
                return {}
            done = {**base, **body, "status": "done"}
            done["code"]["trained_by"] = body["trained_by"]
            done.pop("trained_by")
            done["time"] = {**base["time"], **body["time"], "wall_s": time.monotonic() - start}
            done["memory"] = {"peak_mb": record.peak_memory_mb(device)}
            done = files.jsonable(done)
            files.write_json(out_dir / "record.json", done)
            if records is not None:
                files.append_line(records, done, once=True)
            return done


def _finished(out_dir: Path, run_id: str, evaluate: bool) -> dict[str, Any] | None:
    """The finished record in `out_dir`, None if the run has to go on; FolderTaken if another run lives there."""
    previous = files.read_json(out_dir / "config.json")
    if previous is not None:
        try:
            owner = TrainConfig.from_dict(previous).hash()
        except (TypeError, ValueError) as error:
            owner = f"unreadable ({error})"
        if owner != run_id:
            raise FolderTaken(
                f"folder {out_dir} holds the run {owner}, this configuration is {run_id}. "
                "Choose another output folder, or remove that one."
            )
    done = files.read_json(out_dir / "record.json")
    if done and done.get("status") == "done" and done.get("run") == run_id and (done.get("metrics") or not evaluate):
        return done
    return None


def _run(
    config: TrainConfig,
    run_id: str,
    out_dir: Path,
    data_root: str | os.PathLike | None,
    device: torch.device,
    progress: bool,
    evaluate: bool,
    checkpoint_seconds: float,
) -> dict[str, Any]:
    """The run itself: the parts of the record that depend on what happened."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    train_set, held = load_data(config, data_root, evaluate=evaluate)
    views = view_configs(config)
    body: dict[str, Any] = {
        "data": {"name": train_set.name, "checksum": train_set.checksum, "samples": len(train_set)},
        "views": [v.to_dict() for v in views],
        "time": {"train_s": 0.0, "views_per_s": 0.0},
        "trained_by": [],
    }
    encoder: nn.Module | None = None
    if config.method != "pixels":
        method, state, monitored = _train(
            config, run_id, out_dir, train_set, views, device, progress, checkpoint_seconds
        )
        encoder = method.encoder
        seconds = state.seconds
        body["curve"], body["trained_by"] = state.curve, state.sources
        body["time"] = {
            "train_s": seconds,
            "watch_s": state.watch_seconds,
            "views_per_s": 2 * config.batch * state.step / seconds if seconds else 0.0,
        }
        body["monitor"], body["collapsed"] = monitored, bool(monitored.get("collapsed", False))
    if evaluate and is_main():
        body["metrics"] = score(encoder, train_set, held, views[0], config, device)
    return body


def _train(
    config: TrainConfig,
    run_id: str,
    out_dir: Path,
    train_set: Any,
    views: tuple[ViewConfig, ViewConfig],
    device: torch.device,
    progress: bool,
    checkpoint_seconds: float,
) -> tuple[nn.Module, TrainState, dict[str, Any]]:
    per_epoch = len(train_set) // config.batch
    steps = per_epoch * config.epochs
    if config.epochs and not per_epoch:
        raise ValueError(
            f"TrainConfig.batch is {config.batch}; it has to be at most the {len(train_set)} training samples"
        )
    method = build_method(
        config, channels=train_set.channels, samples=len(train_set), steps=steps,
        labels=train_set.labels, classes=len(train_set.classes),
    ).to(device)  # fmt: skip
    method.encoder.to(memory_format=torch.channels_last)
    optimiser = None
    if steps:
        optimiser = build_optimiser(config.optimiser, method, lr=config.peak_lr(), weight_decay=config.weight_decay)
    state, folder = TrainState(), out_dir / "checkpoint"
    saved = checkpoint.load(folder, owner=run_id)
    if saved is not None:
        method.load_state_dict(saved["method"])
        if optimiser is not None:
            load_optimiser_state(optimiser, saved["optimiser"])
        set_generator_states(saved["generators"], device)
        state = TrainState(**saved["state"])
    broadcast_state(method)
    sources = record.sources_hash()
    if state.step < steps and sources not in state.sources[-1:]:
        state.sources.append(sources)

    def save() -> None:
        if not is_main():
            return
        finished = state.step >= steps  # then nothing resumes from it and the moments are dead weight
        contents = {
            "method": method.state_dict(),
            "optimiser": {} if finished or optimiser is None else optimiser_state(optimiser),
            "generators": generator_states(device),
            "state": dataclasses.asdict(state),
            "data": {"channels": train_set.channels, "samples": len(train_set), "classes": len(train_set.classes)},
        }
        checkpoint.save(folder, contents, step=state.step, owner=run_id, keep=1 if finished else 2)
        files.write_text(out_dir / "log.jsonl", "".join(json.dumps(files.jsonable(e)) + "\n" for e in state.curve))

    def left() -> str:
        found = checkpoint.complete(folder)
        return f"The last good checkpoint is {found[0]}." if found else "No checkpoint had been written yet."

    if saved is None:
        save()  # from here on a killed run resumes; also the random encoder's only checkpoint
    if state.step < steps:
        if config.compile:
            method.encoder.compile()  # in place: names in the state_dict stay
        monitor = health_of(method)
        accuracy = accuracy_watch(train_set, views[0], config, device) if is_main() else unscored
        display = None
        if progress and is_main():
            display = Display(
                f"{config.method} on {config.dataset}, seed {config.seed}", steps=steps, per_epoch=per_epoch,
                views=2 * config.batch, start=state.step, landmarks=levels(method), health=monitor,
            )  # fmt: skip
        try:
            with stop_signal() as stop:
                train(
                    method, optimiser, training_images(train_set, device), views, config, state,
                    device=device, save=save, left=left, display=display, health=monitor if is_main() else None,
                    accuracy=accuracy, stop=stop, checkpoint_seconds=checkpoint_seconds,
                )  # fmt: skip
        finally:
            if display is not None:
                display.close()
    return method, state, dict(state.curve[-1]["health"]) if state.curve else {}

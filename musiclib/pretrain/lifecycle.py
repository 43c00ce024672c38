"""The life of one run: find it finished or resume it, train, evaluate, and leave one record."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from musiclib import files, record
from musiclib.config import TrainConfig
from musiclib.distributed import broadcast_state, is_main, world_size
from musiclib.pretrain import checkpoint, inputs
from musiclib.pretrain.accuracy import accuracy_watch, unscored
from musiclib.pretrain.assemble import (
    build_method,
    health_of,
    load_data,
    score,
    training_images,
    try_encoder,
    view_configs,
)
from musiclib.pretrain.callbacks import Callback
from musiclib.pretrain.loop import Stopped, Training, TrainState, train
from musiclib.pretrain.optimisers import build_optimiser, load_optimiser_state, optimiser_state
from musiclib.pretrain.processes import (
    cudnn_choice,
    on_all_processes,
    pick_device,
    processes,
    stop_signal,
    threads_in_the_way,
)
from musiclib.pretrain.progress import Display, levels
from musiclib.pretrain.randomness import generator_states, local_randomness, set_generator_states


class FolderTaken(RuntimeError):
    """The output folder holds a run of another configuration."""


@dataclass(frozen=True)
class Conduct:
    """How a run is carried out; nothing here changes a number of it or belongs to its name.

    data_root: where data sets are looked for, see `musiclib.datasets.load`. device: default cuda where there is one.
    progress: bar or lines. evaluate: score the frozen encoder at the end; without it `metrics` is empty.
    checkpoint_seconds: longest time between two checkpoints. records: a file of JSON lines that the finished record
    is appended to (by default records.jsonl beside the folder `runs` that the run's folder lies in, if it does).
    notebook: {"name", "hash"} of the caller. wait: when another process is at this run, wait for its record; otherwise
    that is FolderInUse. callbacks: who follows the run live.
    """

    data_root: str | os.PathLike | None = None
    device: str | torch.device | None = None
    progress: bool = True
    evaluate: bool = True
    checkpoint_seconds: float = 60.0
    records: str | os.PathLike | None = None
    notebook: dict[str, Any] | None = None
    wait: bool = False
    callbacks: Sequence[Callback] = ()


def run(config: TrainConfig, out_dir: str | os.PathLike, conduct: Conduct | None = None, **how: Any) -> dict[str, Any]:
    """Train, evaluate and record one configuration in `out_dir`; returns the record (schema: README of reproduce).

    Resumes from `out_dir`; returns at once when it holds a finished record of the same configuration and data.

    conduct, how: fields of `Conduct`, as an object or by name: `run(config, "out", device="cpu", progress=False)`.

    Under torchrun every process calls this; process 0 writes and returns the record, the others {}. Raises what the
    CLI's exit codes list; a run that fails after its start leaves a record with status "failed" and its error.
    """
    conduct = dataclasses.replace(conduct or Conduct(), **how)
    with inputs.preparing():
        resolved, device = config.resolved(), pick_device(conduct.device)
    with processes(device):
        if config.batch % world_size():
            raise inputs.Unusable(
                f"TrainConfig.batch is {config.batch}; it has to be a multiple of the {world_size()} processes"
            )
        return Run(resolved, Path(out_dir).absolute(), device, conduct).live()


@dataclass(frozen=True)
class Run:
    """One run in its folder, on its device: config.json, log.jsonl, checkpoint/ and, at the end, record.json."""

    config: TrainConfig
    folder: Path
    device: torch.device
    conduct: Conduct

    @property
    def name(self) -> str:
        """The configuration's hash."""
        return self.config.hash()

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoint"

    def live(self) -> dict[str, Any]:
        """From wherever the folder stands to the finished record; {} on processes that do not write."""
        with files.exclusive(self.folder, wait=self.conduct.wait) if is_main() else contextlib.nullcontext():
            finished = self.find_finished() if is_main() else None
            if on_all_processes(finished is not None, self.device):
                return self.publish(finished) if finished is not None else {}
            if is_main():
                files.write_json(self.folder / "config.json", self.config.to_dict())
            base, start = self.start_record(), time.monotonic()
            try:
                with local_randomness(self.config.seed, self.device), cudnn_choice(self.config.deterministic):
                    body = self.work()
            except Stopped:
                raise
            except Exception as error:
                at = getattr(error, "step", None)
                base["error"] = {"type": type(error).__name__, "message": str(error), "step": at}
                base["time"]["wall_s"] = time.monotonic() - start
                if is_main():
                    files.write_json(self.folder / "record.json", base)
                raise
            if not is_main():
                return {}
            trained_by = body.pop("trained_by")
            done = {**base, **body, "status": "done"}
            done["code"]["trained_by"] = trained_by
            done["time"] = {**base["time"], **body["time"], "wall_s": time.monotonic() - start}
            done["memory"] = {"peak_mb": record.peak_memory_mb(self.device)}
            done = files.jsonable(done)
            files.write_json(self.folder / "record.json", done)
            return self.publish(done)

    def find_finished(self) -> dict[str, Any] | None:
        """The finished record in the folder, None if the run has to go on; FolderTaken if another run lives there,
        OtherData if it was made of other data."""
        previous = files.read_json(self.folder / "config.json")
        if previous is not None:
            try:
                owner = TrainConfig.from_dict(previous).hash()
            except (TypeError, ValueError) as error:
                owner = f"unreadable ({error})"
            if owner != self.name:
                raise FolderTaken(
                    f"folder {self.folder} holds the run {owner}, this configuration is {self.name}. "
                    "Choose another output folder, or remove that one."
                )
        done = files.read_json(self.folder / "record.json")
        if not done or done.get("status") != "done" or done.get("run") != self.name:
            return None
        if self.conduct.evaluate and not done.get("metrics"):
            return None
        where, evaluate = self.conduct.data_root, self.conduct.evaluate
        inputs.check_record(done, self.config, where, evaluate=evaluate, folder=self.folder)
        return done

    def publish(self, done: dict[str, Any]) -> dict[str, Any]:
        """The finished record, appended to the file of records if there is one and it is not in it yet."""
        records = self.conduct.records
        if records is None and self.folder.parent.name == "runs":
            records = self.folder.parent.parent / "records.jsonl"
        if records is not None:
            files.append_line(records, done, once=True)
        return done

    def start_record(self) -> dict[str, Any]:
        """What is known of the record before anything has happened."""
        config = self.config
        base = {
            "schema": record.SCHEMA, "run": self.name, "status": "failed", "kind": "pretrain",
            "config": config.to_dict(),
            "method": config.method, "dataset": config.dataset, "seed": config.seed,
            "metrics": {}, "monitor": {}, "collapsed": False, "curve": [],
            "time": {"started": record.now()}, "memory": {}, **record.provenance(self.device),
            "data": None, "notebook": self.conduct.notebook, "error": None,
        }  # fmt: skip
        base["environment"]["processes"] = world_size()
        return base

    def work(self) -> dict[str, Any]:
        """Load, train, score: the parts of the record that depend on what happened."""
        config, evaluate = self.config, self.conduct.evaluate
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        with inputs.preparing():
            train_set, held = load_data(config, self.conduct.data_root, evaluate=evaluate)
            views = view_configs(config)
        name, checksum, samples = train_set.name, train_set.checksum, len(train_set)
        where, opened = self.conduct.data_root, (train_set, held)
        identity = inputs.identities(config, where, evaluate=evaluate, opened=opened)
        body: dict[str, Any] = {
            "data": {"name": name, "checksum": checksum, "samples": samples, "identity": identity},
            "views": [v.to_dict() for v in views],
            "time": {"train_s": 0.0, "views_per_s": 0.0},
            "trained_by": [],
        }
        encoder: nn.Module | None = None
        if config.method != "pixels":
            method, state = self.train(train_set)
            encoder, seconds = method.encoder, state.seconds
            body["curve"], body["trained_by"] = state.curve, state.sources
            body["time"] = {
                "train_s": seconds,
                "watch_s": state.watch_seconds,
                "views_per_s": 2 * config.batch * state.step / seconds if seconds else 0.0,
            }
            body["monitor"] = dict(state.curve[-1]["health"]) if state.curve else {}
            body["collapsed"] = bool(body["monitor"].get("collapsed", False))
        if evaluate and is_main():
            body["metrics"] = score(encoder, train_set, held, views[0], config, self.device)
        return body

    def train(self, train_set: Any) -> tuple[nn.Module, TrainState]:
        """The trained method and where it stands, from the newest checkpoint if there is one."""
        config = self.config
        steps = len(train_set) // config.batch * config.epochs
        if config.epochs and not steps:
            raise inputs.Unusable(
                f"TrainConfig.batch is {config.batch}; it has to be at most the {len(train_set)} training samples"
            )
        optimiser = None
        with inputs.preparing():
            method = build_method(
                config, channels=train_set.channels, samples=len(train_set), steps=steps,
                labels=train_set.labels, classes=len(train_set.classes),
            ).to(self.device)  # fmt: skip
            method.encoder.to(memory_format=torch.channels_last)
            if steps:
                decay = {"weight_decay": config.weight_decay, "decay_all": config.decay_all}
                optimiser = build_optimiser(config.optimiser, method, lr=config.peak_lr(), **decay)
        with inputs.preparing(RuntimeError):
            inputs.try_views(config, train_set)
        state = self.resume(method, optimiser, train_set)
        broadcast_state(method)
        sources = record.sources_hash()
        if state.step < steps and sources not in state.sources[-1:]:
            state.sources.append(sources)
        saver = _Saver(self, method, optimiser, state, train_set)
        if not checkpoint.complete(self.checkpoints):
            saver.save(finished=not steps)  # from here on a killed run resumes; also the random encoder's only one
        if state.step < steps:
            self.loop(saver, train_set, steps)
        return method, state

    def resume(self, method: nn.Module, optimiser: torch.optim.Optimizer | None, train_set: Any) -> TrainState:
        """Where the run stands; weights, moments and generators of the newest checkpoint are put in place. OtherData if
        it was trained on another set than this one."""
        saved = checkpoint.load(self.checkpoints, owner=self.name)
        if saved is None:
            return TrainState()
        inputs.check_checkpoint(saved["data"], train_set, self.checkpoints)
        method.load_state_dict(saved["method"])
        if optimiser is not None:
            load_optimiser_state(optimiser, saved["optimiser"])
        set_generator_states(saved["generators"], self.device)
        return TrainState(**saved["state"])

    def loop(self, saver: _Saver, train_set: Any, steps: int) -> None:
        """The training loop with everything that stands around it."""
        config, conduct, method, views = self.config, self.conduct, saver.method, view_configs(self.config)
        images = training_images(train_set, self.device)
        alone = self.device.type == "cpu" and world_size() == 1 and isinstance(images, torch.Tensor)
        if alone and (slow := threads_in_the_way(lambda: try_encoder(method.encoder, images, views[0]))):
            warnings.warn(slow, stacklevel=2)
        if config.compile:
            method.encoder.compile()  # in place: names in the state_dict stay
        monitor, display = health_of(method), None
        if conduct.progress and is_main():
            title, per_epoch = f"{config.method} on {config.dataset}, seed {config.seed}", steps // config.epochs
            display = Display(
                title, steps=steps, per_epoch=per_epoch, views=2 * config.batch, start=saver.state.step,
                landmarks=levels(method), health=monitor,
            )  # fmt: skip
        training = Training(
            config, method, saver.optimiser, images, views, self.device, saver.state,
            save=lambda: saver.save(finished=saver.state.step >= steps), left=saver.left, display=display,
            health=monitor if is_main() else lambda output: {},
            accuracy=accuracy_watch(train_set, views[0], config, self.device) if is_main() else unscored,
            callbacks=conduct.callbacks if is_main() else (), checkpoint_seconds=conduct.checkpoint_seconds,
        )  # fmt: skip
        try:
            with stop_signal() as training.stop:
                train(training)
        finally:
            if display is not None:
                display.close()


@dataclass(frozen=True)
class _Saver:
    """Writes the checkpoints of a run, and its log beside them."""

    run: Run
    method: nn.Module
    optimiser: torch.optim.Optimizer | None
    state: TrainState
    train_set: Any

    def save(self, *, finished: bool) -> None:
        """A checkpoint of the current state. finished: nothing resumes from it, and the moments are dead weight."""
        if not is_main():
            return
        sizes = {"channels": self.train_set.channels, "samples": len(self.train_set)}
        contents = {
            "method": self.method.state_dict(),
            "optimiser": {} if finished or self.optimiser is None else optimiser_state(self.optimiser),
            "generators": generator_states(self.run.device),
            "state": dataclasses.asdict(self.state),
            "data": {**sizes, "classes": len(self.train_set.classes), "identity": self.train_set.identity},
        }
        run, keep = self.run, 1 if finished else 2
        checkpoint.save(run.checkpoints, contents, step=self.state.step, owner=run.name, keep=keep)
        lines = [json.dumps(files.jsonable(entry)) + "\n" for entry in self.state.curve]
        files.write_text(run.folder / "log.jsonl", "".join(lines))

    def left(self) -> str:
        """What a run that ends badly still has."""
        found = checkpoint.complete(self.run.checkpoints)
        return f"The last good checkpoint is {found[0]}." if found else "No checkpoint had been written yet."

"""Pre-train an encoder without labels, evaluate it frozen, and leave one JSON record of the run.

    python -m musiclib.pretrain --method music --dataset cifar10 --epochs 8 --set options.segments=32
    python -m musiclib.pretrain --config run.yaml --seed 1 --out outputs/mine
    torchrun --nproc-per-node 2 -m musiclib.pretrain --config run.yaml

A run lives in one folder: config.json, log.jsonl (one line an epoch), checkpoint/, record.json. The same command
again resumes an unfinished run and returns at once from a finished one. A run that was killed at any moment and
resumed ends with the same bits as one left alone, on the CPU, with the same number of threads and processes.

What comes from outside (package.module:name) is looked for in the working directory, on PYTHONPATH and among the
installed packages; its source is part of the run's name. docs/plugins.md says what it has to be.

With torchrun the batch of the configuration is the global one; every process takes its share of it and sees the very
images that one process would have used, so the number of processes changes rounding only.

Exit codes: 0 done; 2 wrong arguments, configuration or plug-in; 3 a data set is missing or unusable; 4 stopped on a
value that is not finite; 5 the output folder belongs to another run or to other data, is in use, holds only damaged
checkpoints, or a file cannot be read or written (permission, full disk); 75 asked to stop (SIGTERM, Ctrl-C, SIGHUP,
SIGUSR1, SIGUSR2), saved, run again to go on; 130 interrupted where there was nothing to save; 1 anything else.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from musiclib import files
from musiclib.config import TrainConfig, override
from musiclib.console import Parser, forgiving, one_line, unsupported
from musiclib.encoders import ENCODERS
from musiclib.plugins import PluginError
from musiclib.pretrain import checkpoint
from musiclib.pretrain.assemble import view_configs
from musiclib.pretrain.inputs import OtherData, Unusable
from musiclib.pretrain.lifecycle import FolderTaken, run
from musiclib.pretrain.loop import NonFinite, Stopped
from musiclib.pretrain.processes import asked_processes, pick_device
from musiclib.pretrain.tensorboard import TensorBoard
from musiclib.schema import read_mapping

EXIT = {"lost": 1, "usage": 2, "data": 3, "not finite": 4, "folder": 5, "stopped": 75, "interrupted": 130}


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; see `--help`."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = Parser(
        prog="python -m musiclib.pretrain", description=summary, epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    what = parser.add_argument_group("what is run (together these name the run)")
    what.add_argument(
        "--config", metavar="FILE", help="YAML file of fields of TrainConfig; what follows here overrides it"
    )
    default = {f.name: f.default for f in dataclasses.fields(TrainConfig)}
    what.add_argument(
        "--method",
        help="music, a baseline, supervised, random or pixels, or package.module:Class of your own "
        f"(default {default['method']})",
    )
    what.add_argument(
        "--dataset",
        help="attributes, digits, fashion_mnist, cifar10, cifar100, svhn, stl10, medmnist:NAME, folder:PATH, "
        f"imagenet:PATH or package.module:load of your own (default {default['dataset']})",
    )
    what.add_argument(
        "--encoder",
        help=f"{', '.join(ENCODERS)}, package.module:factory of your own or timm:NAME (default {default['encoder']})",
    )
    what.add_argument("--epochs", type=int, help=f"passes over the training set (default {default['epochs']})")
    what.add_argument("--batch", type=int, help=f"samples a step, over all processes (default {default['batch']})")
    what.add_argument("--seed", type=int, help=f"weights, order and views (default {default['seed']})")
    what.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments",
        help="any other field, value in YAML: --set lr=3e-4 --set options.units=32 --set views.flip=0. Repeatable. "
        f"Fields: {', '.join(default)}",
    )  # fmt: skip
    where = parser.add_argument_group("where and how (not part of the run's name)")
    where.add_argument(
        "--out",
        default="outputs/pretrain",
        metavar="DIR",
        help="results go to DIR/runs/RUN and DIR/records.jsonl (default %(default)s)",
    )
    where.add_argument(
        "--data-root", metavar="DIR", help="where data sets are looked for (default $MUSICLIB_DATA, else ./data)"
    )
    where.add_argument("--device", help="cpu, cuda, cuda:1 ... (default cuda where there is one)")
    where.add_argument(
        "--threads", type=int, help="CPU threads of this process; results repeat bit for bit with the same number"
    )
    where.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="longest time between two checkpoints (default %(default)s)",
    )
    where.add_argument(
        "--tensorboard", metavar="DIR", help="events for TensorBoard go to DIR/RUN (needs the extra tensorboard)"
    )
    where.add_argument("--no-evaluate", action="store_true", help="train only")
    where.add_argument("--no-progress", action="store_true", help="no bar and no lines while training")
    where.add_argument(
        "--show-config", action="store_true", help="print the resolved configuration and its name, run nothing"
    )
    return parser.parse_args(argv)


def config_of(arguments: argparse.Namespace) -> TrainConfig:
    """The configuration that a command line describes: file, then named arguments, then --set."""
    values: dict[str, Any] = {}
    if arguments.config:
        values = read_mapping(arguments.config, empty=True)
    for name in ("method", "dataset", "encoder", "epochs", "batch", "seed"):
        if getattr(arguments, name) is not None:
            values[name] = getattr(arguments, name)
    return TrainConfig.from_dict(override(values, arguments.assignments)).resolved()


def main(argv: list[str] | None = None) -> int:
    """The command `python -m musiclib.pretrain`; returns its exit code."""
    with forgiving():
        if reason := unsupported():
            return _fail(reason, "usage")
        try:
            return _main(parse(argv))
        except KeyboardInterrupt:
            return _fail("interrupted; the same command goes on from the last checkpoint", "interrupted")


def _main(arguments: argparse.Namespace) -> int:
    try:
        config = config_of(arguments)
        view_configs(config)
        if arguments.show_config:
            print(json.dumps({"run": config.hash(), "config": config.to_dict()}, indent=1))
            return 0
        if arguments.threads is not None:
            if arguments.threads < 1:
                raise ValueError(f"--threads is {arguments.threads}; it has to be at least 1")
            torch.set_num_threads(arguments.threads)
        if not arguments.checkpoint_seconds >= 0:
            raise ValueError(f"--checkpoint-seconds is {arguments.checkpoint_seconds}; it has to be at least 0")
        pick_device(arguments.device)
        asked_processes()
        followers = [TensorBoard(Path(arguments.tensorboard) / config.hash())] if arguments.tensorboard else []
    except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
        return _fail(error, "usage")
    from musiclib.datasets import DatasetMissing, DatasetUnusable, LostWorker

    folder = Path(arguments.out) / "runs" / config.hash()
    try:
        done = run(
            config, folder, data_root=arguments.data_root, device=arguments.device, progress=not arguments.no_progress,
            evaluate=not arguments.no_evaluate, checkpoint_seconds=arguments.checkpoint_seconds,
            callbacks=followers,
        )  # fmt: skip
    except (DatasetMissing, DatasetUnusable) as error:
        return _fail(error, "data")
    except PluginError as error:
        return _fail(error, "usage")
    except (LostWorker, TimeoutError) as error:
        return _fail(error, "lost")
    except MemoryError as error:
        return _fail(f"not enough memory: {error}", "lost")
    except Unusable as error:
        return _fail(error, "usage")
    except NonFinite as error:
        return _fail(error, "not finite")
    except (
        FolderTaken,
        OtherData,
        files.FolderInUse,
        checkpoint.CheckpointForeign,
        checkpoint.CheckpointDamaged,
        OSError,
    ) as error:
        return _fail(error, "folder")
    except Stopped as error:
        return _fail(error, "stopped")
    if done:
        seconds = done["time"]["train_s"]
        rate = done["time"]["views_per_s"]
        print(f"{folder}: {config.method} on {config.dataset}, trained {seconds:.0f} s, {rate:.0f} views/s")
        for name, value in done["metrics"].items():
            print(f"  {name:<28} {value:.4f}" if isinstance(value, float) else f"  {name:<28} {value}")
    return 0


def _fail(error: object, kind: str) -> int:
    told = one_line(error) if kind == "usage" else error
    print(f"musiclib.pretrain: {told}", file=sys.stderr)
    return EXIT[kind]


if __name__ == "__main__":
    sys.exit(main())

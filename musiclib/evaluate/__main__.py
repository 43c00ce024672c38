"""Score an encoder that was trained elsewhere: its weights, this project's probes, one JSON record.

    python -m musiclib.evaluate --weights resnet50.pth --encoder resnet50 --dataset folder:flowers --size 224
    python -m musiclib.evaluate --weights moco.pth.tar --encoder resnet18_imagenet --dataset cifar10 --features out.npz
    python -m musiclib.evaluate --weights encoder.safetensors --encoder mine:factory --dataset mine:load

FILE is a state_dict: safetensors, or what torch.save wrote, read without unpickling any object. It may be nested under
state_dict, model, backbone, encoder ... (or --part NAME), its names may begin with module., backbone., encoder.,
model. ... (or --prefix TEXT), and may be those of torchvision, of timm, of this project, or positions in a Sequential.
A known head (fc, projector, ...) is left out and told; any other name that is missing or not known is an error.

Features are those of whole images, unaugmented, at the size and normalisation of the data set's preset unless --size,
--mean and --std say otherwise: give those that the weights were trained with. On them a linear probe (its strength
chosen on a split of the training set) and weighted nearest neighbours are scored once on the test set.

The record goes to DIR/runs/RUN/record.json and DIR/records.jsonl, from which the tables of `reproduce` show it.

Exit codes: 0 done; 2 wrong arguments or plug-in; 3 a data set is missing or unusable; 6 the file of weights is missing,
damaged, too large, holds more than tensors, or does not fit the encoder; 1 anything else.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from musiclib import files, record
from musiclib.datasets import DatasetMissing, DatasetUnusable, LostWorker, Unlabelled
from musiclib.encoders import ENCODERS
from musiclib.evaluate.foreign import Evaluation, Loaded, features_of, load_weights, open_sets, write_features
from musiclib.evaluate.probes import evaluate_features
from musiclib.evaluate.weights import WeightsUnusable, shortened
from musiclib.schema import read_yaml

EXIT = {"lost": 1, "usage": 2, "data": 3, "weights": 6}
QUIET = 10.0  # seconds that pass without a word


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; see `--help`."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m musiclib.evaluate", description=summary, epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    what = parser.add_argument_group("what is scored (together these name the record)")
    what.add_argument("--weights", required=True, metavar="FILE", help="the file of weights")
    what.add_argument(
        "--encoder", required=True,
        help=f"{', '.join(ENCODERS)} (resnet18 has the 3x3 stem for small images, resnet18_imagenet torchvision's 7x7 "
        "one), package.module:factory or timm:NAME",
    )  # fmt: skip
    what.add_argument(
        "--dataset", required=True,
        help="any name that pre-training takes: cifar10, folder:PATH, imagenet:PATH, package.module:load ...",
    )  # fmt: skip
    what.add_argument("--part", metavar="NAME", help="the entry of the file to take, dots between its levels")
    what.add_argument("--prefix", metavar="TEXT", help="take the names that begin with this, and leave out all others")
    what.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="of the data set, value in YAML; repeatable"
    )
    what.add_argument("--size", type=int, help="side of the images in pixels")
    what.add_argument("--mean", type=float, nargs="+", metavar="V", help="mean of the channels, of values in [0, 1]")
    what.add_argument("--std", type=float, nargs="+", metavar="V", help="standard deviation of the channels")
    what.add_argument("--seed", type=int, default=0, help="of the split on which the probe is chosen (default 0)")
    where = parser.add_argument_group("where and how (not part of the record's name)")
    where.add_argument("--features", metavar="FILE", help="also write features and labels of both splits, as .npz")
    where.add_argument("--no-probes", action="store_true", help="write --features and score nothing")
    where.add_argument("--out", default="outputs/evaluate", metavar="DIR", help="for the record (default %(default)s)")
    where.add_argument(
        "--data-root", metavar="DIR", help="where data sets are looked for (default $MUSICLIB_DATA, ./data)"
    )
    where.add_argument("--device", help="cpu, cuda, cuda:1 ... (default cuda where there is one)")
    where.add_argument("--threads", type=int, help="CPU threads of this process")
    return parser.parse_args(argv)


def config_of(arguments: argparse.Namespace) -> Evaluation:
    """What a command line asks for; the file of weights is read for its hash."""
    options = {}
    for text in arguments.option:
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            raise ValueError(f"--option {text!r}: write KEY=VALUE")
        options[key.strip()] = read_yaml(value)
    if arguments.no_probes and not arguments.features:
        raise ValueError("--no-probes without --features FILE would do nothing")
    if arguments.threads is not None and arguments.threads < 1:
        raise ValueError(f"--threads is {arguments.threads}; it has to be at least 1")
    path = Path(arguments.weights)
    if not path.is_file():
        raise WeightsUnusable(f"there is no file {path}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    found = Evaluation(
        weights=digest, encoder=arguments.encoder, dataset=arguments.dataset, part=arguments.part,
        prefix=arguments.prefix, dataset_options=options, size=arguments.size,
        mean=None if arguments.mean is None else tuple(arguments.mean),
        std=None if arguments.std is None else tuple(arguments.std), seed=arguments.seed,
    )  # fmt: skip
    found.hash()  # imports what comes from outside
    return found


def device_of(name: str | None) -> torch.device:
    """The device of that name, for None cuda where there is one, else the CPU. ValueError for one that is not there."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise ValueError(f"--device {name!r}: {str(error).splitlines()[0]}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"--device {name!r}: no CUDA device is there")
    return device


def main(argv: list[str] | None = None) -> int:
    """The command `python -m musiclib.evaluate`; returns its exit code."""
    arguments = parse(argv)
    try:
        config = config_of(arguments)
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        device = device_of(arguments.device)
        loaded = load_weights(arguments.weights, config.encoder, part=config.part, prefix=config.prefix)
        found = evaluated(config, loaded, arguments, device)
    except WeightsUnusable as error:
        return _fail(error, "weights")
    except (DatasetMissing, DatasetUnusable) as error:
        return _fail(error, "data")
    except LostWorker as error:
        return _fail(error, "lost")
    except (OSError, TypeError, ValueError) as error:
        return _fail(error, "usage")
    if found is not None:
        folder = Path(arguments.out)
        files.write_json(folder / "runs" / found["run"] / "record.json", found)
        files.append_line(folder / "records.jsonl", files.jsonable(found), once=True)
        print(f"{folder / 'runs' / found['run']}: {Path(arguments.weights).name} on {config.dataset}")
        for name, value in found["metrics"].items():
            print(f"  {name:<28} {value:.4f}" if isinstance(value, float) else f"  {name:<28} {value}")
    return 0


def evaluated(
    config: Evaluation, loaded: Loaded, arguments: argparse.Namespace, device: torch.device
) -> dict[str, Any] | None:
    """The record of an evaluation; None with --no-probes. Tells of names that were left out, and of what takes long."""
    started, clock = record.now(), time.monotonic()
    fit = loaded.match
    _tell(f"{len(fit.tensors)} tensors, names {fit.naming}" + (f", after {fit.prefix!r}" if fit.prefix else ""))
    if fit.ignored:
        _tell(f"left out, no part of the encoder: {shortened(list(fit.ignored))}")
    sets = open_sets(config, arguments.data_root)
    if sets[0].labels is None and not arguments.no_probes:
        raise Unlabelled(f"{config.dataset!r} has no labels, which a probe needs; --no-probes writes --features alone")
    sides = []
    for split, images in zip(("train", "test"), sets, strict=True):
        with tqdm(total=len(images), desc=f"features, {split}", unit="image", delay=QUIET, mininterval=1.0) as bar:
            sides.append(features_of(loaded, images, config.view(), device=device, progress=bar.update))
    if arguments.features:
        written = write_features(arguments.features, {"train": (sides[0], sets[0]), "test": (sides[1], sets[1])})
        print(f"{written}: {len(sides[0])} + {len(sides[1])} x {sides[0].shape[1]}")
    if arguments.no_probes:
        return None
    if time.monotonic() - clock > QUIET:
        _tell(f"fitting the probes on {len(sides[0])} x {sides[0].shape[1]} features")
    train, test = (side.to(device) for side in sides)
    metrics = evaluate_features(train, sets[0].labels, test, sets[1].labels, seed=config.seed)
    path = Path(arguments.weights)
    return {
        "schema": record.SCHEMA, "kind": "evaluate", "run": config.hash(), "status": "done", "config": config.to_dict(),
        "dataset": config.dataset, "seed": config.seed, "metrics": metrics,
        "weights": {
            "file": path.name, "bytes": path.stat().st_size, "sha256": config.weights, "naming": fit.naming,
            "prefix": fit.prefix, "ignored": list(fit.ignored),
        },
        "view": config.view().to_dict(), "data": {"samples": len(sets[0]), "test_samples": len(sets[1])},
        "time": {"started": started, "wall_s": time.monotonic() - clock},
        "memory": {"peak_mb": record.peak_memory_mb(device)}, **record.provenance(device), "error": None,
    }  # fmt: skip


def _tell(text: str) -> None:
    print(f"musiclib.evaluate: {text}", file=sys.stderr, flush=True)


def _fail(error: Exception, kind: str) -> int:
    _tell(str(error))
    return EXIT[kind]


if __name__ == "__main__":
    sys.exit(main())

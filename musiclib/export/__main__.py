"""Write the encoder of a finished run in a format that others read, check what was written, and write its model card.

    python -m musiclib.export outputs/pretrain/runs/0a1b2c3d4e5f --format safetensors
    python -m musiclib.export RUN --format torchvision --format onnx --out export/music-cifar10 --license mit
    python -m musiclib.export RUN --format features --data-root /data

safetensors   encoder.safetensors, under this library's names; every encoder, also one from outside
torchvision   encoder_torchvision.pth, under torchvision's names; resnet18 (3x3 stem), resnet18_imagenet, resnet50
onnx          encoder.onnx, any number of images at once; needs onnx and onnxscript, checked by onnxruntime if it can be
features      features.npz, features and labels of both splits; reads the data set

A file gets its name only after it was read back and gave the numbers of the encoder. README.md is the card: what it is,
how it was trained, its numbers (with 95 % intervals where records of several seeds are found), its limits, with the
head that model hubs read. It lists the files of this and earlier exports into the same folder.

Exit codes: 0 done; 2 not a finished run, a format that is not possible, a missing package or plug-in; 3 a data set is
missing or unusable; 4 what was written does not give the same numbers (no file is left); 5 the checkpoint is damaged or
of another run; 1 anything else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from musiclib import files
from musiclib.datasets import DatasetMissing, DatasetUnusable
from musiclib.evaluate.weights import WeightsUnusable
from musiclib.export.card import card
from musiclib.export.formats import WRITERS, Mismatch
from musiclib.export.source import ExportError, open_source
from musiclib.plugins import PluginError
from musiclib.pretrain.checkpoint import CheckpointDamaged, CheckpointForeign

EXIT = {"usage": 2, "data": 3, "mismatch": 4, "checkpoint": 5}
CHECKS = ".checks.json"  # what the checks of earlier exports into the same folder found


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; see `--help`."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m musiclib.export", description=summary, epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("run", metavar="RUN", help="the folder of a finished run, with config.json and record.json")
    parser.add_argument(
        "--format", action="append", required=True, choices=list(WRITERS), dest="formats", help="repeatable"
    )
    parser.add_argument("--out", metavar="DIR", help="where files go (default RUN/export)")
    parser.add_argument(
        "--records", metavar="FILE",
        help="JSON lines with other seeds of the run, raw pixels and random encoders, for the card (default "
        "records.jsonl beside the folder `runs`)",
    )  # fmt: skip
    parser.add_argument("--name", help="of the model, on the card (default METHOD-DATASET-ENCODER)")
    parser.add_argument(
        "--license", metavar="ID", help="of the weights, on the card: mit, cc-by-4.0 ... (default none)"
    )
    parser.add_argument("--data-root", metavar="DIR", help="where data sets are looked for (default $MUSICLIB_DATA)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """The command `python -m musiclib.export`; returns its exit code."""
    arguments = parse(argv)
    try:
        source = open_source(arguments.run, arguments.records)
        out = Path(arguments.out) if arguments.out else source.folder / "export"
        known = files.read_json(out / CHECKS) or {}
        written = {n: c for n, c in known.get("files", {}).items() if known.get("run") == source.record["run"]}
        for name in dict.fromkeys(arguments.formats):
            options = {"data_root": arguments.data_root} if name == "features" else {}
            path, told = WRITERS[name](source, out, **options)
            print(f"{path}: {told}")
            written[path.name] = told
            files.write_json(out / CHECKS, {"run": source.record["run"], "files": written})
        written = {name: told for name, told in written.items() if (out / name).is_file()}
        files.write_text(out / "README.md", card(source, written, name=arguments.name, licence=arguments.license))
        print(f"{out / 'README.md'}: the model card, numbers of {len(source.siblings)} seed(s)")
    except (CheckpointDamaged, CheckpointForeign) as error:
        return _fail(error, "checkpoint")
    except Mismatch as error:
        return _fail(error, "mismatch")
    except (DatasetMissing, DatasetUnusable) as error:
        return _fail(error, "data")
    except (ExportError, PluginError, WeightsUnusable, OSError, ValueError) as error:
        return _fail(error, "usage")
    return 0


def _fail(error: Exception, kind: str) -> int:
    print(f"musiclib.export: {error}", file=sys.stderr)
    return EXIT[kind]


if __name__ == "__main__":
    sys.exit(main())

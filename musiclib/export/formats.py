"""What is written of an encoder, and how it is held against the encoder before it gets its name.

Every writer puts the file beside its place, reads it back, compares what it computes with the encoder in memory, and
only then renames it: a file of that name is one that was checked. The checks are exact where the arithmetic is the
same, and within `TOLERANCE` of the largest feature where another library computes.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from musiclib.evaluate.features import extract
from musiclib.evaluate.foreign import load_weights, write_features
from musiclib.evaluate.knn import knn_top1
from musiclib.evaluate.naming import torchvision_names
from musiclib.export.source import ExportError, Source
from musiclib.pretrain.assemble import Streamed, load_data

TOLERANCE = 1e-4
IN_TORCHVISION = ("resnet18", "resnet18_imagenet", "resnet50")


class Mismatch(RuntimeError):
    """What was written does not give the numbers of what it was written from. One line; no file was left."""


def write_safetensors(source: Source, out: Path) -> tuple[Path, str]:
    """encoder.safetensors: the encoder's state_dict under its own names."""
    path = out / "encoder.safetensors"
    about = {"run": source.record["run"], "encoder": source.config.encoder, "channels": str(source.channels)}
    with place_of(path) as temporary:
        state = {k: v.contiguous() for k, v in source.encoder.state_dict().items()}
        safetensors.torch.save_file(state, temporary, metadata=about)
        return path, _same(source, temporary, "own")


def write_torchvision(source: Source, out: Path) -> tuple[Path, str]:
    """encoder_torchvision.pth: the state_dict under torchvision's names, for `torch.load(..., weights_only=True)`."""
    name = source.config.encoder
    if name not in IN_TORCHVISION:
        raise ExportError(f"torchvision has no network like the encoder {name!r}; it has {', '.join(IN_TORCHVISION)}")
    path, own = out / "encoder_torchvision.pth", source.encoder.state_dict()
    with place_of(path) as temporary:
        names = torchvision_names(name, own)
        torch.save({names[key]: value.contiguous() for key, value in own.items()}, temporary)
        return path, _same(source, temporary, "torchvision")


def _same(source: Source, path: Path, naming: str) -> str:
    """Load a file of weights as a stranger would and compare, bit for bit."""
    loaded = load_weights(path, source.config.encoder)
    known = loaded.encoder.state_dict()
    other = [key for key, value in source.encoder.state_dict().items() if not torch.equal(value, known[key])]
    if other or loaded.match.naming != naming:
        raise Mismatch(f"{path.name}: the tensors that were read back are not those that were written")
    with torch.no_grad():
        found = loaded.encoder(source.images())
    if not torch.equal(found, source.features()):
        raise Mismatch(f"{path.name}: the encoder that was read back computes other features")
    return f"{len(known)} tensors read back, the same bits; features of {len(found)} drawn images the same bits"


def write_onnx(source: Source, out: Path) -> tuple[Path, str]:
    """encoder.onnx: images (N, C, H, W), float32, normalised as the card says, to features (N, F); any N."""
    onnx = _package("onnx")
    _package("onnxscript")
    path, images = out / "encoder.onnx", source.images()
    batch = torch.export.Dim("batch", min=1)
    with place_of(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(None):
            torch.onnx.export(
                source.encoder, (images,), temporary, input_names=["images"], output_names=["features"],
                dynamic_shapes=({0: batch},), dynamo=True, external_data=False, verbose=False,
            )  # fmt: skip
        onnx.checker.check_model(str(temporary))
        compute, who = _onnx_session(temporary)
        worst = max(_distance(compute(part.numpy()), source.encoder, part) for part in (images, images[:1], images[:3]))
        if not worst <= TOLERANCE:
            raise Mismatch(f"{path.name}: {who} computes features that differ by {worst:.1e} of the largest one")
        return path, f"features of 1, 3 and {len(images)} drawn images within {worst:.1e} of the largest, by {who}"


@torch.no_grad()
def _distance(found: np.ndarray, encoder: torch.nn.Module, images: Tensor) -> float:
    want = encoder(images)
    if found.shape != tuple(want.shape):
        raise Mismatch(f"encoder.onnx: gives features of shape {found.shape} for {len(images)} images")
    return float((torch.from_numpy(found) - want).abs().max() / want.abs().max())


def _onnx_session(path: Path) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """A function from images to features that runs the file, by onnxruntime or else by the reference of onnx."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(str(path))
        return lambda images: evaluator.run(None, {"images": images})[0], "the reference of onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})[0], f"onnxruntime {onnxruntime.__version__}"


def _package(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise ExportError(f"--format onnx needs the package {name}, which cannot be imported: {error}") from None


def write_feature_file(
    source: Source, out: Path, *, data_root: str | os.PathLike | None = None, device: torch.device | str = "cpu"
) -> tuple[Path, str]:
    """features.npz: features and labels of the images that the run was trained and scored on."""
    train_set, held = load_data(source.config, data_root)
    sides = {}
    for split, images in (("train", train_set), (source.split, held)):
        if isinstance(images, Streamed):
            sides[split] = (images.features(source.encoder, source.view, torch.device(device)), images)
        else:
            sides[split] = (extract(source.encoder, images, source.view, device=device), images)
    path = out / "features.npz"
    with place_of(path) as temporary:
        write_features(temporary, sides)
        with np.load(temporary, allow_pickle=False) as kept:
            read = {name: torch.from_numpy(kept[name]) for name in kept.files if name != "classes"}
        for split, (features, images) in sides.items():
            if not torch.equal(read[split], features) or not torch.equal(read[f"{split}_labels"], images.labels):
                raise Mismatch(f"{path.name}: the arrays that were read back are not those that were written")
        score = knn_top1(read["train"], read["train_labels"], read[source.split], read[f"{source.split}_labels"])
        recorded = source.record["metrics"].get(f"knn/{source.split}/top1")
        if recorded is not None and abs(score - recorded) > 0.005:
            raise Mismatch(
                f"{path.name}: nearest neighbours on it score {score:.4f}, the run's record says {recorded:.4f}"
            )
    beside = f", {recorded:.4f} in the record" if recorded is not None else ", the record has no such number"
    return path, f"read back, the same bits; nearest neighbours on it: {score:.4f}{beside}"


@contextlib.contextmanager
def place_of(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and is gone otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)


WRITERS: dict[str, Callable[..., tuple[Path, str]]] = {
    "safetensors": write_safetensors,
    "torchvision": write_torchvision,
    "onnx": write_onnx,
    "features": write_feature_file,
}
"""Format -> a function of (source, folder) that returns the file and what its check found."""

"""The formats that the library reads: small valid files, the reader, and what a right answer is."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from scipy.io import savemat

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "tests")) if path not in sys.path]

from dataset_files import noise, python2  # noqa: E402

from musiclib.config import TrainConfig  # noqa: E402
from musiclib.datasets import DatasetUnusable, cifar10, cifar100, fashion_mnist, medmnist, svhn  # noqa: E402
from musiclib.datasets.cache import cached  # noqa: E402
from musiclib.datasets.crops import ATTEMPTS, two_crops  # noqa: E402
from musiclib.datasets.decode import damaged_images, decode_images  # noqa: E402
from musiclib.files import read_lines  # noqa: E402
from musiclib.pretrain import checkpoint  # noqa: E402
from musiclib.schema import read_mapping  # noqa: E402
from reproduce.judging import records  # noqa: E402

Files = dict[str, bytes]
SIZE = 8  # of decoded pictures


class Disagree(Exception):
    """Two readers of the library say different things about one file."""


class Rebuild(Exception):
    """What the cache asks for when it does not trust a file. Its own words name the file."""


@dataclass(frozen=True)
class Format:
    """samples   valid sets of files; the first of each set is the one that is damaged
    read      (folder, damaged file) -> what the library makes of it
    sound     what is wrong with a value that was read, or None
    refusals  the exceptions that a reader may end with
    resealed  the same content with its check sums put right, so that damage reaches what lies behind them
    certain   damage without `resealed` is seen: what is read equals what was there before
    """

    samples: Callable[[], Sequence[Files]]
    read: Callable[[Path, Path], Any]
    sound: Callable[[Any], str | None]
    refusals: tuple[type[Exception], ...] = (DatasetUnusable,)
    resealed: Callable[[bytes], bytes] | None = None
    certain: bool = False


# -- pictures ---------------------------------------------------------------------------------------------------------


def encoded(image: Image.Image, kind: str, **options: Any) -> Files:
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return {f"picture.{kind.lower()}": sink.getvalue()}


def pictures(kind: str, modes: Sequence[str], *options: dict[str, Any]) -> list[Files]:
    rgb = Image.fromarray(noise(14, 20, 3))
    grey16 = Image.fromarray(noise(14, 20).astype(np.uint16) * 257)
    images = [grey16 if mode == "I;16" else rgb.convert(mode) for mode in modes]
    return [encoded(image, kind, **option) for image in images for option in options or ({},)]


def jpegs() -> list[Files]:
    turned = Image.Exif()
    turned[0x0112] = 6
    return pictures("JPEG", ("RGB", "L", "CMYK"), {}, {"progressive": True}, {"exif": turned, "quality": 95})


def read_picture(folder: Path, path: Path) -> tuple[torch.Tensor, ...]:
    """The picture as all readers see it, which have to agree on whether it can be read."""
    uniform = np.random.default_rng(0).random((2, 2 * ATTEMPTS + 2))
    ways = {
        "in memory": lambda: decode_images([path], size=SIZE),
        "grey": lambda: decode_images([path], size=SIZE, channels=1),
        "streamed": lambda: torch.from_numpy(np.stack(two_crops(path, SIZE, uniform, (0.2, 1.0), (3 / 4, 4 / 3)))),
    }
    listed = damaged_images([path])
    made, refused = {}, {}
    for name, way in ways.items():
        try:
            made[name] = way()
        except DatasetUnusable as error:
            refused[name] = error
    if (made and refused) or bool(listed) != bool(refused):
        raise Disagree(f"read {', '.join(made)}; refused {refused}; listed as damaged {listed}")
    if refused:
        raise next(iter(refused.values()))
    return tuple(made.values())


def sound_picture(found: tuple[torch.Tensor, ...]) -> str | None:
    shapes = [(t.dtype, tuple(t.shape)) for t in found]
    wanted = [(torch.uint8, (n, c, SIZE, SIZE)) for n, c in ((1, 3), (1, 1), (2, 3))]
    return None if shapes == wanted else f"{shapes}"


def png_resealed(content: bytes) -> bytes:
    """PNG: the check sum of every chunk."""
    out, at = bytearray(content), 8
    while at + 12 <= len(out):
        length = int.from_bytes(out[at : at + 4], "big")
        if at + 12 + length > len(out):
            break
        out[at + 8 + length : at + 12 + length] = struct.pack(">I", zlib.crc32(out[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(out)


# -- published sets ---------------------------------------------------------------------------------------------------


def sound_set(channels: Sequence[int], size: int | None, classes: int) -> Callable[[Any], str | None]:
    def sound(found: tuple) -> str | None:
        images, labels, names = found
        shape = tuple(images.shape)
        if images.dtype != torch.uint8 or len(shape) != 4 or shape[1] not in channels or shape[2] != shape[3]:
            return f"images {images.dtype} {shape}"
        if size is not None and shape[2] != size:
            return f"images {shape}"
        if labels.dtype != torch.int64 or labels.shape != shape[:1] or not len(labels):
            return f"labels {labels.dtype} {tuple(labels.shape)} of images {shape}"
        if not (int(labels.min()) >= 0 and int(labels.max()) < len(names) <= classes):
            return f"labels {int(labels.min())}..{int(labels.max())} of {len(names)} classes"
        return None

    return sound


def idx() -> list[Files]:
    images = bytes((0, 0, 8, 3)) + struct.pack(">III", 5, 6, 6) + noise(5, 6, 6).tobytes()
    labels = bytes((0, 0, 8, 1)) + struct.pack(">I", 5) + bytes((0, 9, 4, 4, 1))
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    plain = dict(zip(names, (images, labels), strict=True))
    zipped = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in plain.items()}
    return [plain, dict(reversed(plain.items())), zipped, dict(reversed(zipped.items()))]


def idx_resealed(content: bytes) -> bytes:
    """gzip: damage inside the stream, under a right check sum."""
    return gzip.compress(content, mtime=0) if content[:2] == b"\x1f\x8b" else content


def pickles() -> list[Files]:
    batch = {
        "filenames": [f"{i}.png" for i in range(4)], "batch_label": "training batch 1 of 1",
        "fine_labels": [3, 99, 0, 42], "coarse_labels": [1, 2, 3, 4], "data": noise(4, 3072),
    }  # fmt: skip
    raw = {key.encode(): value for key, value in batch.items()}
    contents = [python2(batch), *(pickle.dumps(batch, p) for p in (2, 3, 4, 5)), pickle.dumps(raw, 2)]
    return [{"train": content, "meta": b"x"} for content in contents]


def matlab() -> list[Files]:
    values = {"X": np.moveaxis(noise(6, 32, 32, 3), 0, -1), "y": np.array([[10, 1, 2, 9, 5, 5]], dtype=np.uint8).T}
    found = []
    for compressed in (False, True):
        sink = io.BytesIO()
        savemat(sink, values, do_compression=compressed)
        found.append({"train_32x32.mat": sink.getvalue()})
    return found


def npz() -> list[Files]:
    found = []
    for write in (np.savez, np.savez_compressed):
        for shape in ((28, 28), (28, 28, 3)):
            sink = io.BytesIO()
            parts = {"train": 5, "val": 2, "test": 3}
            images = {f"{part}_images": noise(count, *shape) for part, count in parts.items()}
            labels = {f"{part}_labels": noise(count, 1) % 7 for part, count in parts.items()}
            write(sink, **images, **labels)
            found.append({"pathmnist.npz": sink.getvalue()})
    return found


def zip_resealed(content: bytes) -> bytes:
    """zip: the members' sizes and check sums, as far as its directory can still be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            out, at = bytearray(content), None
            for member in archive.infolist():
                at = member.header_offset
                start = at + 30 + sum(struct.unpack("<HH", out[at + 26 : at + 30]))
                if member.compress_type == zipfile.ZIP_STORED:
                    crc = struct.pack("<I", zlib.crc32(out[start : start + member.file_size]))
                    old = struct.pack("<I", member.CRC)
                    out[at + 14 : at + 18] = crc
                    where = content.find(old, archive.start_dir)
                    if where >= 0:
                        out[where : where + 4] = crc
            return bytes(out)
    except Exception:
        return content


def archives() -> list[Files]:
    batches = {
        f"cifar-10-batches-bin/{n}": bytes([i]) + noise(3072).tobytes() for i, n in enumerate(cifar10.BATCHES["train"])
    }
    found = []
    for suffix in ("", "gz"):
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode=f"w:{suffix}") as tar:
            for name, content in batches.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        found.append({cifar10.BINARY_ARCHIVE: sink.getvalue()})
    return found


# -- what the library writes ------------------------------------------------------------------------------------------

STATE = {
    "method": {"weight": torch.arange(12.0).view(3, 4), "steps": torch.tensor(7)},
    "optimiser": {"groups": [{"lr": 0.1, "moments": [torch.ones(4)]}]},
    "state": {"step": 7, "curve": [{"epoch": 1, "loss": -1.5}]},
}


def caches() -> list[Files]:
    import tempfile

    images, labels = torch.from_numpy(noise(4, 1, 3, 3)), torch.tensor([0, 1, 1, 0])
    with tempfile.TemporaryDirectory() as place:
        for name in ("labelled", "unlabelled"):
            arrays = (images, labels, ("a", "b")) if name == "labelled" else (images, None, ())
            cached(Path(place), name, source="s", fingerprint="f", build=lambda arrays=arrays: arrays)
        return [{path.name: path.read_bytes()} for path in sorted(Path(place).glob("*.safetensors"))]


def read_cache(folder: Path, path: Path) -> tuple:
    def build():
        raise Rebuild(f"{path} is not trusted")

    return cached(folder, path.name.partition("-")[0], source="s", fingerprint="f", build=build)


def checkpoints() -> list[Files]:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        step = checkpoint.save(place, STATE, step=7, owner="me")
        files = {f"{step.name}/{path.name}": path.read_bytes() for path in sorted(step.iterdir())}
    return [files, dict(reversed(files.items()))]


def json_lines() -> list[Files]:
    base = {
        "schema": 1, "kind": "pretrain", "run": "abc", "status": "done", "config": {"options": {"segments": 4}},
        "method": "music", "dataset": "digits", "seed": 0, "time": {}, "environment": {}, "code": {},
        "metrics": {"linear/test/top1": 0.5, "knn/test/top1": None},
    }  # fmt: skip
    lines = [base, base | {"seed": 1, "dataset": "für"}, base | {"metrics": {}, "curve": [{"epoch": 1, "loss": -1e-3}]}]
    return [
        {"records.jsonl": "".join(json.dumps(line, ensure_ascii=a) + "\n" for line in lines).encode()} for a in (0, 1)
    ]


def read_records(folder: Path, path: Path) -> list[dict]:
    """All lines, or what the first problem says. No line may be lost without one."""
    found = records.read(path)
    read_lines(path)  # the library's own reader, which passes over what it cannot read
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    if len(found.lines) + len(found.problems) != len(lines):
        raise Disagree(f"{len(lines)} lines, {len(found.lines)} records, {len(found.problems)} problems")
    if found.problems:
        raise ValueError(max((str(problem) for problem in found.problems), key=len))
    return found.lines


def sound_records(found: list[dict]) -> str | None:
    wrong = [fault for record in found for fault in records.faults(record)]
    return "; ".join(wrong) or None


def configurations() -> list[Files]:
    written = TrainConfig(epochs=3, lr=1e-3, dataset_options={"size": 32, "damaged": "skip"}).to_dict()
    by_hand = "base: &b {lr: 1e-3, views: [0.2, 1.0]}\nrun:\n  <<: *b\n  name: 'x: y'  # why\n  text: |\n    a\n    b\n"
    more = '? !!str 1\n: 2\nempty:\nwhen: 2020-01-01\nhex: 0x1F\noct: 0o17\nn: !!int "3"\nf: .inf\nb: !!binary aGk=\n'
    return [{"run.yaml": text.encode()} for text in (yaml.safe_dump(written), by_hand, more)]


FORMATS = {
    "JPEG": Format(jpegs, read_picture, sound_picture),
    "PNG": Format(
        lambda: pictures("PNG", ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")), read_picture, sound_picture,
        resealed=png_resealed, certain=True,
    ),
    "IDX": Format(
        idx, lambda folder, _: fashion_mnist.find("train", folder, verify=False).read(), sound_set((1,), None, 10),
        resealed=idx_resealed,
    ),
    "pickle": Format(
        pickles, lambda folder, _: cifar100.find("train", folder, verify=False).read(), sound_set((3,), 32, 100)
    ),
    "mat": Format(matlab, lambda folder, _: svhn.find("train", folder, verify=False).read(), sound_set((3,), 32, 10)),
    "npz": Format(
        npz, lambda folder, _: medmnist.find("train", folder, "pathmnist").read(), sound_set((1, 3), 28, 1001),
        resealed=zip_resealed,
    ),
    "safetensors": Format(
        caches, read_cache, lambda found: None, refusals=(Rebuild,), certain=True,
    ),
    "checkpoint": Format(
        checkpoints, lambda folder, _: checkpoint.load(folder, owner="me"), lambda found: None,
        refusals=(checkpoint.CheckpointDamaged, checkpoint.CheckpointForeign), certain=True,
    ),
    "JSON lines": Format(json_lines, read_records, sound_records, refusals=(ValueError,)),
    "YAML": Format(
        configurations, lambda _, path: read_mapping(path), lambda found: None if type(found) is dict else "no mapping",
        refusals=(ValueError,),
    ),
    "tar": Format(
        archives, lambda folder, _: cifar10.find("train", folder, verify=False).read(), sound_set((3,), 32, 10)
    ),
    "TIFF": Format(
        lambda: pictures("TIFF", ("RGB", "L", "1", "I;16", "CMYK"), {}, {"compression": "tiff_lzw"}), read_picture,
        sound_picture,
    ),
    "WebP": Format(lambda: pictures("WEBP", ("RGB", "RGBA"), {}, {"lossless": True}), read_picture, sound_picture),
    "GIF": Format(lambda: pictures("GIF", ("P", "L")), read_picture, sound_picture),
    "BMP": Format(lambda: pictures("BMP", ("RGB", "L", "1", "P")), read_picture, sound_picture),
    "PPM": Format(lambda: pictures("PPM", ("RGB", "L", "1", "I;16")), read_picture, sound_picture),
    "JPEG2000": Format(lambda: pictures("JPEG2000", ("RGB", "L")), read_picture, sound_picture),
    "AVIF": Format(lambda: pictures("AVIF", ("RGB",)), read_picture, sound_picture),
}  # fmt: skip

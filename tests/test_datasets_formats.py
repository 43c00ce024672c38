"""More of the field's data, each in a small file of its true format: CIFAR's pickles, CIFAR-100, SVHN, STL-10,
MedMNIST."""

import hashlib
import io
import os
import pickle
import subprocess
import tarfile

import numpy as np
import pytest
import torch
from dataset_files import noise, python2
from scipy.io import savemat

from musiclib.datasets import (
    DatasetMissing,
    DatasetUnusable,
    Unlabelled,
    cifar10,
    cifar100,
    identity,
    known,
    load,
    medmnist,
    stl10,
    svhn,
)
from musiclib.datasets.unpickle import read_pickle
from musiclib.views import view_preset


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MUSICLIB_DATA", raising=False)


def write_tar(path, entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


# -- pickles ----------------------------------------------------------------------------------------------------------


def batch10(count, seed):
    rng = np.random.default_rng(seed)
    return {
        "batch_label": f"training batch {seed} of 5",
        "labels": rng.integers(0, 10, count).tolist(),
        "data": noise(count, 3072, seed=seed),
        "filenames": [f"name_{i}.png" for i in range(count)],
    }


def test_the_hand_written_pickle_is_what_python_reads():
    values = batch10(300, 1)
    found = pickle.loads(python2(values), encoding="latin1")
    assert np.array_equal(found.pop("data"), values.pop("data"))
    assert found == values


@pytest.mark.parametrize("protocol", ["python 2", 2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pickles_of_every_python_are_read(protocol, order):
    values = batch10(300, 2)
    values["data"] = np.asarray(values["data"], order=order)
    if protocol == "python 2":
        content = python2(values)
    else:
        content = pickle.dumps({key.encode(): value for key, value in values.items()}, protocol=protocol)
    found = read_pickle("batch", content)
    assert np.array_equal(found["data"], values["data"])
    assert found["labels"] == values["labels"]
    assert list(found) == list(values)


@pytest.mark.parametrize("kind", [">u2", "<f8", "?", "i1", "<i8"])
def test_arrays_of_plain_types_are_read(kind):
    value = np.random.default_rng(0).integers(0, 2, (3, 4)).astype(kind)
    for protocol in (2, 4, 5):
        found = read_pickle("x", pickle.dumps({"a": value}, protocol=protocol))["a"]
        assert found.dtype == value.dtype
        assert np.array_equal(found, value)


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


MARK = "touched"
ATTACKS = {
    "system": pickle.dumps({"data": Evil(os.system, f"touch {MARK}")}),
    "popen": pickle.dumps({"data": Evil(subprocess.Popen, ["touch", MARK])}, protocol=2),
    "eval": pickle.dumps({"data": Evil(eval, f"open({MARK!r}, 'w')")}),
    "open": pickle.dumps({"data": Evil(open, MARK, "w")}),
    "numpy's own door": pickle.dumps({"data": Evil(np.load, MARK, None, True)}),
    "numpy writes": b"\x80\x02}U\x01acnumpy\nsavetxt\n(U\x07touched](K\x01etRs.",
    "an attribute": b"\x80\x02}U\x01acnumpy\nndarray.tofile\n.",
    "a name made of two": b"\x80\x04}\x8c\x01a\x8c\x02os\x8c\x06system\x93\x8c\x0dtouch touched\x85Rs.",
    "protocol 0": b"cos\nsystem\n(S'touch touched'\ntR.",
    "inst": b"(S'touch touched'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch touched'\no.",
    "new object": b"\x80\x02}U\x01acnumpy\nndarray\nK\x01\x85\x81s.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"\x80\x02U\x01aQ.",
    "array of objects": pickle.dumps({"data": np.array([Evil(os.system, f"touch {MARK}")], dtype=object)}),
    "structured array": pickle.dumps({"data": np.zeros(2, dtype=[("a", "u1"), ("b", "O")])}),
    "set state of a dictionary": b"\x80\x02}}U\x01aK\x01sb.",
    "another codec": b"\x80\x02}U\x01ac_codecs\nencode\nX\x01\x00\x00\x00aU\x03hexq\x01\x86Rs.",
    "endless key": b"\x80\x02}" + b"N" + b"q\x01h\x01\x86" * 99 + b"K\x01s.",
    "a list that holds itself": b"\x80\x02]q\x01h\x01a.",
    "more bytes than there are": b"\x80\x02}U\x01aT\xff\xff\xff\x7fabc",
    "a size beyond memory": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "a frame beyond memory": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "no dictionary": pickle.dumps([1, 2]),
    "nothing": b"",
    "no pickle": b"<html>not found</html>",
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.timeout(20)
def test_pickles_that_are_more_than_plain_values_are_refused_and_do_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetUnusable, match=r"^data_batch_1 is no pickle of plain values and arrays: \S") as found:
        read_pickle("data_batch_1", ATTACKS[name])
    assert "\n" not in str(found.value)
    assert not os.path.exists(MARK)


def test_the_refusal_names_what_was_asked_for():
    with pytest.raises(DatasetUnusable, match=r"it asks for (posix|nt)\.system, which is not called here"):
        read_pickle("x", ATTACKS["system"])
    with pytest.raises(DatasetUnusable, match="array of type 'O8'"):
        read_pickle("x", ATTACKS["array of objects"])
    with pytest.raises(DatasetUnusable, match="a key of type tuple"):
        read_pickle("x", ATTACKS["endless key"])


@pytest.mark.parametrize("shape", [(2, -1), (2, 2**62), (True, 3), ("2", 3), (1,) * 40, (0, 5)])
def test_arrays_whose_shape_does_not_fit_their_bytes_are_refused(shape):
    content = pickle.dumps({"a": np.zeros((2, 3), np.uint8)}, protocol=2)
    bad = content.replace(pickle.dumps((2, 3), protocol=2)[2:-3], pickle.dumps(shape, protocol=2)[2:].split(b"q")[0])
    assert bad != content
    with pytest.raises(DatasetUnusable):
        read_pickle("x", bad)


# -- CIFAR-10 and CIFAR-100 -------------------------------------------------------------------------------------------


def python_batches():
    names = (*cifar10.PICKLES["train"], *cifar10.PICKLES["test"])
    return {name: batch10(20, seed) for seed, name in enumerate(names)}


@pytest.mark.parametrize("place", ["cifar-10-batches-py", ".", "cifar10", "archive"])
def test_torchvisions_cifar10_is_read(tmp_path, place):
    batches = python_batches()
    if place == "archive":
        entries = {f"cifar-10-batches-py/{name}": python2(batch) for name, batch in batches.items()}
        write_tar(tmp_path / "cifar-10-python.tar.gz", entries)
    else:
        (tmp_path / place).mkdir(exist_ok=True)
        for name, batch in batches.items():
            (tmp_path / place / name).write_bytes(python2(batch))
    data = load("cifar10", "train", root=tmp_path, verify=False)
    parts = [batches[name] for name in cifar10.PICKLES["train"]]
    assert np.array_equal(data.images.numpy(), np.concatenate([b["data"] for b in parts]).reshape(-1, 3, 32, 32))
    assert data.labels.tolist() == [label for b in parts for label in b["labels"]]
    assert len(load("cifar10", "test", root=tmp_path, verify=False)) == 20


def test_pickles_that_are_not_the_published_ones_are_refused(tmp_path, monkeypatch):
    for name, batch in python_batches().items():
        (tmp_path / name).write_bytes(python2(batch))
    with pytest.raises(DatasetUnusable, match=r"data_batch_1 does not have the published md5 sum c99cafc1"):
        load("cifar10", "train", root=tmp_path)
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in tmp_path.glob("data_batch_*")}
    monkeypatch.setattr(cifar10, "PICKLES_MD5", sums)
    with pytest.raises(DatasetUnusable, match=r"it should have 5000 of each: incomplete"):
        load("cifar10", "train", root=tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": noise(20, 3071)}, "no array of bytes"),
        ({"data": [1, 2]}, "no array of bytes"),
        ({"labels": [0] * 19}, "no list of 20 whole numbers under 'labels'"),
        ({"labels": [0.5] * 20}, "no list of 20 whole numbers"),
        ({"labels": [True] * 20}, "no list of 20 whole numbers"),
        ({"labels": [10] * 20}, "holds the label 10, expected 0..9"),
        ({"labels": [-1] * 20}, "holds the label -1"),
    ],
)
def test_the_content_of_pickled_batches_is_checked(tmp_path, change, words):
    for name, batch in python_batches().items():
        content = pickle.dumps({**batch, **(change if name == "data_batch_3" else {})})
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetUnusable, match=words) as found:
        load("cifar10", "train", root=tmp_path, verify=False)
    assert "data_batch_3" in str(found.value)


def batch100(count, seed):
    rng = np.random.default_rng(seed)
    return {
        "filenames": [f"{i}.png" for i in range(count)],
        "batch_label": "training batch 1 of 1",
        "fine_labels": rng.integers(0, 100, count).tolist(),
        "coarse_labels": rng.integers(0, 20, count).tolist(),
        "data": noise(count, 3072, seed=seed),
    }


@pytest.mark.parametrize("form", ["python", "binary", "python archive", "binary archive"])
@pytest.mark.parametrize("place", [".", "cifar100"])
def test_cifar100_is_read_in_both_forms_with_its_fine_labels(tmp_path, form, place):
    batches = {"train": batch100(30, 1), "test": batch100(10, 2)}
    if form.startswith("python"):
        files = {name: python2(batch) for name, batch in batches.items()} | {"meta": b"x"}
        folder = "cifar-100-python"
    else:
        files = {f"{name}.bin": binary100(batch) for name, batch in batches.items()} | {"fine_label_names.txt": b"x"}
        folder = "cifar-100-binary"
    if form.endswith("archive"):
        write_tar(tmp_path / place / f"{folder}.tar.gz", {f"{folder}/{name}": data for name, data in files.items()})
    else:
        (tmp_path / place / folder).mkdir(parents=True)
        for name, data in files.items():
            (tmp_path / place / folder / name).write_bytes(data)
    for split, batch in batches.items():
        data = load("cifar100", split, root=tmp_path, verify=False)
        assert np.array_equal(data.images.numpy(), batch["data"].reshape(-1, 3, 32, 32))
        assert data.labels.tolist() == batch["fine_labels"]
        assert data.identity == identity("cifar100", split, root=tmp_path, verify=False)
    assert (len(data.classes), data.classes[0], data.classes[53], data.classes[99]) == (100, "apple", "orange", "worm")


def binary100(batch):
    labels = zip(batch["coarse_labels"], batch["fine_labels"], batch["data"], strict=True)
    return b"".join(bytes((coarse, fine)) + pixels.tobytes() for coarse, fine, pixels in labels)


def test_cifar100_is_verified(tmp_path):
    (tmp_path / "train").write_bytes(python2(batch100(30, 1)))
    with pytest.raises(DatasetMissing):  # a file called train says nothing by itself
        load("cifar100", root=tmp_path)
    (tmp_path / "meta").write_bytes(b"x")
    with pytest.raises(DatasetUnusable, match="train does not have the published md5 sum 16019d7e"):
        load("cifar100", root=tmp_path)
    binary = tmp_path / "other"
    binary.mkdir()
    (binary / "fine_label_names.txt").write_text("x")
    (binary / "train.bin").write_bytes(binary100(batch100(30, 1)))
    with pytest.raises(DatasetUnusable, match=r"holds 0 to \d train images a class, it should have 500 of each"):
        load("cifar100", root=binary)
    (binary / "train.bin").write_bytes(binary100({**batch100(2, 1), "fine_labels": [3, 100]}))
    with pytest.raises(DatasetUnusable, match=r"holds the label 100, expected 0\.\.99"):
        load("cifar100", root=binary, verify=False)


def test_cifar100_is_downloaded_only_when_asked_and_checked(tmp_path, monkeypatch):
    mirror = tmp_path / "mirror" / "cifar-100-python.tar.gz"
    write_tar(mirror, {"cifar-100-python/train": python2(batch100(30, 1)), "cifar-100-python/meta": b"x"})
    monkeypatch.setattr(cifar100, "URL", mirror.as_uri())
    with pytest.raises(DatasetUnusable, match="the publisher prints eb9058c3"):
        load("cifar100", root=tmp_path / "data", download=True)
    monkeypatch.setattr(cifar100, "MD5", hashlib.md5(mirror.read_bytes()).hexdigest())
    assert len(load("cifar100", root=tmp_path / "data", download=True, verify=False)) == 30


# -- SVHN -------------------------------------------------------------------------------------------------------------


def write_svhn(folder, split, count, **options):
    """A file as the publisher's: X (32, 32, 3, N), y (N, 1) with 10 for the digit 0, compressed."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels, digits = noise(count, 3, 32, 32, seed=count), np.arange(count) % 10
    content = {"X": pixels.transpose(2, 3, 1, 0), "y": np.where(digits == 0, 10, digits).astype(np.uint8)[:, None]}
    savemat(folder / f"{split}_32x32.mat", content, **{"do_compression": True, **options})
    return pixels, digits


@pytest.mark.parametrize("place", [".", "svhn", "SVHN"])
@pytest.mark.parametrize("compressed", [True, False])
def test_svhn_is_read_with_its_digits(tmp_path, place, compressed):
    for split, count in (("train", 25), ("test", 12)):
        pixels, digits = write_svhn(tmp_path / place, split, count, do_compression=compressed)
        data = load("svhn", split, root=tmp_path, verify=False)
        assert np.array_equal(data.images.numpy(), pixels)
        assert data.labels.tolist() == digits.tolist()
        assert data.classes == tuple("0123456789")
        assert data.identity == identity("svhn", split, root=tmp_path, verify=False)


def test_the_extra_part_of_svhn_comes_behind_the_training_set(tmp_path):
    train, extra = write_svhn(tmp_path, "train", 20), write_svhn(tmp_path, "extra", 30)
    write_svhn(tmp_path, "test", 5)
    assert len(load("svhn", root=tmp_path, verify=False)) == 20
    data = load("svhn", root=tmp_path, verify=False, extra=True)
    assert np.array_equal(data.images.numpy(), np.concatenate([train[0], extra[0]]))
    assert len(load("svhn", "test", root=tmp_path, verify=False, extra=True)) == 5
    assert len(load("svhn", root=tmp_path, verify=False, extra=True, samples=20)) == 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"X": noise(32, 32, 3, 4)}, "lacks the variable 'y'"),
        ({"X": noise(4, 32, 32, 3), "y": np.ones((4, 1), np.uint8)}, "expected uint8"),
        ({"X": noise(32, 32, 3, 4).astype(float), "y": np.ones((4, 1), np.uint8)}, "expected uint8"),
        ({"X": noise(32, 32, 3, 4), "y": np.ones((5, 1), np.uint8)}, "for 4 images"),
        ({"X": noise(32, 32, 3, 4), "y": np.zeros((4, 1), np.uint8)}, r"outside of 1\.\.10"),
        ({"X": noise(32, 32, 3, 4), "y": np.full((4, 1), 1.5)}, r"outside of 1\.\.10"),
        ({"X": noise(32, 32, 3, 4), "y": np.array([["a"] * 4], dtype=object)}, "its variable 'y' is no array of real"),
        ({"X": noise(32, 32, 3, 4), "y": np.ones((4, 1), complex)}, "its variable 'y' is no array of real"),
    ],
)
def test_matlab_files_are_checked(tmp_path, content, words):
    savemat(tmp_path / "train_32x32.mat", content)
    with pytest.raises(DatasetUnusable, match=rf"train_32x32\.mat .*{words}"):
        load("svhn", root=tmp_path, verify=False)


def test_svhn_is_verified_and_downloaded_only_when_asked(tmp_path, monkeypatch):
    write_svhn(tmp_path / "mirror", "train", 20)
    with pytest.raises(DatasetUnusable, match="does not have the published md5 sum e26dedcc"):
        load("svhn", root=tmp_path / "mirror")
    (tmp_path / "train_32x32.mat").write_bytes(b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\0\2IM" + b"\x89HDF\r\n")
    with pytest.raises(DatasetUnusable, match=r"train_32x32\.mat cannot be read"):
        load("svhn", root=tmp_path, verify=False)
    monkeypatch.setattr(svhn, "URL", f"{(tmp_path / 'mirror').as_uri()}/")
    with pytest.raises(DatasetUnusable, match="expected e26dedcc"):
        load("svhn", root=tmp_path / "data", download=True)
    content = (tmp_path / "mirror" / "train_32x32.mat").read_bytes()
    monkeypatch.setattr(svhn, "MD5", {"train_32x32.mat": hashlib.md5(content).hexdigest()})
    assert len(load("svhn", root=tmp_path / "data", download=True)) == 20


# -- STL-10 -----------------------------------------------------------------------------------------------------------


def write_stl10(folder):
    """The binary files: an image is its three planes, each written column by column; labels are 1..10."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for seed, (part, count) in enumerate((("train", 20), ("test", 10), ("unlabeled", 15))):
        images = noise(count, 3, 96, 96, seed=seed)
        columns = b"".join(plane.tobytes(order="F") for image in images for plane in image)
        (folder / f"{part}_X.bin").write_bytes(columns)
        made[part] = images, [i % 10 for i in range(count)]
        if part != "unlabeled":
            (folder / f"{part}_y.bin").write_bytes(bytes(1 + label for label in made[part][1]))
    return made


@pytest.mark.parametrize("place", [".", "stl10_binary", "stl10/stl10_binary"])
def test_stl10_is_read_with_its_labels(tmp_path, place):
    made = write_stl10(tmp_path / place)
    for split in ("train", "test"):
        data = load("stl10", split, root=tmp_path, verify=False)
        assert np.array_equal(data.images.numpy(), made[split][0])
        assert data.labels.tolist() == made[split][1]
        assert data.classes[:2] == ("airplane", "bird")


def test_the_unlabelled_part_of_stl10_is_a_training_set_without_labels(tmp_path):
    made = write_stl10(tmp_path)
    data = load("stl10", root=tmp_path, verify=False, unlabelled=True)
    assert np.array_equal(data.images.numpy(), made["unlabeled"][0])
    assert (data.labels, data.classes) == (None, ())
    assert data.identity == identity("stl10", root=tmp_path, verify=False, unlabelled=True)
    assert len(load("stl10", root=tmp_path, verify=False, unlabelled=True, samples=4)) == 4
    assert load("stl10", "test", root=tmp_path, verify=False, unlabelled=True).labels.tolist() == made["test"][1]
    from musiclib.config import TrainConfig
    from musiclib.pretrain.assemble import load_data

    options = {"verify": False, "unlabelled": True}
    config = TrainConfig.from_dict({"dataset": "stl10", "dataset_options": options, "batch": 4})
    with pytest.raises(Unlabelled, match="'stl10' has no labels, which a probe needs"):
        load_data(config, tmp_path)
    assert len(load_data(config, tmp_path, evaluate=False)[0]) == 15


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("train_X.bin", b"x" * 27647, "27647 bytes, no whole number of images"),
        ("train_X.bin", b"", "0 bytes"),
        ("train_y.bin", b"\1" * 19, "holds 19 labels for 20 images"),
        ("train_y.bin", b"\0" * 20, r"labels outside of 1\.\.10"),
        ("train_y.bin", b"\x0b" * 20, r"labels outside of 1\.\.10"),
    ],
)
def test_stl10_is_checked(tmp_path, file, content, words):
    write_stl10(tmp_path)
    with pytest.raises(DatasetUnusable, match=r"train_X\.bin does not have the published md5 sum 918c2871"):
        load("stl10", root=tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DatasetUnusable, match=rf"{file} .*{words}"):
        load("stl10", root=tmp_path, verify=False)


# -- MedMNIST ---------------------------------------------------------------------------------------------------------


def med_arrays(shape=(28, 28, 3), classes=4, kind=np.uint8, **changes):
    arrays = {}
    for seed, (part, count) in enumerate((("train", 21), ("val", 7), ("test", 9))):
        arrays[f"{part}_images"] = noise(count, *shape, seed=seed)
        arrays[f"{part}_labels"] = (np.arange(count) % classes).astype(kind)[:, None]
    return {**arrays, **changes}


@pytest.mark.parametrize("place", [".", "medmnist", "MedMNIST"])
@pytest.mark.parametrize(("shape", "channels"), [((28, 28), 1), ((28, 28, 3), 3)])
def test_medmnist_is_read(tmp_path, place, shape, channels):
    (tmp_path / place).mkdir(exist_ok=True)
    arrays = med_arrays(shape)
    np.savez_compressed(tmp_path / place / "bloodmnist.npz", **arrays)
    for split in ("train", "test"):
        data = load("medmnist:bloodmnist", split, root=tmp_path)
        assert data.images.shape == (len(arrays[f"{split}_images"]), channels, 28, 28)
        expected = arrays[f"{split}_images"].reshape(-1, 28, 28, channels)
        assert np.array_equal(data.images.permute(0, 2, 3, 1).numpy(), expected)
        assert data.labels.tolist() == arrays[f"{split}_labels"][:, 0].tolist()
        assert data.classes == ("0", "1", "2", "3")
        assert (data.name, data.identity) == (
            "medmnist:bloodmnist",
            identity("medmnist:bloodmnist", split, root=tmp_path),
        )


def test_medmnist_of_another_size_has_another_file(tmp_path):
    np.savez(tmp_path / "pathmnist.npz", **med_arrays())
    np.savez(tmp_path / "pathmnist_64.npz", **med_arrays((64, 64, 3)))
    assert load("medmnist:pathmnist", root=tmp_path).size == 28
    assert load("medmnist:pathmnist", root=tmp_path, size=64).size == 64
    assert len(load("medmnist:pathmnist", root=tmp_path, samples=8)) == 8
    with pytest.raises(DatasetMissing, match=r"pathmnist_128\.npz"):
        load("medmnist:pathmnist", root=tmp_path, size=128)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (med_arrays((28, 28, 28)), r"holds images of uint8 \(21, 28, 28, 28\)"),
        (med_arrays((32, 32)), r"expected uint8 \(N, 28, 28\)"),
        (med_arrays(train_images=noise(21, 28, 28, 3).astype(np.float32)), "holds images of float32"),
        (med_arrays(train_labels=np.ones((21, 14), np.uint8)), "14 labels an image"),
        (med_arrays(train_labels=np.ones((20, 1), np.uint8)), "21 train images and 20 labels"),
        (med_arrays(test_labels=np.full((9, 1), -1)), "test labels that are no class numbers"),
        (med_arrays(val_labels=np.full((7, 1), 0.5)), "val labels that are no class numbers"),
        ({k: v for k, v in med_arrays().items() if k != "val_labels"}, "val_labels"),
        (
            med_arrays(train_images=np.array([Evil(os.system, f"touch {MARK}")] * 21, dtype=object)),
            "allow_pickle=False",
        ),
    ],
)
def test_medmnist_is_checked_and_nothing_is_unpickled(tmp_path, monkeypatch, arrays, words):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "bloodmnist.npz", **arrays)
    with pytest.raises(DatasetUnusable, match=rf"bloodmnist\.npz .*{words}"):
        load("medmnist:bloodmnist", root=tmp_path)
    assert not os.path.exists(MARK)


@pytest.mark.parametrize("name", ["", "../secret", "Path MNIST", "/etc/passwd"])
def test_names_of_medmnist_sets_are_no_paths(tmp_path, name):
    with pytest.raises(ValueError, match="needs the name of a set in small letters"):
        load(f"medmnist:{name}", root=tmp_path)


# -- what all of them share -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file", "remedy"),
    [
        ("cifar100", "cifar-100-python", "cifar-100-python.tar.gz"),
        ("svhn", "svhn/train_32x32.mat", "ufldl.stanford.edu"),
        ("stl10", "stl10_binary/train_X.bin", "stl10_binary.tar.gz"),
        ("medmnist:pathmnist", "medmnist/pathmnist.npz", "zenodo.org"),
    ],
)
def test_a_missing_set_says_where_it_looked_and_how_to_get_it(tmp_path, name, file, remedy):
    with pytest.raises(DatasetMissing) as found:
        load(name, root=tmp_path / "data")
    assert f"  - {tmp_path / 'data' / file}\n" in str(found.value)
    assert remedy in str(found.value).partition("To get it: ")[2]


def test_every_name_has_views_and_is_known():
    for name in ("cifar100", "svhn", "stl10", "medmnist:pathmnist", "folder:x", "cifar10", "attributes"):
        assert known(name)
        first, second = view_preset(name)
        assert first == second
    assert [view_preset(name)[0].size for name in ("cifar100", "svhn", "stl10", "medmnist:x")] == [32, 32, 96, 28]
    assert view_preset("svhn")[0].flip == 0.0  # a mirrored 2 is no digit
    assert view_preset("medmnist:x")[0].hue == 0.0
    assert not any(map(known, ("medmnist", "folder", "mnist", "", "cifar10:x", "imagenet:x")))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("folder:x", {"size": "big"}, "option 'size' of dataset 'folder:x' must be int, got 'big'"),
        ("folder:x", {"size": 32.0}, "must be int"),
        ("folder:x", {"size": True}, "must be int"),
        ("folder:x", {"workers": "2"}, "must be int or None, got '2'"),
        ("folder:x", {"test_fraction": "half"}, "must be float"),
        ("cifar10", {"download": "yes"}, "must be bool, got 'yes'"),
        ("svhn", {"extra": 1}, "must be bool, got 1"),
        ("attributes", {"samples": "all"}, "must be int or None"),
        ("medmnist:x", {"channels": 3}, "unknown option 'channels'.*its options are: size, samples"),
    ],
)
def test_options_of_the_wrong_type_are_named(name, options, words):
    with pytest.raises(ValueError, match=words):
        load(name, **options)


def test_published_numbers_of_files_are_md5_sums():
    sums = {**cifar10.PICKLES_MD5, **cifar100.PICKLES_MD5, **svhn.MD5, **stl10.MD5, "": cifar100.MD5}
    assert all(len(bytes.fromhex(value)) == 16 for value in sums.values())
    assert len(set(sums.values())) == len(sums)
    assert medmnist.PUBLISHED == 28
    assert torch.bincount(torch.tensor([len(cifar100.CLASSES), len(set(cifar100.CLASSES))])).nonzero().tolist() == [
        [100]
    ]

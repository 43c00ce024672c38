"""The named sets: digits, Fashion-MNIST and CIFAR-10 in all the forms in which they come."""

import gzip
import hashlib
import io
import struct
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from musiclib.datasets import DatasetMissing, DatasetUnusable, cifar10, fashion_mnist, load
from musiclib.datasets.digits import upsample
from musiclib.datasets.imageset import ImageSet, fewer


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes outside its own folder, wherever it runs."""
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MUSICLIB_DATA", raising=False)
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", tmp_path / "no-such-system-folder")


def noise_images(count, channels, size, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, channels, size, size), dtype=np.uint8))


# -- the door ---------------------------------------------------------------------------------------------------------


def test_unknown_names_are_answered_with_the_choices():
    with pytest.raises(ValueError, match="attributes, digits, fashion_mnist, cifar10 or folder:PATH"):
        load("mnist")
    with pytest.raises(ValueError, match="'train', 'test', got 'validation'"):
        load("digits", "validation")
    with pytest.raises(ValueError, match="unknown option 'size' of dataset 'digits'; its options are: none"):
        load("digits", size=32)
    with pytest.raises(ValueError, match="its options are: download, verify, workers, samples"):
        load("cifar10", size=3)


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist", "folder:photographs"])
def test_a_missing_set_says_where_it_looked_and_how_to_get_it(tmp_path, monkeypatch, name):
    with pytest.raises(DatasetMissing) as by_argument:
        load(name, root=tmp_path / "here")
    monkeypatch.setenv("MUSICLIB_DATA", str(tmp_path / "there"))
    with pytest.raises(DatasetMissing) as by_environment:
        load(name)
    monkeypatch.delenv("MUSICLIB_DATA")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetMissing) as by_default:
        load(name)
    for raised, folder in ((by_argument, "here"), (by_environment, "there"), (by_default, "data")):
        assert f"  - {tmp_path / folder}" in str(raised.value)
        assert "To get it: " in str(raised.value)
    assert isinstance(by_default.value, FileNotFoundError)


def test_remedies_are_commands_or_places():
    assert "apt-get install dataset-fashion-mnist" in fashion_mnist.REMEDY
    assert "download=True" in fashion_mnist.REMEDY
    assert "download=True" in cifar10.REMEDY
    assert "cifar-10-binary.tar.gz" in cifar10.REMEDY


# -- digits -----------------------------------------------------------------------------------------------------------


def test_digits_are_split_by_class_and_nothing_is_lost():
    train, test = load("digits", "train"), load("digits", "test")
    assert len(train) + len(test) == 1797
    assert (train.channels, train.size) == (1, 16)
    counts = torch.bincount(torch.from_numpy(load_digits().target))
    assert (torch.bincount(test.labels) - counts / 4).abs().max() <= 0.5
    assert train.checksum == load("digits", "train").checksum
    assert train.images.max() > 250
    assert train.images.min() == 0


def test_digits_keep_their_labels():
    """Four pixels of a doubled image average to nearly the source pixel, so that every source can be found again."""
    source = load_digits()
    for split in ("train", "test"):
        data = load("digits", split)
        small = torch.nn.functional.avg_pool2d(data.images.double(), 2).flatten(1)
        originals = torch.from_numpy(source.data).double() * 255 / 16
        nearest = torch.cdist(small, originals).argmin(1)
        assert torch.equal(data.labels, torch.from_numpy(source.target)[nearest])


def test_upsampling_is_bilinear_with_half_pixel_centres():
    values = np.random.default_rng(0).integers(0, 17, (5, 8, 8))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[:, None].double(), scale_factor=2, mode="bilinear", align_corners=False
    )[:, 0]
    found = torch.from_numpy(upsample(values)).double()
    assert (found - expected * 255 / 16).abs().max() <= 0.5 + 255 / 512


# -- Fashion-MNIST ----------------------------------------------------------------------------------------------------


def idx(values):
    values = np.asarray(values, dtype=np.uint8)
    return (
        struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    )


def write_fashion(folder, count=12, zipped=True, split="train"):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(count)
    pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, count, dtype=np.uint8)
    prefix = {"train": "train", "test": "t10k"}[split]
    for name, values in ((f"{prefix}-images-idx3-ubyte", pixels), (f"{prefix}-labels-idx1-ubyte", labels)):
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(values)))
        else:
            (folder / name).write_bytes(idx(values))
    return pixels, labels


@pytest.mark.parametrize("place", ["", "fashion_mnist", "fashion-mnist", "FashionMNIST/raw"])
@pytest.mark.parametrize("zipped", [True, False])
def test_fashion_mnist_is_found_raw_or_gzipped(tmp_path, place, zipped):
    pixels, labels = write_fashion(tmp_path / "data" / place, zipped=zipped)
    data = load("fashion_mnist", "train", root=tmp_path / "data", verify=False)
    assert data.images.shape == (12, 1, 28, 28)
    assert np.array_equal(data.images[:, 0].numpy(), pixels)
    assert data.labels.tolist() == labels.tolist()
    assert data.classes[9] == "Ankle boot"


def test_fashion_mnist_of_the_system_is_used_when_the_root_has_none(tmp_path, monkeypatch):
    pixels, _ = write_fashion(tmp_path / "system", split="test")
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", tmp_path / "system")
    data = load("fashion_mnist", "test", root=tmp_path / "nothing", verify=False)
    assert np.array_equal(data.images[:, 0].numpy(), pixels)


def test_another_set_with_the_same_file_names_is_refused(tmp_path):
    write_fashion(tmp_path / "data")
    with pytest.raises(ValueError, match="such as MNIST"):
        load("fashion_mnist", "train", root=tmp_path / "data")


def test_images_and_labels_have_to_match(tmp_path):
    write_fashion(tmp_path / "data", count=12)
    (tmp_path / "data" / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(11))))
    with pytest.raises(ValueError, match=r"12 images but .* 11 labels"):
        load("fashion_mnist", "train", root=tmp_path / "data", verify=False)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with nothing"),
        (b"\0\0\x08\x01\0\0\0\x02ab", "begins with 00 00 08 01"),
        (b"\0\0\x0d\x03" + b"\0" * 12, "begins with 00 00 0d 03"),
        (idx(np.zeros((2, 3, 3)))[:-1], r"announces \(2, 3, 3\) values but holds 17 bytes"),
        (idx(np.zeros((2, 3, 3))) + b"x", "holds 19 bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "announces"),
    ],
)
def test_idx_headers_are_checked(content, words):
    with pytest.raises(ValueError, match=words):
        fashion_mnist.parse_idx(content, 3)


def test_idx_is_read_row_by_row():
    assert fashion_mnist.parse_idx(b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03abcdef", 2).tolist() == [
        [97, 98, 99],
        [100, 101, 102],
    ]


def test_a_damaged_gzip_file_is_named(tmp_path):
    write_fashion(tmp_path / "data")
    path = tmp_path / "data" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz is a damaged gzip"):
        load("fashion_mnist", "train", root=tmp_path / "data", verify=False)


def test_fashion_mnist_is_downloaded_only_when_asked_and_checked(tmp_path, monkeypatch):
    pixels, labels = write_fashion(tmp_path / "mirror")
    monkeypatch.setattr(fashion_mnist, "MIRROR", (tmp_path / "mirror").as_uri() + "/")
    with pytest.raises(DatasetMissing):
        load("fashion_mnist", "train", root=tmp_path / "data")
    with pytest.raises(ValueError, match="Nothing was kept"):
        load("fashion_mnist", "train", root=tmp_path / "data", download=True)
    assert not list((tmp_path / "data").rglob("*ubyte*"))
    for name, values in (("train-images-idx3-ubyte", pixels), ("train-labels-idx1-ubyte", labels)):
        monkeypatch.setitem(fashion_mnist.CONTENT, name, hashlib.sha256(idx(values)).hexdigest())
    data = load("fashion_mnist", "train", root=tmp_path / "data", download=True)
    assert np.array_equal(data.images[:, 0].numpy(), pixels)
    assert (tmp_path / "data" / "fashion_mnist" / "train-labels-idx1-ubyte.gz").is_file()


# -- CIFAR-10 ---------------------------------------------------------------------------------------------------------


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(buffer, format="png")
    return buffer.getvalue()


def cifar_example():
    """Two images a class, sorted by class."""
    return noise_images(20, 3, 32, seed=1), torch.arange(20) // 2


def tree_entries():
    images, labels = cifar_example()
    return {
        f"train/{cifar10.CLASSES[label]}/{position % 2:04d}.png": png(image)
        for position, (image, label) in enumerate(zip(images, labels.tolist(), strict=True))
    }


def write_tree(folder):
    for name, content in tree_entries().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def write_tar(path, entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:" + {"xz": "xz", "gz": "gz"}.get(path.suffix[1:], "")) as tar:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def binary_batches():
    images, labels = cifar_example()
    records = b"".join(bytes([y]) + x.numpy().tobytes() for x, y in zip(images, labels.tolist(), strict=True))
    return {f"data_batch_{i + 1}.bin": records[i * 4 * 3073 : (i + 1) * 4 * 3073] for i in range(5)}


@pytest.mark.parametrize("source", ["tree", "nested tree", "tar", "tar.xz", "topped tar.gz", "bin", "binary archive"])
def test_cifar10_is_the_same_from_every_source(tmp_path, source):
    root = tmp_path / "data"
    match source:
        case "tree":
            write_tree(root)
        case "nested tree":
            write_tree(root / "cifar10")
        case "tar":
            entries = tree_entries()
            write_tar(root / "cifar10.tar", dict(reversed(entries.items())))  # the order of the archive is no matter
        case "tar.xz":
            write_tar(root / "cifar10" / "cifar10-images.tar.xz", tree_entries())
        case "topped tar.gz":
            write_tar(root / "cifar10.tar.gz", {f"./cifar/{name}": data for name, data in tree_entries().items()})
        case "bin":
            (root / "cifar-10-batches-bin").mkdir(parents=True)
            for name, content in binary_batches().items():
                (root / "cifar-10-batches-bin" / name).write_bytes(content)
        case "binary archive":
            batches = {f"cifar-10-batches-bin/{name}": data for name, data in binary_batches().items()}
            write_tar(root / "cifar-10-binary.tar.gz", dict(reversed(batches.items())))
    data = load("cifar10", "train", root=root, verify=False)
    images, labels = cifar_example()
    assert torch.equal(data.images, images)
    assert torch.equal(data.labels, labels)
    assert data.classes[3] == "cat"


def test_an_incomplete_cifar10_is_refused(tmp_path):
    write_tree(tmp_path / "data")
    with pytest.raises(ValueError, match="5000 of each: incomplete"):
        load("cifar10", "train", root=tmp_path / "data")


@pytest.mark.parametrize("name", ["../outside.png", "/tmp/outside.png", "train/../../x.png"])
def test_archives_with_unsafe_names_are_refused(tmp_path, name):
    write_tar(tmp_path / "data" / "cifar10.tar", {**tree_entries(), name: b"x"})
    with pytest.raises(ValueError, match="unsafe member name"):
        load("cifar10", "train", root=tmp_path / "data", verify=False)
    assert not list(tmp_path.rglob("outside.png"))


def test_links_in_archives_are_passed_over(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(noise_images(1, 3, 32)[0]))
    path = tmp_path / "data" / "cifar10.tar"
    write_tar(path, tree_entries())
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("train/cat/9999.png")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(link)
    assert len(load("cifar10", "train", root=tmp_path / "data", verify=False)) == 20


def test_reading_an_archive_writes_nothing_but_the_cache(tmp_path):
    write_tar(tmp_path / "data" / "cifar10.tar", tree_entries())
    load("cifar10", "train", root=tmp_path / "data", verify=False)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == {"data", "cache"}
    assert [path.name for path in files if path.parent.name == "data"] == ["cifar10.tar"]


def test_a_damaged_archive_is_named(tmp_path):
    path = tmp_path / "data" / "cifar10.tar.xz"
    write_tar(path, tree_entries())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cifar10\.tar\.xz cannot be read as a tar archive"):
        load("cifar10", "train", root=tmp_path / "data", verify=False)


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_an_archive_of_which_a_few_bytes_are_left_is_named(tmp_path, suffix):
    whole, path = tmp_path / f"whole.{suffix}", tmp_path / "data" / f"cifar10.{suffix}"
    write_tar(whole, tree_entries())
    path.parent.mkdir()
    for length in range(20):
        path.write_bytes(whole.read_bytes()[:length])
        with pytest.raises(DatasetUnusable, match=rf"cifar10\.{suffix} (cannot be read as a tar|holds no train/CLASS)"):
            load("cifar10", "train", root=tmp_path / "data", verify=False)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\0" * 3072, "3072 bytes"), (b"", "0 bytes"), (b"\x0b" + b"\0" * 3072, "label 11")],
)
def test_binary_batches_are_checked(content, words):
    with pytest.raises(ValueError, match=words):
        cifar10.parse_batches([("data_batch_1.bin", content)])


def test_images_of_another_size_are_refused(tmp_path):
    write_tree(tmp_path / "data")
    Image.new("RGB", (31, 32)).save(tmp_path / "data" / "train" / "dog" / "0000.png")
    with pytest.raises(ValueError, match=r"0000\.png has 31 x 32 pixels, expected 32 x 32"):
        load("cifar10", "train", root=tmp_path / "data", verify=False)


def test_cifar10_is_downloaded_only_when_asked_and_checked(tmp_path, monkeypatch):
    mirror = tmp_path / "mirror" / "cifar-10-binary.tar.gz"
    write_tar(mirror, binary_batches())
    monkeypatch.setattr(cifar10, "URL", mirror.as_uri())
    with pytest.raises(DatasetMissing):
        load("cifar10", "train", root=tmp_path / "data")
    with pytest.raises(ValueError, match="the publisher prints c32a1d4a"):
        load("cifar10", "train", root=tmp_path / "data", download=True)
    assert not list((tmp_path / "data").rglob("*.gz"))
    monkeypatch.setattr(cifar10, "MD5", hashlib.md5(mirror.read_bytes()).hexdigest())
    data = load("cifar10", "train", root=tmp_path / "data", download=True, verify=False)
    assert torch.equal(data.images, cifar_example()[0])
    monkeypatch.setattr(cifar10, "URL", "file:///nowhere/at/all")
    with pytest.raises(ConnectionError, match="Fetch it elsewhere and put it at"):
        load("cifar10", "test", root=tmp_path / "other", download=True)


# -- fewer images -----------------------------------------------------------------------------------------------------


def test_fewer_training_images_are_stratified_and_the_test_set_stays_whole(tmp_path):
    write_fashion(tmp_path, count=60)
    write_fashion(tmp_path, count=20, split="test")
    every, some, again = (load("fashion_mnist", root=tmp_path, verify=False, samples=n) for n in (None, 30, 30))
    assert 1 <= len(some) < len(every)
    assert torch.equal(some.images, again.images)
    assert some.checksum != every.checksum
    assert len(load("fashion_mnist", "test", root=tmp_path, verify=False, samples=6)) == 20
    with pytest.raises(ValueError, match=r"samples must be a whole number in 1\.\.60, got 61"):
        load("fashion_mnist", "train", root=tmp_path, verify=False, samples=61)


def test_fewer_keeps_the_shares_of_the_classes():
    labels = torch.arange(10).repeat(50)
    whole = ImageSet("x", "train", noise_images(500, 1, 4), labels, tuple("abcdefghij"))
    assert torch.bincount(fewer(whole, 100).labels).tolist() == [10] * 10
    assert fewer(whole, None) is whole
    assert fewer(whole, 500) is whole

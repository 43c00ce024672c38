"""What was computed belongs to its inputs: cached arrays and identities follow content, classes, labels and options."""

import fcntl
import os
import shutil
import stat
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from musiclib.datasets import DatasetUnusable, ImageSet, folders, identity, load, origin, validation_split
from musiclib.datasets.cache import cached
from musiclib.datasets.storage import locked, read_note, replacing, write_note
from musiclib.datasets.stream import ImageStream

# `musiclib.datasets.identity` is the function; the module of the same name is here.
module = sys.modules["musiclib.datasets.identity"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MUSICLIB_DATA", raising=False)


@pytest.fixture
def settled(monkeypatch):
    """Files count as settled at once, so that what was read of them is remembered."""
    monkeypatch.setattr(module, "SETTLED", -1.0)


def picture(path, shade):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(path)


def tree(folder, classes=("cat", "ship"), each=6):
    for split in ("train", "test"):
        for number, name in enumerate(classes):
            for i in range(each):
                picture(folder / split / name / f"{i}.png", 100 * number + i)
    return folder


def shades(folder, split="train", **options):
    """Class name -> the shades of its pictures: what labels mean, whatever their numbers."""
    data = load(f"folder:{folder}", split, size=8, **options)
    found = {name: [] for name in data.classes}
    for image, label in zip(data.images, data.labels.tolist(), strict=True):
        found[data.classes[label]].append(int(image[0, 0, 0]))
    return found


def name_of(folder):
    return f"folder:{folder}"


# -- the cache belongs to what it was made from -----------------------------------------------------------------------


@pytest.mark.parametrize("hot", ["train", "test", "both", "neither"])
def test_cached_labels_belong_to_the_class_list_in_force(tmp_path, settled, hot):
    """A new class renumbers the others; a split that is cached and one that is not have to agree about it."""
    root = tree(tmp_path / "t")
    for split in ("train", "test"):
        if hot in (split, "both"):
            shades(root, split)
    picture(root / "train" / "bear" / "0.png", 250)
    expected = {"cat": list(range(6)), "ship": list(range(100, 106))}
    assert shades(root) == {"bear": [250], **expected}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the test set lacks the new class
        assert shades(root, "test") == {"bear": [], **expected}


def test_a_renamed_class_is_called_by_its_new_name(tmp_path, settled):
    root = tree(tmp_path / "t")
    before = load(name_of(root), size=8)
    for split in ("train", "test"):
        (root / split / "cat").rename(root / split / "car")
    after = load(name_of(root), size=8)
    assert after.classes == ("car", "ship")
    assert after.checksum == before.checksum  # pixels and labels are the same
    assert after.identity != before.identity


def lie(path, shade):
    """Another picture of the same name, size and time of modification."""
    before = path.stat()
    content = path.read_bytes()
    for attempt in range(shade, 256):
        picture(path, attempt)
        if len(path.read_bytes()) == len(content):
            break
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    return attempt


@pytest.mark.parametrize("way", ["in place", "renamed over"])
def test_a_picture_of_the_same_size_and_time_is_seen_to_be_another(tmp_path, settled, way):
    root = tree(tmp_path / "t")
    path = root / "train" / "cat" / "3.png"
    known = {"memory": load(name_of(root), size=8).identity, "stream": ImageStream(root, batch=2, workers=0).identity}
    if way == "in place":
        shade = lie(path, 50)
    else:
        shutil.copy2(path, tmp_path / "3.png")
        shade = lie(tmp_path / "3.png", 50)
        os.replace(tmp_path / "3.png", path)
    assert shades(root)["cat"][3] == shade != 3
    assert load(name_of(root), size=8).identity != known["memory"]
    assert ImageStream(root, batch=2, workers=0).identity != known["stream"]


def test_pictures_that_change_places_are_seen(tmp_path, settled):
    root = tree(tmp_path / "t")
    shades(root)
    one, other = root / "train" / "cat" / "0.png", root / "train" / "ship" / "0.png"
    one.rename(tmp_path / "x")
    other.rename(one)
    (tmp_path / "x").rename(other)
    assert shades(root) == {"cat": [100, 1, 2, 3, 4, 5], "ship": [0, 101, 102, 103, 104, 105]}


def test_labels_in_a_list_belong_to_the_cache(tmp_path, settled):
    """Tiny-ImageNet: the pictures stay as they are, the list of their classes changes."""
    root = tree(tmp_path / "t")
    shutil.rmtree(root / "test")
    for i in range(3):
        picture(root / "val" / "images" / f"{i}.png", 200 + i)
    known = []
    for classes in (("cat", "cat", "ship"), ("ship", "cat", "cat")):
        lines = (f"{i}.png\t{name}\n" for i, name in enumerate(classes))
        (root / "val" / "val_annotations.txt").write_text("".join(lines))
        found = shades(root, "test")
        assert found == {name: [200 + i for i in range(3) if classes[i] == name] for name in ("cat", "ship")}
        known.append(identity(name_of(root), "test", size=8))
    assert known[0] != known[1]


def test_another_version_of_the_reader_decodes_anew(tmp_path, settled, monkeypatch):
    root, calls = tree(tmp_path / "t"), []
    real = folders.decode_images
    monkeypatch.setattr(folders, "decode_images", lambda *a, **k: calls.append(1) or real(*a, **k))
    for version in ("a", "a", "b"):
        monkeypatch.setattr(origin, "reader_version", lambda version=version: version)
        shades(root)
    assert len(calls) == 2


def test_the_reader_version_follows_code_and_pillow(monkeypatch, tmp_path):
    real = module.reader_version.__wrapped__
    first = real()
    monkeypatch.setattr(module.PIL, "__version__", "0.0")
    assert real() != first
    monkeypatch.undo()
    for path in os.scandir(os.path.dirname(module.__file__)):
        if path.name.endswith(".py"):
            shutil.copy(path.path, tmp_path / path.name)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "identity.py"))
    assert real() == first
    with open(tmp_path / "decode.py", "a") as stream:
        stream.write("# another decoder\n")
    assert real() != first


def test_files_that_change_while_they_are_decoded_are_an_error(tmp_path, monkeypatch):
    root = tree(tmp_path / "t")
    real = folders.decode_images

    def late(files, **options):
        found = real(files, **options)
        picture(files[2], 77)
        return found

    monkeypatch.setattr(folders, "decode_images", late)
    with pytest.raises(DatasetUnusable, match="changed while they were read"):
        load(name_of(root), size=8)
    monkeypatch.undo()
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))
    assert shades(root)["cat"][2] == 77


def test_files_that_change_while_they_are_hashed_are_an_error(tmp_path, monkeypatch):
    root = tree(tmp_path / "t")
    real = module._read_one

    def late(path):
        found = real(path)
        if path.name == "2.png":
            picture(path, 78)
        return found

    monkeypatch.setattr(module, "_read_one", late)
    with pytest.raises(DatasetUnusable, match="changed while they were read"):
        identity(name_of(root), size=8)


# -- identity ---------------------------------------------------------------------------------------------------------


def test_the_same_data_elsewhere_have_the_same_identity_and_other_data_another(tmp_path):
    """Two roots, one name: what tells a's numbers from b's."""
    tree(tmp_path / "a" / "pets")
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    tree(tmp_path / "b" / "pets", ("cat", "dog"))
    known = {root: identity("folder:pets", root=tmp_path / root, size=8) for root in ("a", "copy", "b")}
    assert known["a"] == known["copy"] != known["b"]
    assert [load("folder:pets", root=tmp_path / root, size=8).identity for root in known] == list(known.values())
    streams = [ImageStream(tmp_path / root / "pets", batch=2, workers=0).identity for root in ("a", "copy", "b")]
    assert streams[0] == streams[1] != streams[2]


def test_identity_follows_every_option_that_decides_the_arrays_and_no_other(tmp_path):
    root = tree(tmp_path / "t")
    base = {"size": 8, "channels": 3}
    changes = [{}, {"size": 9}, {"channels": 1}, {"samples": 5}, {"samples": 6}]
    known = [identity(name_of(root), **{**base, **change}) for change in changes]
    assert len(set(known)) == len(changes)
    assert identity(name_of(root), "test", **base) not in known
    assert identity(name_of(root), **base, workers=2) == known[0]
    for change, expected in zip(changes, known, strict=True):
        assert load(name_of(root), **{**base, **change}).identity == expected
    assert identity(name_of(root), "test", **base, samples=5) == identity(name_of(root), "test", **base)


def test_identity_of_rendered_sets_follows_their_options():
    known = [identity("attributes", samples=20, **options) for options in ({}, {"seed": 1}, {"label": "hue"})]
    assert len(set(known)) == 3
    assert identity("digits") == load("digits").identity != identity("digits", "test")


def test_identity_decodes_nothing_and_reads_once(tmp_path, settled, monkeypatch):
    root, read = tree(tmp_path / "t"), []
    real = module._read_one
    monkeypatch.setattr(module, "_read_one", lambda path: read.append(path) or real(path))
    monkeypatch.setattr(folders, "decode_images", lambda *_, **__: pytest.fail("decoded"))
    first = identity(name_of(root), size=8)
    assert len(read) == 12
    assert identity(name_of(root), size=8) == first
    assert len(read) == 12
    picture(root / "train" / "cat" / "9.png", 9)
    assert identity(name_of(root), size=8) != first
    assert len(read) == 12 + 13


def test_files_of_this_moment_are_read_again(tmp_path, monkeypatch):
    """Within the resolution of their times they could change without a trace."""
    root, read = tree(tmp_path / "t"), []
    real = module._read_one
    monkeypatch.setattr(module, "SETTLED", 3600.0)
    monkeypatch.setattr(module, "_read_one", lambda path: read.append(path) or real(path))
    assert identity(name_of(root), size=8) == identity(name_of(root), size=8)
    assert len(read) == 24


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"[" * 100_000, b'{"key": 3}', b"\xff\xfe"])
def test_a_damaged_note_is_no_note(tmp_path, settled, damage):
    root = tree(tmp_path / "t")
    known = identity(name_of(root), size=8)
    notes = list((tmp_path / "cache").glob("content-*.json"))
    assert len(notes) == 1
    notes[0].write_bytes(damage)
    assert identity(name_of(root), size=8) == known


def test_without_a_cache_the_files_are_read_every_time(tmp_path, monkeypatch):
    root = tree(tmp_path / "t")
    known = identity(name_of(root), size=8)
    monkeypatch.setattr(origin, "cache_folder", lambda root: None)
    assert identity(name_of(root), size=8) == known


def test_subsets_have_identities_of_their_own():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (30, 1, 4, 4), dtype=np.uint8))
    whole = ImageSet("x", "train", images, torch.arange(30) % 3, ("a", "b", "c"))
    parts = [whole, *validation_split(whole, 0.2), *validation_split(whole, 0.2, seed=1), whole.subset([1, 2])]
    assert len({part.identity for part in parts}) == len(parts)
    assert whole.subset([1, 2]).identity == parts[-1].identity
    renamed = ImageSet("x", "train", images, torch.arange(30) % 3, ("a", "b", "d"))
    assert renamed.checksum == whole.checksum
    assert renamed.identity != whole.identity


# -- files on disk ----------------------------------------------------------------------------------------------------


def test_a_class_renamed_in_a_cached_file_is_noticed(tmp_path):
    calls = []

    def build():
        calls.append(1)
        return torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), ("cat", "dog")

    def example():
        return cached(tmp_path, "example", source="s", fingerprint="f", build=build)

    example()
    (path,) = tmp_path.glob("*.safetensors")
    content = path.read_bytes()
    assert b"cat" in content
    path.write_bytes(content.replace(b"cat", b"bat"))
    assert example().classes == ("cat", "dog")
    assert len(calls) == 2


def test_sets_without_labels_are_cached_as_such(tmp_path):
    calls = []

    def build():
        calls.append(1)
        return torch.zeros(2, 1, 4, 4, dtype=torch.uint8), None, ()

    for _ in range(2):
        found = cached(tmp_path, "example", source="s", fingerprint="f", build=build)
        assert (found.labels, found.classes) == (None, ())
    assert len(calls) == 1


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, umask):
    root = tree(tmp_path / "t")
    before = os.umask(umask)
    try:
        shades(root)
    finally:
        os.umask(before)
    (path,) = (tmp_path / "cache").glob("*.safetensors")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_replacing_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / ("n" * 250)  # a name that leaves no room for a longer one
    path.write_text("old")

    def fail():
        with replacing(path) as partial:
            partial.write_text("half")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail()
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]
    with replacing(path) as partial:
        partial.write_text("new")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["new"]


def test_notes_are_read_under_their_key_alone(tmp_path):
    write_note(tmp_path / "n", "key", [1, "two"])
    assert read_note(tmp_path / "n", "key") == [1, "two"]
    assert read_note(tmp_path / "n", "other") is None
    assert read_note(None, "key") is None
    write_note(None, "key", 1)
    write_note(tmp_path / "no" / "such" / "folder", "key", 1)


def test_who_waits_for_another_process_says_so(tmp_path):
    path = tmp_path / "lock"
    holder = path.open("w")
    fcntl.flock(holder, fcntl.LOCK_EX)
    threading.Timer(0.3, holder.close).start()
    began = time.monotonic()
    with pytest.warns(UserWarning, match="another process is decoding t; waiting for it"), locked(path, "decoding t"):
        pass
    assert time.monotonic() - began >= 0.25


def test_a_file_system_without_locks_is_no_reason_to_stop(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    with locked(tmp_path / "lock", "x"):
        pass
    assert shades(tree(tmp_path / "t"))["cat"] == list(range(6))

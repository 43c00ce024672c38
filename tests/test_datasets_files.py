"""From files to arrays: the cache, the decoder and folders of images."""

import multiprocessing
import os
import random

import numpy as np
import pytest
import torch
from PIL import Image

from musiclib.datasets import DatasetMissing, load
from musiclib.datasets.cache import cache_folder, cached
from musiclib.datasets.decode import CHUNK, PARALLEL_FROM, centre_square, decode_images
from musiclib.datasets.identity import content_hash, file_status


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MUSICLIB_DATA", raising=False)


def gradient(width, height):
    """Red grows to the right, green downwards, so that a crop shows where it comes from."""
    x = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    y = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return Image.fromarray(np.stack((x, y, np.full_like(x, 64)), -1).round().astype(np.uint8))


def write_tree(folder, classes=("ant", "bee"), each=5, size=(40, 30), suffix="png"):
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            Image.new("RGB", size, (10 * i, 100 * number, 50)).save(folder / name / f"{i}.{suffix}")
    return folder


# -- cache ------------------------------------------------------------------------------------------------------------


class Builder:
    """A source that counts how often it is decoded."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        images = torch.arange(4 * 3 * 5 * 5).remainder(251).to(torch.uint8).view(4, 3, 5, 5)
        return images, torch.tensor([0, 1, 0, 1]), ("no", "yes")


def cached_example(folder, build, fingerprint="f", source="s"):
    return cached(folder, "example", source=source, fingerprint=fingerprint, build=build)


def test_a_set_is_decoded_once(tmp_path):
    build = Builder()
    first, second = cached_example(tmp_path, build), cached_example(tmp_path, build)
    assert build.calls == 1
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
    assert first[2:] == second[2:]
    assert second.classes == ("no", "yes")


def test_a_changed_source_is_decoded_again(tmp_path):
    build = Builder()
    cached_example(tmp_path, build, fingerprint="before")
    cached_example(tmp_path, build, fingerprint="after")
    assert build.calls == 2
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_sources_do_not_share_a_file(tmp_path):
    build = Builder()
    for source in ("one", "other", "one"):
        cached_example(tmp_path, build, source=source)
    assert build.calls == 2


@pytest.mark.parametrize("damage", ["flipped bit", "cut short", "emptied", "other content", "no metadata"])
def test_a_damaged_file_is_rebuilt(tmp_path, damage):
    build = Builder()
    good = cached_example(tmp_path, build)
    (path,) = tmp_path.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    match damage:
        case "flipped bit":
            content[-100] ^= 4
        case "cut short":
            content = content[: len(content) // 2]
        case "emptied":
            content = bytearray()
        case "other content":
            content = bytearray(b"<html>not found</html>" * 50)
        case "no metadata":
            content = content.replace(b'"checksum"', b'"chocksum"')
    path.write_bytes(content)
    assert torch.equal(cached_example(tmp_path, build).images, good.images)
    assert build.calls == 2
    cached_example(tmp_path, build)
    assert build.calls == 2


def test_an_interrupted_write_leaves_no_file_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    build = Builder()
    with pytest.warns(UserWarning, match="could not be cached.*disk full"):
        assert len(cached_example(tmp_path, build).images) == 4
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_failing_decoder_leaves_nothing_behind(tmp_path):
    def build():
        raise ValueError("no image")

    with pytest.raises(ValueError, match="no image"):
        cached_example(tmp_path, build)
    assert not list(tmp_path.glob("*.safetensors"))
    assert len(cached_example(tmp_path, Builder()).images) == 4


def _load_in_child(folder, log, barrier):
    class Logged(Builder):
        def __call__(self):
            with open(log, "a") as stream:
                stream.write(f"{os.getpid()}\n")
            return super().__call__()

    barrier.wait(60)
    assert cached_example(folder, Logged()).classes == ("no", "yes")


def test_of_several_processes_one_decodes(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    children = [context.Process(target=_load_in_child, args=(tmp_path, tmp_path / "log", barrier)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    assert len((tmp_path / "log").read_text().split()) == 1


def test_without_a_cache_folder_the_set_is_decoded_with_a_warning():
    with pytest.warns(UserWarning, match="set MUSICLIB_CACHE"):
        assert len(cached_example(None, Builder()).images) == 4


def test_cache_folder_prefers_the_variable_then_the_root_then_home(tmp_path, monkeypatch):
    root = tmp_path / "data"
    assert cache_folder(root) == tmp_path / "cache"
    monkeypatch.delenv("MUSICLIB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_folder(root) == tmp_path / "home" / "musiclib"
    assert not root.exists()
    root.mkdir()
    assert cache_folder(root) == root / ".musiclib"


def test_a_root_that_cannot_be_written_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("MUSICLIB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    root = tmp_path / "data"
    root.mkdir()
    (root / ".musiclib").write_text("a file where the folder would be")  # stands for read-only, which root ignores
    assert cache_folder(root) == tmp_path / "home" / "musiclib"
    (tmp_path / "home" / "musiclib").rmdir()
    (tmp_path / "home" / "musiclib").write_text("")
    assert cache_folder(root) is None


def test_an_unusable_cache_variable_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(PermissionError, match="MUSICLIB_CACHE="):
        cache_folder(tmp_path)


def test_the_status_of_files_follows_names_sizes_and_times_and_their_content_is_hashed(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text("one")
        os.utime(path, ns=(10**18, 10**18))
    content = content_hash(paths, tmp_path, None)[0]
    seen = [file_status(paths, tmp_path)[0], file_status(paths[:1], tmp_path)[0]]
    os.utime(paths[0], ns=(10**18, 10**18 + 1))
    seen.append(file_status(paths, tmp_path)[0])
    paths[0].write_text("three")
    os.utime(paths[0], ns=(10**18, 10**18))
    seen.append(file_status(paths, tmp_path)[0])
    assert len(set(seen)) == 4
    assert content_hash(paths, tmp_path, None)[0] != content
    paths[0].write_text("one")
    os.utime(paths[0], ns=(10**18, 10**18))
    assert content_hash(paths, tmp_path, None)[0] == content


# -- decoding ---------------------------------------------------------------------------------------------------------


def test_many_files_decoded_by_processes_equal_those_decoded_here(tmp_path):
    rng = np.random.default_rng(0)
    base = []
    for i in range(20):
        path = tmp_path / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(path)
        base.append(path)
    files = (base * (PARALLEL_FROM // 20 + 5))[: PARALLEL_FROM + CHUNK // 2]
    random.Random(0).shuffle(files)
    alone = decode_images(files, size=6, workers=1)
    together = decode_images(files, size=6, workers=2)
    assert torch.equal(alone, together)
    position = base.index(files[777])
    assert np.array_equal(alone[777].permute(1, 2, 0).numpy(), np.asarray(Image.open(base[position])))


def test_an_error_in_a_worker_names_the_file(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.new("RGB", (4, 4)).save(good)
    bad.write_bytes(b"no image at all")
    for count in (3, PARALLEL_FROM):
        with pytest.raises(ValueError, match=r"bad\.png cannot be decoded"):
            decode_images([good] * count + [bad], size=4, workers=2)


def test_a_truncated_image_is_an_error_not_a_grey_patch(tmp_path):
    path = tmp_path / "cut.jpg"
    gradient(64, 64).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match=r"cut\.jpg cannot be decoded"):
        decode_images([path], size=64)


def test_modes_are_brought_to_the_channels_asked_for(tmp_path):
    Image.new("L", (4, 4), 77).save(tmp_path / "grey.png")
    Image.new("RGBA", (4, 4), (255, 0, 0, 9)).save(tmp_path / "red.png")
    files = [tmp_path / "grey.png", tmp_path / "red.png"]
    assert decode_images(files, size=4)[:, :, 0, 0].tolist() == [[77, 77, 77], [255, 0, 0]]
    assert decode_images(files, size=4, channels=1)[:, :, 0, 0].tolist() == [[77], [76]]  # 0.299 * 255


@pytest.mark.parametrize("shape", [(90, 30), (30, 90), (30, 30), (31, 47)])
def test_the_centre_square_is_the_middle_of_the_picture(shape):
    square = np.asarray(centre_square(gradient(*shape), 10)).astype(float)
    width, height = shape
    side = min(shape)
    # a gradient at the centre of cell i of ten cells that cut the central square
    for length, channel, line in ((width, 0, square[5, :, 0]), (height, 1, square[:, 5, 1])):
        assert channel in (0, 1)
        centres = (length - side) / 2 + (np.arange(10) + 0.5) * side / 10 - 0.5
        # the outermost cells are left out: resampling has nothing beyond the border to average with
        assert np.abs(line - centres * 255 / (length - 1))[1:-1].max() < 1.5


def test_resizing_to_more_than_the_crop_zooms_in():
    wide, narrow = centre_square(gradient(60, 60), 20), centre_square(gradient(60, 60), 20, resize_to=30)
    spread = [np.ptp(np.asarray(image)[10, :, 0].astype(int)) for image in (wide, narrow)]
    assert spread[1] / spread[0] == pytest.approx(20 / 30, abs=0.03)


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned: to be shown a quarter turn clockwise
    gradient(32, 32).save(tmp_path / "turned.png", exif=exif)
    found = decode_images([tmp_path / "turned.png"], size=32)[0]
    upright = torch.from_numpy(np.array(gradient(32, 32))).permute(2, 0, 1)
    assert torch.equal(found, torch.rot90(upright, -1, (1, 2)))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"channels": 2}, "channels must be 1 or 3"), ({"size": 0}, "at least 1 pixel"), ({"workers": 0}, "workers")],
)
def test_decoder_options_are_checked(options, words):
    with pytest.raises(ValueError, match=words):
        decode_images([], **{"size": 4, **options})


# -- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("test_name", ["test", "val", "validation"])
def test_a_tree_with_splits(tmp_path, test_name):
    write_tree(tmp_path / "pets" / "train", each=4)
    write_tree(tmp_path / "pets" / test_name, classes=("bee",), each=3)
    train = load(f"folder:{tmp_path / 'pets'}", "train", size=8)
    test = load(f"folder:{tmp_path / 'pets'}", "test", size=8)
    assert train.images.shape == (8, 3, 8, 8)
    assert train.classes == test.classes == ("ant", "bee")
    assert train.labels.tolist() == [0] * 4 + [1] * 4
    assert test.labels.tolist() == [1] * 3
    assert train.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30] * 2
    assert train.images[:, 1, 0, 0].tolist() == [0] * 4 + [100] * 4


def test_a_tree_without_splits_is_split_by_class(tmp_path):
    write_tree(tmp_path / "pets", each=10)
    train, test = (load(f"folder:{tmp_path / 'pets'}", split, size=4) for split in ("train", "test"))
    assert torch.bincount(train.labels).tolist() == [8, 8]
    assert torch.bincount(test.labels).tolist() == [2, 2]
    seen = {(int(x[0, 0, 0]), int(x[1, 0, 0])) for part in (train, test) for x in part.images}
    assert seen == {(10 * i, 100 * label) for i in range(10) for label in (0, 1)}


def test_a_folder_may_be_relative_to_the_root(tmp_path, monkeypatch):
    write_tree(tmp_path / "data" / "pets")
    monkeypatch.chdir(tmp_path)
    assert len(load("folder:pets", size=4)) == 8
    assert len(load("folder:data/pets", size=4)) == 8


def test_hidden_files_and_other_files_are_no_images(tmp_path):
    write_tree(tmp_path / "pets")
    (tmp_path / "pets" / ".cache").mkdir()
    (tmp_path / "pets" / "ant" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "pets" / "ant" / "notes.txt").write_text("x")
    data = load(f"folder:{tmp_path / 'pets'}", size=4)
    assert data.classes == ("ant", "bee")
    assert len(data) == 8


def test_folder_mistakes_are_named(tmp_path):
    write_tree(tmp_path / "pets" / "train")
    name = f"folder:{tmp_path / 'pets'}"
    with pytest.raises(DatasetMissing, match="validation"):
        load(name, "test")
    write_tree(tmp_path / "pets" / "val", classes=("ant", "cow"))
    with pytest.raises(ValueError, match="cow"):
        load(name, "test")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetMissing, match="name a folder that holds"):
        load(f"folder:{tmp_path / 'empty'}")
    with pytest.raises(ValueError, match="GiB: choose a smaller size"):
        load(name, size=100_000)


def test_folder_options_and_changed_files_make_other_arrays(tmp_path):
    write_tree(tmp_path / "pets")
    name = f"folder:{tmp_path / 'pets'}"
    first = load(name, size=4)
    assert load(name, size=6).size == 6
    assert load(name, size=4, channels=1).channels == 1
    assert load(name, size=4).checksum == first.checksum
    for path in (tmp_path / "pets").rglob("*.png"):
        Image.new("RGB", (40, 30), (1, 2, 3)).save(path)
    assert load(name, size=4).images[0, :, 0, 0].tolist() == [1, 2, 3]

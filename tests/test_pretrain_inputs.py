"""What was computed belongs to its inputs: a record, a checkpoint or a resumed run never serves other data."""

import os
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from musiclib.config import TrainConfig
from musiclib.files import read_json, write_json
from musiclib.pretrain import OtherData, lifecycle, run
from musiclib.pretrain.__main__ import main
from musiclib.pretrain.inputs import identities


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MUSICLIB_DATA", raising=False)


def tree(folder, classes=("cat", "ship"), train=8, test=4, seed=0):
    """Cats are dark and ships are light, with noise of `seed`."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = rng.integers(100 * (label % 2), 100 + 100 * (label % 2), (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")
    return folder


def pets(**changes):
    values = {"dataset": "folder:pets", "method": "pixels", "batch": 4, "dataset_options": {"size": 16}}
    return TrainConfig.from_dict(values | changes)


def go(config, out, root, **options):
    return run(config, out, data_root=root, progress=False, device="cpu", **options)


def add_class(folder):
    for split in ("train", "test"):
        shutil.copytree(folder / split / "cat", folder / split / "bear")


def edit(folder, split):
    path = folder / split / "cat" / "0.png"
    before = path.stat()
    pixels = np.array(Image.open(path))
    pixels[3, 4, 1] ^= 1
    Image.fromarray(pixels).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(folder):
    """The same files under each other's names: other labels."""
    one, other = (folder / "train" / name / "0.png" for name in ("cat", "ship"))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def rename(folder):
    for split in ("train", "test"):
        os.rename(folder / split / "cat", folder / split / "kitten")


CHANGES = {
    "a class more": (add_class, "train"),
    "a pixel of the training set": (lambda folder: edit(folder, "train"), "train"),
    "a pixel of the test set": (lambda folder: edit(folder, "test"), "test"),
    "two labels": (swap, "train"),
    "a class renamed": (rename, "train"),
    "a picture less": (lambda folder: (folder / "test" / "ship" / "1.png").unlink(), "test"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_finished_run_of_changed_data_is_not_returned(tmp_path, change):
    alter, which = CHANGES[change]
    folder = tree(tmp_path / "data" / "pets")
    done = go(pets(), tmp_path / "out", tmp_path / "data")
    assert set(done["data"]["identity"]) == {"train", "test"}
    alter(folder)
    with pytest.raises(OtherData, match=rf"holds this run on other data: 'folder:pets' had another {which} set"):
        go(pets(), tmp_path / "out", tmp_path / "data")
    assert read_json(tmp_path / "out" / "record.json") == done  # what was there is left alone
    fresh = go(pets(), tmp_path / "other", tmp_path / "data")
    assert fresh["data"]["identity"] != done["data"]["identity"]


def test_another_data_root_is_other_data_and_a_copy_is_not(tmp_path):
    tree(tmp_path / "a" / "pets")
    tree(tmp_path / "b" / "pets", seed=1)
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    first = go(pets(), tmp_path / "out", tmp_path / "a")
    with pytest.raises(OtherData):
        go(pets(), tmp_path / "out", tmp_path / "b")
    assert go(pets(), tmp_path / "out", tmp_path / "c") == first


def test_the_command_says_so_in_one_line(tmp_path, capsys):
    tree(tmp_path / "a" / "pets")
    tree(tmp_path / "b" / "pets", seed=1)
    words = ["--method", "pixels", "--dataset", "folder:pets", "--set", "dataset_options.size=16"]
    words += ["--out", str(tmp_path / "out"), "--device", "cpu", "--data-root"]
    assert main([*words, str(tmp_path / "a")]) == 0
    capsys.readouterr()
    assert main([*words, str(tmp_path / "b")]) == 5
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "holds this run on other data" in told.err


@pytest.mark.parametrize("dataset", ["folder", "imagenet"])
def test_an_interrupted_run_does_not_go_on_over_changed_data(tmp_path, monkeypatch, dataset):
    folder = tree(tmp_path / "pets")
    options = {"projector": [8], "segments": 2, "units": 2}
    changes = {"method": "music", "encoder": "tiny", "epochs": 2, "options": options}
    if dataset == "imagenet":
        changes |= {"dataset_options": {"workers": 0}, "views": {"size": 16}}
    config = pets(dataset=f"{dataset}:{folder}", **changes)
    stopped = KeyboardInterrupt("half way")

    def interrupted(training):
        training.save()
        raise stopped

    with monkeypatch.context() as broken:
        broken.setattr(lifecycle, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(config, tmp_path / "out", None)
    shutil.copytree(folder, tmp_path / "before")
    tree(folder, train=12)
    with pytest.raises(OtherData, match=r"was trained on other data: 16 images .* has 24 now"):
        go(config, tmp_path / "out", None)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "before", folder)
    assert go(config, tmp_path / "out", None)["status"] == "done"
    edit(folder, "test")
    with pytest.raises(OtherData, match="had another test set"):
        go(config, tmp_path / "out", None)
    go(config, tmp_path / "out", None, evaluate=False)  # nothing is scored: the test set does not matter


def test_a_part_cut_off_for_validation_belongs_to_the_training_set(tmp_path):
    folder = tree(tmp_path / "pets", train=20)
    done = go(pets(validation=True), tmp_path / "out", tmp_path)
    assert set(done["data"]["identity"]) == {"train"}
    edit(folder, "test")
    assert go(pets(validation=True), tmp_path / "out", tmp_path) == done
    edit(folder, "train")
    with pytest.raises(OtherData):
        go(pets(validation=True), tmp_path / "out", tmp_path)


def test_without_the_data_a_finished_run_is_taken_with_a_word(tmp_path):
    folder = tree(tmp_path / "pets")
    done = go(pets(), tmp_path / "out", tmp_path)
    shutil.rmtree(folder)
    with pytest.warns(UserWarning, match="is taken as it is: dataset 'folder:pets' was not found"):
        assert go(pets(), tmp_path / "out", tmp_path) == done


def test_a_record_that_does_not_name_its_data_is_taken_with_a_word(tmp_path):
    tree(tmp_path / "pets")
    done = go(pets(), tmp_path / "out", tmp_path)
    del done["data"]["identity"]
    write_json(tmp_path / "out" / "record.json", done)
    with pytest.warns(UserWarning, match="does not say of which data it is"):
        go(pets(), tmp_path / "out", tmp_path)


def test_rendered_sets_cost_nothing_to_recognise(tmp_path, monkeypatch):
    config = TrainConfig(dataset="digits", method="pixels")
    assert identities(config, None) == {}
    done = go(config, tmp_path / "out", None)
    monkeypatch.setattr("musiclib.datasets.MADE", {"digits": None})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert go(config, tmp_path / "out", None) == done

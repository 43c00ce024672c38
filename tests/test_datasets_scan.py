"""Every picture or a word: what is found in a tree, what is left out and told, and the layouts that people have."""

import contextlib
import os
import shutil
import socket
import tempfile
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from musiclib.datasets import DatasetMissing, DatasetUnusable, Unlabelled, load
from musiclib.datasets.layout import split_files
from musiclib.datasets.stream import ImageStream


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MUSICLIB_DATA", raising=False)


def picture(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as stream:
        Image.new("RGB", (12, 10), (shade, 0, 0)).save(stream, "PNG")
    return path


def tree(folder, classes=("cat", "dog"), each=3):
    for name in classes:
        for i in range(each):
            picture(folder / name / f"{i}.png")
    return folder


def counts(folder, split="train", reader="folder"):
    """Class -> number of pictures, as the loader in memory or the streamed one sees them."""
    if reader == "folder":
        found = load(f"folder:{folder}", split, size=4)
    else:
        found = ImageStream(folder, split, size=4, batch=1, workers=0)
    return dict(zip(found.classes, torch.bincount(found.labels, minlength=len(found.classes)).tolist(), strict=True))


both_readers = pytest.mark.parametrize("reader", ["folder", "stream"])


def told(call):
    """The warnings of a call, in one text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return "\n".join(str(warning.message) for warning in caught)


# -- hidden names -----------------------------------------------------------------------------------------------------


@both_readers
@pytest.mark.parametrize(
    ("hidden", "visible"),
    [
        (".ipynb_checkpoints/x.png", "ipynb_checkpoints/x.png"),
        ("@eaDir/a.png/thumb.png", "eaDir/a.png/thumb.png"),
        ("a/.b/c/x.png", "a/b/c/x.png"),
        (".x.png", "x.png"),
        ("__MACOSX/x.png", "MACOSX/x.png"),
    ],
)
def test_hidden_parts_of_a_path_hold_no_pictures(tmp_path, reader, hidden, visible):
    root = tree(tmp_path / "t" / "train")
    picture(root / "cat" / hidden)
    assert counts(tmp_path / "t", reader=reader) == {"cat": 3, "dog": 3}
    picture(root / "cat" / visible)
    assert counts(tmp_path / "t", reader=reader) == {"cat": 4, "dog": 3}


@both_readers
@pytest.mark.parametrize("name", [".git", "@eaDir", "lost+found"])
def test_hidden_folders_are_no_classes(tmp_path, reader, name):
    picture(tree(tmp_path / "t") / name / "x.png")
    assert set(counts(tmp_path / "t", reader=reader)) == {"cat", "dog"}


@both_readers
def test_a_folder_called_like_a_picture_is_a_folder(tmp_path, reader):
    picture(tree(tmp_path / "t" / "train") / "cat" / "album.png" / "inside.png")
    assert counts(tmp_path / "t", reader=reader) == {"cat": 4, "dog": 3}


# -- links ------------------------------------------------------------------------------------------------------------


@both_readers
@pytest.mark.parametrize("what", ["file", "folder", "class", "root"])
def test_links_are_followed(tmp_path, reader, what):
    store = tree(tmp_path / "store", ("dog",), each=5)
    root = tree(tmp_path / "t" / "train", ("cat",))
    if what == "file":
        (root / "dog").mkdir()
        for path in (store / "dog").iterdir():
            (root / "dog" / path.name).symlink_to(path)
    elif what == "folder":
        (root / "dog").mkdir()
        (root / "dog" / "images").symlink_to(store / "dog")
    else:
        (root / "dog").symlink_to(store / "dog")
    folder = tmp_path / "t"
    if what == "root":
        folder = tmp_path / "link"
        folder.symlink_to(tmp_path / "t")
    assert counts(folder, reader=reader) == {"cat": 3, "dog": 5}


@both_readers
@pytest.mark.parametrize("place", ["cat/gone.png", "cat/gone", "gone"])
def test_a_broken_link_is_named(tmp_path, reader, place):
    root = tree(tmp_path / "t" / "train")
    (root / place).symlink_to(tmp_path / "nowhere")
    with pytest.raises(DatasetUnusable, match=r"gone(\.png)? is a link to .*nowhere, which is not there"):
        counts(tmp_path / "t", reader=reader)
    (root / place).rename((root / place).with_name(".gone"))
    assert counts(tmp_path / "t", reader=reader) == {"cat": 3, "dog": 3}


@both_readers
@pytest.mark.parametrize("target", [".", "..", "../..", "/"])
def test_a_circle_of_links_ends_and_is_told(tmp_path, reader, target):
    root = tree(tmp_path / "t" / "train")
    (root / "cat" / "again").symlink_to(target)
    words = told(lambda: counts(tmp_path / "t", reader=reader))
    assert "1 link(s) to a folder that they lie in" in words
    assert counts(tmp_path / "t", reader=reader) == {"cat": 3, "dog": 3}


# -- classes that cannot be read, and files that are no pictures ------------------------------------------------------


def as_nobody(call):
    """What `call` returns or raises, as text, and the warnings, for a user without rights, without HOME and without an
    entry in the passwd file. A process of its own, because the change of user cannot be undone."""
    call_in_this_process_first = tree(Path(tempfile.mkdtemp()))  # a user without rights may not import what is missing
    counts(call_in_this_process_first)
    shutil.rmtree(call_in_this_process_first)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException), os.fdopen(writing, "w") as stream:
            for name in ("HOME", "XDG_CACHE_HOME", "MUSICLIB_CACHE", "MUSICLIB_DATA"):
                os.environ.pop(name, None)
            os.chdir("/")
            if os.getuid() == 0:
                os.setgroups([])
                os.setresgid(12345, 12345, 12345)
                os.setresuid(12345, 12345, 12345)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    stream.write(f"returned {call()}\n")
                except Exception as error:
                    stream.write(f"{type(error).__name__}: {error}\n")
            stream.writelines(f"{warning.message}\n" for warning in caught)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        words = stream.read()
    os.waitpid(child, 0)
    return words


@pytest.fixture
def public():
    """A folder that every user can reach; pytest's own belong to one user."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


@both_readers
def test_a_user_without_home_and_with_read_only_data_can_read_them(public, reader):
    tree(public / "t" / "train")
    (public / "t").chmod(0o555)
    words = as_nobody(lambda: counts(public / "t", reader=reader))
    assert "returned {'cat': 3, 'dog': 3}" in words
    assert ("no writable cache folder" in words) == (reader == "folder")


@both_readers
@pytest.mark.parametrize("path", ["t/train/dog", "t/train", "t/train/dog/deep"])
def test_an_unreadable_folder_is_an_error_that_names_it(public, path, reader):
    picture(tree(public / "t" / "train") / "dog" / "deep" / "x.png")
    (public / path).chmod(0)
    words = as_nobody(lambda: counts(public / "t", reader=reader))
    assert words == f"DatasetUnusable: the folder {public / path} cannot be read: Permission denied\n"


def test_an_unreadable_file_is_an_error_that_names_it(public):
    unreadable = tree(public / "t" / "train") / "dog" / "1.png"
    unreadable.chmod(0)
    words = as_nobody(lambda: counts(public / "t"))
    assert words == f"DatasetUnusable: {unreadable} cannot be read: Permission denied\n"
    words = as_nobody(lambda: list(ImageStream(public / "t", size=4, batch=2, workers=0).plain()))
    assert words == f"DatasetUnusable: {unreadable} cannot be read: Permission denied\n"


@both_readers
@pytest.mark.parametrize("split", ["train", "test"])
def test_an_empty_class_is_an_error_that_names_it(tmp_path, reader, split):
    tree(tmp_path / "t" / "train")
    tree(tmp_path / "t" / "test")
    shutil.rmtree(tmp_path / "t" / split / "dog")
    (tmp_path / "t" / split / "dog").mkdir()
    with pytest.raises(DatasetUnusable, match=rf"the class dog has no pictures: .*t/{split}/dog is empty"):
        counts(tmp_path / "t", split, reader)
    (tmp_path / "t" / split / "dog" / "scan.heic").write_bytes(b"x")
    with pytest.raises(DatasetUnusable, match=r"the class dog has no pictures: .*holds 1 file\(s\) of other kinds"):
        counts(tmp_path / "t", split, reader)


@both_readers
def test_what_is_no_picture_is_counted_and_told_in_one_line(tmp_path, reader):
    root = tree(tmp_path / "t" / "train")
    for name in ("a.txt", "b.TXT", "c.heic", "LICENSE", ".hidden.txt"):
        (root / "cat" / name).write_text("x")
    picture(root / "loose.png")
    words = told(lambda: counts(tmp_path / "t", reader=reader))
    assert "left out 4 file(s) that are no pictures (.txt 2, " in words
    assert ".heic 1" in words
    assert "no suffix 1" in words
    assert "1 picture(s) outside the class folders" in words
    assert words.count("left out") == 1
    assert "\n" not in words


@both_readers
def test_a_tree_of_pictures_alone_is_read_without_a_word(tmp_path, reader):
    tree(tmp_path / "t" / "train")
    assert told(lambda: counts(tmp_path / "t", reader=reader)) == ""


def test_pipes_and_sockets_are_no_pictures(tmp_path):
    root = tree(tmp_path / "t")
    os.mkfifo(root / "cat" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(os.path.relpath(root / "dog" / "socket.png"))
        words = told(lambda: split_files(root, "train"))
    assert "2 file(s) that are no pictures (.png 2)" in words


@both_readers
@pytest.mark.parametrize("suffix", ["tif", "TIFF", "gif", "jp2", "JPG", "webp", "bmp", "ppm"])
def test_formats_that_pillow_reads_are_pictures(tmp_path, reader, suffix):
    root = tree(tmp_path / "t" / "train")
    Image.new("RGB", (12, 10), (200, 0, 0)).save(root / "cat" / f"more.{suffix}")
    assert counts(tmp_path / "t", reader=reader) == {"cat": 4, "dog": 3}


@both_readers
@pytest.mark.parametrize(
    "name",
    [b"two\nlines", b"-rf", b"\xff\xfe bytes", "Größe 猫".encode(), b"a'b\"c`$(d)", b" blanks ", b"%s {0}", b"x" * 240],
)
def test_any_name_that_the_file_system_admits_works(tmp_path, reader, name):
    folder = tmp_path / os.fsdecode(name)
    tree(folder / "train", (os.fsdecode(name), "dog"))
    picture(folder / "train" / "dog" / (os.fsdecode(name) + ".png"))
    assert counts(folder, reader=reader) == {os.fsdecode(name): 3, "dog": 4}
    assert counts(folder, reader=reader) == {os.fsdecode(name): 3, "dog": 4}  # the second time from the cache
    (folder / "train" / "dog" / (os.fsdecode(name) + ".png")).write_bytes(b"no picture")
    read = {
        "folder": lambda: load(f"folder:{folder}", size=4),
        "stream": lambda: list(ImageStream(folder, size=4, batch=1, workers=0).plain()),
    }
    with pytest.raises(DatasetUnusable, match="cannot be decoded") as raised:
        read[reader]()
    assert str(raised.value).isprintable()  # one line, whatever the name holds


# -- layouts ----------------------------------------------------------------------------------------------------------


@both_readers
@pytest.mark.parametrize("test_name", ["test", "val", "valid", "validation", "Test", "VAL", "Valid"])
@pytest.mark.parametrize("train_name", ["train", "Train", "TRAIN"])
def test_splits_have_any_of_their_usual_names(tmp_path, reader, train_name, test_name):
    tree(tmp_path / "t" / train_name, each=4)
    tree(tmp_path / "t" / test_name, each=2)
    assert counts(tmp_path / "t", "train", reader) == {"cat": 4, "dog": 4}
    assert counts(tmp_path / "t", "test", reader) == {"cat": 2, "dog": 2}


@both_readers
def test_a_test_folder_without_classes_gives_way_to_val(tmp_path, reader):
    """ILSVRC: train/CLASS, val/CLASS, and test/ with pictures alone; Tiny-ImageNet keeps them in test/images."""
    tree(tmp_path / "t" / "train", each=4)
    tree(tmp_path / "t" / "val", each=2)
    for place in ("test", "test/images"):
        picture(tmp_path / "t" / place / "1.png")
        assert counts(tmp_path / "t", "test", reader) == {"cat": 2, "dog": 2}
    tree(tmp_path / "t" / "test", each=1)
    shutil.rmtree(tmp_path / "t" / "test" / "images")
    assert counts(tmp_path / "t", "test", reader) == {"cat": 1, "dog": 1}


def tiny_imagenet(folder):
    """train/CLASS/images/*, val/images/* with annotations that do not follow the names, test/images/*."""
    for name in ("n1", "n2"):
        for i in range(4):
            picture(folder / "train" / name / "images" / f"{name}_{i}.png", shade=10 * i)
        (folder / "train" / name / f"{name}_boxes.txt").write_text("x\t0\t0\t1\t1\n")
    lines = []
    for i, name in enumerate(("n2", "n1", "n2", "n2", "n1")):
        picture(folder / "val" / "images" / f"val_{i}.png", shade=100 + i)
        lines.append(f"val_{i}.png\t{name}\t0\t0\t62\t62\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    picture(folder / "test" / "images" / "test_0.png")
    return folder


def test_tiny_imagenet_is_read_as_it_is_published(tmp_path):
    root = tiny_imagenet(tmp_path / "tiny-imagenet-200")
    train, test = (load(f"folder:{root}", split, size=4) for split in ("train", "test"))
    assert train.classes == test.classes == ("n1", "n2")
    assert torch.bincount(train.labels).tolist() == [4, 4]
    assert test.labels.tolist() == [0, 0, 1, 1, 1]
    assert test.images[:, 0, 0, 0].tolist() == [101, 104, 100, 102, 103]  # the shade says which file it was
    streamed = ImageStream(root, "test", size=4, batch=1, workers=0)
    assert [path.name for path in streamed.files] == [f"val_{i}.png" for i in (1, 4, 0, 2, 3)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("val_9.png\tn1", "line 6 of .* names the picture val_9.png, which is not there"),
        ("val_0.png\tn1", "line 6 of .* names the picture val_0.png a second time"),
        ("val_0.png\tn3", "line 6 of .* names the class n3 that train/ does not have"),
        ("../../train/n1/images/n1_0.png\tn1", "which is not there"),
        ("val_0.png n1", "line 6 of .* has no tab"),
    ],
)
def test_annotations_are_checked(tmp_path, line, words):
    root = tiny_imagenet(tmp_path / "t")
    with open(root / "val" / "val_annotations.txt", "a") as stream:
        stream.write(line + "\n")
    with pytest.raises(DatasetUnusable, match=words):
        split_files(root, "test")


def test_pictures_without_an_annotation_are_told(tmp_path):
    root = tiny_imagenet(tmp_path / "t")
    picture(root / "val" / "images" / "val_9.png")
    words = told(lambda: split_files(root, "test"))
    assert words.endswith("left out 1 picture(s) without an annotation")


@both_readers
def test_imagenette_is_read_as_it_is_published(tmp_path, reader):
    """train/ID/*.JPEG, val/ID/*.JPEG and a list of noisy labels beside them, which is told and not used."""
    root = tmp_path / "imagenette2-160"
    for part, count in (("train", 4), ("val", 2)):
        for name in ("n01440764", "n02102040"):
            for i in range(count):
                picture(root / part / name / f"{name}_{i}.JPEG")
            (root / part / name / ".DS_Store").write_bytes(b"x")
    (root / "noisy_imagenette.csv").write_text("path,noisy_labels_0\n")
    words = told(lambda: counts(root, "train", reader))
    assert "left out 1 file(s) that are no pictures (.csv 1)" in words
    assert counts(root, "train", reader) == {"n01440764": 4, "n02102040": 4}
    assert counts(root, "test", reader) == {"n01440764": 2, "n02102040": 2}


@both_readers
def test_imagenet100_is_read_in_the_parts_in_which_it_is_shared(tmp_path, reader):
    """train.X1/ID ... train.X4/ID with other classes in each, and val.X/ID with all of them."""
    root = tmp_path / "imagenet100"
    for part, names in enumerate((("n3", "n1"), ("n2",), ("n4", "n1")), start=1):
        for name in names:
            picture(root / f"train.X{part}" / name / f"{part}.JPEG", shade=part)
    for number, name in enumerate(("n1", "n2", "n3", "n4")):
        picture(root / "val.X" / name / "1.JPEG", shade=100 + number)
    (root / "Labels.json").write_text("{}")
    assert counts(root, "train", reader) == {"n1": 2, "n2": 1, "n3": 1, "n4": 1}
    assert counts(root, "test", reader) == {"n1": 1, "n2": 1, "n3": 1, "n4": 1}
    if reader == "folder":
        assert load(f"folder:{root}", size=4).images[:, 0, 0, 0].tolist() == [1, 3, 2, 1, 3]
        assert load(f"folder:{root}", "test", size=4).images[:, 0, 0, 0].tolist() == [100, 101, 102, 103]


@both_readers
def test_what_lies_beside_the_splits_is_told(tmp_path, reader):
    root = tree(tmp_path / "t" / "train").parent
    tree(root / "test")
    assert told(lambda: counts(root, "train", reader)) == ""
    picture(root / "1.png")
    tree(root / "extra")
    words = told(lambda: counts(root, "train", reader))
    assert "left out 1 picture(s) outside the class folders; the folder(s) extra, which are no split" in words


@both_readers
def test_classes_of_one_picture_are_told_or_refused_in_the_test_set(tmp_path, reader):
    tree(tmp_path / "t", ("cat",), each=1)
    tree(tmp_path / "t", ("dog",), each=5)
    assert counts(tmp_path / "t", "train", reader) == {"cat": 1, "dog": 4}
    words = told(lambda: counts(tmp_path / "t", "test", reader))
    assert "that is held out lacks 1 of 2 classes of the training set: cat" in words
    shutil.rmtree(tmp_path / "t" / "dog")
    tree(tmp_path / "t", ("dog",), each=1)
    with pytest.raises(DatasetUnusable, match="has one picture a class and none to hold out: add a test/ folder"):
        counts(tmp_path / "t", "test", reader)


def test_splits_that_do_not_fit_are_named(tmp_path):
    tree(tmp_path / "t" / "train")
    picture(tmp_path / "t" / "val" / "1.png")
    with pytest.raises(DatasetMissing, match=r"t/val \(has no folders, none of the classes of .*t/train\)"):
        split_files(tmp_path / "t", "test")
    tree(tmp_path / "t" / "valid", ("cow",))
    with pytest.raises(DatasetMissing, match=r"t/valid \(has the folder\(s\) cow, none of the classes"):
        split_files(tmp_path / "t", "test")
    tree(tmp_path / "only" / "val")
    with pytest.raises(DatasetMissing, match="only/train"):
        split_files(tmp_path / "only", "train")
    tree(tmp_path / "two" / "train")
    tree(tmp_path / "two" / "Train")
    with pytest.raises(DatasetUnusable, match="which of them is meant"):
        split_files(tmp_path / "two", "train")
    (tmp_path / "file.zip").write_bytes(b"x")
    with pytest.raises(DatasetMissing, match=r"file\.zip \(a file, not a folder\)"):
        load(f"folder:{tmp_path / 'file.zip'}")


def test_a_class_may_be_called_train(tmp_path):
    root = tree(tmp_path / "t", ("plane", "train", "car"))
    assert split_files(root, "train")[2] == ("car", "plane", "train")


def test_classes_that_the_test_set_lacks_are_told(tmp_path):
    tree(tmp_path / "t" / "train")
    tree(tmp_path / "t" / "test", ("dog",))
    assert "lacks 1 of 2 classes of the training set: cat" in told(lambda: split_files(tmp_path / "t", "test"))
    assert split_files(tmp_path / "t", "test")[1].tolist() == [1, 1, 1]


# -- without labels, and with one class -------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [".", "train"])
def test_a_flat_folder_is_a_set_without_labels(tmp_path, place):
    for i in range(6):
        picture(tmp_path / "t" / place / f"{i}.png", shade=40 * i)
    data = load(f"folder:{tmp_path / 't'}", size=4)
    assert data.images[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]
    assert (data.labels, data.classes) == (None, ())
    with pytest.raises(Unlabelled, match="can be trained on"):
        load(f"folder:{tmp_path / 't'}", "test", size=4)
    stream = ImageStream(tmp_path / "t", size=4, batch=2, workers=2)
    assert stream.labels is None
    batches = list(stream.batches(0))
    assert sorted(torch.cat([index for index, *_ in batches]).tolist()) == list(range(6))
    assert all(labels is None for *_, labels in batches)
    assert all(labels is None for *_, labels in stream.plain())


@both_readers
def test_one_class_is_told_to_mean_nothing(tmp_path, reader):
    tree(tmp_path / "t", ("cat",))
    assert "has one class, cat: an accuracy on it is 1 and means nothing" in told(
        lambda: counts(tmp_path / "t", reader=reader)
    )
    tree(tmp_path / "t", ("dog",))
    assert "one class" not in told(lambda: counts(tmp_path / "t", reader=reader))


def test_a_set_without_labels_can_be_cut_and_never_claims_classes(tmp_path):
    from musiclib.datasets import ImageSet, validation_split
    from musiclib.datasets.imageset import fewer

    images = torch.arange(40, dtype=torch.uint8).view(10, 1, 2, 2)
    whole = ImageSet("x", "train", images, None, ())
    kept, held = validation_split(whole, 0.3)
    assert (len(kept), len(held), kept.labels, held.labels) == (7, 3, None, None)
    assert len(fewer(whole, 4)) == 4
    assert ImageSet("x", "train", images, torch.zeros(10, dtype=torch.int64), ("a",)).checksum != whole.checksum
    with pytest.raises(ValueError, match="a set without labels has no classes, got a, b"):
        ImageSet("x", "train", images, None, ("a", "b"))


def test_probes_of_a_set_without_labels_are_refused_before_training(tmp_path):
    from musiclib.config import TrainConfig
    from musiclib.evaluate import evaluate_features
    from musiclib.pretrain.assemble import load_data

    for i in range(6):
        picture(tmp_path / "t" / f"{i}.png")
    for dataset, views in ((f"folder:{tmp_path / 't'}", {}), (f"imagenet:{tmp_path / 't'}", {"size": 8})):
        options = {"workers": 0} if views else {"size": 8}
        config = TrainConfig.from_dict(
            {"dataset": dataset, "method": "music", "batch": 2, "views": views, "dataset_options": options}
        )
        with pytest.raises(Unlabelled, match="has no labels, which a probe needs: train on it with --no-evaluate"):
            load_data(config, None)
        train, held = load_data(config, None, evaluate=False)
        assert (len(train), held) == (6, None)
    config = TrainConfig.from_dict({"dataset": f"folder:{tmp_path / 't'}", "method": "supervised", "batch": 2})
    with pytest.raises(Unlabelled, match="which the method supervised needs"):
        load_data(config, None, evaluate=False)
    with pytest.raises(ValueError, match="train_y is None: a probe needs labels"):
        evaluate_features(torch.zeros(4, 2), None, torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))

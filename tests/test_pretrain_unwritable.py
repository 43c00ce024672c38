"""What may not be read or written is one line with the right advice, and is not called damaged."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from musiclib.pretrain import checkpoint
from musiclib.pretrain.__main__ import main

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))


def make(folder, seed, counts=(("train", 12), ("test", 6)), classes=("cat", "dog")):
    rng = np.random.default_rng(seed)
    for part, count in counts:
        for shade, name in enumerate(classes):
            (folder / part / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = rng.integers(60 * shade, 60 * shade + 120, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{i}.png")


def run(tmp_path, *arguments, root="a", method="pixels"):
    command = ["--method", method, "--dataset", "folder:pets", "--data-root", str(tmp_path / root), "--threads", "1"]
    command += ["--set", "dataset_options.size=8", "--set", "views.size=8", "--encoder", "tiny", "--no-progress"]
    return main([*command, "--out", str(tmp_path / "out"), *arguments])


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
def test_what_may_not_be_read_is_not_damaged(tmp_path, monkeypatch, name):
    import torch

    checkpoint.save(tmp_path, {"w": torch.ones(2)}, step=1, owner="o")
    whole = checkpoint.Path.open

    def forbidden(self, *arguments, **options):
        if self.name == name:
            raise PermissionError(13, "Permission denied", str(self))
        return whole(self, *arguments, **options)

    monkeypatch.setattr(checkpoint.Path, "open", forbidden)
    with pytest.raises(PermissionError, match=r"Permission denied.*nothing says that it is damaged") as told:
        checkpoint.load(tmp_path)
    assert "Remove" not in str(told.value)
    monkeypatch.undo()
    assert checkpoint.load(tmp_path)["w"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("code", "words"), [(28, "No space left on device"), (30, "Read-only file system"), (13, "Perm")]
)
def test_an_output_that_cannot_be_written_is_five_and_one_line(tmp_path, monkeypatch, capsys, code, words):
    make(tmp_path / "a" / "pets", 0)

    def refuse(*arguments, **options):
        raise OSError(code, os.strerror(code), "out/record.json")

    monkeypatch.setattr("musiclib.files.write_text", refuse)
    assert run(tmp_path) == 5
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_ctrl_c_before_the_first_step_is_one_line(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("musiclib.pretrain.lifecycle.load_data", interrupted)
    make(tmp_path / "a" / "pets", 0)
    assert run(tmp_path) == 130
    said = capsys.readouterr().err
    assert "goes on from the last checkpoint" in said
    assert said.count("\n") == 1

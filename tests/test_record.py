"""Records survive crashes, neighbours and values that JSON cannot hold, and say where they come from."""

from __future__ import annotations

import json
import math
import multiprocessing
import shutil
import subprocess

import numpy as np
import pytest
import torch

import musiclib
from musiclib import files, record


def _append_many(path, name):
    for i in range(40):
        files.append_line(path, {"who": name, "i": i, "text": "x" * 5000})


def test_lines_of_processes_side_by_side_do_not_mix(tmp_path):
    path = tmp_path / "sub" / "records.jsonl"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append_many, args=(path, name)) for name in range(4)]
    [w.start() for w in workers]
    [w.join() for w in workers]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted((line["who"], line["i"]) for line in lines) == [(w, i) for w in range(4) for i in range(40)]


def test_a_line_cut_short_spoils_no_other(tmp_path):
    path = tmp_path / "records.jsonl"
    files.append_line(path, {"n": 1})
    with path.open("a") as file:
        file.write('{"n": 2, "half')
    files.append_line(path, {"n": 3})
    assert files.read_lines(path) == [{"n": 1}, {"n": 3}]
    assert files.read_lines(tmp_path / "missing") == []


def test_bytes_that_are_no_text_spoil_one_line_alone(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": "\xff"}\n[1]\n5\n' + b"[" * 100_000 + b'\n{"n": "a\xe2\x80\xa8b"}\n')
    assert files.read_lines(path) == [{"n": 1}, {"n": "a\u2028b"}]
    path.write_bytes(b"[" * 100_000)
    assert files.read_json(path) is None


def test_once_appends_the_same_line_once(tmp_path):
    path = tmp_path / "records.jsonl"
    for value in (1, 2, 1, 1):
        files.append_line(path, {"n": value}, once=True)
    assert files.read_lines(path) == [{"n": 1}, {"n": 2}]
    files.append_line(path, {"n": 1})
    assert len(files.read_lines(path)) == 3


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"n": 1})
    with pytest.raises(TypeError):
        files.write_json(path, {"n": object()})
    assert files.read_json(path) == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_reading_a_missing_or_broken_file_gives_none(tmp_path):
    (tmp_path / "broken.json").write_text('{"n": ')
    assert files.read_json(tmp_path / "broken.json") is None
    assert files.read_json(tmp_path / "missing.json") is None


def test_values_become_what_json_can_hold(tmp_path):
    values = {"t": torch.tensor([1.5, math.nan]), "n": np.float32(0.5), "b": np.bool_(True), "inf": math.inf,
              "path": tmp_path, 3: (1, 2)}  # fmt: skip
    expected = {"t": [1.5, None], "n": 0.5, "b": True, "inf": None, "path": str(tmp_path), "3": [1, 2]}
    assert files.jsonable(values) == expected


def test_the_hash_of_the_sources_sees_every_change(tmp_path):
    package = tmp_path / "musiclib"
    shutil.copytree(record.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    original = record.sources_hash(package)
    assert original == record.sources_hash()
    (package / "notes.txt").write_text("no code")
    assert record.sources_hash(package) == original
    (package / "objective.py").write_text((package / "objective.py").read_text() + "\n")
    changed = record.sources_hash(package)
    (package / "objective.py").rename(package / "goal.py")
    assert len({original, changed, record.sources_hash(package)}) == 3


def test_commit_and_dirty_flag_follow_the_checkout(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert record.git_state(package) == {"commit": None, "dirty": None}  # no checkout

    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-c", "core.hooksPath="]
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    git("init")
    assert record.git_state(package) == {"commit": None, "dirty": None}  # in a checkout that does not track it
    git("add", ".")
    git("commit", "-m", "first")
    clean = record.git_state(package)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (package / "__init__.py").write_text("changed = True\n")
    assert record.git_state(package) == {"commit": clean["commit"], "dirty": True}


def test_provenance_names_versions_device_and_threads():
    got = record.provenance()
    assert got["environment"]["torch"] == torch.__version__
    assert got["environment"]["musiclib"] == musiclib.__version__
    assert got["environment"]["threads"] == torch.get_num_threads()
    assert got["environment"]["device"] == "cpu"
    assert got["code"]["sources"] == record.sources_hash()
    json.dumps(got, allow_nan=False)


def test_a_folder_has_one_writer(tmp_path):
    with files.exclusive(tmp_path), pytest.raises(files.FolderInUse, match="in use"), files.exclusive(tmp_path):
        pass
    with files.exclusive(tmp_path):
        pass


def test_peak_memory_grows_with_what_is_held():
    before = record.peak_memory_mb()
    held = torch.ones(300 * 2**18)  # 300 MiB
    assert record.peak_memory_mb() >= max(300, before)
    assert before < 200_000  # MiB, not KiB
    assert held[0] == 1

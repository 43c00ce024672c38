"""Damaged files of every format end as a value or as one line; and the search for other ends finds them."""

import dataclasses
import json
import os
import random
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))


from benchmarks.fuzz_damage import KINDS, damage
from benchmarks.fuzz_formats import FORMATS, png_resealed, zip_resealed
from benchmarks.fuzz_readers import READ, REFUSED, damaged, fuzz, main
from musiclib.datasets import DatasetUnusable

FILES = 300


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused_in_one_line(name):
    found = fuzz(name, range(FILES), seed=20, seconds=float("inf"))
    assert found["faults"] == []
    assert found["files"] == FILES
    assert found["outcomes"][REFUSED] > FILES / 4  # the damage bites
    assert {kind.partition(",")[0] for kind in found["damage"]} == set(KINDS)


def test_damage_is_a_function_of_its_number():
    form = FORMATS["PNG"]
    samples = list(form.samples())
    made = [damaged(form, samples, "PNG", number, 3) for number in range(40)]
    assert made == [damaged(form, samples, "PNG", number, 3) for number in range(40)]
    assert made != [damaged(form, samples, "PNG", number, 4) for number in range(40)]
    assert len(set(made)) > 35


def test_every_kind_of_damage_changes_most_files():
    content, other = bytes(range(256)) * 4, bytes(reversed(range(256))) * 4
    changed = dict.fromkeys(KINDS, 0)
    for number in range(400):
        kind, made = damage(content, other, random.Random(number))
        changed[kind] += made != content
    assert min(changed.values()) > 60
    for content in (b"", b"a"):
        for number in range(100):
            damage(content, other, random.Random(number))


def test_sums_that_are_put_right_let_damage_through():
    png = next(iter(FORMATS["PNG"].samples()[0].values()))
    at = png.index(b"IHDR") + 4
    wider = png[:at] + (21).to_bytes(4, "big") + png[at + 4 :]
    assert png_resealed(png) == png
    assert png_resealed(wider)[at : at + 4] == wider[at : at + 4]
    assert png_resealed(wider)[at + 13 : at + 17] != wider[at + 13 : at + 17]
    npz = next(iter(FORMATS["npz"].samples()[0].values()))
    at = npz.index(b"train_images.npy") + 400  # a pixel
    other = npz[:at] + bytes([npz[at] ^ 1]) + npz[at + 1 :]
    assert zip_resealed(npz) == npz
    assert len(zip_resealed(other)) == len(npz)
    assert sum(a != b for a, b in zip(other, zip_resealed(other), strict=True)) in range(5, 9)  # two sums of four bytes


def unnamed(folder, path):
    raise DatasetUnusable("something is wrong with some file")


def lines(folder, path):
    raise DatasetUnusable(f"{path} is\nwrong")


def endless(folder, path):
    raise DatasetUnusable(f"{path} {'x' * 2000}")


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        (unnamed, "FAULT: file not named"),
        (lines, "FAULT: several lines"),
        (endless, "FAULT: endless line"),
        (lambda folder, path: 1 // 0, "FAULT: ZeroDivisionError"),
        (lambda folder, path: os.kill(os.getpid(), 11), "FAULT: died of SIGSEGV"),
        (lambda folder, path: os._exit(3), "FAULT: died of exit code 3"),
        (lambda folder, path: time.sleep(60), "FAULT: hang"),
        (lambda folder, path: {"status": "neither"}, "FAULT: wrong value"),
    ],
)
def test_every_other_end_is_found(monkeypatch, tmp_path, ends, outcome):
    """Every file after the third ends in that way; the search goes on behind it."""
    form, intact = FORMATS["JSON lines"], set()

    def read(folder, path):
        content = path.read_bytes()
        if len(intact) < len(form.samples()):  # the originals, which are read first
            intact.add(content)
            return form.read(folder, path)
        return ends(folder, path)

    changed = dataclasses.replace(
        form, read=read, refusals=(DatasetUnusable,), sound=lambda found: "wrong" if "status" in found else None
    )
    monkeypatch.setitem(FORMATS, "JSON lines", changed)
    found = fuzz("JSON lines", range(3), seed=0, seconds=60, limit=1.0)
    assert found["outcomes"] == {outcome: 3}
    assert [fault["number"] for fault in found["faults"]] == [0, 1, 2]


def test_a_file_with_check_sums_is_never_taken_for_another(monkeypatch):
    form = FORMATS["safetensors"]
    others = iter(range(1000))
    monkeypatch.setitem(FORMATS, "safetensors", dataclasses.replace(form, read=lambda folder, path: next(others)))
    assert fuzz("safetensors", range(5), seed=0, seconds=60)["outcomes"] == {"FAULT: wrong value": 5}


def test_the_command_counts_records_and_keeps_what_it_finds(monkeypatch, tmp_path, capsys):
    out, keep = tmp_path / "record.json", tmp_path / "kept"
    assert main(["--files", "20", "--formats", "YAML", "IDX", "--out", str(out), "--keep", str(keep)]) == 0
    record = json.loads(out.read_text())
    assert list(record["formats"]) == ["YAML", "IDX"]
    assert all(sum(found["outcomes"].values()) == 20 for found in record["formats"].values())
    assert not keep.exists()
    main(["--files", "30", "--formats", "IDX", "--out", str(out)])
    record = json.loads(out.read_text())
    assert [found["files"] for found in record["formats"].values()] == [20, 30]
    main(["--files", "30", "--formats", "IDX", "--out", str(out), "--seed", "1"])  # another search, another record
    assert list(json.loads(out.read_text())["formats"]) == ["IDX"]
    form = FORMATS["YAML"]
    monkeypatch.setitem(FORMATS, "YAML", dataclasses.replace(form, refusals=()))
    assert main(["--files", "20", "--first", "7", "--formats", "YAML", "--keep", str(keep)]) == 1
    assert "FAULT: ValueError" in capsys.readouterr().out
    assert all(7 <= int(path.name.split("-")[1]) < 27 for path in keep.iterdir())


def test_fewer_files_are_read_when_the_time_is_up():
    found = fuzz("YAML", range(10**6), seed=0, seconds=0.5)
    assert 0 < found["files"] < 10**6
    assert READ in found["outcomes"] or REFUSED in found["outcomes"]

"""Finished work that travels as records: what is put back counts as done, and nothing else does."""

from __future__ import annotations

import json

import pytest

from musiclib import files
from musiclib.config import TrainConfig
from musiclib.studies.results import Results
from reproduce.batch import known

CONFIG = TrainConfig(
    method="music", dataset="digits", encoder="tiny", epochs=1, batch=256, precision="float32",
    options={"segments": 4, "units": 4, "projector": []},
)  # fmt: skip


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """A results folder with one finished run and one kept evaluation of it."""
    result = tmp_path_factory.mktemp("batch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSICLIB_RUNS", str(result / "runs"))
        nb = Results("x", result / "notebooks" / "x")
        record = nb.train(CONFIG)
        nb.kept({"of": CONFIG.hash()}, lambda: 0.25)
    return result, record


def test_a_fresh_folder_with_known_records_trains_and_computes_nothing_again(batch, tmp_path, monkeypatch):
    result, record = batch
    assert known.keep(result, tmp_path / "known") == (1, 1)
    fresh = tmp_path / "fresh"
    assert known.adopt(fresh, tmp_path / "known") == known.Adopted(runs=1, evaluations=1, foreign=0)
    monkeypatch.setenv("MUSICLIB_RUNS", str(fresh / "runs"))
    monkeypatch.setattr("musiclib.pretrain.lifecycle.Run.work", None)  # training would fail
    nb = Results("x", fresh / "notebooks" / "x")
    assert nb.train(CONFIG) == json.loads(json.dumps(record))
    assert nb.kept({"of": CONFIG.hash()}, lambda: pytest.fail("computed again")) == 0.25


def test_keeping_twice_adds_nothing_and_adopting_twice_neither(batch, tmp_path):
    result, _ = batch
    known.keep(result, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert known.keep(result, tmp_path) == (0, 0)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert known.adopt(result, tmp_path) == known.Adopted(0, 0, 0)


@pytest.mark.parametrize(
    ("change", "foreign"),
    [
        ({"code": {"sources": "0123456789ab"}}, 1),
        ({"run": "0123456789ab"}, 1),
        ({"status": "failed"}, 0),
        ({"metrics": {}}, 0),
    ],
)
def test_what_other_code_made_or_did_not_finish_is_not_taken_as_done(batch, tmp_path, change, foreign):
    line = {**batch[1], **change}
    files.append_line(tmp_path / "known" / "records.jsonl", line)
    assert known.adopt(tmp_path / "fresh", tmp_path / "known") == known.Adopted(0, 0, foreign)
    assert not list((tmp_path / "fresh").rglob("record.json"))

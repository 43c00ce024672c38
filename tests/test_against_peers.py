"""The comparison with public peers: differences need a reason that explains them; who is not there is said to be."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("against_peers", ROOT / "benchmarks" / "against_peers.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def square(a, b):
    return (a * b).square().sum()


def pair_of(script, theirs, reason="", bridged=None):
    return script.Pair("simclr", "somebody", "loss", (script.Z1, script.Z2), 2, square, theirs, reason, bridged)


def run(script, monkeypatch, tmp_path, **peers):
    monkeypatch.setattr(script, "PEERS", peers)
    status = script.main(["--out", str(tmp_path / "peers.json")])
    return status, json.loads((tmp_path / "peers.json").read_text())


def test_equal_losses_need_no_reason_and_others_need_one_that_explains(script):
    assert script.compare(pair_of(script, square)).explained
    assert not script.compare(pair_of(script, lambda a, b: 2 * square(a, b))).explained
    assert script.compare(
        pair_of(script, lambda a, b: 2 * square(a, b), "twice", lambda a, b: 2 * square(a, b))
    ).explained
    assert not script.compare(
        pair_of(script, lambda a, b: 2 * square(a, b), "twice", lambda a, b: 3 * square(a, b))
    ).explained


def test_a_gradient_that_is_stopped_is_seen_although_the_value_is_right(script):
    found = script.compare(pair_of(script, lambda a, b: square(a, b.detach())))
    assert found.value == 0
    assert found.gradient == pytest.approx(1.0, abs=0.7)
    assert not found.explained


def test_an_unexplained_difference_is_status_one(script, monkeypatch, tmp_path, capsys):
    pairs = lambda _: iter([pair_of(script, lambda a, b: square(a, b) + 1)])  # noqa: E731
    status, record = run(script, monkeypatch, tmp_path, somebody=("torch", pairs))
    assert status == 1
    assert not record["pairs"][0]["explained"]
    assert "!! simclr" in capsys.readouterr().out


def test_a_peer_that_is_not_there_is_skipped_and_said_to_be(script, monkeypatch, tmp_path, capsys):
    status, record = run(
        script,
        monkeypatch,
        tmp_path,
        nobody=("no-such-distribution", script.lightly_pairs),
        imsvd=("", script.imsvd_pairs),
    )
    assert status == 0
    assert record["skipped"]["nobody"] == "not installed"
    assert "--checkout" in record["skipped"]["imsvd"]
    assert capsys.readouterr().out.count("skipped") == 2


def test_losses_that_make_tensors_themselves_make_them_in_float64_and_the_default_comes_back(script):
    seen = []
    script.evaluated(lambda a, b: seen.append(torch.eye(2).dtype) or (a * b).sum(), (script.Z1, script.Z2), 2)
    assert seen == [torch.float64]
    assert torch.get_default_dtype() == torch.float32


def test_every_difference_in_the_committed_record_is_explained_and_lightly_was_there(script):
    record = json.loads((ROOT / "benchmarks" / "results" / "peers.json").read_text())
    assert "lightly" in record["versions"]
    assert all(one["explained"] for one in record["pairs"])
    compared = {one["loss"] for one in record["pairs"]}
    assert compared | set(record["without"]) == script.LOSSES
    assert len(compared) >= 9

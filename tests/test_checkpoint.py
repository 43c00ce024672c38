"""A checkpoint is there completely or not at all, comes back bit for bit, and belongs to one configuration."""

from __future__ import annotations

import json
import os

import pytest
import torch

from musiclib.pretrain import checkpoint


def some_state(generator: torch.Generator) -> dict:
    return {
        "module": {
            "weight": torch.randn(4, 3, 2, 2, generator=generator).to(memory_format=torch.channels_last),
            "half": torch.randn(5, generator=generator).to(torch.bfloat16),
            "count": torch.tensor(7),
            "flags": torch.tensor([True, False]),
            "empty": torch.zeros(0, 3),
        },
        "optimiser": {"0": {"step": torch.tensor(3.0), "name": "adamw", "rate": 0.1}},
        "curve": [{"epoch": 1, "loss": -0.1 - 0.2}, {"epoch": 2, "loss": None}],
        "step": 12,
    }


def same(a, b) -> bool:
    if torch.is_tensor(a):
        return torch.is_tensor(b) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


def test_everything_comes_back_bit_for_bit(tmp_path, generator):
    state = some_state(generator)
    checkpoint.save(tmp_path, state, step=12, owner="abc")
    assert same(state, checkpoint.load(tmp_path, owner="abc"))


def test_what_is_saved_is_a_copy(tmp_path):
    w = torch.ones(3)
    checkpoint.save(tmp_path, {"a": w, "b": w[:2]}, step=1, owner="x")  # two names of one storage
    w.zero_()
    got = checkpoint.load(tmp_path)
    assert torch.equal(got["a"], torch.ones(3))
    assert torch.equal(got["b"], torch.ones(2))


def test_without_any_checkpoint_there_is_none(tmp_path):
    assert checkpoint.load(tmp_path) is None
    assert checkpoint.load(tmp_path / "missing") is None


def test_the_newest_two_are_kept(tmp_path):
    for step in (5, 90, 1000):
        checkpoint.save(tmp_path, {"step": step}, step=step, owner="x")
    assert [p.name for p in checkpoint.complete(tmp_path)] == ["step-000001000", "step-000000090"]
    assert checkpoint.load(tmp_path)["step"] == 1000


def test_saving_a_step_again_replaces_it(tmp_path):
    for value in (1, 2):
        checkpoint.save(tmp_path, {"value": value}, step=5, owner="x")
    assert checkpoint.load(tmp_path)["value"] == 2


@pytest.mark.parametrize("damage", ["flip a byte", "cut the tensors", "no tensors", "cut the state", "no state"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, damage):
    for step in (1, 2):
        newest = checkpoint.save(tmp_path, {"step": step, "w": torch.full((64,), float(step))}, step=step, owner="x")
    tensors, state = newest / "tensors.safetensors", newest / "state.json"
    if damage == "flip a byte":
        content = bytearray(tensors.read_bytes())
        content[-3] ^= 1
        tensors.write_bytes(content)
    elif damage == "cut the tensors":
        tensors.write_bytes(tensors.read_bytes()[:-10])
    elif damage == "no tensors":
        tensors.unlink()
    elif damage == "cut the state":
        state.write_text(state.read_text()[:-5])
    else:
        state.unlink()
    got = checkpoint.load(tmp_path, owner="x")
    assert got["step"] == 1
    assert torch.equal(got["w"], torch.ones(64))


def test_a_changed_number_in_the_state_is_damage(tmp_path, generator):
    checkpoint.save(tmp_path, some_state(generator), step=3, owner="me")
    path = tmp_path / "step-000000003" / checkpoint.STATE
    body = json.loads(path.read_text())
    for changed in ({**body, "step": 4}, {**body, "state": {}}, {**body, "seal": "0"}, [body], 7):
        path.write_text(json.dumps(changed))
        with pytest.raises(checkpoint.CheckpointDamaged, match="step-000000003"):
            checkpoint.load(tmp_path)
    path.write_text("[" * 100_000)
    with pytest.raises(checkpoint.CheckpointDamaged, match="step-000000003"):
        checkpoint.load(tmp_path)
    path.write_text(json.dumps({name: value for name, value in body.items() if name != "seal"} | {"format": 1}))
    assert same(checkpoint.load(tmp_path), checkpoint.load(tmp_path))  # of a version without it
    path.write_text(json.dumps(body))
    assert checkpoint.load(tmp_path) is not None


def test_when_all_are_damaged_the_error_says_so_and_what_to_do(tmp_path):
    saved = checkpoint.save(tmp_path, {"step": 1}, step=1, owner="x")
    (saved / "state.json").write_text("{}")
    with pytest.raises(checkpoint.CheckpointDamaged, match="start the run afresh"):
        checkpoint.load(tmp_path)


def test_the_checkpoint_of_another_configuration_is_refused(tmp_path):
    checkpoint.save(tmp_path, {"step": 1}, step=1, owner="0123456789ab")
    with pytest.raises(checkpoint.CheckpointForeign, match=r"0123456789ab.*ba9876543210"):
        checkpoint.load(tmp_path, owner="ba9876543210")


@pytest.mark.parametrize("where", ["save_file", "replace"])
def test_a_save_that_fails_half_way_leaves_the_last_one_and_no_rubbish(tmp_path, monkeypatch, where):
    checkpoint.save(tmp_path, {"step": 1, "w": torch.ones(3)}, step=1, owner="x")

    def fail(*_args, **_keywords):
        raise OSError("disk full")

    target = (checkpoint.safetensors.torch, "save_file") if where == "save_file" else (os, "replace")
    monkeypatch.setattr(*target, fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(tmp_path, {"step": 2, "w": torch.ones(3)}, step=2, owner="x")
    assert checkpoint.load(tmp_path, owner="x")["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000001"]


def test_what_a_killed_save_left_behind_is_ignored_and_swept(tmp_path):
    left = tmp_path / ".writing-dead"
    left.mkdir()
    (left / "tensors.safetensors").write_bytes(b"half")
    assert checkpoint.load(tmp_path) is None
    checkpoint.save(tmp_path, {"step": 1}, step=1, owner="x")
    assert not left.exists()


@pytest.mark.parametrize("state", [{"a": {1: 2}}, {"a/b": 1}, {"@": 1}, {"a": object()}])
def test_a_state_that_would_not_come_back_is_refused(tmp_path, state):
    with pytest.raises(TypeError, match="state"):
        checkpoint.save(tmp_path, state, step=1, owner="x")


def test_files_are_safetensors_and_json(tmp_path):
    saved = checkpoint.save(tmp_path, {"w": torch.ones(3), "n": 1}, step=1, owner="x")
    assert sorted(p.name for p in saved.iterdir()) == ["state.json", "tensors.safetensors"]
    assert json.loads((saved / "state.json").read_text())["state"]["n"] == 1
    content = (saved / "tensors.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header["w"]["shape"] == [3]

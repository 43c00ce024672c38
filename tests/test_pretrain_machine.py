"""What a run says of the machine that it finds: other processes that do not come, threads in each other's way."""

from __future__ import annotations

import socket
import time

import pytest
import torch

from musiclib.config import TrainConfig
from musiclib.pretrain import processes as machine
from musiclib.pretrain import run
from musiclib.pretrain.__main__ import main

CPU = torch.device("cpu")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("size", ["2", "two", "0", "-1"])
def test_a_stray_world_size_is_one_line_and_two(monkeypatch, capsys, tmp_path, size):
    monkeypatch.setenv("WORLD_SIZE", size)
    assert main(["--dataset", "digits", "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "WORLD_SIZE" in told


def test_a_world_size_of_one_is_an_ordinary_run(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    with machine.processes(CPU):
        assert not torch.distributed.is_initialized()


def test_processes_that_do_not_come_are_waited_for_with_a_word_and_an_end(monkeypatch, capsys):
    values = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(machine, "MEET_SECONDS", 2.0)
    monkeypatch.setattr(machine, "TELL_SECONDS", 0.2)
    told = r"waited 2 s for 2 processes at 127.0.0.1:\d+, of which this is number 0"
    with pytest.raises(TimeoutError, match=told), machine.processes(CPU):
        pass
    assert "waiting for 2 processes at 127.0.0.1" in capsys.readouterr().err
    assert not torch.distributed.is_initialized()


def test_the_command_ends_with_one_when_nobody_comes(monkeypatch, capsys, tmp_path):
    values = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(machine, "MEET_SECONDS", 1.0)
    assert main(["--dataset", "digits", "--out", str(tmp_path), "--device", "cpu"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "start the others, or unset WORLD_SIZE" in told


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def slow_with(threads: int, seconds: float = 0.02):
    return lambda: time.sleep(seconds if torch.get_num_threads() == threads else 0.002)


def test_threads_that_are_slower_than_one_are_told_with_the_remedy(two_threads):
    told = machine.threads_in_the_way(slow_with(2))
    assert "2 threads take" in told
    assert "--threads 1" in told
    assert torch.get_num_threads() == 2


def test_threads_that_help_and_a_single_thread_are_not_worth_a_word(two_threads):
    assert machine.threads_in_the_way(slow_with(1)) is None
    torch.set_num_threads(1)
    assert machine.threads_in_the_way(slow_with(1)) is None


def test_a_run_warns_and_its_numbers_do_not_change(tmp_path, monkeypatch, two_threads):
    config = TrainConfig(
        dataset="digits", encoder="tiny", epochs=1, batch=256, options={"segments": 4, "units": 4, "projector": [16]}
    )
    options = {"progress": False, "evaluate": False}
    monkeypatch.setattr("musiclib.pretrain.lifecycle.threads_in_the_way", lambda work: None)
    quiet = run(config, tmp_path / "quiet", **options)
    monkeypatch.setattr("musiclib.pretrain.lifecycle.threads_in_the_way", lambda work: work() or "2 threads take long")
    with pytest.warns(UserWarning, match="2 threads take long"):
        warned = run(config, tmp_path / "warned", **options)
    assert warned["curve"][0]["loss"] == quiet["curve"][0]["loss"]

"""Two gloo processes, each with a part of every batch, do what one process does with the whole batch: all ten peers."""

import pytest
import torch
from test_baselines_methods import BATCH, PEERS, build, train, trainable
from two_processes import in_two_processes

from musiclib.distributed import average_gradients

EPOCHS = 3  # the second and third read what the first stored: queues, memories, labels, free prototypes


def outcome(name: str, share: slice = slice(None)) -> dict[str, torch.Tensor]:
    """Losses of all steps, gradients of the last one, and the whole state after it."""
    method = build(name)
    losses = train(method, EPOCHS, share, average_gradients)
    gradients = {f"gradient of {key}": p.grad for key, p in trainable(method).items()}
    return {"losses": torch.tensor(losses, dtype=torch.float64), **gradients, **method.state_dict()}


FIRST = {"halves": BATCH // 2, "one row and the rest": 1}
"""Rows of every batch that process 0 has."""


def work(rank: int) -> dict[str, dict]:
    return {
        f"{name}, {split}": outcome(name, slice(first, None) if rank else slice(first))
        for name in PEERS
        for split, first in FIRST.items()
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of the two processes has after its run."""
    return in_two_processes(work, tmp_path_factory.mktemp("gloo"))


@pytest.mark.parametrize("split", FIRST)
@pytest.mark.parametrize("name", PEERS)
def test_losses_gradients_and_state_are_those_of_one_process(both, name, split):
    alone = outcome(name)
    for seen in ({name: process[f"{name}, {split}"]} for process in both):
        assert seen[name].keys() == alone.keys()
        for key, value in alone.items():
            torch.testing.assert_close(seen[name][key], value, rtol=1e-7, atol=1e-10, msg=lambda m, k=key: f"{k}: {m}")


@pytest.mark.parametrize("name", PEERS)
def test_the_comparison_could_fail(both, name):
    """A process that saw only its half would have other losses."""
    half = outcome(name, slice(0, BATCH // 2))["losses"]
    assert not torch.allclose(half, both[0][f"{name}, halves"]["losses"], rtol=1e-3)

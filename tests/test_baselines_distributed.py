"""Two gloo processes, each with half of every batch, do what one process does with the whole batch: all ten peers."""

import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from test_baselines_methods import BATCH, build, train, trainable

from musiclib.baselines import METHODS
from musiclib.distributed import average_gradients

EPOCHS = 3  # the second and third read what the first stored: queues, memories, labels, free prototypes


def outcome(name: str, share: slice = slice(None)) -> dict[str, torch.Tensor]:
    """Losses of all steps, gradients of the last one, and the whole state after it."""
    method = build(name)
    losses = train(method, EPOCHS, share, average_gradients)
    gradients = {f"gradient of {key}": p.grad for key, p in trainable(method).items()}
    return {"losses": torch.tensor(losses, dtype=torch.float64), **gradients, **method.state_dict()}


def child(index: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=index, world_size=2)
    try:
        half = BATCH // 2
        share = slice(index * half, (index + 1) * half)
        torch.save({name: outcome(name, share) for name in METHODS}, f"{folder}/{index}.pt")
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of the two processes has after its run."""
    folder = tmp_path_factory.mktemp("gloo")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(child, (port, str(folder)), nprocs=2)
    return [torch.load(folder / f"{i}.pt", weights_only=True) for i in range(2)]


@pytest.mark.parametrize("name", METHODS)
def test_losses_gradients_and_state_are_those_of_one_process(both, name):
    alone = outcome(name)
    for seen in both:
        assert seen[name].keys() == alone.keys()
        for key, value in alone.items():
            torch.testing.assert_close(seen[name][key], value, rtol=1e-7, atol=1e-10, msg=lambda m, k=key: f"{k}: {m}")


@pytest.mark.parametrize("name", METHODS)
def test_the_comparison_could_fail(both, name):
    """A process that saw only its half would have other losses."""
    half = outcome(name, slice(0, BATCH // 2))["losses"]
    assert not torch.allclose(half, both[0][name]["losses"], rtol=1e-3)

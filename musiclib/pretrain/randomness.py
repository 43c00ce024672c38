"""torch's global generators: seeded in one place, put back afterwards, and kept in checkpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from musiclib.pretrain.feed import derived_seed


@contextlib.contextmanager
def local_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """torch's global generators seeded inside, and put back as they were outside: the ONE place that touches them.

    Initial weights come from them, and dropout if a model has any; order and views have generators of their own.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derived_seed(seed, "weights", 0))
        yield


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """States of torch's global generators, for a checkpoint."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_generator_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Put `generator_states` back; a state of a device that is not used now is left out."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)

"""Two processes compute what one process computes on the concatenated batch."""

import copy

import pytest
import torch
from torch import nn
from two_processes import in_two_processes

from musiclib import MusicLoss, code_terms, joint_distribution, segment_softmax
from musiclib.distributed import (
    BatchNorm1d,
    BatchNorm2d,
    average_gradients,
    broadcast_state,
    count_rows,
    gather_batch,
    is_main,
    mean_over_processes,
    rank,
    world_size,
)

S, K = 3, 4
CASES = {
    "joint averaged": {"tile": None, "hidden": 5},  # N >= D below
    "codes gathered": {"tile": None, "hidden": 5, "samples": 4},
    "streaming": {"tile": 5, "hidden": 5},
    # `first`: rows of process 0, where it has not half of them
    "joint averaged, unequal": {"tile": None, "hidden": 5, "first": 11},
    "codes gathered, unequal": {"tile": None, "hidden": 5, "samples": 4, "first": 1},
    "streaming, unequal": {"tile": 5, "hidden": 5, "first": 3},
}


def network(hidden: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Sequential(nn.Linear(7, hidden), BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, S * K)).double()


def views(samples: int) -> torch.Tensor:
    return torch.randn(2, samples, 7, generator=torch.Generator().manual_seed(6), dtype=torch.float64)


def step(net: nn.Module, x1: torch.Tensor, x2: torch.Tensor, tile: int | None) -> tuple[float, list[torch.Tensor]]:
    loss = MusicLoss(S, tile=tile)(net(x1), net(x2))
    loss.backward()
    average_gradients(net)
    return loss.item(), [p.grad for p in net.parameters()] + [b.clone() for b in net.buffers()]


def work(place: int) -> dict:
    out = {"rank": rank(), "size": world_size(), "main": is_main()}
    for name, case in CASES.items():
        x = views(case.get("samples", 16))
        first = case.get("first", x.shape[1] // 2)
        mine = slice(first, None) if place else slice(first)
        out[name] = step(network(case["hidden"]), x[0, mine], x[1, mine], case["tile"])
    q = segment_softmax(views(4)[0, :, : S * 2], S)
    out["joint"] = joint_distribution(q[2 * place : 2 * place + 2], q[2 * place : 2 * place + 2])
    out["invariance"] = float(code_terms(q[2 * place : 2 * place + 2], q[2 * place : 2 * place + 2]).invariance)
    maps = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(7))
    out["maps"] = BatchNorm2d(3)(maps[2 * place : 2 * place + 2]).detach()
    odd = nn.Linear(2, 2)
    with torch.no_grad():
        odd.weight.fill_(float(place))
    broadcast_state(odd)
    out["broadcast"] = odd.weight.sum().item()
    return out


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of two gloo processes saw."""
    return in_two_processes(work, tmp_path_factory.mktemp("gloo"))


def test_every_process_knows_its_place(both):
    assert [(r["rank"], r["size"], r["main"]) for r in both] == [(0, 2, True), (1, 2, False)]


@pytest.mark.parametrize("name", CASES)
def test_loss_gradient_and_running_statistics_are_those_of_one_process(both, name):
    case = CASES[name]
    x = views(case.get("samples", 16))
    value, state = step(network(case["hidden"]), x[0], x[1], case["tile"])
    for seen_value, seen_state in (r[name] for r in both):
        assert seen_value == pytest.approx(value, rel=1e-12)
        torch.testing.assert_close(seen_state, state, rtol=1e-10, atol=1e-13)


def test_the_joint_is_that_of_the_global_batch(both):
    q = segment_softmax(views(4)[0, :, : S * 2], S)
    for seen in both:
        torch.testing.assert_close(seen["joint"], joint_distribution(q, q))
        assert seen["invariance"] == pytest.approx(float(code_terms(q, q).invariance))


def test_maps_are_normalised_by_the_global_batch(both):
    maps = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(torch.cat([r["maps"] for r in both]), nn.BatchNorm2d(3)(maps), rtol=1e-4, atol=1e-5)


def test_all_start_from_the_network_of_process_zero(both):
    assert [r["broadcast"] for r in both] == [0.0, 0.0]


def test_without_a_process_group_everything_is_the_identity():
    x = torch.ones(3, requires_grad=True)
    assert (world_size(), rank(), is_main()) == (1, 0, True)
    assert gather_batch(x) is x
    assert mean_over_processes(x, count_rows(x)) is x
    net = network(4)
    before = copy.deepcopy(net.state_dict())
    average_gradients(net)
    broadcast_state(net)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), net.state_dict().values(), strict=True))

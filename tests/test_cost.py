"""Costs that can be counted by hand, and the order in which calls are timed."""

import pytest
import torch

from musiclib.studies.cost import LOSSES, flops, head, loss_alone, peak_mebibytes, side_by_side

MIB = 2**20


@pytest.mark.parametrize(("name", "products"), [("floor", 3), ("music", 3), ("barlow_twins", 3), ("vicreg", 6)])
@pytest.mark.parametrize("size", [64, 2048])  # MUSIC: the dense form with autograd, and the streaming form
def test_a_loss_is_a_whole_number_of_products(name, products, size):
    assert flops(loss_alone(name, size, batch=8)) == products * 2 * 8 * size**2


def test_a_head_counts_its_layers_and_its_loss():
    n, f, h, d = 8, 32, 48, 64
    layers = 3 * 2 * (2 * n) * (f * h + h * d)  # forward and two gradients, both views
    options = {"segments": 4, "units": 16, "projector": [h]}
    assert flops(head("music", options, features=f, batch=n)) == layers + 3 * 2 * n * d**2
    assert flops(head("vicreg", {"projector": [h, d]}, features=f, batch=n)) == layers + 6 * 2 * n * d**2


def test_memory_is_what_is_alive_at_once():
    x = torch.zeros(MIB // 4)  # 1 MiB
    assert peak_mebibytes(lambda: x + 1) == pytest.approx(1)
    assert peak_mebibytes(lambda: (x + 1) + 1) == pytest.approx(2)
    assert peak_mebibytes(lambda: [x + i for i in range(3)] and None) == pytest.approx(3)

    def one_after_another():
        for i in range(5):
            y = x + i
            del y

    assert peak_mebibytes(one_after_another) == pytest.approx(1)


def test_memory_does_not_count_inputs_views_or_work_in_place():
    x = torch.zeros(MIB // 4)
    assert peak_mebibytes(lambda: x.add_(1)) == 0
    assert peak_mebibytes(lambda: x.view(2, -1).T[0]) == 0
    assert peak_mebibytes(lambda: x[: MIB // 8] * 2) == pytest.approx(0.5)


def test_memory_counts_what_autograd_keeps_and_gradients():
    w = torch.zeros(MIB // 4, requires_grad=True)

    def call():
        w.grad = None
        w.exp().sum().backward()  # keeps exp(w), makes the gradient

    assert peak_mebibytes(call) >= 2


def test_streaming_keeps_music_below_the_losses_that_hold_their_matrix():
    size, batch = 4096, 8
    peaks = {name: peak_mebibytes(loss_alone(name, size, batch=batch)) for name in LOSSES}
    matrix = size**2 * 4 / MIB
    assert peaks["music"] < 0.5 * matrix
    assert min(peaks["barlow_twins"], peaks["vicreg"]) > 2 * matrix


def test_calls_are_timed_in_turns_and_warm_up_does_not_count():
    order = []
    seconds = side_by_side({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=2, warm_up=1)
    assert order == ["a", "b"] * 3
    assert {name: len(s) for name, s in seconds.items()} == {"a": 2, "b": 2}
    assert min(map(min, seconds.values())) >= 0
    with pytest.raises(ValueError, match="at least one"):
        side_by_side({}, repeats=0)


def test_wrong_names_and_sizes_are_told():
    with pytest.raises(ValueError, match="one of floor, music"):
        loss_alone("swav", 64, batch=8)
    with pytest.raises(ValueError, match="no multiple"):
        loss_alone("music", 100, batch=8)
    with pytest.raises(ValueError, match="no head"):
        head("pixels", {}, features=8, batch=8)

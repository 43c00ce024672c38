"""The optimisers against their equations in plain numpy, and the schedule against its landmarks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from musiclib.pretrain.optimisers import (
    LARS,
    build_optimiser,
    learning_rate,
    load_optimiser_state,
    optimiser_state,
    parameter_groups,
    set_learning_rate,
)


def small_net(generator: torch.Generator) -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5, 4)).double()
    for p in net.parameters():
        p.data = torch.randn(p.shape, generator=generator, dtype=torch.float64)
    return net


def test_lars_follows_its_equations(generator):
    w = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    grads = [torch.randn(4, 3, generator=generator, dtype=torch.float64) for _ in range(4)]
    p = nn.Parameter(w.clone())
    optimiser = LARS([p], lr=0.7, momentum=0.9, eta=0.02, weight_decay=0.05)
    expected, m = w.numpy().copy(), np.zeros((4, 3))
    for g in grads:
        p.grad = g.clone()
        optimiser.step()
        g = g.numpy() + 0.05 * expected
        g = g * 0.02 * math.sqrt((expected**2).sum()) / math.sqrt((g**2).sum())
        m = 0.9 * m + g
        expected = expected - 0.7 * m
    np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-12)


def test_lars_without_adaptation_is_sgd_with_momentum(generator):
    start = torch.randn(6, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    a, b = LARS([ours], lr=0.1, adapt=False), torch.optim.SGD([theirs], lr=0.1, momentum=0.9)
    for _ in range(3):
        ours.grad = torch.randn(6, generator=generator)
        theirs.grad = ours.grad.clone()
        a.step(), b.step()
    torch.testing.assert_close(ours, theirs)


def test_lars_takes_a_plain_step_where_a_norm_is_zero():
    zero_weight, zero_grad = nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.ones(2, 2))
    zero_weight.grad, zero_grad.grad = torch.ones(2, 2), torch.zeros(2, 2)
    LARS([zero_weight, zero_grad], lr=0.5).step()
    assert torch.equal(zero_weight.detach(), torch.full((2, 2), -0.5))
    assert torch.equal(zero_grad.detach(), torch.ones(2, 2))


def test_lars_steps_do_not_depend_on_the_size_of_the_gradient(generator):
    g = torch.randn(3, 3, generator=generator)
    moved = []
    for scale in (1.0, 1e4):
        p = nn.Parameter(torch.ones(3, 3))
        p.grad = g * scale
        LARS([p], lr=1.0).step()
        moved.append(p.detach() - 1)
    torch.testing.assert_close(moved[0], moved[1])
    assert moved[0].norm() == pytest.approx(0.001 * 3, rel=1e-2)  # lr * eta * |w|; float32 differences of values near 1


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_only_parameters_with_more_than_one_dimension_decay(name, generator):
    net = small_net(generator)
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    for p in net.parameters():
        p.grad = torch.zeros_like(p)  # nothing but the decay can move a parameter
    build_optimiser(name, net, lr=0.1, weight_decay=0.5).step()
    for n, p in net.named_parameters():
        assert torch.equal(p, before[n]) == (p.dim() == 1), n


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_biases_and_norms_decay_too_where_it_is_asked_for(name, generator):
    net = small_net(generator)
    for p in net.parameters():
        p.data.add_(1.0)
        p.grad = torch.zeros_like(p)
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    build_optimiser(name, net, lr=0.1, weight_decay=0.5, decay_all=True).step()
    assert not any(torch.equal(p, before[n]) for n, p in net.named_parameters())


def test_groups_hold_every_trainable_parameter_once(generator):
    net = small_net(generator)
    net[3].weight.requires_grad_(False)
    grouped = [id(p) for group in parameter_groups(net, 0.1) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in net.parameters() if p.requires_grad)


def test_lars_does_not_adapt_biases_and_norms(generator):
    groups = build_optimiser("lars", small_net(generator), lr=0.1, weight_decay=0.1).param_groups
    assert [(g["adapt"], {p.dim() > 1 for p in g["params"]}) for g in groups] == [(True, {True}), (False, {False})]
    assert groups[0]["momentum"] == 0.9
    assert groups[0]["eta"] == 0.001


def test_nothing_to_train_and_unknown_names_are_errors(generator):
    with pytest.raises(ValueError, match="no trainable parameter"):
        build_optimiser("sgd", nn.ReLU(), lr=0.1, weight_decay=0.0)
    with pytest.raises(ValueError, match="'adam'"):
        build_optimiser("adam", small_net(generator), lr=0.1, weight_decay=0.0)


def test_the_schedule_rises_to_the_peak_and_falls_to_its_final_share():
    rates = [learning_rate(s, steps=101, warmup=20, peak=2.0, final=0.001) for s in range(101)]
    assert rates[0] == pytest.approx(2.0 / 20)
    assert rates[19] == rates[20] == pytest.approx(2.0)
    assert rates[60] == pytest.approx(2.0 * (0.001 + 0.999 / 2))  # half-way down the cosine
    assert rates[100] == pytest.approx(0.002)
    assert all(a < b for a, b in pairwise(rates[:20]))
    assert all(a > b for a, b in pairwise(rates[20:]))


def test_the_schedule_without_warm_up_starts_at_the_peak_and_may_be_one_step_long():
    assert learning_rate(0, steps=10, warmup=0, peak=3.0) == 3.0
    assert learning_rate(0, steps=1, warmup=0, peak=3.0) == 3.0
    assert learning_rate(4, steps=5, warmup=10, peak=3.0) == 1.5
    with pytest.raises(ValueError, match="step is 10"):
        learning_rate(10, steps=10, warmup=0, peak=1.0)


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_restored_state_continues_as_if_nothing_had_happened(name, generator):
    def fresh():
        torch_net = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
        return torch_net, build_optimiser(name, torch_net, lr=0.1, weight_decay=0.01)

    def steps(net, optimiser, grads, rate):
        for weight, bias in grads:
            set_learning_rate(optimiser, rate)
            net.weight.grad = weight.to(memory_format=torch.channels_last)
            net.bias.grad = bias.clone()
            optimiser.step()

    grads = [(torch.randn(5, 3, 3, 3, generator=generator), torch.randn(5, generator=generator)) for _ in range(6)]
    whole, first, second = fresh(), fresh(), fresh()
    first[0].load_state_dict(whole[0].state_dict())
    steps(*whole, grads, 0.05)
    steps(*first, grads[:3], 0.05)
    second[0].load_state_dict(first[0].state_dict())
    plain = {k: {n: v.contiguous() if v.dim() else v.clone() for n, v in e.items() if torch.is_tensor(v)}
             for k, e in optimiser_state(first[1]).items()}  # fmt: skip
    load_optimiser_state(second[1], plain)
    for state in second[1].state.values():
        assert all(v.is_contiguous(memory_format=torch.channels_last) for v in state.values() if v.dim() == 4)
    steps(*second, grads[3:], 0.05)
    assert torch.equal(whole[0].weight, second[0].weight)
    assert torch.equal(whole[0].bias, second[0].bias)


def test_the_state_of_another_model_is_refused(generator):
    net = small_net(generator)
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimiser = build_optimiser("adamw", net, lr=0.1, weight_decay=0.0)
    optimiser.step()
    other = nn.Sequential(nn.Linear(7, 7), nn.Linear(7, 7), nn.Linear(7, 7)).double()
    with pytest.raises(ValueError, match="another model"):
        load_optimiser_state(build_optimiser("adamw", other, lr=0.1, weight_decay=0.0), optimiser_state(optimiser))

"""The three terms, their weights, their bound and their numerical edges."""

import math

import numpy as np
import pytest
import torch
from oracles import codes, terms

from musiclib import MusicLoss, code_terms, lower_bound, music_terms, segment_softmax
from musiclib.coding import one_hot
from musiclib.objective import phi


def logits(generator, n=7, d=12, scale=1.0, dtype=torch.float64):
    return tuple(scale * torch.randn(2, n, d, generator=generator, dtype=torch.float64).to(dtype))


@pytest.mark.parametrize(("n", "segments", "d"), [(7, 3, 12), (1, 3, 12), (5, 1, 4), (6, 2, 4), (4, 6, 12), (3, 3, 3)])
@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_terms_equal_the_loops(generator, n, segments, d, temperature):
    z1, z2 = logits(generator, n, d)
    expected = terms(codes(z1.tolist(), segments, temperature), codes(z2.tolist(), segments, temperature))
    torch.testing.assert_close(
        tuple(map(float, music_terms(z1, z2, segments, temperature))), expected, rtol=1e-12, atol=1e-14
    )
    q1, q2 = segment_softmax(z1, segments, temperature), segment_softmax(z2, segments, temperature)
    torch.testing.assert_close(tuple(map(float, code_terms(q1, q2))), expected, rtol=1e-12, atol=1e-14)


def test_gradients_equal_finite_differences(generator):
    z1, z2 = (z.requires_grad_() for z in logits(generator, n=3, d=6))
    for tile in (None, 2):
        for term in range(3):
            assert torch.autograd.gradcheck(lambda a, b: music_terms(a, b, 3, 0.7, tile=tile)[term], (z1, z2))  # noqa: B023


def test_both_views_receive_mirror_image_gradients(generator):
    z1, z2 = (z.requires_grad_() for z in logits(generator))
    loss = MusicLoss(3)
    g1, g2 = torch.autograd.grad(loss(z1, z2), (z1, z2))
    h2, h1 = torch.autograd.grad(loss(z2, z1), (z2, z1))
    torch.testing.assert_close((g1, g2), (h1, h2), rtol=1e-11, atol=1e-15)
    assert g1.abs().sum() > 0
    assert g2.abs().sum() > 0


def test_an_orthogonal_array_attains_the_bound_in_every_term():
    k = 3
    table = torch.tensor([[a, b, (a + b) % k, (a + 2 * b) % k] for a in range(k) for b in range(k)])
    q = one_hot(table, k, torch.float64)
    diagonal, off, invariance = code_terms(q, q)
    assert float(diagonal) == pytest.approx(-math.log(3), abs=1e-14)
    assert float(off) == pytest.approx(-2 * math.log(3), abs=1e-14)
    assert float(invariance) == 0


def test_codes_that_never_agree_are_infinitely_far_apart():
    q1, q2 = one_hot(torch.tensor([[0, 1]]), 2), one_hot(torch.tensor([[1, 1]]), 2)
    assert code_terms(q1, q2).invariance == math.inf


def test_logits_reach_where_codes_have_underflowed():
    """Two opposite logits of margin M: -log <q1, q2> = M - log 2 to double precision, gradient +-1/2."""
    for margin in (120.0, 1e4):
        z1 = torch.tensor([[margin, 0.0, margin, 0.0]], requires_grad=True)
        z2 = torch.tensor([[0.0, margin, 0.0, margin]], requires_grad=True)
        invariance = music_terms(z1, z2, 2).invariance
        assert invariance.item() == pytest.approx(margin - math.log(2), rel=1e-6)
        g1, g2 = torch.autograd.grad(invariance, (z1, z2))
        rounding = 4 * margin * torch.finfo(torch.float32).eps  # of the logits, exponentiated
        torch.testing.assert_close(g1, torch.tensor([[0.25, -0.25, 0.25, -0.25]]), rtol=rounding, atol=0)
        torch.testing.assert_close(g2, -g1)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 200.0, 1e4])
@pytest.mark.parametrize("tile", [None, 4])
def test_values_and_gradients_are_finite_for_huge_float32_logits(generator, scale, tile):
    z1, z2 = (z.requires_grad_() for z in logits(generator, n=9, d=12, scale=scale, dtype=torch.float32))
    loss = MusicLoss(3, tile=tile)(z1, z2)
    gradients = torch.autograd.grad(loss, (z1, z2))
    assert torch.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in gradients)
    wide = MusicLoss(3)(z1.double(), z2.double())
    assert loss.item() == pytest.approx(wide.item(), rel=1e-5, abs=1e-5)


def test_an_empty_cell_costs_nothing_and_has_a_finite_slope():
    p = torch.tensor([0.0, 1e-45, 0.25, 1.0], requires_grad=True)
    value = phi(p)
    assert value.tolist() == pytest.approx([0.0, 0.0, -0.25 * math.log(4), 0.0], abs=1e-7)
    (slope,) = torch.autograd.grad(value.sum(), p)
    assert torch.isfinite(slope).all()
    assert slope[0] < -80
    assert slope[2:].tolist() == pytest.approx([math.log(0.25) + 1, 1.0])


def test_weights_choose_the_terms(generator):
    z1, z2 = logits(generator)
    a, b, c = map(float, music_terms(z1, z2, 3))
    assert float(MusicLoss(3, 2.0, 3.0, 0.5)(z1, z2)) == pytest.approx(2 * a + 3 * b + 0.5 * c, rel=1e-12)
    assert float(MusicLoss(3, invariance_weight=0.0)(z1, z2)) == pytest.approx(a + b, rel=1e-12)


def test_the_module_passes_its_temperature_on(generator):
    z1, z2 = logits(generator)
    assert float(MusicLoss(3, temperature=0.4)(z1, z2)) == pytest.approx(
        float(sum(music_terms(z1 / 0.4, z2 / 0.4, 3))), rel=1e-12
    )


def test_no_term_at_all_is_zero_with_a_zero_gradient(generator):
    z1, z2 = (z.requires_grad_() for z in logits(generator))
    nothing = MusicLoss(3, 0.0, 0.0, 0.0)(z1, z2)
    assert nothing.item() == 0
    assert all((g == 0).all() for g in torch.autograd.grad(nothing, (z1, z2)))


def test_a_missing_term_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        MusicLoss(2).combine((torch.tensor(1.0), torch.tensor(2.0)))


def test_a_weight_of_zero_silences_an_infinite_term():
    loss = MusicLoss(1, invariance_weight=0.0)
    q = one_hot(torch.tensor([[0]]), 2)
    assert math.isfinite(float(loss.combine(code_terms(q, q.flip(-1)))))


def test_one_segment_has_no_off_diagonal_term(generator):
    z1, z2 = (z.requires_grad_() for z in logits(generator, d=4))
    off = music_terms(z1, z2, 1).off_diagonal
    assert off.item() == 0
    assert all((g == 0).all() for g in torch.autograd.grad(off, (z1, z2)))


def test_autocast_leaves_the_loss_in_float32(generator):
    z1, z2 = logits(generator, dtype=torch.float32)
    loss = MusicLoss(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(z1, z2)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, loss(z1, z2))


@pytest.mark.parametrize("view", [0, 1])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_are_an_error_and_not_a_nan(bad, view):
    z = torch.zeros(2, 2, 6)
    z[view, 1, 2] = bad
    for call in (lambda: MusicLoss(2)(*z), lambda: music_terms(*z, 2)):
        with pytest.raises(ValueError, match=f"^z{view + 1}: 1 of 12 values are NaN or infinite"):
            call()


def test_the_module_leaves_the_look_for_nans_to_its_watch(generator, monkeypatch):
    """`music_terms` looks itself, which waits for the device; a training step must not wait."""
    looked = []
    monkeypatch.setattr("musiclib.objective.require_finite", lambda **z: looked.append(sorted(z)))
    z1, z2 = logits(generator)
    MusicLoss(3)(z1, z2)
    assert looked == []
    music_terms(z1, z2, 3)
    assert looked == [["z1", "z2"]]


@pytest.mark.parametrize("tile", [None, 4])
def test_the_loss_compiles_and_keeps_value_and_gradient(generator, tile):
    z1, z2 = (z.requires_grad_() for z in logits(generator))
    loss = MusicLoss(3, tile=tile)
    eager = loss(z1, z2)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)(z1, z2)
    torch.testing.assert_close(compiled, eager)
    torch.testing.assert_close(torch.autograd.grad(compiled, (z1, z2)), torch.autograd.grad(eager, (z1, z2)))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"segments": 0}, "^segments: "),
        ({"segments": 2.0}, "^segments: "),
        ({"segments": True}, "^segments: "),
        ({"segments": 2, "diagonal_weight": -1.0}, "^diagonal_weight: "),
        ({"segments": 2, "off_diagonal_weight": math.inf}, "^off_diagonal_weight: "),
        ({"segments": 2, "invariance_weight": math.nan}, "^invariance_weight: "),
        ({"segments": 2, "temperature": 0.0}, "^temperature: "),
        ({"segments": 2, "temperature": math.inf}, "^temperature: "),
        ({"segments": 2, "tile": 0}, "^tile: "),
        ({"segments": 2, "tile": 2.5}, "^tile: "),
        ({"segments": 2, "tile": True}, "^tile: "),
    ],
)
def test_bad_settings_are_refused_at_the_door(arguments, says):
    with pytest.raises(ValueError, match=says):
        MusicLoss(**arguments)


def test_one_unit_is_the_smallest_tile(generator):
    z1, z2 = logits(generator)
    assert float(MusicLoss(3, tile=1)(z1, z2)) == pytest.approx(float(MusicLoss(3)(z1, z2)), rel=1e-12)


@pytest.mark.parametrize(
    ("dtype", "passes", "fails"), [(torch.float32, 5e-5, 2e-4), (torch.float64, 5e-7, 2e-6)], ids=["float32", "float64"]
)
def test_sums_of_codes_may_be_off_by_rounding_and_by_no_more(dtype, passes, fails):
    good = torch.full((2, 2, 4), 0.25, dtype=dtype)
    code_terms(good, good * (1 + passes))
    code_terms(good * (1 - passes), good)
    with pytest.raises(ValueError, match=r"^q2: every code"):
        code_terms(good, good * (1 + fails))
    with pytest.raises(ValueError, match=r"^q1: every code"):
        code_terms(good * (1 - fails), good)


def test_codes_must_be_distributions():
    good = torch.full((2, 2, 3), 1 / 3)
    with pytest.raises(ValueError, match="q2: every code"):
        code_terms(good, good * 2)
    with pytest.raises(ValueError, match="q1: every code"):
        code_terms(torch.tensor([[[1.5, -0.5]]]), torch.tensor([[[0.5, 0.5]]]))
    with pytest.raises(ValueError, match="one shape"):
        music_terms(torch.zeros(2, 6), torch.zeros(2, 4), 2)


def test_the_bound_is_minus_three_log_k_with_unit_weights():
    assert lower_bound(units=80) == pytest.approx(-13.146, abs=5e-4)
    assert lower_bound(units=2) == pytest.approx(-3 * math.log(2))
    assert lower_bound(units=1) == 0
    assert lower_bound(units=1, invariance_weight=0.0) == 0
    assert lower_bound(units=2, diagonal_weight=0.0) == pytest.approx(-2 * math.log(2))
    assert lower_bound(units=5, segments=1) == pytest.approx(-math.log(5))
    assert lower_bound(units=5, diagonal_weight=2.0, off_diagonal_weight=0.5) == pytest.approx(-3 * math.log(5))
    with pytest.raises(ValueError, match=r"^units: "):
        lower_bound(units=0)


@pytest.mark.parametrize("weight", [0.0, 0.05, 0.2, 0.3, 0.31, 0.5])
@pytest.mark.parametrize("diagonal", [1.0, 2.0])
def test_the_bound_for_two_units_is_the_minimum_over_all_agreements(weight, diagonal):
    """By a grid over tau instead of Lambert's W: a tau log(tau / 2) - c log tau - 2 log 2."""
    tau = np.arange(1, 200_001) / 200_000
    expected = np.min(diagonal * tau * np.log(tau / 2) - weight * np.log(tau)) - 2 * math.log(2)
    bound = lower_bound(units=2, diagonal_weight=diagonal, invariance_weight=weight)
    assert bound == pytest.approx(expected, abs=1e-9)


def test_the_module_says_what_it_is():
    assert repr(MusicLoss(4, tile=64)) == "MusicLoss(segments=4, weights=(1, 1, 1), temperature=1, tile=64)"
    assert list(MusicLoss(4).parameters()) == []
    assert MusicLoss(4).state_dict() == {}

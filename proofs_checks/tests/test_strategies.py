"""Strategies reach what they promise: every kind, both ends of the simplex, arrays that are arrays."""

import pytest
import torch
from hypothesis import HealthCheck, find, given, settings

from proofs_checks.premises import designs, strategies
from proofs_checks.premises.strategies import KINDS, VIEWS, logits_of

QUIET = settings(
    max_examples=2000, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("view", VIEWS)
def test_codes_of_every_kind_are_distributions_and_replay(kind, view):
    z1, z2 = logits_of(kind, view, (7, 3, 4), seed=11)
    again = logits_of(kind, view, (7, 3, 4), seed=11)
    assert torch.equal(z1, again[0])
    assert torch.equal(z2, again[1])
    for z in (z1, z2):
        assert z.dtype == torch.float64
        assert torch.isfinite(z).all()
        assert torch.allclose(torch.softmax(z, -1).sum(-1), torch.ones(7, 3, dtype=torch.float64))


def test_no_global_generator_is_touched():
    state = torch.get_rng_state()
    for kind in KINDS:
        logits_of(kind, "independent", (5, 2, 3), seed=0)
    assert torch.equal(state, torch.get_rng_state())


REACHED = {
    "exactly one-hot": lambda c: bool((c.q1.max(-1).values == 1).all()),
    "an unused unit": lambda c: bool((c.q1.sum(0) == 0).any()),
    "uniform": lambda c: bool((c.q1 == c.q1[0, 0, 0]).all()),
    "one sample": lambda c: c.n == 1,
    "views that never agree": lambda c: bool(((c.q1 * c.q2).sum(-1) == 0).any()),
    "equal views": lambda c: torch.equal(c.q1, c.q2) and c.n > 3,
    "an almost empty cell": lambda c: bool(((c.q1 > 0) & (c.q1 < 1e-30)).any()),
    "the largest size": lambda c: c.n == 12 and c.s == 4 and c.k == 6,
}


@pytest.mark.parametrize("case", sorted(REACHED))
def test_rare_codes_are_reached(case):
    assert REACHED[case](find(strategies.codes(), REACHED[case], settings=QUIET))


@settings(QUIET, max_examples=30)
@given(strategies.orthogonal())
def test_drawn_arrays_are_orthogonal(codes):
    labels = codes.q1.argmax(-1).numpy()
    assert designs.is_strength_two(labels, codes.k)
    assert torch.equal(codes.q1, codes.q2)


@settings(QUIET, max_examples=30)
@given(strategies.logits())
def test_magnitude_is_the_largest_logit_in_temperatures(logits):
    largest = max(abs(float(z)) for view in (logits.z1, logits.z2) for z in view.flatten())
    assert logits.magnitude == pytest.approx(largest / logits.t)


def test_smoothing_is_a_mixture_with_the_uniform_code():
    q = strategies.one_hot(torch.tensor([[0, 2]]), 4)
    assert strategies.smooth(q, 0.4)[0, 0].tolist() == pytest.approx([0.7, 0.1, 0.1, 0.1])

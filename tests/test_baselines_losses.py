"""Every peer's loss against slow float64 loops in value and gradient; its optimum, value at collapse, and errors."""

import math

import numpy as np
import pytest
import torch

from musiclib.methods import (
    barlow_twins_loss,
    byol_loss,
    deepcluster_loss,
    moco_loss,
    sela_loss,
    simclr_loss,
    simsiam_loss,
    swav_loss,
    vicreg_loss,
    wmse_loss,
)
from musiclib.methods.wmse import whiten
from proofs_checks.conformance import loops as slow

N, D, K = 6, 3, 4
LABELS = torch.tensor([[0, 3, 1, -100, 2, 3], [1, 1, 0, 2, -100, 0]])


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=-1, keepdim=True)


QUEUE = unit(draw(5, D, seed=9))
CODES = [torch.softmax(draw(N, K, seed=s), dim=1) for s in (7, 8)]
CLUSTERS = draw(2, K, D, seed=3)

# name -> (loss, loops, inputs that receive a gradient, inputs that receive none)
CASES = {
    "simclr": (
        lambda z1, z2: simclr_loss(z1, z2, 0.3),
        lambda z1, z2: slow.simclr(z1, z2, 0.3),
        [draw(N, D, seed=1), draw(N, D, seed=2)],
        [],
    ),
    "moco": (
        lambda q, k: moco_loss(q, k, torch.cat([QUEUE, 7 * QUEUE]), torch.arange(10) < 5, 0.2),
        lambda q, k: slow.moco(q, k, QUEUE.numpy(), 0.2),
        [draw(N, D, seed=1)],
        [draw(N, D, seed=2)],
    ),
    "byol": (byol_loss, slow.byol, [draw(N, D, seed=1)], [draw(N, D, seed=2)]),
    "simsiam": (
        simsiam_loss,
        slow.simsiam,
        [draw(N, D, seed=1), draw(N, D, seed=2)],
        [draw(N, D, seed=3), draw(N, D, seed=4)],
    ),
    "deepcluster": (
        lambda z1, z2, c: deepcluster_loss(z1, z2, c, LABELS, 0.4),
        lambda z1, z2, c: slow.clusters(z1, z2, c, LABELS.numpy(), 0.4),
        [draw(N, D, seed=1), draw(N, D, seed=2)],
        [CLUSTERS],
    ),
    "sela": (
        lambda z1, z2, c: sela_loss(z1, z2, c, LABELS, 0.4),
        lambda z1, z2, c: slow.clusters(z1, z2, c, LABELS.numpy(), 0.4),
        [draw(N, D, seed=1), draw(N, D, seed=2), CLUSTERS],
        [],
    ),
    "swav": (
        lambda s1, s2, q1, q2: swav_loss(s1, s2, q1, q2, 0.3),
        lambda s1, s2, q1, q2: slow.swav(s1, s2, q1, q2, 0.3),
        [draw(N, K, seed=1), draw(N, K, seed=2)],
        CODES,
    ),
    "wmse in one run": (
        lambda z1, z2: wmse_loss(z1, z2, 9, 0.05),
        lambda z1, z2: slow.wmse(z1, z2, [(0, 9)], 0.05),
        [draw(9, D, seed=1), draw(9, D, seed=2)],
        [],
    ),
    "wmse in two runs": (
        lambda z1, z2: wmse_loss(z1, z2, 4, 0.05),
        lambda z1, z2: slow.wmse(z1, z2, [(0, 5), (5, 9)], 0.05),
        [draw(9, D, seed=1), draw(9, D, seed=2)],
        [],
    ),
    "barlow_twins": (
        lambda z1, z2: barlow_twins_loss(z1, z2, 0.07),
        lambda z1, z2: slow.barlow_twins(z1, z2, 0.07),
        [draw(N, D, seed=1), draw(N, D, seed=2)],
        [],
    ),
    "vicreg as released": (
        lambda z1, z2: vicreg_loss(z1, z2),
        lambda z1, z2: slow.vicreg(z1, z2, (25, 25, 1), 0.5),
        [0.6 * draw(N, D, seed=1), 0.6 * draw(N, D, seed=2)],
        [],
    ),
    "vicreg as printed": (
        lambda z1, z2: vicreg_loss(z1, z2, 3.0, 5.0, 2.0, halve_variance=False),
        lambda z1, z2: slow.vicreg(z1, z2, (3, 5, 2), 1.0),
        [0.6 * draw(N, D, seed=1), 0.6 * draw(N, D, seed=2)],
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_value_is_that_of_the_loops(name):
    fast, loops, live, still = CASES[name]
    inputs = [*live, *still]
    assert fast(*inputs).item() == pytest.approx(loops(*[x.numpy() for x in inputs]), rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_the_slope_of_the_loops(name):
    fast, loops, live, still = CASES[name]
    inputs = [x.clone().requires_grad_() for x in [*live, *still]]
    fast(*inputs).backward()
    values = [x.numpy() for x in [*live, *still]]
    for place in range(len(live)):

        def along(x, place=place):
            return loops(*[x if i == place else v for i, v in enumerate(values)])

        expected = slow.slope(along, values[place])
        assert np.abs(expected).max() > 1e-3  # a zero slope would prove nothing
        np.testing.assert_allclose(inputs[place].grad.numpy(), expected, rtol=1e-6, atol=1e-7)
    for x in inputs[len(live) :]:
        assert x.grad is None or not x.grad.any()


@pytest.mark.parametrize("name", CASES)
def test_half_precision_under_autocast_is_computed_in_float32(name):
    fast, _, live, still = CASES[name]
    inputs = [x.bfloat16().requires_grad_() for x in [*live, *still]]
    with torch.autocast("cpu", torch.bfloat16):
        loss = fast(*inputs)
    loss.backward()
    assert loss.dtype == torch.float32
    expected = fast(*[x.detach().double() for x in inputs]).item()  # the same rounded inputs, computed in float64
    assert loss.item() == pytest.approx(expected, rel=2e-5)
    assert all(x.grad.isfinite().all() for x in inputs[: len(live)])


# --- known optima ---------------------------------------------------------------------------------------------------


def simplex(n: int) -> torch.Tensor:
    """n unit vectors in R^n, every two at cosine -1 / (n - 1)."""
    return unit(torch.eye(n, dtype=torch.float64) - 1 / n)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_simclr_is_least_at_the_corners_of_a_simplex(n):
    z, tau = simplex(n), 0.5
    least = math.log(1 + (2 * n - 2) * math.exp(-n / ((n - 1) * tau)))
    assert simclr_loss(z, z, tau).item() == pytest.approx(least, rel=1e-12)
    for seed in range(5):
        moved = z + 0.1 * draw(n, n, seed=seed)
        assert simclr_loss(moved, z, tau).item() > least + 1e-6


def test_moco_vanishes_when_the_queue_is_opposite_and_the_temperature_low():
    q = draw(1, D).expand(N, D)
    assert moco_loss(q, q, unit(-q[:2]), None, 0.05).item() == pytest.approx(2 * math.exp(-40), rel=1e-6)


def test_byol_is_zero_where_each_prediction_points_at_its_target():
    z = draw(N, D)
    assert byol_loss(5 * z, z).item() == pytest.approx(0, abs=1e-14)
    assert byol_loss(-z, z).item() == pytest.approx(4, rel=1e-14)


def test_simsiam_is_minus_one_where_predictions_point_at_their_targets():
    z1, z2 = draw(N, D), draw(N, D, seed=1)
    assert simsiam_loss(2 * z2, 3 * z1, z1, z2).item() == pytest.approx(-1, rel=1e-14)


def test_swav_is_least_at_the_entropy_of_the_codes():
    codes = torch.softmax(draw(N, K), dim=1)
    scores = 0.3 * codes.log()  # at temperature 0.3 the predictions are the codes
    entropy = -(codes * codes.log()).sum(dim=1).mean().item()
    assert swav_loss(scores, scores, codes, codes, 0.3).item() == pytest.approx(entropy, rel=1e-12)
    assert swav_loss(scores + 0.1 * draw(N, K, seed=2), scores, codes, codes, 0.3).item() > entropy


@pytest.mark.parametrize("loss", [deepcluster_loss, sela_loss])
def test_clusters_are_free_when_every_sample_sits_on_its_prototype(loss):
    prototypes, labels = torch.eye(4).unsqueeze(0), torch.tensor([[0, 1, 2, 3, 0]])
    z = prototypes[0, labels[0]]
    assert loss(z, z, prototypes, labels, 0.01).item() == pytest.approx(0, abs=1e-12)


def test_wmse_is_zero_for_equal_views_and_blind_to_linear_maps_of_either():
    z = draw(20, D)
    assert wmse_loss(z, z).item() == pytest.approx(0, abs=1e-12)
    mixed = z @ torch.linalg.qr(draw(D, D, seed=5)).R.tril().add(torch.eye(D)).T + 3
    lower = torch.tensor([[2.0, 0, 0], [1, 3, 0], [-1, 0.5, 1]], dtype=torch.float64)
    assert wmse_loss(z, z @ lower.T, shrinkage=0).item() == pytest.approx(0, abs=1e-12)  # Cholesky undoes triangles
    assert wmse_loss(mixed, -mixed).item() == pytest.approx(4, rel=1e-12)


def test_whitened_samples_have_mean_zero_and_unit_covariance():
    w = whiten(draw(30, D) @ draw(D, D, seed=1) + 5, shrinkage=0)
    np.testing.assert_allclose(w.mean(dim=0), 0, atol=1e-13)
    np.testing.assert_allclose(np.cov(w.numpy().T), np.eye(D), atol=1e-12)


def test_barlow_twins_is_zero_where_equal_views_are_uncorrelated():
    z = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    assert barlow_twins_loss(100 * z, 100 * z).item() == pytest.approx(0, abs=1e-15)
    assert barlow_twins_loss(100 * z, -100 * z).item() == pytest.approx(8, rel=1e-6)


def test_vicreg_is_zero_where_equal_views_are_uncorrelated_and_wide():
    z = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    assert vicreg_loss(z, z).item() == 0  # sample variance 4/3 is beyond the hinge


# --- values at collapse ---------------------------------------------------------------------------------------------

ONE = torch.tensor([[0.3, -0.5, 0.8]], dtype=torch.float64).expand(N, D)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(lambda: simclr_loss(ONE, ONE, 0.1), math.log(2 * N - 1), id="simclr"),
        pytest.param(lambda: moco_loss(ONE, ONE, unit(ONE[:4])), math.log(5), id="moco"),
        pytest.param(lambda: byol_loss(ONE, ONE), 0, id="byol"),
        pytest.param(lambda: simsiam_loss(ONE, ONE, ONE, ONE), -1, id="simsiam"),
        pytest.param(
            lambda: deepcluster_loss(ONE, ONE, ONE[:4].unsqueeze(0), LABELS[:1], 0.1), math.log(4), id="deepcluster"
        ),
        pytest.param(lambda: sela_loss(ONE, ONE, ONE[:4].unsqueeze(0), LABELS[:1], 0.1), math.log(4), id="sela"),
        pytest.param(
            lambda: swav_loss(ONE, ONE, torch.full((N, D), 1 / D), torch.full((N, D), 1 / D), 1e6),
            math.log(D),
            id="swav",
        ),
        pytest.param(lambda: wmse_loss(ONE, ONE), 2, id="wmse"),
        pytest.param(lambda: barlow_twins_loss(ONE, ONE), D, id="barlow_twins"),
        pytest.param(lambda: vicreg_loss(ONE, ONE), 25 * (1 - 0.01), id="vicreg as released"),
        pytest.param(lambda: vicreg_loss(ONE, ONE, halve_variance=False), 50 * (1 - 0.01), id="vicreg as printed"),
    ],
)
def test_collapse_costs_what_the_docstring_says(value, expected):
    assert value().item() == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "name", ["simclr", "moco", "byol", "simsiam", "wmse in one run", "barlow_twins", "vicreg as released"]
)
@pytest.mark.parametrize("level", [0.0, 1.0, 1e4])
def test_gradients_at_collapse_are_finite(name, dtype, level):
    fast, _, live, still = CASES[name]
    inputs = [torch.full_like(x, level, dtype=dtype).requires_grad_() for x in [*live, *still]]
    if name == "moco":
        inputs = [*inputs[:1], inputs[1].detach()]
        loss = moco_loss(*inputs, QUEUE.to(dtype))
    else:
        loss = fast(*inputs)
    loss.backward()
    assert loss.isfinite()
    assert all(x.grad.isfinite().all() for x in inputs[: len(live)])


# --- edges and errors -----------------------------------------------------------------------------------------------


def test_a_rank_deficient_batch_is_whitened_within_bounds():
    line = (torch.arange(40.0).unsqueeze(1) * torch.tensor([[1e3, 2e3, -1e3, 5.0]])).requires_grad_()  # rank 1, float32
    w = whiten(line, shrinkage=1e-3)
    w.sum().backward()
    assert w.isfinite().all()
    assert line.grad.isfinite().all()
    assert np.cov(w.detach().double().numpy().T).trace() < 4 / (1 - 1e-3) + 1e-3  # never more variance than whitened


def test_shrinkage_does_not_depend_on_the_scale_of_the_embedding():
    z1, z2 = draw(20, D), draw(20, D, seed=1)
    assert wmse_loss(1e3 * z1, 1e-3 * z2).item() == pytest.approx(wmse_loss(z1, z2).item(), rel=1e-9)


def test_a_sub_batch_not_larger_than_the_embedding_is_an_error_with_the_numbers():
    with pytest.raises(ValueError, match=r"3 samples cannot be whitened in 3 dimensions"):
        wmse_loss(draw(6, 3), draw(6, 3), sub_batch=3)


def test_moco_without_a_filled_queue_is_zero_and_still_differentiable():
    q = draw(N, D).requires_grad_()
    loss = moco_loss(q, draw(N, D, seed=1), torch.zeros(5, D), torch.zeros(5, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert not q.grad.any()


@pytest.mark.parametrize("loss", [deepcluster_loss, sela_loss])
def test_a_batch_without_any_label_is_zero_and_still_differentiable(loss):
    z = draw(N, D).requires_grad_()
    value = loss(z, z, CLUSTERS[:1], torch.full((1, N), -100))
    value.backward()
    assert value.item() == 0
    assert not z.grad.any()


def test_barlow_twins_of_one_dimension_and_vicreg_of_one_dimension_have_no_off_diagonal():
    z1, z2 = draw(N, 1), draw(N, 1, seed=1)
    assert barlow_twins_loss(z1, z2, 0.1).item() == barlow_twins_loss(z1, z2, 0.9).item()
    assert vicreg_loss(z1, z2, covariance_weight=0).item() == vicreg_loss(z1, z2, covariance_weight=9).item()


PAIRS = {
    "simclr": simclr_loss,
    "byol": byol_loss,
    "moco": lambda a, b: moco_loss(a, b, torch.zeros(2, 3)),
    "simsiam": lambda a, b: simsiam_loss(a, b, a, b),
    "deepcluster": lambda a, b: deepcluster_loss(a, b, torch.zeros(1, 2, 3), torch.zeros(1, 4, dtype=torch.long)),
    "sela": lambda a, b: sela_loss(a, b, torch.zeros(1, 2, 3), torch.zeros(1, 4, dtype=torch.long)),
    "swav": lambda a, b: swav_loss(a, a, b, b),
    "wmse": wmse_loss,
    "barlow_twins": barlow_twins_loss,
    "vicreg": vicreg_loss,
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param(torch.zeros(4, 3), torch.zeros(5, 3), id="other length"),
        pytest.param(torch.zeros(4, 3), torch.zeros(4, 2), id="other width"),
        pytest.param(torch.zeros(4, 3, 1), torch.zeros(4, 3, 1), id="three axes"),
        pytest.param(torch.zeros(4), torch.zeros(4), id="one axis"),
        pytest.param(torch.zeros(4, 0), torch.zeros(4, 0), id="no columns"),
        pytest.param(torch.zeros(0, 3), torch.zeros(0, 3), id="no rows"),
        pytest.param(torch.zeros(4, 3, dtype=torch.long), torch.zeros(4, 3, dtype=torch.long), id="integers"),
    ],
)
def test_bad_shapes_are_errors_that_say_what_was_expected(name, a, b):
    with pytest.raises(ValueError, match=r"expected|too small"):
        PAIRS[name](a, b)


@pytest.mark.parametrize("name", ["simclr", "wmse", "barlow_twins", "vicreg"])
def test_a_batch_of_one_is_an_error_where_the_loss_compares_samples(name):
    with pytest.raises(ValueError, match="a batch of 1 is too small"):
        PAIRS[name](torch.zeros(1, 3), torch.zeros(1, 3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: simclr_loss(draw(N, D), draw(N, D), 0.0),
        lambda: moco_loss(draw(N, D), draw(N, D), QUEUE, temperature=-1.0),
        lambda: swav_loss(*[draw(N, K)] * 4, temperature=0.0),
        lambda: sela_loss(draw(N, D), draw(N, D), CLUSTERS, LABELS, float("nan")),
    ],
)
def test_a_temperature_that_is_not_positive_is_an_error(call):
    with pytest.raises(ValueError, match=r"temperature: expected a number > 0"):
        call()


def test_labels_and_queues_of_the_wrong_shape_are_errors():
    with pytest.raises(ValueError, match="prototypes and labels"):
        deepcluster_loss(draw(N, D), draw(N, D), CLUSTERS, LABELS[:1])
    with pytest.raises(ValueError, match="scores and labels"):
        sela_loss(draw(N, D), draw(N, D), CLUSTERS, LABELS[:, :4])
    with pytest.raises(ValueError, match="queue: expected rows of width 3"):
        moco_loss(draw(N, D), draw(N, D), torch.zeros(4, 2))

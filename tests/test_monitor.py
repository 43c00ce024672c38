"""Monitors: closed forms where they exist, and constructed batches that are healthy or collapsed in a known way."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score

from musiclib import music_terms
from musiclib.monitor import (
    alignment,
    code_health,
    code_regime,
    collapse_reason,
    collapse_values,
    effective_rank,
    health,
    pair_information,
    spread,
    uniformity,
    watch,
)


def normal(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def music_method(segments, temperature=1.0, weights=(1.0, 1.0, 1.0)):
    names = ("diagonal_weight", "off_diagonal_weight", "invariance_weight")
    options = SimpleNamespace(segments=segments, temperature=temperature, **dict(zip(names, weights, strict=True)))
    return SimpleNamespace(options=options)


def one_hot_logits(codes, units, margin=60.0):
    return margin * torch.nn.functional.one_hot(codes, units).float().flatten(1)


# ---------------------------------------------------------------- general quantities


def test_effective_rank_of_known_spectra():
    q, _ = torch.linalg.qr(normal(40, 5).double() - normal(40, 5).double().mean(0))
    q = torch.linalg.qr(q - q.mean(0))[0]  # orthonormal columns orthogonal to the ones
    assert effective_rank(q) == pytest.approx(5, abs=1e-6)
    p = np.array([0.5, 0.25, 0.125, 0.125])
    assert effective_rank(q[:, :4] * torch.tensor(p)) == pytest.approx(math.exp(-(p * np.log(p)).sum()), abs=1e-6)
    line = torch.linspace(-1, 1, 40)[:, None] * torch.ones(1, 7)
    assert effective_rank(line) == pytest.approx(1, abs=1e-4)


def test_effective_rank_ignores_scale_offset_and_which_side_is_longer():
    z = normal(30, 12)
    assert effective_rank(100 * z + 7) == pytest.approx(effective_rank(z), rel=1e-4)
    padded = torch.cat([z, torch.zeros(30, 60)], dim=1)  # more dimensions than samples: the other Gram matrix
    assert effective_rank(padded) == pytest.approx(effective_rank(z), rel=1e-4)
    values = np.linalg.svd((z - z.mean(0)).double().numpy(), compute_uv=False)
    p = values / values.sum()
    assert effective_rank(z) == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-6)


def test_effective_rank_of_equal_rows_is_zero():
    assert effective_rank(torch.ones(8, 5) * 0.3) == 0.0
    assert effective_rank(torch.zeros(8, 5)) == 0.0


def test_alignment_and_uniformity_in_closed_form():
    z = normal(16, 8)
    assert alignment(z, 3 * z) == pytest.approx(0, abs=1e-6)  # only directions count
    assert alignment(z, -z) == pytest.approx(4, abs=1e-5)
    assert uniformity(torch.ones(6, 4)) == pytest.approx(0, abs=1e-6)
    axes = torch.eye(5)  # all squared distances are 2
    assert uniformity(axes) == pytest.approx(-4, abs=1e-5)
    assert uniformity(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(-8, abs=1e-5)


def test_spread_is_one_for_all_directions_and_zero_for_one():
    assert spread(normal(4000, 64)) == pytest.approx(1, abs=0.01)
    assert spread(torch.ones(10, 4)) == pytest.approx(0, abs=1e-6)


# ---------------------------------------------------------------- healthy and collapsed batches


def test_independent_directions_are_healthy():
    z = normal(256, 32)
    found = health(z, z + 0.1 * normal(256, 32, 1))
    assert found["collapsed"] is False
    assert found["collapsed_because"] is None
    assert found["effective_rank"] > 25
    assert found["alignment"] < 0.05
    assert found["uniformity"] < -3


def test_a_single_point_with_noise_is_a_collapse():
    z = torch.ones(1, 32) + 0.01 * normal(256, 32)
    found = health(z, z)
    assert found["collapsed"] is True
    assert "spread" in found["collapsed_because"]


def test_a_line_is_a_collapse_unless_there_are_only_two_dimensions():
    line = normal(256, 1) * torch.ones(1, 16) + 1e-4 * normal(256, 16, 1)
    found = health(line, line)
    assert found["spread"] > 0.5
    assert found["collapsed"] is True
    assert "effective rank" in found["collapsed_because"]
    assert health(line[:, :2], line[:, :2])["collapsed"] is False


def test_nan_counts_as_collapsed():
    assert collapse_reason(float("nan"), 1.0, 16) is not None
    assert collapse_reason(10.0, float("nan"), 16) is not None
    assert collapse_reason(2.0, 0.05, 16) is None


# ---------------------------------------------------------------- MUSIC


S, K = 3, 4
TABLE = torch.cartesian_prod(torch.arange(K), torch.arange(K))  # two segments, every pair of units once
FIELD = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]])  # addition in GF(4)
IDEAL = torch.cat([TABLE, FIELD[TABLE[:, 0], TABLE[:, 1]][:, None]], dim=1)  # an orthogonal array of strength two


def music_health(z1, z2, weights=(1.0, 1.0, 1.0)):
    return health(z1, z2, music_method(S, weights=weights), music_terms(z1, z2, S)._asdict())


def test_ideal_codes_sit_on_the_bound():
    z = one_hot_logits(IDEAL, K)
    found = music_health(z, z)
    assert found["gap_bound"] == pytest.approx(0, abs=1e-4)
    assert found["usage"] == [pytest.approx(1, abs=1e-5)] * S
    assert found["agreement"] == 1
    assert found["agreement_chance"] == pytest.approx(1 / K, abs=1e-6)
    assert found["peak"] == pytest.approx(1, abs=1e-6)
    assert found["effective_rank"] == pytest.approx(S * (K - 1), abs=1e-3)
    assert not found["collapsed"]


def test_uniform_collapse_sits_on_its_value():
    z = 1e-3 * normal(64, S * K)
    found = music_health(z, z)
    assert found["gap_uniform"] == pytest.approx(0, abs=1e-4)
    assert found["collapsed"]
    assert found["usage_min"] == pytest.approx(1, abs=1e-5)  # usage alone does not see it
    assert found["peak"] == pytest.approx(1 / K, abs=1e-2)


def test_constant_collapse_sits_on_its_value():
    z = one_hot_logits(torch.tensor([[0, 2, 1]]).expand(64, -1), K)
    found = music_health(z, z)
    assert found["gap_constant"] == pytest.approx(0, abs=1e-4)
    assert found["collapsed"]
    assert found["usage"] == [0.0] * S


def test_identical_segments_sit_on_their_value_and_are_no_collapse_to_a_point():
    z = one_hot_logits(torch.arange(64)[:, None].expand(-1, S) % K, K)
    found = music_health(z, z)
    assert found["gap_identical"] == pytest.approx(0, abs=1e-4)
    assert found["effective_rank"] == pytest.approx(K - 1, abs=1e-3)
    assert not found["collapsed"]


@pytest.mark.parametrize("weights", [(1.0, 1.0, 0.0), (2.0, 0.5, 3.0), (1.0, 0.0, 1.0)])
def test_collapse_values_follow_the_weights(weights):
    uniform = 0.0 * normal(64, S * K)
    same = one_hot_logits(torch.arange(64)[:, None].expand(-1, S) % K, K)
    assert music_health(uniform, uniform, weights)["gap_uniform"] == pytest.approx(0, abs=1e-4)
    assert music_health(same, same, weights)["gap_identical"] == pytest.approx(0, abs=1e-4)


def test_collapse_values_at_the_scale_of_the_paper():
    values = collapse_values(102, 80, invariance_weight=0.0)
    assert values["bound"] == pytest.approx(-13.146, abs=5e-4)
    assert values["identical"] - values["bound"] == pytest.approx(4.382, abs=5e-4)
    assert values["uniform"] - values["bound"] == pytest.approx(4.273, abs=6e-4)
    assert values["constant"] == 0.0
    assert collapse_values(1, 80)["identical"] == pytest.approx(-math.log(80))


def test_agreement_counts_segments_whose_hard_codes_differ():
    a = torch.zeros(10, 2, dtype=torch.long)
    b = a.clone()
    b[:4, 1] = 1
    q1, q2 = (torch.nn.functional.one_hot(c, 3).float() for c in (a, b))
    found = code_health(q1, q2)
    assert found["agreement"] == pytest.approx(16 / 20)
    assert found["agreement_chance"] == pytest.approx((1.0 + 0.6) / 2)
    p = np.array([0.8, 0.2])  # mean of both views in the second segment
    assert found["usage"] == [0.0, pytest.approx(-(p * np.log(p)).sum() / math.log(3), abs=1e-5)]


def test_the_watch_gives_plain_numbers_that_json_can_hold():
    z = one_hot_logits(IDEAL, K)
    output = SimpleNamespace(z1=z, z2=z, terms=music_terms(z, z, S)._asdict(), loss=None)
    found = watch(music_method(S))(output)
    assert json.loads(json.dumps(found)) == found
    assert "gap_bound" in found
    other = watch(SimpleNamespace(options=SimpleNamespace(width=3)))(output)
    assert "usage" not in other
    assert "effective_rank" in other


def test_one_sample_and_unequal_views_are_refused():
    with pytest.raises(ValueError, match="N >= 2"):
        health(torch.ones(1, 3), torch.ones(1, 3))
    with pytest.raises(ValueError, match="one shape"):
        health(torch.ones(4, 3), torch.ones(5, 3))


# ---------------------------------------------------------------- between segments, and which collapse


def labels_health(labels1, labels2, units=K, margin=60.0):
    z1, z2 = (one_hot_logits(labels, units, margin) for labels in (labels1, labels2))
    return health(z1, z2, music_method(labels1.shape[1]))


def test_pair_information_counts_every_ordered_pair_of_different_segments():
    x = torch.randint(0, 3, (60, 1), generator=torch.Generator().manual_seed(0))
    free = torch.randint(0, 3, (60, 1), generator=torch.Generator().manual_seed(1))
    both = torch.cat([x, x, free], dim=1)
    q = torch.nn.functional.one_hot(both, 3).double()
    pairs = [(s, t) for s in range(3) for t in range(3) if s != t]
    own = [scipy_entropy(np.bincount(both[:, s])) for s in range(3)]
    shared = sum(mutual_info_score(both[:, s], both[:, t]) for s, t in pairs)
    expected = shared / sum(min(own[s], own[t]) for s, t in pairs)
    assert pair_information(q, q) == pytest.approx(expected, abs=1e-9)
    assert pair_information(q[:, :1], q[:, :1]) == 0.0
    assert pair_information(torch.ones(5, 3, 1), torch.ones(5, 3, 1)) == 0.0
    assert pair_information(q[:1].repeat(9, 1, 1), q[:1].repeat(9, 1, 1)) == 0.0  # constant segments


def test_pair_information_does_not_depend_on_how_evenly_units_are_used():
    rare = (torch.arange(90) < 5).long()[:, None]
    q = torch.nn.functional.one_hot(torch.cat([rare, 1 - rare], dim=1), 4).float()
    assert pair_information(q, q) == pytest.approx(1, abs=1e-9)


def test_pair_information_of_many_segments_takes_some_of_them():
    table = torch.randint(0, 2, (40, 1), generator=torch.Generator().manual_seed(0)).repeat(1, 50)
    q = torch.nn.functional.one_hot(table, 2).float()
    full = pair_information(q[:, :2], q[:, :2])
    assert full == pytest.approx(1, abs=1e-9)
    assert pair_information(q, q) == pytest.approx(full, abs=1e-9)


def test_sharpness_and_agreement_of_soft_codes_in_numbers():
    q1 = torch.tensor([[[0.7, 0.3, 0.0]], [[0.4, 0.3, 0.3]]])
    q2 = torch.tensor([[[0.5, 0.5, 0.0]], [[0.0, 1.0, 0.0]]])
    found = code_health(q1, q2)
    assert found["agreement_mass"] == pytest.approx((0.35 + 0.15 + 0.3) / 2, abs=1e-6)
    assert found["undecided"] == pytest.approx(1 / 4)  # the 0.4; a tie at 0.5 is decided
    assert found["peak"] == pytest.approx((0.7 + 0.4 + 0.5 + 1.0) / 4, abs=1e-6)


def test_every_trivial_code_is_told_by_its_name():
    assert code_regime(labels_health(IDEAL, IDEAL), K) == "coding"
    assert code_regime(labels_health(IDEAL, IDEAL, margin=0.01), K) == "uniform"
    assert code_regime(labels_health(0 * IDEAL, 0 * IDEAL), K) == "constant"
    same = IDEAL[:, :1].repeat(1, S)
    assert code_regime(labels_health(same, same), K) == "redundant"
    assert code_regime(labels_health(IDEAL, (IDEAL + 1) % K), K) == "unrelated"
    assert code_regime(labels_health(IDEAL, FIELD[IDEAL[:, [1, 2, 0]], IDEAL]), K) == "unrelated"


def test_information_of_independent_codes_is_what_the_batch_size_makes_it():
    generator = torch.Generator().manual_seed(0)
    found = labels_health(*[torch.randint(0, 8, (64, 12), generator=generator)] * 2, units=8)
    assert found["information_hard"] == pytest.approx(found["information_chance"], rel=0.05)
    assert found["information_chance"] > 0.1  # N = K^2: far from zero without any dependence
    assert code_regime(found, 8) == "coding"

"""What the peers share: momentum copies, the queue, the memory, k-means, the checks at the door."""

import math

import pytest
import torch
from torch import nn

from musiclib.methods.parts.kmeans import _fill_empty, spherical_kmeans
from musiclib.methods.parts.memory import EmbeddingMemory
from musiclib.methods.parts.momentum import cosine_momentum, follow, frozen_copy
from musiclib.methods.parts.numerics import check_views
from musiclib.methods.parts.prototypes import random_prototypes
from musiclib.methods.parts.queue import RowQueue

# --- momentum -------------------------------------------------------------------------------------------------------


def test_the_slow_copy_moves_by_one_minus_momentum_of_the_way():
    fast = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    slow = frozen_copy(fast)
    with torch.no_grad():
        for p in fast.parameters():
            p += 1
    start = [p.clone() for p in slow.parameters()]
    follow(slow, fast, 0.9)
    for before, after in zip(start, slow.parameters(), strict=True):
        torch.testing.assert_close(after, before + 0.1)
        assert not after.requires_grad


def test_momentum_one_stands_still_and_momentum_zero_copies():
    fast, slow = nn.Linear(2, 2), nn.Linear(2, 2)
    before = slow.weight.clone()
    follow(slow, fast, 1.0)
    assert torch.equal(slow.weight, before)
    follow(slow, fast, 0.0)
    assert torch.equal(slow.weight, fast.weight)
    with pytest.raises(ValueError, match="momentum"):
        follow(slow, fast, 1.5)


def test_batch_statistics_of_the_fast_network_are_not_copied():
    fast = nn.BatchNorm1d(2)
    slow = frozen_copy(fast)
    fast(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)) + 5)
    follow(slow, fast, 0.0)
    assert torch.equal(slow.running_mean, torch.zeros(2))


def test_the_momentum_schedule_rises_from_its_base_to_one():
    assert cosine_momentum(0.96, 0, 100) == pytest.approx(0.96)
    assert cosine_momentum(0.96, 50, 100) == pytest.approx(0.98)
    assert cosine_momentum(0.96, 25, 100) == pytest.approx(1 - 0.04 * (1 + math.sqrt(0.5)) / 2)
    assert cosine_momentum(0.96, 100, 100) == cosine_momentum(0.96, 120, 100) == cosine_momentum(0.96, 0, 0) == 1
    values = [cosine_momentum(0.9, k, 30) for k in range(31)]
    assert values == sorted(values)


# --- queue ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pushes", [[2], [3, 3], [5], [7, 7, 7], [1, 9, 3], [12]])
def test_the_queue_holds_the_newest_rows(pushes):
    queue, everything, start = RowQueue(7, 1), [], 1
    for n in pushes:
        rows = list(range(start, start + n))
        queue.push(torch.tensor(rows, dtype=torch.float32).unsqueeze(1))
        everything += rows
        start += n
    kept = sorted(queue.rows[queue.filled()].flatten().tolist())
    assert kept == everything[-7:]


def test_an_empty_queue_is_not_filled_and_refuses_rows_of_another_width():
    queue = RowQueue(3, 2)
    assert queue.filled().tolist() == [False] * 3
    with pytest.raises(ValueError, match="rows of width 2"):
        queue.push(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="length"):
        RowQueue(0, 2)


# --- memory ---------------------------------------------------------------------------------------------------------


def test_the_memory_returns_unit_vectors_in_the_order_of_the_training_set():
    memory = EmbeddingMemory(5, 2)
    memory.write(torch.tensor([4, 1]), torch.tensor([[3.0, 4], [0, 2]]), torch.tensor([[1.0, 0], [0, -9]]))
    assert memory.seen.tolist() == [False, True, False, False, True]
    torch.testing.assert_close(memory.read(0), torch.tensor([[0, 1], [0.6, 0.8]]))
    torch.testing.assert_close(memory.read(1), torch.tensor([[0.0, -1], [1, 0]]))


# --- k-means --------------------------------------------------------------------------------------------------------


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_kmeans_finds_directions_that_are_far_apart():
    directions = torch.eye(4)
    truth = torch.arange(4).repeat_interleave(25)
    rows = nn.functional.normalize(directions[truth] + 0.05 * torch.randn(100, 4, generator=generator(1)), dim=1)
    starts = [spherical_kmeans(rows, 4, generator(seed), 20) for seed in range(8)]
    quality = [(rows * c[y]).sum(dim=1).mean().item() for c, y in starts]
    centroids, labels = starts[max(range(8), key=quality.__getitem__)]
    assert all(len(set(labels[truth == k].tolist())) == 1 for k in range(4))
    assert sorted((centroids @ directions.T).argmax(dim=1).tolist()) == [0, 1, 2, 3]


def test_centroids_are_the_normalised_means_of_their_members():
    rows = random_rows(60, 3)
    centroids, labels = spherical_kmeans(rows, 5, generator())
    for k in range(5):
        total = rows[labels == k].sum(dim=0)
        torch.testing.assert_close(centroids[k], total / total.norm())


def random_rows(n: int, d: int) -> torch.Tensor:
    return nn.functional.normalize(torch.randn(n, d, generator=generator(3)), dim=1)


def test_iterations_do_not_lower_the_mean_cosine():
    rows = random_rows(200, 3)
    quality = []
    for iterations in (1, 2, 4, 8, 16):
        centroids, labels = spherical_kmeans(rows, 6, generator(), iterations)
        quality.append((rows * centroids[labels]).sum(dim=1).mean().item())
    assert quality == sorted(quality)
    assert quality[-1] > quality[0]


@pytest.mark.parametrize("distinct", [1, 2, 5])
def test_no_cluster_is_empty_even_when_rows_coincide(distinct):
    rows = random_rows(distinct, 3).repeat(20 // distinct, 1)
    centroids, labels = spherical_kmeans(rows, 8, generator())
    assert (torch.bincount(labels, minlength=8) > 0).all()
    assert centroids.isfinite().all()


def test_empty_clusters_take_the_least_typical_members_of_the_largest_ones_in_turn():
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    cosine = torch.tensor([0.9, 0.1, 0.5, 0.3, 0.8, 0.7])
    assert _fill_empty(labels, cosine, 3).tolist() == [0, 2, 0, 1, 1, 1]
    assert _fill_empty(labels, cosine, 4).tolist() == [0, 2, 0, 3, 1, 1]
    assert sorted(_fill_empty(labels, cosine, 6).tolist()) == list(range(6))


def test_as_many_clusters_as_rows_gives_each_row_its_own():
    rows = random_rows(6, 4)
    _, labels = spherical_kmeans(rows, 6, generator())
    assert sorted(labels.tolist()) == list(range(6))


def test_kmeans_repeats_itself_from_the_same_seed_and_leaves_the_global_one_alone():
    rows = random_rows(50, 3)
    before = torch.random.get_rng_state()
    first, again = (spherical_kmeans(rows, 5, generator(4)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.equal(first[0], spherical_kmeans(rows, 5, generator(5))[0])


@pytest.mark.parametrize("clusters", [0, 7])
def test_more_clusters_than_rows_or_none_is_an_error(clusters):
    with pytest.raises(ValueError, match=f"got {clusters} clusters"):
        spherical_kmeans(random_rows(6, 2), clusters, generator())


# --- doors ----------------------------------------------------------------------------------------------------------


def test_random_prototypes_have_norm_one():
    torch.testing.assert_close(random_prototypes(7, 3).norm(dim=1), torch.ones(7))


@pytest.mark.parametrize(
    ("x1", "x2", "index", "message"),
    [
        ((4, 3), (4, 2), 4, "two views of one shape"),
        ((4, 3), (4, 3), 3, "one position a sample"),
        ((1, 3), (1, 3), 1, "a batch of 1 is too small"),
    ],
)
def test_views_that_do_not_fit_are_errors(x1, x2, index, message):
    with pytest.raises(ValueError, match=message):
        check_views(torch.zeros(x1), torch.zeros(x2), torch.zeros(index, dtype=torch.long))

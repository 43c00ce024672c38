"""Reference rows, clustering, few labels, few shots, transfer."""

from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from musiclib.datasets import load
from musiclib.evaluate import evaluate_clusters, few_shot, fine_tune, frozen_subset, label_draws, transfer_probe
from musiclib.evaluate.clusters import cluster_scores, hungarian_accuracy, kmeans, segment_scores
from musiclib.evaluate.reference import calibrate, random_encoder, raw_pixels
from musiclib.evaluate.semi_supervised import FineTuneOptions
from musiclib.methods.supervised import Supervised, SupervisedOptions
from musiclib.views import ViewConfig, augment, plain, view_preset


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(n, classes=5, dims=8, seed=0, distance=3.0):
    centres = distance * torch.randn(classes, dims, generator=rng(99))
    y = torch.randint(0, classes, (n,), generator=rng(seed))
    return centres[y] + torch.randn(n, dims, generator=rng(seed + 1)), y


@pytest.fixture(scope="module")
def digits():
    return load("digits", "train"), load("digits", "test")


# ---------------------------------------------------------------- reference rows


def test_raw_pixels_are_the_pixels(digits):
    x = raw_pixels(digits[1])
    assert x.shape == (len(digits[1]), 256)
    assert torch.equal((x * 255).round().to(torch.uint8).view_as(digits[1].images), digits[1].images)


def test_a_random_encoder_is_named_by_its_seed_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    a, b, c = (random_encoder("tiny", 1, seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    x = torch.rand(3, 1, 16, 16, generator=rng())
    assert torch.equal(a(x), b(x))
    assert not torch.equal(a(x), c(x))
    assert not a.training


def test_calibration_sets_the_statistics_of_the_images_and_keeps_the_weights(digits):
    view = view_preset("digits")[0]
    encoder = random_encoder("tiny", 1, 0)
    weights = [p.clone() for p in encoder.parameters()]
    shown = digits[0].subset(range(200)).images
    calibrate(encoder, shown, view, samples=200, batch=200)
    assert all(torch.equal(p, q) for p, q in zip(encoder.parameters(), weights, strict=True))
    assert not encoder.training
    first = encoder.stem[0](plain(shown, view))
    torch.testing.assert_close(encoder.stem[1].running_mean, first.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder.stem[1].running_var, first.var((0, 2, 3)), atol=1e-5, rtol=1e-3)
    assert encoder.stem[1].momentum == 0.1


def test_calibration_does_not_mind_that_a_set_is_sorted_by_class():
    view = view_preset("digits")[0]
    dark, bright = torch.full((300, 1, 8, 8), 40, dtype=torch.uint8), torch.full((300, 1, 8, 8), 200, dtype=torch.uint8)
    means = []
    for images in (torch.cat([dark, bright]), torch.stack([dark, bright], 1).flatten(0, 1)):
        encoder = calibrate(random_encoder("tiny", 1, 0), images, view, samples=100, batch=25)
        means.append((encoder.stem[1].running_mean, encoder.stem[1].running_var))
    torch.testing.assert_close(means[0], means[1], rtol=0.1, atol=0.02)


class Flat(nn.Module):
    """The smallest encoder: the pixels of one channel."""

    features = 16

    def forward(self, x):
        return x.flatten(1)


def test_supervised_looks_labels_up_by_position_and_averages_both_views():
    labels = torch.tensor([2, 0, 1, 2, 1])
    method = Supervised(Flat(), SupervisedOptions(), samples=5, steps=10, labels=labels)
    x1, x2 = torch.randn(3, 1, 4, 4, generator=rng()), torch.randn(3, 1, 4, 4, generator=rng(1))
    index = torch.tensor([4, 0, 3])
    out = method(x1, x2, index)
    y = [1, 2, 2]
    want = 0.0
    for x in (x1, x2):
        p = torch.softmax(x.flatten(1) @ method.projector.weight.T + method.projector.bias, dim=1)
        want -= sum(p[n, y[n]].log() for n in range(3)) / 6
    torch.testing.assert_close(out.loss, want)
    assert out.z1.shape == (3, 3)
    assert not out.z1.requires_grad
    out.loss.backward()
    assert method.projector.weight.grad.abs().sum() > 0
    assert 0 <= out.terms["train_top1"] <= 1
    assert "labels" in method.state_dict()


def test_supervised_learns_the_digits(digits):
    train, test = digits
    config = view_preset("digits")[0]
    encoder = random_encoder("tiny", 1, 0).train()
    method = Supervised(encoder, SupervisedOptions(), samples=len(train), steps=40, labels=train.labels)
    optimiser, g = torch.optim.AdamW(method.parameters(), lr=3e-3), rng()
    for _ in range(40):
        index = torch.randint(0, len(train), (128,), generator=g)
        views = [augment(train.images[index], config, g) for _ in range(2)]
        loss = method(*views, index).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    calibrate(encoder, train.images, config).eval()
    with torch.no_grad():
        predicted = method.projector(encoder(plain(test.images, config))).argmax(1)
    assert (predicted == test.labels).double().mean() > 0.8


def test_supervised_refuses_labels_that_do_not_fit():
    wrong = [(torch.zeros(4, dtype=torch.long), "expected 5"), (torch.tensor([0, 1, 2, 3, -1]), "run from")]
    for labels, message in wrong:
        with pytest.raises(ValueError, match=message):
            Supervised(Flat(), SupervisedOptions(), samples=5, steps=1, labels=labels)
    with pytest.raises(ValueError, match="run from"):
        Supervised(Flat(), SupervisedOptions(), samples=2, steps=1, labels=torch.tensor([0, 5]), classes=3)
    with pytest.raises(ValueError, match="label_smoothing"):
        SupervisedOptions(label_smoothing=1.0)


# ---------------------------------------------------------------- clustering


def test_hungarian_accuracy_is_the_best_of_all_maps():
    labels, noise = (torch.randint(0, 4, (60,), generator=rng(seed)) for seed in (0, 2))
    clusters = torch.where(torch.rand(60, generator=rng(1)) < 0.6, (labels + 1) % 4, noise)
    best = max(np.mean(np.array(p)[clusters.numpy()] == labels.numpy()) for p in permutations(range(4)))
    assert hungarian_accuracy(clusters, labels) == pytest.approx(best)


def test_unmatched_clusters_count_as_errors():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    assert hungarian_accuracy(torch.arange(8), labels) == pytest.approx(2 / 8)
    assert hungarian_accuracy(torch.zeros(8, dtype=torch.long), labels) == pytest.approx(4 / 8)
    assert hungarian_accuracy(torch.tensor([50, 50, 50, 50, -3, -3, -3, -3]), labels) == 1.0
    with pytest.raises(ValueError, match="one of each"):
        hungarian_accuracy(torch.arange(3), labels)


def test_scores_of_perfect_constant_and_random_clusters():
    y = torch.arange(2000) % 5
    assert cluster_scores((y + 2) % 5, y) == {"nmi": pytest.approx(1), "ari": pytest.approx(1), "accuracy": 1.0}
    assert cluster_scores(torch.zeros_like(y), y) == {"nmi": pytest.approx(0), "ari": pytest.approx(0), "accuracy": 0.2}
    chance = cluster_scores(torch.randint(0, 5, (2000,), generator=rng()), y)
    assert chance["nmi"] < 0.02
    assert abs(chance["ari"]) < 0.02


def test_segments_are_scored_one_by_one():
    y = torch.arange(200) % 4
    codes = torch.stack([y, torch.zeros_like(y), (y + 1) % 4], dim=1)
    assert segment_scores(codes, y)["accuracy"] == [1.0, 0.25, 1.0]
    with pytest.raises(ValueError, match="expected"):
        segment_scores(codes[:, 0], y)


def test_kmeans_finds_separated_clouds_by_direction():
    (x, _), (u, v) = blobs(300, distance=10.0), blobs(200, seed=5, distance=10.0)
    assert hungarian_accuracy(kmeans(x, u, 5), v) == 1.0
    assert torch.equal(kmeans(x, u, 5), kmeans(7 * x, 3 * u, 5))
    with pytest.raises(ValueError, match="clusters=0"):
        kmeans(x, u, 0)


def test_the_best_segment_is_chosen_on_training_samples():
    (x, y), (u, v) = blobs(300), blobs(200, seed=5)
    noise = torch.randint(0, 5, (300,), generator=rng()), torch.randint(0, 5, (200,), generator=rng(1))
    # Segment 0 is right on the training samples and noise on the test samples, segment 1 the other way round.
    found = evaluate_clusters(
        x, u, v, train_y=y, train_codes=torch.stack([y, noise[0]], 1), test_codes=torch.stack([noise[1], v], 1)
    )
    assert found["best_segment/test/nmi"] < 0.1
    assert found["segments/test/accuracy"] == pytest.approx((hungarian_accuracy(noise[1], v) + 1) / 2)
    assert found["kmeans/test/nmi"] > 0.5
    alone = evaluate_clusters(x, u, v, split="validation")
    assert set(alone) == {f"kmeans/validation/{score}" for score in ("nmi", "ari", "accuracy")}


# ---------------------------------------------------------------- few labels, few shots


def test_label_draws_are_stratified_repeatable_and_different():
    y = torch.arange(1000) % 10
    draws = label_draws(y, 0.01, 3)
    for rows in draws:
        assert torch.bincount(y[rows], minlength=10).tolist() == [1] * 10
    assert not torch.equal(draws[0], draws[1])
    assert torch.equal(label_draws(y, 0.01, 1)[0], draws[0])  # more draws do not change the first
    assert not torch.equal(label_draws(y, 0.01, 1, seed=1)[0], draws[0])
    assert torch.bincount(y[label_draws(y, 0.1, 1)[0]]).tolist() == [10] * 10
    with pytest.raises(ValueError, match="draws=0"):
        label_draws(y, 0.1, 0)


def test_every_class_has_a_label_even_one_with_a_single_member():
    y = torch.tensor([0] * 50 + [1] * 50 + [2])
    assert torch.unique(y[label_draws(y, 0.02, 1)[0]]).tolist() == [0, 1, 2]


def test_more_labels_help_and_separated_clouds_need_few():
    (x, y), (u, v) = blobs(2000, distance=1.0), blobs(500, seed=5, distance=1.0)
    few, many = (frozen_subset(x, y, u, v, fraction=f, draws=3) for f in (0.01, 0.5))
    assert len(few) == 3
    assert np.mean(few) + 0.02 < np.mean(many)
    (x, y), (u, v) = blobs(2000, distance=10.0), blobs(500, seed=5, distance=10.0)
    assert min(frozen_subset(x, y, u, v, fraction=0.01, draws=3)) > 0.99


def test_fine_tuning_learns_leaves_the_encoder_alone_and_repeats_itself(digits):
    train, test = digits
    view, encoder = view_preset("digits")[0], random_encoder("tiny", 1, 0)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    options = FineTuneOptions(steps=30, batch=64, lr_encoder=3e-3)
    score = fine_tune(encoder, train, test, view, fraction=0.1, options=options)
    assert score > 0.5
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    assert not encoder.training
    assert fine_tune(encoder, train, test, view, fraction=0.1, options=options) == score
    assert fine_tune(encoder, train, test, view, fraction=0.1, draw=1, options=options) != score


def test_few_shot_on_separated_clouds_noise_and_chance():
    x, y = blobs(400, classes=8, distance=20.0)
    assert few_shot(x, y, episodes=20)["top1"] > 0.99
    noise = torch.randn(400, 8, generator=rng(3))
    found = few_shot(noise, y, episodes=300)
    assert abs(found["top1"] - 0.2) < 3 * found["half_width"] + 0.01
    assert 0 < found["half_width"] < 0.02
    x, y = blobs(400, classes=8, distance=1.0)
    assert few_shot(x, y, shots=5)["top1"] > few_shot(x, y, shots=1)["top1"] + 0.02
    assert few_shot(x, y, episodes=5) == few_shot(3 * x, y + 7, episodes=5)


def test_few_shot_by_hand():
    x = F.one_hot(torch.arange(6) // 3).float()  # two classes, three equal samples each
    assert few_shot(x, torch.arange(6) // 3, ways=2, shots=1, queries=2, episodes=3) == {"top1": 1.0, "half_width": 0.0}
    with pytest.raises(ValueError, match="only 2 classes"):
        few_shot(x, torch.arange(6) // 3, ways=3, shots=1, queries=2)
    with pytest.raises(ValueError, match="episodes=1"):
        few_shot(x, torch.arange(6) // 3, ways=2, episodes=1)


# ---------------------------------------------------------------- transfer


def test_transfer_matches_size_and_channels(digits):
    train, test = (part.subset(range(200)) for part in digits)
    view = ViewConfig(size=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))

    class Colour(nn.Module):
        features = 12

        def forward(self, x):
            assert x.shape[1:] == (3, 32, 32)
            return F.adaptive_avg_pool2d(x, 4).flatten(1)

    found = transfer_probe(Colour(), train, test, view, channels=3, device="cpu")
    assert found["transfer_digits_linear/test/top1"] > 0.7
    assert "transfer_digits_knn/test/top1" in found

    class Grey(nn.Module):
        def forward(self, x):
            assert x.shape[1:] == (1, 32, 32)
            return F.adaptive_avg_pool2d(x, 4).flatten(1)

    assert transfer_probe(Grey(), train, test, view, channels=1)["transfer_digits_linear/test/top1"] > 0.7
    with pytest.raises(ValueError, match="must be of the set"):
        transfer_probe(Grey(), train, load("attributes", "test", size=32), view, channels=1)

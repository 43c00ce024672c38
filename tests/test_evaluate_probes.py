"""Feature extraction, linear probe and nearest neighbours; scikit-learn is the oracle."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from torch import nn

from musiclib.datasets import load
from musiclib.encoders import build_encoder
from musiclib.evaluate import evaluate_features, extract, fit_logistic, knn_predict, knn_top1, linear_probe
from musiclib.evaluate.features import match_channels
from musiclib.views import ViewConfig, plain

VIEW = ViewConfig(size=16, mean=(0.3,), std=(0.4,))


def blobs(n, classes=4, dims=6, seed=0, distance=2.0, dtype=torch.float64):
    """Overlapping clouds on fixed centres; features of very different scales, so that standardisation matters."""
    g = torch.Generator().manual_seed(seed)
    centres = distance * torch.randn(classes, dims, generator=torch.Generator().manual_seed(99), dtype=dtype)
    y = torch.randint(0, classes, (n,), generator=g)
    x = centres[y] + torch.randn(n, dims, generator=g, dtype=dtype)
    return x * 10.0 ** torch.arange(-2, dims - 2, dtype=dtype) + 5, y


# ---------------------------------------------------------------- features


class Spy(nn.Module):
    """Mean and first pixel of every channel; remembers in which mode and on how many images it was called."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.calls = []

    def forward(self, x):
        self.calls.append((self.training, len(x)))
        return torch.cat([x.mean((2, 3)), x[:, :, 0, 0]], dim=1) * self.scale


def images(n=25, c=1, seed=0):
    return torch.randint(0, 256, (n, c, 16, 16), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_features_come_in_order_in_eval_mode_and_leave_the_mode_alone():
    spy, x = Spy().train(), images()
    got = extract(spy, x, VIEW, batch=10)
    assert spy.calls == [(False, 10), (False, 10), (False, 5)]
    assert spy.training
    assert not got.requires_grad
    view = plain(x, VIEW)
    torch.testing.assert_close(got, torch.cat([view.mean((2, 3)), view[:, :, 0, 0]], dim=1))


def test_the_mode_comes_back_after_an_error():
    class Fails(Spy):
        def forward(self, x):
            raise RuntimeError("no")

    encoder = Fails().train()
    with pytest.raises(RuntimeError, match="no"):
        extract(encoder, images(), VIEW)
    assert encoder.training


def test_running_statistics_are_used_and_not_changed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = build_encoder("tiny", 1).train()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    whole = extract(encoder, images(), VIEW, batch=100)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    torch.testing.assert_close(extract(encoder, images(), VIEW, batch=7), whole)  # no batch statistics
    rounded = extract(encoder, images(), VIEW, precision="bfloat16")
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - whole).norm() < 0.05 * whole.norm()


def test_a_set_and_its_images_are_the_same_to_extract():
    digits = load("digits", "test").subset(range(20))
    assert torch.equal(extract(Spy(), digits, VIEW), extract(Spy(), digits.images, VIEW))


def test_impossible_extractions_are_refused():
    with pytest.raises(ValueError, match="empty set"):
        extract(Spy(), images(0), VIEW)
    with pytest.raises(ValueError, match="batch=0"):
        extract(Spy(), images(), VIEW, batch=0)
    with pytest.raises(ValueError, match="precision='float16'"):
        extract(Spy(), images(), VIEW, precision="float16")


def test_channels_are_matched_by_repeating_and_by_luma():
    grey, colour = images(3, 1), images(3, 3)
    assert torch.equal(match_channels(grey, 3), grey.repeat(1, 3, 1, 1))
    want = (colour.double() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    assert (match_channels(colour, 1).double() - want).abs().max() <= 0.5 + 1e-4
    assert match_channels(colour, 3) is colour
    with pytest.raises(ValueError, match="channels=4"):
        match_channels(colour, 4)


# ---------------------------------------------------------------- linear probe


@pytest.mark.parametrize("l2", [1e-1, 1e-3])
def test_logistic_regression_is_that_of_scikit_learn(l2):
    x, y = blobs(300)
    ours = fit_logistic(x, y, l2, max_iterations=3000, tolerance=1e-7)
    assert ours.converged
    scaled = StandardScaler().fit_transform(x.numpy())
    theirs = LogisticRegression(C=1 / (len(x) * l2), max_iter=10_000, tol=1e-10).fit(scaled, y.numpy())
    np.testing.assert_allclose(ours.weight.numpy(), theirs.coef_, atol=1e-4)
    centred = ours.bias - ours.bias.mean()  # a common shift of all biases means nothing
    np.testing.assert_allclose(centred.numpy(), theirs.intercept_ - theirs.intercept_.mean(), atol=1e-4)


def test_the_result_does_not_depend_on_the_scale_of_features():
    x, y = blobs(300)
    a = fit_logistic(x, y, 1e-2, tolerance=1e-8, max_iterations=2000)
    b = fit_logistic(x * 1000 - 3, y, 1e-2, tolerance=1e-8, max_iterations=2000)
    torch.testing.assert_close(a.logits(x), b.logits(x * 1000 - 3), atol=1e-4, rtol=0)


def test_the_converged_flag_tells_the_truth():
    x, y = blobs(300)
    assert not fit_logistic(x, y, 1e-5, max_iterations=2).converged
    assert fit_logistic(x, y, 1e-2).converged


def test_a_warm_start_ends_at_the_same_place():
    x, y = blobs(300)
    cold = fit_logistic(x, y, 1e-2, tolerance=1e-8, max_iterations=2000)
    warm = fit_logistic(x, y, 1e-2, start=fit_logistic(x, y, 1.0), tolerance=1e-8, max_iterations=2000)
    torch.testing.assert_close(cold.weight, warm.weight, atol=1e-5, rtol=0)


def test_labels_may_be_any_integers_and_constant_features_do_no_harm():
    x, y = blobs(300, dtype=torch.float32)
    names = torch.tensor([-7, 3, 100, 12])
    x = torch.cat([x, torch.full((300, 1), 0.1)], dim=1)
    model = fit_logistic(x, names[y], 1e-2)
    assert model.classes.tolist() == [-7, 3, 12, 100]
    assert torch.equal(model.predict(x) == names[y], fit_logistic(x[:, :-1], y, 1e-2).predict(x[:, :-1]) == y)
    assert torch.isfinite(model.weight).all()
    assert model.weight[:, -1].abs().max() < 1e-3


def test_a_single_class_is_predicted_always():
    x, _ = blobs(20)
    assert fit_logistic(x, torch.full((20,), 5), 1e-2).predict(x).tolist() == [5] * 20


def test_the_probe_chooses_strong_regularisation_for_noise_and_weak_for_signal():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(120, 100, generator=g), torch.randint(0, 2, (120,), generator=g)
    x[:, 0] += 2.0 * y  # one feature tells, 99 are noise
    assert linear_probe(x, y, x, y)["l2"] >= 1e-1
    z, t = blobs(600, classes=4, distance=0.5)
    z = torch.cat([z, z[:, :1] * z[:, 1:2]], dim=1)
    assert linear_probe(z, t, z, t)["l2"] <= 1e-1


def test_the_probe_scores_the_test_set_and_fits_on_all_training_samples():
    (x, y), (u, v) = blobs(400), blobs(200, seed=1)
    found = linear_probe(x, y, u, v)
    again = fit_logistic(x, y, found["l2"])
    assert found["top1"] == pytest.approx((again.predict(u) == v).double().mean().item())
    assert found["C"] == pytest.approx(1 / (400 * found["l2"]))
    assert found["converged"] is True
    assert 0.5 < found["selection_top1"] <= 1


def test_the_choice_never_looks_at_the_test_set():
    (x, y), (u, v) = blobs(400), blobs(200, seed=1)
    a, b = linear_probe(x, y, u, v), linear_probe(x, y, u.flip(0), (v + 1) % 4)
    assert (a["l2"], a["selection_top1"]) == (b["l2"], b["selection_top1"])


def test_one_sample_a_class_falls_back_to_the_default():
    x, y = blobs(40)
    rows = torch.stack([torch.nonzero(y == c)[0, 0] for c in range(4)])
    found = linear_probe(x[rows], y[rows], x, y)
    assert found["l2"] == 1e-2
    assert np.isnan(found["selection_top1"])
    assert found["top1"] > 0.5


def test_a_label_that_was_never_trained_on_counts_as_an_error():
    x, y = blobs(200)
    keep = y != 3
    found = linear_probe(x[keep], y[keep], x[~keep], y[~keep])
    assert found["top1"] == 0.0


# ---------------------------------------------------------------- nearest neighbours


def test_weighted_neighbours_are_those_of_scikit_learn():
    (x, y), (u, _) = blobs(300, distance=0.7), blobs(150, seed=1, distance=0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = KNeighborsClassifier(20, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07), algorithm="brute")
        want = oracle.fit(x.numpy(), y.numpy()).predict(u.numpy())
    got = knn_predict(x, y, u)
    assert np.array_equal(got.numpy(), want)
    assert len(set(want.tolist())) > 1


def test_neighbours_do_not_depend_on_the_chunk_or_on_lengths():
    (x, y), (u, v) = blobs(300), blobs(150, seed=1)
    assert torch.equal(knn_predict(x, y, u, chunk=7), knn_predict(x, y, u, chunk=1000))
    assert torch.equal(knn_predict(x, y, 100 * u), knn_predict(0.1 * x, y, u))
    assert knn_top1(x, y, u, v) == pytest.approx((knn_predict(x, y, u) == v).double().mean().item())


def test_nearest_neighbour_of_a_training_sample_is_itself():
    x, y = blobs(100)
    names = torch.tensor([-7, 3, 100, 12])
    assert knn_top1(x, names[y], x, names[y], k=1) == 1.0


def test_a_near_neighbour_outvotes_two_far_ones():
    train = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-0.1, 1.0]])
    query = torch.tensor([[1.0, 0.1]])
    y = torch.tensor([4, 9, 9])
    assert knn_predict(train, y, query, k=3).tolist() == [4]
    assert knn_predict(train, y, query, k=3, temperature=100.0).tolist() == [9]
    assert knn_predict(train, y, query, k=50).tolist() == [4]  # more neighbours than samples


def test_a_tiny_temperature_does_not_overflow():
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    y = torch.arange(50) % 7
    assert knn_top1(x, y, x, y, temperature=1e-4) == 1.0


# ---------------------------------------------------------------- both, and errors


def test_raw_digits_score_what_is_known_of_them():
    train, test = load("digits", "train"), load("digits", "test")
    x, u = (part.images.flatten(1).float() for part in (train, test))
    found = evaluate_features(x, train.labels, u, test.labels)
    assert found["linear/test/top1"] > 0.93
    assert found["knn/test/top1"] > 0.94
    assert found["linear/converged"] is True
    held = evaluate_features(x[:300], train.labels[:300], x[300:400], train.labels[300:400], split="validation")
    assert "linear/validation/top1" in held
    assert not any("/test/" in name for name in held)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:0], y[:0]), "expected floats"),
        (lambda x, y: (x, y[:-1]), "integers"),
        (lambda x, y: (x, y.double()), "integers"),
        (lambda x, y: (x * float("nan"), y), "diverged"),
    ],
)
def test_wrong_features_and_labels_are_refused(change, message):
    x, y = blobs(30)
    for probe in (linear_probe, knn_top1):
        with pytest.raises(ValueError, match=message):
            probe(*change(x, y), x, y)
    with pytest.raises(ValueError, match="must be positive"):
        fit_logistic(x, y, 0.0)
    with pytest.raises(ValueError, match="features"):
        linear_probe(x, y, x[:, :-1], y)
    with pytest.raises(ValueError, match="k=0"):
        knn_predict(x, y, x, k=0)

"""What finished runs give to further evaluations is what their records scored."""

import pytest
import torch

from musiclib.config import TrainConfig
from musiclib.datasets import load
from musiclib.evaluate import evaluate_features
from musiclib.pretrain import load_method, run
from musiclib.studies.frozen import cluster_metrics, frozen_codes, frozen_features
from musiclib.views import plain, view_preset

SMALL = {"segments": 4, "units": 5, "projector": [16]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder of runs, method -> (configuration, record)) of three tiny runs."""
    runs = tmp_path_factory.mktemp("batch") / "runs"
    found = {}
    for method in ("music", "random", "pixels"):
        options = {"options": SMALL} if method == "music" else {}
        config = TrainConfig.from_dict(
            {
                "method": method,
                "dataset": "digits",
                "encoder": "tiny",
                "epochs": 1,
                "batch": 256,
                "precision": "float32",
            }
            | options
        )
        found[method] = config, run(config, runs / config.hash(), progress=False, device="cpu")
    return runs, found


@pytest.fixture(scope="module")
def digits():
    return load("digits", "train"), load("digits", "test")


@pytest.mark.parametrize("method", ["music", "random", "pixels"])
def test_features_score_as_in_the_record(made, digits, method):
    runs, found = made
    config, record = found[method]
    features = frozen_features(runs, config, *digits)
    again = evaluate_features(features[0], digits[0].labels, features[1], digits[1].labels, seed=config.seed)
    assert again["knn/test/top1"] == record["metrics"]["knn/test/top1"]
    assert again["linear/test/top1"] == pytest.approx(record["metrics"]["linear/test/top1"], abs=1e-9)


def test_codes_are_the_largest_units_of_the_projected_image(made, digits):
    runs, found = made
    config, _ = found["music"]
    few = digits[1].subset(range(10))
    method, _ = load_method(runs / config.hash())
    with torch.no_grad():
        z = method.projector(method.encoder(plain(few.images, view_preset("digits")[0])))
    expected = torch.stack([z[:, 5 * s : 5 * s + 5].argmax(1) for s in range(4)], dim=1)
    assert torch.equal(frozen_codes(runs, config, few), expected)


def test_only_music_has_codes(made, digits):
    runs, found = made
    with pytest.raises(ValueError, match="only music"):
        frozen_codes(runs, found["random"][0], digits[1])


def test_clusters_of_codes_come_with_those_of_features_for_music_alone(made, digits):
    runs, found = made
    music = cluster_metrics(runs, found["music"][0], *digits)
    pixels = cluster_metrics(runs, found["pixels"][0], *digits)
    assert {name.split("/")[0] for name in music} == {"kmeans", "segments", "best_segment"}
    assert {name.split("/")[0] for name in pixels} == {"kmeans"}
    assert 0.5 < pixels["kmeans/test/nmi"] < 1.0


@pytest.mark.parametrize("method", ["random", "pixels"])
def test_clusters_may_be_fitted_on_a_part_of_every_class(made, digits, method):
    runs, found = made
    config = found[method][0]
    train, test = digits
    few = torch.cat([(train.labels == c).nonzero()[:, 0][:20] for c in range(10)]).sort().values
    fitted = frozen_features(runs, config, train, test, part=train.subset(few))
    assert torch.equal(fitted[0], frozen_features(runs, config, train, test)[0][few])
    whole = cluster_metrics(runs, config, train, test)
    part = cluster_metrics(runs, config, train, test, samples=300)
    assert part != whole
    assert part["kmeans/test/nmi"] == pytest.approx(whole["kmeans/test/nmi"], abs=0.15)

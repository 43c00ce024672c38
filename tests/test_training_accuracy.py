"""Accuracy while training: which epochs are scored, on which images, and that scoring changes nothing else."""

import json

import pytest
import torch

from musiclib.config import TrainConfig
from musiclib.datasets import load
from musiclib.pretrain import load_method, run
from musiclib.pretrain.accuracy import BANK, QUERIES, SHARE, accuracy_watch, scored_epochs, split_bank, unscored
from musiclib.pretrain.assemble import view_configs

CPU = torch.device("cpu")
SHORT = {"method": "music", "dataset": "digits", "encoder": "tiny", "epochs": 3, "batch": 128, "precision": "float32"}
SHORT |= {"options": {"segments": 4, "units": 4, "projector": []}}


def accuracies(record):
    return {entry["epoch"]: entry["accuracy"]["knn"] for entry in record["curve"] if "accuracy" in entry}


@pytest.mark.parametrize(
    ("epochs", "samples", "points", "expected"),
    [
        (50, 50_000, 10, (1, 2, 4, 6, 9, 14, 21, 32, 50)),
        (50, 50_000, 1, (50,)),
        (50, 50_000, 0, ()),
        (3, 1_346, 10, (1, 2, 3)),
        (3, 1_346, None, ()),
        (0, 50_000, 5, ()),
    ],
)
def test_scored_epochs_rise_on_a_logarithmic_axis_to_the_last(epochs, samples, points, expected):
    assert scored_epochs(epochs, samples, points) == expected


@pytest.mark.parametrize("epochs", [1, 2, 8, 50, 800])
@pytest.mark.parametrize("samples", [100, 3_000, 50_000, 1_000_000])
def test_what_is_scored_by_default_costs_no_more_than_its_share(epochs, samples):
    forwards = len(scored_epochs(epochs, samples)) * min(BANK + QUERIES, samples)
    assert forwards <= SHARE * epochs * samples * 2 * 3


@pytest.mark.parametrize("samples", [60, 5_000, 30_000])
def test_bank_and_queries_are_disjoint_bounded_and_of_every_class(samples):
    labels = torch.arange(samples) % 10
    bank, queries = split_bank(labels)
    assert not set(bank.tolist()) & set(queries.tolist())
    assert len(bank) <= BANK
    assert len(queries) <= QUERIES
    assert set(labels[bank].tolist()) == set(labels[queries].tolist()) == set(range(10))


def test_scoring_changes_no_weight_and_no_metric_and_leaves_its_points_in_the_curve(tmp_path):
    plain, watched = (
        run(TrainConfig(**SHORT, watch=points), tmp_path / str(points), progress=False) for points in (0, 2)
    )
    assert accuracies(plain) == {}
    assert list(accuracies(watched)) == [1, 3]
    assert plain["metrics"] == watched["metrics"]
    for a, b in zip(*(load_method(tmp_path / name)[0].parameters() for name in "02"), strict=True):
        assert torch.equal(a, b)


def test_the_last_point_is_what_the_final_encoder_scores_on_held_out_training_images(tmp_path):
    config = TrainConfig(**SHORT, watch=1)
    record = run(config, tmp_path / "r", progress=False, evaluate=False)
    encoder, train_set = load_method(tmp_path / "r")[0].encoder, load("digits", "train")
    bank, queries = split_bank(train_set.labels)
    with torch.no_grad():
        mean, std = (
            torch.tensor(v).view(1, -1, 1, 1) for v in (view_configs(config)[0].mean, view_configs(config)[0].std)
        )
        features = encoder((train_set.images.float() / 255 - mean) / std)
    unit = features / features.norm(dim=1, keepdim=True)
    right = 0
    for q in queries.tolist():  # a vote spelt out, one image at a time
        cosine, where = (unit[bank] @ unit[q]).sort(descending=True)
        votes = torch.zeros(10)
        for c, w in zip(cosine[:20].tolist(), where[:20].tolist(), strict=True):
            votes[train_set.labels[bank[w]]] += torch.tensor(c / 0.07).exp()
        right += int(votes.argmax() == train_set.labels[q])
    assert accuracies(record)[3] == pytest.approx(right / len(queries), abs=1.5 / len(queries))
    assert record["time"]["watch_s"] > 0


def test_a_set_of_one_class_and_one_without_images_in_memory_are_not_scored():
    config, train_set = TrainConfig(**SHORT, watch=2), load("digits", "train")
    view = view_configs(config)[0]
    one_class = train_set.subset((train_set.labels == 3).nonzero().flatten())
    assert accuracy_watch(one_class, view, config, CPU) is unscored
    assert accuracy_watch([0] * 100, view, config, CPU) is unscored
    assert accuracy_watch(train_set, view, config, CPU)(2, torch.nn.Flatten()) is None


def test_the_rule_keeps_the_name_of_a_run_and_a_number_of_points_is_another_run():
    assert (
        TrainConfig(**SHORT).hash() == TrainConfig(**SHORT, watch=None).hash() != TrainConfig(**SHORT, watch=3).hash()
    )
    old = {k: v for k, v in TrainConfig(**SHORT).to_dict().items() if k != "watch"}
    assert TrainConfig.from_dict(json.loads(json.dumps(old))).hash() == TrainConfig(**SHORT).hash()
    with pytest.raises(ValueError, match="watch"):
        TrainConfig(**SHORT, watch=-1)

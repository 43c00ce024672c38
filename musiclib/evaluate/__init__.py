"""Evaluation of frozen features: probes, label-scarce settings, clustering. No function looks at the test set twice.

    metrics = evaluate_features(train, train_y, test, test_y)       # {'linear/test/top1': ..., 'knn/test/top1': ...}

Metric names are '<setting>/<split>/<quantity>'; accuracies are fractions in [0, 1]. `split` says what the scored
samples are: 'test', or 'validation' while hyper-parameters are being chosen.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from musiclib.evaluate.clusters import evaluate_clusters
from musiclib.evaluate.features import extract, match_channels
from musiclib.evaluate.few_shot import few_shot
from musiclib.evaluate.knn import knn_predict, knn_top1
from musiclib.evaluate.linear import fit_logistic, linear_probe
from musiclib.evaluate.semi_supervised import fine_tune, frozen_subset, label_draws
from musiclib.evaluate.transfer import transfer_probe

__all__ = [
    "evaluate_clusters",
    "evaluate_features",
    "extract",
    "few_shot",
    "fine_tune",
    "fit_logistic",
    "frozen_subset",
    "knn_predict",
    "knn_top1",
    "label_draws",
    "linear_probe",
    "match_channels",
    "transfer_probe",
]


def evaluate_features(
    train: Float[Tensor, "n f"],
    train_y: Int[Tensor, "n"],
    test: Float[Tensor, "m f"],
    test_y: Int[Tensor, "m"],
    *,
    split: str = "test",
    seed: int = 0,
) -> dict[str, float | bool]:
    """Both probes: 'linear/<split>/top1', 'knn/<split>/top1', and what the linear probe chose: 'linear/selection/top1',
    'linear/l2', 'linear/C', 'linear/converged'. seed: of the split on which l2 is chosen."""
    if train_y is None or test_y is None:
        raise ValueError(f"{'train_y' if train_y is None else 'test_y'} is None: a probe needs labels")
    probe = linear_probe(train, train_y, test, test_y, seed=seed)
    return {
        f"linear/{split}/top1": probe["top1"],
        f"knn/{split}/top1": knn_top1(train, train_y, test, test_y),
        "linear/selection/top1": probe["selection_top1"],
        "linear/l2": probe["l2"],
        "linear/C": probe["C"],
        "linear/converged": probe["converged"],
    }

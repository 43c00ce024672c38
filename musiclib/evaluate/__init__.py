"""Evaluation of frozen features: probes, label-scarce settings, clustering. No function looks at the test set twice.

    metrics = evaluate_features(train, train_y, test, test_y)       # {'linear/test/top1': ..., 'knn/test/top1': ...}

Metric names are '<setting>/<split>/<quantity>'; accuracies are fractions in [0, 1]. `split` says what the scored
samples are: 'test', or 'validation' while hyper-parameters are being chosen.
"""

from musiclib.evaluate.clusters import evaluate_clusters
from musiclib.evaluate.features import extract, match_channels
from musiclib.evaluate.few_shot import few_shot
from musiclib.evaluate.knn import knn_predict, knn_top1
from musiclib.evaluate.linear import fit_logistic, linear_probe
from musiclib.evaluate.probes import evaluate_features
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

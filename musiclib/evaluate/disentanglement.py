"""What models can read from a representation about known factors: DCI of segments, and linear readability of anything.

Mutual information asks what one segment tells by itself; the two measures here ask what a predictor makes of all of
them. Both depend on the predictor, so that they compare representations under one predictor and say nothing absolute:
a factor that is not linearly readable may be there all the same (the parity of two segments is).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from musiclib.evaluate.linear import L2_GRID, linear_probe


def above_chance(top1: float, labels: Int[Tensor, "n"]) -> float:
    """Accuracy on a scale where 0 is the most frequent label and 1 is no error; 0 where there is one label only."""
    majority = float(torch.unique(labels, return_counts=True)[1].max()) / len(labels)
    return (top1 - majority) / (1.0 - majority) if majority < 1.0 else 0.0


def readability(
    train: Float[Tensor, "n d"],
    train_factors: Mapping[str, Int[Tensor, "n"]],
    test: Float[Tensor, "m d"],
    test_factors: Mapping[str, Int[Tensor, "m"]],
    *,
    grid: Sequence[float] = L2_GRID,
    seed: int = 0,
    max_iterations: int = 300,
) -> dict[str, float]:
    """How well a linear classifier (`linear_probe`) reads every factor: test accuracy on the scale of `above_chance`.

    train, test: any representation as floats; for a code its one-hot or soft units side by side. A factor with one
    value is 0. Slightly negative values mean worse than naming the most frequent value.
    """
    found = {}
    for name, y in train_factors.items():
        if len(torch.unique(y)) < 2:
            found[name] = 0.0
            continue
        probe = linear_probe(train, y, test, test_factors[name], grid=grid, seed=seed, max_iterations=max_iterations)
        found[name] = above_chance(probe["top1"], test_factors[name])
    return found


def dci(
    train: Int[Tensor, "n s"],
    train_factors: Mapping[str, Int[Tensor, "n"]],
    test: Int[Tensor, "m s"],
    test_factors: Mapping[str, Int[Tensor, "m"]],
    *,
    seed: int = 0,
    trees: int = 10,
    leaf: int = 4,
) -> dict[str, float]:
    """Disentanglement, completeness and informativeness of segments (Eastwood and Williams, ICLR 2018).

    train, test: hard codes (N, S). The predictor of every factor is a random forest of scikit-learn on the one-hot
    units, every split free to use any unit, at least `leaf` training samples a leaf; the importance of a segment is
    the sum over its units, and those of one factor sum to one, R (S, F).

    disentanglement   1 - entropy over factors of a segment's importances / log F, segments weighted by their total:
                      1 if every segment that matters serves one factor
    completeness      1 - entropy over segments of a factor's importances / log S, mean over factors:
                      1 if every factor is read from one segment
    informativeness   mean over factors of the test accuracy, on the scale of `above_chance`

    All in [0, 1] up to noise. A factor that cannot be read still has importances, which sum to one like the others: at
    low informativeness the first two describe noise. Factors with one value are left out; with fewer than two
    factors (or segments) left disentanglement (or completeness) is 1 by convention.
    """
    names = [name for name, y in train_factors.items() if len(torch.unique(y)) > 1]
    if not names:
        raise ValueError("train_factors: no factor has two values")
    units = int(max(train.max(), test.max())) + 1
    s = train.shape[1]
    x, x_test = (torch.nn.functional.one_hot(c, units).flatten(1).numpy() for c in (train, test))
    columns, scores = [], []
    for name in names:
        forest = RandomForestClassifier(
            trees, max_features=None, min_samples_leaf=leaf, random_state=seed, n_jobs=1
        ).fit(x, train_factors[name].numpy())
        columns.append(forest.feature_importances_.reshape(s, units).sum(1))
        top1 = float((forest.predict(x_test) == test_factors[name].numpy()).mean())
        scores.append(above_chance(top1, test_factors[name]))
    importance = np.stack(columns, axis=1)  # (s, f)
    weight = importance.sum(1)
    total = weight.sum()
    return {
        "disentanglement": float(weight @ _focus(importance) / total) if total > 0 else 0.0,
        "completeness": float(_focus(importance.T).mean()),
        "informativeness": float(np.mean(scores)),
    }


def _focus(rows: np.ndarray) -> np.ndarray:
    """1 - entropy of every row, normalised to a distribution, over the log of its length; 0 for a row of zeros."""
    if rows.shape[1] < 2:
        return np.ones(len(rows))
    sums = rows.sum(1, keepdims=True)
    p = np.divide(rows, sums, out=np.full_like(rows, 1.0 / rows.shape[1]), where=sums > 0)
    return 1.0 + (p * np.log(np.maximum(p, 1e-300))).sum(1) / np.log(rows.shape[1])

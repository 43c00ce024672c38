"""Both probes of a table, linear and nearest neighbours, on features of two sets."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from musiclib.evaluate.knn import knn_top1
from musiclib.evaluate.linear import linear_probe


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

"""Linear probe: multinomial logistic regression on standardised frozen features, by L-BFGS.

    minimise over W, b:   (1/N) sum_n CE(y_n, softmax(W x_n + b)) + (l2 / 2) |W|^2

The strength l2 is chosen on a validation split of the training set from a fixed grid, then the model is fitted
again on all training samples and the test set is scored once. The problem is convex, so that the probe has no
learning rate, no schedule and no best epoch to pick: two people get the same number. In scikit-learn's terms C = 1
/ (N l2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from musiclib.datasets.imageset import stratified_indices

L2_GRID = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
L2_DEFAULT = 1e-2  # where there are too few labels to choose on


def check_labelled(features: Tensor, labels: Tensor, names: tuple[str, str] = ("features", "labels")) -> None:
    """Raise unless features are finite floats (N, F) and labels integers (N,), N at least 1."""
    if features.dim() != 2 or not features.is_floating_point() or 0 in features.shape:
        raise ValueError(f"{names[0]}: expected floats (N, F), got {features.dtype} of shape {tuple(features.shape)}")
    if labels.shape != features.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"{names[1]}: expected {len(features)} integers, got {labels.dtype} of shape {tuple(labels.shape)}"
        )
    if not torch.isfinite(features).all():
        raise ValueError(f"{names[0]}: NaN or infinite values; the encoder has diverged")


@dataclass(frozen=True)
class LinearModel:
    """Fitted probe: standardisation, weights, and the label that every row of the weights stands for."""

    mean: Float[Tensor, "f"]
    scale: Float[Tensor, "f"]
    weight: Float[Tensor, "classes f"]
    bias: Float[Tensor, "classes"]
    classes: Int[Tensor, "classes"]
    l2: float
    converged: bool
    evaluations: int

    def logits(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n classes"]:
        """Log odds of the classes, up to a constant a sample."""
        return F.linear((features.to(self.mean) - self.mean) / self.scale, self.weight, self.bias)

    def predict(self, features: Float[Tensor, "n f"]) -> Int[Tensor, "n"]:
        """The most probable label of every sample."""
        return self.classes[self.logits(features).argmax(1)]

    def top1(self, features: Float[Tensor, "n f"], labels: Int[Tensor, "n"]) -> float:
        """Share of samples, in [0, 1], whose label is predicted; a label that was not trained on counts as an error."""
        return (self.predict(features) == labels.to(self.classes.device)).double().mean().item()


def fit_logistic(
    features: Float[Tensor, "n f"],
    labels: Int[Tensor, "n"],
    l2: float,
    *,
    start: LinearModel | None = None,
    max_iterations: int = 300,
    tolerance: float = 1e-4,
) -> LinearModel:
    """Fit the model at one l2 > 0. `converged` says whether the largest entry of the gradient fell below `tolerance`.

    labels: any integers; the classes are those that occur (with one class every prediction is that class). start: a
    model of the same classes whose weights are the first guess. Computes in the type of `features` and on their device.
    Constant features are left at zero by the standardisation.
    """
    check_labelled(features, labels)
    if not l2 > 0:
        raise ValueError(f"l2={l2}: must be positive, or the optimum of separable data lies at infinity")
    mean = features.mean(0)
    scale = features.std(0, correction=0)
    # A constant feature comes out of the mean with rounding noise; dividing by that noise would make a feature of it.
    scale = torch.where(scale > 1e-6 * mean.abs() + 1e-12, scale, torch.ones_like(scale))
    x = (features - mean) / scale
    classes, y = torch.unique(labels.to(features.device), return_inverse=True)
    weight, bias = x.new_zeros(len(classes), x.shape[1]), x.new_zeros(len(classes))
    if start is not None and start.weight.shape == weight.shape:
        weight, bias = start.weight.clone(), start.bias.clone()
    weight.requires_grad_(True), bias.requires_grad_(True)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=max_iterations, max_eval=2 * max_iterations, history_size=10,
        tolerance_grad=tolerance, tolerance_change=0.0, line_search_fn="strong_wolfe",
    )  # fmt: skip
    evaluations = 0

    def objective() -> Tensor:
        nonlocal evaluations
        evaluations += 1
        solver.zero_grad()
        loss = F.cross_entropy(F.linear(x, weight, bias), y) + 0.5 * l2 * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        solver.step(objective)
        objective()
    slope = max(weight.grad.abs().max().item(), bias.grad.abs().max().item())
    return LinearModel(
        mean, scale, weight.detach(), bias.detach(), classes, l2,
        converged=slope <= tolerance, evaluations=evaluations,
    )  # fmt: skip


def linear_probe(
    train: Float[Tensor, "n f"],
    train_y: Int[Tensor, "n"],
    test: Float[Tensor, "m f"],
    test_y: Int[Tensor, "m"],
    *,
    grid: Sequence[float] = L2_GRID,
    fraction: float = 0.1,
    seed: int = 0,
    max_iterations: int = 300,
) -> dict[str, float | bool]:
    """Accuracy of the probe, chosen and refitted without a look at the test set.

    grid: values of l2, tried from the strongest to the weakest, each starting from the solution of the one before; the
    best on the held-out `fraction` of every class wins, the stronger one in a tie. Where no class has two members
    nothing can be held out and l2 is L2_DEFAULT.
    Returns top1 (test, in [0, 1]), selection_top1 (held-out part, for the chosen l2; NaN if nothing was held out), l2,
    C = 1 / (N l2) with N training samples, converged (of the final fit).
    """
    check_labelled(train, train_y, ("train", "train_y"))
    check_labelled(test, test_y, ("test", "test_y"))
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"train has {train.shape[1]} features and test {test.shape[1]}: they must be the same ones")
    if not grid:
        raise ValueError("grid: needs at least one value of l2")
    kept, held = stratified_indices(train_y, fraction, seed)
    l2, best, model = L2_DEFAULT, float("nan"), None
    if len(held):
        best = -1.0
        for value in sorted(grid, reverse=True):
            model = fit_logistic(train[kept], train_y[kept], value, start=model, max_iterations=max_iterations)
            score = model.top1(train[held], train_y[held])
            if score > best:
                l2, best = value, score
    final = fit_logistic(train, train_y, l2, max_iterations=max_iterations)
    return {
        "top1": final.top1(test, test_y),
        "selection_top1": best,
        "l2": l2,
        "C": 1.0 / (len(train) * l2),
        "converged": final.converged,
    }

"""Few-shot classification: nearest class centroid on frozen features, over many random episodes.

Snell et al., "Prototypical networks for few-shot learning", NeurIPS 2017, without any training on episodes.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def few_shot(
    features: Float[Tensor, "n f"],
    labels: Int[Tensor, "n"],
    *,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    episodes: int = 600,
    seed: int = 0,
) -> dict[str, float]:
    """Mean accuracy over episodes: `ways` random classes, `shots` labelled and `queries` other samples of each.

    A query belongs to the class whose centroid (mean of its labelled features, all at unit length) has the largest
    cosine with it. Classes with fewer than shots + queries samples are passed over. Chance is 1 / ways.
    Returns top1 (in [0, 1]) and half_width of the 95 % interval over episodes: it measures the draw of episodes, not of
    encoders.
    """
    if min(ways, shots, queries) < 1 or episodes < 2:
        raise ValueError(f"ways={ways}, shots={shots}, queries={queries}: at least 1; episodes={episodes}: at least 2")
    members = [torch.nonzero(labels == label)[:, 0].numpy() for label in torch.unique(labels)]
    members = [m for m in members if len(m) >= shots + queries]
    if len(members) < ways:
        raise ValueError(
            f"ways={ways}: only {len(members)} classes have shots + queries = {shots + queries} samples; take fewer"
        )
    rng = np.random.default_rng(seed)
    unit = F.normalize(features.float(), dim=1)
    target = torch.arange(ways).repeat_interleave(queries)
    scores = []
    for _ in range(episodes):
        chosen = rng.choice(len(members), ways, replace=False)
        drawn = torch.from_numpy(np.stack([rng.choice(members[c], shots + queries, replace=False) for c in chosen]))
        centroids = F.normalize(unit[drawn[:, :shots]].mean(1), dim=1)  # (ways, f)
        nearest = (unit[drawn[:, shots:]].flatten(0, 1) @ centroids.T).argmax(1)
        scores.append((nearest == target).double().mean().item())
    spread = float(np.std(scores, ddof=1))
    return {"top1": float(np.mean(scores)), "half_width": 1.96 * spread / math.sqrt(episodes)}

"""What presses each unit of the purest segments hardest, named by the factor that the segment tells most about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from musiclib.evaluate.attributes import segment_information


def purest(
    q: Float[Tensor, "n s k"],
    factors: Mapping[str, Int[Tensor, "n"]],
    values: Mapping[str, Sequence[str]],
    *,
    count: int = 3,
    images: int = 4,
) -> dict[str, tuple[list[list[int]], list[str]]]:
    """The `count` purest segments, one for each of as many factors where there are so many, purest first.

    q: soft codes. values: factor -> the names of its values. Returns title -> (for every unit the positions of the
    images that press it hardest among those whose largest unit it is, what is written below it: the commonest value of
    the segment's best factor among its images, and their share).
    """
    share = segment_information(q.argmax(-1), factors).of_segment
    names = list(factors)
    best = {int(share[s].argmax()): s for s in share.max(1).values.argsort().tolist()}  # factor -> its purest segment
    ranked = sorted(best.items(), key=lambda item: -float(share[item[1], item[0]]))
    found = {}
    for f, s in ranked[:count]:
        winner = q[:, s].argmax(-1)
        order = q[:, s].argsort(dim=0, descending=True, stable=True)
        units = [[int(n) for n in order[:, k] if winner[n] == k][:images] for k in range(q.shape[2])]
        named = [_named(factors[names[f]][winner == k], values[names[f]]) for k in range(q.shape[2])]
        found[f"segment {s + 1}: {names[f]} explains {100 * float(share[s, f]):.0f} %"] = (units, named)
    return found


def _named(members: Tensor, values: Sequence[str]) -> str:
    if not len(members):
        return "never used"
    counts = torch.bincount(members, minlength=len(values))
    return f"{values[int(counts.argmax())]}\n{100 * int(counts.max()) / len(members):.0f} %"

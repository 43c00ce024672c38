"""Predictions about signs, judged by intervals: written before a run, compared with it afterwards by one rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

from musiclib.statistics import t_interval

PREDICTIONS = ("falls", "kept")


def judge_effect(prediction: str, effects: Sequence[float], margin: float) -> str:
    """'hit', 'miss' or 'open': what the 95 % t interval of `effects` (one a seed) says of a prediction.

    falls   hit when the interval lies below 0, miss when it lies above 0
    kept    hit when it lies above -margin (nothing of that size was lost), miss when it lies below -margin

    Otherwise, and with a single effect, open. margin >= 0, in the unit of the effects.
    """
    if prediction not in PREDICTIONS:
        raise ValueError(f"prediction={prediction!r}: expected one of {', '.join(PREDICTIONS)}")
    if not margin >= 0:
        raise ValueError(f"margin={margin}: must not be negative")
    mean, half = t_interval(effects)
    if math.isnan(half):
        return "open"
    bound = 0.0 if prediction == "falls" else -margin
    if mean - half <= bound <= mean + half:
        return "open"
    below = mean + half < bound
    return "hit" if below == (prediction == "falls") else "miss"

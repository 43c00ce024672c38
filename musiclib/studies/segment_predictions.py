"""Which factors the codes hold under which views: predictions written before the runs, and the rule that judges them.

*Held*: a linear classifier reads the factor from the hard codes at least half as well as from the supervised encoder's
features under the same views (`musiclib.studies.ceilings`). The reasons, on `attributes_wide`:

- With c = 1 a segment takes what survives the views best, and the price of a second attribute that survives less often
  keeps the others with it (theory C52, C54). Without colour operations that is the colour of the ground, the largest
  area; with them its pattern, the only large thing that neither jitter nor grey-scale views touch.
- With c = 0 there is no such price. Segments part, and what is large or bright comes first: both colours and the
  pattern, with colour operations the core instead of the object's hue. Shape and texture need more of the encoder and
  are predicted to be lost throughout, though the supervised encoder learns them.

Added after the first two seeds of c under standard and gentle views, and before any run with a third-order term: there
both colours were held and nothing else, and any two segments told three quarters of a third one at c = 0 and standard
views. That is a Bush array over two attributes. Prediction: with the third-order term of weight 1 at c = 0, two
segments tell less than half of a third one, and at least one factor besides the colours is held.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from musiclib.statistics import t_interval

HALF = 0.5

#: c -> views -> the factors that are predicted to be held; every other factor is predicted to be lost.
PREDICTED: dict[float, dict[str, tuple[str, ...]]] = {
    0.0: {
        "none": ("hue", "ground", "pattern"),
        "crop": ("hue", "ground", "pattern"),
        "gentle": ("hue", "ground", "pattern"),
        "standard": ("core", "ground", "pattern"),
        "strong": ("core", "pattern"),
    },
    1.0: {
        "none": ("ground",),
        "crop": ("ground",),
        "gentle": ("ground",),
        "standard": ("pattern",),
        "strong": ("pattern",),
    },
}


def judge(held: bool, readable: Sequence[float], ceiling: float) -> str:
    """'hit', 'miss' or 'open': what the 95 % t interval of readable / ceiling (one a seed) says of a prediction.

    Open where it contains one half, with a single seed, and where the supervised encoder reads less than 0.1, so that
    there was nothing to hold.
    """
    if ceiling < 0.1:
        return "open"
    mean, half = t_interval([value / ceiling for value in readable])
    if math.isnan(half) or mean - half <= HALF <= mean + half:
        return "open"
    return "hit" if (mean > HALF) == held else "miss"

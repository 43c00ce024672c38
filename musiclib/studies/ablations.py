"""One question, one row of changes: what happens to a base configuration of MUSIC when one thing about it changes.

    found = studies(base)                      # name -> Study, all of them
    found["projector_depth"].rows              # {"0": {...fields of TrainConfig...}, "1": base, "2": ..., "3": ...}

Every study contains the base itself, with the very same configuration, so that all of them share its runs. A study
names the statement it bears on and the two groups of rows whose difference decides it, before anything is trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from musiclib.config import TrainConfig
from musiclib.statistics import Interval, paired_difference
from musiclib.studies.comparison import LEAST_SEEDS
from musiclib.views import view_preset

MARGIN = 0.01
"""One point of accuracy: the margin of the rules no-deep-projector and no-high-dimension among the verdicts."""

TERMS = ("diagonal", "off_diagonal", "invariance")


@dataclass(frozen=True)
class Study:
    """rows: label -> configuration without seed, in the order of the setting. base: label of the base. setting: what
    the labels are. claim: the statement, with its source. first, second: labels of the two groups; the claim is that
    the mean of `first` is above that of `second` minus `margin`."""

    question: str
    setting: str
    claim: str
    rows: dict[str, dict[str, Any]]
    base: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    margin: float = MARGIN


def verdict(study: Study, values: Mapping[str, Mapping[int, float]]) -> tuple[bool | None, str]:
    """Whether the claim of a study is supported (True), contradicted (False) or undecided (None), and the numbers.

    values: label -> seed -> accuracy in [0, 1]. Group means are paired by seed; the t interval of first - second has to
    lie above or below -margin as a whole, on at least three seeds. Seeds that a row of a group lacks are left out.
    """
    groups = []
    for labels in (study.first, study.second):
        have = [values.get(label, {}) for label in labels]
        seeds = set.intersection(*(set(v) for v in have)) if have else set()
        groups.append({s: sum(v[s] for v in have) / len(have) for s in seeds})
    difference = paired_difference(*groups)
    names = [" ".join(labels) or "none" for labels in (study.first, study.second)]
    if difference.n == 0:
        return None, f"rows to compare: [{names[0]}] and [{names[1]}]; one group has no finished run"
    text = f"[{names[0]}] minus [{names[1]}]: {_points(difference)} points"
    text += f" over {difference.n} seed(s), margin {100 * study.margin:g}"
    if not difference.bounded or difference.n < LEAST_SEEDS:
        return None, f"{text}; fewer than {LEAST_SEEDS} seeds decide nothing"
    if difference.low > -study.margin:
        return True, text
    return (False if difference.high < -study.margin else None), text


def _points(difference: Interval) -> str:
    half = f" ± {100 * difference.half:.2f}" if difference.bounded else ""
    return f"{100 * difference.mean:+.2f}{half}"


def studies(base: Mapping[str, Any], levels: Mapping[str, Sequence[Any]] | None = None) -> dict[str, Study]:
    """All studies of a base configuration of MUSIC: name -> study.

    base: fields of `TrainConfig` without seed; what is missing has its default. levels: name -> settings in place of
    the usual ones, which are drawn from the base; the base's own setting is always added. ValueError for a name that
    is no study.
    """
    config = TrainConfig.from_dict({**base, "method": "music"}).resolved()
    for name in levels or {}:
        if name not in BUILDERS:
            raise ValueError(f"levels has {name!r}; the studies are: {', '.join(BUILDERS)}")
    return {name: make(dict(base), config, (levels or {}).get(name)) for name, make in BUILDERS.items()}


def _changed(base: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The base with other fields; options and views are merged."""
    merged = {**base, "method": "music", **changes}
    for inner in ("options", "views"):
        if base.get(inner) or inner in changes:
            merged[inner] = {**base.get(inner, {}), **changes.get(inner, {})}
    return merged


def _around(centre: int, factors: Sequence[float], least: int) -> list[int]:
    return [v for v in (int(centre * f) for f in factors) if v >= least]


def _with(centre: Any, values: Sequence[Any]) -> list[Any]:
    """The values and the base's own, each once, in order."""
    return sorted({*values, centre})


def _segments_units(base: dict[str, Any], config: TrainConfig, levels: Sequence[Any] | None) -> Study:
    o = config.options
    size, own = o["segments"] * o["units"], o["units"]
    units = _with(own, levels or [k for k in (4, 8, 16, 32, 64) if size % k == 0 and size // k >= 2])
    for k in units:
        if size % k:
            raise ValueError(f"levels of segments_units: K={k} does not divide the embedding size {size}")
    rows = {f"{size // k}×{k}": _changed(base, options={"segments": size // k, "units": k}) for k in units}
    fits = [f"{size // k}×{k}" for k in units if k * k <= config.batch]
    return Study(
        f"How should D = {size} features be cut into S segments of K units?",
        "segments × units",
        f"C10, C28: more cells K² than samples N = {config.batch} blind the batch; so K² ≤ N is no worse than K² > N.",
        rows, f"{size // own}×{own}", tuple(fits), tuple(label for label in rows if label not in fits),
    )  # fmt: skip


def _dimension(base: dict[str, Any], config: TrainConfig, levels: Sequence[Any] | None) -> Study:
    s, k = config.options["segments"], config.options["units"]
    sizes = _with(s * k, levels or _around(s * k, (0.25, 0.5, 1, 2, 4), 2 * k))
    for d in sizes:
        if d % k:
            raise ValueError(f"levels of dimension: D={d} is no multiple of K={k}")
    rows = {str(d): _changed(base, options={"segments": d // k}) for d in sizes}
    return Study(
        f"Does a larger embedding help, with K = {k} units a segment?",
        "embedding size D = S K",
        "excerpt, contribution 4 (rule no-high-dimension): at most 512 features are no worse than 2048 and more.",
        rows, str(s * k),
        tuple(str(d) for d in sizes if d <= 512), tuple(str(d) for d in sizes if d >= 2048),
    )  # fmt: skip


def _batch(base: dict[str, Any], config: TrainConfig, levels: Sequence[Any] | None) -> Study:
    sizes = _with(config.batch, levels or _around(config.batch, (0.25, 0.5, 1, 2, 4), 2))
    rows = {str(n): _changed(base, batch=n) for n in sizes}
    return Study(
        "Is a large batch needed? (rate in proportion to the batch, same epochs)",
        "batch size N",
        "excerpt, contribution 3: no negative samples in a large batch are required; smaller batches than the base are "
        "no worse than larger ones. C28, C31 say what a small batch cannot see.",
        rows, str(config.batch),
        tuple(str(n) for n in sizes if n < config.batch), tuple(str(n) for n in sizes if n > config.batch),
    )  # fmt: skip


def _projector_depth(base: dict[str, Any], config: TrainConfig, levels: Sequence[Any] | None) -> Study:
    own = list(config.options["projector"])
    width = own[0] if own else 1024
    depths = _with(len(own), (0, 1, 2, 3) if levels is None else levels)
    rows = {str(d): _changed(base, options={"projector": own if d == len(own) else [width] * d}) for d in depths}
    return Study(
        f"Is a deep projection head needed? (hidden layers of width {width})",
        "hidden layers of the projector",
        "excerpt, contribution 4 (rule no-deep-projector): at most one hidden layer is no worse than two or more.",
        rows, str(len(own)), tuple(str(d) for d in depths if d <= 1), tuple(str(d) for d in depths if d >= 2),
    )  # fmt: skip


def _projector_width(base: dict[str, Any], config: TrainConfig, levels: Sequence[Any] | None) -> Study:
    own = list(config.options["projector"])
    width = own[0] if own else 1024
    widths = _with(width, levels or _around(width, (0.25, 1, 4), 1))
    depth = max(1, len(own))
    rows = {str(w): _changed(base, options={"projector": own if w == width and own else [w] * depth}) for w in widths}
    label = str(width)
    if not own:  # the base has no hidden layer: it stands beside the widths
        rows, label = {"none": _changed(base), **rows}, "none"
    return Study(
        "Is a wide projection head needed?",
        "width of the projector's hidden layers",
        "excerpt, contribution 4, read for the width: narrower heads than the base are no worse than wider ones.",
        rows, label, tuple(str(w) for w in widths if w < width), tuple(str(w) for w in widths if w > width),
    )  # fmt: skip


def _temperature(base: dict[str, Any], config: TrainConfig, levels: Sequence[Any] | None) -> Study:
    own = config.options["temperature"]
    values = _with(own, levels or [own * f for f in (0.25, 0.5, 1, 2, 4)])
    rows = {f"{t:g}": _changed(base, options={"temperature": float(t)}) for t in values}
    return Study(
        "Does the temperature of the softmax matter?",
        "temperature",
        "C32: a temperature is a scale of the logits, so it moves no minimum; other temperatures are no worse.",
        rows, f"{own:g}", tuple(f"{t:g}" for t in values if t != own), (f"{own:g}",),
    )  # fmt: skip


def _terms(base: dict[str, Any], config: TrainConfig, levels: Sequence[Any] | None) -> Study:
    chosen = TERMS if levels is None else levels
    rows = {"all terms": _changed(base)}
    for off in chosen:
        parts = str(off).split("+")
        if not set(parts) <= set(TERMS):
            raise ValueError(f"levels of terms: {off!r}; name one of {', '.join(TERMS)}, or several joined by +")
        label = "no " + ", no ".join(part.replace("_", "-") for part in parts)
        rows[label] = _changed(base, options={f"{part}_weight": 0.0 for part in parts})
    return Study(
        "Which of the three terms earn their place?",
        "weights set to zero",
        "C13, C19: a term that is off leaves some bad code without a price; so all terms together are better.",
        rows, "all terms", ("all terms",), tuple(label for label in rows if label != "all terms"), 0.0,
    )  # fmt: skip


def _invariance(base: dict[str, Any], config: TrainConfig, levels: Sequence[Any] | None) -> Study:
    own = config.options["invariance_weight"]
    values = _with(own, (0.0, 0.25, 1.0, 4.0) if levels is None else levels)
    rows = {f"{c:g}": _changed(base, options={"invariance_weight": float(c)}) for c in values}
    return Study(
        "How much weight should the invariance have?",
        "weight λ of the invariance term",
        "C4: from λ = 1 on no agreement is ever penalised; so λ ≥ 1 is no worse than λ < 1.",
        rows, f"{own:g}", tuple(f"{c:g}" for c in values if c >= 1), tuple(f"{c:g}" for c in values if c < 1),
    )  # fmt: skip


def _views(base: dict[str, Any], config: TrainConfig, levels: Sequence[Any] | None) -> Study:
    values = _with(1.0, (0.0, 0.5, 1.0, 1.5) if levels is None else [float(v) for v in levels])
    changes = {v: scaled_views(config.dataset, v, base.get("views", {})) for v in values}
    rows = {f"{v:g}": _changed(base, views=changes[v]) if changes[v] else _changed(base) for v in values}
    return Study(
        "How strong should the views be?",
        "strength of the views, 1: the data set's own",
        "C14: what a code means is outside the loss and comes from the views; so the data set's views are better than "
        "none (strength 0).",
        rows, "1", ("1",), tuple(f"{v:g}" for v in values if v == 0), 0.0,
    )  # fmt: skip


def scaled_views(dataset: str, strength: float, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Changes to a data set's views that make them stronger or weaker: 1 changes nothing, 0 leaves the plain image.

    The smallest crop is 1 - strength * (1 - its area), at least 0.05; half-widths of the jitter and all probabilities
    are multiplied and kept in their range. overrides: views of the base, scaled instead of the preset's. Where the two
    views of a data set differ (imagenet), what differs is left alone.
    """
    if not (math.isfinite(strength) and strength >= 0):
        raise ValueError(f"strength={strength!r}: expected a finite number >= 0")
    if strength == 1:
        return {}
    first, second = view_preset(dataset)
    values = {**first.to_dict(), **(overrides or {})}
    alike = [n for n in first.to_dict() if first.to_dict()[n] == second.to_dict()[n] or n in (overrides or {})]
    low, high = values["crop_scale"]
    changes: dict[str, Any] = {"crop_scale": [max(0.05, high - strength * (high - low)), high]}
    for name in ("brightness", "contrast", "saturation"):
        changes[name] = strength * values[name]
    changes["hue"] = min(0.5, strength * values["hue"])
    for name in ("flip", "jitter_p", "grey_p", "blur_p", "solarise_p"):
        changes[name] = min(1.0, strength * values[name])
    return {name: value for name, value in changes.items() if name in alike and value != values[name]}


BUILDERS: dict[str, Callable[[dict[str, Any], TrainConfig, Sequence[Any] | None], Study]] = {
    "segments_units": _segments_units,
    "dimension": _dimension,
    "batch": _batch,
    "projector_depth": _projector_depth,
    "projector_width": _projector_width,
    "temperature": _temperature,
    "terms": _terms,
    "invariance": _invariance,
    "views": _views,
}

"""Verdicts on the claims of the paper, computed from records by the rules in `verdicts.yaml`, which were written
before the runs.

Six kinds of rule, all data:

  better       the paired difference `rows - against` of a metric: reproduced when its interval lies above `margin`, not
               reproduced when it lies below `margin`, undecided when it contains it
  competitive  the same difference: reproduced when its interval lies above -margin, not reproduced when it lies below
  never        a flag (`field`) that no run of `rows` may have: reproduced when at least `runs` runs are all without it
  at_least     a metric, or a dotted place of the record: reproduced when the interval of its mean lies above `value`
  measured     what a notebook measured once a seed and kept as the metrics `metric`/0, `metric`/1 ...: reproduced when
               the interval of the mean lies above `bound` (`side: below`: below it); with `minus`, another such metric,
               that of the paired difference
  claim        a claim that a notebook checked itself and put into its record under `key`: true in all of them

MUSIC has two rows (`musiclib.methods.names.MUSIC`). A rule whose selectors say `row: each` becomes one rule for each of
them, and each gets its own verdict. A comparison pools runs of one setting only: of several settings the one with most
epochs counts, then the one with most pairs, then the first by name, and the text says how many others there are.

A rule is applied to each data set by itself. Where `scale` asks for more epochs or seeds than a data set has, its
verdict is "not testable at this scale" instead of "not reproduced", and with `either_way: true` instead of "reproduced"
too; a rule without any rows is "not tested".
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from musiclib.methods.names import MUSIC
from musiclib.plugins import is_path
from musiclib.schema import read_mapping as read_yaml
from reproduce.judging import records
from reproduce.judging.statistics import Interval, mean_interval, paired_difference, share_interval

FILE = Path(__file__).resolve().parent / "verdicts.yaml"
REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "undecided"
NOT_TESTABLE, NOT_TESTED = "not testable at this scale", "not tested"

KEYS = {
    "better": {"metric", "rows", "against", "margin"},
    "competitive": {"metric", "rows", "against", "margin"},
    "never": {"rows", "field", "runs"},
    "at_least": {"metric", "rows", "value"},
    "measured": {"metric", "bound"},
    "claim": {"key"},
}
OPTIONAL = {"id", "claim", "source", "because", "kind", "scale", "pair_by", "side", "minus"}
OPERATORS = {
    "at_least": lambda value, bound: isinstance(value, (int, float)) and value >= bound,
    "at_most": lambda value, bound: isinstance(value, (int, float)) and value <= bound,
    "in": lambda value, choices: value in choices,
    "not": lambda value, other: value is not None and value != other,
    "starts": lambda value, beginning: isinstance(value, str) and value.startswith(beginning),
}


@dataclass(frozen=True)
class Part:
    """The verdict on one data set: what was found, in words, with its number and the runs it rests on."""

    dataset: str
    verdict: str
    text: str
    interval: Interval | None = None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The verdict of a rule over all data sets: the least favourable of its parts."""

    rule: dict
    verdict: str
    parts: tuple[Part, ...] = field(default_factory=tuple)


def read_rules(path: Path = FILE) -> list[dict]:
    """The rules of a file. Raises ValueError naming every mistake in them."""
    rules = read_yaml(path).get("rules")
    if not isinstance(rules, list):
        raise ValueError(f"{path}: needs a list `rules`")
    mistakes, seen = [], set()
    for number, rule in enumerate(rules, 1):
        where = f"{path.name} rule {number}"
        if not isinstance(rule, dict) or rule.get("kind") not in KEYS:
            mistakes.append(f"{where}: needs a `kind`, one of {', '.join(KEYS)}")
            continue
        wanted = KEYS[rule["kind"]] | {"id", "claim", "source", "because"}
        mistakes += [f"{where} ({rule.get('id')}): lacks {k!r}" for k in sorted(wanted - set(rule))]
        mistakes += [f"{where} ({rule.get('id')}): unknown key {k!r}" for k in sorted(set(rule) - wanted - OPTIONAL)]
        if rule.get("id") in seen:
            mistakes.append(f"{where}: the id {rule['id']!r} is given twice")
        seen.add(rule.get("id"))
        if rule.get("side", "above") not in ("above", "below"):
            mistakes.append(f"{where} ({rule.get('id')}): side may be above or below, got {rule['side']!r}")
        for selector in (rule.get("rows", {}), rule.get("against", {})):
            for condition in selector.values():
                if isinstance(condition, dict) and set(condition) - set(OPERATORS):
                    mistakes.append(f"{where} ({rule['id']}): a condition may be a value or use {', '.join(OPERATORS)}")
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return [one for rule in rules for one in for_each_row(rule)]


def for_each_row(rule: dict) -> list[dict]:
    """One rule a row of MUSIC where its selectors or metrics say `each`, else the rule itself. A rule of a row has the
    row under `row` and an id of its own."""
    selectors = [name for name in ("rows", "against") if rule.get(name, {}).get("row") == "each"]
    metrics = [name for name in ("metric", "minus") if rule.get(name, "").endswith("/each")]
    if not selectors and not metrics:
        return [rule]
    return [
        {
            **rule,
            "id": f"{rule['id']}.{row}",
            "row": row,
            **{name: {**rule[name], "row": row} for name in selectors},
            **{name: rule[name].removesuffix("each") + row for name in metrics},
        }
        for row in MUSIC
    ]


def rules_hash(path: Path = FILE) -> str:
    """12 hex digits of the rules, printed in the report beside the date of the runs."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def matches(record: dict, selector: dict) -> bool:
    """Whether a record meets every condition: place -> value, or place -> {operator: bound}."""
    for place, condition in selector.items():
        value = records.look_up(record, place)
        if isinstance(condition, dict):
            if not all(OPERATORS[name](value, bound) for name, bound in condition.items()):
                return False
        elif value != condition:
            return False
    return True


def judge(found: Iterable[dict], rules: list[dict]) -> list[Verdict]:
    """One verdict a rule, in the order of the rules, from finished records (see `records.once`)."""
    found = list(found)
    trained = [
        r for r in found if r["kind"] == "pretrain" and r["status"] == "done" and not r["config"].get("validation")
    ]
    books = [r for r in found if r["kind"] == "notebook" and r["status"] == "done"]
    of_books = {"claim": judge_claim, "measured": judge_measured}
    rules = [*rules, *for_outside(rules, trained)]
    return [of_books[r["kind"]](r, books) if r["kind"] in of_books else judge_rule(r, trained) for r in rules]


def for_outside(rules: list[dict], trained: list[dict]) -> list[dict]:
    """The rules for methods from outside that were trained: what was written down for one of the ten peers (the first
    rule of kind `competitive` against a method, once a row of MUSIC), with the other method in its place."""
    outside = sorted({r["method"] for r in trained if is_path(r["method"])})
    peers = [r for r in rules if r["kind"] == "competitive" and set(r["against"]) == {"method"}]
    written = [r for r in peers if r["against"] == peers[0]["against"]]
    return [
        {
            **rule,
            "id": f"competitive-{method}" + (f".{rule['row']}" if "row" in rule else ""),
            "claim": f"MUSIC is at least as good as {method}.",
            "source": "a method from outside, judged by the rule for the paper's peers",
            "against": {"method": method},
        }
        for method in outside
        for rule in written
    ]


def judge_rule(rule: dict, trained: list[dict]) -> Verdict:
    rows = [r for r in trained if matches(r, rule["rows"])]
    how = {"better": difference, "competitive": difference, "never": never, "at_least": at_least}[rule["kind"]]
    name = images if how is difference else operator.itemgetter("dataset")
    parts = []
    for dataset in sorted({name(r) for r in rows}):
        mine = [r for r in rows if name(r) == dataset]
        part, used = how(rule, dataset, mine, [r for r in trained if name(r) == dataset])
        if part is not None:
            parts.append(scaled(rule, part, used))
    return Verdict(rule, overall([p.verdict for p in parts]), tuple(parts))


def overall(verdicts: list[str]) -> str:
    """One word for several data sets. Those where the scale says nothing are left out unless there are no others."""
    told = [v for v in verdicts if v in (REPRODUCED, NOT_REPRODUCED, UNDECIDED)]
    for word in (NOT_REPRODUCED, UNDECIDED, REPRODUCED):
        if word in told:
            return word
    return NOT_TESTABLE if verdicts else NOT_TESTED


def scaled(rule: dict, part: Part, rows: list[dict]) -> Part:
    """Below the scale that the rule asks for: fewer seeds say nothing either way; with fewer epochs a miss is no
    evidence against the claim, while a success still is evidence for it, unless the other side would gain from more
    epochs as well (`either_way`)."""
    scale = rule.get("scale", {})
    epochs, seeds = min(r["config"].get("epochs", 0) for r in rows), len({r["seed"] for r in rows})
    small = [f"{epochs} epochs, the rule asks for {scale['epochs']}"] if epochs < scale.get("epochs", 0) else []
    few = (
        [f"{seeds} seed{'s' if seeds > 1 else ''}, the rule asks for {scale['seeds']}"]
        if seeds < scale.get("seeds", 0)
        else []
    )
    if few or (small and (part.verdict != REPRODUCED or scale.get("either_way"))):
        return Part(part.dataset, NOT_TESTABLE, f"{part.text} ({'; '.join(few + small)})", part.interval, part.runs)
    return part


def images(record: dict) -> str:
    """The data set with its options (and its source, where it comes from outside): a part of a set is another set, and
    its runs are compared among themselves."""
    options = record["config"].get("dataset_options") or {}
    sources = record["config"].get("plugins") or {}
    own = [f"({sources[record['dataset']]})"] if record["dataset"] in sources else []
    return " ".join([record["dataset"], *own, *(f"{k}={json.dumps(v)}" for k, v in sorted(options.items()))])


@functools.cache
def default_options(method: str) -> str | None:
    """The method's options with their defaults, as canonical JSON; None for the reference rows."""
    from musiclib.methods import METHODS

    if method not in METHODS:
        return None
    options = METHODS[method][1]
    return json.dumps(dataclasses.asdict(options()), sort_keys=True) if dataclasses.is_dataclass(options) else None


def main_rows(rows: list[dict], pair_by: list[str]) -> list[dict]:
    """Of several variants of one method in one setting (ablations, other epochs) the one that stands for it: most
    epochs, then the fewest options that are not the method's defaults, then most seeds, then the first by name. A
    written order, so that nobody picks the best one."""
    chosen = []
    by_setting: dict[tuple, dict[str, list[dict]]] = {}
    for r in rows:
        setting = (r["method"], *(str(records.look_up(r, p)) for p in pair_by if p != "seed"))
        variant = json.dumps(records.config_of(r), sort_keys=True)
        by_setting.setdefault(setting, {}).setdefault(variant, []).append(r)
    for variants in by_setting.values():

        def rank(variant: str, variants: dict[str, list[dict]] = variants) -> tuple:
            first = variants[variant][0]
            usual = json.loads(default_options(first["method"]) or "{}")
            changed = sum(first["config"].get("options", {}).get(k) != v for k, v in usual.items())
            return (-first["config"].get("epochs", 0), changed, -len({r["seed"] for r in variants[variant]}), variant)

        chosen += variants[min(variants, key=rank)]
    return chosen


def difference(rule: dict, dataset: str, rows: list[dict], everything: list[dict]) -> tuple[Part | None, list[dict]]:
    """`better` and `competitive`: the paired difference of `rows` and `against`."""
    pair_by = rule.get("pair_by", ["seed", "config.encoder", "config.epochs", "config.batch", "config.views"])

    def cells(chosen: list[dict]) -> dict[tuple, dict]:
        scored = [r for r in main_rows(chosen, pair_by) if records.metric(r, rule["metric"]) is not None]
        return {tuple(str(records.look_up(r, p)) for p in pair_by): r for r in scored}

    mine, theirs = cells(rows), cells([r for r in everything if matches(r, rule["against"])])
    if {r["method"] for r in theirs.values()} == {"pixels"} and len(theirs) == 1 and pair_by == ["seed"]:
        theirs = dict.fromkeys(mine, *theirs.values())  # nothing is drawn there: one run stands for every seed
    settings: dict[tuple, list[tuple]] = {}
    for key in mine:
        if key in theirs:
            settings.setdefault(tuple(v for p, v in zip(pair_by, key, strict=True) if p != "seed"), []).append(key)
    if not settings:
        return None, []
    epochs = {s: max(mine[k]["config"].get("epochs", 0) for k in keys) for s, keys in settings.items()}
    setting = min(settings, key=lambda s: (-epochs[s], -len(settings[s]), s))
    shared = settings[setting]
    value = {
        "a": {k: records.metric(mine[k], rule["metric"]) for k in shared},
        "b": {k: records.metric(theirs[k], rule["metric"]) for k in shared},
    }
    gap = paired_difference(value["a"], value["b"])
    bound = rule["margin"] if rule["kind"] == "better" else -rule["margin"]
    text = f"{signed(gap)} points, {gap.n} pair{'s' if gap.n > 1 else ''} (to be above {100 * bound:+.1f})"
    text += f"; {len(settings) - 1} further settings not pooled" if len(settings) > 1 else ""
    runs = dict.fromkeys(r["run"] for k in shared for r in (mine[k], theirs[k]))
    return Part(dataset, decide(gap, bound), text, gap, tuple(runs)), [mine[k] for k in shared]


def decide(interval: Interval, bound: float) -> str:
    """Above, below, or neither. One pair alone decides nothing."""
    if not interval.bounded:
        return UNDECIDED
    return REPRODUCED if interval.low > bound else NOT_REPRODUCED if interval.high < bound else UNDECIDED


def never(rule: dict, dataset: str, rows: list[dict], everything: list[dict]) -> tuple[Part | None, list[dict]]:
    """`never`: how many runs have the flag."""
    told = [r for r in rows if records.look_up(r, rule["field"]) is not None]
    if not told:
        return None, []
    bad = sum(bool(records.look_up(r, rule["field"])) for r in told)
    verdict = NOT_REPRODUCED if bad else REPRODUCED if len(told) >= rule["runs"] else UNDECIDED
    upper = share_interval(bad, len(told))
    text = f"{rule['field']} in {bad} of {len(told)} runs (at 95 % a share of [{upper.low:.2f}, {upper.high:.2f}])"
    return Part(dataset, verdict, text, None, tuple(r["run"] for r in told)), told


def at_least(rule: dict, dataset: str, rows: list[dict], everything: list[dict]) -> tuple[Part | None, list[dict]]:
    """`at_least`: the mean of a metric or of a place of the record, over the main variant."""
    values = []
    for r in main_rows(rows, []):
        value = records.metric(r, rule["metric"]) if "/" in rule["metric"] else records.look_up(r, rule["metric"])
        if isinstance(value, (int, float)) and math.isfinite(value):
            values.append((float(value), r))
    if not values:
        return None, []
    mean = mean_interval([v for v, _ in values])
    text = f"mean {mean.mean:.4g}" + (
        f" [{mean.low:.4g}, {mean.high:.4g}]" if mean.bounded else " (one run, no interval)"
    )
    part = Part(
        dataset,
        decide(mean, rule["value"]),
        f"{text} over {mean.n} runs, to be above {rule['value']}",
        mean,
        tuple(r["run"] for _, r in values),
    )
    return part, [r for _, r in values]


def by_seed(book: dict, metric: str) -> dict[str, float]:
    """The values of `metric`/SEED in a notebook's record, by seed."""
    named = {name.removeprefix(f"{metric}/"): name for name in book["metrics"] if name.startswith(f"{metric}/")}
    found = {seed: records.metric(book, name) for seed, name in named.items() if seed.isdigit()}
    return {seed: value for seed, value in found.items() if value is not None}


def judge_measured(rule: dict, books: list[dict]) -> Verdict:
    """`measured`: the mean, or the mean difference, of what notebooks measured in several seeds."""
    parts, above = [], rule.get("side", "above") == "above"
    for book in books:
        values = by_seed(book, rule["metric"])
        if "minus" in rule:
            others = by_seed(book, rule["minus"])
            values = {seed: value - others[seed] for seed, value in values.items() if seed in others}
        if not values:
            continue
        mean = mean_interval(list(values.values()))
        sign = 1 if above else -1
        verdict = UNDECIDED
        if mean.bounded:
            low, high = sorted((sign * mean.low, sign * mean.high))
            bound = sign * rule["bound"]
            verdict = REPRODUCED if low > bound else NOT_REPRODUCED if high < bound else UNDECIDED
        told = f"[{mean.low:.3f}, {mean.high:.3f}]" if mean.bounded else "(one seed, no interval)"
        text = f"{mean.mean:.3f} {told} over {mean.n} seeds, to be {'above' if above else 'below'} {rule['bound']:g}"
        part = Part(book["job"], verdict, text, mean, (book["run"],))
        parts.append(scaled(rule, part, [{"config": book["config"], "seed": seed} for seed in values]))
    return Verdict(rule, overall([p.verdict for p in parts]), tuple(parts))


def claim_told(told: object) -> tuple[str, str]:
    """The verdict and the text of a notebook's own claim: true, false, None, or {"holds": one of them, "text": str}."""
    holds, text = (told.get("holds"), told.get("text", "")) if isinstance(told, dict) else (told, "")
    return {True: REPRODUCED, False: NOT_REPRODUCED}.get(holds, UNDECIDED), str(text)


def judge_claim(rule: dict, books: list[dict]) -> Verdict:
    """`claim`: what notebooks found themselves."""
    parts = []
    for book in books:
        claims = book.get("claims") or {}
        if rule["key"] in claims:
            verdict, text = claim_told(claims[rule["key"]])
            parts.append(Part(book["job"], verdict, text or verdict, None, (book["run"],)))
    return Verdict(rule, overall([p.verdict for p in parts]), tuple(parts))


def signed(gap: Interval) -> str:
    """A difference of fractions in percentage points, with its interval where there is one."""
    interval = f" [{100 * gap.low:+.2f}, {100 * gap.high:+.2f}]" if gap.bounded else " (one pair, no interval)"
    return f"{100 * gap.mean:+.2f}{interval}"

"""README.md of an exported encoder: what it is, how it was trained, its numbers with intervals, what it is not for.

The head is the YAML that model hubs read (library, tags, data set, results); everything in it and below comes from the
run's record, and from the records of other seeds where there are some. Nothing is claimed that no record says.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from musiclib import record
from musiclib.config import TrainConfig
from musiclib.export.source import Source
from musiclib.methods.names import NAMES, row_of
from musiclib.statistics import Interval, mean_interval, percent

PROBES = {"linear": "linear probe (logistic regression)", "knn": "weighted nearest neighbours (k = 20)"}

LEAST_SEEDS = 3


def card(source: Source, written: Mapping[str, str], *, name: str | None = None, licence: str | None = None) -> str:
    """The text of the card. written: file name -> what its check found. name: of the model, else made of method, data
    set and encoder. licence: of the weights, an identifier that the hub knows; left out where nobody says one."""
    name = name or default_name(source.config)
    return f"---\n{head(source, name, licence)}---\n\n{body(source, written, name)}"


def default_name(config: TrainConfig) -> str:
    """'music-cifar10-compact', of letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"{config.method}-{shown_dataset(config)}-{config.encoder}").strip("-")


def shown_dataset(config: TrainConfig) -> str:
    """The data set's name, without the folders that a path on somebody's machine leads through."""
    kind, colon, rest = config.dataset.partition(":")
    return f"{kind}:{Path(rest).name}" if colon and kind in ("folder", "imagenet") else config.dataset


def numbers(source: Source) -> dict[str, Interval]:
    """Probe -> mean over the seeds, with its interval where there are several."""
    found = {}
    for probe in PROBES:
        metric = f"{probe}/{source.split}/top1"
        values = [r["metrics"][metric] for r in source.siblings if r["metrics"].get(metric) is not None]
        if values:
            found[probe] = mean_interval(values)
    return found


def head(source: Source, name: str, licence: str | None) -> str:
    """The YAML head. Values of a model index are means over the seeds, in percent."""
    data, config = shown_dataset(source.config), source.config
    results = [
        {"type": "accuracy", "name": f"{PROBES[probe]}, top-1", "value": round(100 * value.mean, 2)}
        for probe, value in numbers(source).items()
    ]
    values: dict[str, Any] = {
        "library_name": "musiclib",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["self-supervised-learning", "image-feature-extraction", config.method, config.encoder],
        "datasets": [data],
    }
    if licence:
        values["license"] = licence
    if results:
        task = {"type": "image-classification", "name": "classification from frozen features"}
        entry = {"task": task, "dataset": {"type": data, "name": data, "split": source.split}, "metrics": results}
        values |= {"metrics": ["accuracy"], "model-index": [{"name": name, "results": [entry]}]}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def body(source: Source, written: Mapping[str, str], name: str) -> str:
    parts = [
        f"# {name}", what(source), "## Files", table(("file", "checked after writing"), list(written.items())),
        usage(source, written), "## How it was trained", training(source), "## Numbers", scores(source), "## Limits",
        "\n".join(f"- {line}" for line in limits(source)),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def what(source: Source) -> str:
    config = source.config
    row = row_of(config.method, config.options)
    size, channels = source.view.size, {1: "grey", 3: "colour"}[source.channels]
    how = "with labels" if config.method == "supervised" else "without labels"
    return (
        f"An image encoder ({config.encoder}, {source.encoder.features} features) trained {how} by {NAMES[row]} on "
        f"{shown_dataset(config)} with `musiclib`. It maps {channels} images of {size} x {size} pixels to one vector "
        "each; projector and loss were thrown away after training."
    )


def usage(source: Source, written: Mapping[str, str]) -> str:
    view, config = source.view, source.config
    lines = [
        f"Images are resized to {view.size} x {view.size}, scaled to [0, 1], and normalised by mean {list(view.mean)} "
        f"and standard deviation {list(view.std)}, nothing else."
    ]
    weights = next((f for f in written if f.startswith("encoder") and not f.endswith(".onnx")), None)
    if weights:
        lines += [
            "```python\n"
            "from musiclib.evaluate.foreign import load_weights\n\n"
            f'encoder = load_weights("{weights}", "{config.encoder}").encoder\n'
            "```",
        ]
    if weights and not config.validation:  # the part that such a run was scored on is no split of the data set
        lines.append(f"Its numbers again, from the file:\n\n```\n{command(source, weights)}\n```")
    if "encoder_torchvision.pth" in written:
        lines.append(torchvision_usage(source))
    return "\n\n".join(lines)


def command(source: Source, weights: str) -> str:
    """The command that scores the file as the run was scored; the data root is the reader's."""
    config, chosen = source.config, []
    for key, value in config.dataset_options.items():
        chosen.append(f"--option {shlex.quote(f'{key}={json.dumps(value)}')}")
    for key in ("size", "mean", "std"):
        if key in config.views:
            values = getattr(source.view, key)
            chosen.append(f"--{key} {' '.join(map(str, values if isinstance(values, tuple) else (values,)))}")
    chosen += [f"--seed {config.seed}"] if config.seed else []
    told = f"--weights {weights} --encoder {config.encoder} --dataset {shlex.quote(shown_dataset(config))}"
    return " ".join(["python -m musiclib.evaluate", told, *chosen])


def torchvision_usage(source: Source) -> str:
    name, c = source.config.encoder, source.channels
    lines = [f"model = torchvision.models.{name.removesuffix('_imagenet')}()", "model.fc = torch.nn.Identity()"]
    if name == "resnet18":
        lines += [f"model.conv1 = torch.nn.Conv2d({c}, 64, 3, 1, 1, bias=False)", "model.maxpool = torch.nn.Identity()"]
    elif c != 3:
        lines += [f"model.conv1 = torch.nn.Conv2d({c}, 64, 7, 2, 3, bias=False)"]
    lines.append('model.load_state_dict(torch.load("encoder_torchvision.pth", weights_only=True))')
    return "With torchvision:\n\n```python\n" + "\n".join(lines) + "\n```"


def training(source: Source) -> str:
    config, done = source.config, source.record
    environment, code, data = done["environment"], done["code"], done.get("data") or {}
    commit = f"commit {code['commit']}" if code.get("commit") else "no commit"
    dirty = " with changes that are not committed" if code.get("dirty") else ""
    rows = [
        ("method", f"{config.method}, {config.options}"),
        ("data", f"{shown_dataset(config)}, {data.get('samples')} images, checksum {str(data.get('checksum'))[:16]}"),
        ("epochs, batch", f"{config.epochs}, {config.batch}"),
        ("optimiser", f"{config.optimiser}, peak rate {config.peak_lr():g}, weight decay {config.weight_decay:g}"),
        ("views", f"the data set's own, changed by {config.views}" if config.views else "the data set's own"),
        ("precision, seed", f"{config.precision}, {config.seed}"),
        ("time", f"{done['time'].get('train_s', 0):.0f} s on {environment['device_name']}"),
        ("software", ", ".join(f"{name} {environment.get(name)}" for name in ("torch", "musiclib", "python"))),
        ("code", f"{commit}{dirty}, sources {code['sources']}"),
        ("run", f"{done['run']}, started {done['time']['started']}"),
        *((f"from outside: {n}", f"source {s}") for n, s in config.plugins.items()),
    ]  # fmt: skip
    return table(("", ""), rows)


def scores(source: Source) -> str:
    found, split = numbers(source), source.split
    if not found:
        return "The run was not evaluated."
    rows = [("this encoder's configuration", *cells(source.siblings, split, found))]
    rows += [(NAMES[method], *cells(records, split, found)) for method, records in source.floors.items()]
    head = (f"top-1 on the {split} set (%)", *(PROBES[p] for p in found))
    seeds = [r["seed"] for r in source.siblings]
    if len(seeds) > 1:
        told = f"Mean ± half of the 95 % t interval over the seeds {', '.join(map(str, seeds))}; this file is seed "
        told += f"{source.config.seed}, whose own numbers are "
    else:
        told = "One run, of which these are the numbers: "
    own = source.record["metrics"]
    told += ", ".join(f"{PROBES[p]} {100 * own[f'{p}/{split}/top1']:.2f}" for p in found)
    return f"{table(head, rows)}\n\n{told}. Frozen features of whole images; the test set was scored once, at the end."


def cells(records: Sequence[Mapping[str, Any]], split: str, probes: Mapping[str, Any]) -> list[str]:
    metrics = [f"{probe}/{split}/top1" for probe in probes]
    return [
        percent(mean_interval([r["metrics"][m] for r in records if r["metrics"].get(m) is not None])) for m in metrics
    ]


def limits(source: Source) -> list[str]:
    """What a reader has to know before using the encoder: every line follows from a record."""
    config, done, found = source.config, source.record, []
    if len(source.siblings) < LEAST_SEEDS:
        seeds = f"{len(source.siblings)} seed{'s' * (len(source.siblings) > 1)}"
        found.append(f"The numbers rest on {seeds}: no difference to another method is decided.")
    if done.get("collapsed"):
        found.append("**Collapsed**: the monitor found its embeddings nearly on one point or one line.")
    if config.validation:
        found.append("Scored on a tenth cut off the training set, not on the test set; the training set lacked it.")
    if not source.floors:
        found.append("No record of raw pixels or a random encoder lay beside it: how much was learnt is not known.")
    if config.dataset_options:
        found.append(f"Trained on the data set with {config.dataset_options}.")
    if (done.get("code") or {}).get("sources") != record.sources_hash():
        found.append("Trained by other sources of the library than those that wrote this file.")
    return [
        *found,
        f"Trained for {config.epochs} epoch{'s' * (config.epochs != 1)} on images of {source.view.size} pixels; what "
        "it makes of others is not known.",
        "Accuracies are those of classifiers on its features on the named set, and of nothing else. Nothing was "
        "measured about robustness, other domains, or groups of people.",
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [[str(c).replace("|", "\\|").replace("\n", " ") for c in line] for line in [head, *rows]]
    rule = "|" + "---|" * len(head)
    return "\n".join(
        ["| " + " | ".join(lines[0]) + " |", rule, *("| " + " | ".join(line) + " |" for line in lines[1:])]
    )

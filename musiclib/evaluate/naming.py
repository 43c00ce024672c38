"""Whose name is it: state_dicts of other code, put under the names of an encoder here, with nothing left unsaid.

Residual networks are named in two ways by others. torchvision and timm say

    conv1 bn1   layer1.0.conv1 layer1.0.bn1 ... layer1.0.downsample.0 layer1.0.downsample.1   ... fc

and code that cuts the classifier off with `nn.Sequential(*list(resnet.children())[:-1])` keeps the positions of these
children: 0 1 for conv1 bn1, 4 5 6 7 for layer1 .. layer4. In front may stand any of `PIECES`. What belongs to a known
head is left out and told; every other name that is not the encoder's is an error, and so is one that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from musiclib.encoders import ENCODERS, Timm
from musiclib.evaluate.weights import WeightsUnusable, shortened

PIECES = (
    "module", "_orig_mod", "model", "backbone", "encoder", "base_encoder", "online_encoder", "encoder_q", "net",
    "network", "resnet", "trunk",
)  # fmt: skip
"""What may stand before the names of an encoder, one of them or several with dots between."""

HEADS = (
    "fc", "head", "heads", "classifier", "projector", "projection", "projection_head", "proj_head", "predictor",
    "prediction_head", "prototypes",
)  # fmt: skip
"""First parts of names that belong to something on top of an encoder."""

OPTIONAL = "num_batches_tracked"  # a counter that no evaluation uses; files of old versions of torch lack it


@dataclass(frozen=True)
class Match:
    """A state_dict under the names of an encoder. prefix: what stood before them. naming: how they were named ('own',
    'torchvision', 'positions', 'timm'). ignored: names that belong to a head, or stand outside the chosen prefix."""

    tensors: Mapping[str, Tensor]
    prefix: str
    naming: str
    ignored: tuple[str, ...]


def torchvision_names(name: str, own: Mapping[str, object]) -> dict[str, str]:
    """Our name -> torchvision's, for all entries of the state_dict `own` of the residual encoder `name`."""
    stages = [(stage, i) for stage, depth in enumerate(ENCODERS[name]["depths"], 1) for i in range(depth)]
    return {key: _torchvision_name(key, stages) for key in own}


def _torchvision_name(key: str, stages: list[tuple[int, int]]) -> str:
    if found := re.fullmatch(r"stem\.([01])\.(\w+)", key):
        return f"{('conv1', 'bn1')[int(found[1])]}.{found[2]}"
    found = re.fullmatch(r"blocks\.(\d+)\.(branch|shortcut)\.(\d+)\.(\w+)", key)
    block, side, place, what = int(found[1]), found[2], int(found[3]), found[4]
    layer = "layer{}.{}".format(*stages[block])
    if side == "shortcut":
        return f"{layer}.downsample.{place}.{what}"
    number, kind = divmod(place, 3)  # convolution, normalisation, ReLU; the last block has no ReLU of its own
    return f"{layer}.{('conv', 'bn')[kind]}{number + 1}.{what}"


def namings(name: str, encoder: nn.Module) -> dict[str, dict[str, str]]:
    """Naming -> our name -> the name there, for every way in which others may have named this encoder's tensors."""
    own = encoder.state_dict()
    found = {"own": {key: key for key in own}}
    if name in ENCODERS:
        found["torchvision"] = torchvision_names(name, own)
        places = {"conv1": "0", "bn1": "1", **{f"layer{i}": str(3 + i) for i in range(1, 5)}}
        found["positions"] = {
            key: ".".join([places[theirs.split(".")[0]], *theirs.split(".")[1:]])
            for key, theirs in found["torchvision"].items()
        }
    if isinstance(encoder, Timm):
        found["timm"] = {key: key.removeprefix("network.") for key in own}
    return found


def match(state: Mapping[str, Tensor], name: str, encoder: nn.Module, prefix: str | None = None) -> Match:
    """The entries of `state` that are this encoder's, under its names.

    prefix: what stands before them; None for whichever combination of `PIECES` fits most. Raises WeightsUnusable, which
    lists names that are missing and names that nobody knows, and says where two networks fit equally well.
    """
    prefixes = sorted(_prefixes(state) if prefix is None else {prefix}, key=len)
    tried = [
        (sum(before + theirs in state for theirs in names.values()), before, naming)
        for naming, names in namings(name, encoder).items()
        for before in prefixes
    ]
    hits = max(count for count, *_ in tried)
    if not hits:
        raise WeightsUnusable(f"no name in the file is one of the encoder {name!r}; they are {shortened(list(state))}")
    best = [(before, naming) for count, before, naming in tried if count == hits]
    if len({before for before, _ in best}) > 1:
        raise WeightsUnusable(
            f"the file holds several networks that fit {name!r}; choose one with --prefix: "
            f"{', '.join(dict.fromkeys(before for before, _ in best))}"
        )
    before, naming = best[0]
    names = namings(name, encoder)[naming]
    found = {own: state[before + theirs] for own, theirs in names.items() if before + theirs in state}
    rest = set(state) - {before + theirs for theirs in names.values()}
    ignored = {key for key in rest if _is_head(key) or (prefix is not None and not key.startswith(prefix))}
    missing = [before + theirs for own, theirs in names.items() if own not in found and not own.endswith(OPTIONAL)]
    _complain(name, missing, sorted(rest - ignored))
    return Match(found, before, naming, tuple(sorted(ignored)))


def _complain(name: str, missing: list[str], unknown: list[str]) -> None:
    said = [f"{len(missing)} names of the encoder are missing: {shortened(missing)}"] if missing else []
    said += [f"{len(unknown)} names are not known: {shortened(unknown)}"] if unknown else []
    if said:
        hint = " (another encoder, or --prefix for one part of the file)"
        raise WeightsUnusable(f"the file does not fit the encoder {name!r}: {'; '.join(said)}{hint}")


def _prefixes(state: Mapping[str, Tensor]) -> set[str]:
    found = {""}
    for key in state:
        parts = key.split(".")
        for length in range(1, len(parts)):
            if parts[length - 1] not in PIECES:
                break
            found.add(".".join(parts[:length]) + ".")
    return found


def _is_head(key: str) -> bool:
    parts = key.split(".")
    while len(parts) > 1 and parts[0] in PIECES:
        parts = parts[1:]
    return parts[0] in HEADS


def check_shapes(found: Match, name: str, encoder: nn.Module) -> None:
    """WeightsUnusable unless every tensor has the shape that the encoder has there, and finite values."""
    wrong = [
        f"{key} is {tuple(found.tensors[key].shape)} and has to be {tuple(value.shape)}"
        for key, value in encoder.state_dict().items()
        if key in found.tensors and found.tensors[key].shape != value.shape
    ]
    if wrong:
        hint = ""
        if name in ENCODERS and any(line.startswith("stem.0") for line in wrong):
            kernel = found.tensors["stem.0.weight"].shape[-1]
            same = [
                n for n, v in ENCODERS.items() if v["stem"][0] == kernel and v["depths"] == ENCODERS[name]["depths"]
            ]
            hint = f"; its stem is {kernel}x{kernel}" + (f": --encoder {' or '.join(same)}" if same else "")
        raise WeightsUnusable(f"the file does not fit the encoder {name!r}: {shortened(wrong, 3)}{hint}")
    broken = [key for key, value in found.tensors.items() if not bool(value.isfinite().all())]
    if broken:
        raise WeightsUnusable(f"the weights are not finite: {shortened(broken)}")

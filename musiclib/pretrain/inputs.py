"""What a run is made from, found out before anything is trained: its data, its views, its configuration.

The name of a run says which data set was asked for, not what was found under that name: another data root, a picture
that was edited, a class folder that was added leave the name as it is. Records and checkpoints therefore keep the
identity of the data (`musiclib.datasets.identity`: content of the files, classes, labels in order, options), and are
used for the same data alone. Sets that are rendered or ship with a package come from no files and have nothing to keep.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from musiclib.config import TrainConfig
from musiclib.pretrain.assemble import Streamed, load_data, view_configs
from musiclib.views import two_views


class OtherData(RuntimeError):
    """The folder holds results of other data than those that are there now."""


class Unusable(ValueError):
    """The configuration asks for what its data, its method or this machine cannot give; found before the first
    step."""


@contextlib.contextmanager
def preparing(*kinds: type[Exception]) -> Iterator[None]:
    """Make what is wrong with a configuration Unusable: ValueError, TypeError and `kinds`. What is wrong with the data
    stays what it is."""
    from musiclib.datasets import DatasetUnusable

    try:
        yield
    except DatasetUnusable:
        raise
    except (TypeError, ValueError, *kinds) as error:
        raise Unusable(str(error)) from error


def identities(
    config: TrainConfig, root: str | os.PathLike | None, *, evaluate: bool = True, opened: tuple[Any, Any] | None = None
) -> dict[str, str]:
    """{"train": identity, "test": identity} of the sets that a run reads: without "test" when nothing is scored, or
    scored on a part of the training set; {} for a set that comes from no files.

    opened: the sets of a streamed run where they are open already.
    """
    from musiclib.datasets import from_files, identity

    splits = ("train", "test") if evaluate and not config.validation else ("train",)
    if config.dataset.partition(":")[0] == "imagenet":
        sets = opened or load_data(config, root, evaluate=evaluate)
        return {split: part.checksum for split, part in zip(splits, sets, strict=False)}
    if not from_files(config.dataset):
        return {}
    return {split: identity(config.dataset, split, root=root, **config.dataset_options) for split in splits}


def check_record(
    done: Mapping[str, Any], config: TrainConfig, root: str | os.PathLike | None, *, evaluate: bool, folder: object
) -> None:
    """OtherData when a finished record belongs to other data than those that are found now. Where none are found there
    is nothing to hold against it, and a warning says so; likewise for a record that does not name its data."""
    from musiclib.datasets import DatasetMissing, from_files

    known = (done.get("data") or {}).get("identity")
    if not known:
        if from_files(config.dataset):
            warnings.warn(
                f"the record in {folder} does not say of which data it is; it is taken as it is", stacklevel=3
            )
        return
    try:
        now = identities(config, root, evaluate=evaluate)
    except DatasetMissing as error:
        words = str(error).splitlines()[0]
        warnings.warn(f"the finished run in {folder} is taken as it is: {words}", stacklevel=3)
        return
    differ = [split for split in now if split in known and known[split] != now[split]]
    if differ:
        sets = " and ".join(f"{split} set ({known[split][:12]}, now {now[split][:12]})" for split in differ)
        raise OtherData(
            f"folder {folder} holds this run on other data: {config.dataset!r} had another {sets}. Choose another "
            "output folder for the data that are there now"
        )


def check_checkpoint(data: Mapping[str, Any], train_set: Any, folder: object) -> None:
    """OtherData when a checkpoint was trained on another set than `train_set`."""
    known = data.get("identity")
    if known is not None and known != train_set.identity:
        raise OtherData(
            f"the checkpoint in {folder} was trained on other data: {data['samples']} images with the identity "
            f"{known[:12]}; {train_set.name!r} has {len(train_set)} now, identity {train_set.identity[:12]}. Choose "
            "another output folder for them, or put the data back as they were"
        )


@torch.no_grad()
def try_views(config: TrainConfig, train_set: Any) -> None:
    """Make views of two images, so that a mean of two channels or a crop of nothing is found before the first step."""
    views = view_configs(config)
    if isinstance(train_set, Streamed):
        images = torch.zeros(2, train_set.channels, views[0].size, views[0].size, dtype=torch.uint8)
    else:
        images = train_set.images[:2]
    two_views(images, views, torch.Generator().manual_seed(0))

"""A set of images from outside: `package.module:load`, a function of the split that returns an `ImageSet`.

    def load(split, *, root=None, size=32) -> ImageSet: ...       # keyword-only: what dataset_options may choose

`split` is 'train' or 'test'. A parameter `root` gets the folder under which data are looked for. Data that are not
there are a `DatasetMissing`, data that cannot be used a `DatasetUnusable`; both pass as they are, and anything else
that the function raises is an error of the plug-in.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musiclib import plugins
from musiclib.datasets.imageset import ImageSet
from musiclib.datasets.options import check_options
from musiclib.datasets.sources import DatasetMissing, DatasetUnusable


def outside_set(path: str, split: str, root: Path, options: Mapping[str, Any]) -> ImageSet:
    """One split of the set at a dotted path. Raises PluginError, in one line, for a function that breaks the protocol,
    ValueError for an option that it does not have."""
    function, title = plugins.find(path, "dataset"), f"dataset {path!r}"
    parameters = plugins.call(title, inspect.signature, function, eval_str=True).parameters
    check_options(function, options, path)
    given = {"root": root, **options} if "root" in parameters else dict(options)
    try:
        found = function(split, **given)
    except (DatasetMissing, DatasetUnusable):
        raise
    except Exception as error:
        raise plugins.PluginError(f"{title} raised {plugins.described(error)}") from error
    if not isinstance(found, ImageSet):
        raise plugins.PluginError(f"{title} returned a {type(found).__name__}; it has to be an ImageSet")
    if found.split != split:
        raise plugins.PluginError(f"{title} returned the split {found.split!r} when asked for {split!r}")
    if found.images.shape[2] != found.images.shape[3] or not len(found):
        shape = tuple(found.images.shape)
        raise plugins.PluginError(f"{title} returned images of shape {shape}; it has to be square images, at least one")
    return found

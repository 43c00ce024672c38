"""What comes from outside by its dotted path: `package.module:name`, imported, called safely, named by its source.

    value = find("mine:Loss", "method")           # the class, or one line that says why there is none
    source("mine:Loss", "method")                 # 12 digits of the code that stands behind it

A path is code that runs with the rights of whoever wrote it on the command line or into a profile; nothing here reads
a path out of a record or a checkpoint and imports it without being asked to load that run. What a method, an encoder
and a data set have to be is said where they are used: `musiclib.methods.base`, `musiclib.encoders`,
`musiclib.datasets.outside`.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from musiclib.record import sources_hash

SHAPE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")

SCHEMES = ("folder", "medmnist", "imagenet", "timm")
"""What stands before the colon of other names of ours, and is no module."""

NOT_OUTSIDE = {*sys.stdlib_module_names, "torch", "numpy", "musiclib"}
"""Packages whose classes may stand behind a plug-in without being part of its source."""


class PluginError(ValueError):
    """A plug-in that is missing, broken, of the wrong kind, or not what it was. One line."""


def is_path(name: str) -> bool:
    """Whether a name is a dotted path to something outside, `package.module:name`."""
    return SHAPE.fullmatch(name) is not None and name.partition(":")[0] not in SCHEMES


def is_outside(name: str) -> bool:
    """Whether a name stands for code that is not the library's: a dotted path, or a network of timm."""
    return is_path(name) or name.startswith("timm:")


def find(path: str, what: str) -> Any:
    """The object at a dotted path. what: 'method', 'encoder' or 'dataset', for the error. Raises PluginError."""
    return _find(path, what)[0]


def source(name: str, what: str) -> str:
    """What names the code behind a plug-in: 12 hexadecimal digits over the package or module that it lies in, and over
    those of its base classes; for a network of timm the version of timm.

    All Python files of the topmost package count, as in `musiclib.record.sources_hash`, because a helper module decides
    numbers too. The files are read when the plug-in is first used in this process.
    """
    if name.startswith("timm:"):
        return f"timm {module_of_timm(name).__version__}"
    return _find(name, what)[1]


@functools.cache
def _find(path: str, what: str) -> tuple[Any, str]:
    place, _, name = path.partition(":")
    title = f"{what} {path!r}"
    module = load(place, title)
    try:
        value = getattr(module, name)
    except AttributeError:
        near = difflib.get_close_matches(name, dir(module), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise PluginError(f"{title}: module {place!r} has no {name!r}{hint}") from None
    if not callable(value):
        raise PluginError(f"{title} is {_short(value)}; it has to be a class or a function")
    digest = hashlib.sha256()
    for folder in sorted({_place(origin, title) for origin in (place, *_origins(value))}):
        digest.update(f"{folder.name}\0{sources_hash(folder)}\0".encode())
    return value, digest.hexdigest()[:12]


def load(place: str, title: str) -> ModuleType:
    """The module of that name; PluginError, beginning with `title`, where it is missing or cannot be imported."""
    importlib.invalidate_caches()  # a file that was written a moment ago counts
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name and f"{place}.".startswith(f"{error.name}."):
            raise PluginError(
                f"{title}: there is no module {error.name!r}; it has to lie in the working directory or on PYTHONPATH, "
                "or be installed"
            ) from None
        raise PluginError(f"{title}: importing it raised {described(error)}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"{title}: importing it raised {described(error)}") from error


def module_of_timm(name: str) -> ModuleType:
    """timm, where it is installed; else PluginError naming what asked for it."""
    try:
        import timm
    except ImportError as error:
        raise PluginError(f"encoder {name!r} needs the package timm, which cannot be imported: {error}") from None
    return timm


def call(title: str, function: Callable, *arguments: Any, **options: Any) -> Any:
    """function(*arguments, **options); whatever it raises becomes a PluginError that says where. title: 'encoder
    mine:factory'."""
    try:
        return function(*arguments, **options)
    except Exception as error:
        raise PluginError(f"{title} raised {described(error)}") from error


def described(error: BaseException) -> str:
    """Type, words and place of an error, in one line."""
    words = " ".join(str(error).split()) or "nothing more"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename or '?').name}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {words}{where}"


def unchanged(known: Mapping[str, str], now: Mapping[str, str]) -> None:
    """PluginError unless all plug-ins of a stored configuration have the source they had. known, now: by name."""
    for name, before in known.items():
        if name not in now:
            raise PluginError(f"plugins names {name!r}, which this configuration does not use")
        if now[name] != before:
            raise PluginError(
                f"{name!r} has changed: this configuration was made with its source {before}, and it is {now[name]} "
                "now; a changed source is another run"
            )


def named_in(values: Mapping[str, Any]) -> dict[str, str]:
    """name -> 'method', 'encoder' or 'dataset' of all plug-ins in the parameters of a notebook (`method`, `methods`,
    `encoder`, `dataset`, `datasets`, and `method` of the entries of `settings`)."""
    settings = values.get("settings")
    rows = settings.items() if isinstance(settings, dict) else ()
    labels = {label: row["method"] for label, row in rows if isinstance(row, dict) and "method" in row}
    found = [(method, "method") for method in labels.values()]
    for key in ("method", "encoder", "dataset"):
        several = values.get(f"{key}s")
        found += [(values.get(key), key), *((v, key) for v in (several if isinstance(several, list) else []))]
    return {name: what for name, what in found if isinstance(name, str) and is_outside(name) and name not in labels}


def _origins(value: Any) -> set[str]:
    """Modules outside the library that a class inherits from, or that a function was written in."""
    classes = [*value.__mro__, getattr(value, "Options", None)] if isinstance(value, type) else [value]
    modules = {getattr(c, "__module__", None) for c in classes} - {None}
    return {m for m in modules if m.partition(".")[0] not in NOT_OUTSIDE}


def _place(module: str, title: str) -> Path:
    """The folder of the topmost package that `module` lies in, or the file of a module that lies in none."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        file = getattr(sys.modules.get(".".join(parts[:length])), "__file__", None)
        if file is not None:  # a namespace package has none: what lies below it is another project's
            path = Path(file).resolve()
            return path.parent if path.name == "__init__.py" else path
    raise PluginError(f"{title}: module {module!r} has no file, and a run is named by its source")


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"a {type(value).__name__}"

"""Plain values from outside, checked: the one YAML reader, and dataclasses built from mappings.

Configurations, profiles, verdict rules and records all come in through these functions, so that a name that is
misspelt, a type that is wrong or a key given twice is the same kind of one-line error everywhere.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

T = TypeVar("T")


def canonical(values: Any) -> str:
    """JSON with sorted keys and no spaces, the same text for the same values; nan and infinity are errors."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from a mapping. Lists become tuples and integers floats where the field says so, no more."""
    names = [f.name for f in dataclasses.fields(cls) if f.init]
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"{where} has no {key!r}{hint}; the names are: {', '.join(names)}")
    hints = typing.get_type_hints(cls)
    return cls(**{key: coerce(value, hints[key], f"{where}.{key}") for key, value in values.items()})


def check_types(config: Any, where: str) -> None:
    """Check the fields of a frozen dataclass against its annotations, in place (integers given for floats become
    floats)."""
    hints = typing.get_type_hints(type(config))
    for f in dataclasses.fields(config):
        object.__setattr__(config, f.name, coerce(getattr(config, f.name), hints[f.name], f"{where}.{f.name}"))


def coerce(value: Any, hint: Any, where: str) -> Any:
    """`value` as the type `hint`, or a TypeError that names the field, the value and the type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        for option in arguments:
            try:
                return coerce(value, option, where)
            except TypeError:
                continue
    elif origin is Literal:
        if value in arguments and not isinstance(value, bool):
            return value
        raise ValueError(f"{where} is {value!r}; it has to be one of: {', '.join(map(str, arguments))}")
    elif origin is tuple and isinstance(value, (list, tuple)):
        kinds = arguments[:1] * len(value) if arguments[-1:] == (Ellipsis,) else arguments
        if len(kinds) == len(value):
            return tuple(coerce(v, kind, f"{where}[{i}]") for i, (v, kind) in enumerate(zip(value, kinds, strict=True)))
    elif origin is list and isinstance(value, list):
        return [coerce(v, arguments[0], f"{where}[{i}]") for i, v in enumerate(value)]
    elif origin is dict and isinstance(value, dict):
        return {coerce(k, arguments[0], where): coerce(v, arguments[1], f"{where}.{k}") for k, v in value.items()}
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
        raise ValueError(f"{where} is {value!r}; it has to be finite")
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif hint is type(None):
        if value is None:
            return None
    elif isinstance(value, origin or hint):
        return dict(value) if isinstance(value, dict) else value
    shown = getattr(hint, "__name__", str(hint)) if origin is None else str(hint).replace("typing.", "")
    raise TypeError(f"{where} is {value!r} ({type(value).__name__}); it has to be {shown}")


_REPLACED = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "timestamp"))


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-6 is a number, on/off/yes/no and dates are text, and a key given twice is an error."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf)$|^\.(?:nan|NaN)$"),
    list("-+0123456789."),
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    own = [loader.construct_object(k, deep=True) for k, _ in node.value if k.tag != "tag:yaml.org,2002:merge"]
    for key in own:
        if own.count(key) > 1:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: the key {key!r} is given twice")
    loader.flatten_mapping(node)  # what `<<: *name` brings stands first, so that own keys win
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


class NotYaml(yaml.YAMLError, ValueError):
    """The text is no YAML, or holds a value that is not what its tag says. One line."""


def read_yaml(text: str) -> Any:
    """YAML to plain values, read safely and without surprises. Raises NotYaml, which names the place."""
    try:
        return yaml.load(text, Loader=_Loader)
    except Exception as error:  # PyYAML lets those of the types pass through: int("x") for !!int x, a list as a key
        words = " ".join(str(error).split())
        words = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)
        raise NotYaml(words) from None


def read_mapping(path: str | Path, *, empty: bool = False) -> dict[str, Any]:
    """A YAML file whose top level is a mapping; `empty` admits a file without content. Raises ValueError naming the
    file and what is wrong with it."""
    try:
        content = read_yaml(Path(path).read_text(encoding="utf-8"))
    except NotYaml as error:
        raise ValueError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no UTF-8 text ({error})") from None
    if content is None and empty:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a mapping of keys to values, not {type(content).__name__}")
    return content

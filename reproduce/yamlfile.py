"""YAML without its surprises: profiles and verdict rules are read through this and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

REPLACED = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "timestamp"))


class StrictLoader(yaml.SafeLoader):
    """Safe YAML in which 1e-6 is a number, on/off/yes/no are text, and a key given twice is an error."""


StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf)$|^\.(?:nan|NaN)$"),
    list("-+0123456789."),
)


def _mapping(loader: StrictLoader, node: yaml.MappingNode) -> dict:
    own = [loader.construct_object(k, deep=True) for k, _ in node.value if k.tag != "tag:yaml.org,2002:merge"]
    for key in own:
        if own.count(key) > 1:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: the key {key!r} is given twice")
    loader.flatten_mapping(node)  # what `<<: *name` brings stands first, so that own keys win
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(text: str) -> object:
    """Read YAML with StrictLoader. Raises yaml.YAMLError naming the line."""
    return yaml.load(text, Loader=StrictLoader)


def read_yaml(path: Path) -> dict:
    """A YAML file whose top level is a mapping. Raises ValueError naming the file and what is wrong with it."""
    try:
        content = load_yaml(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no UTF-8 text ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a mapping of keys to values, not {type(content).__name__}")
    return content

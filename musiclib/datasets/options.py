"""Options of a data set, as they come from configurations and command lines, held against the reader's signature."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, get_args

PLAIN = (bool, int, float, str, types.NoneType)


def check_options(function: Callable, options: Mapping[str, Any], name: str) -> None:
    """ValueError, naming the option and the rule, unless the options are keyword arguments of `function` and have the
    types that it announces. Types other than plain ones are left to the function itself."""
    parameters = inspect.signature(function, eval_str=True).parameters
    known = {key: parameter for key, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY}
    for option, value in options.items():
        if option not in known:
            choices = ", ".join(known) if known else "none"
            raise ValueError(f"unknown option {option!r} of dataset {name!r}; its options are: {choices}")
        kinds = get_args(known[option].annotation) or (known[option].annotation,)
        if all(kind in PLAIN for kind in kinds) and not any(_is(value, kind) for kind in kinds):
            wanted = " or ".join("None" if kind is types.NoneType else kind.__name__ for kind in kinds)
            raise ValueError(f"option {option!r} of dataset {name!r} must be {wanted}, got {value!r}")


def _is(value: Any, kind: type) -> bool:
    """Whether a value can stand for a type: whole numbers do for float, truth values for bool alone."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)

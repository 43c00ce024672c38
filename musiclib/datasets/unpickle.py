"""Plain values out of a pickle, without Python's unpickler: numbers, strings, lists, and numpy arrays of plain types.

A pickle is a program for a small stack machine, and the usual reader of it calls whatever the program names. This one
knows the instructions that make plain values and the few names by which numpy writes an array; to any other instruction
or name it says no. Arrays are made here from the bytes that the pickle holds: numpy's own unpickling is not called.
"""

from __future__ import annotations

import math
import pickletools
import re
from typing import Any

import numpy as np

from musiclib.datasets.sources import DatasetUnusable, one_line

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
VALUES = (
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
NAMES = {
    **dict.fromkeys(("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"), "empty"),
    **dict.fromkeys(("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"), "array"),
    "numpy.ndarray": "ndarray",
    "numpy.dtype": "dtype",
    "_codecs.encode": "encode",
}
PLAIN_TYPE = re.compile(r"[<>|=]?([uif][1248]|b1)")
MARK = object()


class _Name(str):
    """One of the names that may be called."""


class _Type:
    """A numpy type in the making: the code comes first, the order of bytes later."""

    def __init__(self, code: str) -> None:
        if not isinstance(code, str) or not PLAIN_TYPE.fullmatch(code):
            raise ValueError(f"it holds an array of type {code!r}; only plain numbers are read")
        self.dtype = np.dtype(code)

    def build(self, state: Any) -> None:
        if isinstance(state[1], str) and state[1] in "<>|=":
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """A numpy array in the making: empty first, its content later."""

    value: np.ndarray | None = None

    def build(self, state: Any) -> None:
        _, shape, kind, column_major, content = state
        self.fill(content, kind, shape, "F" if column_major else "C")

    def fill(self, content: Any, kind: Any, shape: Any, order: str) -> None:
        raw = content.encode("latin-1") if isinstance(content, str) else content
        if not isinstance(kind, _Type) or not isinstance(raw, (bytes, bytearray)):
            raise ValueError("it holds an array that is not made of plain bytes")
        if not all(type(length) is int and length >= 0 for length in shape) or len(shape) > 8:
            raise ValueError(f"it holds an array of the impossible shape {shape!r}")
        if math.prod(shape) * kind.dtype.itemsize != len(raw):
            raise ValueError(f"it holds {len(raw)} bytes for an array of shape {shape!r}")
        self.value = np.frombuffer(raw, dtype=kind.dtype).reshape(shape, order="F" if order == "F" else "C").copy()


def read_pickle(name: str, content: bytes) -> dict[str, Any]:
    """The dictionary that a pickle holds, its keys as strings and its arrays as numpy arrays.

    DatasetUnusable, naming the file, for anything that is not plain, and for a damaged file.
    """
    try:
        result = _run(content)
        if not isinstance(result, dict):
            raise ValueError(f"it holds a {type(result).__name__}, expected a dictionary")
        return {_text(key): value.value if isinstance(value, _Array) else value for key, value in result.items()}
    except Exception as error:
        raise DatasetUnusable(f"{name} is no pickle of plain values and arrays: {one_line(error)}") from error


def _text(key: Any) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else key


def _run(content: bytes) -> Any:
    """The value that the instructions leave on the stack."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(content):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                stack.append(MARK)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "BINSTRING" | "SHORT_BINSTRING":  # the strings of Python 2, which are bytes or names
                stack.append(argument)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "APPEND" | "APPENDS":
                values = [stack.pop()] if opcode.name == "APPEND" else _marked(stack)
                _top(stack, list).extend(values)
            case "SETITEM" | "SETITEMS":
                values = _marked(stack) if opcode.name == "SETITEMS" else [stack.pop() for _ in range(2)][::-1]
                for key, value in zip(values[::2], values[1::2], strict=True):
                    if not isinstance(key, (str, bytes)):
                        raise ValueError(f"it holds a dictionary with a key of type {type(key).__name__}")
                    _top(stack, dict)[key] = value
            case "TUPLE":
                stack.append(tuple(_marked(stack)))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                values = tuple(stack[-count:])
                del stack[-count:]
                stack.append(values)
            case "GLOBAL" | "STACK_GLOBAL":
                named = argument.replace(" ", ".") if argument else ".".join((stack.pop(-2), stack.pop()))
                if named not in NAMES:
                    raise ValueError(f"it asks for {named}, which is not called here: only numpy arrays are read")
                stack.append(_Name(NAMES[named]))
            case "REDUCE":
                arguments, called = stack.pop(), stack.pop()
                stack.append(_call(called, arguments))
            case "BUILD":
                state = stack.pop()
                if not isinstance(stack[-1], (_Type, _Array)):
                    raise ValueError(f"it sets the state of a {type(stack[-1]).__name__}")
                stack[-1].build(state)
            case name if name in CONSTANTS:
                stack.append(CONSTANTS[name])
            case name if name in VALUES:
                stack.append(argument)
            case name:
                raise ValueError(f"it holds the instruction {name}, which makes no plain value")
    raise ValueError("it has no end")


def _call(called: Any, arguments: tuple) -> Any:
    """The value that one of the known names makes."""
    match called if isinstance(called, _Name) else None:
        case "empty":
            return _Array()
        case "dtype":
            return _Type(arguments[0])
        case "array":
            made = _Array()
            made.fill(*arguments)
            return made
        case "encode" if arguments[1:] == ("latin1",):
            return arguments[0].encode("latin-1")
    raise ValueError("it calls what is no function known here")


def _marked(stack: list[Any]) -> list[Any]:
    """Takes everything above the last mark, and the mark, off the stack."""
    start = len(stack) - 1
    while stack[start] is not MARK:
        start -= 1
        if start < 0:
            raise ValueError("a mark is missing")
    values = stack[start + 1 :]
    del stack[start:]
    return values


def _top(stack: list[Any], kind: type) -> Any:
    if type(stack[-1]) is not kind:
        raise ValueError(f"it adds to a {type(stack[-1]).__name__} as if it were a {kind.__name__}")
    return stack[-1]

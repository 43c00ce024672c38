"""Docstrings, which are written as a person reads them, for autodoc, which reads reStructuredText."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

CODE = re.compile(r"`+([^`]+)`+")
SPECIAL = re.compile(r"([\\*|<>]|_\b|\b_)")


def line_of(text: str) -> str:
    """One line of prose: `names` set as code, signs that would be markup kept as they are."""
    parts = CODE.split(text)
    parts[::2] = [SPECIAL.sub(r"\\\1", part).replace("`", r"\`") for part in parts[::2]]
    parts[1::2] = [f"``{part.strip()}``" for part in parts[1::2]]
    return "".join(parts)


def is_list(block: list[str]) -> bool:
    """Whether a paragraph is a list; a lone minus sign at the start of a sentence makes none."""
    return block[0].startswith("- ") and all(line.startswith(("- ", "  ")) for line in block)


def is_verbatim(block: list[str]) -> bool:
    """Whether the layout of a paragraph carries meaning: something is indented, or stands in columns."""
    if is_list(block):
        return False
    return any(line.startswith(" ") or re.search(r"\S {2,}\S", line) for line in block)


def convert(lines: list[str]) -> list[str]:
    """The lines of a docstring as reStructuredText: paragraphs, lists, and everything with a layout verbatim."""
    found: list[str] = []
    for blank, group in groupby(lines, key=lambda line: not line.strip()):
        block = list(group)
        if blank:
            continue
        if is_verbatim(block):
            found += ["::", "", *(f"    {line}" for line in block), ""]
        else:
            prose = [line_of(line) for line in block]
            found += [*(prose if is_list(block) else (re.sub("^- ", r"\\- ", line) for line in prose)), ""]
    return found


def process(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = convert(lines)


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

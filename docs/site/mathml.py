"""Formulas as MathML, which browsers draw by themselves: no script, no font, no network."""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

SAME = {r"\iff": r"\Longleftrightarrow", r"\dots": r"\ldots", r"\Big": ""}
"""Commands that docutils does not know, as ones that it does."""

THIN = '<mspace width="0.17em"/>'
NAMED = re.compile(r"(<mi>\w+</mi>)\s*<mo>(?:&ApplyFunction;|\u2061)</mo>")
"""A function's name, which browsers set without the space that print has around it."""


def mathml(node: nodes.Node, block: bool) -> str:
    """A formula as MathML; as it was typed, with a warning, where it cannot be read."""
    text = node.astext()
    for unknown, known in SAME.items():
        text = re.sub(re.escape(unknown) + r"(?![a-zA-Z])", lambda _, known=known: known, text)
    try:
        return NAMED.sub(rf"{THIN}\1{THIN}", tex2mathml(text, as_block=block))
    except MathError as error:
        logging.getLogger(__name__).warning("formula %s: %s", text, error, location=node)
        return f"<code>{html.escape(text)}</code>"


def write_inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(mathml(node, block=False))
    raise nodes.SkipNode


def write_block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{mathml(node, block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

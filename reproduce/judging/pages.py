"""Executed notebooks as pages that a browser shows without a network: formulas are MathML, no script is fetched."""

from __future__ import annotations

import html
import os
import sys
from pathlib import Path

from musiclib import files
from reproduce import EXECUTED


def mathml(tex: str, display: str = "inline") -> str:
    """A formula as MathML, with its TeX as tooltip and for copying; the TeX as code where it cannot be read.
    display: 'inline' or 'block'."""
    from latex2mathml.converter import convert

    try:
        return convert(tex, display=display).replace("<math ", f'<math title="{html.escape(tex.strip())}" ', 1)
    except Exception as error:  # whatever a formula that is none makes of the converter
        print(f"warning: the formula {tex!r} could not be drawn ({type(error).__name__})", file=sys.stderr)
        return f"<code>{html.escape(tex)}</code>"


TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock html_head_js -%}
{%- block html_head_js_mathjax -%}{%- endblock html_head_js_mathjax -%}
{%- block html_head_js_mermaidjs -%}{%- endblock html_head_js_mermaidjs -%}
"""
"""nbconvert's page without what it fetches: require.js, MathJax, Mermaid."""


def exporter():
    """nbconvert's HTML exporter with formulas drawn at once, and without the scripts that it would fetch."""
    from jinja2 import pass_context
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Drawn(IPythonRenderer):
        """Markdown whose formulas are MathML."""

        def inline_math(self, body: str) -> str:
            return mathml(body)

        def block_math(self, body: str) -> str:
            return mathml(body, "block")

        def latex_environment(self, name: str, body: str) -> str:
            return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    class Offline(HTMLExporter):
        """Pages that need nothing from elsewhere."""

        @pass_context
        def markdown2html(self, context, source):
            """Markdown of a cell or of an output as HTML."""
            attachments = context.get("cell", {}).get("attachments", {})
            return MarkdownWithMath(renderer=Drawn(escape=False, attachments=attachments)).render(source)

    return Offline(template_name="lab", raw_template=TEMPLATE)


def write_pages(result: Path) -> None:
    """Write notebook.html beside every executed notebook, since a browser shows an .ipynb as bare JSON. A damaged one
    is left as it is: its own link still leads to it."""
    stale = []
    for path in Path(result).glob(f"notebooks/*/{EXECUTED}"):
        page = path.with_suffix(".html")
        if not page.is_file() or page.stat().st_mtime_ns < path.stat().st_mtime_ns:
            stale.append(path)
    if not stale:
        return
    if os.path.expanduser("~") == "~":  # a user without a home, of which nbconvert would ask for templates
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
            os.environ.setdefault(name, str(Path(result) / ".jupyter"))
    make = exporter()
    for path in stale:
        try:
            text, _ = make.from_filename(str(path))
        except Exception as error:  # whatever a broken file makes of a converter
            print(f"warning: {path} could not be made readable: {error}", file=sys.stderr)
        else:
            files.write_text(path.with_suffix(".html"), text)

"""The site: `make site`, or `python -m sphinx docs outputs/site`. Builds and reads without a network.

Pages are the Markdown files of this folder. Lines `<!-- site: NAME WORDS -->` in them are filled from committed records
and sources by `site/pages.py`; a page that nobody lists in index.md is found all the same.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "site"), str(HERE.parent)]

project = "musiclib"
author = "The musiclib maintainers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "mathml", "docstrings", "pages"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["site", "examples"]

html_theme = "furo"
html_title = "musiclib"
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["site/static"]
html_css_files = ["site.css"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 100

# SPDX-License-Identifier: GPL-2.0
"""How Sphinx makes pages of this directory: `make htmldocs`."""

import re
from pathlib import Path

_CARGO = Path(__file__).parent.parent / "Cargo.toml"

project = "rdevpts"
author = "The rdevpts authors"
copyright = "2026, The rdevpts authors"  # noqa: A001 - Sphinx's name
release = re.search(r'^version = "(.*)"', _CARGO.read_text(encoding="utf-8"), re.M)[1]
extensions = ["sphinx.ext.graphviz"]
graphviz_output_format = "svg"
html_theme = "alabaster"
html_theme_options = {"page_width": "64em", "fixed_sidebar": True}
html_copy_source = False
nitpicky = True

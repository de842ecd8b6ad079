"""How Sphinx builds these pages: ``make docs``."""

import ast
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

import musisep_cli

PACKAGE = Path(musisep_cli.__file__).parent
SHOWN = {
    "../tests/benchmarks/RESULTS.md": "results.md",
    "../musisep_cli/methods/policy/weights/README.md": "weights.md",
}
"""Pages outside of this folder, which people who read the files are led to, and where they are
shown here."""

project = "musisep"
author = "musisep contributors"
release = version = musisep_cli.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "alabaster"
html_theme_options = {
    "description": "One file per instrument, from the recording alone",
    "fixed_sidebar": True,
    "page_width": "1100px",
}
html_show_sourcelink = False
myst_enable_extensions = ["smartquotes"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the docstrings name shapes and values, which say more
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_attr_annotations = False
napoleon_use_ivar = True


def modules() -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the docstring's first line of every module, by name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        yield name, docstring.partition("\n")[0].rstrip(".")


def complete(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the list of all modules where a page asks for it, and lead links to what is shown."""
    rows = (f"| `{name}` | {line.replace('|', '&#124;')} |\n" for name, line in modules())
    source[0] = source[0].replace("<!-- all modules -->\n", "".join(rows))
    for outside, shown in SHOWN.items():
        source[0] = source[0].replace(f"]({outside}", f"]({shown}")


def setup(app: Sphinx) -> None:
    """Ask Sphinx to have every page completed when it is read."""
    app.connect("source-read", complete)

"""HTML pages from Jinja templates that escape everything, with a policy under which they load nothing."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup

# Raw HTML is escaped, and nothing is loaded.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


@cache
def templates(folder: Path) -> Environment:
    """The templates of a folder: those named ``.html`` escape, and all have the filters ``markdown`` and ``inline``."""
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["markdown"] = lambda text: Markup(_MARKDOWN.render(text))  # noqa: S704  # rendered without raw HTML
    made.filters["inline"] = lambda text: Markup(_MARKDOWN.renderInline(text))  # noqa: S704  # likewise
    return made


@cache
def asset(path: Path) -> Markup:
    """A style sheet or an SVG of our own, to go into a page as it is."""
    return Markup(path.read_text(encoding="utf-8"))  # noqa: S704  # a file of the release


def policy(style: str, forms: str = "'none'") -> str:
    """The Content-Security-Policy of a page with one inline style sheet and nothing else.

    Args:
        style: the style sheet, which the policy names by its hash.
        forms: where forms may be sent.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    )

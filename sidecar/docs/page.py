"""The API reference as a page that needs no network and no script, and as ``docs/api.md``."""

from pathlib import Path
from typing import Any

from sidecar.docs.reference import read
from sidecar.http.html import asset, policy, templates

FOLDER = Path(__file__).with_name("templates")
STYLE = FOLDER / "page.css"


def security_policy() -> str:
    """The page's Content-Security-Policy."""
    return policy(asset(STYLE))


def render_page(schema: dict[str, Any], base: str) -> str:
    """The page at ``/api/docs``.

    Args:
        schema: an OpenAPI 3.1 document.
        base: where the API is mounted, for example ``/api``.
    """
    template = templates(FOLDER).get_template("page.html")
    return template.render(reference=read(schema, base), base=base, style=asset(STYLE))


def render_file(schema: dict[str, Any]) -> str:
    """``docs/api.md``, in Markdown; ``schema`` is an OpenAPI 3.1 document."""
    return templates(FOLDER).get_template("api.md").render(reference=read(schema, "/api"))

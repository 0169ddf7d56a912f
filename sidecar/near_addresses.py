"""Addresses that are nearly those of a page of the console, such as /import, lead to the page."""

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ALIKE = 0.75
"""Similarity from which one word is taken for another (Ratcliff and Obershelp): import and imports have 0.92."""
KEPT = "/?:@!$&'()*+,;=-._~%[]"
"""Characters of a query that stay as they are."""


@dataclass(frozen=True)
class NearAddressMiddleware:
    """Redirects browsers that ask for a page by nearly its name; the query stays.

    Attributes:
        app: what comes next.
        pages: names of the pages.
        home: the page whose address is ``/``.
    """

    app: ASGIApp
    pages: Collection[str]
    home: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect, or pass the request on."""
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        meant = self.meant(scope["path"]) if reads else None
        if meant is None:
            await self.app(scope, receive, send)
            return
        query = quote(scope["query_string"].decode("latin-1"), safe=KEPT)
        await RedirectResponse(meant + (f"?{query}" if query else ""))(scope, receive, send)

    def meant(self, path: str) -> str | None:
        """The address of the page that a path nearly names; None where it names none, or has its very address.

        Case, a slash at the end and a few letters do not matter.
        """
        name = path.strip("/").lower()
        found = [name] if name in self.pages else get_close_matches(name, self.pages, 1, ALIKE)
        if not found or "/" in name:
            return None
        address = "/" if found[0] == self.home else f"/{found[0]}"
        return None if address == path else address

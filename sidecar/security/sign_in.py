"""Sign-in page for browsers, which send no header of their own; it needs no script."""

import ipaddress
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from engine.errors import MarqueeError
from engine.services import running
from engine.services.access import ADMIN
from engine.services.acting import Actor
from sidecar.http.html import asset, policy, templates
from sidecar.http.problems import kind_of
from sidecar.security.door import DOOR, Door
from sidecar.security.sessions import end

log = logging.getLogger(__name__)

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
FOLDER = Path(__file__).with_name("templates")
STYLE = FOLDER / "sign_in.css"
MAX_FORM_BYTES = 16_384
MAX_ADDRESS = 1000
"""Characters of the address to return to after signing in; in a form each may take nine bytes."""


def create_sign_in(wordmark: str) -> list[Route]:
    """The routes for signing in and out; if no key is set, both redirect to the console.

    Args:
        wordmark: Marquee's name as SVG, shown on top of each page.
    """
    pages = SignInPages(Markup(wordmark))  # noqa: S704  # a file of the release
    return [
        Route(SIGN_IN, pages.sign_in, methods=["GET", "POST"]),
        Route(SIGN_OUT, pages.sign_out, methods=["GET", "POST"]),
    ]


def too_many(wait_s: int) -> str:
    """The message to an address that has sent too many invalid keys."""
    return f"Too many invalid keys came from this address. Try again in {wait_s:,} seconds."


def address_of_sign_in(wanted: str) -> str:
    """The sign-in page's address for a browser that asked for another page of this server."""
    return SIGN_IN if wanted == "/" else f"{SIGN_IN}?{urlencode({'next': wanted})}"


def local(address: str) -> str:
    """The address if it is a path on this server, otherwise the console's."""
    # Browsers read //host, /\\host and those with a tab in between as another server.
    plain = address.startswith("/") and not address.startswith("//") and address.isprintable() and "\\" not in address
    return address if plain and len(address) <= MAX_ADDRESS else "/"


class SignInPages:
    """The pages for signing in and out."""

    def __init__(self, wordmark: Markup) -> None:
        self._wordmark = wordmark

    async def sign_in(self, request: Request) -> Response:
        """Show the form, or sign in with the key that was entered."""
        door: Door | None = request.scope.get(DOOR)
        if door is None:
            return RedirectResponse("/", 303)
        if request.method != "POST":
            return self._form(local(request.query_params.get("next", "/")))
        form = await _read(request)
        wanted = local(form.get("next", "/"))
        holder = door.holder(form.get("key", "").strip().encode())
        if holder is None:
            log.warning("sign-in with an invalid key from %s", _where(request))
            if wait_s := door.turn_away(request.scope, "sign-in"):
                answer: Response = self._form(wanted, too_many(wait_s), status=429)
                answer.headers["Retry-After"] = str(wait_s)
                return answer
            return self._form(
                wanted, "This key is not valid. Use the value of MARQUEE_API_KEY, or a key with the scope admin."
            )
        services = running()
        if services is None:
            return self._form(wanted, "Marquee is still starting. Try again in a moment.", status=503)
        by = Actor(holder.name, _where(request))
        if not holder.may(ADMIN):
            services.audit.record("sign-in", "", "scope too small", by=by)
            return self._form(wanted, "This key can't open the console: it needs the scope admin.", status=403)
        services.audit.record("sign-in", by=by)
        answer = RedirectResponse(wanted, 303)
        door.sessions.begin(answer, holder, secret=services.access.secret, secure=request.url.scheme == "https")
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Ask for confirmation, or sign out."""
        door: Door | None = request.scope.get(DOOR)
        if door is None:
            return RedirectResponse("/", 303)
        if request.method != "POST":
            return self._page("sign_out", "Sign out of Marquee?", action=SIGN_OUT)
        session, services = door.sessions.find(request.headers), running()
        if session is not None and services is not None:
            try:
                await run_in_threadpool(services.access.end_session, session.session_id, session.until)
            except MarqueeError as error:
                problem = f"{error} A copy of this browser's cookie would work again after Marquee restarts."
                return self._page("failure", "Sign-out incomplete", status=kind_of(error).status, problem=problem)
            services.audit.record("sign-out")
        answer = RedirectResponse(SIGN_IN, 303)
        end(answer)
        return answer

    def _form(self, wanted: str, problem: str | None = None, *, status: int = 401) -> HTMLResponse:
        values = {"action": SIGN_IN, "wanted": wanted, "problem": problem}
        return self._page("sign_in", "Sign in to Marquee", status=status if problem else 200, **values)

    def _page(self, name: str, title: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        style = asset(STYLE)
        page = templates(FOLDER).get_template(f"{name}.html")
        headers = {"Content-Security-Policy": policy(style, forms="'self'"), "Cache-Control": "no-store"}
        content = page.render(title=title, style=style, wordmark=self._wordmark, **values)
        return HTMLResponse(content, status, headers)


def _where(request: Request) -> str:
    """The address a request came from, for the log: a proxy passes on whatever the client wrote."""
    try:
        return str(ipaddress.ip_address(request.client.host if request.client else ""))
    except ValueError:
        return "an unknown address"


async def _read(request: Request) -> Mapping[str, str]:
    """The fields of a form; none if it is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}

"""The page on which a person shows the key, for a browser, which sends no header of its own; it needs no script."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from engine.errors import MarqueeError
from engine.services import running
from engine.services.access import ADMIN
from engine.services.acting import Actor
from sidecar.docs.markup import Content, Markup, tag
from sidecar.docs.page import policy_with
from sidecar.http.problems import kind_of
from sidecar.security.door import DOOR, Door
from sidecar.security.sessions import end

log = logging.getLogger(__name__)

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
MAX_FORM_BYTES = 16_384
LONGEST_ADDRESS = 1000
"""Of where somebody is led after signing in; in a form each letter may take nine bytes."""
WORDMARK = Path(__file__).parents[2] / "pages" / "ui" / "assets" / "wordmark.svg"  # the console's, drawn in the page


def create_sign_in() -> list[Route]:
    """The routes of signing in and out; where no key is set both lead to the console."""
    return [
        Route(SIGN_IN, _sign_in, methods=["GET", "POST"]),
        Route(SIGN_OUT, _sign_out, methods=["GET", "POST"]),
    ]


def too_many(wait_s: int) -> str:
    """The sentence that refuses an address from which too many wrong keys came."""
    return f"Too many wrong keys came from this address. Try again in {wait_s:,} seconds."


def address_of_sign_in(wanted: str) -> str:
    """Where somebody signs in who wanted another address of this server."""
    return SIGN_IN if wanted == "/" else f"{SIGN_IN}?{urlencode({'next': wanted})}"


def local(address: str) -> str:
    """The address where it is a path of this server, else the console's."""
    # A browser takes //host, /\\host and those with a tab between for another server.
    plain = address.startswith("/") and not address.startswith("//") and address.isprintable() and "\\" not in address
    return address if plain and len(address) <= LONGEST_ADDRESS else "/"


def _where(request: Request) -> str:
    """The address a request came from, for the log: a proxy passes on what a caller may have written."""
    try:
        return str(ipaddress.ip_address(request.client.host if request.client else ""))
    except ValueError:
        return "an unknown address"


async def _sign_in(request: Request) -> Response:
    door: Door | None = request.scope.get(DOOR)
    if door is None:
        return RedirectResponse("/", 303)
    if request.method != "POST":
        return _form(local(request.query_params.get("next", "/")))
    form = await _read(request)
    wanted = local(form.get("next", "/"))
    holder = door.holder(form.get("key", "").strip().encode())
    if holder is None:
        log.warning("somebody at %s tried to sign in with a wrong key", _where(request))
        if wait_s := door.turn_away(request.scope, "sign-in"):
            answer: Response = _form(wanted, too_many(wait_s), status=429)
            answer.headers["Retry-After"] = str(wait_s)
            return answer
        return _form(wanted, "This is not the key. It is what MARQUEE_API_KEY was set to, or one with the scope admin.")
    services = running()
    if services is None:
        return _form(wanted, "Marquee is still starting. Try again in a moment.", status=503)
    by = Actor(holder.name, _where(request))
    if not holder.may(ADMIN):
        services.audit.record("sign-in", "", "scope too small", by=by)
        return _form(wanted, "This key does not open the console: it needs the scope admin.", status=403)
    services.audit.record("sign-in", by=by)
    answer = RedirectResponse(wanted, 303)
    door.sessions.begin(answer, holder, secret=services.access.secret, secure=request.url.scheme == "https")
    return answer


async def _sign_out(request: Request) -> Response:
    door: Door | None = request.scope.get(DOOR)
    if door is None:
        return RedirectResponse("/", 303)
    if request.method != "POST":
        return _page(
            "Sign out of Marquee?",
            tag("p", "This browser will need a key again. Others stay signed in."),
            tag("form", tag("button", "Sign out", type="submit"), method="post", action=SIGN_OUT),
            tag("p", tag("a", "Back to Marquee", href="/")),
        )
    session, services = door.sessions.find(request.headers), running()
    if session is not None and services is not None:
        try:
            await run_in_threadpool(services.access.end_session, session.session_id, session.until)
        except MarqueeError as error:
            told = tag("p", f"{error} A copy of this browser's cookie would open Marquee again after its next start.")
            return _page("You are not quite signed out", told, status=kind_of(error).status)
        services.audit.record("sign-out")
    answer = RedirectResponse(SIGN_IN, 303)
    end(answer)
    return answer


async def _read(request: Request) -> Mapping[str, str]:
    """The fields of a form; of one that is too long, none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


def _form(wanted: str, problem: str | None = None, *, status: int = 401) -> HTMLResponse:
    return _page(
        "Sign in to Marquee",
        tag("p", problem, role="alert", id="problem") if problem else None,
        tag(
            "form",
            tag("label", "Key", for_="key"),
            tag(
                "input",
                id="key",
                name="key",
                type="password",
                autocomplete="current-password",
                required="required",
                autofocus="autofocus",
                aria_describedby="problem" if problem else "help",
            ),
            tag("input", name="next", type="hidden", value=wanted),
            tag("button", "Sign in", type="submit"),
            method="post",
            action=SIGN_IN,
        ),
        None
        if problem
        else tag(
            "p",
            "The key is what ",
            tag("code", "MARQUEE_API_KEY"),
            " is set to on the server, or one with the scope admin.",
            id="help",
        ),
        status=status if problem else 200,
    )


@cache
def _stylesheet() -> str:
    return Path(__file__).with_name("sign_in.css").read_text(encoding="utf-8")


@cache
def _wordmark() -> str:
    return WORDMARK.read_text(encoding="utf-8")


def _page(title: str, *content: Content, status: int = 200) -> HTMLResponse:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(_stylesheet())),
    )
    body = tag("body", tag("main", Markup(_wordmark()), tag("h1", title), *content))
    policy = policy_with(_stylesheet(), forms="'self'")
    return HTMLResponse(
        f"<!doctype html>\n{tag('html', head, body, lang='en')}\n",
        status,
        {"Content-Security-Policy": policy, "Cache-Control": "no-store"},
    )

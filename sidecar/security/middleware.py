"""Access control: the ASGI layer around the whole server, console and API alike.

Without a key, Marquee trusts the person at this computer and answers no one else, whatever address it listens on. Two
checks keep out web pages that are open in that person's browser: the ``Host`` header must name this computer (after DNS
rebinding, a page still sends its own name), and a request that changes something or opens a WebSocket must not come
from another website (``Origin``). Requests through a proxy are refused, since everyone behind it would look like this
computer. With a key, everything except ``OPEN_PATHS`` requires one: programs send it with each request, browsers are
redirected to the sign-in page. The console requires the scope *admin*; ``scopes`` has the scope of each API route.
"""

import ipaddress
import time
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.services.access import ADMIN
from engine.services.acting import NO_KEY, Actor, act_as
from engine.settings import SHORT_KEY, Settings
from sidecar.http import access_log
from sidecar.http.forwarded import is_forwarded, resolve
from sidecar.http.kinds import (
    BAD_PATH,
    BAD_REQUEST,
    FOREIGN_ORIGIN,
    KEY_REQUIRED,
    KEY_WRONG,
    NO_SUCH_ROUTE,
    PROXY_WITHOUT_KEY,
    SCOPE_TOO_SMALL,
    TOO_MANY_WRONG_KEYS,
    WRONG_HOST,
)
from sidecar.http.problems import problem
from sidecar.http.requests import is_utf8, route_path
from sidecar.security.door import DOOR, Door, Visitor
from sidecar.security.scopes import HOLDER, too_small
from sidecar.security.sign_in import SIGN_IN, address_of_sign_in, too_many

API = "/api"
PROBES = frozenset({f"{API}/health/live", f"{API}/health/ready"})
OPEN_PATHS = PROBES | {SIGN_IN}
"""Paths that need no key: health probes and the sign-in page."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Streamlit runs inline scripts, and charts evaluate expressions, so scripts can't be restricted.
    "Content-Security-Policy": "frame-ancestors 'self'; object-src 'none'; base-uri 'self'; form-action 'self'",
}
API_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def is_loopback(name: str) -> bool:
    """Whether a host name (no port, no brackets) always means this computer."""
    name = name.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def host_and_port(authority: str, default_port: int) -> tuple[str, int] | None:
    """Host and port of ``example.org:8501`` or ``[::1]:8501``; None if it is not valid."""
    if not authority or any(letter in authority for letter in "/?#@\\ "):
        return None
    try:
        parts = urlsplit(f"//{authority}")
        return (parts.hostname or "").lower(), parts.port or default_port
    except ValueError:
        return None


def same_origin(origin: str, host: str) -> bool:
    """Whether ``Origin`` and ``Host`` name the same server.

    The schemes may differ, as a proxy may terminate TLS; without a port, ``Host`` means the default of the origin.
    """
    scheme, separator, authority = origin.partition("://")
    if not separator or scheme not in DEFAULT_PORTS:
        return False  # "null": a sandboxed frame or a file
    theirs = host_and_port(authority, DEFAULT_PORTS[scheme])
    return theirs is not None and theirs == host_and_port(host, DEFAULT_PORTS[scheme])


class SecurityMiddleware:
    """Checks host, origin and key, and adds security headers to responses that don't set their own.

    Args:
        app: the whole server, with the API mounted at ``/api``.
        settings: with or without ``api_key``.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.door = None if settings.key is None else Door(settings.key)
        self._proxies = settings.proxies
        self._is_local = settings.key is None or len(settings.key) < SHORT_KEY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle or refuse one request."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        path = route_path(scope)
        in_api = path == API or path.startswith(f"{API}/")
        started = time.perf_counter()
        refusal, visitor = self._received(scope, in_api)
        send = _with_headers(send, in_api)
        if refusal is None:
            client = scope.get("client")
            name = NO_KEY if visitor is None else visitor.holder.name
            act_as(Actor(name, client[0] if client else None))
            if visitor is not None and scope["type"] == "websocket":
                receive = _while_welcome(visitor, receive, send)
            await self.app(scope, receive, send)
            return
        identity = access_log.request_id(scope)
        refusal.headers[access_log.HEADER] = identity
        access_log.log_request(scope, identity, refusal.status_code, started)
        if scope["type"] == "websocket":
            await receive()  # the connect message; closing before accepting makes the server answer 403
            await send({"type": "websocket.close", "code": 1008})
            return
        await refusal(scope, receive, send)

    def _received(self, scope: Scope, in_api: bool) -> tuple[Response | None, Visitor | None]:
        """The refusal of a request, or None; and the client, if a key was required and valid."""
        headers = Headers(scope=scope)
        if self._proxies:
            resolve(scope, headers, self._proxies)
        refusal = (
            self._other_computer(scope)
            or self._behind_proxy(headers)
            or self._wrong_host(_values(headers, "host"))
            or _foreign_origin(scope, headers)
        )
        if refusal is not None or self.door is None:
            return refusal or (_unsafe_path(scope) if in_api else None), None
        scope[DOOR] = self.door
        path = route_path(scope)
        given = _keys_given(headers)
        visitor = None if path in OPEN_PATHS else self.door.visitor(given, headers)
        if visitor is None:
            refusal = None if path in OPEN_PATHS else self._without_key(self.door, scope, headers, given=bool(given))
        else:
            scope[HOLDER] = visitor.holder
            if not in_api and not visitor.holder.may(ADMIN):
                refusal = problem(SCOPE_TOO_SMALL, too_small(visitor.holder, ADMIN))
        return refusal or (_unsafe_path(scope) if in_api else None), visitor

    def _other_computer(self, scope: Scope) -> Response | None:
        client = scope.get("client")
        if not self._is_local or client is None or is_loopback(client[0]):
            return None  # no address: a Unix socket on this computer
        if self.door is None:
            why = "Without an API key Marquee answers only this computer. Set MARQUEE_API_KEY to allow others."
        else:
            why = (
                f"Marquee answers only this computer while MARQUEE_API_KEY has fewer than {SHORT_KEY} characters. "
                "Create a longer one: openssl rand -hex 32"
            )
        return problem(WRONG_HOST, why)

    def _behind_proxy(self, headers: Headers) -> Response | None:
        if self.door is not None or not is_forwarded(headers):
            return None
        return problem(PROXY_WITHOUT_KEY)

    def _wrong_host(self, hosts: list[str]) -> Response | None:
        if self.door is not None:
            # Any name will do, but two are ambiguous (RFC 9112, 3.2).
            return problem(BAD_REQUEST, "The request has more than one Host header.") if len(hosts) > 1 else None
        named = host_and_port(hosts[0], 80) if len(hosts) == 1 else None
        if named is not None and is_loopback(named[0]):
            return None
        return problem(WRONG_HOST)

    def _without_key(self, door: Door, scope: Scope, headers: Headers, *, given: bool) -> Response:
        """The response to a request without a key, or with an invalid one if one was ``given``."""
        if not given and _is_navigation(scope, headers):
            query = scope["query_string"].decode("latin-1")
            return RedirectResponse(address_of_sign_in(quote(route_path(scope)) + (f"?{query}" if query else "")), 303)
        if given and (wait_s := door.turn_away(scope, "key shown")):
            return problem(TOO_MANY_WRONG_KEYS, too_many(wait_s), headers={"Retry-After": str(wait_s)})
        return problem(KEY_WRONG if given else KEY_REQUIRED, headers={"WWW-Authenticate": 'Bearer realm="Marquee"'})


def _while_welcome(visitor: Visitor, receive: Receive, send: Send) -> Receive:
    """Receive from a WebSocket, and close it once its session has ended or its key is revoked."""

    async def receive_checked() -> Message:
        message = await receive()
        if message["type"] == "websocket.receive" and not visitor.is_welcome():
            await send({"type": "websocket.close", "code": 1008})
            return {"type": "websocket.disconnect", "code": 1008}
        return message

    return receive_checked


def _is_navigation(scope: Scope, headers: Headers) -> bool:
    """Whether a browser is loading a page."""
    return scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} and "text/html" in headers.get("accept", "")


def _values(headers: Headers, name: str) -> list[str]:
    """The values of a header without surrounding whitespace, which is not part of them (RFC 9110, 5.5)."""
    return [value.strip(" \t") for value in headers.getlist(name)]


def _keys_given(headers: Headers) -> list[str]:
    keys = _values(headers, "x-api-key")
    for value in _values(headers, "authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            keys.append(key.strip(" \t"))
    return keys


def _foreign_origin(scope: Scope, headers: Headers) -> Response | None:
    if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
        return None
    origins = _values(headers, "origin")
    if origins:
        foreign = len(origins) > 1 or not same_origin(origins[0], headers.get("host", "").strip(" \t"))
    else:
        # Programs send neither header. A browser that omits Origin still says where the page came from.
        foreign = headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    if not foreign:
        return None
    return problem(FOREIGN_ORIGIN)


def _unsafe_path(scope: Scope) -> Response | None:
    # Streamlit would refuse these in plain text before routing; the API answers with a problem.
    path = route_path(scope)
    if path == API:  # the API is mounted below; here Streamlit would show its page
        return problem(NO_SUCH_ROUTE, f"No such address. See {API}/docs.")
    if "\0" in path or "\n" in path or ".." in path.replace("\\", "/").split("/"):
        return problem(BAD_PATH)
    if not is_utf8(scope.get("raw_path") or b""):  # decoding turns all such bytes into the same character
        return problem(BAD_PATH, "The path contains bytes that are not percent-encoded UTF-8.")
    return None


def _with_headers(send: Send, in_api: bool) -> Send:
    wanted: Iterable[tuple[str, str]] = ((HEADERS | API_HEADERS) if in_api else HEADERS).items()

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in wanted:
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers

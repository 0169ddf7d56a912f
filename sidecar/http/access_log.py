"""Outermost layer of the API: request IDs, one log line per request, and responses to unexpected errors."""

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass
from urllib.parse import quote, unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.services import running
from engine.services.storing import in_words
from sidecar.http.kinds import INTERNAL_ERROR, STOPPING
from sidecar.http.measurements import observe
from sidecar.http.problems import RETRY_AFTER_SECONDS, marquee_problem, problem

log = logging.getLogger("marquee.access")
HEADER = "X-Request-ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLIENT_CLOSED_REQUEST = 499
API = "/api"
PAIRED = ("/ml/explain/", "/rate/")
"""Path prefixes before a user ID and a movie ID."""
PERSONAL = (*PAIRED, "/ml/recommendations/", "/ml/interview/", "/users/")
"""Path prefixes before a user ID."""
SHOWN = "/shown"
"""What may follow a user ID where no movie ID does."""
LATER = {"Retry-After": RETRY_AFTER_SECONDS, "Connection": "close"}


def request_id(scope: Scope) -> str:
    """The ID that the caller sent, if it is short and plain enough for the log, or a new one."""
    sent = Headers(scope=scope).get(HEADER, "")
    return sent if _WELL_FORMED.fullmatch(sent) else uuid.uuid4().hex


def logged_path(scope: Scope) -> str:
    """The path with user IDs hashed, so that deleted users don't remain in the log.

    It is quoted, so no path can start a new line or field.
    """
    path: str = scope["path"]
    mount = API if path.startswith(f"{API}/") else ""
    for prefix in PERSONAL:
        if path.startswith(mount + prefix):
            sent = scope.get("raw_path") or quote(path, errors="replace").encode()
            user, slash, movie = sent.decode("latin-1")[len(mount + prefix) :].partition("/")
            after = quote(unquote(f"{slash}{movie}", errors="replace"), errors="replace")
            if prefix not in PAIRED:
                whole = f"{user}{slash}{movie}"
                user = whole.removesuffix(SHOWN)
                after = whole[len(user) :]
            services = running()
            hashed = "~" if services is None else services.audit.hashed(unquote(user, errors="replace"))
            return f"{mount}{prefix}{hashed}{after}"
    return quote(path, errors="replace")


def log_request(scope: Scope, identity: str, status: int, started: float) -> None:
    """Count the request and log one line: ID, method, path without query, status, milliseconds.

    ``started`` is a value of ``time.perf_counter``.
    """
    elapsed = time.perf_counter() - started
    observe(scope, status, elapsed)
    fields = {
        "request_id": identity,
        "method": scope.get("method", "WEBSOCKET"),
        "path": logged_path(scope),
        "status": status,
        "ms": round(elapsed * 1000, 1),
    }
    log.info(" ".join(f"{name}={value}" for name, value in fields.items()), extra={"fields": fields})


def answer_unexpected(error: Exception, identity: str) -> Response:
    """The response to an uncaught error: the store's fault if it is one, otherwise where to look."""
    known = in_words(error)
    if known is not None:
        return marquee_problem(known)
    detail = f"The request failed. The log has the reason under the request ID {identity}."
    return problem(INTERNAL_ERROR, detail, request_id=identity)


@dataclass(frozen=True)
class AccessMiddleware:
    """Identifies, times and logs requests; turns uncaught errors into problems that reveal no internals."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, identity = time.perf_counter(), request_id(scope)
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        try:
            await self.app(scope, receive, send_named)
        except ClientDisconnect:
            log.debug("%s: the client disconnected", identity)
        except asyncio.CancelledError:  # a shutdown waits for requests, but not forever
            log.warning("%s was interrupted by a shutdown", identity)
            if not status:
                await problem(STOPPING, headers=LATER)(scope, receive, send_named)
            raise
        except Exception as error:  # the outermost layer: every error is logged here and answered
            log.exception("%s failed unexpectedly", identity)
            if status:
                raise
            await answer_unexpected(error, identity)(scope, receive, send_named)
        finally:
            log_request(scope, identity, status or CLIENT_CLOSED_REQUEST, started)

"""The outermost layer of the API: a request id, one log line per request, and the last word on unexpected errors."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from urllib.parse import quote, unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.services import running
from engine.services.storing import in_words
from sidecar.http.measurements import observe
from sidecar.http.problems import INTERNAL_ERROR, RETRY_AFTER_SECONDS, STOPPING, marquee_problem, problem

log = logging.getLogger("marquee.access")
HEADER = "X-Request-ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLIENT_CLOSED_REQUEST = 499
CUT_SHORT = "Marquee was stopped before the request was answered. Ask again when it is back."
API = "/api"
OF_TWO = ("/ml/explain/", "/rate/")
"""What comes before two ids, of a user and of a movie."""
PERSONAL = (*OF_TWO, "/ml/recommendations/", "/ml/interview/", "/users/")
"""What comes before the id of a user."""
LATER = {"Retry-After": RETRY_AFTER_SECONDS, "Connection": "close"}


def request_id(scope: Scope) -> str:
    """The id the caller sent, if it is short and plain (it goes into the log), or a new one."""
    sent = Headers(scope=scope).get(HEADER, "")
    return sent if _WELL_FORMED.fullmatch(sent) else uuid.uuid4().hex


def logged_path(scope: Scope) -> str:
    """The path without ids of users, for which hashes stand: who is erased does not stay in the log.

    It is quoted, so that no path can begin a line or a field of its own.
    """
    path: str = scope["path"]
    mount = API if path.startswith(f"{API}/") else ""
    for prefix in PERSONAL:
        if path.startswith(mount + prefix):
            sent = scope.get("raw_path") or quote(path, errors="replace").encode()
            user, slash, movie = sent.decode("latin-1")[len(mount + prefix) :].partition("/")
            if slash and prefix not in OF_TWO:
                user, slash, movie = f"{user}/{movie}", "", ""
            services = running()
            hashed = "~" if services is None else services.audit.hashed(unquote(user, errors="replace"))
            return f"{mount}{prefix}{hashed}{slash}{quote(unquote(movie, errors='replace'), errors='replace')}"
    return quote(path, errors="replace")


def log_request(scope: Scope, identity: str, status: int, started: float) -> None:
    """Count it, and write one line: id, method, path without its query, status, milliseconds.

    ``started`` is of ``time.perf_counter``.
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


def _answer(error: Exception, identity: str) -> Response:
    """What the caller is told: where the store is to blame, what is the matter with it; otherwise where to look."""
    told = in_words(error)
    if told is not None:
        return marquee_problem(told)
    detail = f"The request failed. The log says why, under the request id {identity}."
    return problem(INTERNAL_ERROR, detail, request_id=identity)


class AccessMiddleware:
    """Names, times and logs requests; turns what nobody caught into a problem that shows no internals."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
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
            log.debug("%s: the client went away", identity)
        except asyncio.CancelledError:  # a stop waits for requests, but not for ever
            log.warning("%s was cut short by a stop", identity)
            if not status:
                await problem(STOPPING, CUT_SHORT, headers=LATER)(scope, receive, send_named)
            raise
        except (
            Exception
        ) as error:  # the outermost layer: whatever it is, it is logged here and the caller gets an answer
            log.exception("%s failed unexpectedly", identity)
            if status:
                raise
            await _answer(error, identity)(scope, receive, send_named)
        finally:
            log_request(scope, identity, status or CLIENT_CLOSED_REQUEST, started)

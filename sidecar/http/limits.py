"""Maximum sizes of requests.

FastAPI's own ``max_body_size`` answers in plain text when a route does not read its body, and has one limit per route;
this one always answers with a problem, and distinguishes an import's files from its JSON.
"""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidecar.http.kinds import BODY_TOO_LARGE
from sidecar.http.problems import problem
from sidecar.http.requests import route_path

KIB, MIB, GIB = 2**10, 2**20, 2**30
MAX_HEAD, MAX_HEADERS = 32 * KIB, 100
"""Bytes of the request line and headers, and number of headers."""
JSON_LIMIT = 256 * KIB
"""Plenty for a rating or a training run; small enough that parsing it delays nothing."""
LARGE_LIMIT = 8 * MIB
"""10,000 pairs of two ids of 200 characters are 5 MB; 10,000 ratings, each with one id, are half as much."""
LARGE = frozenset({"/ml/predict", "/ml/recommendations", "/ml/what-if"})
UPLOAD_LIMIT = 2 * GIB
"""MovieLens 32M unpacked is 0.9 GB. Files are spooled to disk, so this limits disk space, not memory."""
UPLOADS = frozenset({"/data/imports", "/ml/models/import"})


def limit_for(path: str, content_type: str) -> int:
    """The maximum size of a body in bytes; ``path`` is relative to the API."""
    if path in UPLOADS and content_type.strip().lower().startswith("multipart/form-data"):
        return UPLOAD_LIMIT
    return LARGE_LIMIT if path in LARGE else JSON_LIMIT


def size(limit: int) -> str:
    """A number of bytes in words: ``256 KiB``."""
    unit, name = next(each for each in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if limit >= each[0])
    return f"{limit // unit:,} {name}"


def too_large(limit: int) -> str:
    """The message that refuses a body."""
    return f"The body is larger than the {size(limit)} that this address accepts."


def head_too_large() -> str:
    """The message that refuses the header of a request."""
    return f"A request header may have {size(MAX_HEAD)} and {MAX_HEADERS} lines."


@dataclass(frozen=True)
class BodyLimitMiddleware:
    """Answers 413: before reading if the declared length is too large, or as soon as a chunked body exceeds it."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = limit_for(route_path(scope), headers.get("content-type", ""))
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > limit:
            refusal = problem(BODY_TOO_LARGE, too_large(limit), headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, too_large(limit), headers={"Connection": "close"})
            return message

        await self.app(scope, receive_counted, send)

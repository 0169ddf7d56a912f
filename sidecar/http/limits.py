"""How large a body may be.

FastAPI's own ``max_body_size`` answers in plain text where a route does not read its body, and knows one limit per
route; this one always answers with a problem, and tells an import's files from its JSON.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidecar.http.problems import BODY_TOO_LARGE, problem
from sidecar.http.requests import route_path

KIB, MIB, GIB = 2**10, 2**20, 2**30
JSON_LIMIT = 256 * KIB
"""Plenty for a rating or a training; small enough that parsing one never holds anything up."""
LARGE_LIMIT = 8 * MIB
"""10,000 pairs of two ids of 200 characters are 5 MB; 10,000 ratings, each with one id, are half as much."""
LARGE = frozenset({"/ml/predict", "/ml/recommendations", "/ml/what-if"})
UPLOAD_LIMIT = 2 * GIB
"""MovieLens 32M unpacked is 0.9 GB. Files are spooled to disk, so this bounds disk and not memory."""
UPLOADS = frozenset({"/data/imports", "/ml/models/import"})


def limit_for(path: str, content_type: str) -> int:
    """The most bytes a body may have; ``path`` within the API."""
    if path in UPLOADS and content_type.strip().lower().startswith("multipart/form-data"):
        return UPLOAD_LIMIT
    return LARGE_LIMIT if path in LARGE else JSON_LIMIT


def too_large(limit: int) -> str:
    """The sentence that refuses a body."""
    size = next(
        f"{limit // unit:,} {name}" for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if limit >= unit
    )
    return f"The body is larger than the {size} that this address takes."


class BodyLimitMiddleware:
    """Answers 413 before reading what declares itself too large, and as soon as a chunked body becomes too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
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

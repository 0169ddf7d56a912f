"""A client that asks an ASGI app directly, and what tests need to speak ASGI by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx
from starlette.types import ASGIApp

HOST = "127.0.0.1:8501"

IDS: dict[str, object] = {
    "user_id": 1,
    "movie_id": 2,
    "run_id": 7,
    "version": 3,
    "job_id": 4,
    "study_id": 2,
    "key_id": 2,
    "golden_id": 2,
    "answer_id": 412,
    "name": "b.db",
    "table": "ratings",
    "import_id": 3,
}
"""A value for every parameter that paths have."""

T = TypeVar("T")


class Client:
    """Sends requests to an app in this process, each in its own event loop."""

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        self.app = app
        self.prefix = prefix

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}{self.prefix}") as client:
                return await client.request(method, path, **options)

        return run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def send_body(self, route: str, body: bytes | str, content_type: str = "application/json") -> httpx.Response:
        """Send a body to a route such as ``POST /rate``."""
        method, path = route.split(" ", 1)
        return self.request(method, path, content=body, headers={"Content-Type": content_type})


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own; in another thread where a browser's loop runs in this one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def chunks(total: int, size: int = 65536) -> AsyncIterator[bytes]:
    """A body of ``total`` spaces in chunks, so that it is sent without a Content-Length."""
    for start in range(0, total, size):
        yield b" " * min(size, total - start)


def speak(app: ASGIApp, scope: dict[str, Any], *received: dict[str, Any]) -> list[dict[str, Any]]:
    """Call an app with a hand-made scope; what it sent."""
    waiting, sent = list(received), []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def call() -> None:
        await app(scope, receive, send)

    run(call())
    return sent

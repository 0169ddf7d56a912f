"""While Marquee starts, pages are served and the API waits."""

from __future__ import annotations

import asyncio
from threading import Event

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sidecar.start import StartMiddleware
from tests.sidecar.client import run


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.url.path)


def test_pages_are_served_at_once_and_the_api_once_it_has_something_to_say() -> None:
    starting = Event()
    starting.set()
    app = StartMiddleware(Starlette(routes=[Route("/{path:path}", answer)]), starting)

    async def ask() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            waiting = asyncio.ensure_future(client.get("/api/health/live"))
            page = await client.get("/recommend")
            assert not waiting.done()
            starting.clear()
            return [page.text, (await waiting).text]

    assert run(ask()) == ["/recommend", "/api/health/live"]


@pytest.mark.parametrize("path", ["/api/health/live", "/"])
def test_without_a_start_nothing_waits(path: str) -> None:
    app = StartMiddleware(Starlette(routes=[Route("/{path:path}", answer)]), Event())

    async def ask() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return (await client.get(path)).text

    assert run(ask()) == path


def test_a_long_start_is_told_to_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.start.WAIT_S", 0.1)
    starting = Event()
    starting.set()
    app = StartMiddleware(Starlette(routes=[Route("/{path:path}", answer)]), starting)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get("/api/health/ready")

    told = run(ask())
    assert (told.status_code, told.json()["code"]) == (503, "not_ready")
    assert told.json()["detail"] == "Marquee is still starting. Try again in a moment."
    assert told.headers["retry-after"]

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from engine.services import Services, use
from engine.settings import Settings
from sidecar.app import create_api
from sidecar.security.middleware import SecurityMiddleware
from sidecar.security.sign_in import create_sign_in
from tests.sidecar.client import Client
from tests.sidecar.fakes import fake_services


@pytest.fixture
def settings() -> Settings:
    return Settings(api_key=None)


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    made = fake_services(settings)
    use(made)
    yield made
    use(None)


@pytest.fixture
def client(services: Services, settings: Settings) -> Client:
    """The API by itself."""
    return Client(api_for(settings.key))


@cache
def api_for(key: str | None) -> FastAPI:
    """Made once, since its first request takes long; it keeps nothing of requests, and of settings only the key."""
    return create_api(Settings(api_key=key))


def whole_server(settings: Settings) -> ASGIApp:
    """The API mounted beside a page, behind the security layer, as the console's server has it."""

    async def page(_request: object) -> HTMLResponse:
        return HTMLResponse("<p>console</p>")

    routes = [
        Mount("/api", api_for(settings.key)),
        *create_sign_in('<svg aria-label="Marquee"></svg>'),
        Route("/", page, methods=["GET", "POST"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(SecurityMiddleware, settings=settings)])


@pytest.fixture
def server(services: Services, settings: Settings) -> Client:
    return Client(whole_server(settings))


@pytest.fixture
def keyed_server(services: Services) -> Client:
    return Client(whole_server(Settings(api_key="open sesame")))

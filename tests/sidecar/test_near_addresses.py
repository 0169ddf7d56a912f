"""An address that is nearly right leads to the page, one that is right or of nothing does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sidecar.near_addresses import NearAddressMiddleware
from tests.sidecar.client import Client

FOLDER = Path(__file__).parents[2] / "pages"
PAGES = frozenset(file.stem for file in FOLDER.glob("*.py")) - {"__init__", "shell"}
DOOR = NearAddressMiddleware(Starlette(), PAGES, "overview")


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/import", "/imports"),
        ("/Import", "/imports"),
        ("/imports/", "/imports"),
        ("/movies", "/movie"),
        ("/recommendation", "/recommend"),
        ("/train", "/training"),
        ("/catalog", "/catalogue"),
        ("/version", "/versions"),
        ("/overview", "/"),
    ],
)
def test_a_near_address_leads_to_its_page(path: str, page: str) -> None:
    assert DOOR.meant(path) == page


@pytest.mark.parametrize(
    "path", ["/", "/api", "/sign-in", "/sign-out", "/favicon.png", "/static/imports", "/zzz", "/posters/movie"]
)
def test_other_addresses_are_left_alone(path: str) -> None:
    assert DOOR.meant(path) is None


def test_pages_are_left_alone() -> None:
    assert {"imports", "movie", "overview"} <= PAGES
    assert [DOOR.meant(f"/{page}") for page in sorted(PAGES - {"overview"})] == [None] * (len(PAGES) - 1)


def test_the_query_stays_and_only_reading_is_redirected() -> None:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{request.method} {request.url.path}")

    inner = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    client = Client(NearAddressMiddleware(inner, PAGES, "overview"))
    answer = client.get("/movies?id=a%20b&x=%26")
    assert (answer.status_code, answer.headers["location"]) == (307, "/movie?id=a%20b&x=%26")
    assert client.get("/movie?id=1").text == "GET /movie"
    assert client.post("/movies").text == "POST /movies"

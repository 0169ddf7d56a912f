"""Every id that can be stored can be asked about, and one id is one person however it is written."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute

from engine.services import Services
from sidecar.app import ROUTES
from tests.sidecar.client import Client
from tests.sidecar.fakes import calls_of

ODD = ["a/../b", "..", "../..", "a\\..\\b", "https://boxd.it/2a", "a//b", ".", "%2F", "a?b#c", " é "]
CALLS = [
    ("GET", "/api/ml/recommendations", "recommend", ("user_id",)),
    ("GET", "/api/ml/explain", "explain", ("user_id", "movie_id")),
    ("GET", "/api/ml/similar", "similar", ("movie_id",)),
    ("GET", "/api/ml/interview", "interview", ("user_id",)),
    ("GET", "/api/users/shown", "shown", ("user_id",)),
    ("DELETE", "/api/rate", "unrate", ("user_id", "movie_id")),
    ("DELETE", "/api/users", "forget", ("user_id",)),
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("method", "path", "asked", "names"), CALLS)
def test_any_id_can_be_given_in_the_query(
    server: Client, services: Services, method: str, path: str, asked: str, names: tuple[str, ...], odd: str
) -> None:
    answer = server.request(method, path, params=dict.fromkeys(names, odd))
    assert answer.status_code == 200, answer.text
    assert calls_of(services)[-1][: 1 + len(names)] == (asked, *[odd.strip()] * len(names))


def test_each_route_with_an_id_in_its_path_takes_it_in_the_query_too() -> None:
    named = {(method, route.path_format) for route in ROUTES for method in route.methods}
    for route in ROUTES:
        if {"user_id", "movie_id"} & set(route.param_convertors):
            short = re.sub(r"/\{\w+\}", "", route.path_format)
            for method in route.methods:
                assert (method, short) in named, route.path_format
                twin = next(one for one in ROUTES if one.path_format == short and method in one.methods)
                assert _answers(twin) == _answers(route)


def _answers(route: APIRoute) -> object:
    return {status: answer.get("content") for status, answer in route.responses.items()}


@pytest.mark.parametrize("written", ["e\u0301", "\u00e9", "e%CC%81", "%C3%A9"])
def test_an_id_is_the_same_in_either_form(server: Client, services: Services, written: str) -> None:
    if "%" in written:
        server.get(f"/api/ml/recommendations/{written}")
        server.get(f"/api/ml/explain/{written}/{written}")
        server.get(f"/api/ml/similar?movie_id={written}")
    else:
        body = {"user_id": written, "movie_id": written, "rating": 4.0}
        server.post("/api/rate", json=body)
        server.post("/api/ml/predict", json={"pairs": [{"user_id": written, "movie_id": written}]})
    told = str(calls_of(services))
    assert len(calls_of(services)) >= 2
    assert "\u00e9" in told
    assert "e\u0301" not in told


@pytest.mark.parametrize(
    "body",
    [
        '{"user_id": "1", "movie_id": "2", "rating": 1, "rating": 5}',
        '{"user_id": "1", "us\\u0065r_id": "2", "movie_id": "2", "rating": 5}',
        '{"user_id": "1", "movie_id": "2", "rating": 5, "x": {"a": 1, "a": 1}}',
    ],
)
def test_a_name_given_twice_is_refused(server: Client, services: Services, body: str) -> None:
    answer = server.send_body("POST /api/rate", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_json")
    assert "repeats a name" in answer.json()["detail"]
    assert calls_of(services) == []


def test_the_same_name_in_two_objects_is_no_fault(server: Client) -> None:
    pairs = [{"user_id": "1", "movie_id": "2"}, {"user_id": "1", "movie_id": "2"}]
    assert server.post("/api/ml/predict", json={"pairs": pairs}).status_code == 200

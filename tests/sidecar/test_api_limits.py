"""Bodies that are too large are refused, declared or not, without being kept."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from engine.services import Services
from sidecar.http.limits import GIB, JSON_LIMIT, LARGE, LARGE_LIMIT, UPLOAD_LIMIT, UPLOADS, limit_for, too_large
from tests.sidecar.client import Client, chunks, speak
from tests.sidecar.fakes import calls_of
from tests.sidecar.test_api_malformed import ROUTES

MULTIPART = "multipart/form-data; boundary=x"


def refused(answer: httpx.Response) -> bool:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "body_too_large"
    return answer.status_code == 413


def test_the_limits() -> None:
    assert limit_for("/rate", "application/json") == JSON_LIMIT
    assert {limit_for(path, "application/json") for path in LARGE} == {LARGE_LIMIT}
    assert limit_for("/ml/recommendations/42", "application/json") == JSON_LIMIT
    assert limit_for("/data/imports", "application/json") == JSON_LIMIT
    assert limit_for("/data/imports", " Multipart/Form-Data; boundary=x") == UPLOAD_LIMIT
    assert limit_for("/ml/models/import", MULTIPART) == UPLOAD_LIMIT
    assert limit_for("/ml/models/import", "application/zip") == JSON_LIMIT
    assert limit_for("/rate", MULTIPART) == JSON_LIMIT
    assert too_large(2 * GIB) == "The body is larger than the 2 GiB that this address accepts."


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ml/recommendations", {"ratings": [{"movie_id": f"{n:0200}", "rating": 4.5} for n in range(10_000)]}),
        ("/ml/what-if", {"user_id": "1", "changes": [{"movie_id": f"{n:é>200}", "rating": 4.5} for n in range(1000)]}),
    ],
)
def test_what_a_list_is_promised_to_be_made_of_fits(client: Client, path: str, body: dict[str, Any]) -> None:
    body["exclude"] = [f"{n:0200}" for n in range(500)]
    assert len(json.dumps(body)) > JSON_LIMIT
    assert client.post(path, json=body).status_code == 200


NO_BODY = ["POST /ml/training-runs/7/cancel", "DELETE /ml/models/2", "GET /ml/models/2/export", "POST /nothing"]


@pytest.mark.parametrize("route", [*ROUTES, *NO_BODY])
@pytest.mark.parametrize("mounted", [False, True])
def test_a_body_that_declares_itself_too_large(
    client: Client, server: Client, services: Services, route: str, mounted: bool
) -> None:
    method, path = route.split(" ")
    body = b" " * (limit_for(path, "application/json") + 1)
    answer = server.send_body(f"{method} /api{path}", body) if mounted else client.send_body(route, body)
    assert refused(answer)
    assert answer.headers["connection"] == "close"
    assert "x-request-id" in answer.headers
    assert calls_of(services) == []


@pytest.mark.parametrize("route", ROUTES)
def test_a_chunked_body_that_becomes_too_large(server: Client, route: str) -> None:
    method, path = route.split(" ")
    body = chunks(limit_for(path, "application/json") + 1)
    assert refused(server.request(method, f"/api{path}", content=body, headers={"Content-Type": "application/json"}))


def test_a_chunked_body_within_the_limit_is_read(client: Client) -> None:
    answer = client.post("/rate", content=chunks(JSON_LIMIT), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_json")


@pytest.mark.parametrize(
    ("path", "field", "status"), [("/data/imports", "files", 202), ("/ml/models/import", "file", 201)]
)
def test_an_upload_may_be_larger_than_json(client: Client, path: str, field: str, status: int) -> None:
    answer = client.post(path, files=[(field, ("a", b"a" * (JSON_LIMIT + 1)))])
    assert answer.status_code == status


@pytest.mark.parametrize("path", sorted(UPLOADS))
def test_an_upload_has_a_limit_too(client: Client, services: Services, path: str) -> None:
    answer = client.post(
        path, content=b"", headers={"Content-Type": MULTIPART, "Content-Length": str(UPLOAD_LIMIT + 1)}
    )
    assert refused(answer)
    assert calls_of(services) == []


@pytest.mark.parametrize(("path", "field"), [("/data/imports", "files"), ("/ml/models/import", "file")])
def test_a_chunked_upload_stops_being_read_at_the_limit(
    client: Client, services: Services, monkeypatch: pytest.MonkeyPatch, path: str, field: str
) -> None:
    monkeypatch.setattr("sidecar.http.limits.UPLOAD_LIMIT", 3000)
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="a"\r\n\r\n'.encode()
    read = 0

    async def endless() -> Any:
        nonlocal read
        yield head
        while True:
            read += 1000
            yield b"a" * 1000

    assert refused(client.post(path, content=endless(), headers={"Content-Type": MULTIPART}))
    assert read <= 4000
    assert calls_of(services) == []


@pytest.mark.parametrize("length", ["9" * 30, "0" * 30 + "1", "-1", "x", ""])
def test_odd_declared_lengths_never_fail(client: Client, length: str) -> None:
    answer = client.post("/rate", content=b"{}", headers={"Content-Type": "application/json", "Content-Length": length})
    assert answer.status_code in {413, 422}


def test_a_client_that_goes_away_is_no_error(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/rate",
        "raw_path": b"/rate",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json")],
    }
    speak(client.app, scope, {"type": "http.disconnect"})
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []

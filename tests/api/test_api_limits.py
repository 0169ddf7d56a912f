"""Bodies that are too large are refused, declared or not, without being kept."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from engine.services import Services
from sidecar.limits import GIB, JSON_LIMIT, PREDICT_LIMIT, UPLOAD_LIMIT, limit_for, too_large
from tests.api.client import Client, chunks, speak
from tests.api.test_api_malformed import PATHS

MULTIPART = "multipart/form-data; boundary=x"


def refused(answer: httpx.Response) -> bool:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "body_too_large"
    return answer.status_code == 413


def test_the_limits() -> None:
    assert limit_for("/rate", "application/json") == JSON_LIMIT
    assert limit_for("/ml/predict", "application/json") == PREDICT_LIMIT
    assert limit_for("/data/imports", "application/json") == JSON_LIMIT
    assert limit_for("/data/imports", " Multipart/Form-Data; boundary=x") == UPLOAD_LIMIT
    assert limit_for("/rate", MULTIPART) == JSON_LIMIT
    assert too_large(2 * GIB) == "The body is larger than the 2 GiB that this address takes."


@pytest.mark.parametrize("path", [*PATHS, "/ml/training-runs/7/cancel", "/nothing"])
@pytest.mark.parametrize("mounted", [False, True])
def test_a_body_that_declares_itself_too_large(
    client: Client, server: Client, services: Services, path: str, mounted: bool
) -> None:
    body = b" " * (limit_for(path, "application/json") + 1)
    answer = server.post_body(f"/api{path}", body) if mounted else client.post_body(path, body)
    assert refused(answer)
    assert answer.headers["connection"] == "close"
    assert "x-request-id" in answer.headers
    assert services.training.calls == []


@pytest.mark.parametrize("path", PATHS)
def test_a_chunked_body_that_becomes_too_large(server: Client, path: str) -> None:
    body = chunks(limit_for(path, "application/json") + 1)
    assert refused(server.post(f"/api{path}", content=body, headers={"Content-Type": "application/json"}))


def test_a_chunked_body_within_the_limit_is_read(client: Client) -> None:
    answer = client.post("/rate", content=chunks(JSON_LIMIT), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_json")


def test_an_upload_may_be_larger_than_json(client: Client, services: Services) -> None:
    answer = client.post("/data/imports", files=[("files", ("a.csv", b"a" * (JSON_LIMIT + 1)))])
    assert answer.status_code == 202


def test_an_upload_has_a_limit_too(client: Client, services: Services) -> None:
    answer = client.post(
        "/data/imports", content=b"", headers={"Content-Type": MULTIPART, "Content-Length": str(UPLOAD_LIMIT + 1)}
    )
    assert refused(answer)
    assert services.library.calls == []


def test_a_chunked_upload_stops_being_read_at_the_limit(
    client: Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.limits.UPLOAD_LIMIT", 3000)
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n'
    read = 0

    async def endless() -> Any:
        nonlocal read
        yield head
        while True:
            read += 1000
            yield b"a" * 1000

    assert refused(client.post("/data/imports", content=endless(), headers={"Content-Type": MULTIPART}))
    assert read <= 4000
    assert services.library.calls == []


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

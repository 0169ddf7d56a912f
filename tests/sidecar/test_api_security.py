"""Who is let in: host names, origins, keys, and the headers on every answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from engine.services import Services
from engine.settings import Settings
from sidecar.app import create_api
from sidecar.security.middleware import OPEN_PATHS, is_loopback, same_origin
from tests.sidecar.client import HOST, IDS, Client, speak
from tests.sidecar.conftest import whole_server
from tests.sidecar.fakes import calls_of

KEY = {"X-API-Key": "open sesame"}


def routes() -> list[tuple[str, str]]:
    """(method, path) of everything the API answers."""
    api = create_api(Settings(api_key=None))
    listed = [(method.upper(), path) for path, methods in api.openapi()["paths"].items() for method in methods]
    return [*listed, ("GET", "/docs"), ("GET", "/openapi.json")]


ROUTES = [(method, f"/api{path.format(**IDS)}") for method, path in routes()]


@pytest.mark.parametrize(
    "name",
    ["localhost", "LOCALHOST", "localhost.", "app.localhost", "127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"],
)
def test_names_of_this_computer(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "192.168.0.2",
        "::ffff:192.168.0.2",
        "0.0.0.0",
        "127.1",
        "notlocalhost",
    ],
)
def test_names_of_other_computers(name: str) -> None:
    assert not is_loopback(name)


@pytest.mark.parametrize("host", [HOST, "localhost", "localhost:8501", "[::1]:8501", "[::1]", " localhost:8501 \t"])
def test_hosts_that_are_answered(server: Client, host: str) -> None:
    assert server.get("/api/health/live", headers={"Host": host}).status_code == 200
    assert server.get("/", headers={"Host": host}).text == "<p>console</p>"


@pytest.mark.parametrize(
    ("address", "key", "status"),
    [
        ("127.0.0.1", None, 200),
        ("::1", None, 200),
        (None, None, 200),
        ("192.168.0.2", None, 421),
        ("2001:db8::1", None, 421),
        ("192.168.0.2", "open sesame, please", 200),
        ("192.168.0.2", "open sesame", 421),  # so short that it can be guessed
    ],
)
@pytest.mark.parametrize("path", ["/api/health/live", "/api/ml/models", "/"])
def test_without_a_key_other_computers_get_nothing(
    services: Services, address: str | None, key: str | None, status: int, path: str
) -> None:
    """Whatever they call this one, and whatever address uvicorn or Streamlit was told to listen on."""
    app = whole_server(Settings(api_key=SecretStr(key) if key else None))
    headers = [(b"host", b"localhost:8501"), *([(b"x-api-key", key.encode())] if key else [])]
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "query_string": b"", "headers": headers}
    sent = speak(
        app,
        scope | {"client": address and (address, 50000), "scheme": "http", "http_version": "1.1"},
        {"type": "http.request", "body": b"", "more_body": False},
    )
    assert sent[0]["status"] == status


BAD_HOSTS = [
    "evil.example",
    "evil.example:8501",
    "localhost:x",
    "localhost@evil.example",
    "[::1",
    "",
    "evil.example#localhost",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
@pytest.mark.parametrize("path", ["/", "/api/health/live", "/api/ml/models", "/_stcore/health"])
def test_dns_rebinding_is_refused(server: Client, services: Services, host: str, path: str) -> None:
    answer = server.get(path, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "wrong_host")
    assert "MARQUEE_API_KEY" in answer.json()["detail"]
    assert answer.headers["x-request-id"]
    assert services.versions.calls == []


def scope(kind: str, path: str, *headers: tuple[str, str]) -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    method = {"method": "POST"} if kind == "http" else {}
    return {"type": kind, "path": path, "root_path": "", "query_string": b"", "headers": raw, **method}


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example"]])
def test_no_host_or_two_are_refused(server: Client, hosts: list[str]) -> None:
    sent = speak(server.app, scope("http", "/", *[("Host", host) for host in hosts]))
    assert sent[0]["status"] == 421


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8501", "localhost:8501"),
        ("http://LOCALHOST:8501", "localhost:8501"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("https://films.example", "films.example"),  # a proxy ends TLS
        ("https://films.example", "films.example:443"),
        ("http://[::1]:8501", "[::1]:8501"),
    ],
)
def test_origins_of_our_own(origin: str, host: str) -> None:
    assert same_origin(origin, host)


FOREIGN = [
    "null",
    "",
    "http://localhost:3000",
    "http://127.0.0.1:8501.evil.example",
    "http://evil.example",
    "http://localhost",
    "https://127.0.0.1:8502",
    "http://127.0.0.1:8501@evil.example",
    "http://127.0.0.1:8501/",
    "file://",
    "chrome-extension://127.0.0.1:8501",
    "http://127.0.0.1:99999999",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("route", [("POST", "/"), *(route for route in ROUTES if route[0] != "GET")])
def test_other_sites_may_not_change_anything(
    server: Client, services: Services, origin: str, route: tuple[str, str]
) -> None:
    answer = server.request(*route, headers={"Origin": origin}, json={"user_id": "1", "movie_id": "2", "rating": 4})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert calls_of(services) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": f"http://{HOST}"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_our_own_pages_and_programs_may(server: Client, headers: dict[str, str], status: int) -> None:
    assert server.post("/api/ml/models/rollback", headers=headers).status_code == status


def test_blanks_around_host_and_origin_are_no_part_of_them(server: Client) -> None:
    headers = {"Host": f"{HOST} ", "Origin": f" http://{HOST}\t"}
    assert server.post("/api/ml/models/rollback", headers=headers).status_code == 200


def test_the_origin_is_checked_with_a_key_too(keyed_server: Client) -> None:
    answer = keyed_server.post("/api/ml/models/rollback", headers=KEY | {"Origin": "http://evil.example"})
    assert answer.status_code == 403


def test_reading_is_left_to_the_browsers_own_rules(server: Client) -> None:
    answer = server.get("/api/ml/models", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ([("Host", HOST), ("Origin", f"http://{HOST}")], True),
        ([("Host", HOST)], True),
        ([("Host", HOST), ("Origin", "http://evil.example")], False),
        ([("Host", HOST), ("Origin", "null")], False),
        ([("Host", "evil.example:8501"), ("Origin", "http://evil.example:8501")], False),
    ],
)
def test_websockets(headers: list[tuple[str, str]], accepted: bool) -> None:
    from sidecar.security.middleware import SecurityMiddleware

    async def echo(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    guarded = SecurityMiddleware(echo, Settings(api_key=None))
    sent = speak(guarded, scope("websocket", "/_stcore/stream", *headers), {"type": "websocket.connect"})
    assert [message["type"] for message in sent] == ["websocket.accept" if accepted else "websocket.close"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_with_a_key_every_route_but_two_needs_it(
    keyed_server: Client, services: Services, method: str, path: str
) -> None:
    answer = keyed_server.request(method, path)
    if path in OPEN_PATHS:
        assert answer.status_code == 200
        return
    assert (answer.status_code, answer.json()["code"]) == (401, "key_required")
    assert answer.headers["www-authenticate"] == 'Bearer realm="Marquee"'
    wrong = keyed_server.request(method, path, headers={"X-API-Key": "open sesam"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "key_wrong")
    assert calls_of(services) == []
    assert keyed_server.request(method, path, headers=KEY).status_code not in {401, 403, 404, 405, 421}


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/nothing", "/api/health/live/", "/api/health", "/api//health/live"]
)
def test_with_a_key_nothing_near_the_open_routes_is_open(keyed_server: Client, path: str) -> None:
    assert keyed_server.get(path).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (KEY, 200),
        ({"Authorization": "Bearer open sesame"}, 200),
        ({"Authorization": "bearer  open sesame"}, 200),
        ({"Authorization": "Basic open sesame"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"X-API-Key": " open sesame\t "}, 200),
        ({"Authorization": "  Bearer open sesame \t"}, 200),
        ({"X-API-Key": "open sesame\x0b"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "Open Sesame"}, 401),
        ({"X-API-Key": "open sesame\xe9"}, 401),
        ({"X-API-Key": "wrong", "Authorization": "Bearer open sesame"}, 200),
    ],
)
def test_ways_to_give_the_key(keyed_server: Client, headers: dict[str, str], status: int) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    assert keyed_server.get("/api/ml/models", headers=encoded).status_code == status


def test_with_a_key_the_console_answers_under_any_name(keyed_server: Client) -> None:
    assert keyed_server.get("/", headers=KEY | {"Host": "films.example"}).status_code == 200
    assert keyed_server.get("/api/ml/models", headers=KEY | {"Host": "films.example"}).status_code == 200


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_no_key(services: Services, key: str) -> None:
    client = Client(whole_server(Settings(api_key=key)))
    assert client.get("/api/ml/models").status_code == 200
    assert client.get("/api/ml/models", headers={"Host": "films.example"}).status_code == 421


@pytest.mark.parametrize("path", ["/", "/api/health/live", "/api/nothing", "/nothing"])
def test_security_headers(server: Client, path: str) -> None:
    headers = server.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert "frame-ancestors" in headers["content-security-policy"]
    assert ("default-src 'none'" in headers["content-security-policy"]) is path.startswith("/api")
    assert (headers.get("cache-control") == "no-store") is path.startswith("/api")


@pytest.mark.parametrize(
    "path", ["/api/ml/recommendations/a%00b", "/api/ml/recommendations/a%0Ab", "/api/ml/recommendations/a/..%2Fb"]
)
def test_paths_that_streamlit_would_refuse_get_a_problem(server: Client, services: Services, path: str) -> None:
    answer = server.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_path")
    assert services.recommendations.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_the_console_does_not_answer_for_the_api(server: Client, method: str) -> None:
    """Streamlit shows its page at every address that nothing else has, and the mount has only what is below it."""
    answer = server.request(method, "/api")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert method == "HEAD" or "/api/docs" in answer.json()["detail"]


def test_other_kinds_of_scope_pass() -> None:
    from sidecar.security.middleware import SecurityMiddleware

    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    speak(SecurityMiddleware(app, Settings(api_key="k")), {"type": "lifespan"})
    assert seen == ["lifespan"]


def test_refusals_are_logged(server: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "marquee.access")
    server.get("/", headers={"Host": "evil.example"})
    (line,) = [record.getMessage() for record in caplog.records if record.name == "marquee.access"]
    assert " method=GET path=/ status=421 " in line


@pytest.mark.parametrize("hosts", [["films.example", "films.example"], ["films.example", "evil.example"]])
def test_with_a_key_two_hosts_are_refused(keyed_server: Client, hosts: list[str]) -> None:
    headers = [*[("Host", host) for host in hosts], ("X-API-Key", "open sesame")]
    sent = speak(keyed_server.app, scope("http", "/api/ml/models", *headers))
    assert sent[0]["status"] == 400
    assert json.loads(sent[1]["body"])["code"] == "bad_request"

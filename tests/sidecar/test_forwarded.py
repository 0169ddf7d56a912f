"""Proxies: whose forwarded headers count, and that nothing is answered through one without a key."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from starlette.datastructures import Headers

from engine.services import Services
from engine.settings import Settings
from sidecar.http.forwarded import group_of, resolve
from tests.sidecar.client import HOST, Client, speak
from tests.sidecar.conftest import whole_server

KEY = "open sesame, please"
FORWARDED = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Anything",
    "X-Real-IP",
    "Via",
    "CF-Connecting-IP",
    "True-Client-IP",
]


@pytest.mark.parametrize("name", FORWARDED)
@pytest.mark.parametrize("value", ["127.0.0.1", "", "1.1 proxy"])
@pytest.mark.parametrize("path", ["/", "/api/ml/models", "/api/health/live", "/_stcore/health"])
def test_without_a_key_nothing_is_answered_through_a_proxy(
    server: Client, services: Services, name: str, value: str, path: str
) -> None:
    """A server that believes such headers, as uvicorn does with FORWARDED_ALLOW_IPS=*, has set the client by then."""
    answer = server.get(path, headers={name: value})
    assert (answer.status_code, answer.json()["code"]) == (421, "proxy_without_key")
    assert "MARQUEE_API_KEY" in answer.json()["detail"]
    assert services.versions.calls == []  # type: ignore[attr-defined]


def test_with_a_key_proxies_are_no_matter(keyed_server: Client) -> None:
    headers = {"X-API-Key": "open sesame"} | dict.fromkeys(FORWARDED, "127.0.0.1")
    assert keyed_server.get("/api/ml/models", headers=headers).status_code == 200


def resolved(client: str | None, proxies: str, headers: dict[str, str], kind: str = "http") -> tuple[str | None, str]:
    scope: dict[str, Any] = {"type": kind, "client": client and (client, 5), "scheme": "http"}
    resolve(scope, Headers(headers), Settings(trusted_proxies=proxies).proxies)
    return scope["client"] and scope["client"][0], scope["scheme"]


@pytest.mark.parametrize(
    ("client", "proxies", "sent", "found"),
    [
        ("10.0.0.1", "", "203.0.113.7", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "203.0.113.7", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.0/8", "127.0.0.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.0/8", "127.0.0.1, 203.0.113.7, 10.0.0.9", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.0/8", "10.0.0.8, 10.0.0.9", "10.0.0.8"),
        ("10.0.0.1", "10.0.0.0/8", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.0/8", "203.0.113.7, nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.0/8", "203.0.113.7:8080", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.0/8", "[2001:db8::1]:80", "2001:db8::1"),
        ("::1", "127.0.0.1, ::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1", "203.0.113.7", "203.0.113.7"),
        (None, "10.0.0.1", "203.0.113.7", None),
    ],
)
def test_the_last_address_that_is_no_trusted_proxy_counts(
    client: str | None, proxies: str, sent: str, found: str | None
) -> None:
    assert resolved(client, proxies, {"x-forwarded-for": sent})[0] == found


@pytest.mark.parametrize(
    ("client", "sent", "kind", "scheme"),
    [
        ("10.0.0.1", "https", "http", "https"),
        ("10.0.0.1", "https", "websocket", "wss"),
        ("10.0.0.1", "http, https", "http", "https"),
        ("10.0.0.1", "gopher", "http", "http"),
        ("10.0.0.2", "https", "http", "http"),
    ],
)
def test_the_scheme_is_the_trusted_proxy_s(client: str, sent: str, kind: str, scheme: str) -> None:
    assert resolved(client, "10.0.0.1", {"x-forwarded-proto": sent}, kind)[1] == scheme


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.0/33", "10.0.0.1/8", "*"])
def test_what_is_no_network_stops_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=wrong)


def test_wrong_keys_are_counted_for_whom_the_proxy_names(services: Services) -> None:
    app = whole_server(Settings(api_key=SecretStr(KEY), trusted_proxies="10.0.0.1"))

    def ask(sent: str, client: str = "10.0.0.1") -> int:
        headers = [(b"host", HOST.encode()), (b"x-api-key", b"wrong"), (b"x-forwarded-for", sent.encode())]
        scope = {"type": "http", "method": "GET", "path": "/api/ml/models", "root_path": "", "query_string": b""}
        scope |= {"headers": headers, "client": (client, 1), "scheme": "http", "http_version": "1.1"}
        return int(speak(app, scope, {"type": "http.request", "body": b"", "more_body": False})[0]["status"])

    assert [ask(f"198.51.100.{place}, 203.0.113.7") for place in range(12)] == [401] * 10 + [429] * 2
    assert ask("203.0.113.8") == 401
    assert [ask(f"198.51.100.{place}", "10.0.0.2") for place in range(12)] == [401] * 10 + [429] * 2


def test_groups_of_addresses() -> None:
    assert group_of("192.0.2.1") == "192.0.2.1"
    assert group_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert group_of("2001:db8::1") == group_of("2001:db8::2") == "2001:db8::/64"
    assert group_of(None) == group_of("forged") == "unknown"

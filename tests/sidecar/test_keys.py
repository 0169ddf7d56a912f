"""Keys with scopes, over a real store: made, used, refused, revoked, and told of in the audit log."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from engine.services import Services, use
from engine.services.access import AccessService
from engine.services.audit import AuditService
from engine.settings import Settings
from sidecar.app import ROUTES
from sidecar.http.access_log import PERSONAL
from sidecar.security.middleware import SecurityMiddleware
from sidecar.security.scopes import RULES, Table
from sidecar.security.sessions import COOKIE, SIGNED_IN_FOR_S
from store.audit import AuditStore
from store.database import Database
from store.keys import KeyStore
from tests.shared_folder import shared_folder
from tests.sidecar.client import HOST, Client, speak
from tests.sidecar.conftest import whole_server
from tests.sidecar.fakes import fake_services
from tests.sidecar.test_api_security import ROUTES as ASKED

FIRST = "the first key of these tests"
ADMIN = {"X-API-Key": FIRST}
BROWSER = {"Accept": "text/html"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{HOST}"}


class Clock:
    now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Database]:
    """A copy of an empty store, since making one takes longer than most of these tests."""
    made = shared_folder(tmp_path_factory, "empty", lambda folder: Database.open(f"sqlite:///{folder}/m.db").close())
    shutil.copy(made / "m.db", tmp_path / "m.db")
    opened = Database.open(f"sqlite:///{tmp_path}/m.db", clock=clock)
    yield opened
    opened.close()


def keyed(database: Database, clock: Callable[[], float], *, days: int = 365) -> Services:
    """Fake services with keys and an audit log that are real."""
    audit = AuditService(AuditStore(database), b"secret", days, clock)
    access = AccessService(KeyStore(database), audit, b"secret", needed=True, clock=clock)
    return replace(fake_services(Settings(api_key=None)), access=access, audit=audit)


@pytest.fixture
def services(database: Database, clock: Clock) -> Iterator[Services]:
    made = keyed(database, clock)
    use(made)
    yield made
    use(None)


@pytest.fixture
def app(services: Services) -> ASGIApp:
    return whole_server(Settings(api_key=SecretStr(FIRST)))


@pytest.fixture
def server(app: ASGIApp) -> Client:
    return Client(app)


def made(server: Client, *scopes: str, name: str = "a key") -> dict[str, Any]:
    answer = server.post("/api/keys", headers=ADMIN, json={"name": name, "scopes": list(scopes)})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def entries(services: Services) -> list[tuple[str, str, str, str]]:
    """Actor, action, subject and result, oldest first."""
    return [(one.actor, one.action, one.subject, one.result) for one in services.audit.entries(1000)][::-1]


def sign_in(server: Client, key: str) -> httpx.Response:
    return server.post("/sign-in", content=f"key={key}", headers=FORM)


def cookie(answer: httpx.Response) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={SimpleCookie(answer.headers['set-cookie'])[COOKIE].value}"}


# -- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_is_long_and_random_and_only_its_hash_is_stored(server: Client, database: Database) -> None:
    keys = [made(server, "read", name=f"key {place}")["key"] for place in range(5)]
    assert len(set(keys)) == 5
    assert all(re.fullmatch(r"mq_[\w-]{43}", key) for key in keys)
    listed = server.get("/api/keys", headers=ADMIN)
    assert [one["name"] for one in listed.json()["keys"]] == [f"key {place}" for place in range(5)][::-1]
    database.checkpoint()
    stored = database.path.read_bytes()
    for key in keys:
        assert key not in listed.text
        assert key.encode() not in stored


@pytest.mark.parametrize(
    ("scopes", "read", "rate", "admin"),
    [
        (["read"], 200, 403, 403),
        (["rate"], 403, 200, 403),
        (["read", "rate"], 200, 200, 403),
        (["admin"], 200, 200, 200),
    ],
)
def test_what_the_scopes_open(server: Client, scopes: list[str], read: int, rate: int, admin: int) -> None:
    key = {"X-API-Key": made(server, *scopes)["key"]}
    assert server.get("/api/ml/models", headers=key).status_code == read
    rating = {"user_id": "1", "movie_id": "2", "rating": 4.0}
    assert server.post("/api/rate", headers=key, json=rating).status_code == rate
    refused = server.get("/api/keys", headers=key)
    assert refused.status_code == admin
    assert server.get("/", headers=key).status_code == admin
    assert server.get("/api/nothing", headers=key).status_code == 404
    if admin == 403:
        assert refused.json()["code"] == "scope_too_small"
        assert "needs admin" in refused.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["read"]},
        {"name": " ", "scopes": ["read"]},
        {"name": "a\nb", "scopes": ["read"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["write"]},
        {"name": "taken", "scopes": ["read"]},
    ],
)
def test_keys_that_are_refused(server: Client, body: dict[str, Any]) -> None:
    made(server, "read", name="taken")
    assert server.post("/api/keys", headers=ADMIN, json=body).status_code == 422


def test_a_revoked_key_opens_nothing_and_its_name_is_free(server: Client) -> None:
    key = made(server, "admin", name="shop")
    given = {"X-API-Key": key["key"]}
    assert server.get("/api/ml/models", headers=given).status_code == 200
    gone = server.request("DELETE", f"/api/keys/{key['key_id']}", headers=ADMIN)
    assert gone.json()["revoked_at"] is not None
    again = server.request("DELETE", f"/api/keys/{key['key_id']}", headers=ADMIN)
    assert again.json() == gone.json()
    refused = server.get("/api/ml/models", headers=given)
    assert (refused.status_code, refused.json()["code"]) == (401, "key_wrong")
    assert server.request("DELETE", "/api/keys/99", headers=ADMIN).status_code == 404
    assert made(server, "admin", name="shop")["key"] != key["key"]


def test_keys_are_known_after_a_restart(server: Client, database: Database, clock: Clock) -> None:
    key, gone = made(server, "read", name="one"), made(server, "read", name="two")
    server.request("DELETE", f"/api/keys/{gone['key_id']}", headers=ADMIN)
    use(keyed(database, clock))
    assert server.get("/api/ml/models", headers={"X-API-Key": key["key"]}).status_code == 200
    assert server.get("/api/ml/models", headers={"X-API-Key": gone["key"]}).status_code == 401


def test_the_last_use_is_shown_to_the_minute(server: Client, clock: Clock, database: Database) -> None:
    key = made(server, "read")
    writes = []
    real = database.write_later

    def write_later(work: Any) -> Any:
        writes.append(work)
        return real(work)

    database.write_later = write_later  # type: ignore[method-assign]
    for _ in range(20):
        server.get("/api/ml/models", headers={"X-API-Key": key["key"]})
    assert len(writes) == 1
    clock.now += 61
    server.get("/api/ml/models", headers={"X-API-Key": key["key"]})
    assert len(writes) == 2
    database.write(lambda _: None)  # what was to be written later is by now
    (shown,) = server.get("/api/keys", headers=ADMIN).json()["keys"]
    assert shown["last_used_at"] == clock.now


def test_without_a_first_key_none_can_be_made(services: Services, database: Database, clock: Clock) -> None:
    access = AccessService(KeyStore(database), services.audit, b"secret", needed=False, clock=clock)
    use(replace(services, access=access))
    answer = Client(whole_server(Settings(api_key=None))).post("/api/keys", json={"name": "a", "scopes": ["read"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "MARQUEE_API_KEY" in answer.json()["detail"]


def test_while_marquee_starts_only_the_first_key_counts(server: Client) -> None:
    key = made(server, "admin")
    use(None)
    assert server.get("/api/ml/models", headers=ADMIN).status_code == 503
    assert server.get("/api/ml/models", headers={"X-API-Key": key["key"]}).status_code == 401


def test_no_request_asks_the_store_about_its_key(server: Client, database: Database) -> None:
    key = made(server, "read")["key"]
    server.get("/api/ml/models", headers={"X-API-Key": key})
    database.write(lambda _: None)
    asked: list[str] = []
    real = database.read
    database.read = lambda: asked.append("read") or real()  # type: ignore[method-assign, misc, assignment]
    assert server.get("/api/ml/models", headers={"X-API-Key": key}).status_code == 200
    assert server.get("/api/ml/models", headers={"X-API-Key": "wrong"}).status_code == 401
    assert asked == []


# -- the table of scopes ---------------------------------------------------------------------------------------------


def test_every_route_has_its_rule() -> None:
    there = {f"{method} {route.path_format}" for route in ROUTES for method in route.methods}
    assert {*there, "GET /docs", "GET /openapi.json"} == set(RULES)


OPEN = {
    "none": {"GET /health/live", "GET /health/ready"},
    "rate": {"POST /rate", "DELETE /rate", "DELETE /rate/{user_id}/{movie_id}"},
    "read": {
        *(f"GET {path}" for path in ("/docs", "/openapi.json", "/metrics", "/automation", "/data/statistics")),
        *(
            f"GET /ml/{path}"
            for path in [
                "recommendations",
                "recommendations/{user_id}",
                "explain",
                "explain/{user_id}/{movie_id}",
                "similar",
                "similar/{movie_id}",
                "interview",
                "interview/{user_id}",
                "health-of-updates",
                "metrics",
                "metrics/history",
                "live",
                "golden",
                "activations",
                "training-status",
                "training-runs",
                "tuning",
                "tuning/{study_id}",
                "models",
                "models/{version}",
                "models/compare",
                "models/{version}/golden",
                "models/{version}/changes",
            ]
        ),
        *(f"POST /ml/{path}" for path in ("recommendations", "predict", "what-if")),
    },
}
"""Written a second time on purpose: a route that is opened to more keys by mistake has to be opened here as well."""


@pytest.mark.parametrize("scope", OPEN)
def test_what_is_open_to_keys_that_may_not_administer(scope: str) -> None:
    assert {name for name, rule in RULES.items() if rule.scope == scope} == OPEN[scope]


def test_what_takes_long_or_hands_out_much_uses_up_an_allowance() -> None:
    long = {"POST /ml/train", "POST /ml/retrain", "POST /ml/tuning", "POST /data/imports", "POST /store/backups"}
    large = {name for name in RULES if "export" in name} | {"GET /store/backups/{name}"}
    assert {name for name in long | large if RULES[name].counted != "jobs"} == set()
    assert {rule.counted for rule in RULES.values() if rule.scope == "rate"} == {"ratings"}


def test_a_route_without_a_rule_is_for_admin() -> None:
    table = Table(ROUTES)
    missing = table.find("GET", "/ml/models/3")
    assert missing == RULES["GET /ml/models/{version}"]
    assert table.find("HEAD", "/ml/models/compare") == RULES["GET /ml/models/compare"]
    assert table.find("DELETE", "/rate/a%2Fb/c/d") == RULES["DELETE /rate/{user_id}/{movie_id}"]
    assert table.find("PUT", "/ml/models/3") is None
    assert table.find("GET", "/nothing") is None


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize("kind", ["none", "revoked", "read", "rate", "admin"])
def test_every_route_with_every_kind_of_key(server: Client, method: str, path: str, kind: str) -> None:
    headers = {}
    if kind != "none":
        key = made(server, "admin" if kind == "revoked" else kind, name="walker")
        headers = {"X-API-Key": key["key"]}
        if kind == "revoked":
            server.request("DELETE", f"/api/keys/{key['key_id']}", headers=ADMIN)
    rule = Table(ROUTES).find(method, path.removeprefix("/api")) or RULES[f"{method} {path.removeprefix('/api')}"]
    status = server.request(method, path, headers=headers).status_code
    if rule.scope == "none":
        assert status == 200
    elif kind in {"none", "revoked"}:
        assert status == 401
    elif kind in {rule.scope, "admin"}:
        assert status not in {401, 403, 405}
    else:
        assert status == 403


@pytest.mark.parametrize(
    ("kind", "accepted"), [("none", False), ("revoked", False), ("read", False), ("rate", False), ("admin", True)]
)
def test_the_websocket_with_every_kind_of_key(server: Client, kind: str, accepted: bool) -> None:
    headers = {"Host": HOST}
    if kind != "none":
        key = made(server, "admin" if kind == "revoked" else kind)
        headers["X-API-Key"] = key["key"]
        if kind == "revoked":
            server.request("DELETE", f"/api/keys/{key['key_id']}", headers=ADMIN)
    sent = speak(guarded(), websocket(headers), {"type": "websocket.connect"})
    assert [one["type"] for one in sent] == ["websocket.accept" if accepted else "websocket.close"]


def websocket(headers: dict[str, str]) -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "websocket", "path": "/_stcore/stream", "root_path": "", "query_string": b"", "headers": raw}


def guarded(received: list[str] | None = None) -> ASGIApp:
    async def accept(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while received is not None:
            message = await receive()
            received.append(message["type"])
            if message["type"] == "websocket.disconnect":
                return

    return SecurityMiddleware(accept, Settings(api_key=SecretStr(FIRST)))


# -- sessions --------------------------------------------------------------------------------------------------------


def test_a_copy_of_the_cookie_opens_nothing_after_signing_out(server: Client, database: Database, clock: Clock) -> None:
    held, other = cookie(sign_in(server, FIRST)), cookie(sign_in(server, FIRST))
    assert server.get("/", headers=held).status_code == 200
    assert server.post("/sign-out", headers=held | FORM).status_code == 303
    assert server.get("/", headers=held).status_code == 401
    assert server.get("/", headers=other).status_code == 200
    use(keyed(database, clock))  # after a restart as well
    assert server.get("/", headers=held).status_code == 401
    assert server.get("/", headers=other).status_code == 200


def test_what_is_kept_of_ended_sessions_is_forgotten_in_time(server: Client, database: Database, clock: Clock) -> None:
    server.post("/sign-out", headers=cookie(sign_in(server, FIRST)) | FORM)
    store = KeyStore(database)
    assert len(store.ended_sessions()) == 1
    import time

    clock.now = time.time() + SIGNED_IN_FOR_S + 10
    assert store.ended_sessions() == []


def test_revoking_a_key_ends_its_sessions(server: Client) -> None:
    key = made(server, "admin")
    held = cookie(sign_in(server, key["key"]))
    assert server.get("/", headers=held).status_code == 200
    server.request("DELETE", f"/api/keys/{key['key_id']}", headers=ADMIN)
    assert server.get("/", headers=held).status_code == 401


def test_an_open_websocket_ends_with_its_session(server: Client, services: Services) -> None:
    held = cookie(sign_in(server, FIRST))
    received: list[str] = []
    scope = websocket({"Host": HOST} | held)
    message = {"type": "websocket.receive", "bytes": b"x"}
    waiting = [{"type": "websocket.connect"}, message, message]

    sent: list[str] = []

    async def receive() -> Any:
        if len(waiting) == 1:
            services.access.end_session(held["Cookie"].partition("=")[2].partition(":")[0], 2e9)
        return waiting.pop(0)

    async def send(one: Any) -> None:
        sent.append(one["type"])

    from tests.sidecar.client import run

    async def call() -> None:
        await guarded(received)(scope, receive, send)

    run(call())
    assert received == ["websocket.receive", "websocket.disconnect"]
    assert sent == ["websocket.accept", "websocket.close"]


@pytest.mark.parametrize("scopes", [["read"], ["read", "rate"]])
def test_only_admin_keys_open_the_console(server: Client, scopes: list[str]) -> None:
    answer = sign_in(server, made(server, *scopes)["key"])
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "needs the scope admin" in answer.text


# -- wrong keys ------------------------------------------------------------------------------------------------------


def ask(app: ASGIApp, address: str, key: str | None = None, **headers: str) -> tuple[int, dict[str, str]]:
    """One request from an address: its status, and the headers of the answer."""
    given = {"host": HOST, **headers} | ({"x-api-key": key} if key else {})
    raw = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    scope = {"type": "http", "method": "GET", "path": "/api/ml/models", "root_path": "", "query_string": b""}
    scope |= {"headers": raw, "client": (address, 1), "scheme": "http", "http_version": "1.1"}
    sent = speak(app, scope, {"type": "http.request", "body": b"", "more_body": False})
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found


def test_ten_wrong_keys_a_minute_and_whoever_has_the_right_one_is_served(
    app: ASGIApp, server: Client, services: Services
) -> None:
    held = cookie(sign_in(server, FIRST))["Cookie"]
    statuses = [ask(app, "203.0.113.7", f"wrong {place}") for place in range(30)]
    assert [status for status, _ in statuses] == [401] * 10 + [429] * 20
    assert 0 < int(statuses[-1][1]["retry-after"]) <= 60
    assert ask(app, "203.0.113.7")[0] == 401  # no key is no wrong key
    assert ask(app, "203.0.113.7", FIRST)[0] == 200
    assert ask(app, "203.0.113.7", "wrong", cookie=held)[0] == 200
    assert ask(app, "203.0.113.8", "wrong")[0] == 401
    told = services.inbox.told  # type: ignore[attr-defined]
    assert [one[:2] for one in told] == [("warning", "access")]
    assert "203.0.113.7" in told[0][2]
    wrong = [one for one in entries(services) if one[3] == "wrong key"]
    assert len(wrong) == 11


def test_an_address_of_ipv6_stands_for_its_network(app: ASGIApp) -> None:
    statuses = [ask(app, f"2001:db8:0:1::{place:x}", "wrong")[0] for place in range(1, 13)]
    assert statuses == [401] * 10 + [429] * 2
    assert ask(app, "2001:db8:0:2::1", "wrong")[0] == 401


def test_many_addresses_neither_fill_memory_nor_the_inbox(app: ASGIApp, services: Services) -> None:
    for place in range(40):
        for _ in range(12):
            ask(app, f"198.51.100.{place}", "wrong")
    assert 0 < len(services.inbox.told) <= 20  # type: ignore[attr-defined]


def test_the_sign_in_page_counts_with_the_api(server: Client) -> None:
    answers = [sign_in(server, "wrong") for _ in range(12)]
    assert [one.status_code for one in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "Too many invalid keys" in answers[-1].text
    assert server.get("/api/ml/models", headers={"X-API-Key": "wrong"}).json()["code"] == "too_many_wrong_keys"
    assert sign_in(server, FIRST).status_code == 303


# -- rates -----------------------------------------------------------------------------------------------------------


def test_limits_are_by_key(services: Services) -> None:
    settings = Settings(api_key=SecretStr(FIRST), jobs_per_hour=3, ratings_per_second=2)
    server = Client(limited(settings))
    other = {"X-API-Key": made(server, "admin")["key"]}
    order = {"model": "svd"}
    statuses = [server.post("/api/ml/train", headers=ADMIN, json=order).status_code for _ in range(5)]
    assert statuses == [202] * 3 + [429] * 2
    refused = server.post("/api/ml/train", headers=ADMIN, json=order)
    assert refused.json()["code"] == "too_many_requests"
    assert 0 < int(refused.headers["retry-after"]) <= 1200
    assert server.post("/api/ml/train", headers=other, json=order).status_code == 202
    assert server.get("/api/ml/models", headers=ADMIN).status_code == 200


def test_zero_sets_no_limit_and_without_a_key_there_is_none(services: Services) -> None:
    rating = {"user_id": "1", "movie_id": "2", "rating": 4.0}
    unlimited = Client(limited(Settings(api_key=SecretStr(FIRST), ratings_per_second=0)))
    keyless = Client(limited(Settings(api_key=None, ratings_per_second=1)))
    for _ in range(20):
        assert unlimited.post("/api/rate", headers=ADMIN, json=rating).status_code == 200
        assert keyless.post("/api/rate", json=rating).status_code == 200


def limited(settings: Settings) -> ASGIApp:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Mount

    from sidecar.app import create_api

    guard = Middleware(SecurityMiddleware, settings=settings)
    return Starlette(routes=[Mount("/api", create_api(settings))], middleware=[guard])


# -- the audit log ---------------------------------------------------------------------------------------------------


def test_the_log_tells_who_did_what_and_what_came_of_it(server: Client, services: Services) -> None:
    key = made(server, "admin", name="shop")
    sign_in(server, "wrong")
    held = cookie(sign_in(server, key["key"]))
    server.post("/sign-out", headers=held | FORM)
    entries(services)  # so that what waits is stored before the next, which is written at once
    server.request("DELETE", f"/api/keys/{key['key_id']}", headers=ADMIN)
    assert entries(services) == [
        ("first key", "key created", "key 1: shop (admin)", "done"),
        ("unknown key", "sign-in", "", "wrong key"),
        ("shop", "sign-in", "", "done"),
        ("shop", "sign-out", "", "done"),
        ("first key", "key revoked", "key 1: shop (admin)", "done"),
    ]
    shown = server.get("/api/audit?limit=2", headers=ADMIN).json()
    assert [one["action"] for one in shown["entries"]] == ["key revoked", "sign-out"]
    assert shown["entries"][0]["address"] == "127.0.0.1"
    rest = server.get(f"/api/audit?before={shown['next']}", headers=ADMIN).json()
    assert len(rest["entries"]) == 3
    assert rest["next"] is None


def test_the_log_can_be_downloaded_and_no_cell_is_a_formula(server: Client) -> None:
    made(server, "read", name="=cmd|'/c calc'!A1")
    sign_in(server, FIRST)
    table = server.get("/api/audit/export", headers=ADMIN)
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["action"] for row in rows] == ["sign-in", "key created"]
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    lines = server.get("/api/audit/export?format=jsonl", headers=ADMIN).text.splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["sign-in", "key created"]


def test_the_log_is_pruned_by_age(database: Database, clock: Clock) -> None:
    audit = keyed(database, clock, days=30).audit
    audit.record("one")
    clock.now += 20 * 86_400
    audit.record("two")
    clock.now += 11 * 86_400
    audit.record("three")
    assert [one.action for one in audit.entries()] == ["three", "two"]


def test_entries_that_could_not_be_stored_are_when_there_is_room_again(database: Database, clock: Clock) -> None:
    audit = keyed(database, clock).audit
    real, calls = AuditStore.add, []

    def add(self: AuditStore, rows: Any, *, tx: Any) -> None:
        calls.append(len(rows))
        if len(calls) == 1:
            raise RuntimeError("no room")
        real(self, rows, tx=tx)

    AuditStore.add = add  # type: ignore[method-assign, assignment]
    try:
        audit.record("one")
        database.write(lambda _: None)
        audit.record("two")
        assert [one.action for one in audit.entries()] == ["two", "one"]
    finally:
        AuditStore.add = real  # type: ignore[method-assign]


def test_many_entries_are_few_transactions(database: Database, clock: Clock) -> None:
    audit = keyed(database, clock).audit
    batches = []
    real = AuditStore.add_later

    def add_later(self: AuditStore, rows: Any, **options: Any) -> Any:
        batches.append(len(rows))
        return real(self, rows, **options)

    AuditStore.add_later = add_later  # type: ignore[method-assign, assignment]
    try:
        for place in range(500):
            audit.record("one", str(place))
        assert len(audit.entries(1000)) == 500
    finally:
        AuditStore.add_later = real  # type: ignore[method-assign]
    assert sum(batches) == 500
    assert len(batches) < 250


# -- erased ids ------------------------------------------------------------------------------------------------------


def test_the_prefixes_with_ids_are_those_of_the_routes() -> None:
    found = {route.path_format.partition("{")[0] for route in ROUTES if "{user_id}" in route.path_format}
    assert found == set(PERSONAL)


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/api/ml/recommendations/ann", "/api/ml/recommendations/{}"),
        ("/api/ml/interview/ann", "/api/ml/interview/{}"),
        ("/api/ml/explain/ann/m1", "/api/ml/explain/{}/m1"),
        ("/api/ml/explain/ann/m%2F1", "/api/ml/explain/{}/m/1"),
        ("/api/users/%61nn", "/api/users/{}"),
        ("/api/users/ann/shown", "/api/users/{}/shown"),
    ],
)
@pytest.mark.parametrize("let_in", [True, False])
def test_no_id_of_a_user_is_in_the_access_log(
    server: Client, services: Services, caplog: pytest.LogCaptureFixture, path: str, logged: str, let_in: bool
) -> None:
    caplog.set_level("INFO", "marquee.access")
    server.get(path, headers=ADMIN if let_in else {})
    (line,) = [one for one in caplog.records if one.name == "marquee.access"]
    assert line.fields["path"] == logged.format(services.audit.hashed("ann"))  # type: ignore[attr-defined]
    assert "ann" not in line.getMessage()


def test_a_hash_is_that_of_the_id_in_either_form_and_of_this_store(services: Services) -> None:
    assert services.audit.hashed("e\u0301") == services.audit.hashed("\u00e9")
    other = AuditService(AuditStore(None), b"another", 1, lambda: 0.0)  # type: ignore[arg-type]
    assert other.hashed("ann") != services.audit.hashed("ann")

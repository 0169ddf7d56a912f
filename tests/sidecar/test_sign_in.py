"""With a key set, a browser is led to the sign-in page, and nothing of the console is shown before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import SecretStr

from engine.settings import Settings
from sidecar.security.middleware import OPEN_PATHS, SecurityMiddleware
from sidecar.security.sessions import COOKIE, SIGNED_IN_FOR_S
from sidecar.security.sign_in import MAX_FORM_BYTES, local
from tests.sidecar.client import HOST, Client, speak
from tests.sidecar.conftest import whole_server

ROOT = Path(__file__).parents[2]
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SAME = ("primaryColor", "backgroundColor", "textColor", "borderColor", "redColor", "grayColor")
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{HOST}"}


def sign_in(server: Client, body: str = "key=open+sesame", **headers: str) -> httpx.Response:
    return server.post("/sign-in", content=body, headers=FORM | headers)


def cookie(answer: httpx.Response) -> dict[str, str]:
    morsel = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    return {"Cookie": f"{COOKIE}={morsel.value}"}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/", "/sign-in"),
        ("/training?run=7&x=%C3%A9", "/sign-in?next=%2Ftraining%3Frun%3D7%26x%3D%25C3%25A9"),
        ("/api/docs", "/sign-in?next=%2Fapi%2Fdocs"),
        ("//evil.example", "/sign-in?next=%2F%2Fevil.example"),  # which signing in does not follow
    ],
)
def test_a_browser_is_led_to_the_page(keyed_server: Client, path: str, wanted: str) -> None:
    answer = keyed_server.get(f"http://{HOST}{path}", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, wanted)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/_stcore/health", {"Accept": "application/json"}),
        ("POST", "/_stcore/upload_file/a/b", BROWSER),
        ("GET", "/", BROWSER | {"X-API-Key": "wrong"}),
        ("POST", "/sign-out", BROWSER),
    ],
)
def test_programs_and_changes_are_refused(
    keyed_server: Client, method: str, path: str, headers: dict[str, str]
) -> None:
    assert keyed_server.request(method, path, headers=headers).status_code == 401


def test_the_page_needs_no_script_and_no_other_file(keyed_server: Client) -> None:
    answer = keyed_server.get("/sign-in?next=/training%3Frun=7", headers=BROWSER)
    assert answer.status_code == 200
    assert '<input name="next" type="hidden" value="/training?run=7">' in answer.text
    assert "<script" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy


def test_the_page_looks_like_the_console(keyed_server: Client) -> None:
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
    answer = keyed_server.get("/sign-in", headers=BROWSER).text
    assert 'aria-label="Marquee"' in answer
    light, dark = ([theme[variant][name].lower() for name in SAME] for variant in ("light", "dark"))
    for ours in zip(light, dark, strict=True):
        assert f"light-dark({', '.join(ours)})" in answer


def test_what_is_wanted_can_be_no_markup(keyed_server: Client) -> None:
    answer = keyed_server.get('/sign-in?next=/"><script>alert(1)</script>', headers=BROWSER)
    assert "<script" not in answer.text
    assert "&#34;&gt;&lt;script&gt;" in answer.text


def test_with_the_key_a_browser_gets_a_cookie_that_opens_console_and_api(keyed_server: Client) -> None:
    answer = sign_in(keyed_server, "key=+open+sesame+&next=%2Ftraining%3Frun%3D7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/training?run=7")
    given = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={SIGNED_IN_FOR_S}"} <= set(given.split("; "))
    assert "Secure" not in given
    for path in ("/", "/api/ml/models"):
        assert keyed_server.get(path, headers=cookie(answer)).status_code == 200
    foreign = keyed_server.post("/api/ml/models/rollback", headers=cookie(answer) | {"Origin": "http://evil.example"})
    assert foreign.status_code == 403


def test_by_tls_the_cookie_is_for_tls_alone(keyed_server: Client) -> None:
    answer = keyed_server.post(
        f"https://{HOST}/sign-in", content="key=open+sesame", headers=FORM | {"Origin": f"https://{HOST}"}
    )
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "key=",
        "key=Open+Sesame",
        "key=open+sesam%C3%A9",
        "key=open+sesame&key=x",
        "key=%ff%00",
        "key=open+sesame&x=" + "x" * MAX_FORM_BYTES,
    ],
)
def test_without_the_right_key_there_is_none(keyed_server: Client, body: str) -> None:
    answer = sign_in(keyed_server, body)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert answer.text.count("MARQUEE_API_KEY") == 1


def test_a_long_address_keeps_nobody_out(keyed_server: Client) -> None:
    """The longest that the page itself puts into its form."""
    wanted = urlencode({"next": "/" + "é" * 999})
    page = keyed_server.get(f"/sign-in?{wanted}", headers=BROWSER)
    assert "é" * 999 in page.text
    answer = sign_in(keyed_server, f"key=open+sesame&{wanted}")
    assert answer.status_code == 303
    assert sign_in(keyed_server, "key=open+sesame&next=/" + "a" * 2000).headers["location"] == "/"


def test_a_wrong_key_is_a_line_of_the_log_whatever_a_proxy_passes_on(
    keyed_server: Client, caplog: pytest.LogCaptureFixture
) -> None:
    form = {"type": "http.request", "body": b"key=wrong", "more_body": False}
    scope = {"type": "http", "method": "POST", "path": "/sign-in", "root_path": "", "query_string": b""}
    scope |= {"scheme": "http", "http_version": "1.1", "headers": [(b"host", HOST.encode())]}
    app = whole_server(Settings(api_key=SecretStr("open sesame, please")))
    for client in ("203.0.113.7", 'forged "x"', "a b"):
        speak(app, scope | {"client": (client, 1)}, form)
    told = [one.getMessage() for one in caplog.records if one.name == "sidecar.security.sign_in"]
    assert [one.partition(" tried")[0] for one in told] == [
        "sign-in with an invalid key from 203.0.113.7",
        *["sign-in with an invalid key from an unknown address"] * 2,
    ]


def test_another_site_can_sign_nobody_in(keyed_server: Client) -> None:
    assert sign_in(keyed_server, Origin="http://evil.example").status_code == 403


def test_a_cookie_is_good_for_this_key_and_for_its_time(keyed_server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    held = cookie(sign_in(keyed_server))
    value = held["Cookie"].partition("=")[2]
    other = Client(whole_server(Settings(api_key="another")))
    assert other.get("/", headers=held).status_code == 401
    said, signature = value.rsplit(".", 1)
    for forged in (
        value[:-1],
        # Of the last letter some bits say nothing, so the first is changed.
        f"{said}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "signed-in",
        "",
        value.replace(".", "", 1),
    ):
        assert keyed_server.get("/", headers={"Cookie": f"{COOKIE}={forged}"}).status_code == 401
    assert keyed_server.get("/", headers={"Cookie": f"a=b; {COOKIE}={value}; c=d"}).status_code == 200
    import itsdangerous.timed as timed

    now = timed.time.time()
    monkeypatch.setattr(timed.time, "time", lambda: now + SIGNED_IN_FOR_S + 5)
    assert keyed_server.get("/", headers=held).status_code == 401


def test_signing_out_takes_the_cookie_away(keyed_server: Client) -> None:
    held = cookie(sign_in(keyed_server))
    page = keyed_server.get("/sign-out", headers=held | BROWSER)
    assert (page.status_code, "set-cookie" in page.headers) == (200, False)
    assert '<form method="post" action="/sign-out">' in page.text
    answer = keyed_server.post("/sign-out", headers=held | FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert SimpleCookie(answer.headers["set-cookie"])[COOKIE]["max-age"] == "0"


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_without_a_key_there_is_nothing_to_sign_in_to(server: Client, path: str) -> None:
    answer = server.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("address", "kept"),
    [("/", True), ("/training?run=7", True), ("//evil.example", False), ("/\\evil.example", False),
     ("https://evil.example", False), ("/\t/evil.example", False), ("", False), ("javascript:alert(1)", False),
     ("/" + "é" * 999, True), ("/" + "a" * 1000, False)],
)  # fmt: skip
def test_nobody_is_led_elsewhere(address: str, kept: bool) -> None:
    assert local(address) == (address if kept else "/")


@pytest.mark.parametrize("signed_in", [False, True])
def test_the_console_s_websocket_needs_it(keyed_server: Client, signed_in: bool) -> None:
    async def accept(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    held = cookie(sign_in(keyed_server)) if signed_in else {}
    raw = [(name.lower().encode(), value.encode()) for name, value in ({"Host": HOST, **BROWSER} | held).items()]
    scope = {"type": "websocket", "path": "/_stcore/stream", "root_path": "", "query_string": b"", "headers": raw}
    guarded = SecurityMiddleware(accept, Settings(api_key="open sesame"))
    sent = speak(guarded, scope, {"type": "websocket.connect"})
    assert [message["type"] for message in sent] == ["websocket.accept" if signed_in else "websocket.close"]


WALK = """
import asyncio, json, re
import httpx
from starlette.routing import Mount, WebSocketRoute
import app

built = app.app._build_starlette_app()

def walk(routes, before=""):
    for route in routes:
        if isinstance(route, WebSocketRoute):
            yield "WEBSOCKET", before + route.path
            continue
        inner = getattr(route, "routes", None) if isinstance(route, Mount) else None
        if isinstance(route, Mount) and route.path == "/api":
            yield from (("GET", before + "/api" + path) for path in ("/docs", "/openapi.json"))
            for path, methods in route.app.openapi()["paths"].items():
                yield from ((method.upper(), before + "/api" + path) for method in methods)
        elif inner:
            yield from walk(inner, before + route.path)
        else:
            methods = getattr(route, "methods", None) or {"GET", "POST"}
            for method in methods:
                yield method, before + getattr(route, "path", "")

async def main():
    transport = httpx.ASGITransport(built, raise_app_exceptions=False)
    told = []
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8501") as client:
        for method, path in walk(built.routes):
            asked = re.sub(r"{[^}]*}", "1", path) or "/"
            if method == "WEBSOCKET":
                sent = []
                async def receive():
                    return {"type": "websocket.connect"}
                async def send(message):
                    sent.append(message["type"])
                scope = {"type": "websocket", "path": asked, "root_path": "", "query_string": b"", "scheme": "ws",
                         "headers": [(b"host", b"localhost:8501")], "subprotocols": []}
                await built(scope, receive, send)
                told.append((method, asked, 401 if sent == ["websocket.close"] else 0))
            else:
                told.append((method, asked, (await client.request(method, asked)).status_code))
    print(json.dumps(told))

asyncio.run(main())
"""


def test_every_route_there_is_needs_the_key_but_those_of_the_list(tmp_path: Path) -> None:
    """Of the app as it is served, Streamlit's own routes and side doors included."""
    env = os.environ | {
        "MARQUEE_API_KEY": "open sesame",
        "MARQUEE_DATABASE_URL": f"sqlite:///{tmp_path}/m.db",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run([sys.executable, "-c", WALK], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [(method, path, status) for method, path, status in json.loads(done.stdout.splitlines()[-1])]
    assert {path for _, path, status in told if status != 401} == OPEN_PATHS
    assert ("POST", "/sign-in", 401) in told  # without a key in the form
    paths = {path for _, path, _ in told}
    assert paths >= OPEN_PATHS
    assert {"/_stcore/stream", "/_stcore/health", "/_stcore/host-config", "/api/ml/models", "/api/docs"} <= paths
    assert len(told) > 60

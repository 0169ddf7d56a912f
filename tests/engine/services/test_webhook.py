"""Posts to a webhook end in time whatever the receiver does, go where they should, and can be trusted."""

from __future__ import annotations

import hashlib
import hmac
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from engine.services.webhook import Refused, Undelivered, Webhook
from engine.settings import Settings
from tests.engine.services.conftest import opened, wait_for
from tests.test_starting import ROOT, environment, free_port, wait_until_live

Behave = Callable[[socket.socket], None]
SECRET = "0123456789abcdef"


def read_request(connection: socket.socket) -> bytes:
    content = b""
    while b"\r\n\r\n" not in content:
        content += connection.recv(65536)
    head, _, body = content.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def receiver(behave: Behave, got: list[bytes] | None = None) -> Iterator[int]:
    """Listens on a port and does as it is told with each connection."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with closing(connection):
                try:
                    request = read_request(connection)
                    if got is not None:
                        got.append(request)
                    behave(connection)
                except OSError:
                    return

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def answers(text: bytes) -> Behave:
    return lambda connection: connection.sendall(text)


def drips(start: bytes, piece: bytes) -> Behave:
    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(0.05)

    return drip


OK = b"HTTP/1.1 204 No Content\r\n\r\n"
SLOW: dict[str, Behave] = {
    "says nothing": lambda connection: time.sleep(60),
    "drips its head": drips(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
    "drips one line": drips(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "drips before the status": drips(b"", b"H"),
    "only continues": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


def post(port: int, hook: Webhook | None = None, stop: Event | None = None, host: str = "127.0.0.1") -> None:
    """In a thread of its own, as a worker does, since a browser's loop may be running in this one."""
    address = f"http://{host}:{port}/hook"
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hook or Webhook(timeout_s=0.6), address, b'{"a": 1}', stop or Event()).result()


@pytest.mark.parametrize("name", SLOW)
def test_a_receiver_that_is_slow_in_any_way_takes_no_longer_than_the_deadline(name: str) -> None:
    with receiver(SLOW[name]) as port:
        began = time.monotonic()
        with pytest.raises(Undelivered):
            post(port)
        assert time.monotonic() - began < 1.5


def test_an_endless_body_is_not_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n"
    with receiver(drips(head, b"x" * 65536)) as port:
        began = time.monotonic()
        post(port)
        assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("name", SLOW)
def test_a_stop_ends_a_post_at_once(name: str) -> None:
    stop, ended = Event(), []
    with receiver(SLOW[name]) as port:

        def send() -> None:
            with pytest.raises(Undelivered, match="stopping"):
                post(port, Webhook(timeout_s=30), stop)
            ended.append(time.monotonic())

        thread = Thread(target=send)
        thread.start()
        time.sleep(0.3)
        began = time.monotonic()
        stop.set()
        thread.join(5)
        assert ended
        assert ended[0] - began < 0.5


def test_a_name_that_is_never_found_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3) or [])
    began = time.monotonic()
    with pytest.raises(Undelivered, match="not found in time"):
        post(80, host="receiver.example")
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_refusal_and_is_not_followed(status: int) -> None:
    got: list[bytes] = []
    with receiver(answers(OK), got) as other:
        moved = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{other}/\r\n\r\n".encode()
        with receiver(answers(moved)) as port, pytest.raises(Refused, match="redirects are not followed") as refused:
            post(port)
    assert refused.value.status == status
    assert got == []


@pytest.mark.parametrize(("status", "told"), [(500, "500 Internal Server Error"), (410, "410 Gone"), (299, None)])
def test_what_is_not_2xx_is_a_refusal(status: int, told: str | None) -> None:
    with receiver(answers(f"HTTP/1.1 {status} x\r\n\r\n".encode())) as port:
        if told is None:
            post(port)
        else:
            with pytest.raises(Refused, match=told):
                post(port)


def test_nobody_there_is_told_in_words() -> None:
    with pytest.raises(Undelivered, match="Connection refused"):
        post(free_port())


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "::1",
        "fe80::1",
        "::ffff:7f00:1",
        "64:ff9b::7f00:1",
    ],
)
def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Undelivered, match=f"receiver.example is at {address}, which is not public"):
        post(80, host="receiver.example")


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look at the name, which leads elsewhere by now, is never taken."""
    asked: list[str] = []
    got: list[bytes] = []
    with receiver(answers(OK), got) as port:

        def look_up(host: Any, *_: Any, **__: Any) -> Any:
            asked.append(str(host))
            assert host == "receiver.example"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        real = socket.socket.connect
        monkeypatch.setattr(socket.socket, "connect", real)
        post(port, Webhook(private=True, timeout_s=2), host="receiver.example")
    assert asked.count("receiver.example") == 1
    assert f"host: receiver.example:{port}".encode() in got[0].lower()
    assert got[0].startswith(b"POST /hook HTTP/1.1\r\n")


def test_proxies_of_the_environment_see_no_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with receiver(answers(OK)) as port:
        post(port)


def test_an_address_is_posted_to_where_it_is_written_as_one() -> None:
    assert Webhook()._allowed("127.0.0.1", [ip_address("127.0.0.1")])
    for host, address in (("localhost", "127.0.0.1"), ("a.example", "10.1.2.3")):
        with pytest.raises(Undelivered, match="MARQUEE_WEBHOOK_PRIVATE"):
            Webhook()._allowed(host, [ip_address(address)])
        assert Webhook(private=True)._allowed(host, [ip_address(address)])
    for never in ("0.0.0.0", "224.0.0.1", "ff02::1", "::"):
        with pytest.raises(Undelivered):
            Webhook(private=True)._allowed(never, [ip_address(never)])


def documented_check() -> Callable[[str, dict[str, str], bytes, float], bool]:
    """The receiver's code from the docs."""
    text = (ROOT / "docs" / "deployment.md").read_text()
    (code,) = re.findall(r"```python\n(import hashlib.*?)```", text, re.DOTALL)
    space: dict[str, Any] = {}
    exec(code, space)
    return space["is_from_marquee"]  # type: ignore[no-any-return]


def test_the_signature_is_checked_as_the_docs_say() -> None:
    got: list[bytes] = []
    with receiver(answers(OK), got) as port:
        post(port, Webhook(SECRET, clock=lambda: 1_700_000_000.9, timeout_s=2))
    head, _, body = got[0].partition(b"\r\n\r\n")
    headers = {
        name.decode().title(): value.strip().decode()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    assert headers["X-Marquee-Timestamp"] == "1700000000"
    whole = hmac.new(SECRET.encode(), b"1700000000." + body, hashlib.sha256).hexdigest()
    assert headers["X-Marquee-Signature"] == f"sha256={whole}"
    check = documented_check()
    assert check(SECRET, headers, body, 1_700_000_010)
    assert not check(SECRET, headers, body + b" ", 1_700_000_010)
    assert not check(SECRET + "x", headers, body, 1_700_000_010)
    assert not check(SECRET, headers, body, 1_700_001_000)
    assert not check(SECRET, headers | {"X-Marquee-Timestamp": "1700000001"}, body, 1_700_000_010)
    assert not check(SECRET, {}, body, 1_700_000_010)


def test_without_a_secret_nothing_is_signed() -> None:
    assert not [name for name in Webhook().headers(b"x") if name.startswith("X-")]


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="webhook_secret"):
        Settings(webhook_secret="short")


def test_a_service_stops_beside_a_receiver_that_drips(settings: Settings) -> None:
    got: list[bytes] = []
    with receiver(SLOW["drips its head"], got) as port:
        changes = {"webhook_url": f"http://127.0.0.1:{port}/hook"}
        with opened(settings.model_copy(update=changes)) as runtime:
            runtime.notices.add("info", "training", "one")
            wait_for(lambda: bool(got))
            began = time.monotonic()
            runtime.notifying.close()
            assert time.monotonic() - began < 1


def test_sigterm_ends_the_process_beside_a_receiver_that_drips(tmp_path: Path) -> None:
    got: list[bytes] = []
    with receiver(SLOW["drips its head"], got) as hook:
        port = free_port()
        own = environment(tmp_path, port) | {"MARQUEE_WEBHOOK_URL": f"http://127.0.0.1:{hook}/hook"}
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=own, stderr=subprocess.DEVNULL)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                wait_until_live(client, process)
                for file in ("user,movie,rating\nu,m,3\nv,m,4\n",):
                    client.post(
                        "/api/data/imports", files={"files": ("r.csv", file)}, data={"options": '{"scale": [1, 5]}'}
                    )
                wait_for(lambda: bool(got))
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            took = time.monotonic() - began
        finally:
            process.kill()
    assert took < 3

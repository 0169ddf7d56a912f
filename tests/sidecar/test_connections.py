"""Heads, bodies and idle sockets against the real server: one address can neither stop it nor keep others out.

No time that is asserted here is tighter than several seconds; ``python -m benchmarks siege`` measures.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import psutil
import pytest

from sidecar.http.connections import (
    BODY_S,
    HEAD_S,
    MAX_PIPELINED,
    SILENT_S,
    STALLED_S,
    GuardedProtocol,
    GuardedWebSocket,
)
from sidecar.http.gate import Gate, Limits
from sidecar.http.limits import MAX_HEAD, MAX_HEADERS
from tests.browser.console import server

HOST, OTHERS = "127.0.0.1", "127.0.0.2"
PROBE = b"GET /api/health/live HTTP/1.1\r\nHost: localhost\r\n"
HANDSHAKE = (
    b"GET /_stcore/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
RATING = b"POST /api/rate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SOON_S = 5.0
"""Far longer than any of this takes, and far shorter than it took without limits."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with server(tmp_path_factory.mktemp("connections"), MARQUEE_DEMO="false") as url:
        yield int(url.rpartition(":")[2])


def connected(port: int, address: str = HOST) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=SOON_S, source_address=(address, 0))


def answer(port: int, sent: bytes, more: bytes = b"", times: int = 0) -> bytes:
    """What comes back for bytes, and for more that are sent so many times, or until the server takes no more."""
    with closing(connected(port)) as connection:
        try:
            connection.sendall(sent)
            for _ in range(times):
                connection.sendall(more)
        except OSError:
            pass  # it has been refused, which is what the answer says
        found = b""
        try:
            while piece := connection.recv(65_536):
                found += piece
                if found.endswith(b"}"):
                    break
        except ConnectionResetError:
            pass
        return found


def assert_others_are_served(port: int, address: str = OTHERS) -> None:
    begun = time.monotonic()
    for path in ("/api/health/live", "/api/docs"):
        connection = HTTPConnection(HOST, port, timeout=SOON_S, source_address=(address, 0))
        connection.request("GET", path, headers={"Host": "localhost"})
        assert connection.getresponse().status == 200
        connection.close()
    assert time.monotonic() - begun < SOON_S


# -- heads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        PROBE + b"X: " + b"a" * (MAX_HEAD + 1) + b"\r\n\r\n",
        PROBE + b"a: b\r\n" * MAX_HEADERS + b"\r\n",
        b"GET /" + b"a" * (MAX_HEAD + 1) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        PROBE + b"X" * (MAX_HEAD + 1) + b": a\r\n\r\n",
        HANDSHAKE + b"X: " + b"a" * (MAX_HEAD + 1) + b"\r\n\r\n",
        RATING + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * (3 * MAX_HEAD),
        RATING + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * (3 * MAX_HEAD),
    ],
    ids=["value", "count", "address", "name", "websocket", "trailer", "chunk extension"],
)
def test_a_head_that_is_too_large_is_refused(port: int, head: bytes) -> None:
    found = answer(port, head)
    assert found.startswith(b"HTTP/1.1 431 "), found[:200]
    assert b'"code": "head_too_large"' in found
    assert b"connection: close" in found
    assert_others_are_served(port)


def test_a_head_just_within_the_limit_is_read(port: int) -> None:
    room = MAX_HEAD - len(PROBE) - len(b"X: \r\nConnection: close\r\n\r\n") - 200
    found = answer(port, PROBE + b"X: " + b"a" * room + b"\r\nConnection: close\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 200 ")


def test_large_bodies_are_no_heads(port: int) -> None:
    body = b'{"pairs": [' + b" " * 5_000_000 + b"]}"
    head = b"POST /api/ml/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    whole = answer(port, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert whole.startswith(b"HTTP/1.1 422 ")
    parts = (body[at : at + 100] for at in range(0, 90_000, 100))
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    assert answer(port, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked).startswith(b"HTTP/1.1 422 ")


def test_a_flood_of_headers_takes_no_memory_and_others_are_served(port: int) -> None:
    (process,) = [one for one in psutil.process_iter() if _listens(one, port)]
    before = process.memory_info().rss
    for line in (b"a" * 1_000_000, b"a: b\r\n" * 100_000):
        for _ in range(10):
            answer(port, PROBE + b"X: ", line, times=100)
        assert_others_are_served(port)
    assert process.memory_info().rss - before < 50e6


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(one.laddr.port == port and one.status == "LISTEN" for one in process.net_connections())
    except psutil.Error:
        return False


def test_what_is_no_http_is_refused(port: int) -> None:
    assert answer(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert_others_are_served(port)


def test_requests_in_a_row_are_answered_in_turn_and_not_without_end(port: int) -> None:
    few = PROBE + b"\r\n"
    found = answer(port, few * 4 + PROBE + b"Connection: close\r\n\r\n")
    assert found.count(b"HTTP/1.1 200 ") >= 1
    answer(port, few * (10 * MAX_PIPELINED))
    assert_others_are_served(port)


# -- sockets that stay -----------------------------------------------------------------------------------------------


def test_a_thousand_idle_sockets_of_one_address_keep_nobody_out(port: int) -> None:
    held = [connected(port) for _ in range(1005)]
    try:
        assert_others_are_served(port)
        assert_others_are_served(port, HOST)  # nor somebody else at the same address
        assert sum(map(_is_open, held)) <= 100
    finally:
        for one in held:
            one.close()


def test_sockets_that_send_a_byte_now_and_then_are_closed(port: int) -> None:
    held = [connected(port) for _ in range(20)]
    try:
        for one in held:
            one.sendall(PROBE)
        end = time.monotonic() + 3 * HEAD_S
        while any(map(_drip, held)) and time.monotonic() < end:
            time.sleep(0.5)
        assert not any(map(_is_open, held))
        assert_others_are_served(port)
    finally:
        for one in held:
            one.close()


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _drip(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x")
    except OSError:
        return False
    return _is_open(connection)


# -- one connection, with a clock of the test's own ------------------------------------------------------------------


class Loop:
    """A loop whose time the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.later: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, work: Any, *arguments: Any) -> None:
        self.later.append((delay, work, arguments))


class Idle:
    """A connection as the gate sees it."""

    def __init__(self, idle_since: float | None) -> None:
        self.idle_since = idle_since
        self.dropped = False
        self.checked: list[float] = []

    def drop(self) -> None:
        self.dropped = True

    def check(self, now: float) -> None:
        self.checked.append(now)


def gate(per_address: int = 3, in_all: int = 5, proxies: str = "") -> Gate:
    from engine.settings import Settings

    return Gate(Limits(per_address, in_all, Settings(trusted_proxies=proxies).proxies), Loop())  # type: ignore[arg-type]


def test_the_one_that_has_been_idle_longest_makes_room() -> None:
    door = gate()
    held = [Idle(3.0), Idle(None), Idle(1.0)]
    assert all(door.enter(one, ("192.0.2.1", 1)) for one in held)
    assert door.enter(Idle(9.0), ("192.0.2.1", 2))
    assert [one.dropped for one in held] == [False, False, True]
    assert len(door) == 3


def test_where_all_are_busy_there_is_room_for_a_probe_alone() -> None:
    door = gate()
    for _ in range(3):
        assert door.enter(Idle(None), ("192.0.2.1", 1))
    assert not door.enter(Idle(5.0), ("192.0.2.1", 2))
    assert door.enter(Idle(5.0), ("192.0.2.2", 2))


def test_all_addresses_together_have_a_limit_and_the_one_with_most_makes_room() -> None:
    door = gate(per_address=4)
    held = [Idle(float(place)) for place in range(4)]
    assert all(door.enter(one, ("192.0.2.1", 1)) for one in held)
    assert door.enter(other := Idle(0.0), ("192.0.2.2", 1))
    assert door.enter(Idle(0.0), ("192.0.2.3", 1))
    assert held[0].dropped
    assert not other.dropped
    assert len(door) == 5


def test_an_address_of_ipv6_is_its_network_and_proxies_are_excepted() -> None:
    door = gate(in_all=100, proxies="10.0.0.1")
    held = [Idle(float(place)) for place in range(4)]
    assert all(door.enter(one, (f"2001:db8::{place}", 1)) for place, one in enumerate(held))
    assert held[0].dropped
    proxied = [Idle(0.0) for _ in range(50)]
    assert all(door.enter(one, ("10.0.0.1", 1)) for one in proxied)
    assert not any(one.dropped for one in proxied)


def test_who_leaves_makes_room_and_leaves_nothing_behind() -> None:
    door = gate()
    held = [Idle(None) for _ in range(3)]
    for one in held:
        door.enter(one, ("192.0.2.1", 1))
    for one in held:
        door.leave(one)
        door.leave(one)
    assert len(door) == 0
    assert door.enter(Idle(None), ("192.0.2.1", 1))


class Transport:
    """What a protocol writes to."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = False
        self.buffered = 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 5), "sockname": ("127.0.0.1", 8501)}.get(name, default)

    def write(self, data: bytes) -> None:
        self.sent += data

    def write_eof(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(asyncio.sleep(0))
    made.close()


def opened(loop: asyncio.AbstractEventLoop, kind: Any = GuardedProtocol) -> tuple[Any, Transport]:
    """A connection to an app that reads its body and then waits."""
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass

    async def build() -> tuple[Any, Transport]:
        config = Config(app, ws="websockets-sansio", proxy_headers=False)
        protocol, transport = GuardedProtocol(config, ServerState(), {}), Transport()
        if kind is GuardedWebSocket:
            web = GuardedWebSocket(config, protocol.server_state, {})
            web.connection_made(transport)  # type: ignore[arg-type]
            return web, transport
        protocol.connection_made(transport)  # type: ignore[arg-type]
        return protocol, transport

    return loop.run_until_complete(build())


def test_a_connection_that_says_nothing_is_closed_without_a_word(loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = opened(loop)
    protocol.check(loop.time() + HEAD_S - 1)
    assert not transport.closed
    protocol.check(loop.time() + HEAD_S + 1)
    assert transport.closed
    assert transport.sent == b""


def test_a_head_that_is_not_complete_in_time_is_told_so(loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = opened(loop)
    for letter in PROBE:
        protocol.data_received(bytes([letter]))
    protocol.check(loop.time() + HEAD_S + 1)
    assert transport.sent.startswith(b"HTTP/1.1 408 ")


def test_a_body_has_to_keep_up_a_pace(loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = opened(loop)
    protocol.data_received(RATING + b"Content-Length: 100000\r\n\r\n")
    begun = loop.time()
    protocol.check(begun + BODY_S - 1)
    protocol.data_received(b"x" * 20_480)
    protocol.check(begun + BODY_S + 15)
    assert transport.sent == b""
    protocol.check(begun + BODY_S + 25)
    assert transport.sent.startswith(b"HTTP/1.1 408 ")
    assert protocol.cycle.disconnected


def test_while_the_server_itself_is_slow_the_body_has_time(loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = opened(loop)
    protocol.data_received(RATING + b"Content-Length: 1000000\r\n\r\n")
    protocol.data_received(b"x" * 100_000)  # more than uvicorn keeps: it stops reading
    begun = loop.time()
    for second in range(1, 600):
        protocol.check(begun + second)
    assert transport.sent == b""
    assert not transport.closed


def test_a_reader_that_takes_nothing_is_let_go(loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = opened(loop)
    protocol.data_received(PROBE + b"\r\n")
    begun = loop.time()
    for second in range(int(STALLED_S)):
        transport.buffered = 70_000 + second
        protocol.check(begun + second)
    assert not transport.closed
    for second in range(int(STALLED_S), int(2 * STALLED_S) + 2):
        protocol.check(begun + second)
    assert transport.closed


def test_a_websocket_has_to_say_something(loop: asyncio.AbstractEventLoop) -> None:
    silent, transport = opened(loop, GuardedWebSocket)
    silent.check(loop.time() + SILENT_S - 1)
    assert not transport.closed
    silent.check(loop.time() + SILENT_S + 1)
    assert transport.closed


def test_one_that_has_spoken_may_be_silent(loop: asyncio.AbstractEventLoop) -> None:
    talking, transport = opened(loop, GuardedWebSocket)
    talking.frames = [b"x"]
    talking.send_receive_event_to_app()
    talking.check(loop.time() + 100 * SILENT_S)
    assert not transport.closed


def test_what_is_asked_for_where_there_is_no_room(loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = opened(loop)
    protocol._has_room = False
    protocol.data_received(PROBE + b"\r\n")
    assert transport.sent == b""
    assert protocol.cycle.keep_alive is False
    protocol, transport = opened(loop)
    protocol._has_room = False
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert transport.sent.startswith(b"HTTP/1.1 503 ")
    assert b'"code": "too_many_connections"' in transport.sent
    assert b"retry-after: " in transport.sent

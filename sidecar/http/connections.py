"""Connections that may stay: limits on the head of a request, on the time it takes to arrive, and on how many are open.

uvicorn reads a head of any length, waits for it for ever, and knows one limit for all connections together, probes
included. The protocols here are uvicorn's own, with a guard before the parser. ``python app.py`` serves with them;
elsewhere they are had by ``uvicorn app:app --http sidecar.http.connections:GuardedProtocol``.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from engine.settings import Settings
from sidecar.http.forwarded import group_of, is_trusted
from sidecar.http.problems import (
    BAD_REQUEST,
    HEAD_TOO_LARGE,
    REQUEST_TIMEOUT,
    RETRY_AFTER_SECONDS,
    TOO_MANY_CONNECTIONS,
    Kind,
    problem,
)

log = logging.getLogger(__name__)

MAX_HEAD, MAX_HEADERS = 2**15, 100
MAX_PIPELINED = 16
HEAD_S = 10.0
BODY_S, BODY_BYTES_A_SECOND = 30.0, 1024.0
"""A body has half a minute, and then as long as it comes at this pace."""
STALLED_S = 60.0
"""So long an answer may wait for a client that reads nothing of it."""
SILENT_S = 30.0
"""So long a WebSocket may be open before it says anything."""
LINGER_S, LINGER_BYTES = 1.0, 2**18
"""So long what is still being sent is taken after a refusal: to close at once would reset the connection unread."""
SWEEP_S = 1.0
MOST_CONNECTIONS, SPARE_FILES = 1000, 200
MOST_DESCRIPTORS = 65_536
TELL_EVERY_S = 60.0
PROBES = frozenset({b"/api/health/live", b"/api/health/ready"})


def raise_limit() -> None:
    """Let the process open as many files and connections as the system lets it: the usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        log.warning("the limit on open files stays at %d: %s", soft, error)


class Connection(Protocol):
    """What the gate knows of a connection."""

    idle_since: float | None

    def drop(self) -> None:
        """Close it to make room; it is idle."""

    def check(self, now: float) -> None:
        """Close it where it has taken too long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections may be open.

    Attributes:
        per_address: from one address.
        in_all: from all of them.
        proxies: to which ``per_address`` does not apply.
    """

    per_address: int
    in_all: int
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that settings and the system set; a connection takes a file."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, files - SPARE_FILES)
        return cls(settings.connections_per_address, max(most, SPARE_FILES), settings.proxies)


class Gate:
    """Counts the open connections of one server, makes room for new ones, and closes what takes too long.

    A new connection is always taken. Where its address has too many, or all have, the one that has been idle longest
    makes room, so that nobody is kept out by connections that do nothing.
    """

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._of: dict[str, dict[Connection, None]] = {}
        self._address: dict[Connection, str] = {}
        self._sweeping = False
        self._closed = 0
        self._told_at = float("-inf")
        self._group = lru_cache(4096)(group_of)

    def __len__(self) -> int:
        return len(self._address)

    def enter(self, connection: Connection, client: tuple[str, int] | None) -> bool:
        """Take a connection in; returns whether there is room for it, so that it may ask for more than a probe."""
        address = self._group(client[0]) if client else ""
        theirs = self._of.setdefault(address, {})
        limited = client is not None and not is_trusted(client[0], self._limits.proxies)
        room = True
        if limited and len(theirs) >= self._limits.per_address:
            room = self._make_room(theirs)
        elif len(self._address) >= self._limits.in_all:
            most = max(self._of.values(), key=len)
            room = self._make_room(most) or self._make_room(self._address)
        theirs = self._of.setdefault(address, {})  # making room may have removed it
        theirs[connection] = None
        self._address[connection] = address
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(SWEEP_S, self._sweep)
        return room

    def leave(self, connection: Connection) -> None:
        """A connection is closed, or another protocol goes on with it."""
        address = self._address.pop(connection, None)
        if address is not None:
            theirs = self._of[address]
            del theirs[connection]
            if not theirs:
                del self._of[address]

    def _make_room(self, among: dict[Connection, Any]) -> bool:
        """Close the one of them that has been idle longest; whether there was one."""
        longest, since = None, float("inf")
        for one in among:
            if one.idle_since is not None and one.idle_since < since:
                longest, since = one, one.idle_since
        if longest is None:
            return False
        self._closed += 1
        self.leave(longest)
        longest.drop()
        return True

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in list(self._address):
            connection.check(now)
        if self._closed and now - self._told_at >= TELL_EVERY_S:
            log.warning("%d idle connections were closed to make room for others", self._closed)
            self._closed, self._told_at = 0, now
        self._sweeping = bool(self._address)
        if self._sweeping:
            self._loop.call_later(SWEEP_S, self._sweep)


_gates: WeakKeyDictionary[ServerState, Gate] = WeakKeyDictionary()


def _gate(state: ServerState, limits: Limits | None, loop: asyncio.AbstractEventLoop) -> Gate:
    gate = _gates.get(state)
    if gate is None:
        gate = _gates[state] = Gate(limits or Limits.of(Settings()), loop)
    return gate


class _Refused(Exception):
    """Ends the parsing of a request that was refused."""


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which has to say something soon after it was opened; its pings do the rest."""

    idle_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        super().connection_made(transport)
        self._gate = _gate(self._state, None, self.loop)
        self._gate.enter(self, self.client)
        self._opened = self.loop.time()
        self._has_spoken = False

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._state = server_state

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no longer."""
        self._gate.leave(self)
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        """Pass a message on."""
        self._has_spoken = True
        super().send_receive_event_to_app()

    def drop(self) -> None:
        """Never asked: it is not idle."""
        self.transport.abort()

    def check(self, now: float) -> None:
        """Close it where it has said nothing."""
        if not self._has_spoken and now - self._opened > SILENT_S and not self.transport.is_closing():
            self.transport.close()


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP with limits. A request has one of two parts to send: its head, then its body."""

    limits: ClassVar[Limits | None] = None
    """None reads the settings."""

    idle_since: float | None = None

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        if self.ws_protocol_class is not None and issubclass(WebSocketsSansIOProtocol, self.ws_protocol_class):
            self.ws_protocol_class = GuardedWebSocket
        self._gate = _gate(server_state, self.limits, self.loop)
        self._has_room = True
        self._unread = 0  # bytes that were given to the parser and of which nothing has come yet
        self._head_began: float | None = None
        self._body_began: float | None = None  # None while no body is awaited
        self._body_bytes = 0
        self._checked = 0.0
        self._discarded: int | None = None  # not None once the connection was refused
        self._stalled_since: float | None = None
        self._buffered = 0

    # -- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Count it, and wait for a head."""
        super().connection_made(transport)
        self.idle_since = self._head_began = self.loop.time()
        self._has_room = self._gate.enter(self, self.client)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no longer."""
        self._gate.leave(self)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket's protocol."""
        self._gate.leave(self)
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Give what came to the parser, in pieces so small that no head grows much beyond its limit."""
        if self._discarded is not None:
            self._discarded += len(data)
            if self._discarded > LINGER_BYTES:
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        for start in range(0, len(data), MAX_HEAD):
            piece = data if len(data) <= MAX_HEAD else data[start : start + MAX_HEAD]
            if not self._parse(piece):
                return
        if self._head_began is None and self._body_began is None and self.idle_since is not None:
            self._head_began = self.loop.time()

    def _parse(self, piece: bytes) -> bool:
        """Whether the connection goes on as it is."""
        self._unread += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
                return False
            self._unsupported_upgrade_warning()
        except httptools.HttpParserError:
            if self._discarded is None:
                self._refuse(BAD_REQUEST, "What was sent can't be read as HTTP.")
            return False
        if self._unread > MAX_HEAD:
            self._refuse(HEAD_TOO_LARGE, _too_large())
            return False
        return True

    # -- what the parser finds ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        if self._head_began is None:
            self._head_began = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Another header; those after a body count with those before."""
        if len(self.headers) >= MAX_HEADERS:
            self._refuse(HEAD_TOO_LARGE, _too_large())
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete: refuse it, or begin to answer."""
        if self._unread > MAX_HEAD and self._head_bytes() > MAX_HEAD:
            self._refuse(HEAD_TOO_LARGE, _too_large())
            raise _Refused
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refuse(BAD_REQUEST, f"More than {MAX_PIPELINED} requests wait for their answers.")
            raise _Refused
        probe = self._has_room or self.url.partition(b"?")[0] in PROBES
        if not probe:
            self._refuse(TOO_MANY_CONNECTIONS, "Too many connections are open. Close some, or try again in a moment.")
            raise _Refused
        self._unread = 0
        self._head_began = self.idle_since = None
        self._body_began, self._body_bytes = self.loop.time(), 0
        super().on_headers_complete()
        if not self._has_room and self.cycle is not None:
            self.cycle.keep_alive = False

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        """A part of a body has come."""
        self._unread = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has come completely."""
        self._unread = 0
        self._body_began = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer was given; another request may wait already."""
        super().on_response_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self.idle_since = self.loop.time()
            if self._head_began is not None:  # it came while the answer was made, and only now is waited for
                self._head_began = self.idle_since

    # -- what takes too long -----------------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Close it where a head, a body or a reader takes too long."""
        since, self._checked = now - self._checked if self._checked else 0.0, now
        if self.transport.is_closing() or self._discarded is not None:
            return
        if self.idle_since is not None and self._head_began is not None and now - self._head_began > HEAD_S:
            if self._unread:
                self._refuse(REQUEST_TIMEOUT, f"The head of the request did not arrive within {HEAD_S:g} seconds.")
            else:
                self.transport.close()
        elif self._body_began is not None:
            if self.flow.read_paused:
                self._body_began += since  # it is us who are slow
            elif now - self._body_began > BODY_S + self._body_bytes / BODY_BYTES_A_SECOND:
                self._refuse(REQUEST_TIMEOUT, "The body of the request arrived too slowly.")
        self._check_reader(now)

    def _check_reader(self, now: float) -> None:
        buffered = self.transport.get_write_buffer_size()
        if not buffered or buffered != self._buffered:
            self._stalled_since, self._buffered = (now if buffered else None), buffered
        elif self._stalled_since is not None and now - self._stalled_since > STALLED_S:
            self.transport.abort()

    def drop(self) -> None:
        """Make room for another connection."""
        self.transport.abort()

    def _refuse(self, kind: Kind, detail: str) -> None:
        """Answer with a problem where no other answer is under way, and close."""
        self._discarded = 0
        answering = self.cycle is not None and not self.cycle.response_complete and self._is_answering()
        if self.cycle is not None:
            self.cycle.disconnected = True  # whoever still reads the body, or answers, ends
            self.cycle.message_event.set()
        if answering:
            self.transport.close()
            return
        self.transport.write(_wire(kind, detail))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.idle_since = self.loop.time()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _is_answering(self) -> bool:
        """Whether an answer to an earlier request, or the beginning of one to this, is on its way."""
        return self.cycle.response_started or self._body_began is None


def _too_large() -> str:
    return f"The head of a request has at most {MAX_HEAD // 1024} KiB and {MAX_HEADERS} headers."


@cache
def _wire(kind: Kind, detail: str) -> bytes:
    """A problem as it goes over the wire where no request was passed on."""
    headers = {"Connection": "close", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if kind is TOO_MANY_CONNECTIONS:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    answer = problem(kind, detail, headers=headers)
    lines = [b"%s: %s\r\n" % header for header in answer.raw_headers]
    return b"".join([STATUS_LINE[kind.status], *lines, b"\r\n", bytes(answer.body)])


def guarded(settings: Settings) -> type[GuardedProtocol]:
    """The protocol with the limits that are set."""

    class Guarded(GuardedProtocol):
        """uvicorn's HTTP with the limits of these settings."""

        limits = Limits.of(settings)

    return Guarded

"""Limits on connections: the size of a request's header, the time it takes to arrive, and how many are open.

uvicorn reads headers of any length, waits for them forever, and has one limit on all connections, health probes
included. These protocols are uvicorn's own with a guard in front of the parser. ``python app.py`` uses them; elsewhere
run ``uvicorn app:app --http sidecar.http.connections:GuardedProtocol``.
"""

import asyncio
from abc import abstractmethod
from functools import cache
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from engine.settings import Settings
from sidecar.http.gate import Gate, Limits, gate_of
from sidecar.http.kinds import BAD_REQUEST, HEAD_TOO_LARGE, REQUEST_TIMEOUT, TOO_MANY_CONNECTIONS, Kind
from sidecar.http.limits import MAX_HEAD, MAX_HEADERS, head_too_large
from sidecar.http.problems import RETRY_AFTER_SECONDS, problem

MAX_PIPELINED = 16
HEAD_S = 10.0
BODY_S, BODY_BYTES_A_SECOND = 30.0, 1024.0
"""A body has this many seconds, and more as long as it arrives at this rate."""
STALLED_S = 60.0
"""How long a response waits for a client that has stopped reading."""
SILENT_S = 30.0
"""How long a WebSocket may stay open before its first message."""
LINGER_S, LINGER_BYTES = 1.0, 2**18
"""How long, and how much, is still read after a refusal: closing at once would reset the connection unread."""
PROBES = frozenset({b"/api/health/live", b"/api/health/ready"})


class _Refused(Exception):
    """Ends the parsing of a request that was refused."""


class _Guarded(asyncio.Protocol):
    """A connection that a gate counts; the parsers of uvicorn come after it in the order of methods."""

    transport: asyncio.Transport
    idle_since: float | None = None
    _gate: Gate

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove it from the gate."""
        self._gate.leave(self)
        super().connection_lost(exc)

    def drop(self) -> None:
        """Make room for another connection; a WebSocket is never idle, so never dropped."""
        self.transport.abort()

    @abstractmethod
    def check(self, now: float) -> None:
        """Close it if something takes too long."""


class GuardedWebSocket(_Guarded, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, closed unless a first message comes soon; after that its pings suffice."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Add it to the gate."""
        super().connection_made(transport)
        self._gate = gate_of(self._state, None, self.loop)
        self._gate.enter(self, self.client)
        self._opened = self.loop.time()
        self._has_spoken = False

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._state = server_state

    def send_receive_event_to_app(self) -> None:
        """Pass on a message."""
        self._has_spoken = True
        super().send_receive_event_to_app()

    def check(self, now: float) -> None:
        """Close it if it has sent no message."""
        if not self._has_spoken and now - self._opened > SILENT_S and not self.transport.is_closing():
            self.transport.close()


class GuardedProtocol(_Guarded, HttpToolsProtocol):
    """uvicorn's HTTP with limits. A request is either sending its header or its body."""

    limits: ClassVar[Limits | None] = None
    """None reads the settings."""

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        if self.ws_protocol_class is not None and issubclass(WebSocketsSansIOProtocol, self.ws_protocol_class):
            self.ws_protocol_class = GuardedWebSocket
        self._gate = gate_of(server_state, self.limits, self.loop)
        self._has_room = True
        self._unread = 0  # bytes fed to the parser that have not resulted in an event yet
        self._head_began: float | None = None
        self._body_began: float | None = None  # None while no body is expected
        self._body_bytes = 0
        self._checked = 0.0
        self._discarded: int | None = None  # not None once the connection was refused
        self._stalled_since: float | None = None
        self._buffered = 0

    # -- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Add it to the gate, and wait for a header."""
        super().connection_made(transport)
        self.idle_since = self._head_began = self.loop.time()
        self._has_room = self._gate.enter(self, self.client)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol."""
        self._gate.leave(self)
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, in pieces small enough that no header grows far beyond its limit."""
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
        """Feed the parser one piece; returns whether the connection continues."""
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
                self._refuse(BAD_REQUEST, "This is not a valid HTTP request.")
            return False
        if self._unread > MAX_HEAD:
            self._refuse(HEAD_TOO_LARGE, head_too_large())
            return False
        return True

    # -- events of the parser ----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A header begins."""
        super().on_message_begin()
        if self._head_began is None:
            self._head_began = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Another header line; trailers count as well."""
        if len(self.headers) >= MAX_HEADERS:
            self._refuse(HEAD_TOO_LARGE, head_too_large())
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A header is complete: refuse the request, or pass it on."""
        if self._unread > MAX_HEAD and self._head_bytes() > MAX_HEAD:
            self._refuse(HEAD_TOO_LARGE, head_too_large())
            raise _Refused
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refuse(BAD_REQUEST, f"More than {MAX_PIPELINED} requests are waiting on this connection.")
            raise _Refused
        probe = self._has_room or self.url.partition(b"?")[0] in PROBES
        if not probe:
            self._refuse(TOO_MANY_CONNECTIONS)
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
        """Part of a body has arrived."""
        self._unread = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._unread = 0
        self._body_began = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A response was sent; another request may be waiting."""
        super().on_response_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self.idle_since = self.loop.time()
            if self._head_began is not None:  # arrived during the response; waiting for it starts now
                self._head_began = self.idle_since

    # -- timeouts ----------------------------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Close it if a header, a body or a reader takes too long."""
        since, self._checked = now - self._checked if self._checked else 0.0, now
        if self.transport.is_closing() or self._discarded is not None:
            return
        if self.idle_since is not None and self._head_began is not None and now - self._head_began > HEAD_S:
            if self._unread:
                self._refuse(REQUEST_TIMEOUT, f"The request header did not arrive within {HEAD_S:g} seconds.")
            else:
                self.transport.close()
        elif self._body_began is not None:
            if self.flow.read_paused:
                self._body_began += since  # the server is the slow one
            elif now - self._body_began > BODY_S + self._body_bytes / BODY_BYTES_A_SECOND:
                self._refuse(REQUEST_TIMEOUT)
        self._check_reader(now)

    def _check_reader(self, now: float) -> None:
        buffered = self.transport.get_write_buffer_size()
        if not buffered or buffered != self._buffered:
            self._stalled_since, self._buffered = (now if buffered else None), buffered
        elif self._stalled_since is not None and now - self._stalled_since > STALLED_S:
            self.transport.abort()

    def _refuse(self, kind: Kind, detail: str | None = None) -> None:
        """Answer with a problem unless a response is already being sent, and close."""
        self._discarded = 0
        answering = self.cycle is not None and not self.cycle.response_complete and self._is_answering()
        if self.cycle is not None:
            self.cycle.disconnected = True  # ends the application's reading and writing
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
        """Whether a response to an earlier request, or the start of one to this, is being sent."""
        return self.cycle.response_started or self._body_began is None


@cache
def _wire(kind: Kind, detail: str | None) -> bytes:
    """A problem as raw bytes, for requests that were not passed on."""
    headers = {"Connection": "close", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if kind is TOO_MANY_CONNECTIONS:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    answer = problem(kind, detail, headers=headers)
    lines = [b"%s: %s\r\n" % header for header in answer.raw_headers]
    return b"".join([STATUS_LINE[kind.status], *lines, b"\r\n", bytes(answer.body)])


def guarded(settings: Settings) -> type[GuardedProtocol]:
    """The protocol with the limits of these settings."""

    class Guarded(GuardedProtocol):
        """uvicorn's HTTP with these limits."""

        limits = Limits.of(settings)

    return Guarded

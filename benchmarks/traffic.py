"""Requests to a server at fixed times, whether or not it keeps up: an open loop over persistent connections.

A request's time counts from when it was due and not from when it could be sent, so that one slow answer shows in all
that had to wait behind it (Tene's *coordinated omission*).
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop

from benchmarks.server import KEY

CONNECTIONS = 16
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Request:
    """A request and its kind in the tables; ``item`` identifies it to the caller."""

    kind: str
    method: str
    path: str
    body: Any = None
    item: Any = None

    def wire(self) -> bytes:
        """The request in HTTP/1.1, for a persistent connection."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        length = f"Content-Length: {len(body)}"
        lines = [f"{self.method} /api{self.path} HTTP/1.1", "Host: localhost", f"X-API-Key: {KEY}", length]
        if body:
            lines.append("Content-Type: application/json")
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Answer:
    """Outcome of a request.

    Attributes:
        due_s: when it was to be sent, seconds from the beginning.
        ms: from then to the end of the answer; of one that failed, to the failure.
        status: 0 where no answer came.
        body: what came, or what went wrong.
    """

    request: Request
    due_s: float
    ms: float
    status: int
    body: bytes

    @property
    def good(self) -> bool:
        """Whether the response is a success."""
        return 200 <= self.status < 300


@dataclass
class Connections:
    """A fixed number of persistent connections to a local port, used in turn."""

    port: int
    free: asyncio.Queue[Connection] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        """The connection that has been idle for longest."""
        connection = await self.free.get()
        try:
            yield connection
        finally:
            self.free.put_nowait(connection)


@dataclass
class Connection:
    """A persistent connection, opened at the first request and again after a failure."""

    port: int
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, wire: bytes) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            OSError, EOFError, TimeoutError: none came.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = self.streams = self.streams or await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(wire)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = head.partition("\r\ncontent-length:")[2].partition("\r\n")[0]
                return int(head.split(" ", 2)[1]), await reader.readexactly(int(length))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Discard the connection; the next request opens another."""
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


def at_rate(per_second: float, requests: Iterable[Request], begin_s: float = 0.0) -> list[tuple[float, Request]]:
    """Each request with its due time, evenly spaced."""
    return [(begin_s + place / per_second, request) for place, request in enumerate(requests)]


def send(
    port: int, timetable: Sequence[tuple[float, Request]], stop: Callable[[Sequence[Answer]], bool] = lambda _: False
) -> list[Answer]:
    """Send every request when it is due.

    Args:
        port: of a server on this computer.
        timetable: seconds from the beginning, and what to send then.
        stop: asked before each request with the answers so far; the rest is not sent once it is true.

    Returns:
        The answers in the order in which they came, failures among them.
    """
    collecting = gc.isenabled()
    gc.disable()  # pauses of this process would count as the server's
    try:
        return uvloop.run(_send(port, sorted(timetable, key=lambda row: row[0]), stop))
    finally:
        if collecting:
            gc.enable()


async def _send(
    port: int, timetable: Sequence[tuple[float, Request]], stop: Callable[[Sequence[Answer]], bool]
) -> list[Answer]:
    answers = list[Answer]()
    connections = Connections(port)
    for _ in range(CONNECTIONS):
        connections.free.put_nowait(Connection(port))
    begun = time.perf_counter()  # the event loop's clock has a resolution of a millisecond

    async def one(due_s: float, request: Request) -> None:
        try:
            async with connections.one() as connection:
                status, body = await connection.ask(request.wire())
        except (OSError, EOFError, TimeoutError) as error:
            status, body = 0, repr(error).encode()
        answers.append(Answer(request, due_s, (time.perf_counter() - begun - due_s) * 1e3, status, body))

    async with asyncio.TaskGroup() as group:
        for due_s, request in timetable:
            await asyncio.sleep(begun + due_s - time.perf_counter())
            if stop(answers):
                break
            group.create_task(one(due_s, request))
    while not connections.free.empty():
        connections.free.get_nowait().close()
    return answers

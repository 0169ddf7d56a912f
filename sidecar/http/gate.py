"""How many connections may be open, and which one makes room when there are too many."""

from __future__ import annotations

import asyncio
import logging
import resource
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

from engine.settings import Settings
from sidecar.http.forwarded import group_of, is_trusted

log = logging.getLogger(__name__)

SWEEP_S = 1.0
MAX_CONNECTIONS, SPARE_FILES = 1000, 200
MAX_DESCRIPTORS = 65_536
LOG_EVERY_S = 60.0


def raise_limit() -> None:
    """Raise the limit on open files and connections as far as the system allows; the usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        log.warning("the limit on open files stays at %d: %s", soft, error)


class Connection(Protocol):
    """A connection as the gate sees it; ``idle_since`` is in the event loop's time, None while it is busy."""

    idle_since: float | None

    def drop(self) -> None:
        """Close the idle connection to make room."""

    def check(self, now: float) -> None:
        """Close the connection if it takes too long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum numbers of open connections.

    Attributes:
        per_address: from one address.
        in_all: from all addresses together.
        proxies: networks to which ``per_address`` does not apply.
    """

    per_address: int
    in_all: int
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits from the settings and the system; each connection uses a file descriptor."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, files - SPARE_FILES)
        return cls(settings.connections_per_address, max(most, SPARE_FILES), settings.proxies)


class Gate:
    """Counts a server's open connections, makes room for new ones, and closes those that take too long.

    New connections are always accepted. When an address, or the server, has too many, the longest idle one is closed,
    so idle connections can't lock anyone out.
    """

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._of: dict[str, dict[Connection, None]] = {}
        self._address: dict[Connection, str] = {}
        self._sweeping = False
        self._closed = 0
        self._logged_at = float("-inf")
        self._group = lru_cache(4096)(group_of)

    def __len__(self) -> int:
        return len(self._address)

    def enter(self, connection: Connection, client: tuple[str, int] | None) -> bool:
        """Add a connection; returns whether there was room, without which it is served health probes only."""
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
        """Remove a connection that is closed or continues under another protocol."""
        address = self._address.pop(connection, None)
        if address is not None:
            theirs = self._of[address]
            del theirs[connection]
            if not theirs:
                del self._of[address]

    def _make_room(self, among: dict[Connection, Any]) -> bool:
        """Close the longest idle connection; returns whether there was an idle one."""
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
        if self._closed and now - self._logged_at >= LOG_EVERY_S:
            log.warning("closed %d idle connections to make room for others", self._closed)
            self._closed, self._logged_at = 0, now
        self._sweeping = bool(self._address)
        if self._sweeping:
            self._loop.call_later(SWEEP_S, self._sweep)


_gates: WeakKeyDictionary[ServerState, Gate] = WeakKeyDictionary()


def gate_of(state: ServerState, limits: Limits | None, loop: asyncio.AbstractEventLoop) -> Gate:
    """The gate of a server, created on first use; without ``limits`` the settings are read."""
    gate = _gates.get(state)
    if gate is None:
        gate = _gates[state] = Gate(limits or Limits.of(Settings()), loop)
    return gate

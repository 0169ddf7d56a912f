"""Whose key came with a request, and what becomes of wrong ones."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from engine.services import running
from engine.services.access import Holder, first_holder
from engine.services.acting import Actor
from sidecar.http.forwarded import group_of
from sidecar.security.rates import WrongKeys
from sidecar.security.sessions import Session, Sessions

log = logging.getLogger(__name__)

DOOR = "marquee.door"
"""Where in an ASGI scope the door is, for the page on which somebody signs in."""
TELL_EVERY_S = 3600.0
MOST_TOLD = 20
"""Notices in that time, of all addresses together: an attacker may have as many addresses as they like."""
STRANGER = "unknown key"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who was let in; ``session`` is there for a browser that has signed in."""

    holder: Holder
    session: Session | None = None

    def is_welcome(self) -> bool:
        """Whether it is still so: neither was the key revoked nor the session ended, nor is Marquee stopping."""
        services = running()
        if services is None or services.access.holder_of(self.holder.key_id) is None:
            return False
        return self.session is None or not services.access.is_ended(self.session.session_id)


class Door:
    """Recognises keys and sessions, and counts wrong keys by address.

    Args:
        first_key: what ``MARQUEE_API_KEY`` is set to.
        clock: seconds, never set back.
    """

    def __init__(self, first_key: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._first_key = first_key
        self._clock = clock
        self.sessions = Sessions(first_key)
        self._wrong = WrongKeys()
        self._told: OrderedDict[str, float] = OrderedDict()

    def holder(self, key: bytes) -> Holder | None:
        """Whose key it is; while Marquee starts only the first key is known."""
        found, services = first_holder(key, self._first_key), running()
        return services.access.holder(key) if found is None and services is not None else found

    def visitor(self, keys: list[str], headers: Headers) -> Visitor | None:
        """Who sent a request with these keys: the first that is known counts, else the session of a browser."""
        for key in keys:
            holder = self.holder(key.encode("latin-1"))
            if holder is not None:
                return Visitor(holder)
        session = self.sessions.find(headers)
        return None if session is None else Visitor(session.holder, session)

    def turn_away(self, scope: Scope, action: str) -> int:
        """Count a wrong key: 0 where the address may try again, else the seconds to wait.

        Args:
            scope: of the request that brought it.
            action: what the audit log calls it.
        """
        client = scope.get("client")
        address = group_of(client[0] if client else None)
        wait_s = self._wrong.wait_s(address)
        services = running()
        if services is None:
            return wait_s
        if not wait_s and self._wrong.is_recorded():
            services.audit.record(action, "", "wrong key", by=Actor(STRANGER, address))
        elif wait_s and self._is_news(address):
            log.warning("more than ten wrong keys a minute came from %s", address)
            services.inbox.tell(
                "warning",
                "access",
                f"More than ten wrong keys a minute came from {address}; it is told to wait. Whoever has the right key "
                "is served as ever.",
                {"address": address},
            )
        return wait_s

    def _is_news(self, address: str) -> bool:
        """Whether nobody was told of the address in the last hour."""
        now = self._clock()
        while self._told and now - next(iter(self._told.values())) >= TELL_EVERY_S:
            self._told.popitem(last=False)
        if address in self._told or len(self._told) >= MOST_TOLD:
            return False
        self._told[address] = now
        return True

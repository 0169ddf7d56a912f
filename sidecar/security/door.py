"""Authentication: whose key or session a request carries, and how invalid keys are limited."""

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
"""Key of the door in an ASGI scope, for the sign-in page."""
NOTICE_EVERY_S = 3600.0
MAX_NOTICES = 20
"""Notices in that time for all addresses together: an attacker may have any number of addresses."""
STRANGER = "unknown key"


@dataclass(frozen=True, slots=True)
class Visitor:
    """An authenticated client; ``session`` is set for browsers."""

    holder: Holder
    session: Session | None = None

    def is_welcome(self) -> bool:
        """Whether access is still granted: the key is not revoked, the session not ended, Marquee not stopping."""
        services = running()
        if services is None or services.access.holder_of(self.holder.key_id) is None:
            return False
        return self.session is None or not services.access.is_ended(self.session.session_id)


class Door:
    """Recognizes keys and sessions, and counts invalid keys by address.

    Args:
        first_key: the value of ``MARQUEE_API_KEY``.
        clock: monotonic, in seconds.
    """

    def __init__(self, first_key: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._first_key = first_key
        self._clock = clock
        self.sessions = Sessions(first_key)
        self._wrong = WrongKeys()
        self._noticed: OrderedDict[str, float] = OrderedDict()

    def holder(self, key: bytes) -> Holder | None:
        """The holder of a key, None if it is invalid; while Marquee starts only the first key is known."""
        found, services = first_holder(key, self._first_key), running()
        return services.access.holder(key) if found is None and services is not None else found

    def visitor(self, keys: list[str], headers: Headers) -> Visitor | None:
        """The client behind a request: by the first valid key, otherwise by a browser's session."""
        for key in keys:
            holder = self.holder(key.encode("latin-1"))
            if holder is not None:
                return Visitor(holder)
        session = self.sessions.find(headers)
        return None if session is None else Visitor(session.holder, session)

    def turn_away(self, scope: Scope, action: str) -> int:
        """Count an invalid key: 0 if the address may try again, otherwise the seconds to wait.

        Args:
            scope: of the request.
            action: for the audit log.
        """
        client = scope.get("client")
        address = group_of(client[0] if client else None)
        wait_s = self._wrong.wait_s(address)
        services = running()
        if services is None:
            return wait_s
        if not wait_s and self._wrong.is_recorded():
            services.audit.record(action, "", "wrong key", by=Actor(STRANGER, address))
        elif wait_s and self._is_new(address):
            log.warning("more than ten invalid keys a minute from %s", address)
            services.inbox.tell(
                "warning",
                "access",
                f"More than ten invalid keys a minute came from {address}, so it has to wait. Requests with a valid "
                "key are still served.",
                {"address": address},
            )
        return wait_s

    def _is_new(self, address: str) -> bool:
        """Whether there was no notice about the address in the last hour."""
        now = self._clock()
        while self._noticed and now - next(iter(self._noticed.values())) >= NOTICE_EVERY_S:
            self._noticed.popitem(last=False)
        if address in self._noticed or len(self._noticed) >= MAX_NOTICES:
            return False
        self._noticed[address] = now
        return True

"""Sessions of the console after their browser has gone: kept for a while, then closed with all they hold open."""

from __future__ import annotations

import builtins
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from streamlit.runtime import memory_session_storage
from streamlit.runtime.session_manager import SessionInfo, SessionStorage

MOST_KEPT = 50
"""Sessions that wait for their browser to come back; each holds an event loop of three file descriptors open."""


class ClosingSessionStorage(SessionStorage):
    """In place of Streamlit's, which only forgets sessions: their descriptors stay open until a garbage collection.

    A session that is taken out, as its browser is back, goes on.

    Args:
        maxsize: sessions that are kept; beyond it the one that has waited longest is closed.
        ttl_seconds: how long a session waits for its browser.
        clock: seconds, monotonic.
    """

    def __init__(
        self, maxsize: int = MOST_KEPT, ttl_seconds: int = 120, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._maxsize = maxsize
        self._ttl = ttl_seconds
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[float, SessionInfo]] = OrderedDict()

    def get(self, session_id: str) -> SessionInfo | None:
        """A session that still waits."""
        with self._lock:
            left, info = self._kept.get(session_id, (0.0, None))
        return info if self._waits(left) else None

    def save(self, session_info: SessionInfo) -> None:
        """Keep a session, and close those that have waited too long or are too many."""
        gone: list[SessionInfo] = []
        with self._lock:
            self._kept[session_info.session.id] = self._clock(), session_info
            self._kept.move_to_end(session_info.session.id)
            for session_id, (left, info) in list(self._kept.items()):
                if len(self._kept) <= self._maxsize and self._waits(left):
                    break
                gone.append(info)
                del self._kept[session_id]
        for info in gone:
            info.session.shutdown()

    def delete(self, session_id: str) -> None:
        """Take a session out.

        Raises:
            KeyError: it is not kept.
        """
        with self._lock:
            del self._kept[session_id]

    def list(self) -> builtins.list[SessionInfo]:
        """Every session that still waits."""
        with self._lock:
            return [info for left, info in self._kept.values() if self._waits(left)]

    def _waits(self, left: float) -> bool:
        return self._clock() - left < self._ttl


def close_forgotten_sessions() -> None:
    """Let Streamlit keep sessions in a storage that closes them; called before its app starts."""
    memory_session_storage.MemorySessionStorage = ClosingSessionStorage  # type: ignore[misc,assignment]  # there is no setting

"""Keeps console sessions for a while after their browser disconnects, then closes them and what they hold open."""

import builtins
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from streamlit.runtime import memory_session_storage
from streamlit.runtime.session_manager import SessionInfo, SessionStorage

MAX_KEPT = 50
"""Disconnected sessions that are kept; each holds an event loop of three file descriptors open."""


class ClosingSessionStorage(SessionStorage):
    """Replaces Streamlit's storage, which drops sessions without closing them: descriptors leak until a collection.

    A session that is deleted here because its browser is back stays open.

    Args:
        maxsize: maximum number of sessions; beyond it the oldest one is closed.
        ttl_seconds: how long a session is kept.
        clock: monotonic seconds.
    """

    def __init__(
        self, maxsize: int = MAX_KEPT, ttl_seconds: int = 120, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._maxsize = maxsize
        self._ttl = ttl_seconds
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[float, SessionInfo]] = OrderedDict()

    def get(self, session_id: str) -> SessionInfo | None:
        """A session that has not expired."""
        with self._lock:
            left, info = self._kept.get(session_id, (0.0, None))
        return info if self._waits(left) else None

    def save(self, session_info: SessionInfo) -> None:
        """Keep a session, and close expired and surplus ones."""
        expired: list[SessionInfo] = []
        with self._lock:
            self._kept[session_info.session.id] = self._clock(), session_info
            self._kept.move_to_end(session_info.session.id)
            for session_id, (left, info) in list(self._kept.items()):
                if len(self._kept) <= self._maxsize and self._waits(left):
                    break
                expired.append(info)
                del self._kept[session_id]
        for info in expired:
            info.session.shutdown()

    def delete(self, session_id: str) -> None:
        """Remove a session without closing it.

        Raises:
            KeyError: it is not kept.
        """
        with self._lock:
            del self._kept[session_id]

    def list(self) -> builtins.list[SessionInfo]:
        """Sessions that have not expired."""
        with self._lock:
            return [info for left, info in self._kept.values() if self._waits(left)]

    def _waits(self, left: float) -> bool:
        return self._clock() - left < self._ttl


def close_forgotten_sessions() -> None:
    """Make Streamlit close the sessions that it drops; call it before its app starts."""
    memory_session_storage.MemorySessionStorage = ClosingSessionStorage  # type: ignore[misc,assignment]  # not configurable

"""Which tests run on the same worker: pytest-xdist's own groups do nothing under pytest 9.2, which names tests anew."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
ALONE = (
    "tests/browser/",
    "tests/test_kill.py",
    "tests/test_kills.py",
    "tests/test_starting.py",
    "tests/test_stopping.py",
    "tests/engine/test_background.py",
)
"""Where servers, browsers or many threads are started, which are not to slow each other down."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands tests out one by one, whichever worker is free, but all of a group to one worker; large groups first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The group of a test; by itself unless it is one of ``ALONE`` or uses fixtures that are made once for its file."""
    path = nodeid.partition("::")[0]
    if path.startswith(ALONE):
        return "alone"
    return path if makes_fixtures_once(path) else nodeid


@cache
def makes_fixtures_once(path: str) -> bool:
    """Whether a file of tests has fixtures of its own that all of its tests share."""
    return 'scope="module"' in (ROOT / path).read_text("utf-8")

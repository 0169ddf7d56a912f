"""Another program that has a store locked: a process of its own, since locks belong to processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = """
import sys
import pysqlite3.dbapi2 as sqlite
connection = sqlite.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


class Locker:
    """Holds the lock until it is told to let go."""

    def __init__(self, path: Path, before: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOCK, str(path), before], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "locked\n"

    def let_go(self) -> None:
        """End the other program; doing it twice is the same as once."""
        if self._process.poll() is None:
            self._process.communicate(timeout=30)


@contextmanager
def locked(path: Path, before: str = "PRAGMA busy_timeout = 20000") -> Iterator[Locker]:
    """Inside, another program has the file locked, unless it was told to let go."""
    locker = Locker(path, before)
    try:
        yield locker
    finally:
        locker.let_go()

"""Which write-ahead log belongs to which file.

SQLite binds a log to a file by its name alone: a log that a killed process left beside a file is applied to whatever
file lies there at the next start, a restored backup included, and mixes two pasts. So Marquee names each state that the
file is brought to by a number, the generation, which SQLite keeps in the file's header (``PRAGMA user_version``), and
notes it beside the file with what the system says of the file then. Every checkpoint is Marquee's own and gives a new
number; so does every start and every backup. A log that was left behind is applied where header, size, time of change
and inode are as noted, and set aside otherwise. The device is no part of this, as its number may change when a computer
restarts.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite

from store.errors import StoreReplaced

log = logging.getLogger(__name__)

HEADER = slice(60, 64)
"""Where in a file SQLite keeps ``user_version``, big-endian (https://www.sqlite.org/fileformat.html, section 1.3)."""
WAL_HEADER_BYTES = 32
HIDDEN = ".closing"
PAGES = 1000
"""So many pages in the log are folded into the file; SQLite's own default."""
AUTOCHECKPOINT_OFF = "PRAGMA wal_autocheckpoint = 0"


@dataclass(frozen=True)
class Mark:
    """What is noted beside a file.

    Attributes:
        generations: those that its header may hold: one, or two while a checkpoint is under way.
        settled: no checkpoint is under way, so that the rest holds.
        inode: of the file.
        size: in bytes.
        mtime_ns: when it was changed last.
    """

    generations: tuple[int, ...]
    settled: bool
    inode: int
    size: int
    mtime_ns: int


def beside(path: Path, ending: str) -> Path:
    """The file that lies beside the store under its name and an ending."""
    return path.with_name(path.name + ending)


def new() -> int:
    """A generation that no other state of a file has."""
    return secrets.randbelow(2**31 - 1) + 1


def generation_of(path: Path) -> int:
    """The generation in a file's header; 0 where it has none.

    Not for a file that is open in this process: closing it would let go of SQLite's locks.
    """
    with path.open("rb") as file:
        return int.from_bytes(file.read(HEADER.stop)[HEADER], "big")


def read_mark(path: Path) -> Mark | None:
    """What is noted of a store; None where nothing is, or nothing that can be read."""
    try:
        values = json.loads(beside(path, ".mark").read_text(encoding="utf-8"))
        return Mark(**values | {"generations": tuple(values["generations"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_mark(path: Path, mark: Mark) -> None:
    """Note it so that a power cut leaves the old note or the new one.

    Raises:
        OSError: there is no space, or the folder can't be written to.
    """
    place, fresh = beside(path, ".mark"), beside(path, ".mark.new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(asdict(mark), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def note(path: Path) -> None:
    """Note a file, which nothing has open, as it is: a log beside it is taken for its own at the next start."""
    found = path.stat()
    write_mark(path, Mark((generation_of(path),), True, found.st_ino, found.st_size, found.st_mtime_ns))


def has_log(path: Path) -> bool:
    """Whether a log with something in it lies beside a file."""
    left = beside(path, "-wal")
    return left.exists() and left.stat().st_size > WAL_HEADER_BYTES


def owns_its_log(path: Path) -> bool:
    """Whether the log beside a file, which nothing has open, was left by the last Marquee that wrote to this very file.

    A store of a release before there were generations has none, and no note: its log is its own.
    """
    generation, mark = generation_of(path), read_mark(path)
    if mark is None:
        return generation == 0
    found = path.stat()
    as_noted = (found.st_ino, found.st_size, found.st_mtime_ns) == (mark.inode, mark.size, mark.mtime_ns)
    return generation in mark.generations and (as_noted or not mark.settled)


def set_log_aside(path: Path) -> Path:
    """Rename the log beside a file, so that it is never applied, and keep the file as it is now beside it.

    Returns:
        The copy of the file; the log is its log by name, should the two belong together after all.

    Raises:
        OSError: there is no space for the copy.
    """
    aside = beside(path, f".aside-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")
    if path.exists():
        try:
            shutil.copyfile(path, aside)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
    beside(path, "-wal").rename(beside(aside, "-wal"))
    beside(path, "-shm").unlink(missing_ok=True)
    sync_folder(path.parent)
    return aside


class Guard:
    """Watches over one open file: whether it is still the same, and every checkpoint.

    Made before SQLite opens the file, and closed after it has closed it: to close any descriptor of a file lets go of
    all locks that the process has on it (fcntl(2)). Connections are the driver's own.

    Args:
        path: the file; an empty one is made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._file = os.fstat(self._descriptor)
        self._log = -1
        self._log_size = 0
        self._generations: tuple[int, ...] = (self._in_header(),)
        self._pending = False

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Inside, SQLite finds the file moved, and so folds no log into it when the last connection is closed."""
        away = beside(self.path, HIDDEN)
        there = self.is_in_place()
        if there:
            self.path.rename(away)
        try:
            yield
        finally:
            if there:
                away.rename(self.path)

    def know(self) -> None:
        """Remember file and log as SQLite has opened them; it keeps the log for as long as a connection is open."""
        self._file = os.fstat(self._descriptor)
        found = beside(self.path, "-wal").stat()
        self._log, self._log_size = found.st_ino, found.st_size

    # -- the same file -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Whether the file and its log are those that were opened, and nobody else has written over the file.

        Raises:
            StoreReplaced: they are not; nothing that is written from here on would be there after a restart.
        """
        if (why := self._loss()) is not None:
            raise StoreReplaced(
                f"The store {self.path} {why} while Marquee had it open. What is saved now could be lost, so nothing "
                "is acknowledged any more, and Marquee stops. See what lies there before you start it again."
            )

    def is_in_place(self) -> bool:
        """Whether the file that was opened is the one at its path."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self._file.st_dev, self._file.st_ino)

    def _loss(self) -> str | None:
        """What happened to the file or its log; None while all is well."""
        try:
            found = self.path.stat()
        except OSError:
            return "was deleted or moved away"
        if (found.st_dev, found.st_ino) != (self._file.st_dev, self._file.st_ino):
            return "was replaced by another file"
        if (found.st_size, found.st_mtime_ns) != (self._file.st_size, self._file.st_mtime_ns):
            if self._in_header() not in self._generations:
                return "was overwritten"
            self._file, self._log_size = found, 0  # another program has folded the log in, and may have emptied it
            self._note(self._generations, settled=not self._pending)
        if self._log < 0:
            return None
        try:
            log_now = beside(self.path, "-wal").stat()
        except OSError:
            return "lost its write-ahead log, which was deleted or moved away,"
        if log_now.st_ino != self._log:
            return "got another write-ahead log"
        if log_now.st_size < self._log_size:
            return "lost a part of its write-ahead log, which was cut,"
        self._log_size = log_now.st_size
        return None

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def pages(self, connection: Any) -> int:
        """How many pages of the log are not in the file yet."""
        _, logged, folded = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
        return int(logged) - int(folded)

    def checkpoint(self, connection: Any, mode: str = "PASSIVE") -> None:
        """Fold the log into the file, as far as no reader stands in the way, under a new generation.

        Args:
            connection: the writer's, without a transaction.
            mode: ``PASSIVE`` waits for nobody; ``TRUNCATE`` waits for readers and empties the log.
        """
        try:
            if not self._pending:
                self._begin(connection)
            self._log_size = 0 if mode == "TRUNCATE" else self._log_size
            _, logged, folded = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            os.fsync(self._descriptor)  # SQLite's own flush may leave the time of change out
            self._file = os.fstat(self._descriptor)
            if logged == folded:
                self._note((self._in_header(),), settled=True)
                self._pending = False
        except (sqlite.Error, OSError) as error:
            log.warning("the log stays beside the store for now: %s", error)
            if connection.in_transaction:
                connection.rollback()

    def _begin(self, connection: Any) -> None:
        """Give the file a new generation, in the log; note first that the header may hold the old one or the new."""
        fresh = new()
        self._note((self._in_header(), fresh), settled=False)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {fresh}")
        connection.execute("COMMIT")
        self._pending = True

    def _note(self, generations: tuple[int, ...], *, settled: bool) -> None:
        file = self._file
        write_mark(self.path, Mark(generations, settled, file.st_ino, file.st_size, file.st_mtime_ns))
        self._generations = generations

    def _in_header(self) -> int:
        return int.from_bytes(os.pread(self._descriptor, HEADER.stop, 0)[HEADER], "big")

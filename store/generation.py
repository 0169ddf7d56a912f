"""Generations: which write-ahead log belongs to which file.

SQLite matches a log to a file by name only: a log left by a killed process is applied to whatever file lies beside it
at the next start, even a restored backup, and mixes two histories. So Marquee numbers each state of the file after a
checkpoint, a start or a backup. SQLite stores this generation in the file's header (``PRAGMA user_version``), and
Marquee notes it beside the file, with size, modification time and inode. All checkpoints are Marquee's own. A log left
behind is applied if header and file match the note, and set aside otherwise. The device number is ignored, since it may
change when a computer restarts.
"""

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
"""Position of ``user_version`` in a file, big-endian (https://www.sqlite.org/fileformat.html, section 1.3)."""
WAL_HEADER_BYTES = 32
HIDDEN = ".closing"
PAGES = 1000
"""Length of the log, in pages, from which it is checkpointed; SQLite's own default."""


@dataclass(frozen=True)
class Mark:
    """Note about a file, stored beside it.

    Attributes:
        generations: that its header may hold: one, or two during a checkpoint.
        settled: no checkpoint is under way, so the other values are valid.
        inode: of the file.
        size: in bytes.
        mtime_ns: time of the last change.
    """

    generations: tuple[int, ...]
    settled: bool
    inode: int
    size: int
    mtime_ns: int


def beside(path: Path, ending: str) -> Path:
    """File beside the store, with its name and a suffix."""
    return path.with_name(path.name + ending)


def new() -> int:
    """A new generation, which no other state of a file has."""
    return secrets.randbelow(2**31 - 1) + 1


def generation_of(path: Path) -> int:
    """Generation in a file's header; 0 if there is none.

    Not for files that are open in this process: closing the descriptor would release SQLite's locks.
    """
    with path.open("rb") as file:
        return int.from_bytes(file.read(HEADER.stop)[HEADER], "big")


def read_mark(path: Path) -> Mark | None:
    """Note about a store; None if there is no readable one."""
    try:
        values = json.loads(beside(path, ".mark").read_text(encoding="utf-8"))
        return Mark(**values | {"generations": tuple(values["generations"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_mark(path: Path, mark: Mark) -> None:
    """Replace the note about a store; a power cut leaves the old note or the new one.

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
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def note(path: Path) -> None:
    """Note the present state of a file that is not open: the next start takes a log beside it for its own."""
    found = path.stat()
    write_mark(path, Mark((generation_of(path),), True, found.st_ino, found.st_size, found.st_mtime_ns))


def has_log(path: Path) -> bool:
    """Whether a non-empty log lies beside a file."""
    left = beside(path, "-wal")
    return left.exists() and left.stat().st_size > WAL_HEADER_BYTES


def owns_its_log(path: Path) -> bool:
    """Whether the log beside a file that is not open was left by the last Marquee that wrote to this very file.

    Stores of early releases have neither generation nor note: their log counts as their own.
    """
    generation, mark = generation_of(path), read_mark(path)
    if mark is None:
        return generation == 0
    found = path.stat()
    as_noted = (found.st_ino, found.st_size, found.st_mtime_ns) == (mark.inode, mark.size, mark.mtime_ns)
    return generation in mark.generations and (as_noted or not mark.settled)


def set_log_aside(path: Path) -> Path:
    """Rename the log beside a file so that it is never applied, and keep a copy of the file with it.

    Returns:
        The copy; by name the log is its log, in case the two belong together after all.

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
    """Watches one open file: that it stays the same, and every checkpoint.

    Create it before SQLite opens the file and close it after SQLite has closed it: closing any descriptor of a file
    releases all locks of the process on it (fcntl(2)). Connections are the driver's.

    Args:
        path: the file, created if missing.
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
        """Close the file."""
        os.close(self._descriptor)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the file from SQLite, so that closing the last connection does not checkpoint into it."""
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
        """Remember file and log as SQLite has opened them; it keeps the log while a connection is open."""
        self._file = os.fstat(self._descriptor)
        found = beside(self.path, "-wal").stat()
        self._log, self._log_size = found.st_ino, found.st_size

    # -- the same file -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Check that file and log are those that were opened, and that nothing else has overwritten the file.

        Raises:
            StoreReplaced: they are not; further writes would be lost at a restart.
        """
        if (why := self._loss()) is not None:
            raise StoreReplaced(
                f"The store {self.path} {why} while Marquee had it open. Further writes could be lost, so Marquee "
                "acknowledges none and stops. Check what is there before you start it again."
            )

    def is_in_place(self) -> bool:
        """Whether the path still leads to the file that was opened."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self._file.st_dev, self._file.st_ino)

    def _loss(self) -> str | None:
        """What happened to the file or its log; None if nothing did."""
        try:
            found = self.path.stat()
        except OSError:
            return "was deleted or moved away"
        if (found.st_dev, found.st_ino) != (self._file.st_dev, self._file.st_ino):
            return "was replaced by another file"
        if (found.st_size, found.st_mtime_ns) != (self._file.st_size, self._file.st_mtime_ns):
            if self._in_header() not in self._generations:
                return "was overwritten"
            self._file, self._log_size = found, 0  # another program checkpointed, and may have emptied the log
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
            return "lost part of its write-ahead log, which was truncated,"
        self._log_size = log_now.st_size
        return None

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def pages(self, connection: Any) -> int:
        """Number of pages in the log that are not in the file yet."""
        _, logged, moved = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
        return int(logged) - int(moved)

    def checkpoint(self, connection: Any, mode: str = "PASSIVE") -> None:
        """Move the log into the file, as far as readers allow, under a new generation.

        Args:
            connection: the writer's, without a transaction.
            mode: ``PASSIVE`` does not wait; ``TRUNCATE`` waits for readers and empties the log.
        """
        try:
            if not self._pending:
                self._begin(connection)
            self._log_size = 0 if mode == "TRUNCATE" else self._log_size
            _, logged, moved = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            os.fsync(self._descriptor)  # SQLite's own flush may omit the modification time
            self._file = os.fstat(self._descriptor)
            if logged == moved:
                self._note((self._in_header(),), settled=True)
                self._pending = False
        except (sqlite.Error, OSError) as error:
            log.warning("checkpoint failed, so the log stays beside the store for now: %s", error)
            if connection.in_transaction:
                connection.rollback()

    def _begin(self, connection: Any) -> None:
        """Write a new generation to the log, after noting that the header may hold the old one or the new."""
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

"""Checks before a store is opened: its location, other users, whether it is a store, and whose log lies beside it."""

import fcntl
import getpass
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import pysqlite3.dbapi2 as sqlite

from store.errors import ForeignStore, StoreBusy, StoreDamaged, StoreError, StoreInUse, StoreReadOnly
from store.generation import HIDDEN, has_log, owns_its_log, set_log_aside
from store.sqlite_errors import translated

MAGIC = b"SQLite format 3\x00"
LOCK_S = 5.0
LEFT = "It was left unchanged."


@dataclass(frozen=True)
class Found:
    """Findings about a path before SQLite opens it.

    Attributes:
        lock: keeps a second process out; the database closes it.
        had_log: whether the file's own write-ahead log lies beside it.
        aside: where the log of another file was moved.
    """

    lock: IO[bytes]
    had_log: bool
    aside: Path | None


@contextmanager
def only_one(path: Path) -> Iterator[Found]:
    """Lock against a second process, which would not know what this one holds in memory.

    It ends with the process, or if the block fails. A log that belongs to another file is set aside.

    Raises:
        ForeignStore: the path holds something else.
        StoreReadOnly: the file or its folder can't be written to.
        StoreBusy: another program has the file locked.
        StoreInUse: another Marquee has it open.
        StoreError: the file can't be opened.
    """
    beside = path.with_name(path.name + ".lock")
    _check_place(path, beside)
    if not beside.exists():  # never opened by Marquee: leave nothing beside a file that is not ours
        _check_content(path)
    lock = _lock(path)
    try:
        _bring_back(path)
        _check_presence(path)
        aside = _set_foreign_log_aside(path)
        _check_content(path)
        yield Found(lock, has_log(path), aside)
    except BaseException:
        lock.close()
        raise


def _bring_back(path: Path) -> None:
    """Restore the name of a store whose process was killed while closing it, after it had been overwritten."""
    hidden = path.with_name(path.name + HIDDEN)
    if hidden.exists() and not path.exists():
        hidden.rename(path)


def _check_presence(path: Path) -> None:
    """Check that a store that was there still is: a new one in its place would hide the loss."""
    if path.exists() and path.stat().st_size:
        return
    mark, rescued = (path.with_name(path.name + ending) for ending in (".mark", ".rescued"))
    if not mark.exists() and not rescued.exists():
        return
    way = f"run 'python -m store restore {rescued}'" if rescued.exists() else "restore a backup"
    what = " and ".join(one.name for one in (mark, rescued) if one.exists())
    raise StoreError(
        f"The store {path} is {'empty' if path.exists() else 'gone'}, but there was one. Put it back, or "
        f"{way}. To start with a new store, move away {what}."
    )


def _set_foreign_log_aside(path: Path) -> Path | None:
    """Path of the copy with a log of another file; None if there was no such log."""
    if not has_log(path):
        return None
    empty = not path.exists() or not path.stat().st_size  # SQLite would delete the log
    if not empty and (not _is_store(path) or owns_its_log(path)):
        return None
    try:
        return set_log_aside(path)
    except OSError as error:
        raise StoreError(
            f"A write-ahead log beside {path} does not belong to it. Keeping both takes "
            f"{path.stat().st_size / 2**20:,.0f} MiB, which can't be written: {error.strerror}. Free some space, or "
            "move the log away."
        ) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock that ensures that no Marquee has the store open.

    Raises:
        StoreReadOnly: the folder can't be written to.
        StoreInUse: a Marquee has it open.
    """
    _check_place(path, path.with_name(path.name + ".lock"))
    with _lock(path):
        yield


def _lock(path: Path) -> IO[bytes]:
    try:
        lock = path.with_name(path.name + ".lock").open("ab")
    except OSError as error:
        raise refused(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StoreInUse(f"Another Marquee has {path} open. Stop it first, or set MARQUEE_DATABASE_URL.") from error
    return lock


def _check_place(path: Path, beside: Path) -> None:
    """Check that the folder and the existing files of a store can be written to."""
    try:
        if path.is_dir():
            raise ForeignStore(
                f"{path} is a folder, but MARQUEE_DATABASE_URL must name a file, such as sqlite:///{path}/marquee.db."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        for place in (path.parent, path, beside, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if place.exists() and not os.access(place, os.R_OK | os.W_OK):
                raise StoreReadOnly(_read_only(path, place))
        mark = path.with_name(path.name + ".mark")  # replaced, never written to
        if mark.exists() and not os.access(mark, os.R_OK):
            raise StoreReadOnly(_read_only(path, mark))
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> StoreError:
    """Error for a path that the operating system refuses to open."""
    if isinstance(error, PermissionError) or error.errno == 30:  # EROFS has no exception class
        return StoreReadOnly(_read_only(path, Path(str(error.filename or path))))
    return StoreError(f"{path} can't be opened: {error.strerror}. Set MARQUEE_DATABASE_URL.")


def _read_only(path: Path, place: Path) -> str:
    try:
        mounted = bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError:
        mounted = False
    why = "is on a file system mounted read-only" if mounted else f"can't be written to by {_user()}"
    what = "" if place == path else f"The store {path} can't be opened: "
    return (
        f"{what}{place} {why}. Nothing was changed, and nothing is lost. Let Marquee write to the file and its folder, "
        "or set MARQUEE_DATABASE_URL to a path that it can write to."
    )


def _user() -> str:
    try:
        return f"the user {getpass.getuser()}"
    except (KeyError, OSError):  # containers may run as a number without a name
        return f"the user {os.getuid()}"


def _check_content(path: Path) -> None:
    """Check that the file is a store, or nothing yet: missing, empty, or without tables."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ForeignStore(f"{path} is not a Marquee store, or is damaged: it is not an SQLite database. {LEFT}")
    try:
        tables, ours = _look(path, "mode=ro" if has_log(path) else "immutable=1")
    except (sqlite.Error, UnicodeDecodeError) as error:
        raise explained(path, error) from error
    if tables and not ours:
        some = ", ".join(tables[:3]) + (f" and {len(tables) - 3} more tables" if len(tables) > 3 else "")
        raise ForeignStore(
            f"{path} is not a Marquee store but the database of another program, with {some}. {LEFT} "
            "Set MARQUEE_DATABASE_URL to another file."
        )


def _is_store(path: Path) -> bool:
    """Whether the file is a store even without its log."""
    try:
        return path.exists() and _look(path, "immutable=1")[1]
    except (sqlite.Error, UnicodeDecodeError):  # reported when it is opened
        return False


def _look(path: Path, how: str) -> tuple[list[str], bool]:
    """Tables of a database, and whether they are Marquee's; writes nothing, not even beside the file.

    Args:
        path: the file.
        how: ``mode=ro`` includes the log; ``immutable=1`` neither reads it nor takes a lock.
    """
    with closing(sqlite.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=LOCK_S)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY rowid")
        tables = [row[0] for row in found]
        ours = {"alembic_version", "meta", "ratings", "model_versions"} <= set(tables)
        return tables, ours and bool(connection.execute("SELECT 1 FROM meta WHERE name = 'revision'").fetchone())


def explained(path: Path, error: Exception) -> StoreError:
    """Error that says why SQLite can't open a store."""
    found = translated(error)
    if isinstance(found, StoreBusy):
        return StoreBusy(
            f"Another program has {path} locked. Nothing is lost: let that program finish, or close it, and start "
            "Marquee again."
        )
    if isinstance(found, StoreReadOnly):
        return StoreReadOnly(_read_only(path, path))
    if isinstance(found, StoreError) and not isinstance(found, StoreDamaged):
        return found
    why = getattr(error, "orig", error)
    return ForeignStore(f"{path} is not a Marquee store, or is damaged: {why}. {LEFT} Restore a backup.")

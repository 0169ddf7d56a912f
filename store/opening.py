"""What is looked at before a store is opened: its place, who else has it, whether it is one, and whose log is there."""

from __future__ import annotations

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
LEFT = "It was left as it is."


@dataclass(frozen=True)
class Found:
    """What is known of a place before SQLite opens it.

    Attributes:
        lock: keeps a second process out; whoever opens the store closes it.
        had_log: whether a log that belongs to the file lies beside it.
        aside: where a log went that belongs to another file.
    """

    lock: IO[bytes]
    had_log: bool
    aside: Path | None


@contextmanager
def only_one(path: Path) -> Iterator[Found]:
    """The lock that keeps a second process out, which would not know what this one holds in memory.

    It ends with the process, and where what is done inside fails. A log beside the file that is not its own is set
    aside.

    Raises:
        ForeignStore: there is something else at this path.
        StoreReadOnly: the file or its folder can't be written to.
        StoreBusy: another program has the file locked.
        StoreInUse: another Marquee has it open.
        StoreError: the file can't be opened.
    """
    beside = path.with_name(path.name + ".lock")
    _check_place(path, beside)
    if not beside.exists():  # no Marquee has ever had it open, so that nothing is left beside what is not ours
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
    """A process that was killed while it closed a store that had been written over left it under another name."""
    hidden = path.with_name(path.name + HIDDEN)
    if hidden.exists() and not path.exists():
        hidden.rename(path)


def _check_presence(path: Path) -> None:
    """Whether a store is there, if one was before: a new one in its place would hide that it is gone."""
    if path.exists() and path.stat().st_size:
        return
    mark, rescued = (path.with_name(path.name + ending) for ending in (".mark", ".rescued"))
    if not mark.exists() and not rescued.exists():
        return
    way = f"run 'python -m store restore {rescued}'" if rescued.exists() else "restore a backup"
    what = " and ".join(one.name for one in (mark, rescued) if one.exists())
    raise StoreError(
        f"The store {path} is {'empty' if path.exists() else 'gone'}, but there was one. Put it back where it was, or "
        f"{way}. To begin with a new store, move away {what}."
    )


def _set_foreign_log_aside(path: Path) -> Path | None:
    """Where a log that is not the file's own went."""
    if not has_log(path):
        return None
    empty = not path.exists() or not path.stat().st_size  # SQLite would delete the log
    if not empty and (not _is_store(path) or owns_its_log(path)):
        return None
    try:
        return set_log_aside(path)
    except OSError as error:
        raise StoreError(
            f"Beside {path} lies a write-ahead log that does not belong to it. To keep both as they are takes "
            f"{path.stat().st_size / 2**20:,.0f} MiB, and that can't be written: {error.strerror}. Free some space, or "
            "move the log away."
        ) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Inside, no Marquee has the store at this path open.

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
    """Whether a store can be there, and can be written to: its folder, and whatever of it is there already."""
    try:
        if path.is_dir():
            raise ForeignStore(
                f"{path} is a folder, but MARQUEE_DATABASE_URL must name a file, such as sqlite:///{path}/marquee.db."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        for place in (path.parent, path, beside, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if place.exists() and not os.access(place, os.R_OK | os.W_OK):
                raise StoreReadOnly(_read_only(path, place))
        mark = path.with_name(path.name + ".mark")  # never written to, but replaced
        if mark.exists() and not os.access(mark, os.R_OK):
            raise StoreReadOnly(_read_only(path, mark))
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> StoreError:
    """The error for a place where the system lets nothing be opened."""
    if isinstance(error, PermissionError) or error.errno == 30:  # EROFS has no class of its own
        return StoreReadOnly(_read_only(path, Path(str(error.filename or path))))
    return StoreError(f"{path} can't be opened: {error.strerror}. Set MARQUEE_DATABASE_URL.")


def _read_only(path: Path, place: Path) -> str:
    try:
        mounted = bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError:
        mounted = False
    why = "is on a file system that is mounted read-only" if mounted else f"can't be written to by {_user()}"
    what = "" if place == path else f"The store {path} can't be opened: "
    return (
        f"{what}{place} {why}. Nothing was changed, and nothing is lost. Let Marquee write to the file and to its "
        "folder, or set MARQUEE_DATABASE_URL to a place where it may."
    )


def _user() -> str:
    try:
        return f"the user {getpass.getuser()}"
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"the user {os.getuid()}"


def _check_content(path: Path) -> None:
    """Whether the file is a store, or nothing yet: missing, empty, or without a table."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ForeignStore(f"{path} is not a store of Marquee, or it is damaged: it is no SQLite database. {LEFT}")
    try:
        tables, ours = _look(path, "mode=ro" if has_log(path) else "immutable=1")
    except (sqlite.Error, UnicodeDecodeError) as error:
        raise explained(path, error) from error
    if tables and not ours:
        some = ", ".join(tables[:3]) + (f" and {len(tables) - 3} more tables" if len(tables) > 3 else "")
        raise ForeignStore(
            f"{path} is not a store of Marquee but a database of another program; it holds {some}. {LEFT} "
            "Set MARQUEE_DATABASE_URL to another file."
        )


def _is_store(path: Path) -> bool:
    """Whether the file is one of Marquee's even without its log."""
    try:
        return path.exists() and _look(path, "immutable=1")[1]
    except (sqlite.Error, UnicodeDecodeError):  # told where it is opened
        return False


def _look(path: Path, how: str) -> tuple[list[str], bool]:
    """The tables of a database, and whether they are Marquee's; nothing is written, not even beside the file.

    Args:
        path: the file.
        how: ``mode=ro`` reads its log as well; ``immutable=1`` does not, and takes no lock either.
    """
    with closing(sqlite.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=LOCK_S)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY rowid")
        tables = [row[0] for row in found]
        ours = {"alembic_version", "meta", "ratings", "model_versions"} <= set(tables)
        return tables, ours and bool(connection.execute("SELECT 1 FROM meta WHERE name = 'revision'").fetchone())


def explained(path: Path, error: Exception) -> StoreError:
    """Why SQLite can't open a store, for an error of its own or of SQLAlchemy's."""
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
    return ForeignStore(f"{path} is not a store of Marquee, or it is damaged: {why}. {LEFT} Restore a backup.")

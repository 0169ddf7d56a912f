"""Backups: consistent copies of a store in use, each with a manifest, and restoring them."""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pysqlite3.dbapi2 as sqlite
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from store import inspection, opening
from store.errors import StoreDamaged, StoreError, StoreFull, UnusableBackup
from store.generation import beside, generation_of, has_log, new, note, owns_its_log, set_log_aside, sync_folder
from store.inspection import Contents
from store.sqlite_errors import translated

log = logging.getLogger(__name__)

FORMAT = 1
STEP_PAGES = 2000
"""Pages copied between two progress reports; about 8 MB."""
MIN_KEPT = 3
"""Number of the newest backups that are never pruned, whatever their age."""
DAY_S = 86_400
Report = Callable[[float], None]
"""Called with the progress of a copy, from 0 to 1; raises to cancel it."""


@dataclass(frozen=True)
class Manifest(Contents):
    """Description of a backup, stored beside it as JSON.

    Attributes:
        name: of the file.
        made_at: Unix seconds.
        reason: why it was made: ``asked``, ``schedule``, ``migration`` or ``rescue``.
        size: bytes.
        sha256: of the whole file.
        generation: in its header, unique to this file.
    """

    name: str
    made_at: float
    reason: str
    size: int
    sha256: str
    generation: int
    format: int = FORMAT


def quiet(_: float) -> None:
    """Report nothing."""


MANIFEST = TypeAdapter(Manifest)


def folder_of(path: Path) -> Path:
    """Folder of a store's backups."""
    return beside(path, ".backups")


@contextmanager
def reading(path: Path) -> Iterator[Connection]:
    """Read-only connection that changes nothing, not even when the last connection is closed.

    Raises:
        StoreError: the file can't be opened or read.
    """
    if not path.is_file():
        raise StoreError(f"There is no file {path}.")

    beside_before = [beside(path, ending).exists() for ending in ("-wal", "-shm")]
    readonly = not os.access(path.parent, os.W_OK) and not has_log(path)

    def connect() -> Any:
        how = "immutable=1" if readonly else "mode=ro"
        return sqlite.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=opening.LOCK_S)

    engine = create_engine("sqlite://", module=sqlite, creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        found = translated(error)
        if isinstance(found, StoreError) and not isinstance(found, StoreDamaged):
            raise found from error
        raise StoreDamaged(f"{path} can't be read as a Marquee store: {error.orig}.") from error
    finally:
        engine.dispose()
        if not any(beside_before) and not has_log(path):  # read-only connections leave them behind
            for ending in ("-wal", "-shm"):
                beside(path, ending).unlink(missing_ok=True)


def back_up(
    source: Any, folder: Path, *, reason: str, now: float, report: Report = quiet, name: str | None = None
) -> Manifest:
    """Copy a store as of this moment, with every acknowledged write, while it is in use.

    The copy is checked before it gets its name, so every named backup is complete.

    Args:
        source: a driver connection without a transaction, used for nothing else.
        folder: where to; created if missing.
        reason: for the manifest.
        now: Unix seconds.
        report: called with the progress.
        name: of the file; by default made from the time.

    Raises:
        StoreFull: there is no space for it.
        UnusableBackup: the copy is damaged because the store is.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear_away(folder)
    except OSError as error:
        raise _refused(folder, error) from error
    target = _free_name(folder, name or f"marquee-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}.db")
    part = target.with_name(target.name + ".part")
    try:
        _copy(source, part, report)
        return _finish(part, target, reason, now)
    except (sqlite.Error, OSError) as error:
        found = translated(error)
        if isinstance(found, StoreError):
            raise found from error
        raise _refused(folder, error) from error
    finally:
        for left in (part, beside(part, "-journal")):
            left.unlink(missing_ok=True)


def _clear_away(folder: Path) -> None:
    """Remove leftovers of interrupted backups; no backup takes a day."""
    for part in folder.glob("*.part*"):
        if part.stat().st_mtime < time.time() - DAY_S:
            part.unlink()


def _free_name(folder: Path, name: str) -> Path:
    target, n = folder / name, 1
    while target.exists():
        n += 1
        target = folder / f"{Path(name).stem}-{n}{Path(name).suffix}"
    return target


def _copy(source: Any, part: Path, report: Report) -> None:
    source.execute("BEGIN")  # one state of the store, whatever is written meanwhile
    try:
        source.execute("SELECT count(*) FROM meta").fetchone()
        pages, size = (source.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
        _check_space(part.parent, pages * size)
        with closing(sqlite.connect(str(part), isolation_level=None)) as target:
            source.backup(
                target, pages=STEP_PAGES, progress=lambda _, left, total: report(1 - left / max(total, 1)), sleep=0
            )
            target.execute("PRAGMA journal_mode = delete")  # a single file, readable on read-only media
            target.execute(f"PRAGMA user_version = {new()}")
    finally:
        source.rollback()


def _check_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise StoreFull(
            f"This needs {size / 2**20:,.0f} MiB, and {folder} has {free / 2**20:,.0f} MiB left. "
            "Free some space and try again."
        )


def _finish(part: Path, target: Path, reason: str, now: float) -> Manifest:
    """Check the copy, name it, and write its manifest."""
    with reading(part) as connection:
        if found := inspection.damage(connection, thorough=False):
            raise UnusableBackup(f"The copy is damaged because the store is, and was not kept: {found[0]}")
        contents = inspection.contents(connection)
    manifest = Manifest(
        **asdict(contents),
        name=target.name,
        made_at=now,
        reason=reason,
        size=part.stat().st_size,
        sha256=_sha256(part),
        generation=generation_of(part),
    )
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(target)
    text = json.dumps(asdict(manifest), indent=2)
    place = _manifest_of(target)
    fresh = place.with_name(place.name + ".part")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(place)
    sync_folder(target.parent)
    return manifest


def _manifest_of(backup: Path) -> Path:
    return backup.with_name(backup.name + ".json")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refused(folder: Path, error: BaseException) -> StoreError:
    return StoreError(f"The backup could not be written to {folder}: {getattr(error, 'strerror', None) or error}.")


def read_manifest(backup: Path) -> Manifest | None:
    """Manifest of a backup; None if there is no readable one."""
    try:
        found = MANIFEST.validate_json(_manifest_of(backup).read_bytes(), strict=True)
    except (OSError, ValidationError):
        return None
    return replace(found, name=backup.name)  # the file may have been renamed since


def list_backups(folder: Path) -> list[Manifest]:
    """Backups in a folder, newest first."""
    found = [read_manifest(path) for path in sorted(folder.glob("*.db"))] if folder.is_dir() else []
    return sorted((one for one in found if one is not None), key=lambda one: (one.made_at, one.name), reverse=True)


def remove(folder: Path, name: str) -> None:
    """Delete a backup and its manifest."""
    for place in (_manifest_of(folder / name), folder / name):
        place.unlink(missing_ok=True)


def prune(folder: Path, keep_days: int, now: float) -> list[str]:
    """Delete backups older than ``keep_days``, but never the newest three; returns their names."""
    old = [one.name for one in list_backups(folder)[MIN_KEPT:] if one.made_at < now - keep_days * DAY_S]
    for name in old:
        remove(folder, name)
    return old


def verify(backup: Path) -> Contents:
    """Contents of a backup, after checking it against its manifest (if there is one) and page by page.

    Raises:
        UnusableBackup: it is damaged, or not a store.
    """
    if not backup.is_file():
        raise UnusableBackup(f"There is no backup {backup}.")
    manifest = read_manifest(backup)
    if manifest is not None and (backup.stat().st_size, _sha256(backup)) != (manifest.size, manifest.sha256):
        raise UnusableBackup(f"{backup.name} is damaged: it does not match its manifest. Choose another backup.")
    try:
        with reading(backup) as connection:
            if not inspection.is_store(connection):
                raise UnusableBackup(f"{backup.name} is not a backup of a Marquee store.")
            if found := inspection.damage(connection, thorough=True):
                raise UnusableBackup(f"{backup.name} is damaged: {found[0]} Choose another backup.")
            return inspection.contents(connection)
    except (sqlite.Error, StoreError) as error:
        if isinstance(error, UnusableBackup):
            raise
        raise UnusableBackup(f"{backup.name} is damaged or not a backup of a Marquee store: {error}") from error


def restore(backup: Path, path: Path, *, now: float) -> Path | None:
    """Replace a store that is not open by a backup; returns the new path of the replaced store.

    The backup is checked first. A crash at any moment leaves the old store or the new one at the path.

    Args:
        backup: stays as it is.
        path: of the store, which may be missing or damaged.
        now: Unix seconds, for the name of the replaced store.

    Raises:
        UnusableBackup: the backup is damaged, or not a store.
        StoreFull: there is no space for it.
        StoreError: a Marquee has the store open, or its folder can't be written to.
    """
    verify(backup)
    with opening.locked(path):
        fresh = beside(path, ".restoring")
        try:
            _bring(backup, fresh)
            replaced = _keep(path, now) if path.exists() else None
            if has_log(path):  # of a file that is gone, or one that can't be checkpointed
                set_log_aside(path)
            for ending in (".mark", "-wal", "-shm"):  # the log is empty or was set aside
                beside(path, ending).unlink(missing_ok=True)
            fresh.replace(path)
            sync_folder(path.parent)
            note(path)
        except OSError as error:
            raise _refused(path.parent, error) from error
        finally:
            fresh.unlink(missing_ok=True)
    return replaced


def _bring(backup: Path, fresh: Path) -> None:
    """Copy the backup beside the store, with a new generation."""
    _check_space(fresh.parent, backup.stat().st_size)
    with (
        reading(backup) as source,
        closing(sqlite.connect(str(fresh), isolation_level=None)) as target,
    ):
        source.connection.driver_connection.backup(target)  # type: ignore[union-attr]  # including its log, if any
        target.execute("PRAGMA journal_mode = delete")
        target.execute(f"PRAGMA user_version = {new()}")
    with fresh.open("rb") as file:
        os.fsync(file.fileno())


def _keep(path: Path, now: float) -> Path:
    """Give the present store a second name, with its log checkpointed if possible."""
    kept = _free_name(path.parent, f"{path.name}.replaced-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}")
    if has_log(path) and owns_its_log(path) and not _checkpointed(path):
        shutil.copyfile(beside(path, "-wal"), beside(kept, "-wal"))
    try:
        os.link(path, kept)
    except OSError:  # not supported by every file system
        shutil.copyfile(path, kept)
    sync_folder(path.parent)
    return kept


def _checkpointed(path: Path) -> bool:
    """Move the log into the file; returns whether that succeeded completely."""
    try:
        with closing(sqlite.connect(str(path), isolation_level=None)) as connection:
            busy, logged, moved = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy and logged == moved
    except sqlite.Error as error:
        log.warning("the log of %s could not be checkpointed and is kept beside it: %s", path.name, error)
        return False

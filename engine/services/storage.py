"""Maintenance of the store: backups on demand and on schedule, restoring, and checks for damage."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from typing import Any

from engine.background import step_back
from engine.errors import BackupBusy, Cancelled, NotReady, UnknownBackup, UnusableBackup
from engine.services.audit import audited
from engine.services.backup_plan import DEFAULTS, BackupPlan, check_plan, read_plan, timetable_of
from engine.services.storing import in_words, stores
from engine.words import counted
from store import backups, inspection
from store import errors as store_errors
from store.backups import Manifest
from store.database import Database
from store.inspection import Contents
from store.notices import NoticeStore
from store.values import ValueStore
from store.worker import Worker

log = logging.getLogger(__name__)

LOOK_S = 20.0
"""Seconds between checks whether a backup or a check is due."""
AGAIN_S = 600.0
"""Seconds until a failed backup is tried again."""
CHECK_EVERY_S = 7 * 86_400
MAX_STOP_S = 5.0
NAME = re.compile(r"[A-Za-z0-9._-]{1,100}\.db")

Backup = Manifest
"""A backup, described by its manifest."""
Restore = Callable[[Path], Path | None]
"""Stops everything, replaces the store by a backup and restarts; returns the path of the old store."""


@dataclass(frozen=True)
class StoreFacts(Contents):
    """Contents and condition of the store.

    Attributes:
        size: of the file, in bytes.
        checked_at: Unix seconds of the last check for damage; None before the first.
        faults: what that check found.
        newest_backup_at: Unix seconds of the newest backup; None without any.
    """

    size: int
    checked_at: float | None
    faults: tuple[str, ...]
    newest_backup_at: float | None


@dataclass
class _Order:
    """A backup to be made."""

    reason: str
    done: Future[Backup] = field(default_factory=Future)
    cancelled: Event = field(default_factory=Event)
    progress: float = 0.0


def of_backup(given: Mapping[str, Any], _: Any) -> str:
    """The named backup."""
    return f"backup {given['name']}"


def of_store(_: Mapping[str, Any], __: Any) -> str:
    """The whole store."""
    return "store"


@dataclass(eq=False)
class StorageService:
    """Backs up, restores and checks the store. ``open`` and ``close`` frame the worker thread.

    Args:
        database: the store.
        values: stores the plan and the times of the last backup and check.
        notices: receives failures and damage.
        clock: Unix seconds.
        restore: replaces the store by a backup; None where that needs Marquee to be stopped.
    """

    _database: Database
    _values: ValueStore
    _notices: NoticeStore
    _clock: Callable[[], float]
    _restore: Restore | None = None

    def __post_init__(self) -> None:
        self._folder = backups.folder_of(self._database.path)
        self._ordering = Lock()
        self._going: _Order | None = None
        self._not_before = 0.0
        self.worker: Worker[_Order] = Worker(
            "storage",
            self._work,
            begin=self._begin,
            idle=self._look_safely,
            every=LOOK_S,
            died=self._give_up,
            waits=True,
        )

    def open(self) -> None:
        """Start the thread."""
        self.prepare()
        self.worker.start()

    def prepare(self) -> None:
        """Start the schedule now, on the first start; times ahead of the clock are ignored."""
        now, values = self._clock(), self._values.read()
        fresh = {name: now for name in ("handled", "checked_at") if values.get(name, now + 1) > now}
        if fresh:
            self._values.write(fresh)

    def close(self) -> None:
        """Stop the thread; a backup in progress is abandoned."""
        going = self._going
        if going is not None:
            going.cancelled.set()
        self.worker.stop(MAX_STOP_S)  # a check of a large store takes minutes, and changes nothing

    # -- asked by pages and routes -----------------------------------------------------------------------------------

    def ping(self) -> None:
        """Check that the store answers.

        Raises:
            MarqueeError: it does not, with the reason.
        """
        try:
            self._database.ping()
        except store_errors.StoreError as error:
            raise in_words(error) or NotReady(str(error)) from error

    def facts(self) -> StoreFacts:
        """Contents and size of the store, and its last check and backup."""
        with self._database.read() as connection:
            held = inspection.contents(connection)
        values, newest = self._values.read(), next(iter(self.backups()), None)
        return StoreFacts(
            **asdict(held),
            size=self._database.path.stat().st_size,
            checked_at=values.get("checked_at") if values.get("checked") else None,
            faults=tuple(values.get("faults", ())),
            newest_backup_at=None if newest is None else newest.made_at,
        )

    def backups(self) -> Sequence[Backup]:
        """The backups beside the store, newest first."""
        return backups.list_backups(self._folder)

    def back_up(self) -> Backup:
        """Make a backup and wait for it; it has every rating acknowledged before.

        Raises:
            BackupBusy: another backup is in progress.
            DiskFull: there is no space for it.
            Cancelled: it was cancelled.
        """
        return self.start_backup().result()

    @audited("backup ordered", of_store)
    def start_backup(self) -> Future[Backup]:
        """Make a backup in the background.

        Raises:
            BackupBusy: another backup is in progress.
        """
        order = _Order("asked")
        with self._ordering:
            if self._going is not None:
                raise BackupBusy("A backup is in progress. Wait for it to end, or cancel it, then start another.")
            self._going = order
        self.worker.put(order)
        return order.done

    def progress(self) -> float | None:
        """Progress of the current backup, from 0 to 1; None without one."""
        going = self._going
        return None if going is None else going.progress

    def cancel(self) -> None:
        """Cancel the current backup; without one nothing happens."""
        going = self._going
        if going is not None:
            going.cancelled.set()

    def path_of(self, name: str) -> Path:
        """The file of a backup.

        Raises:
            UnknownBackup: there is no such backup.
        """
        path = self._folder / name
        if not NAME.fullmatch(name) or not path.is_file() or backups.read_manifest(path) is None:
            raise UnknownBackup(f"There is no backup {name}.")
        return path

    @audited("backup deleted", of_backup)
    def delete(self, name: str) -> None:
        """Delete a backup.

        Raises:
            UnknownBackup: there is no such backup.
        """
        self.path_of(name)
        backups.remove(self._folder, name)

    @audited("backup restored", of_backup)
    def restore(self, name: str, actor: str = "you") -> str | None:
        """Restore a backup: Marquee checks it, stops, and restarts with it.

        Returns:
            The file name of the previous store, kept beside the new one; None where there was none.

        Raises:
            UnknownBackup: there is no such backup.
            UnusableBackup: it is damaged, or Marquee can't start with it; the store is unchanged.
            NotReady: it needs Marquee to be stopped here.
        """
        path = self.path_of(name)
        if self._restore is None:
            raise NotReady(f"Stop Marquee and run 'python -m store restore {name}'.")
        log.warning("%s restores the backup %s", actor, name)
        try:
            kept = self._restore(path)
        except store_errors.UnusableBackup as error:
            raise UnusableBackup(str(error)) from error
        except store_errors.StoreError as error:
            raise in_words(error) or UnusableBackup(str(error)) from error
        return None if kept is None else kept.name

    @stores
    def check(self, *, thorough: bool = True) -> Sequence[str]:
        """Faults of the store as sentences, empty where it is sound; they also become a notice.

        Args:
            thorough: also check indexes, references and the hash of every array; otherwise pages and counts.
        """
        with self._database.read() as connection:
            found = inspection.faults(connection, thorough=thorough)
        before = self._values.read().get("faults", [])
        self._values.write({"checked_at": self._clock(), "checked": True, "faults": found})
        self._database.note_check()
        if found and found != before:
            others = len(found) - 1
            more = f" There {'is' if others == 1 else 'are'} {counted(others, 'more fault')}." if others else ""
            self._notices.add(
                "error",
                "store",
                f"The store is damaged: {found[0]}{more} Back up what can be read, then restore a backup from before.",
                {"faults": found},
            )
        return found

    def plan(self) -> BackupPlan:
        """When backups are made automatically."""
        return read_plan(self._read(), self._clock())

    @audited("backup plan changed", of_store)
    def change_plan(
        self, *, every: str, hour: int = 2, minute: int = 0, zone: str = "UTC", keep_days: int = 30
    ) -> None:
        """Set when backups are made automatically, from now on.

        Args:
            every: ``never``, ``daily`` or ``weekly`` (on Sundays).
            hour: 0 to 23.
            minute: 0 to 59.
            zone: an IANA time zone.
            keep_days: older backups are deleted after each new one, except the newest three.

        Raises:
            InvalidInput: names the field, the value and what is allowed.
        """
        check_plan(every, hour, minute, zone, keep_days)
        values = {"every": every, "hour": hour, "minute": minute, "zone": zone, "keep_days": keep_days}
        self._values.write(values | {"handled": self._clock()})

    # -- the thread --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        step_back()
        if self._database.needs_check():
            self._check_safely(thorough=False)

    def _look_safely(self) -> None:
        try:
            self.look()
        except store_errors.StoreError as error:
            log.warning("the backup schedule could not be checked: %s", error)
        except Exception:  # part of the thread's outermost loop: the next look must find it alive
            log.exception("the backup schedule could not be checked; next attempt in %d seconds", LOOK_S)

    def look(self) -> None:
        """Make a backup and a check if they are due."""
        self.prepare()
        values, now = self._read(), self._clock()
        timetable = timetable_of(values)
        if timetable is not None and (due := timetable.last_due(now)) > values["handled"]:
            self._back_up_on_time(due)
        if not 0 <= now - values.get("checked_at", now) < CHECK_EVERY_S:
            self._check_safely(thorough=True)

    def _back_up_on_time(self, due: float) -> None:
        with self._ordering:
            if self._going is not None or monotonic() < self._not_before:
                return
            self._going = order = _Order("schedule")
        self._work(order)
        if order.done.exception() is None:
            self._values.write({"handled": due, "failure": None})
        else:
            self._not_before = monotonic() + AGAIN_S

    def _check_safely(self, *, thorough: bool) -> None:
        try:
            self.check(thorough=thorough)
        except Exception:  # as above
            log.exception("the store could not be checked")

    def _work(self, order: _Order) -> None:
        try:
            made = self._database.back_up(reason=order.reason, report=lambda part: self._report(order, part))
        except Exception as error:  # noqa: BLE001  # passed to the waiting caller
            self._failed(order, in_words(error) or error)
        else:
            order.done.set_result(made)
            for name in backups.prune(self._folder, self._read()["keep_days"], self._clock()):
                log.info("the backup %s was deleted: it is older than the plan allows", name)
        finally:
            self._going = None

    def _report(self, order: _Order, part: float) -> None:
        order.progress = part
        if order.cancelled.is_set():
            raise Cancelled("The backup was cancelled. Nothing of it was kept.")

    def _failed(self, order: _Order, error: Exception) -> None:
        if isinstance(error, store_errors.UnusableBackup):
            error = UnusableBackup(str(error))
        order.done.set_exception(error)
        if order.reason == "schedule" and not isinstance(error, Cancelled):
            last = self._values.read().get("failure")
            if last != str(error):
                self._notices.add("error", "store", f"The scheduled backup failed: {error}")
                self._values.write({"failure": str(error)})

    def _give_up(self, order: _Order | None, reason: str) -> None:
        self._going = None
        if order is not None and not order.done.done():
            order.done.set_exception(NotReady(f"The backup was not made. {reason}"))

    def _read(self) -> dict[str, Any]:
        return DEFAULTS | self._values.read()

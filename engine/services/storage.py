"""The store as its owner looks after it: backups by hand and on a timetable, the way back, and whether it is sound."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from typing import Any

from engine.background import step_back
from engine.errors import BackupBusy, Cancelled, NotReady, UnknownBackup, UnusableBackup
from engine.services.audit import audited
from engine.services.backup_plan import DEFAULTS, BackupPlan, check_plan, read_plan, timetable_of
from engine.services.storing import in_words, stores
from store import backups, inspection
from store import errors as store_errors
from store.backups import Manifest
from store.database import Database
from store.notices import NoticeStore
from store.values import ValueStore
from store.worker import Worker

log = logging.getLogger(__name__)

LOOK_S = 20.0
"""How often it is looked whether a backup or a check is due."""
AGAIN_S = 600.0
"""How long a backup that is due waits after one that failed."""
CHECK_EVERY_S = 7 * 86_400
LONGEST_STOP_S = 5.0
NAME = re.compile(r"[A-Za-z0-9._-]{1,100}\.db")

Backup = Manifest
"""A backup as its manifest describes it."""
Restore = Callable[[Path], Path | None]
"""Stops everything, puts a backup in the place of the store, and starts again; returns where the old one is."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the store holds.

    Attributes:
        identity: a UUID made with the store; its backups keep it.
        schema: the migration that it is at.
        revision: rises with every change of ratings.
        users, movies, ratings, versions: how many there are.
        active_version: the version that serves, None where none does.
        size: of the file, in bytes.
        checked_at: when it was last looked through for damage, in Unix seconds; None where it never was.
        faults: what was found then.
        newest_backup_at: when the newest backup was made, in Unix seconds; None where there is none.
    """

    identity: str
    schema: str
    revision: int
    users: int
    movies: int
    ratings: int
    versions: int
    active_version: int | None
    size: int
    checked_at: float | None
    faults: tuple[str, ...]
    newest_backup_at: float | None


@dataclass
class _Order:
    """A backup that somebody or the timetable wants."""

    reason: str
    done: Future[Backup] = field(default_factory=Future)
    cancelled: Event = field(default_factory=Event)
    progress: float = 0.0


def of_backup(given: Mapping[str, Any], _: Any) -> str:
    """The backup that was named."""
    return f"backup {given['name']}"


def of_store(_: Mapping[str, Any], __: Any) -> str:
    """All of it."""
    return "store"


class StorageService:
    """Backs the store up, restores it and checks it. ``open`` and ``close`` frame the thread that does it.

    Args:
        database: the store.
        values: where the plan is kept, and when a backup and a check were last made.
        notices: told of what went wrong, and of damage.
        clock: Unix seconds.
        restore: how a backup takes the place of the store; None where that can only be done while Marquee is stopped.
    """

    def __init__(
        self,
        database: Database,
        values: ValueStore,
        notices: NoticeStore,
        clock: Callable[[], float],
        restore: Restore | None = None,
    ) -> None:
        self._database = database
        self._values = values
        self._notices = notices
        self._clock = clock
        self._restore = restore
        self._folder = backups.folder_of(database.path)
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
        """Begin to look at the clock."""
        self.prepare()
        self.worker.start()

    def prepare(self) -> None:
        """Count from now on where nothing was ever planned or checked; a time ahead of the clock is no time."""
        now, values = self._clock(), self._values.read()
        fresh = {name: now for name in ("handled", "checked_at") if values.get(name, now + 1) > now}
        if fresh:
            self._values.write(fresh)

    def close(self) -> None:
        """Look no more; a backup that is being made is given up."""
        going = self._going
        if going is not None:
            going.cancelled.set()
        self.worker.stop(LONGEST_STOP_S)  # a check of a large store takes minutes, and changes nothing

    # -- asked by pages and routes -----------------------------------------------------------------------------------

    def ping(self) -> None:
        """Whether the store answers.

        Raises:
            MarqueeError: it does not; the message says why.
        """
        try:
            self._database.ping()
        except store_errors.StoreError as error:
            raise in_words(error) or NotReady(str(error)) from error

    def facts(self) -> StoreFacts:
        """What the store holds, how large it is, and when it was last checked and backed up."""
        with self._database.read() as connection:
            held = inspection.facts(connection)
        values, newest = self._values.read(), next(iter(self.backups()), None)
        return StoreFacts(
            **held,
            size=self._database.path.stat().st_size,
            checked_at=values.get("checked_at") if values.get("checked") else None,
            faults=tuple(values.get("faults", ())),
            newest_backup_at=None if newest is None else newest.made_at,
        )

    def backups(self) -> Sequence[Backup]:
        """The backups beside the store, newest first."""
        return backups.list_backups(self._folder)

    def back_up(self) -> Backup:
        """Make a backup now, and wait for it; every rating acknowledged before is in it.

        Raises:
            BackupBusy: one is being made.
            DiskFull: there is no space for it.
            Cancelled: somebody called it off.
        """
        return self.start_backup().result()

    @audited("backup ordered", of_store)
    def start_backup(self) -> Future[Backup]:
        """Make a backup in the background.

        Raises:
            BackupBusy: one is being made.
        """
        order = _Order("asked")
        with self._ordering:
            if self._going is not None:
                raise BackupBusy("A backup is being made. Wait for it to end, or cancel it, then start another.")
            self._going = order
        self.worker.put(order)
        return order.done

    def progress(self) -> float | None:
        """How far the backup that is being made is, from 0 to 1; None where none is."""
        going = self._going
        return None if going is None else going.progress

    def cancel(self) -> None:
        """Call off the backup that is being made; without one nothing happens."""
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
    @stores
    def delete(self, name: str) -> None:
        """Delete a backup.

        Raises:
            UnknownBackup: there is no such backup.
        """
        self.path_of(name)
        backups.remove(self._folder, name)

    @audited("backup restored", of_backup)
    def restore(self, name: str, actor: str = "you") -> str | None:
        """Go back to a backup: Marquee checks it, stops all that goes on, and starts again with it.

        Returns:
            The name of the file that holds what was there before, beside the store; None where there was nothing.

        Raises:
            UnknownBackup: there is no such backup.
            UnusableBackup: it is damaged, or nothing could be started with it; the store is as it was.
            NotReady: it can only be done by command here.
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
        """What is wrong with the store, in sentences; empty where it is sound. What is found is also a notice.

        Args:
            thorough: also indexes, references, and the hash of every array; otherwise pages and counts.
        """
        with self._database.read() as connection:
            found = inspection.faults(connection, thorough=thorough)
        before = self._values.read().get("faults", [])
        self._values.write({"checked_at": self._clock(), "checked": True, "faults": found})
        self._database.note_check()
        if found and found != before:
            more = f" and {len(found) - 1} more faults" if len(found) > 1 else ""
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
    @stores
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
            log.warning("whether a backup is due could not be seen: %s", error)
        except Exception:  # part of the thread's outermost loop: the next look must find it alive
            log.exception("whether a backup is due could not be seen; it will be in %d seconds", LOOK_S)

    def look(self) -> None:
        """Make the backup and the check that are due."""
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
        except Exception as error:  # noqa: BLE001  # handed to whoever waits for it
            self._failed(order, in_words(error) or error)
        else:
            order.done.set_result(made)
            for name in backups.prune(self._folder, self._read()["keep_days"], self._clock()):
                log.info("the backup %s was deleted: it is older than the plan keeps them", name)
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
                self._notices.add("error", "store", f"The backup that was due could not be made: {error}")
                self._values.write({"failure": str(error)})

    def _give_up(self, order: _Order | None, reason: str) -> None:
        self._going = None
        if order is not None and not order.done.done():
            order.done.set_exception(NotReady(f"The backup was not made. {reason}"))

    def _read(self) -> dict[str, Any]:
        return DEFAULTS | self._values.read()

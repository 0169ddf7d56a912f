"""The audit log: sign-ins, key changes, imports, exports, deletions and activations, with their results."""

import hmac
import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import wraps
from inspect import signature
from threading import Condition
from typing import Any, ParamSpec, TypeVar

from engine import services
from engine.data.cells import csv_pieces
from engine.data.identifiers import composed
from engine.services.acting import Actor, actor
from engine.services.storing import stores
from store.audit import AuditStore
from store.connections import Transaction
from store.errors import StoreClosed
from store.records import AuditRecord

log = logging.getLogger(__name__)

DONE = "done"
FIELDS = tuple(field.name for field in fields(AuditRecord))
DAY_S = 86_400.0
MAX_WAITING = 10_000
"""Entries kept in memory while the store can't be written to."""
WAIT_S = 5.0
MAX_SUBJECT = 300

P = ParamSpec("P")
T = TypeVar("T")
Subject = Callable[[Mapping[str, Any], Any], str]
"""Names the object of an action from the arguments of a use case and its result (None where it failed)."""


class AuditService:
    """Writes the log beside requests and reads it.

    Args:
        store: where entries are kept.
        secret: keys the hashes that stand for ids of users.
        days: how long entries are kept.
        clock: Unix seconds.
    """

    def __init__(self, store: AuditStore, secret: bytes, days: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._secret = secret
        self._days = days
        self._clock = clock
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_WAITING)
        self._under_way: Future[None] | None = None
        self._changed = Condition()
        self._pruned_at = float("-inf")

    def hashed(self, user_id: str) -> str:
        """Pseudonym of a user id in logs, stable, and meaningless without the store's secret."""
        digest = hmac.new(self._secret, composed(user_id.strip()).encode("utf-8", "surrogatepass"), "sha256")
        return f"~{digest.hexdigest()[:16]}"

    def record(self, action: str, subject: str = "", result: str = DONE, *, by: Actor | None = None) -> None:
        """Add an entry without waiting until it is stored.

        Args:
            action: a few words, such as ``version activated``.
            subject: the object of the action; users only as ``hashed``.
            result: ``done``, or the kind of failure in words.
            by: the actor, if not the current one.
        """
        with self._changed:
            self._waiting.append(self._entry(action, subject, result, by or actor()))
            self._hand_over()

    def record_now(self, action: str, subject: str, *, by: Actor, tx: Transaction) -> None:
        """Add an entry to the transaction of what it records; the writer's thread does not know who acts."""
        self._store.add([self._entry(action, subject, DONE, by)], tx=tx)

    def _entry(self, action: str, subject: str, result: str, by: Actor) -> dict[str, Any]:
        return {
            "at": self._clock(),
            "actor": by.name,
            "address": by.address,
            "action": action,
            "subject": subject[:MAX_SUBJECT],
            "result": result,
        }

    def _hand_over(self) -> None:
        """Store the waiting entries, unless a batch is being stored; its end stores the next."""
        if self._under_way is not None or not self._waiting:
            return
        batch = tuple(self._waiting)
        self._waiting.clear()
        now = self._clock()
        due = now - self._pruned_at >= DAY_S
        oldest = now - self._days * DAY_S if due else None
        try:
            self._under_way = self._store.add_later(batch, oldest=oldest)
        except StoreClosed:
            log.warning("%d entries of the audit log were lost at the stop", len(batch))
            return
        self._under_way.add_done_callback(lambda done: self._stored(done, batch, now if due else None))

    def _stored(self, done: Future[None], batch: Sequence[dict[str, Any]], pruned_at: float | None) -> None:
        with self._changed:
            self._under_way = None
            if done.exception() is not None:  # the store has logged it; the next entry tries again
                room = MAX_WAITING - len(self._waiting)
                self._waiting.extendleft(reversed(batch[max(len(batch) - room, 0) :]))
            else:
                self._pruned_at = self._pruned_at if pruned_at is None else pruned_at
                self._hand_over()
            self._changed.notify_all()

    def entries(self, limit: int = 50, *, before: int | None = None) -> Sequence[AuditRecord]:
        """Entries, newest first; ``before``: only entries older than this number."""
        self._wait()
        return [_plain(entry) for entry in self._store.newest(limit, before=before)]

    def all(self) -> Iterator[AuditRecord]:
        """Every entry, newest first."""
        self._wait()
        return map(_plain, self._store.all())

    def table(self) -> Iterator[bytes]:
        """Every entry, newest first, as chunks of a CSV file with times in UTC."""
        rows = ([_shown(getattr(entry, name)) for name in FIELDS] for entry in self.all())
        return csv_pieces(FIELDS, rows)

    def close(self) -> None:
        """Wait until all entries are stored, a few seconds at most."""
        self._wait()

    def _wait(self) -> None:
        """Wait until earlier entries can be read."""
        with self._changed:
            self._hand_over()
            self._changed.wait_for(lambda: self._under_way is None, WAIT_S)


def _shown(value: Any) -> Any:
    """A value for people: floats are times."""
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds") if isinstance(value, float) else value


def phrase(result: str) -> str:
    """A result in plain words: ``UnknownBackup``, as earlier releases stored it, is ``unknown backup``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", result).lower()


def _plain(entry: AuditRecord) -> AuditRecord:
    return replace(entry, result=phrase(entry.result))


def log_action(action: str, subject: str, result: str = DONE) -> None:
    """Add an entry to the log of the running Marquee; none before its start."""
    running = services.running()
    if running is not None:
        running.audit.record(action, subject, result)


def audited(action: str, subject: Subject) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorator of use cases that the audit log records, whether they succeed or fail; it includes ``stores``.

    Args:
        action: its name in the log.
        subject: names the object of the action.
    """

    def marked(use_case: Callable[P, T]) -> Callable[P, T]:
        shape, stored = signature(use_case), stores(use_case)

        @wraps(use_case)
        def told(*args: P.args, **kwargs: P.kwargs) -> T:
            given = shape.bind(*args, **kwargs)
            given.apply_defaults()
            try:
                result = stored(*args, **kwargs)
            except Exception as error:
                log_action(action, subject(given.arguments, None), phrase(type(error).__name__))
                raise
            log_action(action, subject(given.arguments, result))
            return result

        return told

    return marked


def of_version(given: Mapping[str, Any], result: Any) -> str:
    """The named or resulting version."""
    version = given.get("version", result)
    return "version" if version is None else f"version {version}"


def of_job(_: Mapping[str, Any], result: Any) -> str:
    """The started job."""
    return "ratings" if result is None else f"ratings, job {result}"


def of_user(given: Mapping[str, Any], _: Any) -> str:
    """The named user, as a pseudonym."""
    running = services.running()
    return "user" if running is None else f"user {running.audit.hashed(given['user_id'])}"

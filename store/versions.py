"""Model versions: saved whole or not at all, checked on every load, never rewritten."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, func, select, update
from sqlalchemy.exc import DBAPIError

from store.database import Database
from store.errors import DamagedVersion, NotStored, StoreError
from store.model_arrays import array_hashes, hash_array, read_arrays, remove_arrays, save_array, seal
from store.notices import NoticeStore
from store.records import Activation, ActivationRecord, StoredModel, VersionRecord
from store.schema import activations, model_arrays, model_versions

log = logging.getLogger(__name__)

LOWER_IS_BETTER = frozenset({"rmse", "mae"})

OnCommit = Callable[[Connection, int], None]


class MLModelManager:
    """The registry of versions and the ledger of which one served when."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notices = NoticeStore(database)

    # -- saving ------------------------------------------------------------------------------------------------------

    def save_model(
        self,
        *,
        kind: str,
        config: dict[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        metrics: dict[str, Any],
        protocol: dict[str, Any],
        data: dict[str, Any],
        segments: dict[str, Any] | None = None,
        run_id: int | None = None,
        note: str = "",
        tags: Sequence[str] = (),
        charts: dict[str, Any] | None = None,
        activate: Activation | None = None,
        on_commit: OnCommit | None = None,
    ) -> int:
        """Save a version; returns its number, higher than any before.

        The arrays go in in short transactions under a version nobody sees. One last transaction makes it visible,
        activates it where asked, and runs ``on_commit(connection, version)``: all of that happens or nothing.

        Args:
            kind: the name of the rating model.
            config: hyperparameters, JSON.
            arrays: what was learned; numbers or booleans of any shape.
            metrics: ``{name: {"value", "low", "high"}}``.
            protocol: how the metrics were measured, JSON.
            data: what it learned from: ``revision`` and counts, JSON.
            segments: metrics by name of a part of the users or movies.
            run_id: the training run.
            note: free text.
            tags: words to find it by; a version with any is never removed by ``retain``.
            charts: tables for charts, JSON.
            activate: who activates it and why; None leaves the active version as it is.
            on_commit: further writes of the last transaction.
        """
        row = {
            "kind": kind,
            "state": "saving",
            "config": config,
            "metrics": metrics,
            "segments": segments or {},
            "protocol": protocol,
            "data": data,
            "run_id": run_id,
            "note": note,
            "tags": list(tags),
            "charts": charts or {},
            "created_at": self._database.clock(),
        }
        version = self._database.insert(model_versions, row)

        def publish(connection: Connection) -> None:
            ready = {"state": "ready", "digest": seal(connection, version)}
            connection.execute(update(model_versions).where(model_versions.c.version == version).values(ready))
            if activate is not None:
                self._enter(connection, version, activate)
            if on_commit is not None:
                on_commit(connection, version)

        try:
            for name, array in arrays.items():
                save_array(self._database, version, name, np.asarray(array))
            self._database.write(publish)
        except BaseException:
            self._give_up(version)
            raise
        return version

    def _give_up(self, version: int) -> None:
        try:
            self._discard(version)
        except (StoreError, DBAPIError) as error:  # the first error is the one to tell
            log.warning("what was saved of version %d is removed at the next start: %s", version, error)

    def recover(self) -> int:
        """Remove what a stopped process was still saving or deleting; returns how many versions that was."""
        with self._database.read() as connection:
            saving = select(model_versions.c.version).where(model_versions.c.state == "saving")
            left = list(connection.execute(saving).scalars())
            joined = model_arrays.join(model_versions, model_arrays.c.version == model_versions.c.version)
            held = select(model_arrays.c.version).select_from(joined).where(model_versions.c.state == "deleted")
            deleted = list(connection.execute(held.distinct()).scalars())
        for version in left:
            self._discard(version)
        for version in deleted:
            remove_arrays(self._database, version)
        return len(left) + len(deleted)

    def _discard(self, version: int) -> None:
        """Take a version away that nobody ever saw; SQLite does not give its number again."""
        remove_arrays(self._database, version)
        self._database.execute(model_versions.delete().where(model_versions.c.version == version))

    # -- loading -----------------------------------------------------------------------------------------------------

    def load_model(self, version: int | None = None) -> StoredModel:
        """A version with its arrays, every one checked against its hash.

        Args:
            version: None loads the active one. Where that is damaged it is marked so, with a notice, and the newest
                intact version that ever served (or else the newest one) is activated in its place.

        Raises:
            NotStored: there is no such version, or none that could serve.
            DamagedVersion: the version asked for by number is damaged; it is marked so.
        """
        if version is not None:
            return self._load(version)
        wanted = self.active_version()
        if wanted is None:
            raise NotStored("No version was activated yet.")
        for candidate in self.by_merit(wanted):
            try:
                found = self._load(candidate)
            except DamagedVersion as error:
                log.error("%s", error)
                continue
            if candidate != wanted:
                self.activate(candidate, actor="marquee", reason=f"Version {wanted} is damaged.")
            return found
        raise NotStored("Every stored version is damaged. Train again.")

    def differing(self, version: int, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """The names of arrays that are not, bit for bit, those stored with a version, or that one of the two lacks."""
        with self._database.read() as connection:
            _record(connection, version)
            stored = array_hashes(connection, version)
        ours = {name: hash_array(np.asarray(array)) for name, array in arrays.items()}
        return sorted(name for name in stored.keys() | ours.keys() if stored.get(name) != ours.get(name))

    def by_merit(self, first: int, best_by: Sequence[str] = ()) -> list[int]:
        """The given version, then the others that are intact: those that served last before those that never did.

        Args:
            first: a version.
            best_by: metrics; the best by each of them come first among those that never served, then the newest.
        """
        served = [record.version for record in self.ledger(10_000)]
        versions = self.list_versions()
        best = [found.version for metric in best_by if (found := _best(versions, metric)) is not None]
        ready = [record.version for record in versions if record.state == "ready"]
        return [first, *(one for one in dict.fromkeys(served + best + ready) if one in ready and one != first)]

    def verify(self, version: int) -> None:
        """Read every array of a version and hold it to its hash, one after the other.

        Raises:
            NotStored: there is no such version, or its arrays were deleted.
            DamagedVersion: one of them is damaged; the version is marked so.
        """
        with self._database.read() as connection:
            names = sorted(array_hashes(connection, version))
        for name in names or ["no array"]:
            self._load(version, name)

    def load_part(self, version: int, start: str) -> Mapping[str, NDArray[Any]]:
        """Only those arrays of a version whose names begin so, checked; none where there are none.

        Raises:
            NotStored: there is no such version, or its arrays were deleted.
            DamagedVersion: one of them is damaged; the version is marked so.
        """
        return self._load(version, start).arrays

    def _load(self, version: int, start: str = "") -> StoredModel:
        with self._database.read() as connection:  # one state of the store: a version deleted meanwhile is still whole
            record = _record(connection, version)
            if record.state == "deleted":
                raise NotStored(f"Version {version} was deleted.")
            if record.state == "damaged":  # even if the disk should give the right bytes this time
                raise DamagedVersion(
                    f"Version {version} is damaged: it was not as it was saved when it was read before."
                )
            try:
                return StoredModel(record, read_arrays(connection, version, start))
            except DamagedVersion as error:
                damage = error
        self._mark_damaged(version, str(damage))
        raise damage

    def _mark_damaged(self, version: int, reason: str) -> None:
        intact = model_versions.c.version == version, model_versions.c.state == "ready"

        def work(connection: Connection) -> None:
            if connection.execute(update(model_versions).where(*intact).values(state="damaged")).rowcount:
                text = f"{reason} It can't serve any more; if it did, an intact version takes its place."
                self._notices.add_in(connection, "error", "versions", text, {"version": version})

        self._database.write(work, urgent=True)

    # -- the registry ------------------------------------------------------------------------------------------------

    def list_versions(self, limit: int | None = None, *, before: int | None = None) -> list[VersionRecord]:
        """Every version that was ever saved whole, newest first.

        Args:
            limit: the most of them; all if left out.
            before: only those older than the version of this number.
        """
        wanted = select(model_versions).where(model_versions.c.state != "saving").limit(limit)
        if before is not None:
            wanted = wanted.where(model_versions.c.version < before)
        with self._database.read() as connection:
            return _records(connection, wanted)

    def get_version(self, version: int) -> VersionRecord:
        """One version.

        Raises:
            NotStored: there is no such version.
        """
        with self._database.read() as connection:
            return _record(connection, version)

    def get_best_model(self, metric: str, *, higher_is_better: bool | None = None) -> VersionRecord:
        """The intact version with the best value of a metric; of equal ones the newest.

        Args:
            metric: such as ``rmse`` or ``ndcg_at_k``.
            higher_is_better: by default what the metric's name implies.

        Raises:
            NotStored: no intact version has this metric.
        """
        best = _best(self.list_versions(), metric, higher_is_better)
        if best is None:
            raise NotStored(f"No version has the metric {metric!r}.")
        return best

    def describe(self, version: int, *, note: str | None = None, tags: Sequence[str] | None = None) -> None:
        """Change the note or the tags of a version; None leaves them as they are.

        Raises:
            NotStored: there is no such version.
        """
        values: dict[str, Any] = {} if note is None else {"note": note}
        values |= {} if tags is None else {"tags": list(dict.fromkeys(tags))}

        def work(connection: Connection) -> None:
            _record(connection, version)
            if values:
                connection.execute(update(model_versions).where(model_versions.c.version == version).values(values))

        self._database.write(work, urgent=True)

    def delete_version(self, version: int) -> None:
        """Give up a version's arrays; its record and its lines in the ledger stay.

        Raises:
            NotStored: there is no such version.
            StoreError: it is the active one.
        """

        def work(connection: Connection) -> None:
            _record(connection, version)
            if _active(connection) == version:
                raise StoreError(f"Version {version} serves now and can't be deleted. Activate another one first.")
            _mark_deleted(connection, [version])

        self._database.write(work)
        remove_arrays(self._database, version)

    def retain(self, newest: int, best_by: Sequence[str]) -> list[int]:
        """Give up the arrays of versions that nobody is likely to want again.

        Kept are the newest, the best by each metric, every version that ever served, and every one with a tag.

        Args:
            newest: so many of the newest are kept.
            best_by: metrics, such as ``rmse``.

        Returns:
            The numbers of those given up; their records stay.
        """

        def work(connection: Connection) -> list[int]:
            held = _records(connection, select(model_versions).where(model_versions.c.state.in_(("ready", "damaged"))))
            best = (_best(held, metric) for metric in best_by)
            kept = {one.version for one in (*held[:newest], *best) if one is not None}
            kept |= {one.version for one in held if one.tags}
            kept |= set(connection.execute(select(activations.c.version)).scalars())
            gone = [one.version for one in held if one.version not in kept]
            _mark_deleted(connection, gone)
            return gone

        gone = self._database.write(work)
        for version in gone:
            remove_arrays(self._database, version)
        return gone

    # -- the ledger --------------------------------------------------------------------------------------------------

    def active_version(self) -> int | None:
        """The version of the ledger's last line, None before the first."""
        with self._database.read() as connection:
            return _active(connection)

    def activate(self, version: int, *, actor: str, reason: str) -> None:
        """Let a version serve.

        Raises:
            NotStored: there is no such version.
            StoreError: it is damaged or deleted.
        """

        def work(connection: Connection) -> None:
            record = _record(connection, version)
            if record.state != "ready":
                raise StoreError(f"Version {version} is {record.state}, so it can't serve.")
            self._enter(connection, version, Activation(actor, reason))

        self._database.write(work, urgent=True)

    def rollback(self, *, actor: str, reason: str) -> int:
        """Let the version serve that served before the active one and is still intact; returns its number.

        Raises:
            NotStored: there is none.
        """

        def work(connection: Connection) -> int:
            found = _served_before(connection)
            if found is None:
                raise NotStored("No other intact version has served before, so there is nothing to go back to.")
            self._enter(connection, found, Activation(actor, reason))
            return found

        return self._database.write(work, urgent=True)

    def served_before(self) -> int | None:
        """The version that ``rollback`` goes back to; None where there is none."""
        with self._database.read() as connection:
            return _served_before(connection)

    def ledger(self, limit: int = 100, at: float | None = None, before: int | None = None) -> list[ActivationRecord]:
        """Which version served from when, who or what activated it and why; newest first.

        Args:
            limit: the most lines.
            at: a moment in Unix seconds; only lines up to it, so that the first tells what served then.
            before: only lines older than the one of this number.
        """
        lines = select(activations).order_by(activations.c.activation_id.desc()).limit(limit)
        if at is not None:
            lines = lines.where(activations.c.activated_at <= at)
        if before is not None:
            lines = lines.where(activations.c.activation_id < before)
        with self._database.read() as connection:
            return [ActivationRecord(**row._mapping) for row in connection.execute(lines)]

    def _enter(self, connection: Connection, version: int, activation: Activation) -> None:
        row = {"version": version, "activated_at": self._database.clock()}
        connection.execute(activations.insert().values(row | {"actor": activation.actor, "reason": activation.reason}))


def _served_before(connection: Connection) -> int | None:
    """What served last of the other versions that are intact."""
    joined = activations.join(model_versions, activations.c.version == model_versions.c.version)
    earlier = select(activations.c.version).select_from(joined).where(model_versions.c.state == "ready")
    others = earlier.where(activations.c.version != _active(connection))
    return connection.execute(others.order_by(activations.c.activation_id.desc()).limit(1)).scalar()


def _active(connection: Connection) -> int | None:
    return connection.execute(
        select(activations.c.version).order_by(activations.c.activation_id.desc()).limit(1)
    ).scalar()


def _mark_deleted(connection: Connection, versions: Sequence[int]) -> None:
    connection.execute(update(model_versions).where(model_versions.c.version.in_(versions)).values(state="deleted"))


def _best(records: Sequence[VersionRecord], metric: str, higher_is_better: bool | None = None) -> VersionRecord | None:
    """The intact one with the best value, of equal ones the newest; None where none has the metric."""
    sign = -1 if (metric not in LOWER_IS_BETTER if higher_is_better is None else higher_is_better) else 1
    values = [(_value(one, metric), one) for one in records if one.state == "ready"]
    having = [(sign * value, -one.version, one) for value, one in values if value is not None]
    return min(having, key=lambda found: found[:2])[2] if having else None


def _value(record: VersionRecord, metric: str) -> float | None:
    """A metric's value; None also where the record says something else under its name: it must not hide the others."""
    try:
        return float(record.metrics[metric]["value"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _record(connection: Connection, version: int) -> VersionRecord:
    found = _records(connection, select(model_versions).where(model_versions.c.version == version))
    if not found or found[0].state == "saving":
        raise NotStored(f"There is no version {version}.")
    return found[0]


def _records(connection: Connection, statement: Select[Any]) -> list[VersionRecord]:
    """Newest first, each with the size of its arrays."""
    size = select(func.coalesce(func.sum(model_arrays.c.size), 0)).where(
        model_arrays.c.version == model_versions.c.version
    )
    sized = statement.add_columns(size.scalar_subquery().label("size"))
    rows = connection.execute(sized.order_by(model_versions.c.version.desc()))
    return [VersionRecord(**row._mapping) for row in rows]

"""Model versions: saved whole or not at all, checked on every load, never rewritten."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, func, select, update

from store.database import Database
from store.errors import DamagedVersion, NotStored, StoreError
from store.notices import NoticeStore
from store.records import Activation, ActivationRecord, StoredModel, VersionRecord
from store.schema import activations, model_arrays, model_chunks, model_versions

log = logging.getLogger(__name__)

CHUNK_BYTES = 4 * 2**20  # a longer row would hold the write lock for too long
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
            "created_at": self._database.clock(),
        }
        version = self._database.insert(model_versions, row)
        for name, array in arrays.items():
            self._save_array(version, name, np.asarray(array))

        def publish(connection: Connection) -> None:
            self._set_state(connection, version, "ready")
            if activate is not None:
                self._enter(connection, version, activate)
            if on_commit is not None:
                on_commit(connection, version)

        self._database.write(publish)
        return version

    def _save_array(self, version: int, name: str, array: NDArray[Any]) -> None:
        if array.dtype.kind not in "biuf":
            raise StoreError(f"The array {name} is of type {array.dtype}; only numbers and booleans can be stored.")
        shape = list(array.shape)
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(-1)
        content = little.view(np.uint8).tobytes()
        row = {
            "version": version,
            "name": name,
            "dtype": little.dtype.str,
            "shape": shape,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
        self._database.insert(model_arrays, row)
        for position, start in enumerate(range(0, len(content), CHUNK_BYTES)):
            chunk = {"version": version, "name": name, "position": position}
            self._database.insert(model_chunks, chunk | {"data": content[start : start + CHUNK_BYTES]})

    def recover(self) -> int:
        """Remove what a stopped process was still saving; returns how many versions that was."""
        with self._database.read() as connection:
            left = list(
                connection.execute(select(model_versions.c.version).where(model_versions.c.state == "saving")).scalars()
            )
        for version in left:
            self._remove_arrays(version)
            gone = update(model_versions).where(model_versions.c.version == version).values(state="deleted")
            self._database.execute(gone)
        return len(left)

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
        for candidate in self._by_merit(first=wanted):
            try:
                found = self._load(candidate)
            except DamagedVersion as error:
                log.error("%s", error)
                continue
            if candidate != wanted:
                self.activate(candidate, actor="marquee", reason=f"Version {wanted} is damaged.")
            return found
        raise NotStored("Every stored version is damaged. Train again.")

    def _by_merit(self, first: int) -> list[int]:
        """The given version, then the others that can serve: those that served last before those that never did."""
        served = [record.version for record in self.ledger(10_000)]
        ready = [record.version for record in self.list_versions() if record.state == "ready"]
        return [first, *(one for one in dict.fromkeys(served + ready) if one in ready and one != first)]

    def _load(self, version: int) -> StoredModel:
        record = self.get_version(version)
        if record.state == "deleted":
            raise NotStored(f"Version {version} was deleted.")
        with self._database.read() as connection:
            rows = connection.execute(select(model_arrays).where(model_arrays.c.version == version)).all()
            try:
                arrays = {row.name: _read_array(connection, row) for row in rows}
            except DamagedVersion as error:
                damage = error
            else:
                return StoredModel(record, arrays)
        self._mark_damaged(record, str(damage))
        raise damage

    def _mark_damaged(self, record: VersionRecord, reason: str) -> None:
        if record.state == "damaged":
            return

        def work(connection: Connection) -> None:
            self._set_state(connection, record.version, "damaged")
            text = f"{reason} It can't serve any more; an intact version takes its place."
            self._notices.add_in(connection, "error", "versions", text, {"version": record.version})

        self._database.write(work)

    # -- the registry ------------------------------------------------------------------------------------------------

    def list_versions(self) -> list[VersionRecord]:
        """Every version that was ever saved whole, newest first."""
        return self._records(select(model_versions).where(model_versions.c.state != "saving"))

    def get_version(self, version: int) -> VersionRecord:
        """One version.

        Raises:
            NotStored: there is no such version.
        """
        found = self._records(select(model_versions).where(model_versions.c.version == version))
        if not found or found[0].state == "saving":
            raise NotStored(f"There is no version {version}.")
        return found[0]

    def get_best_model(self, metric: str, *, higher_is_better: bool | None = None) -> VersionRecord:
        """The intact version with the best value of a metric; of equal ones the newest.

        Args:
            metric: such as ``rmse`` or ``ndcg_at_k``.
            higher_is_better: by default what the metric's name implies.

        Raises:
            NotStored: no intact version has this metric.
        """
        sign = -1 if (metric not in LOWER_IS_BETTER if higher_is_better is None else higher_is_better) else 1
        having = [one for one in self.list_versions() if one.state == "ready" and metric in one.metrics]
        if not having:
            raise NotStored(f"No version has the metric {metric!r}.")
        return min(having, key=lambda one: (sign * one.metrics[metric]["value"], -one.version))

    def _records(self, statement: Select[Any]) -> list[VersionRecord]:
        size = select(func.coalesce(func.sum(model_arrays.c.size), 0)).where(
            model_arrays.c.version == model_versions.c.version
        )
        with self._database.read() as connection:
            rows = connection.execute(
                statement.add_columns(size.scalar_subquery().label("size")).order_by(model_versions.c.version.desc())
            )
            return [VersionRecord(**row._mapping) for row in rows]

    def delete_version(self, version: int) -> None:
        """Give up a version's arrays; its record and its lines in the ledger stay.

        Raises:
            NotStored: there is no such version.
            StoreError: it is the active one.
        """
        self.get_version(version)

        def work(connection: Connection) -> None:
            if _active(connection) == version:
                raise StoreError(f"Version {version} serves now and can't be deleted. Activate another one first.")
            self._set_state(connection, version, "deleted")

        self._database.write(work)
        self._remove_arrays(version)

    def _remove_arrays(self, version: int) -> None:
        """Chunk by chunk, so that nobody waits for long."""
        with self._database.read() as connection:
            columns = model_chunks.c.name, model_chunks.c.position
            chunks = connection.execute(select(*columns).where(model_chunks.c.version == version)).all()
        for name, position in chunks:
            one = (
                model_chunks.delete()
                .where(model_chunks.c.version == version)
                .where(model_chunks.c.name == name, model_chunks.c.position == position)
            )
            self._database.execute(one)
        self._database.execute(model_arrays.delete().where(model_arrays.c.version == version))

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
        self.get_version(version)

        def work(connection: Connection) -> None:
            state = connection.execute(
                select(model_versions.c.state).where(model_versions.c.version == version)
            ).scalar_one()
            if state != "ready":
                raise StoreError(f"Version {version} is {state}, so it can't serve.")
            self._enter(connection, version, Activation(actor, reason))

        self._database.write(work)

    def rollback(self, *, actor: str, reason: str) -> int:
        """Let the version serve that served before the active one and is still intact; returns its number.

        Raises:
            NotStored: there is none.
        """

        def work(connection: Connection) -> int:
            now = _active(connection)
            joined = activations.join(model_versions, activations.c.version == model_versions.c.version)
            earlier = select(activations.c.version).select_from(joined).where(model_versions.c.state == "ready")
            newest = earlier.where(activations.c.version != now).order_by(activations.c.activation_id.desc()).limit(1)
            found = connection.execute(newest).scalar()
            if found is None:
                raise NotStored("No other intact version has served before, so there is nothing to go back to.")
            self._enter(connection, found, Activation(actor, reason))
            return int(found)

        return self._database.write(work)

    def ledger(self, limit: int = 100) -> list[ActivationRecord]:
        """Which version served from when, who or what activated it and why; newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(activations).order_by(activations.c.activation_id.desc()).limit(limit))
            return [ActivationRecord(**row._mapping) for row in rows]

    def _enter(self, connection: Connection, version: int, activation: Activation) -> None:
        row = {"version": version, "activated_at": self._database.clock()}
        connection.execute(activations.insert().values(row | {"actor": activation.actor, "reason": activation.reason}))

    def _set_state(self, connection: Connection, version: int, state: str) -> None:
        connection.execute(update(model_versions).where(model_versions.c.version == version).values(state=state))


def _active(connection: Connection) -> int | None:
    return connection.execute(
        select(activations.c.version).order_by(activations.c.activation_id.desc()).limit(1)
    ).scalar()


def _read_array(connection: Connection, row: Any) -> NDArray[Any]:
    """One array, checked. It is read into its final place, and can't be written to."""
    wanted = select(model_chunks.c.data).where(model_chunks.c.version == row.version, model_chunks.c.name == row.name)
    content = bytearray()
    for (chunk,) in connection.execute(wanted.order_by(model_chunks.c.position)):
        content += chunk
    if len(content) != row.size or hashlib.sha256(content).hexdigest() != row.sha256:
        raise DamagedVersion(f"Version {row.version} is damaged: its array {row.name} is not what was saved.")
    array = np.frombuffer(content, np.dtype(row.dtype)).reshape(row.shape)
    array.flags.writeable = False
    return array

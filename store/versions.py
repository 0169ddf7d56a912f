"""Model versions: saved whole or not at all, verified on every load, never rewritten."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Required, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from store import version_queries as queries
from store.connections import Transaction
from store.database import Store, newest_first
from store.errors import DamagedVersion, NotStored, StoreError
from store.model_arrays import array_hashes, hash_array, read_arrays, remove_arrays, save_array, seal
from store.notices import NoticeStore
from store.records import Activation, ActivationRecord, StoredModel, VersionRecord
from store.schema import activations, model_arrays, model_versions

log = logging.getLogger(__name__)


class NewVersion(TypedDict, total=False):
    """Values of a version to be saved, all of them JSON but for the arrays.

    Attributes:
        kind: name of the rating model.
        config: hyperparameters.
        arrays: learned numbers or booleans, of any shape.
        metrics: ``{name: {"value", "low", "high"}}``.
        protocol: how the metrics were measured.
        data: what the model was trained on: ``revision`` and counts.
        segments: metrics by name of a group of users or movies.
        run_id: the training run.
        note: free text.
        tags: words to find the version by; ``retain`` never removes a version with tags.
        charts: tables for charts.
    """

    kind: Required[str]
    config: Required[dict[str, Any]]
    arrays: Required[Mapping[str, NDArray[Any]]]
    metrics: Required[dict[str, Any]]
    protocol: Required[dict[str, Any]]
    data: Required[dict[str, Any]]
    segments: dict[str, Any]
    run_id: int | None
    note: str
    tags: Sequence[str]
    charts: dict[str, Any]


class MLModelManager(Store):
    """The registry of versions and the deployment history."""

    # -- saving ------------------------------------------------------------------------------------------------------

    def save_model(self, *, activate: Activation | None = None, **values: Unpack[NewVersion]) -> int:
        """Save a version; returns its number, higher than any before.

        Args:
            activate: who activates it and why; None leaves the active version as it is.
            values: of the version.
        """
        with self.saving(**values) as version:
            self.publish(version, activate)
        return version

    @contextmanager
    def saving(self, **values: Unpack[NewVersion]) -> Iterator[int]:
        """Number of a new version that stays hidden until ``publish``; if the block fails, it is removed again.

        The arrays are written in short transactions first.
        """
        fields: dict[str, Any] = {"segments": {}, "charts": {}, "run_id": None, "note": "", "tags": ()} | {**values}
        arrays = fields.pop("arrays")
        row = fields | {"state": "saving", "tags": list(fields["tags"]), "created_at": self._database.clock()}
        version = self._database.insert(model_versions, row, bulk=True)
        try:
            for name, array in arrays.items():
                save_array(self._database, version, name, np.asarray(array))
            yield version
        except BaseException:
            self._give_up(version)
            raise

    def publish(self, version: int, activate: Activation | None = None, *, tx: Transaction | None = None) -> None:
        """Make a saved version visible, and activate it if asked to."""

        def work(tx: Transaction) -> None:
            ready = {"state": "ready", "digest": seal(tx, version)}
            tx.execute(update(model_versions).where(model_versions.c.version == version).values(ready))
            if activate is not None:
                self._enter(tx, version, activate)

        self._database.write(work, tx=tx)

    def _give_up(self, version: int) -> None:
        try:
            self._discard(version)
        except (StoreError, DBAPIError) as error:  # the first error is the one to report
            log.warning("what was saved of version %d will be removed at the next start: %s", version, error)

    def recover(self) -> int:
        """Remove what a stopped process was still saving or deleting; returns the number of versions concerned."""
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
        """Remove a version that was never visible; SQLite does not reuse its number."""
        remove_arrays(self._database, version)
        self._database.execute(model_versions.delete().where(model_versions.c.version == version))

    # -- loading -----------------------------------------------------------------------------------------------------

    def load_model(self, version: int | None = None) -> StoredModel:
        """A version with its arrays, each verified against its hash.

        Args:
            version: its number; None loads the active version. If that one is damaged it is marked so, with a notice,
                and the intact version that was active last (or else the newest) is activated instead.

        Raises:
            NotStored: there is no such version, or none that can be activated.
            DamagedVersion: the version with this number is damaged; it is marked so.
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
        """Names of arrays that differ in any bit from those of a version, or that only one side has."""
        with self._database.read() as connection:
            queries.get(connection, version)
            stored = array_hashes(connection, version)
        ours = {name: hash_array(np.asarray(array)) for name, array in arrays.items()}
        return sorted(name for name in stored.keys() | ours.keys() if stored.get(name) != ours.get(name))

    def by_merit(self, first: int, best_by: Sequence[str] = ()) -> list[int]:
        """The given version, then the other intact ones: those once active, latest first, before the rest.

        One that learned a table outside Marquee, and was never active, is left out: only a person activates it.

        Args:
            first: a version.
            best_by: metrics; among versions never active, the best by each of them come before the newest.
        """
        served = [record.version for record in self.ledger(10_000)]
        versions = self.list_versions()
        best = [found.version for metric in best_by if (found := queries.best(versions, metric)) is not None]
        ready = [record.version for record in versions if record.state == "ready"]
        by_hand = {record.version for record in versions if "table" in record.data} - set(served)
        others = dict.fromkeys(one for one in served + best + ready if one in ready and one not in by_hand)
        return [first, *(one for one in others if one != first)]

    def verify(self, version: int) -> None:
        """Read the arrays of a version one by one and compare each with its hash.

        Raises:
            NotStored: there is no such version, or its arrays were deleted.
            DamagedVersion: one of them is damaged; the version is marked so.
        """
        with self._database.read() as connection:
            names = sorted(array_hashes(connection, version))
        for name in names or ["no array"]:
            self._load(version, name)

    def load_part(self, version: int, prefix: str) -> Mapping[str, NDArray[Any]]:
        """Arrays of a version whose names start with ``prefix``, verified; empty if there are none.

        Raises:
            NotStored: there is no such version, or its arrays were deleted.
            DamagedVersion: one of them is damaged; the version is marked so.
        """
        return self._load(version, prefix).arrays

    def _load(self, version: int, prefix: str = "") -> StoredModel:
        with self._database.read() as connection:  # one state of the store, even if the version is deleted meanwhile
            record = queries.get(connection, version)
            if record.state == "deleted":
                raise NotStored(f"Version {version} was deleted.")
            if record.state == "damaged":  # even if the disk returns the right bytes this time
                raise DamagedVersion(f"Version {version} is damaged: an earlier read found that it had changed.")
            try:
                return StoredModel(record, read_arrays(connection, version, prefix))
            except DamagedVersion as error:
                damage = error
        self._mark_damaged(version, str(damage))
        raise damage

    def _mark_damaged(self, version: int, reason: str) -> None:
        intact = model_versions.c.version == version, model_versions.c.state == "ready"

        def work(tx: Transaction) -> None:
            if tx.execute(update(model_versions).where(*intact).values(state="damaged")).rowcount:
                text = f"{reason} It can't be activated any more; if it was active, an intact version replaces it."
                NoticeStore(self._database).add("error", "versions", text, {"version": version}, tx=tx)

        self._database.write(work)

    # -- the registry ------------------------------------------------------------------------------------------------

    def list_versions(self, limit: int | None = None, *, before: int | None = None) -> list[VersionRecord]:
        """Every version that was saved, newest first.

        Args:
            limit: maximum number of versions; all if left out.
            before: only versions older than this number.
        """
        wanted = newest_first(model_versions.c.version, limit, before).where(model_versions.c.state != "saving")
        with self._database.read() as connection:
            return queries.find(connection, wanted)

    def get_version(self, version: int) -> VersionRecord:
        """One version.

        Raises:
            NotStored: there is no such version.
        """
        with self._database.read() as connection:
            return queries.get(connection, version)

    def get_best_model(self, metric: str, *, higher_is_better: bool | None = None) -> VersionRecord:
        """The intact version with the best value of a metric; the newest of equal ones.

        Args:
            metric: such as ``rmse`` or ``ndcg_at_k``.
            higher_is_better: by default what the metric's name implies.

        Raises:
            NotStored: no intact version has this metric.
        """
        best = queries.best(self.list_versions(), metric, higher_is_better)
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

        def work(tx: Transaction) -> None:
            queries.get(tx, version)
            if values:
                tx.execute(update(model_versions).where(model_versions.c.version == version).values(values))

        self._database.write(work)

    def delete_version(self, version: int) -> None:
        """Delete a version's arrays; its record and its entries in the deployment history stay.

        Raises:
            NotStored: there is no such version.
            StoreError: it is the active one.
        """

        def work(tx: Transaction) -> None:
            queries.get(tx, version)
            if queries.active(tx) == version:
                raise StoreError(f"Version {version} is active and can't be deleted. Activate another one first.")
            _mark_deleted(tx, [version])

        self._database.write(work)
        remove_arrays(self._database, version)

    def retain(self, newest: int, best_by: Sequence[str]) -> list[int]:
        """Delete the arrays of versions that are unlikely to be needed again.

        Kept are the newest, the best by each metric, every version that was ever active, and every one with a tag.

        Args:
            newest: number of the newest versions to keep.
            best_by: metrics, such as ``rmse``.

        Returns:
            Versions whose arrays were deleted; their records stay.
        """

        def work(tx: Transaction) -> list[int]:
            held = queries.find(tx, select(model_versions).where(model_versions.c.state.in_(("ready", "damaged"))))
            best = (queries.best(held, metric) for metric in best_by)
            kept = {one.version for one in (*held[:newest], *best) if one is not None}
            kept |= {one.version for one in held if one.tags}
            kept |= set(tx.execute(select(activations.c.version)).scalars())
            gone = [one.version for one in held if one.version not in kept]
            _mark_deleted(tx, gone)
            return gone

        gone = self._database.write(work)
        for version in gone:
            remove_arrays(self._database, version)
        return gone

    # -- the deployment history --------------------------------------------------------------------------------------

    def active_version(self) -> int | None:
        """The active version; None before the first activation."""
        with self._database.read() as connection:
            return queries.active(connection)

    def activate(self, version: int, *, actor: str, reason: str) -> None:
        """Activate a version.

        Raises:
            NotStored: there is no such version.
            StoreError: it is damaged or deleted.
        """

        def work(tx: Transaction) -> None:
            record = queries.get(tx, version)
            if record.state != "ready":
                raise StoreError(f"Version {version} is {record.state} and can't be activated.")
            self._enter(tx, version, Activation(actor, reason))

        self._database.write(work)

    def served_before(self) -> int | None:
        """The intact version that was active before the active one; None if there is none."""
        with self._database.read() as connection:
            return queries.previously_active(connection)

    def ledger(self, limit: int = 100, at: float | None = None, before: int | None = None) -> list[ActivationRecord]:
        """Activations, newest first: which version, when, by whom and why.

        Args:
            limit: maximum number of entries.
            at: Unix seconds; only entries up to then, so that the first is the version active at that time.
            before: only entries older than this number.
        """
        entries = newest_first(activations.c.activation_id, limit, before)
        if at is not None:
            entries = entries.where(activations.c.activated_at <= at)
        return self._select(ActivationRecord, entries)

    def _enter(self, tx: Transaction, version: int, activation: Activation) -> None:
        row = {"version": version, "activated_at": self._database.clock()}
        tx.execute(activations.insert().values(row | {"actor": activation.actor, "reason": activation.reason}))


def _mark_deleted(tx: Transaction, versions: Sequence[int]) -> None:
    tx.execute(update(model_versions).where(model_versions.c.version.in_(versions)).values(state="deleted"))

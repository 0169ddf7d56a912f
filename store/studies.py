"""Hyperparameter studies: their progress, and Optuna's own tables in the same file."""

from collections.abc import Collection
from threading import Lock
from typing import Any

import optuna
import pysqlite3.dbapi2 as sqlite
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.pool import NullPool

from store.connections import Transaction
from store.database import Database, Store, newest_first
from store.errors import NotStored
from store.patience import is_patient
from store.records import UNFINISHED, StudyState, TuningRecord
from store.schema import tuning_errors, tunings

PATIENCE_S, WORKERS_PATIENCE_S = 10, 24 * 3600
"""How long a write of Optuna waits for a lock: when a person waits for it, and in a study's worker."""

optuna.logging.disable_default_handler()
optuna.logging.set_verbosity(optuna.logging.WARNING)


class TuningStore(Store):
    """Studies, from the request to the end. ``close`` closes Optuna's connections."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._opening = Lock()
        self._storage: optuna.storages.RDBStorage | None = None

    def storage(self) -> optuna.storages.BaseStorage:
        """Optuna's storage in the same file, opened on first use.

        It writes through its own connections, with the same SQLite and in short transactions. Its schema check is off,
        since Alembic's one version table already holds our revision.
        """
        with self._opening:
            if self._storage is None:
                options = {"module": sqlite, "creator": self._connect, "poolclass": NullPool}
                self._storage = optuna.storages.RDBStorage(
                    "sqlite:///marquee.db", engine_kwargs=options, skip_compatibility_check=True
                )
            return self._storage

    def _connect(self) -> Any:
        """Connection with the store's settings, opened by path: ? and % have a meaning in URLs."""
        connection = self._database.connect(WORKERS_PATIENCE_S if is_patient() else PATIENCE_S)
        connection.isolation_level = ""  # Optuna lets the driver begin transactions
        return connection

    def close(self) -> None:
        """Close Optuna's connections."""
        with self._opening:
            if self._storage is not None:
                self._storage.remove_session()
                self._storage.engine.dispose()

    def create(
        self, kind: str, trials: int, folds: int, seed: int, budget_s: float, actor: str, goal: str = "rmse"
    ) -> int:
        """Add a queued study; returns its number."""
        row = {
            "kind": kind,
            "goal": goal,
            "state": "queued",
            "stage": "Waiting",
            "trials": trials,
            "folds": folds,
            "seed": seed,
            "budget_s": budget_s,
            "used_s": 0.0,
            "actor": actor,
            "created_at": self._database.clock(),
        }
        return self._database.insert(tunings, row)

    def change(self, tuning_id: int, **values: Any) -> None:
        """Change some columns of a study."""
        self._database.execute(update(tunings).where(tunings.c.tuning_id == tuning_id).values(values))

    def finish(
        self,
        tuning_id: int,
        state: StudyState,
        stage: str,
        error: str | None = None,
        *,
        tx: Transaction | None = None,
        **values: Any,
    ) -> None:
        """Record that a study has ended, for now.

        Args:
            tuning_id: its number.
            state: how it ended.
            stage: the same in words.
            error: why it failed.
            tx: a transaction to be part of.
            values: further columns.
        """
        values |= {"state": state, "stage": stage, "error": error, "ended_at": self._database.clock()}
        self._database.execute(update(tunings).where(tunings.c.tuning_id == tuning_id).values(values), tx=tx)

    def keep_errors(self, tuning_id: int, trial: int, errors: bytes) -> None:
        """Store the errors of each user in a trial."""
        row = {"tuning_id": tuning_id, "trial": trial, "errors": errors}
        self._database.execute(insert(tuning_errors).values(row).on_conflict_do_update(set_={"errors": errors}))

    def errors(self, tuning_id: int, trial: int) -> bytes | None:
        """Errors of each user in a trial, as ``keep_errors`` stored them."""
        wanted = tuning_errors.c.tuning_id == tuning_id, tuning_errors.c.trial == trial
        with self._database.read() as connection:
            found: bytes | None = connection.execute(select(tuning_errors.c.errors).where(*wanted)).scalar()
        return found

    def get(self, tuning_id: int) -> TuningRecord:
        """One study.

        Raises:
            NotStored: there is no such study.
        """
        for record in self._select(TuningRecord, select(tunings).where(tunings.c.tuning_id == tuning_id)):
            return record
        raise NotStored(f"There is no study {tuning_id}.")

    def newest(self, limit: int = 20, *, before: int | None = None) -> list[TuningRecord]:
        """Studies, newest first; ``before``: only those older than the study of this number."""
        return self._select(TuningRecord, newest_first(tunings.c.tuning_id, limit, before))

    def current(self, besides: Collection[int] = ()) -> TuningRecord | None:
        """The queued or running study; None if there is none.

        Args:
            besides: studies that have ended although their rows do not say so yet.
        """
        going = select(tunings).where(tunings.c.state.in_(UNFINISHED), tunings.c.tuning_id.not_in(besides))
        going = going.order_by(tunings.c.tuning_id).limit(1)
        return next(iter(self._select(TuningRecord, going)), None)

    def recover(self) -> list[int]:
        """Mark the unfinished study of a stopped process as stopped; returns the studies marked."""
        unfinished = select(tunings).where(tunings.c.state.in_(UNFINISHED))
        left = [record.tuning_id for record in self._select(TuningRecord, unfinished)]
        for tuning_id in left:
            self.finish(tuning_id, StudyState.STOPPED, "Marquee was stopped; resume it to go on")
        return left

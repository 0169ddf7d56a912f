"""Studies of hyperparameters: how far each has come, and Optuna's own tables in the same file."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Lock
from typing import Any

import optuna
import pysqlite3.dbapi2 as sqlite
from sqlalchemy import Connection, Select, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.pool import NullPool

from store.database import Database
from store.errors import NotStored
from store.patience import is_patient
from store.records import TuningRecord
from store.schema import tuning_errors, tunings

GOING = ("queued", "running")
PATIENCE_S, WORKERS_PATIENCE_S = 10, 24 * 3600
"""How long a write of Optuna's waits for ours, or for another program's: where somebody waits, and in a study."""

optuna.logging.disable_default_handler()
optuna.logging.set_verbosity(optuna.logging.WARNING)


class TuningStore:
    """Studies, from the order to the end. ``close`` lets go of the file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._opening = Lock()
        self._storage: optuna.storages.RDBStorage | None = None

    def storage(self) -> optuna.storages.BaseStorage:
        """Optuna's storage in the same file, opened when it is first needed.

        It writes through connections of its own, with the same SQLite and in short transactions. Its check of the
        schema is left out: Alembic's one table of versions already names ours.
        """
        with self._opening:
            if self._storage is None:
                options = {"module": sqlite, "creator": self._connect, "poolclass": NullPool}
                self._storage = optuna.storages.RDBStorage(
                    "sqlite:///marquee.db", engine_kwargs=options, skip_compatibility_check=True
                )
            return self._storage

    def _connect(self) -> Any:
        """A connection as the others are, to the path itself: in a URL ? and % mean something."""
        connection = self._database.connect(WORKERS_PATIENCE_S if is_patient() else PATIENCE_S)
        connection.isolation_level = ""  # Optuna leaves it to the driver where transactions begin
        return connection

    def close(self) -> None:
        """Let go of Optuna's connections."""
        with self._opening:
            if self._storage is not None:
                self._storage.remove_session()
                self._storage.engine.dispose()

    def create(self, kind: str, trials: int, folds: int, seed: int, budget_s: float, actor: str) -> int:
        """A queued study; returns its number."""
        row = {
            "kind": kind,
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
        return self._database.insert(tunings, row, urgent=True)

    def change(self, tuning_id: int, **values: Any) -> None:
        """Write some columns of a study."""
        self._database.execute(update(tunings).where(tunings.c.tuning_id == tuning_id).values(values), urgent=True)

    def finish(
        self,
        tuning_id: int,
        state: str,
        stage: str,
        error: str | None = None,
        *,
        also: Callable[[Connection], None] | None = None,
        **values: Any,
    ) -> None:
        """The study has ended, for now.

        Args:
            tuning_id: its number.
            state: how it ended.
            stage: the same in words.
            error: why it failed.
            also: further writes of the same transaction.
            values: further columns.
        """
        values |= {"state": state, "stage": stage, "error": error, "ended_at": self._database.clock()}

        def work(connection: Connection) -> None:
            connection.execute(update(tunings).where(tunings.c.tuning_id == tuning_id).values(values))
            if also is not None:
                also(connection)

        self._database.write(work, urgent=True)

    def keep_errors(self, tuning_id: int, trial: int, errors: bytes) -> None:
        """The errors of each user in a trial."""
        row = {"tuning_id": tuning_id, "trial": trial, "errors": errors}
        self._database.execute(insert(tuning_errors).values(row).on_conflict_do_update(set_={"errors": errors}))

    def errors(self, tuning_id: int, trial: int) -> bytes | None:
        """What ``keep_errors`` was given."""
        wanted = tuning_errors.c.tuning_id == tuning_id, tuning_errors.c.trial == trial
        with self._database.read() as connection:
            found: bytes | None = connection.execute(select(tuning_errors.c.errors).where(*wanted)).scalar()
        return found

    def get(self, tuning_id: int) -> TuningRecord:
        """One study.

        Raises:
            NotStored: there is no such study.
        """
        found = self._read(select(tunings).where(tunings.c.tuning_id == tuning_id))
        if not found:
            raise NotStored(f"There is no study {tuning_id}.")
        return found[0]

    def newest(self, limit: int = 20, *, before: int | None = None) -> list[TuningRecord]:
        """The newest studies, newest first; ``before``: only those older than the one of this number."""
        wanted = select(tunings).order_by(tunings.c.tuning_id.desc()).limit(limit)
        return self._read(wanted if before is None else wanted.where(tunings.c.tuning_id < before))

    def current(self, besides: Collection[int] = ()) -> TuningRecord | None:
        """The study that is queued or going, None where there is none.

        Args:
            besides: studies that have ended though their rows do not say so yet.
        """
        going = select(tunings).where(tunings.c.state.in_(GOING), tunings.c.tuning_id.not_in(besides))
        going = going.order_by(tunings.c.tuning_id).limit(1)
        return next(iter(self._read(going)), None)

    def recover(self) -> list[int]:
        """Mark a study that a stopped process left going as stopped; returns the numbers of those marked."""
        left = [record.tuning_id for record in self._read(select(tunings).where(tunings.c.state.in_(GOING)))]
        for tuning_id in left:
            self.finish(tuning_id, "stopped", "Marquee was stopped; resume it to go on")
        return left

    def _read(self, statement: Select[Any]) -> list[TuningRecord]:
        with self._database.read() as connection:
            return [TuningRecord(**row._mapping) for row in connection.execute(statement)]

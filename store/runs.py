"""The log of training runs, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from store.database import Database
from store.errors import NotStored
from store.records import EpochRecord, RunRecord, State
from store.schema import training_epochs, training_runs

GOING = ("queued", "running")


class RunStore:
    """Training runs, from the order to the end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        kind: str,
        hyperparameters: dict[str, Any],
        activate: str,
        seed: int,
        actor: str,
        *,
        note: str = "",
        repeats: int | None = None,
        also: Callable[[Connection], None] | None = None,
    ) -> int:
        """A queued run; returns its number.

        Args:
            kind: the name of the rating model.
            hyperparameters: all of them, JSON.
            activate: whether the version is to serve.
            seed: start of the random numbers.
            actor: who asks.
            note: for the new version.
            repeats: the version that is trained again, to compare the two.
            also: further writes of the same transaction.
        """
        row = {
            "kind": kind,
            "state": "queued",
            "stage": "Waiting",
            "hyperparameters": hyperparameters,
            "activate": activate,
            "seed": seed,
            "actor": actor,
            "note": note,
            "repeats": repeats,
            "created_at": self._database.clock(),
        }

        def work(connection: Connection) -> int:
            key = connection.execute(training_runs.insert().values(row)).inserted_primary_key
            if also is not None:
                also(connection)
            return int(key[0])  # type: ignore[index]  # SQLite tells the number it has given

        return self._database.write(work, urgent=True)

    def start(self, run_id: int) -> None:
        """The run is being worked on from now."""
        self._set(run_id, state="running", started_at=self._database.clock())

    def stage(self, run_id: int, text: str) -> None:
        """What is being done now, in words."""
        self._set(run_id, stage=text)

    def detail(self, run_id: int, details: dict[str, Any]) -> None:
        """Replace what a run has noted of itself, once more is known."""
        self._set(run_id, details=details)

    def epoch(self, run_id: int, record: EpochRecord) -> None:
        """One more epoch is done."""
        row = {
            "run_id": run_id,
            "epoch": record.epoch,
            "epochs": record.epochs,
            "train_loss": record.train_loss,
            "validation_rmse": record.validation_rmse,
            "seconds": record.seconds,
        }
        self._database.insert(training_epochs, row, urgent=True)

    def finish(
        self, run_id: int, state: State, *, also: Callable[[Connection], None] | None = None, **outcome: Any
    ) -> None:
        """The run has ended; ``outcome`` as in ``finish_in``.

        Args:
            run_id: its number.
            state: how it ended.
            also: further writes of the same transaction.
            outcome: what came of it.
        """

        def work(connection: Connection) -> None:
            self.finish_in(connection, run_id, state, **outcome)
            if also is not None:
                also(connection)

        self._database.write(work, urgent=True)

    def finish_in(
        self,
        connection: Connection,
        run_id: int,
        state: State,
        *,
        version: int | None = None,
        metrics: dict[str, Any] | None = None,
        before: dict[str, Any] | None = None,
        verdict: str | None = None,
        error: str | None = None,
        stage: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        """End a run within somebody else's transaction, so that both happen or neither; one that has ended stays so."""
        values = {
            "state": state,
            "version": version,
            "metrics": metrics,
            "before": before,
            "verdict": verdict,
            "error": error,
            "stage": stage,
            "details": details,
            "ended_at": self._database.clock(),
        }
        going = training_runs.c.run_id == run_id, training_runs.c.state.in_(GOING)
        connection.execute(update(training_runs).where(*going).values(values))

    def get(self, run_id: int) -> RunRecord:
        """One run with its epochs.

        Raises:
            NotStored: there is no such run.
        """
        found = self._read(select(training_runs).where(training_runs.c.run_id == run_id))
        if not found:
            raise NotStored(f"There is no training run {run_id}.")
        return found[0]

    def newest(
        self, limit: int = 50, *, before: int | None = None, actors: Sequence[str] | None = None
    ) -> list[RunRecord]:
        """The newest runs with their epochs, newest first.

        Args:
            limit: the most of them.
            before: only those older than the run of this number.
            actors: only those that one of these asked for; anybody's if left out.
        """
        wanted = select(training_runs).order_by(training_runs.c.run_id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(training_runs.c.run_id < before)
        if actors is not None:
            wanted = wanted.where(training_runs.c.actor.in_(actors))
        return self._read(wanted)

    def current(self, besides: Collection[int] = ()) -> RunRecord | None:
        """The run that is going, or else the first of the queue; None where there is none.

        Args:
            besides: runs that have ended though their rows do not say so yet.
        """
        going = select(training_runs).where(training_runs.c.state.in_(GOING)).order_by(training_runs.c.run_id)
        going = going.where(training_runs.c.run_id.not_in(besides))
        return next(iter(self._read(going.limit(1))), None)

    def queued(self) -> list[RunRecord]:
        """The runs that wait for their turn, first to go first."""
        return self._read(
            select(training_runs).where(training_runs.c.state == "queued").order_by(training_runs.c.run_id)
        )

    def counts(self) -> dict[str, int]:
        """How many runs there are, by state."""
        wanted = select(training_runs.c.state, func.count().label("runs")).group_by(training_runs.c.state)
        with self._database.read() as connection:
            return {row.state: row.runs for row in connection.execute(wanted)}

    def verdicts(self) -> dict[int | None, Any]:
        """By run, the verdict on the version that it made, where there is one."""
        found = training_runs.c.details["judgement"]["verdict"].as_string().label("verdict")
        wanted = select(training_runs.c.run_id, found).where(found.is_not(None))
        with self._database.read() as connection:
            return {row.run_id: row.verdict for row in connection.execute(wanted)}

    def recover(self, reason: str) -> list[int]:
        """Mark a run that a stopped process was working on as failed, with the reason; queued ones stay.

        Returns:
            The numbers of those marked.
        """

        def work(connection: Connection) -> list[int]:
            going = select(training_runs.c.run_id).where(training_runs.c.state == "running")
            left = list(connection.execute(going).scalars())
            for run_id in left:
                self.finish_in(connection, run_id, "failed", error=reason, stage="Failed")
            return left

        return self._database.write(work)

    def _set(self, run_id: int, **values: Any) -> None:
        statement = update(training_runs).where(training_runs.c.run_id == run_id).values(values)
        self._database.execute(statement, urgent=True)

    def _read(self, statement: Select[Any]) -> list[RunRecord]:
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
            numbers = [row.run_id for row in rows]
            epochs: dict[int, list[EpochRecord]] = {number: [] for number in numbers}
            wanted = (
                select(training_epochs).where(training_epochs.c.run_id.in_(numbers)).order_by(training_epochs.c.epoch)
            )
            for run_id, *values in connection.execute(wanted):
                epochs[run_id].append(EpochRecord(*values))
        return [_record(row, tuple(epochs[row.run_id])) for row in rows]


def _record(row: Row[Any], epochs: tuple[EpochRecord, ...]) -> RunRecord:
    return RunRecord(**row._mapping, epochs=epochs)

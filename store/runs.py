"""The log of training runs, epoch by epoch."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Select, func, select, update

from store.connections import Transaction
from store.database import Store, newest_first
from store.errors import NotStored
from store.records import UNFINISHED, EpochRecord, RunRecord, State
from store.schema import training_epochs, training_runs


class RunStore(Store):
    """Training runs, from the request to the end."""

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
        ranker: dict[str, Any] | None = None,
        tx: Transaction | None = None,
    ) -> int:
        """Add a queued run; returns its number.

        Args:
            kind: name of the rating model.
            hyperparameters: all of them, JSON.
            activate: when to activate the version.
            seed: of the random numbers.
            actor: who asked for it.
            note: for the new version.
            repeats: the version that is trained again, to compare the two.
            ranker: settings of the lists, JSON.
            tx: a transaction to be part of.
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
            "ranker": ranker or {},
            "created_at": self._database.clock(),
        }
        return self._database.insert(training_runs, row, tx=tx)

    def start(self, run_id: int) -> None:
        """Mark a run as running."""
        self._set(run_id, state="running", started_at=self._database.clock())

    def stage(self, run_id: int, text: str) -> None:
        """Record what a run does now, in words."""
        self._set(run_id, stage=text)

    def detail(self, run_id: int, details: dict[str, Any]) -> None:
        """Replace the details of a run."""
        self._set(run_id, details=details)

    def epoch(self, run_id: int, record: EpochRecord) -> None:
        """Add a finished epoch."""
        self._database.insert(training_epochs, {"run_id": run_id, **asdict(record)})

    def finish(self, run_id: int, state: State, stage: str, *, tx: Transaction | None = None, **values: Any) -> None:
        """Record the end of a run; a run that has ended already stays as it is.

        Args:
            run_id: its number.
            state: how it ended.
            stage: the same in words.
            tx: a transaction to be part of.
            values: what came of it, by column.
        """
        values |= {"state": state, "stage": stage, "ended_at": self._database.clock()}
        going = training_runs.c.run_id == run_id, training_runs.c.state.in_(UNFINISHED)
        self._database.execute(update(training_runs).where(*going).values(values), tx=tx)

    def get(self, run_id: int) -> RunRecord:
        """One run with its epochs.

        Raises:
            NotStored: there is no such run.
        """
        for record in self._read(select(training_runs).where(training_runs.c.run_id == run_id)):
            return record
        raise NotStored(f"There is no training run {run_id}.")

    def newest(
        self, limit: int = 50, *, before: int | None = None, actors: Sequence[str] | None = None
    ) -> list[RunRecord]:
        """Runs with their epochs, newest first.

        Args:
            limit: maximum number of runs.
            before: only runs older than this number.
            actors: only runs that one of these asked for; everybody's if left out.
        """
        wanted = newest_first(training_runs.c.run_id, limit, before)
        if actors is not None:
            wanted = wanted.where(training_runs.c.actor.in_(actors))
        return self._read(wanted)

    def current(self, besides: Collection[int] = ()) -> RunRecord | None:
        """The running run, or else the first in the queue; None if there is none.

        Args:
            besides: runs that have ended although their rows do not say so yet.
        """
        going = select(training_runs).where(training_runs.c.state.in_(UNFINISHED)).order_by(training_runs.c.run_id)
        going = going.where(training_runs.c.run_id.not_in(besides))
        return next(iter(self._read(going.limit(1))), None)

    def queued(self) -> list[RunRecord]:
        """Queued runs, next one first."""
        return self._read(
            select(training_runs).where(training_runs.c.state == "queued").order_by(training_runs.c.run_id)
        )

    def counts(self) -> dict[str, int]:
        """Number of runs by state."""
        wanted = select(training_runs.c.state, func.count().label("runs")).group_by(training_runs.c.state)
        with self._database.read() as connection:
            return {row.state: row.runs for row in connection.execute(wanted)}

    def verdicts(self) -> dict[int | None, Any]:
        """Verdicts on the versions that runs produced, by run."""
        found = training_runs.c.details["judgement"]["verdict"].as_string().label("verdict")
        wanted = select(training_runs.c.run_id, found).where(found.is_not(None))
        with self._database.read() as connection:
            return {row.run_id: row.verdict for row in connection.execute(wanted)}

    def recover(self, reason: str) -> list[int]:
        """Mark the unfinished run of a stopped process as failed; queued runs stay. Returns the runs marked."""

        def work(tx: Transaction) -> list[int]:
            going = select(training_runs.c.run_id).where(training_runs.c.state == "running")
            left = list(tx.execute(going).scalars())
            for run_id in left:
                self.finish(run_id, State.FAILED, "Failed", error=reason, tx=tx)
            return left

        return self._database.write(work)

    def _set(self, run_id: int, **values: Any) -> None:
        statement = update(training_runs).where(training_runs.c.run_id == run_id).values(values)
        self._database.execute(statement)

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
        return [RunRecord(**row._mapping, epochs=tuple(epochs[row.run_id])) for row in rows]

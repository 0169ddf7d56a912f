"""Background work that a person waits for, such as an import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from store.database import Database
from store.errors import NotStored
from store.records import JobRecord, State
from store.schema import jobs


class JobStore:
    """Jobs, from the order to the end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, kind: str, message: str) -> int:
        """A queued job; returns its number."""
        row = {
            "kind": kind,
            "state": "queued",
            "progress": 0.0,
            "message": message,
            "created_at": self._database.clock(),
        }
        return self._database.insert(jobs, row, urgent=True)

    def update(self, job_id: int, progress: float, message: str, result: dict[str, Any] | None = None) -> None:
        """How far a job is (0..1) and what it does now; it counts as running from here, unless it has ended.

        Args:
            job_id: its number.
            progress: the share that is done.
            message: in words.
            result: replaces these entries of its result; the others stay.
        """

        def work(connection: Connection) -> None:
            values: dict[str, Any] = {"state": "running", "progress": progress, "message": message}
            values["result"] = (_result(connection, job_id) | (result or {})) or None
            going = update(jobs).where(jobs.c.job_id == job_id, jobs.c.ended_at.is_(None))
            connection.execute(going.values(values))

        self._database.write(work, urgent=True)

    def count_in(self, connection: Connection, job_id: int, counts: Mapping[str, int]) -> None:
        """Add to the numbers of a job's result within the transaction that does what they count.

        So the result tells what is stored, wherever the job is cut short.
        """
        found = _result(connection, job_id)
        found |= {name: found.get(name, 0) + count for name, count in counts.items()}
        connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(result=found))

    def finish(
        self,
        job_id: int,
        state: State,
        result: dict[str, Any] | None = None,
        error: str | None = None,
        message: str = "",
    ) -> None:
        """The job has ended; ``result`` as in ``update``."""

        def work(connection: Connection) -> None:
            values: dict[str, Any] = {"state": state, "error": error, "message": message}
            values |= {"ended_at": self._database.clock()}
            values["result"] = (_result(connection, job_id) | (result or {})) or None
            values |= {"progress": 1.0} if state == "succeeded" else {}
            connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(values))

        self._database.write(work, urgent=True)

    def get(self, job_id: int) -> JobRecord:
        """One job.

        Raises:
            NotStored: there is no such job.
        """
        with self._database.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).one_or_none()
        if row is None:
            raise NotStored(f"There is no job {job_id}.")
        return JobRecord(**row._mapping)

    def newest(self, limit: int = 20) -> list[JobRecord]:
        """The newest jobs, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(jobs).order_by(jobs.c.job_id.desc()).limit(limit)).all()
        return [JobRecord(**row._mapping) for row in rows]

    def recover(self, reason: Callable[[dict[str, Any]], str]) -> int:
        """Mark jobs that a stopped process left going as failed; returns how many.

        Args:
            reason: why, out of the result as far as it came.
        """

        def work(connection: Connection) -> int:
            going = select(jobs.c.job_id, jobs.c.result).where(jobs.c.state.in_(("queued", "running")))
            left = connection.execute(going).all()
            for job_id, result in left:
                values = {"state": "failed", "error": reason(result or {}), "ended_at": self._database.clock()}
                connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(values))
            return len(left)

        return self._database.write(work)


def _result(connection: Connection, job_id: int) -> dict[str, Any]:
    return dict(connection.execute(select(jobs.c.result).where(jobs.c.job_id == job_id)).scalar() or {})

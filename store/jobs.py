"""Background work that a person waits for, such as an import."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

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
        """How far a job is (0..1) and what it does now; it counts as running from here, unless it has ended."""
        values = {"state": "running", "progress": progress, "message": message, "result": result}
        going = update(jobs).where(jobs.c.job_id == job_id, jobs.c.ended_at.is_(None))
        self._database.execute(going.values(values), urgent=True)

    def finish(
        self,
        job_id: int,
        state: State,
        result: dict[str, Any] | None = None,
        error: str | None = None,
        message: str = "",
    ) -> None:
        """The job has ended."""
        values = {
            "state": state,
            "result": result,
            "error": error,
            "message": message,
            "ended_at": self._database.clock(),
        }
        values |= {"progress": 1.0} if state == "succeeded" else {}
        self._database.execute(update(jobs).where(jobs.c.job_id == job_id).values(values), urgent=True)

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

    def recover(self, reason: str) -> int:
        """Mark jobs that a stopped process left going as failed, with the reason; returns how many."""
        values = {"state": "failed", "error": reason, "ended_at": self._database.clock()}
        left = update(jobs).where(jobs.c.state.in_(("queued", "running"))).values(values)
        return self._database.execute(left)

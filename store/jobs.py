"""Background jobs that a person waits for, such as imports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Update, select, update

from store.connections import Transaction
from store.database import Store
from store.errors import NotStored
from store.records import UNFINISHED, JobRecord, JobState
from store.schema import jobs


class JobStore(Store):
    """Jobs, from the request to the end."""

    def create(self, kind: str, message: str) -> int:
        """Add a queued job; returns its number."""
        row = {"kind": kind, "state": "queued", "progress": 0.0, "message": message}
        return self._database.insert(jobs, row | {"created_at": self._database.clock()})

    def update(self, job_id: int, progress: float, message: str, result: dict[str, Any] | None = None) -> None:
        """Record the progress of a job and mark it as running, unless it has ended. Its questions are dropped.

        Args:
            job_id: its number.
            progress: the share that is done, 0 to 1.
            message: what it does now.
            result: entries of its result to replace; the others stay.
        """

        def work(tx: Transaction) -> None:
            values: dict[str, Any] = {"state": "running", "progress": progress, "message": message}
            values |= {"questions": None}
            values["result"] = (_result(tx, job_id) | (result or {})) or None
            tx.execute(_going(job_id).values(values))

        self._database.write(work, bulk=True)

    def plan(self, job_id: int, plan: dict[str, Any]) -> None:
        """Record the plan of a job, unless it has ended."""
        self._database.execute(_going(job_id).values(plan=plan))

    def ask(self, job_id: int, plan: dict[str, Any], questions: list[dict[str, Any]]) -> None:
        """Record the plan and the questions of a job, which then waits for answers, unless it has ended."""
        self._database.execute(_going(job_id).values(plan=plan, questions=questions, state="waiting"))

    def finish(
        self,
        job_id: int,
        state: JobState,
        result: dict[str, Any] | None = None,
        error: str | None = None,
        message: str = "",
    ) -> None:
        """Record the end of a job; ``result`` as in ``update``."""

        def work(tx: Transaction) -> None:
            values: dict[str, Any] = {"state": state, "error": error, "message": message}
            values |= {"ended_at": self._database.clock(), "questions": None}
            values["result"] = (_result(tx, job_id) | (result or {})) or None
            values |= {"progress": 1.0} if state == "succeeded" else {}
            tx.execute(update(jobs).where(jobs.c.job_id == job_id).values(values))

        self._database.write(work)

    def get(self, job_id: int) -> JobRecord:
        """One job.

        Raises:
            NotStored: there is no such job.
        """
        for record in self._select(JobRecord, select(jobs).where(jobs.c.job_id == job_id)):
            return record
        raise NotStored(f"There is no job {job_id}.")

    def newest(self, limit: int, kinds: Sequence[str]) -> list[JobRecord]:
        """Jobs of these kinds, newest first."""
        some = select(jobs).where(jobs.c.kind.in_(kinds))
        return self._select(JobRecord, some.order_by(jobs.c.job_id.desc()).limit(limit))

    def unfinished(self) -> list[JobRecord]:
        """Jobs that have not ended, also those that wait for answers; oldest first."""
        return self._select(JobRecord, select(jobs).where(jobs.c.state.in_(UNFINISHED)).order_by(jobs.c.job_id))


def _going(job_id: int) -> Update:
    return update(jobs).where(jobs.c.job_id == job_id, jobs.c.ended_at.is_(None))


def _result(connection: Connection, job_id: int) -> dict[str, Any]:
    return dict(connection.execute(select(jobs.c.result).where(jobs.c.job_id == job_id)).scalar() or {})

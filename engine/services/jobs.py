"""Jobs as pages and routes see them: imports, their undoing, and lists that Apache Spark writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.data.plan import Plan, Question
from engine.services.import_task import ImportResult, RejectedRows
from engine.services.records import shared
from store.jobs import JobStore
from store.records import JobRecord, JobState

IMPORTS = ("import", "demo", "undo")
LISTS = "lists"
"""Kinds of jobs."""


@dataclass(frozen=True, slots=True)
class WrittenLists:
    """Everybody's list, as Apache Spark writes it.

    Attributes:
        version: the version of which they are.
        n: maximum length of a list.
        users: number of people with a list.
        path: the folder of Parquet files, as Spark names it.
    """

    version: int
    n: int
    users: int
    path: str


@dataclass(frozen=True, slots=True)
class Job(JobRecord):
    """A job: an import, its undoing, or lists.

    Attributes:
        progress: 0..1.
        message: the current step.
        plan: what the files are and what will be done, as soon as it is known.
        questions: what has to be answered while the job waits.
        result: what an import did.
        lists: what a job on Apache Spark writes, and where.
    """

    plan: Plan | None  # type: ignore[assignment]  # JSON in the store
    questions: list[Question] | None  # type: ignore[assignment]
    result: ImportResult | None  # type: ignore[assignment]
    lists: WrittenLists | None = None


@dataclass(frozen=True)
class JobEnd:
    """End of a job: its state, the error where it failed, a summary, and the result."""

    state: JobState
    error: str | None
    message: str
    result: dict[str, Any]


def store_end(jobs: JobStore, job_id: int, end: JobEnd) -> None:
    """Record the end of a job."""
    jobs.finish(job_id, end.state, result=end.result, error=end.error, message=end.message)


def read_job(record: JobRecord) -> Job:
    """A job from its record."""
    of_lists = record.kind == LISTS
    questions = record.questions
    return Job(
        **shared(record, Job)
        | {
            "plan": None if record.plan is None else Plan.model_validate(record.plan),
            "questions": None if questions is None else [Question.model_validate(one) for one in questions],
            "result": None if of_lists else _result(record.result),
            "lists": WrittenLists(**record.result) if of_lists and record.result else None,
        }
    )


def _result(stored: dict[str, Any] | None) -> ImportResult | None:
    if not stored:
        return None
    known = {name: value for name, value in stored.items() if name in ImportResult.__slots__}
    rejected = tuple(
        RejectedRows(row["code"], row["reason"], row["rows"], tuple(row["lines"]), tuple(row["examples"]))
        for row in stored.get("rejected", ())
        if "code" in row
    )
    return ImportResult(**{**known, "rejected": rejected})

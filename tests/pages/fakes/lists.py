"""The fake lists on Spark: one job that a test lets run and end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.services.jobs import Job, WrittenLists
from engine.services.records import JobState
from tests.pages.fakes.data import NOW

PATH = "/srv/marquee.db.spark/lists-6-1f09ac3e"


@dataclass
class FakeSparkLists:
    of_spark: bool = False
    refused: str = ""
    held: Job | None = None
    written: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)

    def applies(self) -> bool:
        return self.of_spark

    def refusal(self) -> str:
        return self.refused

    def newest(self) -> Job | None:
        return self.held

    def write(self, n: int = 10) -> int:
        self.written.append(n)
        self.held = Job(
            job_id=6,
            kind="lists",
            state=JobState.RUNNING,
            progress=0.6,
            message="Making everybody's list on Spark",
            result=None,
            error=None,
            created_at=NOW,
            ended_at=None,
            plan=None,
            questions=None,
            lists=WrittenLists(3, n, 0, PATH),
        )
        return 6

    def cancel(self, job_id: int) -> None:
        self.cancelled.append(job_id)
        self.end("cancelled", "Cancelled; nothing was kept.")

    def end(self, state: str = "succeeded", error: str | None = None) -> None:
        assert self.held is not None
        message = "Lists of up to 10 movies for 671 people are written as Parquet." if state == "succeeded" else ""
        self.held = replace(self.held, state=JobState(state), message=message, error=error, ended_at=NOW)

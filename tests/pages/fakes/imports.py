"""The fake imports: jobs that a test lets scan and end, and a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.data.plan import (
    Choice,
    DatesPlan,
    FilePlan,
    ImportOptions,
    MovieCounts,
    Plan,
    Preview,
    Question,
    RejectedCounts,
    ScalePlan,
    UserCounts,
)
from engine.errors import Conflict, InvalidInput, MarqueeError, UnknownJob
from engine.services.import_task import ImportResult, RejectedRows
from engine.services.jobs import Job
from engine.services.records import JobState
from engine.services.uploads import UploadedFile
from store.records import ImportRecord, ImportState
from tests.pages.fakes.data import NOW, TRICKY

PREVIEW = Preview(
    file="ratings.csv",
    names=["who", TRICKY, "when", "mark"],
    rows=[["ann", "The Matrix", "2024-01-02", "9"], ["ben", TRICKY, "2024-01-03", "7"]],
    columns={"user": 0, "movie": 1, "rating": 3},
    fixed=False,
)

PLAN = Plan(
    files=[
        FilePlan(name="ratings.csv", source="Letterboxd", role="ratings", why="It holds ratings.", encoding="utf-8",
                 delimiter=",", header=True, rows=1842, columns={"title": "Name"}),
        FilePlan(name="deleted/diary.csv", source="Letterboxd", role="ignored", why=TRICKY),
    ],
    scale=ScalePlan(found=[1, 10], origin="source", mapping="1 to 10 becomes 0.5 to 5.", examples=[[10, 5], [7, 3.5]]),
    dates=DatesPlan(form="iso", first="2011-03-01", last="2024-01-03", unreadable=1),
    users=UserCounts(known=0, new=1),
    movies=MovieCounts(known=1200, matched=40, unsure=2, new=120),
    ratings=1842,
    rejected=[RejectedCounts(code="movie_missing", reason="The movie is missing.", rows=3, examples=[TRICKY])],
    unrated=12,
    preview=PREVIEW,
    unsure=[
        {"movie": "Sevn (1995)", "known": "47", "title": "Seven", "year": 1995},
        {"movie": "Alien (1979)", "known": "1214", "title": TRICKY, "year": 1979},
    ],
)  # fmt: skip

QUESTIONS: dict[str, Question] = {
    question.code: question
    for question in (
        Question(
            code="encoding",
            text="In which encoding is the text?",
            choices=[
                Choice(value="cp1251", label="cp1251", consequence="The text reads: Сталкер"),
                Choice(value="cp1252", label="cp1252", consequence="The text reads: Ñòàëêåð"),
            ],
            suggestion="cp1251",
        ),
        Question(code="columns", text="Which columns?", choices=[], suggestion=None),
        Question(code="user", text="Whose ratings are these?", choices=[], suggestion="reelreader"),
        Question(
            code="dates",
            text="Is the day or the month first?",
            choices=[
                Choice(value="dmy", label="Day first", consequence="1/2/2024 is 2024-02-01."),
                Choice(value="mdy", label="Month first", consequence="1/2/2024 is 2024-01-02."),
            ],
        ),
        Question(
            code="scale",
            text="On which scale are the ratings?",
            choices=[
                Choice(value=[1, 10], label="1 to 10", consequence="10 becomes 5, 7 becomes 3.5"),
                Choice(value=[0, 100], label="0 to 100", consequence="10 becomes 0.95, 7 becomes 0.82"),
            ],
            suggestion=[1, 10],
        ),
        Question(
            code="catalogue",
            text="Are these the same movies?",
            choices=[
                Choice(value="separate", label="Another catalogue", consequence="Kept apart."),
                Choice(value="same", label="The same movies", consequence="Ratings go to the same ids."),
            ],
            suggestion="separate",
        ),
        Question(code="matches", text="Are these the same movies?", choices=[], suggestion={}),
    )
}  # fmt: skip
"""A question of each kind."""

RESULT = ImportResult(
    import_id=3,
    ratings_added=1830,
    ratings_updated=3,
    ratings_unchanged=9,
    users_added=1,
    movies_added=120,
    movies_matched=1240,
    unrated=12,
    rows_rejected=3,
    rejected=(
        RejectedRows("movie_missing", "The movie is missing.", 3, ({"file": "ratings.csv", "line": 7},), (TRICKY,)),
    ),
    times_unknown=1,
)


def record(import_id: int, **changes: Any) -> ImportRecord:
    """An import in the history."""
    base = ImportRecord(
        import_id=import_id,
        job_id=import_id,
        state=ImportState.DONE,
        user_key=None,
        files=[{"name": f"ratings-{import_id}.csv", "sha256": "9f1c" * 16, "source": "Table"}],
        choices={"scale": [1, 10], "columns": {"user": "who"}},
        counts={"ratings_added": 1830, "ratings_updated": 3, "movies_added": 120, "rows_rejected": 2},
        created_at=NOW - 3600 * (10 - import_id),
        ended_at=NOW,
        undone_at=None,
    )
    return replace(base, **changes)


@dataclass
class FakeImports:
    """Jobs run until a test calls ``scan``, which lets them ask or wait, and ``end``.

    Attributes:
        rounds: what the next scans ask.
        held: jobs, newest first.
        ordered: names and contents of files, and the options, of each order.
    """

    plan: Plan = field(default_factory=lambda: PLAN)
    rounds: list[list[Question]] = field(default_factory=list)
    held: list[Job] = field(default_factory=list)
    records: list[ImportRecord] = field(default_factory=list)
    ordered: list[tuple[dict[str, bytes], ImportOptions]] = field(default_factory=list)
    answered: list[dict[str, Any]] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    fails: MarqueeError | None = None
    demo: bool = True

    def has_demo(self) -> bool:
        return self.demo

    def import_demo(self) -> int:
        return self._start("demo")

    def import_files(self, files: Sequence[UploadedFile], options: ImportOptions | None = None) -> int:
        self.ordered.append(({file.name: file.stream.read() for file in files}, options or ImportOptions()))
        return self._start("import")

    def answer(self, job_id: int, answers: Mapping[str, Any]) -> int:
        job = self.job(job_id)
        if job.state != JobState.WAITING:
            raise Conflict(f"Job {job_id} does not wait for answers; it is {job.state}.")
        if set(answers) != {question.code for question in job.questions or ()}:
            raise InvalidInput(f"The answers are {sorted(answers)}.", field="answers")
        self.answered.append(dict(answers))
        self._put(replace(job, state=JobState.RUNNING, questions=None))
        return job_id

    def undo(self, import_id: int) -> int:
        self.undone.append(import_id)
        return self._start("undo")

    def cancel_job(self, job_id: int) -> None:
        job = self.job(job_id)
        if not job.state.is_finished:
            self._put(replace(job, state=JobState.CANCELLED, error="Nothing of it was kept.", questions=None))

    def job(self, job_id: int) -> Job:
        for job in self.held:
            if job.job_id == job_id:
                return job
        raise UnknownJob(f"There is no job {job_id}.")

    def jobs(self, limit: int = 20) -> list[Job]:
        return self.held[:limit]

    def batches(self, limit: int = 100) -> list[ImportRecord]:
        return self.records[:limit]

    def scan(self, job_id: int | None = None) -> None:
        """Let a job, the newest by default, go as far as its next question, or to its plan."""
        job = self.held[0] if job_id is None else self.job(job_id)
        asked = self.rounds.pop(0) if self.rounds else []
        self._put(replace(job, state=JobState.WAITING, plan=self.plan, questions=asked))

    def end(self, state: str = "succeeded", error: str | None = None, result: ImportResult | None = RESULT) -> None:
        """End the newest job."""
        job = self.held[0]
        result = result if state == "succeeded" and job.kind != "undo" else None
        message = "1,842 of 1,845 ratings imported."
        self._put(
            replace(job, state=JobState(state), progress=1.0, message=message, error=error, result=result, ended_at=NOW)
        )

    def _start(self, kind: str) -> int:
        if self.fails:
            raise self.fails
        number = 9 + len(self.held)
        job = Job(number, kind, JobState.RUNNING, 0.42, "Reading ratings.csv", None, None, NOW, None, None, None)
        self.held.insert(0, job)
        return number

    def _put(self, job: Job) -> None:
        self.held = [job if one.job_id == job.job_id else one for one in self.held]

"""The logs of what was trained, imported and told."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import StatementError

from store import schema
from store.database import Database
from store.errors import NotStored
from store.jobs import JobStore
from store.notices import NoticeStore
from store.records import EpochRecord, JobState, State
from store.runs import RunStore
from tests.store.conftest import Clock


def test_a_run_from_order_to_end(database: Database, clock: Clock) -> None:
    runs = RunStore(database)
    run_id = runs.create("svd", {"epochs": 3}, "always", 7, "ann")
    current = runs.current()
    assert current is not None
    assert (current.run_id, current.state, current.started_at) == (run_id, "queued", None)
    clock.now += 1
    runs.start(run_id)
    runs.stage(run_id, "Learning")
    epochs = tuple(EpochRecord(n, 3, 1 / n, None if n == 1 else 0.9, 0.1) for n in (1, 2, 3))
    for record in epochs:
        runs.epoch(run_id, record)
    runs.finish(
        run_id, State.SUCCEEDED, version=4, metrics={"rmse": {"value": 0.9}}, verdict="It serves.", stage="Done"
    )
    found = runs.get(run_id)
    assert (found.state, found.version, found.verdict, found.epochs) == (State.SUCCEEDED, 4, "It serves.", epochs)
    assert (found.started_at, found.hyperparameters, found.seed) == (clock.now, {"epochs": 3}, 7)
    assert runs.current() is None


def test_a_run_left_by_a_stopped_process_is_marked_failed_and_the_queue_stays(database: Database) -> None:
    runs = RunStore(database)
    done, going, waiting = (runs.create("svd", {}, "never", 0, "ann") for _ in range(3))
    runs.finish(done, State.SUCCEEDED, "Done")
    runs.start(going)
    assert runs.recover("The process was stopped.") == [going]
    assert [run.run_id for run in runs.queued()] == [waiting]
    assert [(record.state, record.error) for record in runs.newest()] == [
        ("queued", None),
        ("failed", "The process was stopped."),
        (State.SUCCEEDED, None),
    ]


def test_runs_are_read_page_by_page_and_by_who_asked_for_them(database: Database) -> None:
    runs = RunStore(database)
    first, second, third = (runs.create("svd", {}, "never", 0, actor) for actor in ("you", "schedule", "rule"))
    assert [run.run_id for run in runs.newest(2)] == [third, second]
    assert [run.run_id for run in runs.newest(2, before=second)] == [first]
    assert [run.run_id for run in runs.newest(actors=("schedule", "rule"))] == [third, second]
    assert [run.run_id for run in runs.newest(1, before=third, actors=("schedule", "rule"))] == [second]


def test_a_run_that_has_ended_stays_as_it_is(database: Database) -> None:
    runs = RunStore(database)
    run_id = runs.create("svd", {}, "never", 0, "ann", note="for the club", repeats=3)
    runs.finish(run_id, State.SUCCEEDED, "Done", version=4)
    runs.finish(run_id, State.FAILED, "Failed", error="The version could not be loaded.")
    found = runs.get(run_id)
    assert (found.state, found.version, found.error) == (State.SUCCEEDED, 4, None)
    assert (found.note, found.repeats) == ("for the club", 3)


def test_an_unknown_run_or_job(database: Database) -> None:
    with pytest.raises(NotStored):
        RunStore(database).get(1)
    with pytest.raises(NotStored):
        JobStore(database).get(1)


def test_a_job_from_order_to_end(database: Database, clock: Clock) -> None:
    jobs = JobStore(database)
    job_id = jobs.create("import", "Waiting")
    jobs.update(job_id, 0.5, "Reading")
    assert (jobs.get(job_id).state, jobs.get(job_id).progress) == ("running", 0.5)
    jobs.finish(job_id, JobState.SUCCEEDED, result={"ratings_added": 3})
    found = jobs.get(job_id)
    assert (found.state, found.progress, found.result, found.ended_at) == (
        JobState.SUCCEEDED,
        1.0,
        {"ratings_added": 3},
        clock.now,
    )
    other = jobs.create("import", "Waiting")
    jobs.update(other, 0.5, "Reading", {"rows_rejected": 3, "users_added": 5})
    jobs.update(other, 0.6, "Reading", {"rows_rejected": 4})
    lists = jobs.create("lists", "Waiting")
    assert [record.job_id for record in jobs.newest(5, ("import", "lists"))] == [lists, other, job_id]
    assert [record.job_id for record in jobs.newest(5, ("import",))] == [other, job_id]
    jobs.finish(lists, JobState.FAILED)
    assert jobs.unfinished() == [jobs.get(other)]
    assert jobs.get(other).result == {"rows_rejected": 4, "users_added": 5}


def test_a_job_waits_for_answers_and_goes_on(database: Database) -> None:
    jobs = JobStore(database)
    job_id = jobs.create("import", "Waiting")
    jobs.ask(job_id, {"unrated": 1}, [{"code": "scale"}])
    asked = jobs.get(job_id)
    assert (asked.state, asked.plan, asked.questions) == (JobState.WAITING, {"unrated": 1}, [{"code": "scale"}])
    assert not asked.state.is_finished
    jobs.plan(job_id, {"unrated": 2})
    jobs.update(job_id, 0.5, "Importing")
    going = jobs.get(job_id)
    assert (going.state, going.plan, going.questions) == (JobState.RUNNING, {"unrated": 2}, None)
    jobs.finish(job_id, JobState.SUCCEEDED)
    jobs.ask(job_id, {}, [])
    assert (jobs.get(job_id).state, jobs.get(job_id).plan) == (JobState.SUCCEEDED, {"unrated": 2})


def test_the_end_of_a_job_that_waits_for_answers_drops_its_questions(database: Database) -> None:
    jobs = JobStore(database)
    job_id = jobs.create("import", "Waiting")
    jobs.ask(job_id, {}, [{"code": "scale"}])
    assert [job.job_id for job in jobs.unfinished()] == [job_id]
    jobs.finish(job_id, JobState.FAILED, error="Marquee was stopped.")
    found = jobs.get(job_id)
    assert (found.state, found.error, found.questions) == (JobState.FAILED, "Marquee was stopped.", None)
    assert jobs.unfinished() == []


def test_a_late_word_of_a_job_does_not_bring_it_back(database: Database) -> None:
    jobs = JobStore(database)
    job_id = jobs.create("import", "Waiting")
    jobs.finish(job_id, JobState.CANCELLED, message="Stopped")
    jobs.update(job_id, 0.7, "Reading")
    assert (jobs.get(job_id).state, jobs.get(job_id).message) == ("cancelled", "Stopped")


def test_what_json_cannot_say_is_refused(database: Database) -> None:
    """NaN would make the row unreadable for others."""
    jobs = JobStore(database)
    job_id = jobs.create("import", "Waiting")
    with pytest.raises(StatementError, match="not JSON compliant"):
        jobs.finish(job_id, JobState.SUCCEEDED, result={"value": float("nan")})
    assert jobs.get(job_id).state == "queued"


def test_notices_are_unread_until_read(database: Database) -> None:
    notices = NoticeStore(database)
    for level in ("info", "warning", "error"):
        notices.add(level, "training", f"a {level}", {"run_id": 1})
    assert notices.unread_count() == 2  # what needs no action is read from the start
    newest = notices.newest()
    assert [notice.level for notice in newest] == ["error", "warning", "info"]
    notices.mark_read([newest[0].notice_id])
    assert [notice.text for notice in notices.newest(unread_only=True)] == ["a warning"]
    assert [notice.text for notice in notices.newest(before=newest[1].notice_id)] == ["a info"]
    assert [notice.level for notice in notices.newest(levels=("warning", "error"))] == ["error", "warning"]
    database.execute(schema.notices.update().values(read_at=None))  # as earlier releases left them
    assert notices.unread_count() == 2
    assert [notice.is_unread for notice in notices.newest()] == [True, True, False]
    notices.mark_read()
    assert notices.unread_count() == 0

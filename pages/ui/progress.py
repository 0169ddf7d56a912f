"""Background work: live parts of a page, progress bars, and when a whole page is out of date."""

from collections.abc import Callable

import streamlit as st

from engine.services import Services, current
from engine.services.jobs import Job
from engine.services.records import JobState
from engine.services.training import TrainingStatus
from pages.ui import session
from pages.ui.escape import text
from pages.ui.format import roughly
from pages.ui.page import errors_shown

EVERY_S, IDLE_S = 1.0, 5.0
"""Refresh intervals while work is in progress, and while there is none."""
KINDS = {"import": "Import", "demo": "Demo import", "undo": "Undo", "lists": "Lists on Spark"}
IN_PROGRESS = (JobState.QUEUED, JobState.RUNNING)
LEARNING = "Learning"
NO_BREAK = "\N{NO-BREAK SPACE}"


def running_job(services: Services) -> Job | None:
    """The job in progress; of several, which run one after another, the oldest."""
    going = [job for job in services.imports.jobs() if job.state in IN_PROGRESS]
    return going[-1] if going else None


def waiting_jobs(services: Services) -> list[Job]:
    """The imports that wait for answers, newest first."""
    return [job for job in services.imports.jobs() if job.state == JobState.WAITING]


def expecting(services: Services) -> bool:
    """Whether work is in progress or about to be: the first training starts automatically after the first import."""
    if services.training.current() is not None or running_job(services) is not None:
        return True
    first = services.serving.active_version() is None and not services.training.runs(limit=1)
    return first and services.library.counts().ratings > 0


def every(services: Services) -> float:
    """Seconds between refreshes."""
    loading = services.serving.active_version() != services.versions.activated()
    busy = loading or services.tuning.current() is not None or expecting(services)
    return EVERY_S if busy else IDLE_S


def situation(services: Services) -> tuple[object, ...]:
    """Everything that background work changes and pages depend on; a page drawn in another situation is out of date."""
    run, study = services.training.current(), services.tuning.current()
    return (
        services.serving.active_version(),
        services.versions.activated(),
        None if run is None else (run.run_id, run.state),
        sorted(services.training.counts().items()),
        [(job.job_id, job.state) for job in services.imports.jobs(limit=5)],
        None if study is None else (study.study_id, study.state),
        [notice.notice_id for notice in services.inbox.notices(1)],
        services.library.counts().ratings > 0,
    )


def live(draw: Callable[[], object], *, every_s: float | None) -> None:
    """Draw a part of a page, and redraw it every few seconds (None: never)."""

    def part() -> None:
        with errors_shown():
            current()
            draw()

    st.fragment(part, run_every=every_s)()


def watch(services: Services, draw: Callable[[], object]) -> None:
    """Keep redrawing a part of a page, and rerun the whole page when it is out of date and no dialog is open."""
    drawn, every_s = situation(services), every(services)

    def part() -> None:
        outdated = False
        with errors_shown():
            current()
            draw()
            outdated = situation(services) != drawn or every(services) != every_s
        if outdated and not st.session_state.get(session.DIALOG):
            st.rerun()

    st.fragment(part, run_every=every_s)()


def watch_person(services: Services, user_id: str) -> None:
    """Rerun the page once this person's ratings change elsewhere; to be called before anything is drawn of them."""
    drawn = services.library.mark(user_id)

    def part() -> None:
        if services.library.mark(user_id) != drawn and not st.session_state.get(session.DIALOG):
            st.rerun()

    live(part, every_s=IDLE_S)


def training_bar(run: TrainingStatus) -> None:
    """Progress of a run: step, epoch and time left, as far as they are known."""
    parts = [text(run.stage) or ("Waiting to start" if run.state == "queued" else "Working")]
    if run.step is not None:
        parts.insert(0, f"Step {run.step} of {run.steps}")
    if run.epoch and run.stage.endswith(LEARNING):
        parts.append(f"epoch {run.epoch} of up to {run.epochs}")
    if run.eta_s is not None:
        parts.append(time_left(run.eta_s))
    _bar(run.progress, " · ".join(parts))


def short_training_bar(run: TrainingStatus) -> None:
    """The same in two short lines of fixed height."""
    st.caption(f"Training run {run.run_id}" + ("" if run.step is None else f", step {run.step} of {run.steps}"))
    _bar(run.progress, "In progress" if run.eta_s is None else time_left(run.eta_s).capitalize())


def time_left(seconds: float) -> str:
    """Time left, kept on one line."""
    return f"{roughly(seconds)} left".replace(" ", NO_BREAK)


def _bar(progress: float | None, label: str) -> None:
    st.progress(min(max(progress or 0.0, 0.0), 1.0), text=label)


def job_bar(job: Job) -> None:
    """Message and progress of a job."""
    _bar(job.progress, f"{job_name(job)} · {text(job.message)}")


def job_name(job: Job) -> str:
    """Label of a kind of job."""
    return KINDS.get(job.kind, text(job.kind.replace("_", " ").capitalize()))

"""What goes on in the background: parts of a page that follow it, and when a whole page is out of date."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from engine.services import Services, current
from engine.services.library import Job
from engine.services.training import TrainingStatus
from pages.ui.escape import text
from pages.ui.format import roughly
from pages.ui.page import errors_shown

EVERY_S, IDLE_S = 1.0, 5.0
"""How often a part is drawn again while something goes on, and while nothing does."""
GOING = ("queued", "running")
KINDS = {"import": "Import", "demo": "Demo import"}
LEARNING = "Learning"
NO_BREAK = "\N{NO-BREAK SPACE}"


def running_job(services: Services) -> Job | None:
    """The newest job that has not ended."""
    return next((job for job in services.library.jobs(limit=5) if job.state in GOING), None)


def expecting(services: Services) -> bool:
    """Whether something goes on, or is about to: the first training starts by itself after the first import."""
    if services.training.current() is not None or running_job(services) is not None:
        return True
    first = services.serving.active_version() is None and not services.training.runs(limit=1)
    return first and services.library.counts().ratings > 0


def every(services: Services) -> float:
    """Seconds after which what follows the background is to be drawn again."""
    loading = services.serving.active_version() != services.versions.activated()
    going = loading or services.tuning.current() is not None or expecting(services)
    return EVERY_S if going else IDLE_S


def situation(services: Services) -> tuple[object, ...]:
    """What background work changes and whole pages depend on. A page that was drawn in another one is out of date."""
    run, study = services.training.current(), services.tuning.current()
    return (
        services.serving.active_version(),
        services.versions.activated(),
        None if run is None else (run.run_id, run.state),
        sorted(services.training.counts().items()),
        [(job.job_id, job.state) for job in services.library.jobs(limit=5)],
        None if study is None else (study.study_id, study.state),
        [notice.notice_id for notice in services.inbox.notices(1)],
        services.library.counts().ratings > 0,
    )


def live(draw: Callable[[], object], *, every_s: float | None) -> None:
    """Draw a part of a page, and again every few seconds (None: never)."""

    def part() -> None:
        with errors_shown():
            current()
            draw()

    st.fragment(part, run_every=every_s)()


def watch(services: Services, draw: Callable[[], object]) -> None:
    """Draw a part of every page again and again, and the whole page once it is out of date."""
    drawn, every_s = situation(services), every(services)

    def part() -> None:
        outdated = False
        with errors_shown():
            current()
            draw()
            outdated = situation(services) != drawn or every(services) != every_s
        if outdated:
            st.rerun()

    st.fragment(part, run_every=every_s)()


def training_bar(run: TrainingStatus) -> None:
    """How far a run is: its step, its epoch while there are more to come, and the time left where that is known."""
    told = [text(run.stage) or ("Waiting to start" if run.state == "queued" else "Working")]
    if run.step is not None:
        told.insert(0, f"Step {run.step} of {run.steps}")
    if run.epoch and run.stage.endswith(LEARNING):
        told.append(f"epoch {run.epoch} of at most {run.epochs}")
    if run.eta_s is not None:
        told.append(left(run.eta_s))
    _bar(run.progress, " · ".join(told))


def short_training_bar(run: TrainingStatus) -> None:
    """The same in two short lines, so that nothing below moves from step to step."""
    st.caption(f"Training run {run.run_id}" + ("" if run.step is None else f", step {run.step} of {run.steps}"))
    _bar(run.progress, "Under way" if run.eta_s is None else left(run.eta_s).capitalize())


def left(seconds: float) -> str:
    """The time left, in one piece where a line breaks."""
    return f"{roughly(seconds)} left".replace(" ", NO_BREAK)


def _bar(progress: float | None, told: str) -> None:
    st.progress(min(max(progress or 0.0, 0.0), 1.0), text=told)


def job_bar(job: Job) -> None:
    """Message and progress of a job."""
    _bar(job.progress, f"{job_name(job)} · {text(job.message)}")


def job_name(job: Job) -> str:
    """What kind of job it is, for people."""
    return KINDS.get(job.kind, text(job.kind.replace("_", " ").capitalize()))

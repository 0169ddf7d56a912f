"""What goes on in the background, drawn again every second or two while it does, and only then."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from engine.services import Services, current
from engine.types import Job, TrainingStatus
from pages.ui.failures import shown
from pages.ui.moments import duration
from pages.ui.plain import text

EVERY_S = 1.0
SHORTEST_S = 1.0
"""Less than this is not worth telling."""
GOING = ("queued", "running")
KINDS = {"import": "Import", "demo": "Demo import"}


def running_job(services: Services) -> Job | None:
    """The newest job that has not ended."""
    return next((job for job in services.library.jobs(limit=5) if job.state in GOING), None)


def expecting(services: Services) -> bool:
    """Whether something goes on, or is about to: the first training starts by itself after the first import."""
    if services.training.current() is not None or running_job(services) is not None:
        return True
    first = services.serving.active_version() is None and not services.training.runs(limit=1)
    return first and services.library.statistics().ratings > 0


def live(draw: Callable[[], bool], *, going: bool) -> None:
    """Draw a part of the page; while ``going``, again every second.

    Args:
        draw: draws, and says whether it still goes on. When it no longer does, the whole page is drawn once more.
        going: whether it goes on now.
    """

    def part() -> None:
        goes_on = True
        with shown():
            current()
            goes_on = draw()
        if going and not goes_on:
            st.rerun()

    st.fragment(part, run_every=EVERY_S if going else None)()


def training_bar(run: TrainingStatus) -> None:
    """How far a run is, its stage, its epoch while there are more to come, and the time left where that is known."""
    told = [run.stage or ("Waiting to start" if run.state == "queued" else "Working")]
    if run.epochs and (not run.stage or run.stage.endswith("Learning")):
        told.append(f"epoch {run.epoch} of at most {run.epochs}")
    if run.eta_s is not None and run.eta_s >= SHORTEST_S:
        told.append(f"about {duration(run.eta_s)} left")
    st.progress(min(max(run.progress or 0.0, 0.0), 1.0), text=text(" · ".join(told)))


def job_bar(job: Job) -> None:
    """Message and progress of a job."""
    st.progress(min(max(job.progress, 0.0), 1.0), text=f"{job_name(job)} · {text(job.message)}")


def job_name(job: Job) -> str:
    """What kind of job it is, for people."""
    return KINDS.get(job.kind, text(job.kind.replace("_", " ").capitalize()))

"""Overview: what Marquee holds, what serves, what goes on, and what to do next."""

from __future__ import annotations

import streamlit as st

from engine.services import Services, current
from pages.ui import charts, keys, measures, next_steps, notices, progress
from pages.ui.failures import shown
from pages.ui.intake import import_panel, import_result
from pages.ui.moments import day, when
from pages.ui.page import opening
from pages.ui.plain import text


def counts(services: Services) -> None:
    """How much data there is, and since when."""
    held = services.library.statistics()
    grid = st.grid(4, min_column_width=150, border=True)
    grid.metric(
        "Ratings", f"{held.ratings:,}", help=f"Part of all user-movie pairs that are rated: {held.density:.2%}."
    )
    grid.metric("Users", f"{held.users:,}")
    grid.metric("Movies", f"{held.movies:,}")
    grid.metric("Mean rating", "–" if held.mean_rating is None else f"{held.mean_rating:.2f}")


def going(services: Services) -> bool:
    """The job or training that runs, with a way to stop it."""
    job, run = progress.running_job(services), services.training.current()
    with shown():
        if job is not None:
            progress.job_bar(job)
            if st.button("Cancel the import", icon=":material/stop_circle:"):
                services.library.cancel_job(job.job_id)
        if run is not None:
            progress.training_bar(run)
            if st.button("Cancel the training", icon=":material/stop_circle:"):
                services.training.cancel(run.run_id)
    return job is not None or run is not None


services = current()
opening("Overview", "What Marquee holds, which version serves, and what to do next.")
counts(services)
importing = progress.running_job(services) is not None
busy = importing or services.training.current() is not None
progress.live(lambda: going(services), going=busy)
if (job_id := st.session_state.get(keys.IMPORT_JOB)) is not None:
    with shown():
        import_result(services.library.job(job_id))
next_steps.next_steps(services, busy=busy)
held = services.library.statistics()
if not held.ratings:
    import_panel(services.library, busy=importing)
    st.stop()

active = services.versions.active()
if active is not None:
    st.subheader(f"Version {active.version} serves", anchor=False)
    st.caption(
        f"Trained {text(when(active.created_at))} on {active.ratings:,} ratings; measured on ratings held out from it."
    )
    measures.tiles(active.metrics)

st.subheader("Ratings", anchor=False)
st.caption(f"Given between {day(held.first_rated_at)} and {day(held.last_rated_at)}.")
charts.rating_distribution(held.rating_counts)

st.subheader("Notices", anchor=False)
notices.notices(services)
st.subheader("Import more", anchor=False)
import_panel(services.library, busy=importing)

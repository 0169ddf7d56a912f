"""Overview: what Marquee holds, what serves, what goes on, and what to do next."""

from __future__ import annotations

import streamlit as st

from engine.services import Services, current
from engine.services.lookup import DataStatistics
from pages.panels.overview_import import import_panel, import_result
from pages.ui import charts, metrics, next_steps, notices, progress, session
from pages.ui.escape import text
from pages.ui.format import rated_between, when
from pages.ui.page import errors_shown, page_header


def counts(services: Services, held: DataStatistics, *, importing: bool) -> None:
    """How much data there is; while an import writes, nobody waits for users and movies to be counted exactly."""
    stored = services.library.counts()
    users, movies = (stored.users, stored.movies) if importing else (held.users, held.movies)
    rated = stored.ratings / max(users * movies, 1)
    grid = st.grid(4, min_column_width=150, border=True)
    grid.metric("Ratings", f"{stored.ratings:,}", help=f"Part of all user-movie pairs that are rated: {rated:.2%}.")
    grid.metric("Users", f"{users:,}")
    grid.metric("Movies", f"{movies:,}")
    grid.metric("Mean rating", "–" if held.mean_rating is None else f"{held.mean_rating:.2f}")


def going(services: Services) -> None:
    """The job or training that runs, with a way to stop it."""
    job, run = progress.running_job(services), services.training.current()
    with errors_shown():
        if job is not None:
            progress.job_bar(job)
            if st.button("Cancel the import", icon=":material/stop_circle:"):
                services.library.cancel_job(job.job_id)
        if run is not None:
            st.markdown(f"**Training run {run.run_id}**")
            progress.training_bar(run)
            if st.button("Cancel the training", icon=":material/stop_circle:"):
                services.training.cancel(run.run_id)


def follow(services: Services, held: DataStatistics, *, importing: bool) -> None:
    """What changes while something goes on."""
    counts(services, held, importing=importing)
    going(services)


services = current()
page_header("Overview", "What Marquee holds, which version serves, and what to do next.")
importing, busy = progress.running_job(services) is not None, progress.expecting(services)
held = services.library.statistics(fresh=not importing)
progress.live(lambda: follow(services, held, importing=importing), every_s=progress.EVERY_S if busy else None)
if (job_id := st.session_state.get(session.IMPORT_JOB)) is not None:
    with errors_shown():
        import_result(services.library.job(job_id))
next_steps.next_steps(services, busy=busy)
if not services.library.counts().ratings:
    import_panel(services.library, busy=importing)
    st.stop()

active = services.versions.active()
if active is not None:
    st.subheader(f"Version {active.version} serves", anchor=False)
    st.caption(
        f"Trained {text(when(active.created_at))} on {active.ratings:,} ratings; measured on ratings held out from it."
    )
    metrics.tiles(active.metrics)

st.subheader("Ratings", anchor=False)
if held.ratings:
    st.caption(rated_between(held.first_rated_at, held.last_rated_at))
    charts.rating_distribution(held.rating_counts)
else:
    st.caption("The chart is drawn when the import has ended.")

st.subheader("Notices", anchor=False)
notices.notices(services)
st.subheader("Import more", anchor=False)
import_panel(services.library, busy=importing)

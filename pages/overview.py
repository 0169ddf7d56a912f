"""Overview: the data, the active version, work in progress and the next step."""

import time

import streamlit as st

from engine.services import Services, current
from engine.services.library import DataStatistics
from pages.panels import overview_health, overview_list, overview_version
from pages.ui import charts, next_steps, notices, preferences, progress, session
from pages.ui.format import rating_period
from pages.ui.page import errors_shown, page_header


def counts(services: Services, statistics: DataStatistics, *, importing: bool) -> None:
    """Size of the data. During an import the stored counts are shown: exact ones would be slow."""
    stored = services.library.counts()
    users, movies = (stored.users, stored.movies) if importing else (statistics.users, statistics.movies)
    density = stored.ratings / max(users * movies, 1)
    mean = statistics.mean_rating
    grid = st.grid(4, min_column_width=150, border=True)
    grid.metric("Ratings", f"{stored.ratings:,}", help=f"{density:.2%} of all pairs of person and movie are rated.")
    grid.metric("People", f"{users:,}")
    grid.metric("Movies", f"{movies:,}")
    if preferences.in_use():
        grid.metric("Likes", "–" if mean is None else f"{mean:.0%}", help="Share of likes among the preferences.")
    else:
        grid.metric("Mean rating", "–" if mean is None else f"{mean:.2f}")


def work(services: Services) -> None:
    """The running import or training, and buttons to cancel it."""
    job, run = progress.running_job(services), services.training.current()
    with errors_shown():
        if job is not None:
            progress.job_bar(job)
            if job.kind != "undo" and st.button(
                "Cancel import", key=session.CANCEL_IMPORT, icon=":material/stop_circle:"
            ):
                services.imports.cancel_job(job.job_id)
        if run is not None:
            st.markdown(f"**Training run {run.run_id}**")
            progress.training_bar(run)
            if st.button("Cancel training", key=session.CANCEL_RUN, icon=":material/stop_circle:"):
                services.training.cancel(run.run_id)


def live_part(services: Services, statistics: DataStatistics, *, importing: bool) -> None:
    """What changes while work is in progress."""
    counts(services, statistics, importing=importing)
    work(services)


services = current()
page_header("Overview", "Your data, the active version and what to do next.")
importing, busy = progress.running_job(services) is not None, progress.expecting(services)
statistics = services.library.statistics(fresh=not importing)
progress.live(lambda: live_part(services, statistics, importing=importing), every_s=progress.EVERY_S if busy else None)
next_steps.next_steps(services, busy=busy)
if not services.library.counts().ratings:
    st.stop()
with errors_shown():
    overview_list.somebodys_list(services)
if services.versions.active() is not None:
    st.header("Now", anchor=False)
progress.live(lambda: overview_health.health(services, time.time()), every_s=progress.every(services))
overview_version.active_version(services)

st.header("Ratings", anchor=False)
if statistics.ratings:
    scale = services.scale.current
    period = rating_period(statistics.first_rated_at, statistics.last_rated_at)
    st.caption(period if preferences.in_use() else f"{period} On a scale of {scale.low:g} to {scale.high:g}.")
    preferences.explain()
    charts.rating_distribution(statistics.rating_counts, scale)
    st.page_link("imports.py", label="Import or export ratings", icon=":material/upload_file:")
else:
    st.caption("The chart appears when the import is done.")

st.header("Notices", anchor=False)
notices.latest(services)

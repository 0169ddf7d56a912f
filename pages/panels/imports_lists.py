"""Everybody's list, written by Apache Spark: a button, its progress, and where the result is."""

import streamlit as st

from engine.services import Services
from engine.services.jobs import Job
from engine.services.records import JobState
from pages.ui import progress, session
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.page import errors_shown, rerun_with

MAX_LENGTH = 1000


def on_spark(services: Services) -> None:
    """Lists on Spark, where the active version was learned there, or lists were written before."""
    job, lists = services.spark_lists.newest(), services.spark_lists
    if services.serving.active_version() is None or (job is None and not lists.applies()):
        return
    st.markdown("##### Everybody's list from Spark")
    if job is not None and not job.state.is_finished:
        progress.live(lambda: _newest(services), every_s=progress.EVERY_S)
        return
    reason = lists.refusal()
    st.caption(
        reason or "Spark writes one folder of Parquet files, ordered by predicted rating. It replaces the lists before."
    )
    if not reason:
        _order(services)
    if job is not None:
        _outcome(job)


def _order(services: Services) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n = st.number_input("Movies for each person", 1, MAX_LENGTH, 10, key=session.LIST_LENGTH, width=180)
        if st.button("Write lists on Spark", key=session.WRITE_LISTS, icon=":material/playlist_add_check:"):
            with errors_shown():
                job_id = services.spark_lists.write(int(n))
                rerun_with(f"Job {job_id} writes the lists.")


def _newest(services: Services) -> None:
    """The job in progress; once it has ended the page is redrawn."""
    job = services.spark_lists.newest()
    if job is None or job.state.is_finished:
        st.rerun()
    progress.job_bar(job)
    if st.button("Cancel lists", key=session.CANCEL_LISTS, icon=":material/stop_circle:"):
        services.spark_lists.cancel(job.job_id)


def _outcome(job: Job) -> None:
    """How the newest job ended."""
    if job.state == JobState.FAILED:
        st.error(f"**Lists on Spark failed.** {text(job.error or '')}", icon=":material/error:")
    elif job.state == JobState.CANCELLED:
        st.warning(f"**Lists on Spark cancelled.** {text(job.error or '')}", icon=":material/cancel:")
    else:
        st.success(text(job.message), icon=":material/check_circle:")
        if job.lists is not None and job.lists.path:
            st.code(job.lists.path, language=None, wrap_lines=True)
            st.caption(f"Version {job.lists.version}, {when(job.ended_at or job.created_at)}.")

"""Import: bring ratings in, check what becomes of them, take imports back, and export what is stored."""

from __future__ import annotations

import streamlit as st

from engine.services import current
from engine.services.records import JobState
from pages.panels import imports_history, imports_lists, imports_order, imports_result, imports_start
from pages.panels.imports_review import review
from pages.ui.page import errors_shown, page_header
from pages.ui.progress import IN_PROGRESS

services = current()
page_header(
    "Import", "Bring in ratings from other sites or your own tables. You check the result before anything is written."
)
job = imports_order.followed(services.imports)
with errors_shown():
    if job is not None and job.state == JobState.WAITING:
        review(services, job)
    elif job is not None and job.state in IN_PROGRESS:
        imports_result.in_progress(services, job.job_id)
    elif job is not None:
        imports_result.headed(services, job)
        imports_result.outcome(services, job)
if job is None or job.state.is_finished:
    if services.library.counts().ratings:
        imports_start.drop_zone(services)
    else:
        imports_start.three_ways(services)
imports_start.waiting(services, but=job)
st.header("Imports so far", anchor=False)
with errors_shown():
    imports_history.history(services.imports)
if services.library.counts().ratings:
    st.header("Export", anchor=False)
    imports_history.exports(with_version=services.serving.active_version() is not None)
    with errors_shown():
        imports_lists.on_spark(services)

"""Progress and outcome of an import, what to do next, and the way from an export to one's own list."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from engine.services import Services
from engine.services.import_task import ImportResult, RejectedRows
from engine.services.jobs import Job
from engine.words import counted
from pages.panels.imports_options import options_form
from pages.panels.imports_order import Order, leave, ordered
from pages.panels.imports_review import MAX_REJECTED
from pages.ui import progress, session
from pages.ui.escape import text
from pages.ui.page import errors_shown, toast_next
from pages.ui.tables import table

MAX_LINES = 20


def in_progress(services: Services, job_id: int) -> None:
    """The job, and what comes before it, refreshed until the page is redrawn."""

    def part() -> None:
        job, first = services.imports.job(job_id), progress.running_job(services)
        if first is not None and first.job_id != job_id:
            progress.job_bar(first)
        progress.job_bar(job)
        if job.kind != "undo" and st.button("Cancel", key=session.CANCEL_IMPORT, icon=":material/stop_circle:"):
            st.session_state.pop(session.HEADED_FOR, None)
            services.imports.cancel_job(job_id)

    with st.container(border=True):
        progress.live(part, every_s=progress.EVERY_S)


def outcome(services: Services, job: Job) -> None:
    """How a job ended."""
    name, order = progress.job_name(job), ordered(job)
    with st.container(border=True):
        if job.state == "failed":
            st.error(f"**{name} failed.** {text(job.error or '')}", icon=":material/error:")
            _again(services, order)
        elif job.state == "cancelled":
            st.warning(f"**{name} cancelled.** {text(job.error or '')}", icon=":material/cancel:")
            _again(services, order)
        elif job.result is None:
            st.success(f"**{name} done.** {text(job.message)}", icon=":material/check_circle:")
        else:
            _result(job, job.result)
            _next(services, order)
        if st.button("Close", key=session.IMPORT_CLOSE, type="tertiary", icon=":material/close:"):
            leave()
            st.rerun()


def _again(services: Services, order: Order | None) -> None:
    if order is None:
        return
    names = ", ".join(file.name for file in order.files)
    st.markdown(f"Your files are still here: {text(names)}. Drop others below, or change how these are read.")
    with st.expander("Read the files differently, or try again", icon=":material/tune:"), errors_shown():
        options_form(services.imports, order, "Try again")


def _result(job: Job, result: ImportResult) -> None:
    told = f"**{progress.job_name(job)} done.** {text(job.message)}"
    rows = result.rows_accepted + result.rows_rejected
    only_movies = job.plan is not None and bool(job.plan.files) and all(one.role != "ratings" for one in job.plan.files)
    if not result.rows_accepted and not only_movies:
        st.error(f"{told} No rating came in.", icon=":material/error:")
    elif result.rows_rejected > MAX_REJECTED * rows:
        share = result.rows_rejected / rows
        st.warning(f"{told} {share:.0%} of the rows can't be imported.", icon=":material/rule:")
    else:
        st.success(told, icon=":material/check_circle:")
    grid = st.grid(5, min_column_width=130, border=True)
    grid.metric("Ratings added", f"{result.ratings_added:,}")
    grid.metric("Ratings updated", f"{result.ratings_updated:,}", help=_unchanged(result))
    grid.metric("New people", f"{result.users_added:,}")
    grid.metric("New movies", f"{result.movies_added:,}", help=f"{counted(result.movies_matched, 'movie')} matched.")
    grid.metric("Not imported", f"{result.rows_rejected:,}", help=f"{result.unrated:,} more rows have no rating.")
    if result.rejected:
        _rejected(result.rejected)


def _unchanged(result: ImportResult) -> str:
    unknown = f" {counted(result.times_unknown, 'rating')} came without a date." if result.times_unknown else ""
    return f"{counted(result.ratings_unchanged, 'rating')} were here already.{unknown}"


def _rejected(rejected: tuple[RejectedRows, ...]) -> None:
    rows = [
        {
            "Rows": f"{one.rows:,}",
            "Lines": _lines(one),
            "Examples": ", ".join(one.examples) or "–",
            "Reason": one.reason,
        }
        for one in rejected
    ]
    with st.expander("Rows not imported, by reason", expanded=True, icon=":material/rule:"):
        table(rows, "Rows not imported, by reason", phone="stack")


def _lines(one: RejectedRows) -> str:
    """The first lines, by file."""
    by_file: dict[str, list[int]] = {}
    for line in one.lines[:MAX_LINES]:
        by_file.setdefault(line["file"], []).append(line["line"])
    more = " …" if one.rows > MAX_LINES else ""
    return "; ".join(f"{file}: {', '.join(map(str, lines))}" for file, lines in by_file.items()) + more


def _next(services: Services, order: Order | None) -> None:
    """What to do next."""
    trained = services.serving.active_version() is not None
    owner = order.options.get("user_id") if order is not None else None
    if st.session_state.get(session.HEADED_FOR):
        return
    with st.container(horizontal=True):
        if trained and owner:
            st.page_link(
                "recommend.py",
                label=f"Open the list of {text(owner)}",
                icon=":material/movie:",
                query_params={session.USER: owner},
            )
        if trained:
            st.page_link("training.py", label="Train a version with these ratings", icon=":material/model_training:")
        else:
            st.page_link("overview.py", label="Follow the first training", icon=":material/space_dashboard:")


def headed(services: Services, job: Job) -> None:
    """After the import of somebody's export: open their list, as soon as there is a version."""
    owner = st.session_state.get(session.HEADED_FOR)
    if owner is None or job.state != "succeeded":
        return
    if services.serving.active_version() is not None:
        _arrive(job, owner)
    if not progress.expecting(services):
        st.session_state.pop(session.HEADED_FOR)
        st.error("The first training failed, so there is no list yet.", icon=":material/error:")
        st.page_link("training.py", label="Open Training", icon=":material/model_training:")
        return
    with st.container(border=True):
        st.markdown(f"**The list of {text(owner)} opens here when the first training is done.**")
        progress.live(lambda: _training(services), every_s=progress.EVERY_S)


def _training(services: Services) -> None:
    run = services.training.current()
    if run is not None:
        progress.training_bar(run)


def _arrive(job: Job, owner: str) -> NoReturn:
    st.session_state.pop(session.HEADED_FOR)
    leave()
    toast_next(f"{text(job.message)} This is the list of {text(owner)}.")
    st.switch_page("recommend.py", query_params={session.USER: owner})

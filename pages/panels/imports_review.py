"""What an import will do, before anything is written: files, columns, scale, counts, and the button that starts it."""

from __future__ import annotations

import streamlit as st

from engine.data.formats import SOURCES
from engine.data.plan import FilePlan, Plan, RejectedCounts
from engine.services import Services
from engine.services.jobs import Job
from engine.words import counted
from pages.panels import imports_columns
from pages.panels.imports_options import options_form
from pages.panels.imports_order import Order, discard, follow, ordered, place
from pages.panels.imports_questions import questions
from pages.ui import charts, session
from pages.ui.escape import text
from pages.ui.page import errors_shown
from pages.ui.tables import table

ROLES = {"ratings": "Ratings", "movies": "Movies", "links": "Ids at other sites", "ignored": "Not used"}
GENERIC = {SOURCES[name].label for name in ("table", "list", "wide")}
CHART_WIDTH = 560
MAX_REJECTED = 0.05
"""Share of rejected rows above which a warning is shown."""
FORMS = {
    "iso": "ISO 8601",
    "dmy": "day first",
    "mdy": "month first",
    "ymd": "year first",
    "seconds": "Unix seconds",
    "milliseconds": "Unix milliseconds",
    "excel": "days as in Excel",
}


def review(services: Services, job: Job) -> None:
    """An import that waits: its questions, or the button that starts it, and what was found in the files."""
    plan, order = job.plan or Plan(), ordered(job)
    with st.container(border=True), errors_shown():
        if job.questions:
            questions(services, job, job.questions)
        else:
            _confirmation(services, job, plan, order)
    _found(services, job, plan, order)


def promise(plan: Plan, owner: str | None) -> str:
    """What the import will do, as the label of a button."""
    users = 0 if plan.users is None else plan.users.known + plan.users.new
    if plan.ratings:
        who = text(owner) if owner else counted(users, "person", "people")
        return f"Import {counted(plan.ratings, 'rating')} by {who}"
    movies = plan.movies
    return f"Import {counted(0 if movies is None else movies.known + movies.matched + movies.new, 'movie')}"


def _confirmation(services: Services, job: Job, plan: Plan, order: Order | None) -> None:
    owner = order.options.get("user_id") if order is not None else None
    st.header("Ready to import", anchor=False)
    st.markdown(_summary(plan))
    _warn(plan)
    with st.container(horizontal=True):
        if st.button(promise(plan, owner), key=session.IMPORT_CONFIRM, type="primary", icon=":material/upload:"):
            follow(services.imports.answer(job.job_id, {}))
        if st.button("Discard", key=session.IMPORT_DISCARD, type="tertiary"):
            st.session_state.pop(session.HEADED_FOR, None)
            discard(services.imports)
            st.rerun()
    st.caption("Nothing has been written yet. You can undo the import afterwards.")


def _summary(plan: Plan) -> str:
    """Source, period and scale in a sentence."""
    found = dict.fromkeys(file.source for file in plan.files if file.role == "ratings")
    sources = [source for source in found if source and source not in GENERIC]
    parts = [counted(plan.ratings, "rating")]
    if sources:
        parts.append(f"from {text(', '.join(sources))}")
    if plan.dates is not None and plan.dates.first is not None:
        parts.append(f"given from {plan.dates.first} to {plan.dates.last}")
    if plan.scale is not None:
        low, high = plan.scale.found
        parts.append(f"on a scale of {low:g} to {high:g}")
    return ", ".join(parts) + "."


def _warn(plan: Plan) -> None:
    rejected = sum(one.rows for one in plan.rejected)
    if rejected > MAX_REJECTED * (rejected + plan.ratings):
        share = rejected / (rejected + plan.ratings)
        st.warning(
            f"{counted(rejected, 'row')} ({share:.0%}) can't be imported. See the reasons below.",
            icon=":material/rule:",
        )


def _found(services: Services, job: Job, plan: Plan, order: Order | None) -> None:
    if plan.users is not None and plan.movies is not None:
        _counts(plan)
    if plan.scale is not None:
        _scale(plan)
    asks_columns = any(question.code == "columns" for question in job.questions or ())
    if plan.preview is not None and not asks_columns:
        _columns(services, job, plan, order)
    if plan.rejected:
        rejected_rows(plan.rejected)
    if plan.files:
        _files(plan.files)
    if order is not None:
        with st.expander("Read the files differently", icon=":material/tune:"), errors_shown():
            options_form(services.imports, order, "Read again")


def _counts(plan: Plan) -> None:
    assert plan.users is not None
    assert plan.movies is not None
    matched = plan.movies.known + plan.movies.matched
    grid = st.grid(5, min_column_width=130, border=True)
    grid.metric("Ratings", f"{plan.ratings:,}")
    grid.metric(
        "People", f"{plan.users.known + plan.users.new:,}", help=f"{plan.users.known:,} have ratings here already."
    )
    grid.metric("Known movies", f"{matched:,}", help=f"{plan.movies.known:,} by id, {plan.movies.matched:,} by title.")
    grid.metric(
        "New movies", f"{plan.movies.new:,}", help=f"{plan.movies.unsure:,} of them have a title like a known one."
    )
    grid.metric("Without a rating", f"{plan.unrated:,}", help="These rows are skipped.")


def _scale(plan: Plan) -> None:
    assert plan.scale is not None
    found = plan.scale.found
    st.markdown(f"**Rating scale** · {text(plan.scale.mapping)}")
    changed = [pair for pair in plan.scale.examples if pair[0] != pair[1]]
    if changed:
        with st.container(width=CHART_WIDTH):
            charts.scale_mapping(plan.scale.examples, (found[0], found[1]))
    if plan.dates is not None and plan.dates.form is not None:
        unreadable = f" {counted(plan.dates.unreadable, 'date')} can't be read." if plan.dates.unreadable else ""
        st.markdown(f"**Dates** · Written as {FORMS.get(plan.dates.form, text(plan.dates.form))}.{unreadable}")


def _columns(services: Services, job: Job, plan: Plan, order: Order | None) -> None:
    preview = plan.preview
    assert preview is not None
    st.markdown(f"**Columns of {text(preview.file)}**")
    if preview.fixed or order is None:
        imports_columns.columns(preview.model_copy(update={"fixed": True}), job.job_id)
        return
    with st.form("columns", border=False), errors_shown():
        chosen = imports_columns.columns(preview, job.job_id)
        if st.form_submit_button("Apply roles", key=session.IMPORT_COLUMNS, icon=":material/refresh:"):
            if fault := imports_columns.fault(chosen):
                st.warning(fault, icon=":material/rule:")
            else:
                place(
                    services.imports, order.files, order.options | {"columns": imports_columns.answer(preview, chosen)}
                )


def rejected_rows(rejected: list[RejectedCounts]) -> None:
    """Reasons with their numbers of rows and examples."""
    rows = [
        {"Rows": f"{one.rows:,}", "Examples": ", ".join(one.examples) or "–", "Reason": one.reason} for one in rejected
    ]
    st.markdown(f"**Rows that can't be imported: {sum(one.rows for one in rejected):,}**")
    table(rows, "Rows that can't be imported, by reason")


def _files(files: list[FilePlan]) -> None:
    rows = [
        {
            "File": file.name,
            "Holds": ROLES[file.role],
            "Source": file.source or "–",
            "Rows": "–" if file.rows is None else f"{file.rows:,}",
            "Read as": _reading(file),
            "Why": file.why,
        }
        for file in files
    ]
    with st.expander(f"Files: {len(rows)}", expanded=len(rows) <= 8, icon=":material/folder_open:"):
        table(rows, "Files and what they hold", phone="stack")


def _reading(file: FilePlan) -> str:
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
    parts = [file.encoding or "", names.get(file.delimiter or "", file.delimiter or "")]
    return ", ".join(part for part in parts if part) or "–"

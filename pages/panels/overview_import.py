"""Importing the demo ratings or one's own files, and the result of the last import."""

from __future__ import annotations

import streamlit as st

from engine.services.import_task import ImportResult
from engine.services.imports import ImportService, Job, UploadedFile
from engine.words import counted
from pages.ui import session
from pages.ui.escape import text
from pages.ui.page import errors_shown
from pages.ui.progress import job_name

FORMATS = {
    "auto": "Detect automatically",
    "movielens": "MovieLens (ratings and movies files, or one zip)",
    "csv": "Table with user, movie and rating columns",
}
TYPES = ["csv", "zip", "dat", "data", "item", "tsv", "txt", "gz"]


def import_panel(imports: ImportService, *, busy: bool) -> None:
    """Choose what to import, and start."""
    demo, own = st.tabs([":material/theaters: Demo ratings", ":material/upload_file: Your files"])
    with demo, errors_shown():
        st.markdown("100,004 real ratings of 9,066 movies by 671 people, from MovieLens.")
        if not imports.has_demo():
            st.info(
                "The demo ratings are not installed. Import your own files, or run"
                " `pip install -r requirements-demo.txt` and restart Marquee.",
                icon=":material/info:",
            )
        elif st.button("Import demo ratings", key=session.IMPORT_DEMO, icon=":material/download:", disabled=busy):
            st.session_state[session.IMPORT_JOB] = imports.import_demo()
            st.rerun()
    with own, errors_shown(), st.form("import", border=False):
        uploads = st.file_uploader(
            "Ratings, and movies if you have them",
            type=TYPES,
            accept_multiple_files=True,
            key=session.IMPORT_FILES,
            help="A MovieLens data set as files or zip, or any CSV with user, movie and rating columns.",
        )
        kind = st.selectbox("Format", list(FORMATS), format_func=FORMATS.__getitem__, key=session.IMPORT_FORMAT)
        if st.form_submit_button("Import files", key=session.IMPORT, icon=":material/upload:", disabled=busy):
            if not uploads:
                st.warning("Choose at least one file.", icon=":material/info:")
            else:
                files = [UploadedFile(upload.name, upload) for upload in uploads]
                st.session_state[session.IMPORT_JOB] = imports.import_files(files, kind)
                st.rerun()


def import_result(job: Job) -> None:
    """Outcome of a finished import."""
    name = job_name(job)
    if job.state == "failed":
        st.error(f"{name} failed. {text(job.error or '')}", icon=":material/error:")
    elif job.state == "cancelled":
        st.warning(f"{name} cancelled. {text(job.error or '')}", icon=":material/cancel:")
    elif job.result is not None:
        message = f"{name} done. {text(job.message)} {_summary(job.result)}"
        if job.result.rows_rejected > job.result.rows_accepted:
            st.warning(message, icon=":material/rule:")
        else:
            st.success(message, icon=":material/check_circle:")
    if job.result is not None:
        _rejected(job.result)


def _summary(result: ImportResult) -> str:
    parts = [
        f"{counted(result.ratings_added, 'rating')} added",
        f"{result.ratings_updated:,} updated",
        f"{result.ratings_unchanged:,} unchanged",
        counted(result.movies_added, "new movie"),
        counted(result.users_added, "new user"),
        f"{counted(result.rows_rejected, 'row')} skipped",
    ]
    return ", ".join(parts) + "."


def _rejected(result: ImportResult) -> None:
    if not result.rejected:
        return
    label = f"First {len(result.rejected)} of {result.rows_rejected:,} skipped rows"
    if len(result.rejected) == result.rows_rejected:
        label = "Skipped rows"
    in_order = sorted(result.rejected, key=lambda row: (row.file, row.line))
    with st.expander(label, icon=":material/rule:"):
        rows = [{"File": row.file, "Line": row.line, "Reason": row.reason} for row in in_order]
        st.dataframe(rows, hide_index=True, alt="File, line and reason of each skipped row")

"""The import panel: the demo ratings or files of one's own, and what the last import did."""

from __future__ import annotations

import streamlit as st

from engine.services.imports import ImportResult
from engine.services.library import Job, LibraryService, UploadedFile
from pages.ui import session
from pages.ui.escape import text
from pages.ui.page import errors_shown
from pages.ui.progress import job_name

FORMATS = {
    "auto": "Recognise it",
    "movielens": "MovieLens (ratings and movies files, or one zip)",
    "csv": "A table with user, movie and rating columns",
}
TYPES = ["csv", "zip", "dat", "data", "item", "tsv", "txt", "gz"]


def import_panel(library: LibraryService, *, busy: bool) -> None:
    """Choose what to import, and start it."""
    demo, own = st.tabs([":material/theaters: Demo ratings", ":material/upload_file: Your own files"])
    with demo, errors_shown():
        st.markdown("100,004 real ratings of 9,066 movies by 671 people, from MovieLens.")
        if not library.has_demo():
            st.info(
                "They are not installed here. Import files of your own, or run "
                "`pip install -r requirements-demo.txt` and start Marquee again.",
                icon=":material/info:",
            )
        elif st.button("Import the demo ratings", icon=":material/download:", disabled=busy):
            st.session_state[session.IMPORT_JOB] = library.import_demo()
            st.rerun()
    with own, errors_shown(), st.form("import", border=False):
        uploads = st.file_uploader(
            "Ratings, and movies where you have them",
            type=TYPES,
            accept_multiple_files=True,
            key=session.IMPORT_FILES,
            help="The files of a MovieLens data set, its zip, or any CSV with user, movie and rating columns.",
        )
        kind = st.selectbox("Format", list(FORMATS), format_func=FORMATS.__getitem__, key=session.IMPORT_FORMAT)
        if st.form_submit_button("Import the files", icon=":material/upload:", disabled=busy):
            if not uploads:
                st.warning("Choose at least one file first.", icon=":material/info:")
            else:
                files = [UploadedFile(upload.name, upload) for upload in uploads]
                st.session_state[session.IMPORT_JOB] = library.import_files(files, kind)
                st.rerun()


def import_result(job: Job) -> None:
    """What an import that has ended did."""
    name = job_name(job)
    if job.state == "failed":
        st.error(f"{name} failed. {text(job.error or '')}", icon=":material/error:")
    elif job.state == "cancelled":
        st.warning(f"{name} was cancelled. {text(job.error or '')}", icon=":material/cancel:")
    elif job.result is not None:
        told = f"{name} is done. {text(job.message)} {_told(job.result)}"
        if job.result.rows_rejected > job.result.rows_accepted:
            st.warning(told, icon=":material/rule:")
        else:
            st.success(told, icon=":material/check_circle:")
    if job.result is not None:
        _rejected(job.result)


def _told(result: ImportResult) -> str:
    parts = [
        f"{result.ratings_added:,} ratings added",
        f"{result.ratings_updated:,} updated",
        f"{result.ratings_unchanged:,} unchanged",
        f"{result.movies_added:,} new movies",
        f"{result.users_added:,} new users",
        f"{result.rows_rejected:,} rows set aside",
    ]
    return ", ".join(parts) + "."


def _rejected(result: ImportResult) -> None:
    if not result.rejected:
        return
    shown_of = f"The first {len(result.rejected)} of {result.rows_rejected:,} rows that were set aside"
    if len(result.rejected) == result.rows_rejected:
        shown_of = "The rows that were set aside"
    in_order = sorted(result.rejected, key=lambda row: (row.file, row.line))
    with st.expander(shown_of, icon=":material/rule:"):
        rows = [{"File": row.file, "Line": row.line, "Reason": row.reason} for row in in_order]
        st.dataframe(rows, hide_index=True, alt="File, line and reason of each row that was set aside")

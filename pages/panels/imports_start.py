"""Ways into Marquee: an export, a table or the demo; and imports that wait for an answer."""

from __future__ import annotations

import streamlit as st

from engine.services import Services
from engine.services.imports import ImportService
from engine.services.jobs import Job
from pages.panels.imports_order import follow, ordered, place
from pages.ui import progress, session
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.page import errors_shown

EXPORTS = "Letterboxd, IMDb, Trakt, TMDB, Simkl, MovieLens, Goodreads, StoryGraph or MyAnimeList"
TABLES = "CSV, Excel, OpenDocument, Parquet or JSON, also compressed"
NO_DEMO = "The demo is not installed. Run `pip install -r requirements-demo.txt` and restart Marquee."


def three_ways(services: Services) -> None:
    """The entrances of an empty store, side by side."""
    imports = services.imports
    own, table, demo = st.columns(3, border=True)
    with own, errors_shown():
        st.markdown("## :material/person: My export")
        st.markdown(f"Your own ratings from {EXPORTS}. Drop the file or the whole zip.")
        _drop(imports, "Export", session.IMPORT_OWN)
    with table, errors_shown():
        st.markdown("## :material/table: A table")
        st.markdown(
            f"Ratings of many people, a row or a cell for each: {TABLES}. Add a table of movies if you have one."
        )
        _drop(imports, "Table", session.IMPORT_FILES)
    with demo, errors_shown():
        st.markdown("## :material/theaters: The demo")
        st.markdown("100,004 real ratings of 9,066 movies by 671 people, from MovieLens. A good way to look around.")
        if not imports.has_demo():
            st.info(NO_DEMO, icon=":material/info:")
        elif st.button("Import the demo", key=session.IMPORT_DEMO, icon=":material/download:"):
            follow(imports.import_demo())


def drop_zone(services: Services) -> None:
    """The entrance of a store that has ratings."""
    with errors_shown():
        _drop(services.imports, "Ratings, and movies if you have them", session.IMPORT_FILES)
        st.caption(f"An export from {EXPORTS}, or a table: {TABLES}. Nothing is written before you confirm.")
    with errors_shown():
        if services.imports.has_demo() and st.button(
            "Import the demo ratings", key=session.IMPORT_DEMO, type="tertiary", icon=":material/theaters:"
        ):
            follow(services.imports.import_demo())


def _drop(imports: ImportService, label: str, key: str) -> None:
    """A drop zone; new files are scanned at once."""
    files = st.file_uploader(label, accept_multiple_files=True, key=key, label_visibility="collapsed")
    order = ordered()
    if files and (order is None or [file.file_id for file in files] != order.ids):
        st.session_state.pop(session.HEADED_FOR, None)
        place(imports, files, {})


def waiting(services: Services, but: Job | None) -> None:
    """Imports that wait for an answer, except the one that is shown."""
    others = [job for job in progress.waiting_jobs(services) if but is None or job.job_id != but.job_id]
    for job in others:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            names = ", ".join(file.name for file in job.plan.files[:3]) if job.plan is not None else ""
            st.markdown(
                f"**{text(names) or 'An import'}**, from {when(job.created_at)}, waits for you.", width="stretch"
            )
            if st.button("Open", key=session.waiting(job.job_id), icon=":material/rule:"):
                follow(job.job_id)

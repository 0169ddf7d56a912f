"""The imports so far, each with a way back, and exports of what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from engine.services.imports import ImportService
from engine.words import counted
from pages.panels.imports_order import follow
from pages.ui import session
from pages.ui.escape import text
from pages.ui.format import when
from pages.ui.page import confirmed, dialog, errors_shown
from pages.ui.tables import pairs

if TYPE_CHECKING:
    from engine.services.records import ImportRecord

PAGE = 5
DEMO = "demo"
STATES = {"writing": "In progress", "undoing": "Being undone", "undone": "Undone"}
CHOICES = {
    "user_id": "Person",
    "source": "Source",
    "columns": "Columns",
    "scale": "Scale",
    "preferences": "Taken as preferences",
    "dates": "Dates",
    "encoding": "Encoding",
    "catalogue": "Catalogue",
    "matches": "Confirmed matches",
}
TABLES = {"ratings": "Ratings", "movies": "Movies"}
LEARNED = {"recommendations": "Top 10 for everybody", "factors": "Factors"}
FORMS = {"csv": "CSV", "parquet": "Parquet"}


def history(imports: ImportService) -> None:
    """Imports, newest first."""
    shown = st.session_state.get(session.IMPORTS_SHOWN, PAGE)
    records = imports.batches(shown + 1)
    if not records:
        st.caption("No imports yet. Each import appears here, and can be undone.")
    for record in records[:shown]:
        with st.container(border=True), errors_shown():
            _entry(imports, record)
    if len(records) > shown and st.button(
        "Show older imports", key=session.OLDER_IMPORTS, icon=":material/expand_more:"
    ):
        st.session_state[session.IMPORTS_SHOWN] = shown + PAGE
        st.rerun()


def _entry(imports: ImportService, record: ImportRecord) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(gap=None, width="stretch", key=session.entry(record.import_id)):
            st.markdown(f"**Import {record.import_id}** · {text(files(record))}")
            st.caption(f"{when(record.created_at)} · {summary(record)}")
        if record.state in STATES:
            st.badge(STATES[record.state], color="gray")
        with st.popover("Details", type="tertiary"):
            _details(record)
        if record.state == "done" and st.button("Undo", key=session.undo(record.import_id), icon=":material/undo:"):
            confirm_undo(imports, record)


def files(record: ImportRecord) -> str:
    """Names of the files."""
    names = ["Demo ratings" if file["name"] == DEMO else str(file["name"]) for file in record.files]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more if names else "files of a deleted person"


def summary(record: ImportRecord) -> str:
    """What an import changed, in a line."""
    count = record.counts.get
    parts = [f"{counted(count('ratings_added', 0), 'rating')} added"]
    more = {
        "ratings_updated": ("updated rating", None),
        "movies_added": ("new movie", None),
        "users_added": ("new person", "new people"),
    }
    parts += [counted(count(name, 0), *nouns) for name, nouns in more.items() if count(name, 0)]
    if count("rows_rejected", 0):
        parts.append(f"{counted(count('rows_rejected', 0), 'row')} not imported")
    return ", ".join(parts)


def _details(record: ImportRecord) -> None:
    found: dict[str, object] = {}
    for file in record.files:
        source = f"{file['source']}, " if file.get("source") else ""
        digest = f"SHA-256 {file['sha256'][:16]}…" if file.get("sha256") else "comes with Marquee"
        found[str(file["name"])] = f"{source}{digest}"
    for name, label in CHOICES.items():
        if name in record.choices:
            found[label] = _choice(record.choices[name])
    found |= {
        name.replace("users", "people").replace("_", " ").capitalize(): f"{count:,}"
        for name, count in record.counts.items()
        if count
    }
    pairs(found or {"Files": "Deleted with their owner"}, f"Files, choices and counts of import {record.import_id}")


def _choice(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return " to ".join(f"{one:g}" for one in value) if isinstance(value, list) else str(value)


@dialog("Undo an import?")
def confirm_undo(imports: ImportService, record: ImportRecord) -> None:
    """Explain what goes and what stays, then undo."""
    added, replaced = record.counts.get("ratings_added", 0), record.counts.get("ratings_updated", 0)
    movies = record.counts.get("movies_added", 0)
    back = f" The {counted(replaced, 'rating')} it replaced come back as before." if replaced else ""
    st.markdown(
        f"**Import {record.import_id}**, {text(files(record))}, added {counted(added, 'rating')} and"
        f" {counted(movies, 'movie')}. These are removed.{back}"
    )
    st.markdown(
        "Ratings given or imported since then stay, and so do movies that still have a rating. The active version keeps"
        " what it has learned until you train again."
    )
    if confirmed("Undo import"):
        with errors_shown():
            follow(imports.undo(record.import_id))


def exports(*, with_version: bool) -> None:
    """Links to files with what is stored, and what the active version makes of it."""
    st.caption(
        "The archive has all ratings, movies and the rating scale. Another Marquee imports it without a question."
    )
    st.link_button("Archive", "/api/data/exports/archive", icon=":material/folder_zip:")
    grid = st.grid(2, min_column_width=300)
    for name, label in {**TABLES, **(LEARNED if with_version else {})}.items():
        with grid.cell(), st.container(horizontal=True):
            for form, suffix in FORMS.items():
                address = f"/api/data/exports/{name}?format={form}"
                st.link_button(f"{label} ({suffix})", address, icon=":material/download:")

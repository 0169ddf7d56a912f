"""The columns of a file: its first rows, with the role of each column above."""

from __future__ import annotations

from collections import Counter
from typing import Any

import streamlit as st

from engine.data.plan import Preview
from pages.ui import session
from pages.ui.escape import markup, text

ROLES = {
    "": "Not used",
    "user": "Person",
    "movie": "Movie",
    "rating": "Rating",
    "time": "Date",
    "title": "Title",
    "year": "Year",
    "genres": "Genres",
}
"""Roles to choose from."""
OTHERS = {"imdb": "IMDb id", "tmdb": "TMDB id", "trakt": "Trakt id", "letterboxd": "Address", "kind": "Kind"}
"""Roles that only known names of columns have."""
COLUMN_WIDTH = 150


def columns(preview: Preview, job_id: int) -> list[str]:
    """Show the columns; returns the chosen role of each, '' for those that are not used."""
    chosen = []
    roles = {place: role for role, place in preview.columns.items()}
    grid = st.grid(min_column_width=COLUMN_WIDTH)
    for place in range(max(len(preview.names), *map(len, preview.rows), 0)):
        own = roles.get(place, "")
        name = preview.names[place] if place < len(preview.names) else f"Column {place + 1}"
        with grid.cell(), st.container(border=True, gap="small"):
            chosen.append(own if preview.fixed else _role(name, own, session.role(place, job_id)))
            cells = [row[place] if place < len(row) else "" for row in preview.rows]
            _cells(_label(own) if preview.fixed else "", name, cells, used=bool(chosen[-1]))
    return chosen


def _role(name: str, own: str, key: str) -> str:
    offered = [*ROLES, own] if own in OTHERS else list(ROLES)
    label = f"Role of the column {text(name)}"
    return st.selectbox(label, offered, offered.index(own), format_func=_label, key=key, label_visibility="collapsed")


def _label(role: str) -> str:
    return ROLES.get(role) or OTHERS[role]


def _cells(role: str, name: str, cells: list[str], *, used: bool) -> None:
    lines = "".join(f"<li>{markup(cell) or '–'}</li>" for cell in cells)
    above = f"<i>{markup(role)}</i>" if role else ""
    kind = f'class="mq-column" data-used="{"yes" if used else "no"}"'
    st.html(f"<div {kind}>{above}<b>{markup(name)}</b><ul>{lines}</ul></div>")


def answer(preview: Preview, chosen: list[str]) -> dict[str, Any]:
    """The option ``columns``: role to the column's name, or to its number where the name is no help."""
    return {
        role: preview.names[place] if preview.names and preview.names.count(preview.names[place]) == 1 else place
        for place, role in enumerate(chosen)
        if role in ROLES and role
    }


def fault(chosen: list[str]) -> str:
    """What is wrong with the roles, in words; '' if nothing is."""
    twice = [ROLES[role] for role, count in Counter(chosen).items() if role in ROLES and role and count > 1]
    if twice:
        return f"Two columns are set to {twice[0]}. Each role can have one column."
    if "rating" in chosen and not {"movie", "title", *OTHERS} & set(chosen):
        return "Choose the column that says which movie each rating is for."
    return ""

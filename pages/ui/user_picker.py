"""Choosing a user: a searchable list, any id typed in, or ``?user=`` in the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from engine.data.identifiers import composed
from engine.recommending.cold_start import Status
from engine.recommending.lists import Recommendations
from pages.ui import session
from pages.ui.escape import text

if TYPE_CHECKING:
    from engine.services.library import LibraryService

MOST_LISTED = 200
STATUS = {
    "personal": ("Personal", ":material/person_check:", "green"),
    "blended": ("Blended", ":material/join_inner:", "blue"),
    "cold_start": ("Cold start", ":material/ac_unit:", "orange"),
    "unknown_user": ("Unknown user", ":material/person_off:", "gray"),
}


def pick_user(library: LibraryService) -> str | None:
    """The chosen user id, kept in the address so that the page can be linked to; None before a choice."""
    listed = [user.user_id for user in library.search_users("", limit=MOST_LISTED)]
    chosen = st.selectbox(
        "User",
        listed,
        index=None,
        key=session.USER,
        bind="query-params",
        placeholder="Choose a user, or type an id",
        accept_new_options=True,
        help=f"The list holds the {MOST_LISTED} users with the most ratings. Any other id can be typed.",
    )
    return composed(chosen.strip()) or None if chosen else None


def badge(status: Status) -> None:
    """How personal a list is."""
    label, icon, color = STATUS[status]
    st.badge(label, icon=icon, color=color)  # type: ignore[arg-type]  # one of Streamlit's colour names


def header(answer: Recommendations) -> None:
    """Who the list is for, how it was made and why."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f"User {text(answer.user_id)}", anchor=False, width="content")
        badge(answer.status)
        st.caption("1 rating" if answer.ratings_count == 1 else f"{answer.ratings_count:,} ratings", width="content")
        st.caption(f"version {answer.model_version} · {answer.latency_ms:.1f} ms", width="content")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(text(answer.reason), width="content")
        st.page_link(
            "newcomer.py",
            label="Improve these recommendations",
            icon=":material/person_add:",
            query_params={session.USER: answer.user_id},
        )

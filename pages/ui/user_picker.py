"""Choosing a user from a searchable list, by typing an id, or with ``?user=`` in the address."""

from collections.abc import Callable

import streamlit as st

from engine.data.identifiers import composed
from engine.recommending.cold_start import Status
from engine.recommending.lists import Recommendations
from engine.services.library import LibraryService
from engine.words import counted
from pages.ui import session
from pages.ui.escape import text

MAX_LISTED = 200
STATUS = {
    "personal": ("Personal", ":material/person_check:", "green"),
    "blended": ("Blended", ":material/join_inner:", "blue"),
    "cold_start": ("Cold start", ":material/ac_unit:", "orange"),
    "unknown_user": ("New user", ":material/person_off:", "gray"),
}


def pick_user(library: LibraryService) -> str | None:
    """Id of the chosen user, also kept in the address; None before a choice."""
    listed = [user.user_id for user in library.search_users("", limit=MAX_LISTED)]
    chosen = st.selectbox(
        "User",
        listed,
        index=None,
        key=session.USER,
        bind="query-params",
        placeholder="Choose a user or type an id",
        accept_new_options=True,
        help=f"Lists the {MAX_LISTED} users with the most ratings. You can type any other id.",
    )
    return composed(chosen.strip()) or None if chosen else None


def badge(status: Status) -> None:
    """How personal a list is."""
    label, icon, color = STATUS[status]
    st.badge(label, icon=icon, color=color)  # type: ignore[arg-type]  # one of Streamlit's colour names


def header(answer: Recommendations, *more: Callable[[], object]) -> None:
    """The user, and how their list was made; ``more`` draws what else stands in the last line."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"User {text(answer.user_id)}", anchor=False, width="content")
        badge(answer.status)
        st.caption(counted(answer.ratings_count, "rating"), width="content")
        st.caption(f"version {answer.model_version} · {answer.latency_ms:.1f} ms", width="content")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(text(answer.reason), width="content")
        st.page_link(
            "newcomer.py",
            label="Improve this list",
            icon=":material/person_add:",
            query_params={session.USER: answer.user_id},
            width="content",
        )
        for draw in more:
            draw()

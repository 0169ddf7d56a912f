"""Choosing a person among all of them, by typing, or with ``?user=`` in the address."""

from collections.abc import Callable

import streamlit as st

from engine.data.identifiers import MAX_ID_LENGTH, composed, id_problem
from engine.recommending.cold_start import Status
from engine.recommending.lists import Recommendations
from engine.services.library import LibraryService
from engine.words import counted
from pages.ui import session
from pages.ui.escape import text
from pages.ui.finder import Option, finder

MAX_FOUND = 8
CHOOSE = "No person can have it, so choose another."
STATUS = {
    "personal": ("Personal", ":material/person_check:", "green"),
    "blended": ("Blended", ":material/join_inner:", "blue"),
    "cold_start": ("Cold start", ":material/ac_unit:", "orange"),
    "unknown_user": ("New person", ":material/person_off:", "gray"),
}


def pick_user(library: LibraryService) -> str | None:
    """Id of the chosen person, which the address keeps; None before a choice."""
    st.fragment(_field)(library)
    user_id = composed(st.query_params.get(session.USER, "").strip())
    if user_id and (problem := id_problem(user_id, "id")):
        st.error(f"{problem} {CHOOSE}", icon=":material/error:")
        return None
    return user_id or None


def _field(library: LibraryService) -> None:
    """The field. Typing reruns only this; a choice reruns the page."""
    chosen = st.query_params.get(session.USER, "")
    entered = finder(
        "Person",
        lambda typed: people(library, typed),
        key=session.PICKER,
        placeholder="Type a name or an id",
        value=chosen,
        nothing=f"No id is longer than {MAX_ID_LENGTH} characters",
        keeps=True,
        suggests=True,
    )
    wanted = composed(entered.strip())
    if wanted and wanted != chosen:
        st.query_params[session.USER] = wanted
        st.rerun()


def people(library: LibraryService, typed: str) -> list[Option]:
    """People whose id begins with a text, and one that nobody has; without a text those with the most ratings."""
    found = library.search_users(typed, MAX_FOUND)
    options = [Option(one.user_id, one.user_id, counted(one.ratings_count, "rating")) for one in found]
    new = composed(typed.strip())
    if new and not id_problem(new, "id") and not library.knows_user(new):
        options.append(Option(new, f"New person: {new}"))
    return options


def badge(status: Status) -> None:
    """How personal a list is."""
    label, icon, color = STATUS[status]
    st.badge(label, icon=icon, color=color)  # type: ignore[arg-type]  # one of Streamlit's colour names


def header(answer: Recommendations, *more: Callable[[], object]) -> None:
    """The person, and how their list was made; ``more`` draws what else stands in the last line."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Person {text(answer.user_id)}", anchor=False, width="content")
        badge(answer.status)
        st.page_link(
            "person.py",
            label=counted(answer.ratings_count, "rating"),
            help="About this person: their ratings over time, their taste and how well it is predicted.",
            query_params={session.ID: answer.user_id},
        )
        st.caption(f"version {answer.model_version}", width="content")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(text(answer.reason), width="content")
        if answer.items:
            st.page_link(
                "newcomer.py",
                label="Improve this list",
                icon=":material/person_add:",
                query_params={session.USER: answer.user_id},
                width="content",
            )
        for draw in more:
            draw()

"""Search in the sidebar: movies, people and versions, from any page; ``/`` moves to it."""

from __future__ import annotations

import re

import streamlit as st

from engine.services import Services
from engine.words import counted
from pages.ui import links, session
from pages.ui.finder import Option, finder
from pages.ui.format import day, model_name
from pages.ui.page import errors_shown

MAX_MOVIES, MAX_PEOPLE, MAX_VERSIONS = 6, 4, 3
VERSION = re.compile(r"(?:version|v)?\s*(\d{1,9})", re.IGNORECASE)


def search(services: Services) -> None:
    """The field. Typing reruns only this; the browser opens the page of a result itself."""
    st.fragment(_field)(services)


def _field(services: Services) -> None:
    with errors_shown():
        finder(
            "Search movies, people and versions",
            lambda typed: _remembered(services, typed),
            key=session.SEARCH,
            placeholder="Search",
            nothing="Nothing found. Type the beginning of a title's word, a person's id or a version's number.",
            slash=True,
        )


def _remembered(services: Services, typed: str) -> list[Option]:
    """What a text finds; found once, as every run of a page draws the field."""
    asked = typed, services.library.counts()
    known: tuple[object, list[Option]] | None = st.session_state.get(session.FOUND)
    if known is None or known[0] != asked:
        st.session_state[session.FOUND] = known = asked, results(services, typed)
    return known[1]


def results(services: Services, typed: str) -> list[Option]:
    """What a text finds, movies first; of a number, people and versions first."""
    movies = [
        Option(links.movie_address(one.movie.movie_id), one.movie.title, _about(one.movie.year, one.ratings), "Movies")
        for one in services.catalogue.find(typed, MAX_MOVIES)
    ]
    people = [
        Option(links.person_address(one.user_id), one.user_id, counted(one.ratings_count, "rating"), "People")
        for one in services.library.search_users(typed, MAX_PEOPLE)
        if typed.strip()
    ]
    found = VERSION.fullmatch(typed.strip())
    versions = [
        Option(
            links.version_address(one.version),
            f"Version {one.version}",
            f"{model_name(one.kind)}, {day(one.created_at)}",
            "Versions",
        )
        for one in (services.versions.list() if found else ())
        if found and str(one.version).startswith(found[1])
    ][:MAX_VERSIONS]
    return [*people, *versions, *movies] if typed.strip().isdigit() else [*versions, *movies, *people]


def _about(year: int | None, ratings: int) -> str:
    return ", ".join(part for part in (str(year or ""), counted(ratings, "rating")) if part)

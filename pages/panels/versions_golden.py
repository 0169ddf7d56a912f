"""Golden people: who is pinned, what every version must give them, and what a version gives."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from engine.data.catalogue import Movie
from engine.errors import UnknownMovie
from engine.recommending.golden import Expectation, GoldenResult, Kept, Listed, Predicted, Unlisted
from engine.services import Services
from engine.services.golden import Pinned
from engine.words import counted
from pages.ui import links, preferences, session, tables, user_picker
from pages.ui.escape import text
from pages.ui.finder import Option, finder
from pages.ui.page import confirmed, dialog, errors_shown, rerun_with

MAX_FOUND = 8
MAX_RATED = 12
CHOSEN = "movie:"  # begins the value of an option, unlike what is typed
PLACES, KEPT_OF = 20, 10
LOVES, HATES = "They love it", "They dislike it"
LISTED, UNLISTED = f"In the first {PLACES}", f"Not in the first {PLACES}"
ABOVE = "Predicted above"
ROLES = {True: (LOVES, HATES, LISTED, UNLISTED, ABOVE), False: (LISTED, UNLISTED, ABOVE)}
"""Roles of a movie, for somebody made up and for a person of the store."""
MADE_UP, REAL = "Somebody made up", "A person with ratings"
WHAT = (
    "Pin people whose lists you can judge. Each new version is checked for them before its verdict, and a broken"
    " expectation holds it."
)


@dataclass(frozen=True)
class Line:
    """Something added in a dialog: in words, of which movie, and the expectation, or a rating of somebody made up."""

    said: str
    movie_id: str | None
    given: Expectation | float


def section(services: Services, version: int, *, ready: bool) -> None:
    """Everybody who is pinned, the way to pin somebody, and a check of the selected version."""
    st.header("Golden people", anchor=False)
    st.caption(WHAT)
    people = services.golden.people()
    if people:
        tables.table([_row(services, one) for one in people], "Golden people", phone="stack")
    else:
        st.info("Nobody is pinned yet. Pin somebody whose list you can judge.", icon=":material/person_pin:")
    with st.container(horizontal=True):
        if st.button("Pin a person", key=session.PIN, icon=":material/keep:"):
            st.session_state[session.GOLDEN_LINES] = []
            pin(services)
        if people and st.button("Change", key=session.CHANGE_GOLDEN, icon=":material/edit:"):
            st.session_state[session.GOLDEN_LINES] = None
            change(services, people)
        if people and st.button("Unpin", key=session.UNPIN, icon=":material/keep_off:"):
            unpin(services, people)
        check = people and st.button(
            f"Check version {version}",
            key=session.CHECK_GOLDEN,
            icon=":material/rule:",
            disabled=not ready,
            help="With the current ratings." if ready else "Its arrays are gone.",
        )
    if check:
        with errors_shown(), st.spinner(f"Making their lists with version {version}"):
            results(services.golden.check(services.versions.bundle(version)), f"Golden people in version {version}")


def results(found: Sequence[GoldenResult], caption: str) -> None:
    """What golden people expected of a version, and what was found; nothing where nobody was pinned."""
    if not found:
        return
    broken = sum(len(one.broken) for one in found)
    if broken:
        verb = "is" if broken == 1 else "are"
        st.warning(f"{counted(broken, 'expectation')} of golden people {verb} broken.", icon=":material/person_alert:")
    rows = [
        {
            "Golden person": result.name,
            "Expected": _capital(one.expected),
            "Found": _capital(one.found),
            "Holds": "✓ yes" if one.holds else "✗ no",
        }
        for result in found
        for one in result.findings
    ]
    tables.table(rows, caption, phone="stack")


def _row(services: Services, one: Pinned) -> dict[str, object]:
    made_up = one.user_id is None
    return {
        "Name": one.name,
        "Person": MADE_UP.lower() if one.user_id is None else links.person(one.user_id),
        "Ratings": _rated(services, one.ratings) if made_up else "theirs, at each check",
        "Every version must give": "; ".join(one.told),
    }


def _rated(services: Services, ratings: Mapping[str, float]) -> str:
    """The ratings of somebody made up, the first of many."""
    scale = services.scale.current
    told = [
        f"{_title(services, movie)}: {preferences.shown(rating, scale)}"
        for movie, rating in itertools.islice(ratings.items(), MAX_RATED)
    ]
    more = len(ratings) - len(told)
    return "; ".join([*told, *([f"{more} more"] if more else [])]) or "none"


def _title(services: Services, movie_id: str) -> str:
    """A movie's title; its id where the catalogue lacks it now."""
    try:
        return services.library.movie(movie_id).title
    except UnknownMovie:
        return f"movie {movie_id}"


@dialog("Pin a golden person", width="medium")
def pin(services: Services) -> None:
    """Ask for a person and what is expected; each movie is added with what it stands for."""
    name = st.text_input(
        "Name",
        key=session.GOLDEN_NAME,
        placeholder="Lover of westerns",
        help="Verdicts repeat it, and are kept when a person is deleted: name a taste, not the person.",
    )
    kind = st.segmented_control("Who", [MADE_UP, REAL], default=MADE_UP, key=session.GOLDEN_KIND) or MADE_UP
    made_up = kind == MADE_UP
    user_id = None if made_up else _person(services)
    lines: list[Line] = st.session_state.setdefault(session.GOLDEN_LINES, [])
    _add_movie(services, lines, made_up=made_up)
    _listed(lines)
    kept = _kept(0)
    with errors_shown():
        if confirmed("Pin"):
            made = services.golden.pin(
                name,
                _expectations(lines, kept),
                user_id=user_id,
                ratings=_ratings(lines) if made_up else {},
            )
            rerun_with(f"{text(made.name)} is pinned.")


@dialog("Change what is expected", width="medium")
def change(services: Services, people: Sequence[Pinned]) -> None:
    """Ask for whom; expectations go and come as when somebody is pinned."""
    chosen = st.selectbox(
        "Golden person",
        people,
        format_func=lambda one: one.name,
        key=session.GOLDEN_CHANGED,
        on_change=partial(st.session_state.__setitem__, session.GOLDEN_LINES, None),
    )
    if chosen is None:
        return
    standing = [one for one in chosen.expectations if isinstance(one, Kept) and one.first == KEPT_OF]
    if st.session_state.get(session.GOLDEN_LINES) is None:
        told = zip(chosen.expectations, chosen.told, strict=True)
        st.session_state[session.GOLDEN_LINES] = [_standing(one, said) for one, said in told if one not in standing[:1]]
    lines: list[Line] = st.session_state[session.GOLDEN_LINES]
    _add_movie(services, lines, made_up=False)
    _listed(lines)
    kept = _kept(standing[0].at_least if standing else 0)
    with errors_shown():
        if confirmed("Change"):
            services.golden.expect(chosen.golden_id, _expectations(lines, kept))
            rerun_with(f"Versions are checked for {text(chosen.name)} in the new way from now on.")


def _standing(one: Expectation, said: str) -> Line:
    return Line(_capital(said), None if isinstance(one, Kept) else one.movie_id, one)


def _listed(lines: list[Line]) -> None:
    """What was added so far, each with a button that removes it."""
    for number, line in enumerate(lines):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(text(line.said), width="stretch")
            st.button(
                "Remove",
                key=session.golden_line(number),
                icon=":material/close:",
                type="tertiary",
                on_click=lines.__delitem__,
                args=(number,),
            )


def _kept(value: int) -> int:
    """How many of the first movies must stay."""
    entered = st.number_input(
        f"How many of the first {KEPT_OF} movies must stay",
        0,
        KEPT_OF,
        value,
        key=session.golden_kept(value),
        help="In the list of the version that is active then. 0 expects nothing.",
    )
    return int(entered)


def _person(services: Services) -> str | None:
    """Id of a person of the store."""
    chosen = st.session_state.get(session.GOLDEN_PERSON_ID, "")
    entered = finder(
        "Person",
        lambda typed: [one for one in user_picker.people(services.library, typed) if one.about],
        key=session.GOLDEN_PERSON,
        placeholder="Type a name or an id",
        value=chosen,
        nothing="Nobody has this id",
        keeps=True,
        suggests=True,
    )
    if entered:
        st.session_state[session.GOLDEN_PERSON_ID] = entered
    return entered or chosen or None


def _add_movie(services: Services, lines: list[Line], *, made_up: bool) -> None:
    """A movie and what it stands for; choosing the movie adds the line."""
    roles = [one for one in ROLES[made_up] if one != ABOVE or not preferences.in_use()]
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    role = left.selectbox("A movie", roles, key=session.GOLDEN_ROLE)
    scale = services.scale.current
    limit = None
    if role == ABOVE:
        limit = left.number_input("Rating", scale.low, scale.high, scale.snap(0.8 * scale.high), scale.step)
    with right:
        entered = finder(
            "Movie",
            lambda typed: _movies(services, typed),
            key=session.GOLDEN_MOVIE,
            placeholder="Type a title",
            nothing="No movie has these words in its title",
        )
    movie = _chosen(services, entered)
    if entered and movie is None:
        right.caption(f"No movie has these words in its title: {text(entered)}.")
    added = movie is not None and movie.movie_id in [line.movie_id for line in lines]
    if entered and movie is not None and added:
        right.caption(f"{text(movie.title)} is in the list below. Remove it there first.")
    if movie is not None and not added:
        said = f"{role}{'' if limit is None else f' {limit:g}'}: {movie.title}"
        lines.append(Line(said, movie.movie_id, _given(services, role, movie.movie_id, limit)))


def _given(services: Services, role: str, movie_id: str, limit: float | None) -> Expectation | float:
    """What a role of a movie stands for; of somebody made up who loves or dislikes it, an end of the scale."""
    low, high = services.scale.current.ends
    if role == LISTED:
        return Listed(movie_id=movie_id, first=PLACES)
    if role == UNLISTED:
        return Unlisted(movie_id=movie_id, first=PLACES)
    if limit is not None:
        return Predicted(movie_id=movie_id, rating=limit)
    return high if role == LOVES else low


def _movies(services: Services, typed: str) -> list[Option]:
    found = services.catalogue.find(typed, MAX_FOUND)
    return [Option(CHOSEN + one.movie.movie_id, one.movie.title, str(one.movie.year or "")) for one in found]


def _chosen(services: Services, entered: str) -> Movie | None:
    """The movie of an option, or the first that is found by words that were entered; None without any."""
    if entered.startswith(CHOSEN):
        return services.library.movie(entered.removeprefix(CHOSEN))
    return next((one.movie for one in services.catalogue.find(entered, 1)), None) if entered else None


def _expectations(lines: Sequence[Line], kept: int) -> list[Expectation]:
    found = [line.given for line in lines if not isinstance(line.given, float)]
    return [*found, Kept(at_least=kept, first=KEPT_OF)] if kept else found


def _ratings(lines: Sequence[Line]) -> dict[str, float]:
    return {line.movie_id: line.given for line in lines if line.movie_id and isinstance(line.given, float)}


@dialog("Unpin a golden person?")
def unpin(services: Services, people: Sequence[Pinned]) -> None:
    """Ask whom, then unpin."""
    chosen = st.selectbox("Golden person", people, format_func=lambda one: one.name, key=session.GOLDEN_UNPINNED)
    st.markdown("Later versions are no longer checked for them. Verdicts stay as they are.")
    with errors_shown():
        if confirmed("Unpin") and chosen is not None:
            services.golden.unpin(chosen.golden_id)
            rerun_with(f"{text(chosen.name)} is unpinned.")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]

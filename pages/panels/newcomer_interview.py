"""The interview: movies to rate or skip, how well the taste is known, and a preview of the list."""

import streamlit as st

from engine.recommending.interview import InterviewQuestion, InterviewState
from engine.recommending.lists import Recommendations
from engine.services import Services
from engine.words import counted
from pages.ui import links, preferences, session, tables, user_picker
from pages.ui.escape import text
from pages.ui.movie_card import picture_of, tile
from pages.ui.rating_input import rating_input

LISTED = 8
OUT_OF = 10


def interview(services: Services, user_id: str) -> None:
    """The current question, or why there are no more; answers are saved at once."""
    skipped, _ = _remembered(services, user_id)
    state = services.recommendations.interview(user_id, 1, skipped)
    st.progress(state.confidence, text=known(state))
    if state.questions:
        _ask(services, state, state.questions[0])
    elif state.confidence or skipped:
        st.success(text(state.finished or ""), icon=":material/check_circle:")
    else:
        st.info(text(state.finished or ""), icon=":material/group_add:")
        st.page_link("imports.py", label="Import ratings", icon=":material/upload_file:")
    _undo(services, user_id, skipped)


def _ask(services: Services, state: InterviewState, question: InterviewQuestion) -> None:
    movie = question.movie
    number = len(_by_user(session.SKIPPED, state.user_id)) + len(_by_user(session.ANSWERED, state.user_id)) + 1
    with st.container(border=True):
        picture = picture_of(services, movie.movie_id)
        rank = f"Question {number}"
        st.html(tile(movie.title, movie.movie_id, movie.year, movie.genres, rank, picture, heading="h2"))
        st.caption(
            f"About {max(round(OUT_OF * question.chance), 1)} in {OUT_OF} people with similar ratings know it. "
            f"Rating it would reveal {question.teaches:.1%} more of your taste."
        )
        key = session.question(state.user_id, movie.movie_id)
        with st.container(key=session.STARS):
            rating = rating_input(f"Rate {movie.title}", services.scale.current, key=key)
        if rating is not None:
            services.ratings.rate(state.user_id, movie.movie_id, rating)
            _by_user(session.ANSWERED, state.user_id).append(movie.movie_id)
            st.rerun()
        if st.button("I don't know it", key=session.SKIP, icon=":material/skip_next:", width="stretch"):
            _by_user(session.SKIPPED, state.user_id).append(movie.movie_id)
            st.rerun()


def _undo(services: Services, user_id: str, skipped: list[str]) -> None:
    answered = _by_user(session.ANSWERED, user_id)
    with st.container(horizontal=True):
        if answered and st.button("Undo last rating", key=session.UNDO, icon=":material/undo:", type="tertiary"):
            services.ratings.unrate(user_id, answered.pop())
            st.rerun()
        label = f"Ask again about {counted(len(skipped), 'skipped movie')}"
        if skipped and st.button(label, key=session.ASK_AGAIN, icon=":material/replay:", type="tertiary"):
            skipped.clear()
            st.rerun()


def known(state: InterviewState) -> str:
    """How well the taste is known, and from how many ratings."""
    return f"{state.confidence:.0%} of your taste known from {counted(state.ratings_count, 'rating')}"


def preview(answer: Recommendations) -> None:
    """The list so far, with new movies marked."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**List so far**")
        user_picker.badge(answer.status)
    st.caption(text(answer.reason))
    ids = {item.movie_id for item in answer.items}
    user_id, before = st.session_state.get(session.LISTED, (None, ids))
    new = ids - set(before) if user_id == answer.user_id else set()
    stars = not preferences.in_use()
    rows = [
        (
            links.movie(f"{item.rank}. {item.title}", item.movie_id),
            "new" if item.movie_id in new else "",
            f"{item.predicted_rating:.1f}" if stars else "",
        )
        for item in answer.items
    ]
    if rows:
        tables.facts(rows, headings=("Movie", "", "Expected" if stars else ""), download="List so far")
    st.session_state[session.LISTED] = answer.user_id, ids


def _by_user(key: str, user_id: str) -> list[str]:
    """The user's list under a session key."""
    lists: dict[str, list[str]] = st.session_state.setdefault(key, {})
    return lists.setdefault(user_id, [])


def _remembered(services: Services, user_id: str) -> tuple[list[str], list[str]]:
    """Movies skipped and answered, which the address keeps, so that a reload forgets neither.

    Of the answers in the address only those count that are ratings of this person: they can be undone.
    """
    if session.SKIPPED not in st.session_state:
        known = services.library.knows_user(user_id)
        rated = {one.movie.movie_id for one in services.library.user_ratings(user_id)} if known else set()
        asked = (one for one in st.query_params.get_all(session.ANSWERED) if one in rated)
        _by_user(session.ANSWERED, user_id).extend(dict.fromkeys(asked))
        _by_user(session.SKIPPED, user_id).extend(dict.fromkeys(st.query_params.get_all(session.SKIPPED)))
    lists = _by_user(session.SKIPPED, user_id), _by_user(session.ANSWERED, user_id)
    for name, movies in zip((session.SKIPPED, session.ANSWERED), lists, strict=True):
        if st.query_params.get_all(name) != movies:
            st.query_params[name] = movies
    return lists

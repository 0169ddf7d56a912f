"""The interview: one movie to rate or to pass over, how much is known by now, and the list that forms beside it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.recommending.interview import InterviewQuestion, InterviewState
from engine.recommending.lists import Recommendations
from engine.services import Services
from pages.ui import session, tables, user_picker
from pages.ui.escape import text
from pages.ui.movie_card import tile
from pages.ui.stars import stars

LISTED = 8
KNOWN_BY = 10


def interview(services: Services, user_id: str) -> None:
    """The question now, or that there is none; answers are kept at once."""
    skipped = _by_user(session.SKIPPED, user_id)
    now = services.recommendations.interview(user_id, 1, skipped)
    st.progress(now.confidence, text=told(now))
    if now.questions:
        _ask(services, now, now.questions[0])
    else:
        st.success(text(now.finished or ""), icon=":material/check_circle:")
    _take_back(services, user_id, skipped)


def _ask(services: Services, now: InterviewState, question: InterviewQuestion) -> None:
    movie = question.movie
    with st.container(border=True):
        st.html(tile(movie.title, movie.movie_id, movie.year, movie.genres, f"Question {_asked(now.user_id) + 1}"))
        st.caption(
            f"About {max(round(KNOWN_BY * question.chance), 1)} in {KNOWN_BY} people like this know it; "
            f"a rating would add {question.teaches:.1%} to what is known."
        )
        label = f"Rate {movie.title}"
        rating = stars(label, services.settings.scale, key=session.question(now.user_id, movie.movie_id))
        if rating is not None:
            services.ratings.rate(now.user_id, movie.movie_id, rating)
            _by_user(session.ANSWERED, now.user_id).append(movie.movie_id)
            st.rerun()
        if st.button("I don't know it", icon=":material/skip_next:", width="stretch"):
            _by_user(session.SKIPPED, now.user_id).append(movie.movie_id)
            st.rerun()


def _take_back(services: Services, user_id: str, skipped: list[str]) -> None:
    answered = _by_user(session.ANSWERED, user_id)
    with st.container(horizontal=True):
        if answered and st.button("Take the last rating back", icon=":material/undo:", type="tertiary"):
            services.ratings.unrate(user_id, answered.pop())
            st.rerun()
        label = "Ask again about 1 movie passed over" if len(skipped) == 1 else f"Ask again about {len(skipped)} movies"
        if skipped and st.button(label, icon=":material/replay:", type="tertiary"):
            skipped.clear()
            st.rerun()


def told(now: InterviewState) -> str:
    """How much is known, and from what."""
    count = "1 rating" if now.ratings_count == 1 else f"{now.ratings_count:,} ratings"
    return f"{now.confidence:.0%} of this taste is known, from {count}"


def forming(answer: Recommendations) -> None:
    """The list so far, and how it was made."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**The list so far**")
        user_picker.badge(answer.status)
    st.caption(text(answer.reason))
    before = st.session_state.get(session.FORMED, (None, ()))
    fresh = _new(answer, before[1]) if before[0] == answer.user_id else frozenset()
    rows = [
        (f"{item.rank}. {item.title}", "new" if item.movie_id in fresh else "", f"{item.predicted_rating:.1f}")
        for item in answer.items
    ]
    tables.facts(rows, headings=("Movie", "", "Predicted"))
    st.session_state[session.FORMED] = answer.user_id, tuple(item.movie_id for item in answer.items)


def _new(answer: Recommendations, before: Sequence[str]) -> frozenset[str]:
    return frozenset(item.movie_id for item in answer.items) - frozenset(before)


def _asked(user_id: str) -> int:
    return len(_by_user(session.SKIPPED, user_id)) + len(_by_user(session.ANSWERED, user_id))


def _by_user(key: str, user_id: str) -> list[str]:
    """What the session remembers under a key of this user."""
    held: dict[str, list[str]] = st.session_state.setdefault(key, {})
    return held.setdefault(user_id, [])

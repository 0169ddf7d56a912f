"""A recommended movie: title card, expected rating, an input to rate it, and the reasons."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from engine.data.scale import RatingScale
from engine.recommending.explanations import Explanation
from engine.recommending.lists import RecommendedItem
from engine.services import Services
from engine.words import counted
from pages.ui import calls, charts, session, tables
from pages.ui.calls import Call
from pages.ui.escape import markup, text
from pages.ui.page import errors_shown
from pages.ui.poster import data_url
from pages.ui.preferences import given
from pages.ui.rating_input import rating_input

CERTAINTY = ((0.6, "Quite sure"), (0.45, "Fairly sure"), (0.3, "Not sure"), (0.0, "A guess"))
"""What confidence from a number on is called."""


def tile(title: str, movie_id: str, year: int | None, genres: tuple[str, ...], rank: str) -> str:
    """Title card as HTML, with all data escaped."""
    about = " · ".join(part for part in (str(year or ""), ", ".join(genres)) if part)
    return (
        f'<figure class="mq-tile"><img alt="" src="{data_url(movie_id, genres)}">'
        f'<figcaption title="{markup(title)}"><span class="mq-rank">{markup(rank)}</span>'
        f"<h3>{markup(title)}</h3><p>{markup(about)}</p></figcaption></figure>"
    )


def predicted(item: RecommendedItem, scale: RatingScale) -> str:
    """Expected rating, its interval on the scale, and how sure it is, as HTML; nothing for preferences."""
    if scale.are_preferences:
        return ""
    if item.interval is None or item.confidence is None:
        number = f"<strong>{item.predicted_rating:.1f}</strong>"
        return f'<div class="mq-predicted">{number}<small>Expected rating</small></div>'
    (low, high), (least, most) = item.interval, scale.ends
    left, at, right = (100 * (v - least) / (most - least) for v in (low, item.predicted_rating, high))
    return (
        f'<div class="mq-predicted"><strong>{item.predicted_rating:.1f}</strong>'
        f'<div class="mq-span" aria-hidden="true"><i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
        f'<b style="left:{at:.1f}%"></b></div>'
        f"<small>Expected, most likely {low:.1f} to {high:.1f}<br>{certainty(item.confidence)}</small></div>"
    )


def certainty(confidence: float) -> str:
    """In words, how narrow the 90% interval is: ``confidence`` is the part of the scale outside it."""
    return next(words for least, words in CERTAINTY if confidence >= least)


def card(services: Services, user_id: str, item: RecommendedItem, liked: Collection[str], reason: str) -> None:
    """A movie of a list. "Why this movie?" reruns only this card; a rating reruns the whole list.

    Args:
        services: answer and store.
        user_id: whose list it is.
        item: the movie.
        liked: the liked genres that the list was made for.
        reason: why it is listed, in a few words; empty if nothing is to be said.
    """
    scale = services.scale.current
    because = f'<p class="mq-because">{markup(reason)}</p>' if reason else ""
    st.html(tile(item.title, item.movie_id, item.year, item.genres, _rank(item)) + because + predicted(item, scale))
    with errors_shown():
        key = session.card("rate", item.movie_id)
        rating = rating_input(f"Rate {item.title}", scale, key=key, value=item.rated)
        if rating is not None:
            st.session_state[session.RECEIPT] = services.ratings.rate(user_id, item.movie_id, rating)
            st.rerun()
    why = st.expander(
        "Why this movie?",
        icon=":material/help:",
        type="compact",
        key=session.card("why", item.movie_id),
        on_change="rerun",
    )
    if why.open:
        with why, errors_shown():
            _why(services, services.recommendations.explain(user_id, item.movie_id, liked), item.confidence)


def _rank(item: RecommendedItem) -> str:
    """The rank and, after a rating, the previous one."""
    before: dict[str, int] | None = st.session_state.get(session.RANKS)
    if before is None or before.get(item.movie_id) == item.rank:
        return str(item.rank)
    return f"{item.rank} · was {before[item.movie_id]}" if item.movie_id in before else f"{item.rank} · new"


def _why(services: Services, explanation: Explanation, confidence: float | None) -> None:
    scale = services.scale.current
    st.markdown(text(explanation.text))
    of_ratings = () if scale.are_preferences else ("Rating", "Genres")
    names = ("Rank", *of_ratings[:1], "Movies", *of_ratings[1:], "People")
    tabs = dict(zip(names, st.tabs(names), strict=True))
    with tabs["Rank"]:
        charts.shares(explanation, scale, key=session.card("shares", explanation.movie_id))
    if of_ratings:
        with tabs["Rating"]:
            _rating(explanation, scale, confidence)
            pair = {"user_id": explanation.user_id, "movie_id": explanation.movie_id}
            calls.offer(services, Call("/api/ml/predict", body={"pairs": [pair]}))
    similar = [
        (one.title, given(one.rating, scale), f"{one.similarity:.0%} similar")
        for one in explanation.similar_rated_movies
    ]
    lifts = [(name, f"{lift:+z.1f}", counted(n, "rating")) for name, lift, n in explanation.genre_match.genres]
    users = [
        (f"User {one.user_id}", given(one.rating, scale), f"{one.similarity:.0%} similar")
        for one in explanation.similar_users
    ]
    with tabs["Movies"]:
        _facts("Most similar movies among those rated", similar, "No rated movie is similar.")
    if of_ratings:
        with tabs["Genres"]:
            _facts("This user's mean in its genres, compared with their overall mean", lifts, "Its genres are unknown.")
    with tabs["People"]:
        _facts("Users with similar taste who rated it", users, "Nobody with similar taste has rated it.")


def _rating(explanation: Explanation, scale: RatingScale, confidence: float | None) -> None:
    """The expected rating, from the average viewer's to this user's."""
    rating = explanation.rating
    sure = "" if confidence is None else f" Confidence {confidence:.0%}: the part of the scale outside the interval."
    st.caption(f"Average viewer {rating.baseline:.2f}, this user {rating.predicted_rating:.2f}.{sure}")
    if rating.contributions:
        charts.rating_shares(rating, scale, key=session.card("rating", explanation.movie_id))
        how = "exactly" if rating.method == "exact" else "by leaving out one rating at a time"
        st.caption(f"Each bar is how much the prediction would drop without that rating, computed {how}.")


def _facts(caption: str, rows: list[tuple[str, str, str]], empty: str) -> None:
    if rows:
        tables.facts(rows, caption=caption)
    else:
        st.caption(empty)

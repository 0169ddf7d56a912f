"""Why a movie is in a list: a dialog with one sentence, one chart, and everything behind them under Details."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.data.scale import RatingScale
from engine.recommending.explanations import Explanation
from engine.services import Services
from engine.words import counted
from pages.ui import calls, charts, links, session, tables
from pages.ui.calls import Call
from pages.ui.escape import text
from pages.ui.preferences import given


def show(services: Services, explanation: Explanation, confidence: float | None) -> None:
    """Open the dialog: one sentence, one chart, and the details.

    Args:
        services: scale and settings of the store.
        explanation: of the movie.
        confidence: in the expected rating, from 0 to 1; None without an interval.
    """
    st.dialog(text(explanation.title) or "Why this movie?", width="medium")(_why)(services, explanation, confidence)


def _why(services: Services, explanation: Explanation, confidence: float | None) -> None:
    scale = services.scale.current
    st.markdown(text(explanation.summary))
    charts.main_shares(explanation, scale, key=session.card("summary", explanation.movie_id))
    with st.expander("Details", icon=":material/query_stats:"):
        _details(services, explanation, confidence)


def _details(services: Services, explanation: Explanation, confidence: float | None) -> None:
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
        (links.movie(one.title, one.movie_id), given(one.rating, scale), f"{one.similarity:.0%} similar")
        for one in explanation.similar_rated_movies
    ]
    lifts = [(name, f"{lift:+z.1f}", counted(n, "rating")) for name, lift, n in explanation.genre_match.genres]
    users = [
        (links.person(one.user_id), given(one.rating, scale), f"{one.similarity:.0%} similar")
        for one in explanation.similar_users
    ]
    with tabs["Movies"]:
        _facts(
            "Most similar movies among those rated",
            ("Movie", "Rating", "Similarity"),
            similar,
            "No rated movie is similar.",
        )
    if of_ratings:
        with tabs["Genres"]:
            _facts(
                "Mean of this person's ratings in its genres, beside their overall mean",
                ("Genre", "Difference", "Ratings"),
                lifts,
                "Its genres are unknown.",
            )
    with tabs["People"]:
        _facts(
            "People with similar taste who rated it",
            ("Person", "Rating", "Similarity"),
            users,
            "Nobody with similar taste has rated it.",
        )


def _rating(explanation: Explanation, scale: RatingScale, confidence: float | None) -> None:
    """The expected rating, from the average viewer's to this person's."""
    rating = explanation.rating
    sure = "" if confidence is None else f" The 90% interval spans {1 - confidence:.0%} of the rating scale."
    st.caption(f"Average viewer {rating.baseline:.2f}, this person {rating.predicted_rating:.2f}.{sure}")
    if rating.contributions:
        charts.rating_shares(rating, scale, key=session.card("rating", explanation.movie_id))
        how = "exactly" if rating.method == "exact" else "by leaving out one rating at a time"
        st.caption(f"Each bar is how much the prediction would drop without that rating, computed {how}.")


def _facts(caption: str, names: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    if rows:
        tables.facts(rows, caption=caption)
        tables.offer([dict(zip(names, row, strict=True)) for row in rows], caption)
    else:
        st.caption(empty)

"""What if: change past ratings in a table and see the list they would give; nothing is saved."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.data.scale import RatingScale
from engine.recommending.lists import ListOptions, Recommendations, WhatIf
from engine.services import Services
from engine.services.library import RatedMovie
from pages.panels.recommend_list import MOVIE_PX
from pages.panels.versions_compare import changes, movement, placed, titled
from pages.ui import links, preferences, session, tables
from pages.ui.escape import text
from pages.ui.format import rating_format
from pages.ui.page import errors_shown

WHAT_IF = "What if"


def what_if(services: Services, answer: Recommendations, options: Mapping[str, Any]) -> None:
    """The user's ratings to change, and the list that they would give."""
    if not answer.ratings_count:
        st.caption("No ratings to change yet.")
        return
    rated = services.library.user_ratings(answer.user_id)
    st.caption("Change a rating or clear it to see what the list would be. Nothing is saved.")
    edits = edited(rated, _table(answer, rated, services.scale.current))
    if not edits:
        return
    with errors_shown():
        result = services.recommendations.what_if(answer.user_id, edits, ListOptions(**options))
        st.markdown(f"**{summary(result)}** {text(result.reason)}")
        imagined(result)


def _table(answer: Recommendations, rated: Sequence[RatedMovie], scale: RatingScale) -> Any:
    form = rating_format([one.rating for one in rated], scale)
    number = st.column_config.NumberColumn(format=form, width="small", help=f"{scale.low:g} to {scale.high:g}.")
    return st.data_editor(
        [
            {
                "Movie": links.movie_cell(one.movie.title, one.movie.movie_id),
                WHAT_IF: one.rating,
                "Rating": one.rating,
            }
            for one in rated
        ],
        hide_index=True,
        height=320,
        disabled=["Movie", "Rating"],
        key=session.what_if(answer.user_id, answer.ratings_count),
        column_config={
            "Movie": links.movie_column(MOVIE_PX),
            "Rating": number,
            # Without limits, which would refuse the "0" of "0.5" while it is typed; the service validates the rating.
            WHAT_IF: number,
        },
        alt="The person's ratings, with a column to change",
    )


def edited(rated: Sequence[RatedMovie], rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Changed ratings by movie id; None if cleared."""
    pairs = ((one, row[WHAT_IF]) for one, row in zip(rated, rows, strict=True))
    return {one.movie.movie_id: None if value is None else float(value) for one, value in pairs if value != one.rating}


def summary(result: WhatIf) -> str:
    """How the list would differ."""
    new, places = changes(result.items)
    if not new and not places:
        return "The list would stay the same."
    return f"{new} new, {len(result.left)} dropped, {places} moved."


def imagined(result: WhatIf, caption: str = "") -> None:
    """The list with how far each movie moved, and what is no longer in it."""
    stars = not preferences.in_use()
    rows = [
        (
            placed(item.rank, item.movie),
            movement(item.change),
            f"{item.predicted_before:.2f} → {item.predicted_rating:.2f}" if stars else "",
        )
        for item in result.items
    ]
    headings = ("Movie", "Rank", "Expected rating, now → what if" if stars else "")
    tables.facts(rows, headings=headings, caption=caption, download="List with other ratings")
    if result.left:
        st.caption(f"Dropped: {text(', '.join(map(titled, result.left)))}.")

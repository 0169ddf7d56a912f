"""What if: past ratings changed in a table, and the list that would follow, beside the one that is; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.recommending.lists import ListOptions, Recommendations, WhatIf
from engine.services import Services
from engine.services.lookup import RatedMovie
from pages.panels.recommend_list import MOVIE_PX
from pages.panels.versions_compare import changes, moved, titled
from pages.ui import session, tables
from pages.ui.escape import text
from pages.ui.page import errors_shown

IMAGINED = "What if"


def what_if(services: Services, answer: Recommendations, wanted: Mapping[str, Any]) -> None:
    """The table of past ratings, and under it the list that those typed there would give."""
    if not answer.ratings_count:
        st.caption("This user has rated nothing yet, so there is nothing to imagine otherwise.")
        return
    rated = services.library.user_ratings(answer.user_id)
    st.caption("Change a rating, or empty it as if it had never been given. The list follows; nothing is kept.")
    imagined = changes_of(rated, _table(answer, rated))
    if not imagined:
        return
    with errors_shown():
        told = services.recommendations.what_if(answer.user_id, imagined, ListOptions(**wanted))
        st.markdown(f"**{summary(told)}** {text(told.reason)}")
        _list(told)


def _table(answer: Recommendations, rated: Sequence[RatedMovie]) -> Any:
    number = st.column_config.NumberColumn
    return st.data_editor(
        [{"Movie": one.movie.title, IMAGINED: one.rating, "Rating": one.rating} for one in rated],
        hide_index=True,
        height=320,
        disabled=["Movie", "Rating"],
        key=session.imagined(answer.user_id, answer.ratings_count),
        column_config={
            "Movie": st.column_config.TextColumn(width=MOVIE_PX),
            "Rating": number(format="%.1f", width="small"),
            # Without limits: with them "0.5" can't be typed, since "0" is refused. The service says what is no rating.
            IMAGINED: number(format="%.1f", width="small"),
        },
        alt="Movies that this user has rated, with a column for ratings to imagine",
    )


def changes_of(rated: Sequence[RatedMovie], edited: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """By movie id the ratings that differ from those given; None where it was emptied."""
    pairs = ((one, row[IMAGINED]) for one, row in zip(rated, edited, strict=True))
    return {one.movie.movie_id: None if value is None else float(value) for one, value in pairs if value != one.rating}


def summary(told: WhatIf) -> str:
    """How far the list would differ."""
    new, places = changes(told.items)
    if not new and not places:
        return "The same list."
    return f"{new} would come, {len(told.left)} would leave, {places} would move."


def _list(told: WhatIf) -> None:
    rows = [
        (
            f"{item.rank}. {titled(item.movie)}",
            moved(item.change),
            f"{item.predicted_before:.2f} → {item.predicted_rating:.2f}",
        )
        for item in told.items
    ]
    tables.facts(rows, headings=("Movie", "Place", "Predicted, now → what if"))
    if told.left:
        left = ", ".join(titled(movie) for movie in told.left)
        st.caption(f"Would leave: {text(left)}.")

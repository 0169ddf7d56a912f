"""The beginning of somebody's list, so that the first look ends on movies."""

import streamlit as st

from engine.services import Services
from engine.words import counted
from pages.ui.escape import text
from pages.ui.movie_card import picture_of, tile

SHOWN = 4
TILE_WIDTH = 165  # two a row on a phone


def somebodys_list(services: Services) -> None:
    """Four movies for the person with the most ratings, whose list the next step opens; nothing without a version."""
    if services.serving.active_version() is None:
        return
    for somebody in services.library.search_users("", 1):
        answer = services.recommendations.recommend(somebody.user_id, SHOWN, shown=False)
        if not answer.items:  # everything is rated
            return
        st.header("What people see", anchor=False)
        st.caption(
            f"The first movies for person {text(somebody.user_id)}, who has given"
            f" {counted(somebody.ratings_count, 'rating')}, the most of all."
        )
        grid = st.grid(SHOWN, min_column_width=TILE_WIDTH)
        for item in answer.items:
            picture = picture_of(services, item.movie_id)
            with grid.cell():
                st.html(tile(item.title, item.movie_id, item.year, item.genres, str(item.rank), picture))

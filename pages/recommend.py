"""Recommend: one person's list, why each movie is in it, and stars that change it at once."""

from __future__ import annotations

import streamlit as st

from engine.recommending.lists import Recommendations
from engine.services import Services, current
from pages.panels import recommend_list, recommend_what_if
from pages.ui import next_steps, user_picker
from pages.ui.movie_card import card
from pages.ui.page import errors_shown, page_header

CARD_WIDTH = 250


def cards(services: Services, answer: Recommendations) -> None:
    """The list as a grid that fits the window."""
    if not answer.items:
        st.info("No movie is left that fits. Widen the filters above.", icon=":material/filter_alt_off:")
    grid = st.grid(min_column_width=CARD_WIDTH)
    for item in answer.items:
        with grid.cell(), st.container(border=True):  # its own border: an open neighbour does not stretch it
            st.fragment(card)(services, answer.user_id, item, wanted["genres_liked"])


services = current()
page_header("Recommend", "A list for one person, with the reason for each movie. A rating changes it at once.")
next_steps.require_version(services)
with st.container(border=True):
    user_id = user_picker.pick_user(services.library)
    wanted = recommend_list.filters(services.library)
if user_id is None:
    st.info(
        "Choose a user to see a list. An id that nobody has yet gets what most people like.",
        icon=":material/person_search:",
    )
    st.stop()

answer = services.recommendations.recommend(user_id, **wanted)
user_picker.header(answer)
recommend_list.price(answer)
recommend_list.tell_change(answer)
list_tab, history_tab, imagined_tab = st.tabs(
    [":material/movie: The list", ":material/history: Ratings so far", ":material/experiment: What if"]
)
with list_tab:
    cards(services, answer)
with history_tab, errors_shown():
    recommend_list.history(services, user_id, answer.ratings_count)
with imagined_tab, errors_shown():
    st.fragment(recommend_what_if.what_if)(services, answer, wanted)

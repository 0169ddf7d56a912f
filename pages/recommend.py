"""Recommend: one person's list, why each movie is in it, and stars that change it at once."""

from __future__ import annotations

import streamlit as st

from engine.services import Services, current
from engine.types import Recommendations
from pages.ui import imagining, listing, next_steps, people
from pages.ui.card import card
from pages.ui.failures import shown
from pages.ui.page import opening

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
opening("Recommend", "A list for one person, with the reason for each movie. A rating changes it at once.")
next_steps.require_version(services)
with st.container(border=True):
    user_id = people.pick_user(services.library)
    wanted = listing.filters(services.library)
if user_id is None:
    st.info(
        "Choose a user to see a list. An id that nobody has yet gets what most people like.",
        icon=":material/person_search:",
    )
    st.stop()

answer = services.serving.recommend(user_id, **wanted)
people.header(answer)
listing.price(answer)
listing.tell_change(answer)
list_tab, history_tab, imagined_tab = st.tabs(
    [":material/movie: The list", ":material/history: Ratings so far", ":material/experiment: What if"]
)
with list_tab:
    cards(services, answer)
with history_tab, shown():
    listing.history(services, user_id, answer.ratings_count)
with imagined_tab, shown():
    st.fragment(imagining.what_if)(services, answer, wanted)

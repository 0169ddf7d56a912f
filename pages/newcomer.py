"""Newcomer: from nobody to a personal list in under a minute, by genres they like and a few movies they know."""

from __future__ import annotations

import streamlit as st

from engine.services import current
from pages.panels import newcomer_interview, recommend_list
from pages.ui import next_steps, session, user_picker
from pages.ui.page import errors_shown, page_header

services = current()
page_header(
    "Newcomer", "From nobody to a personal list: a few genres, a few movies that they know, and stop at any time."
)
next_steps.require_version(services)
with st.container(border=True):
    row = st.grid(2, min_column_width=260)
    with row.cell():
        user_id = user_picker.pick_user(services.library)
    with row.cell():
        liked = recommend_list.like(services.library)
if user_id is None:
    st.info(
        "Type a name or an id that nobody has yet to begin, or choose somebody whose taste is to be known better.",
        icon=":material/person_add:",
    )
    st.stop()
asked, formed = st.columns([5, 4], gap="large")
with asked, errors_shown():
    newcomer_interview.interview(services, user_id)
with formed, errors_shown():
    newcomer_interview.forming(
        services.recommendations.recommend(user_id, newcomer_interview.LISTED, genres_liked=liked)
    )
    st.page_link(
        "recommend.py", label="Open the whole list", icon=":material/movie:", query_params={session.USER: user_id}
    )

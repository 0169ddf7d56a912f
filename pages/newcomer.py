"""Newcomer: a personal list in under a minute, from liked genres and a few ratings."""

import streamlit as st

from engine.services import current
from pages.panels import newcomer_interview, recommend_list
from pages.ui import next_steps, progress, session, user_picker
from pages.ui.page import errors_shown, page_header

services = current()
page_header("Newcomer", "Rate a few movies to get a personal list. Stop at any time.")
next_steps.require_version(services)
with st.container(border=True):
    row = st.grid(2, min_column_width=260)
    with row.cell():
        user_id = user_picker.pick_user(services.library)
    with row.cell():
        liked = recommend_list.liked_genres(services.library)
if user_id is None:
    st.info(
        "Type a new name or id to begin, or choose somebody who has ratings to learn more about their taste.",
        icon=":material/person_add:",
    )
    st.stop()
progress.watch_person(services, user_id)
questions, preview = st.columns([5, 4], gap="large")
with questions, errors_shown():
    newcomer_interview.interview(services, user_id)
with preview, errors_shown():
    newcomer_interview.preview(
        services.recommendations.recommend(user_id, newcomer_interview.LISTED, genres_liked=liked)
    )
    st.page_link("recommend.py", label="Open full list", icon=":material/movie:", query_params={session.USER: user_id})

"""Recommend: one person's list, the reasons for each movie, and ratings that update it at once."""

import streamlit as st

from engine.recommending.lists import Recommendations
from engine.services import Services, current
from pages.panels import recommend_list, recommend_what_if
from pages.ui import calls, next_steps, preferences, progress, user_picker
from pages.ui.calls import Call
from pages.ui.escape import text
from pages.ui.movie_card import card
from pages.ui.page import errors_shown, page_header

CARD_WIDTH = 250
LISTS = "/api/ml/recommendations"


def cards(services: Services, answer: Recommendations) -> None:
    """The list as a responsive grid."""
    if not answer.items:
        recommend_list.nothing(filtered=bool(chosen))
    liked, reasons = options["genres_liked"], [""] * len(answer.items)
    if options["rank_by"] == "ranker":
        reasons = services.recommendations.reasons(answer.user_id, [item.movie_id for item in answer.items], liked)
    grid = st.grid(min_column_width=CARD_WIDTH)
    for item, reason in zip(answer.items, reasons, strict=True):
        with grid.cell(), st.container(border=True):
            st.fragment(card)(services, answer.user_id, item, liked, reason)


services = current()
page_header("Recommend", "A personal list, with the reasons for each movie. Rate one and the list updates at once.")
next_steps.require_version(services)
preferences.explain()
with st.container(horizontal=True, vertical_alignment="bottom", wrap=False):
    user_id = user_picker.pick_user(services.library)
    options = recommend_list.filters(services.library)
if chosen := recommend_list.in_words(options):
    st.caption(text(f"Filters: {chosen}."))
if user_id is None:
    st.info("Choose a person to see their list. A new id gets popular movies.", icon=":material/person_search:")
    for somebody in services.library.search_users("", 1):
        calls.offer(services, Call(LISTS, query={"user_id": somebody.user_id} | options))
    st.stop()

progress.watch_person(services, user_id)
answer = services.recommendations.recommend(user_id, **options)
call = Call(LISTS, query={"user_id": user_id} | options)
user_picker.header(answer, lambda: calls.offer(services, call))
recommend_list.variety_cost(answer)
recommend_list.announce_change(answer)
list_tab, history_tab, what_if_tab = st.tabs(
    [":material/movie: List", ":material/history: Ratings", ":material/experiment: What if"]
)
with list_tab:
    recommend_list.last_rating(services, user_id)
    cards(services, answer)
with history_tab, errors_shown():
    recommend_list.history(services, user_id, answer.ratings_count)
with what_if_tab, errors_shown():
    st.fragment(recommend_what_if.what_if)(services, answer, options)

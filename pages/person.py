"""Person: what somebody rated and when, their taste beside everybody's, how well they are predicted, what they saw."""

import streamlit as st

from engine.data.identifiers import composed, id_problem
from engine.services import current
from pages.panels import person_data, person_list, person_shown, person_taste
from pages.ui import next_steps, session
from pages.ui.escape import text
from pages.ui.page import errors_shown, page_header

services = current()
user_id = composed(st.query_params.get(session.ID, "").strip())
problem = id_problem(user_id, "id") if user_id else "No person is chosen."
profile = None if problem else services.profiles.person(user_id)
if profile is None:
    page_header("Person", "Everything the ratings say about one person.")
    st.info(f"{problem} Find one with the search in the sidebar.", icon=":material/person_search:")
    st.stop()
served = services.serving.active_version() is not None
page_header(text(f"Person {user_id}"), person_taste.lead(profile, served=served))
if not profile.known:
    next_steps.require_version(services)
person_taste.page_links(user_id, rated=bool(profile.ratings))
if not profile.known:
    st.stop()
if profile.ratings:
    person_taste.numbers(profile)
    person_list.their_list(services, user_id)
    person_taste.ratings(services, profile)
    person_taste.tastes(services, profile)
    with errors_shown():
        person_taste.predictions(services, profile)
    person_taste.newest(services, profile)
with errors_shown():
    person_shown.lists(services, user_id)
person_data.their_data(services, user_id, len(profile.ratings))

"""Movie: what people gave one movie and when, who liked it, what is similar, and where it stands in lists."""

import streamlit as st

from engine.errors import UnknownMovie
from engine.services import current
from pages.panels import movie_facts, movie_standing
from pages.ui import next_steps, session
from pages.ui.escape import text
from pages.ui.page import errors_shown, page_header

services = current()
movie_id = st.query_params.get(session.ID, "")
try:
    profile = services.profiles.movie(movie_id)
except UnknownMovie:
    page_header("Movie", "Everything the ratings say about one movie.")
    if not services.library.counts().movies:
        next_steps.require_ratings(services, next_steps.NO_MOVIES)
        st.stop()
    missing = f"The catalogue has no movie {text(movie_id)}." if movie_id else "No movie is chosen."
    st.info(f"{missing} Find one with the search in the sidebar, or in the catalogue.", icon=":material/search:")
    st.page_link("catalogue.py", label="Open Catalogue", icon=":material/table_rows:")
    st.stop()

movie = profile.movie
page_header(text(movie.title), movie_facts.about(movie))
poster, facts = st.columns([2, 3], gap="large")
with poster:
    movie_facts.poster(services, movie)
with facts, errors_shown():
    movie_facts.numbers(services, profile)
    movie_facts.rate(services, movie)
if profile.ratings:
    movie_facts.ratings(services, profile)
else:
    st.info("Nobody has rated this movie yet. Choose a person above to rate it for them.", icon=":material/star:")
with errors_shown():
    movie_standing.standing(services, movie_id)
similar, fans = st.columns(2, gap="large")
with similar, errors_shown():
    movie_standing.similar(services, movie_id)
with fans, errors_shown():
    movie_standing.fans(services, profile)

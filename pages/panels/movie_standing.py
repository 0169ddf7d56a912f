"""Where a movie stands: in people's lists, among similar movies, and with the people who liked it."""

import streamlit as st

from engine.services import Services
from engine.services.profiles import MovieProfile, Standing
from engine.words import counted
from pages.panels.versions_compare import titled
from pages.ui import figures, links, preferences, progress, tables
from pages.ui.format import rating_date, when


def standing(services: Services, movie_id: str) -> None:
    """How often the movie is in the first ten places of a list; counted in the background on the first look."""
    st.header("In people's lists", anchor=False)
    if services.serving.active_version() is None:
        st.caption("Lists appear once the first version is trained.")
        return
    found = services.profiles.standing(movie_id)
    if found is None:
        progress.live(lambda: _counting(services, movie_id), every_s=progress.EVERY_S)
        return
    st.markdown(summary(found))
    if sum(found.places):
        told = ", ".join(f"{count} at place {place}" for place, count in enumerate(found.places, 1) if count)
        rows = [(str(place), count) for place, count in enumerate(found.places, 1)]
        figures.columns(rows, "Place", "Lists", f"Bar chart of lists by the movie's place: {told}.")
    st.caption(basis(found.people, found.out_of, found.version, found.at))


def _counting(services: Services, movie_id: str) -> None:
    if services.profiles.standing(movie_id) is not None:
        st.rerun()
    st.caption("Making people's lists. This takes a few seconds after a training or an import.")


def summary(found: Standing) -> str:
    """How often the movie is in the first ten, as a sentence."""
    listed = sum(found.places)
    if not listed:
        return "It is in nobody's first ten."
    who = counted(listed, "person", "people")
    return f"It is among the first ten for {who} of {found.people:,} ({listed / found.people:.1%})."


def basis(people: int, out_of: int, version: int, at: float) -> str:
    """What lists were counted, and when."""
    whose = (
        f"{people:,} people drawn at random from {out_of:,}"
        if people < out_of
        else f"all {people:,} people with ratings"
        if people > 1
        else "the only person with ratings"
    )
    return f"Lists of {whose}, by version {version}, {when(at)}. People's own rated movies are left out of their lists."


def similar(services: Services, movie_id: str) -> None:
    """The most similar movies."""
    st.header("Similar movies", anchor=False)
    found = services.profiles.similar(movie_id)
    if found is None or not found.items:
        st.caption(
            "No other movie is similar enough."
            if found is not None
            else "Similar movies appear once a version is trained that knows this one."
        )
        return
    why = "People rate them alike." if found.basis == "ratings" else "Nobody has rated it, so by genres and year."
    st.caption(why)
    rows = [(links.movie(titled(one.movie), one.movie.movie_id), f"{one.similarity:.0%}") for one in found.items]
    tables.facts(rows, headings=("Movie", "Similar"), download="Similar movies")


def fans(services: Services, profile: MovieProfile) -> None:
    """Who rated it highest."""
    st.header("Who liked it", anchor=False)
    if not profile.fans:
        st.caption("Nobody yet.")
        return
    st.caption("The highest ratings, the newest first.")
    scale = services.scale.current
    rows = [
        (links.person(one.user_id), preferences.shown(one.rating, scale), rating_date(one.rated_at))
        for one in profile.fans
    ]
    tables.facts(rows, headings=("Person", "Rating", "When"), download="Who liked it")

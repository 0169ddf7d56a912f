"""A person's ratings, their taste beside everybody's, and how far predictions are off."""

import streamlit as st

from engine.data.tallies import month_name
from engine.services import Services
from engine.services.profiles import PersonProfile
from engine.words import counted
from pages.ui import charts, figures, links, preferences, session, tables
from pages.ui.format import day, rating_date

MISSES, NEWEST = 5, 20


def lead(profile: PersonProfile, *, served: bool) -> str:
    """Who this is, in a sentence; ``served`` says whether there are lists."""
    if not profile.known:
        return f"Nobody has this id yet.{' Their list shows what most people like.' if served else ''}"
    if not profile.ratings:
        return "No ratings are stored."
    times = [one.rated_at for one in profile.ratings if one.rated_at is not None]
    first, last = (day(end) for end in (min(times, default=None), max(times, default=None)))
    since = "" if not times else f", all on {first}" if first == last else f", from {first} to {last}"
    return f"{counted(len(profile.ratings), 'rating')}{since}."


def page_links(user_id: str, *, rated: bool) -> None:
    """To the list and the interview."""
    query = {session.USER: user_id}
    with st.container(horizontal=True):
        st.page_link("recommend.py", label="Open their list", icon=":material/movie:", query_params=query)
        label = "Learn more about their taste" if rated else "Begin with a few questions"
        st.page_link("newcomer.py", label=label, icon=":material/person_add:", query_params=query)


def numbers(profile: PersonProfile) -> None:
    """Ratings and mean beside everybody's."""
    grid = st.grid(3, min_column_width=130, border=True)
    grid.metric("Ratings", f"{len(profile.ratings):,}")
    likes, mean, of_all = preferences.in_use(), profile.mean or 0.0, profile.mean_of_all or 0.0
    grid.metric("Likes" if likes else "Mean rating", f"{mean:.0%}" if likes else f"{mean:.2f}")
    grid.metric("Everybody's", f"{of_all:.0%}" if likes else f"{of_all:.2f}", help="Over all ratings of all people.")


def ratings(services: Services, profile: PersonProfile) -> None:
    """Distribution, and number over time."""
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Ratings", anchor=False)
        charts.rating_distribution(profile.rating_counts, services.scale.current)
    with right:
        st.header("Over time", anchor=False)
        if len(profile.months) == 1:
            st.caption(f"All of them are from {month_name(profile.months[0].month)}.")
        elif profile.months:
            figures.over_time({one.month: one.ratings for one in profile.months})
        else:
            st.caption("These ratings have no dates.")


def tastes(services: Services, profile: PersonProfile) -> None:
    """Taste by genre."""
    st.header("Taste by genre", anchor=False)
    if not profile.genres:
        when = "With three ratings of a genre" if services.library.genres() else "Once movies have genres"
        st.caption(f"{when} their taste appears here.")
        return
    st.caption("Genres with at least three of their ratings, the most rated first.")
    figures.tastes(profile.genres, of_ratings=not services.scale.current.are_preferences)


def predictions(services: Services, profile: PersonProfile) -> None:
    """How far predictions are off, each made without the rating that it predicts."""
    if preferences.in_use():
        return
    st.header("How well their ratings are predicted", anchor=False)
    if services.serving.active_version() is None:
        st.caption("Predictions appear once the first version is trained.")
        return
    found = services.profiles.predicted(profile.user_id)
    if not found:
        st.caption("It takes two ratings of movies that the active version knows to predict one from the other.")
        return
    off = sum(abs(one.rating - one.predicted) for one in found) / len(found)
    plain = sum(abs(one.rating - (profile.mean or 0)) for one in found) / len(found)
    st.markdown(
        f"Off by **{off:.2f}** on average over the newest {counted(len(found), 'rating')}. "
        f"Their own mean rating would be off by {plain:.2f}."
    )
    st.caption(
        "Each prediction was made without that rating, from up to 300 of their others. What everybody's ratings say "
        "about the movie still counts it."
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        figures.predictions(found, services.scale.current.ends)
    with right:
        worst = sorted(found, key=lambda one: -abs(one.rating - one.predicted))[:MISSES]
        rows = [
            (links.movie(one.movie.title, one.movie.movie_id), f"{one.rating:g}", f"{one.predicted:.1f}")
            for one in worst
        ]
        tables.facts(rows, headings=("Largest misses", "Given", "Predicted"), download="Largest misses")


def newest(services: Services, profile: PersonProfile) -> None:
    """The newest ratings."""
    st.header("Newest ratings", anchor=False)
    scale = services.scale.current
    rows = [
        (
            links.movie(one.movie.title, one.movie.movie_id),
            preferences.shown(one.rating, scale),
            rating_date(one.rated_at),
        )
        for one in profile.ratings[:NEWEST]
    ]
    tables.facts(rows, headings=("Movie", "Rating", "When"), download="Newest ratings")
    if len(profile.ratings) > NEWEST:
        st.caption(f"The {NEWEST} newest of {len(profile.ratings):,}. Their list shows all, under Ratings.")

"""A movie's poster, its numbers, an input to rate it for a person, and its ratings."""

import streamlit as st

from engine.data.catalogue import Movie
from engine.data.tallies import month_name
from engine.services import Services
from engine.services.profiles import MovieProfile
from pages.ui import charts, figures, preferences, progress, session, user_picker
from pages.ui.escape import markup, text
from pages.ui.movie_card import picture_of
from pages.ui.page import rerun_with
from pages.ui.poster import data_url
from pages.ui.rating_input import rating_input


def about(movie: Movie) -> str:
    """Year and genres, as far as they are known."""
    parts = (str(movie.year or ""), ", ".join(movie.genres))
    return " · ".join(part for part in parts if part) or "Year and genres are not known."


def poster(services: Services, movie: Movie) -> None:
    """The owner's picture over the generated title card, without its title."""
    picture = picture_of(services, movie.movie_id)
    over = "" if picture is None else f'<img alt="" src="{markup(picture)}">'
    st.html(f'<figure class="mq-tile"><img alt="" src="{data_url(movie.movie_id, movie.genres)}">{over}</figure>')


def numbers(services: Services, profile: MovieProfile) -> None:
    """Ratings, mean and place."""
    everybody = services.library.statistics().mean_rating
    grid = st.grid(3, min_column_width=120, border=True)
    grid.metric("Ratings", f"{profile.ratings:,}")
    mean, likes = profile.mean, preferences.in_use()
    shown = "–" if mean is None else f"{mean:.0%}" if likes else f"{mean:.2f}"
    help_ = (
        None if everybody is None else f"Over all movies: {everybody:.0%}." if likes else f"Over all: {everybody:.2f}."
    )
    grid.metric("Likes" if likes else "Mean rating", shown, help=help_)
    place = "–" if profile.rank is None else f"{profile.rank:,}"
    grid.metric("Rank by ratings", place, help=f"Its place among {profile.movies:,} movies, the most rated first.")


def rate(services: Services, movie: Movie) -> None:
    """The stars of any person."""
    with st.container(border=True):
        st.markdown("**Rate it for a person**")
        user_id = user_picker.pick_user(services.library)
        if user_id is None:
            st.caption("Choose a person to see what they gave it, or would, and to rate it for them.")
            return
        progress.watch_person(services, user_id)
        given = services.library.rating(user_id, movie.movie_id)
        if given is not None:
            st.caption(f"They {preferences.given(given, services.scale.current)}. Rate it again to change that.")
        elif services.serving.active_version() is not None and not preferences.in_use():
            (found,) = services.recommendations.predict([(user_id, movie.movie_id)]).predictions
            ends = found.interval
            span = "" if ends is None else f", likely between {ends[0]:.1f} and {ends[1]:.1f}"
            st.caption(f"Expected rating {found.predicted_rating:.1f}{span}.")
        key = session.card(f"rate.{user_id}", movie.movie_id)
        rating = rating_input(f"Rate {movie.title}", services.scale.current, key=key, value=given)
        if rating is not None:
            services.ratings.rate(user_id, movie.movie_id, rating)
            rerun_with(f"{text(user_id)} {preferences.given(rating, services.scale.current)}.")


def ratings(services: Services, profile: MovieProfile) -> None:
    """Distribution, and development over time."""
    scale = services.scale.current
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Ratings", anchor=False)
        charts.rating_distribution(profile.rating_counts, scale)
    with right:
        st.header("Over time", anchor=False)
        if not profile.months:
            st.caption("Its ratings have no dates.")
        elif len(profile.months) == 1:
            st.caption(f"All of them are from {month_name(profile.months[0].month)}.")
        elif scale.are_preferences:
            figures.over_time({one.month: one.ratings for one in profile.months})
        else:
            figures.mean_over_time(profile.months, scale.ends)
            st.caption("Larger points stand for more ratings. The line breaks where there are none.")

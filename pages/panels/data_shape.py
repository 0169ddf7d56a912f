"""Numbers and charts of the ratings."""

import streamlit as st

from engine.services import Services
from engine.services.data_picture import DataPicture
from pages.ui import charts, figures
from pages.ui.format import rating_period, when


def numbers(picture: DataPicture) -> None:
    """Size and sparsity."""
    grid = st.grid(4, min_column_width=140, border=True)
    grid.metric("Ratings", f"{picture.ratings:,}")
    grid.metric("People", f"{picture.people:,}")
    grid.metric("Ratings of a person", f"{picture.median:,.0f}", help="The median: half have more, half have fewer.")
    share = picture.ratings / max(picture.people * picture.movies, 1)
    grid.metric("Rated pairs", f"{share:.2%}", help="Share of all pairs of a person and a movie that have a rating.")
    if not picture.current:
        st.caption(f"As of {when(picture.at)}. Newer ratings are being counted.")


def shape(services: Services, picture: DataPicture) -> None:
    """Distribution, activity, people, movies and genres."""
    statistics, scale = services.library.statistics(), services.scale.current
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Ratings", anchor=False)
        charts.rating_distribution(statistics.rating_counts, scale)
    with right:
        st.header("Activity over time", anchor=False)
        if picture.months:
            figures.over_time(picture.months)
            undated = f" {picture.undated:,} ratings have no date." if picture.undated else ""
            st.caption(rating_period(statistics.first_rated_at, statistics.last_rated_at) + undated)
        else:
            st.caption("These ratings have no dates.")
    left, right = st.columns(2, gap="large")
    with left:
        st.header("People by number of ratings", anchor=False)
        figures.ranges(picture.people_by_ratings, "Ratings", "People")
    with right:
        st.header("Movies by number of ratings", anchor=False)
        figures.ranges(picture.movies_by_ratings, "Ratings", "Movies")
        st.page_link("catalogue.py", label="Open Catalogue", icon=":material/table_rows:")
    st.header("Genres over the years", anchor=False)
    if picture.decades:
        figures.genres_over_years(picture.decades, picture.genres)
        st.caption("Movies by the decade of their year. A movie with two genres counts in both.")
    else:
        st.caption("Import movies with genres and years to see them here.")

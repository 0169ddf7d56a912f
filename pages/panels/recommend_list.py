"""Around a list: its filters, what a rating changed in it, and the ratings it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from engine.recommending.lists import Recommendations
from engine.services.ratings import RatingReceipt
from pages.ui import session
from pages.ui.escape import text
from pages.ui.format import rated_on
from pages.ui.page import errors_shown, toast_next

if TYPE_CHECKING:
    from engine.services import Services
    from engine.services.library import LibraryService

COUNTS = (12, 24, 48, 96)
RANKINGS = {"ranker": "Best for this user", "rating": "Predicted rating"}
SEEN = {False: "Left out", True: "Listed too"}
EARLIEST, LATEST = 1874, 2100
TITLE = 40
MOST_TOLD = 3
MOVIE_PX = 190  # leaves room on a phone for the columns beside it


def filters(library: LibraryService) -> dict[str, Any]:
    """How many movies, in which order, of which genre and age: the options of ``RecommendationService.recommend``."""
    grid = st.grid(4, min_column_width=130)
    with grid.cell():
        rank_by = st.selectbox(
            "Order",
            list(RANKINGS),
            format_func=RANKINGS.__getitem__,
            key=session.RANK_BY,
            persist_state="session",
            help="The best for this user is what the person is likely to want, not what they would rate highest.",
        )
    with grid.cell():
        genres = sorted(library.statistics().genres)
        wanted = st.selectbox(
            "Genre", genres, index=None, placeholder="Any genre", key=session.GENRE, persist_state="session"
        )
    with grid.cell():
        since = st.number_input(
            "From year", EARLIEST, LATEST, value=None, placeholder="Any", key=session.YEAR_FROM, persist_state="session"
        )
    with grid.cell():
        n = st.selectbox("Movies", COUNTS, key=session.COUNT, persist_state="session")
    row = st.grid(3, min_column_width=200)
    with row.cell():
        liked = like(library)
    with row.cell():
        rated = st.selectbox(
            "Rated movies", list(SEEN), format_func=SEEN.__getitem__, key=session.SEEN, persist_state="session"
        )
    with row.cell():
        variety = _variety()
    return {
        "n": n,
        "rank_by": rank_by,
        "genre": wanted,
        "year_from": since,
        "diversity": variety,
        "genres_liked": liked,
        "include_rated": rated,
    }


def like(library: LibraryService) -> list[str]:
    """The genres that the user says they like."""
    return st.multiselect(
        "Likes",
        sorted(library.statistics().genres),
        key=session.LIKES,
        persist_state="session",
        placeholder="Genres that they like",
        help="Genres that the person says they like. They lead the list of a newcomer, and give way with each rating.",
    )


def _variety() -> float:
    percent = st.slider(
        "Variety",
        0,
        100,
        step=5,
        format="%d%%",
        key=session.VARIETY,
        persist_state="session",
        help="At 0 the list has the best scores. Further right, genres repeat less from place to place.",
    )
    return percent / 100


def price(answer: Recommendations) -> None:
    """What variety costs in this list."""
    cost = answer.price
    if cost is None:
        return
    movies = "1 movie gave way" if cost.replaced == 1 else f"{cost.replaced} movies gave way"
    st.caption(
        f"Variety: genres differ by {cost.variety:.0%} instead of {cost.variety_before:.0%}; {movies}. Its price: "
        f"{1 - cost.score_kept:.0%} of the list's score, and a mean predicted rating of {cost.predicted_rating:.2f} "
        f"instead of {cost.predicted_before:.2f}."
    )


def tell_change(answer: Recommendations) -> None:
    """After a rating, say what it changed; then remember the places for the next one.

    The movie that was rated leaves the list, so the places before are counted without it.
    """
    last: Recommendations | None = st.session_state.get(session.LAST_LIST)
    receipt: RatingReceipt | None = st.session_state.pop(session.RECEIPT, None)
    st.session_state[session.LAST_LIST] = answer
    if receipt is None:
        st.session_state[session.RANKS] = None
        return
    rated = [item for item in last.items if item.movie_id == receipt.movie_id] if last else []
    told = f"Rated {text(shortened(rated[0].title if rated else receipt.movie_id))} {receipt.rating:g}."
    if receipt.predicted_before is not None and receipt.predicted_after is not None:
        told += f" Predicted {receipt.predicted_before:.2f} before, {receipt.predicted_after:.2f} now."
    if last is not None and last.user_id == answer.user_id:
        before = ranks_without(last, receipt.movie_id)
        st.session_state[session.RANKS] = before
        told += " " + changed(before, answer)
    st.toast(told, icon=":material/star:", duration="long")


def shortened(title: str) -> str:
    """A title that leaves a toast room for what it has to say."""
    return title if len(title) <= TITLE else title[: TITLE - 1].rstrip() + "…"


def ranks_without(answer: Recommendations, movie_id: str) -> dict[str, int]:
    """The place of each movie of a list, had it been made without one of them."""
    left = [item.movie_id for item in answer.items if item.movie_id != movie_id]
    return {movie: rank for rank, movie in enumerate(left, start=1)}


def changed(before: Mapping[str, int], answer: Recommendations) -> str:
    """How far a list differs from the places before, in words."""
    new = sum(item.movie_id not in before for item in answer.items)
    moved = sum(item.movie_id in before and before[item.movie_id] != item.rank for item in answer.items)
    if not new and not moved:
        return "The order of the list stays."
    return f"{_movies(new)} new in the list, {moved} moved."


def _movies(n: int) -> str:
    return "1 movie is" if n == 1 else f"{n} movies are"


def history(services: Services, user_id: str, count: int) -> None:
    """What the user has rated, newest first; those that are ticked can be taken away."""
    if not count:
        st.caption("This user has rated nothing yet. Rate a movie of the list to begin.")
        return
    rated = services.library.user_ratings(user_id)
    picked = st.dataframe(
        [
            {
                "Movie": one.movie.title,
                "Rating": one.rating,
                "Year": one.movie.year,
                "Genres": ", ".join(one.movie.genres),
                "Rated": rated_on(one.rated_at),
            }
            for one in rated
        ],
        hide_index=True,
        height="auto",
        on_select="rerun",
        selection_mode="multi-row",
        key=session.rated(user_id, count),
        column_config={
            "Movie": st.column_config.TextColumn(width=MOVIE_PX),
            "Rating": st.column_config.NumberColumn(format="%.1f", width="small"),
            "Year": st.column_config.NumberColumn(format="%d", width="small"),
            # Where every column has a width, all of them share what room there is left.
            "Genres": st.column_config.TextColumn(width=200),
            "Rated": st.column_config.TextColumn(width=100),
        },
        alt="Movies that this user has rated, newest first",
    )
    chosen = [rated[row] for row in picked["selection"]["rows"] if row < len(rated)]
    if not chosen:
        st.caption("Tick ratings to take them away; the list changes at once.")
        if st.button("Forget this user", icon=":material/person_remove:", type="tertiary"):
            confirm_forgetting(services, user_id, count)
        return
    label = "Take this rating away" if len(chosen) == 1 else f"Take these {len(chosen)} ratings away"
    if st.button(label, icon=":material/delete:"):
        for one in chosen:
            services.ratings.unrate(user_id, one.movie.movie_id)
        toast_next(f"Taken away: {', '.join(text(shortened(one.movie.title)) for one in chosen[:MOST_TOLD])}.")
        st.rerun()


@st.dialog("Forget a user")
def confirm_forgetting(services: Services, user_id: str, count: int) -> None:
    """Say what is lost, then forget."""
    ratings = "The 1 rating" if count == 1 else f"All {count:,} ratings"
    st.markdown(f"{ratings} of **{text(user_id)}** and the id are erased for good, in the file and in memory.")
    with errors_shown():
        if st.button("Forget for good", type="primary"):
            with st.spinner("Forgetting, and building the lists anew without them"):
                receipt = services.ratings.forget(user_id)
            toast_next(text(receipt.text))
            st.rerun()

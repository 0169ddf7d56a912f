"""Around a list: filters, the effect of a rating, and the user's ratings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from engine.recommending.lists import Recommendations
from engine.services import Services
from engine.services.library import LibraryService
from engine.services.ratings import RatingReceipt
from engine.words import counted, listed
from pages.ui import links, preferences, session, tables
from pages.ui.escape import text
from pages.ui.format import rating_date, rating_format
from pages.ui.page import errors_shown, rerun_with
from pages.ui.rating_input import rating_input

COUNTS = (12, 24, 48, 96)
RANKINGS = {"ranker": "Best for this person", "rating": "Expected rating"}
SEEN = {False: "Hide", True: "Show"}
EARLIEST, LATEST = 1800, 2200
MAX_TITLE = 40
MAX_TITLES = 3
RATING_PX = 215
MOVIE_PX = 190  # leaves room for the other columns on a phone


SINGLE = 1e-6
"""Ratings that differ by less, relatively, are the same in single precision."""


@dataclass(frozen=True)
class LastRating:
    """A rating of this visit, and the title of its movie."""

    receipt: RatingReceipt
    title: str


def filters(library: LibraryService) -> dict[str, Any]:
    """A button with the options of a list, by the argument of ``recommend``; the address keeps them."""
    kept: dict[str, Any] = {"bind": "query-params"}
    with st.popover("Filters", icon=":material/tune:", key=session.FILTERS):
        rank_by = "ranker" if preferences.in_use() else _order(kept)
        genre = st.selectbox("Genre", library.genres(), index=None, placeholder="Any genre", key=session.GENRE, **kept)
        year_from = st.number_input(
            "From year", EARLIEST, LATEST, value=None, placeholder="Any year", key=session.YEAR_FROM, **kept
        )
        liked = liked_genres(library)
        rated = st.selectbox("Rated movies", list(SEEN), format_func=SEEN.__getitem__, key=session.SEEN, **kept)
        about = "0% lists the best scores. Higher values repeat genres less."
        percent = st.slider("Variety", 0, 100, step=5, format="%d%%", key=session.VARIETY, help=about, **kept)
        n = st.selectbox("Movies", COUNTS, key=session.COUNT, **kept)
    return {
        "n": n,
        "rank_by": rank_by,
        "genre": genre,
        "year_from": year_from,
        "diversity": percent / 100,
        "genres_liked": liked,
        "include_rated": rated,
    }


def in_words(options: Mapping[str, Any]) -> str:
    """The options that are not the usual ones; empty where all are."""
    told = [
        f"by {RANKINGS['rating'].lower()}" if options["rank_by"] == "rating" else "",
        f"only {options['genre']}" if options["genre"] else "",
        f"from {options['year_from']}" if options["year_from"] else "",
        f"who likes {listed(options['genres_liked'])}" if options["genres_liked"] else "",
        "with rated movies" if options["include_rated"] else "",
        f"variety {options['diversity']:.0%}" if options["diversity"] else "",
    ]
    return ", ".join(one for one in told if one)


def _order(kept: Mapping[str, Any]) -> str:
    chosen: str = st.selectbox(
        "Order by",
        list(RANKINGS),
        format_func=RANKINGS.__getitem__,
        key=session.RANK_BY,
        help="“Best for this person” puts the movies they most likely want first, not those they would rate highest.",
        **kept,
    )
    return chosen


def liked_genres(library: LibraryService) -> list[str]:
    """The genres that the person says they like."""
    return st.multiselect(
        "Liked genres",
        library.genres(),
        key=session.LIKES,
        bind="query-params",
        placeholder="Choose genres",
        help="These shape a new person's list, and matter less with each rating.",
    )


def nothing(*, filtered: bool) -> None:
    """Why a list is empty, and what to do."""
    if filtered:
        st.info("No movies match. Try fewer filters.", icon=":material/filter_alt_off:")
    else:
        st.info("The list goes on once there are more movies: import some.", icon=":material/done_all:")
        st.page_link("imports.py", label="Open Import", icon=":material/upload_file:")


def variety_cost(answer: Recommendations) -> None:
    """What variety changed in this list."""
    cost = answer.price
    if cost is None:
        return
    rating = (
        f", and an average expected rating of {cost.predicted_rating:.2f} instead of {cost.predicted_before:.2f}"
        if not preferences.in_use()
        else ""
    )
    st.caption(
        f"Variety: {counted(cost.replaced, 'movie')} replaced; genres differ by {cost.variety:.0%} instead of"
        f" {cost.variety_before:.0%}. Cost: {1 - cost.score_kept:.0%} of the list's score{rating}."
    )


def announce_change(answer: Recommendations) -> None:
    """Toast the effect of a new rating, and remember the ranks for the next one.

    The rated movie leaves the list, so only movies that stand elsewhere among the others have moved.
    """
    last: Recommendations | None = st.session_state.get(session.LAST_LIST)
    receipt: RatingReceipt | None = st.session_state.pop(session.RECEIPT, None)
    st.session_state[session.LAST_LIST] = answer
    if receipt is None:
        st.session_state[session.RANKS] = None
        return
    rated = [item for item in last.items if item.movie_id == receipt.movie_id] if last else []
    title, stars = text(shortened(rated[0].title if rated else receipt.movie_id)), not preferences.in_use()
    message = f"Rated {title} {receipt.rating:g}." if stars else f"{'Liked' if receipt.rating else 'Disliked'} {title}."
    if stars and receipt.predicted_before is not None and receipt.predicted_after is not None:
        message += f" Expected rating: {receipt.predicted_before:.2f} before, {receipt.predicted_after:.2f} now."
    if last is not None and last.user_id == answer.user_id:
        before = ranks_without(last, receipt.movie_id)
        stood, now = ({item.movie_id: item.rank for item in one.items} for one in (last, answer))
        st.session_state[session.RANKS] = {
            movie: stood[movie] if now.get(movie) != rank else rank for movie, rank in before.items()
        }
        message += " " + changed(before, answer)
    st.session_state[session.LAST_RATED] = LastRating(receipt, rated[0].title if rated else receipt.movie_id)
    st.toast(message, icon=":material/check:", duration="long")


def last_rating(services: Services, user_id: str) -> None:
    """The latest rating of this visit, which can be changed or undone."""
    last: LastRating | None = st.session_state.get(session.LAST_RATED)
    if last is None or last.receipt.user_id != user_id:
        return
    now = services.library.rating(user_id, last.receipt.movie_id)
    if now is None or not math.isclose(now, last.receipt.rating, rel_tol=SINGLE):  # changed elsewhere since
        st.session_state.pop(session.LAST_RATED)
        return
    given, movie_id = last.receipt, last.receipt.movie_id
    with st.container(border=True, horizontal=True, vertical_alignment="center"), errors_shown():
        said = "Your opinion of" if preferences.in_use() else "You rated"
        st.markdown(f"{said} **{text(last.title)}**", width="content")
        with st.container(width=RATING_PX):
            key, scale = session.card("again", movie_id), services.scale.current
            changed = rating_input(f"Rate {last.title} again", scale, key=key, value=given.rating)
        if changed is not None:
            new = services.ratings.rate(user_id, movie_id, changed)
            st.session_state[session.LAST_RATED] = replace(last, receipt=replace(given, rating=new.rating))
            rerun_with(f"Rated {text(shortened(last.title))} {changed:g}.")
        if st.button("Undo", key=session.UNDO_RATING, icon=":material/undo:"):
            if given.previous_rating is None:
                services.ratings.unrate(user_id, movie_id)
            else:
                services.ratings.rate(user_id, movie_id, given.previous_rating)
            st.session_state.pop(session.LAST_RATED)
            rerun_with(f"Undone: {text(shortened(last.title))} is as it was.")


def shortened(title: str) -> str:
    """A title short enough for a toast."""
    return title if len(title) <= MAX_TITLE else title[: MAX_TITLE - 1].rstrip() + "…"


def ranks_without(answer: Recommendations, movie_id: str) -> dict[str, int]:
    """Rank of each movie as if one of them were not listed."""
    left = [item.movie_id for item in answer.items if item.movie_id != movie_id]
    return {movie: rank for rank, movie in enumerate(left, start=1)}


def changed(before: Mapping[str, int], answer: Recommendations) -> str:
    """How a list differs from earlier ranks, as a sentence."""
    new = sum(item.movie_id not in before for item in answer.items)
    moved = sum(item.movie_id in before and before[item.movie_id] != item.rank for item in answer.items)
    if not new and not moved:
        return "The list stays the same."
    return f"{counted(new, 'new movie')} in the list, {moved} moved."


def history(services: Services, user_id: str, count: int) -> None:
    """The user's ratings, newest first; selected ones can be removed."""
    if not count:
        st.caption("No ratings yet. Rate a movie in the list to begin.")
        return
    rated = services.library.user_ratings(user_id)
    word, number = st.column_config.TextColumn, st.column_config.NumberColumn
    form = rating_format([one.rating for one in rated], services.scale.current)
    rows = [
        {
            "Movie": one.movie.title,
            "Rating": one.rating,
            "Year": one.movie.year,
            "Genres": ", ".join(one.movie.genres),
            "Rated": rating_date(one.rated_at),
        }
        for one in rated
    ]
    event = st.dataframe(
        [
            {**row, "Movie": links.movie_cell(one.movie.title, one.movie.movie_id)}
            for row, one in zip(rows, rated, strict=True)
        ],
        hide_index=True,
        height="auto",
        on_select="rerun",
        selection_mode="multi-row",
        key=session.rated(user_id, count),
        column_config={
            "Movie": links.movie_column(MOVIE_PX),
            "Rating": number(format=form, width="small"),
            "Year": number(format="%d", width="small"),
            # With a width for every column, they share the remaining room.
            "Genres": word(width=200),
            "Rated": word(width=100),
        },
        alt="Movies that this person has rated, newest first",
    )
    tables.offer(rows, f"Ratings of {user_id}")
    selected = [rated[row] for row in event["selection"]["rows"] if row < len(rated)]
    if not selected:
        st.caption("Select ratings to remove them.")
        return
    label = f"Remove {counted(len(selected), 'rating')}"
    if st.button(label, key=session.REMOVE_RATINGS, icon=":material/delete:"):
        for one in selected:
            services.ratings.unrate(user_id, one.movie.movie_id)
        titles = ", ".join(text(shortened(one.movie.title)) for one in selected[:MAX_TITLES])
        more = f" and {len(selected) - MAX_TITLES} more" if len(selected) > MAX_TITLES else ""
        rerun_with(f"Removed {titles}{more}.")

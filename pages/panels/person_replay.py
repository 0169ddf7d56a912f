"""A list that a person was shown, made again, with the ratings it came from."""

from collections.abc import Sequence

import streamlit as st

from engine.errors import NotReplayable
from engine.services import Services
from engine.services.answers import Shown
from engine.services.replays import Replay, ReplayedItem
from engine.words import counted
from pages.ui import links, session, tables
from pages.ui.format import when
from pages.ui.page import errors_shown

FIRST_RATINGS = 10


def replay(services: Services, lists: Sequence[Shown]) -> None:
    """Choose one of the lists, and see what it was made from and why."""
    by_number = {one.answer_id: one for one in lists}
    chosen = st.selectbox(
        "Replay a list",
        list(by_number),
        index=None,
        format_func=lambda number: _named(by_number[number]),
        placeholder="Choose one",
        key=session.REPLAYED,
        help="Makes the list again from the version and the ratings of that time, to see why each movie was in it.",
    )
    if chosen is None:
        return
    with errors_shown():
        try:
            with st.spinner("Putting the ratings of that time together"):
                found = services.replays.replay(chosen)
        except NotReplayable as error:
            st.info(str(error), icon=":material/history_toggle_off:")
            return
        _replayed(found)


def _named(one: Shown) -> str:
    first = f": {one.items[0].title}, …" if one.items else ""
    return f"{when(one.shown_at)}, version {one.model_version}, from {counted(one.ratings_count, 'rating')}{first}"


def _replayed(found: Replay) -> None:
    if found.is_exact:
        st.success("Exactly the list that was shown.", icon=":material/check:")
    else:
        st.warning(
            "Not the list that was shown. Marquee, its settings or a library that it uses have changed since.",
            icon=":material/difference:",
        )
    if found.items:
        tables.table([_row(item, is_exact=found.is_exact) for item in found.items], "The list, made again")
    if not found.ratings:
        st.caption("They had rated nothing then.")
        return
    most = f" The best {FIRST_RATINGS}:" if len(found.ratings) > FIRST_RATINGS else ""
    st.caption(f"It was made from {counted(len(found.ratings), 'rating')}.{most}")
    rows = [{"Movie": links.movie(one.title, one.movie_id), "Rating then": f"{one.rating:g}"} for one in found.ratings]
    tables.table(rows[:FIRST_RATINGS], "Ratings of that time", download=False)
    tables.offer(rows, "All ratings of that time")


def _row(item: ReplayedItem, *, is_exact: bool) -> dict[str, object]:
    movie = links.movie(item.title, item.movie_id)
    row: dict[str, object] = {"Movie": movie, "Place": item.rank, "Score": f"{item.score:.3f}"}
    if not is_exact:
        row["Shown with"] = "–" if item.shown_score is None else f"{item.shown_score:.3f}"
    return row | {"Reason": item.reason}

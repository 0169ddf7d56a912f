"""The table of movies: filters and sorting are kept in the address, so any view can be linked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import urlencode

import streamlit as st

from engine.services import Services
from engine.services.catalogue import CataloguePage, CatalogueRow, Only, Order
from engine.words import counted
from pages.ui import links, preferences, progress, session, tables
from pages.ui.links import Link
from pages.ui.tables import query_number

HEADINGS: dict[Order, str] = {
    "title": "Movie",
    "year": "Year",
    "ratings": "Ratings",
    "mean": "Mean",
    "reach": "In lists",
}
CAPTION = "Movies of this page"
ASCENDING = frozenset({"title"})
"""What is sorted from the smallest first unless asked otherwise."""
NEVER = "Never in a list"
SHOW: dict[str, Only] = {"All movies": "all", NEVER: "never_shown", "Never rated": "never_rated"}


def table(services: Services) -> None:
    """Filters, a page of the table, and links to the other pages."""
    st.header("Movies", anchor=False)
    chosen = _filters(services)
    order = _order()
    descending = st.query_params.get("order", "up" if order in ASCENDING else "down") == "down"
    reach = services.catalogue.reach()
    if reach is None and services.serving.active_version() is not None:
        progress.live(lambda: _counting(services), every_s=progress.EVERY_S)
    found = services.catalogue.page(order, descending=descending, page=query_number("page") or 1, **chosen)
    if not found.total:
        st.info(_empty(chosen["only"], waits=reach is None), icon=":material/search_off:")
        return
    people = "" if reach is None else f" In lists: among the first ten, of {counted(reach.people, 'person', 'people')}."
    st.caption(f"{counted(found.total, 'movie')}. Click a heading to sort.{people}")
    headings = [_heading(name, label, order, chosen, descending=descending) for name, label in HEADINGS.items()]
    rows = [_cells(row) for row in found.rows]
    tables.sorted_table(headings, rows, CAPTION)
    tables.offer([dict(zip(HEADINGS.values(), map(str, row), strict=True)) for row in rows], CAPTION)
    _turn(found, order, chosen, descending=descending)


def never_shown() -> Link:
    """To the movies that are in nobody's list."""
    return Link("Show them", "/catalogue?" + urlencode({session.CATALOGUE_SHOW: NEVER}))


def _filters(services: Services) -> dict[str, Any]:
    """Arguments of the service, by name."""
    grid = st.grid(3, min_column_width=200)
    again: dict[str, Any] = {"bind": "query-params", "on_change": _from_the_first}
    text = grid.text_input("Title", placeholder="Words of the title", key=session.CATALOGUE_TITLE, **again)
    genre = grid.selectbox(
        "Genre",
        services.library.genres(),
        index=None,
        placeholder="Any genre",
        key=session.GENRE,
        **again,
    )
    only = grid.selectbox("Show", list(SHOW), key=session.CATALOGUE_SHOW, **again)
    return {"text": text, "genre": genre, "only": SHOW[only]}


def _from_the_first() -> None:
    st.query_params.pop("page", None)


def _order() -> Order:
    asked = st.query_params.get("sort", "")
    return next((name for name in get_args(Order) if name == asked), "ratings")


def _address(order: Order, chosen: Mapping[str, Any], *, descending: bool, page: int = 1) -> str:
    query = {
        "sort": order,
        "order": "down" if descending else "up",
        session.CATALOGUE_TITLE: chosen["text"],
        session.GENRE: chosen["genre"],
        session.CATALOGUE_SHOW: next((name for name, only in SHOW.items() if only == chosen["only"] != "all"), None),
        "page": page if page > 1 else None,
    }
    return "/catalogue?" + urlencode({name: value for name, value in query.items() if value})


def _heading(
    name: Order, label: str, order: Order, chosen: Mapping[str, Any], *, descending: bool
) -> tuple[Link, str | None]:
    """A heading that sorts, and which way the table is sorted by it."""
    is_it = name == order
    label = "Likes" if name == "mean" and preferences.in_use() else label
    turned = not descending if is_it else name not in ASCENDING
    sign = (" ▼" if descending else " ▲") if is_it else ""
    way = ("descending" if descending else "ascending") if is_it else None
    return Link(label + sign, _address(name, chosen, descending=turned)), way


def _cells(row: CatalogueRow) -> list[object]:
    movie, likes = row.movie, preferences.in_use()
    mean = "–" if row.mean is None else f"{row.mean:.0%}" if likes else f"{row.mean:.2f}"
    reach = "–" if row.reach is None else f"{row.reach:,}"
    genres = ", ".join(movie.genres)
    return [
        tables.Titled(links.movie(movie.title, movie.movie_id), genres),
        movie.year or "–",
        f"{row.ratings:,}",
        mean,
        reach,
    ]


def _turn(found: CataloguePage, order: Order, chosen: Mapping[str, Any], *, descending: bool) -> None:
    """Links to the pages before and after."""
    if found.pages == 1:
        return
    ends = (
        ("First", 1, found.page > 2),
        ("Previous", found.page - 1, found.page > 1),
        ("Next", found.page + 1, found.page < found.pages),
        ("Last", found.pages, found.page < found.pages - 1),
    )
    parts = [
        links.anchor(Link(label, _address(order, chosen, descending=descending, page=page)))
        for label, page, there in ends
        if there
    ]
    here = f"<span>Page {found.page:,} of {found.pages:,}</span>"
    st.html(f'<nav class="mq-turn" aria-label="Pages of the table">{here}{"".join(parts)}</nav>')


def _empty(only: Only, *, waits: bool) -> str:
    if only == "never_shown":
        if waits:
            return "This is known once people's lists are made. Without a version there are none."
        return "Every movie that matches is in somebody's first ten."
    return "Every movie that matches has ratings." if only == "never_rated" else "No movies match. Try fewer filters."


def _counting(services: Services) -> None:
    if services.catalogue.reach() is not None:
        st.rerun()
    st.caption("Making people's lists. The column “In lists” fills in a few seconds.")

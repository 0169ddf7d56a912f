"""IMDb: one's own ratings in the exports of three generations, and lists."""

from __future__ import annotations

from engine.data.formats.base import FILMS, TEN, Head, Layout, Source

SOURCE = Source("imdb", "IMDb", TEN, personal=True, kinds=FILMS, site="imdb")


def recognise(head: Head) -> Layout | None:
    """By the column Const."""
    if not head.has("const", "title"):
        return _catalogue(head)
    if not (head.has("yourrating") or head.has("yourated")):
        return head.ignored(SOURCE, "It is a list from IMDb without a column for your own ratings.", refuses=True)
    return head.ratings(
        SOURCE,
        movie="const",
        imdb="const",
        title="title",
        year="year",
        genres="genres",
        kind="titletype",
        rating=("yourrating", "yourated"),
        time=("daterated", "created"),
    )


def _catalogue(head: Head) -> Layout | None:
    """IMDb's public files, which hold averages and titles."""
    if head.has("tconst", "averagerating", "numvotes"):
        return head.ignored(SOURCE, "It holds average ratings, not ratings by people.", refuses=True)
    if head.has("tconst", "primarytitle"):
        return head.movies(
            SOURCE, movie="tconst", imdb="tconst", title="primarytitle", year="startyear", genres="genres"
        )
    return None

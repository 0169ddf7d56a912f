"""Books: exports of Goodreads and StoryGraph, Goodreads' public interactions, and Book-Crossing."""

from __future__ import annotations

from engine.data.formats.base import STARS, Head, Layout, Source
from engine.data.scale import RatingScale

GOODREADS = Source("goodreads", "Goodreads", STARS, frozenset((0.0,)), personal=True)
INTERACTIONS = Source("goodreads-interactions", "Goodreads interactions", STARS, frozenset((0.0,)))
STORYGRAPH = Source("storygraph", "StoryGraph", RatingScale(0.25, 5.0, 0.25), frozenset((0.0,)), personal=True)
BOOK_CROSSING = Source("book-crossing", "Book-Crossing", RatingScale(1.0, 10.0, 1.0), frozenset((0.0,)))


def recognise(head: Head) -> Layout | None:
    """By the columns that only these have."""
    if head.has("bookid", "myrating", "exclusiveshelf"):
        return head.ratings(
            GOODREADS,
            title="title",
            year=("originalpublicationyear", "yearpublished"),
            rating="myrating",
            time=("dateread", "dateadded"),
        )
    if head.has("starrating", "readstatus") or head.has("isbn/uid", "starrating"):
        return head.ratings(STORYGRAPH, title="title", rating="starrating", time=("lastdateread", "dateadded"))
    if head.has("userid", "bookid", "isread", "rating"):
        return head.ratings(INTERACTIONS, user="userid", movie="bookid", rating="rating", time=("dateadded", "readat"))
    if head.names == ["userid", "isbn", "bookrating"]:
        return head.ratings(BOOK_CROSSING, user="userid", movie="isbn", rating="bookrating")
    if head.has("isbn", "booktitle"):
        return head.movies(BOOK_CROSSING, movie="isbn", title="booktitle", year="yearofpublication")
    if head.has("userid", "location", "age") and head.table.width == 3:
        return head.ignored(BOOK_CROSSING, "It describes the people, which Marquee does not need.")
    return None

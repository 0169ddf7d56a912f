"""Marquee's own exports, of this release and earlier ones."""

from __future__ import annotations

from dataclasses import replace

from engine.data.formats.base import Head, Layout, Source
from engine.data.matching import ALIAS

SOURCE = Source("marquee", "Marquee")
RATINGS_EXPORT = ("user_id", "movie_id", "rating", "timestamp", "title", "year")
MOVIES_EXPORT = ("movie_id", "title", "year", "genres", "imdb_id", "tmdb_id")
SITE_COLUMNS = {
    "imdb": "imdb_id",
    "tmdb": "tmdb_id",
    "trakt": "trakt_id",
    "letterboxd": "letterboxd_uri",
    ALIAS: "other_id",
}
"""Columns of ids on other sites, in the archive."""
LINKED_MOVIES_EXPORT = ("movie_id", "title", "year", "genres", *SITE_COLUMNS.values())
EARLIER_RATINGS = ("user_id", "movie_id", "rating", "rated_at", "movie_title")
EARLIER_MOVIES = ("movie_id", "title", "year", "genres", "ratings_count")
MANIFEST = "marquee.json"
FORMAT = 1


def recognise(head: Head) -> Layout | None:
    """By the whole header."""
    names = tuple(head.table.names)
    if names in (MOVIES_EXPORT, LINKED_MOVIES_EXPORT, EARLIER_MOVIES):
        sites = {"imdb": "imdbid", "tmdb": "tmdbid", "trakt": "traktid", "letterboxd": "letterboxduri"}
        layout = head.movies(
            SOURCE, movie="movieid", title="title", year="year", genres="genres", alias="otherid", **sites
        )
    elif names in (RATINGS_EXPORT, EARLIER_RATINGS):
        layout = head.ratings(
            SOURCE,
            user="userid",
            movie="movieid",
            rating="rating",
            time=("timestamp", "ratedat"),
            title=("title", "movietitle"),
            year="year",
        )
    else:
        return None
    return replace(layout, is_exported=True)

"""Marquee's own exports, of this release and earlier ones."""

from __future__ import annotations

from dataclasses import replace

from engine.data.formats.base import Head, Layout, Source

SOURCE = Source("marquee", "Marquee")
RATINGS_EXPORT = ("user_id", "movie_id", "rating", "timestamp", "title", "year")
MOVIES_EXPORT = ("movie_id", "title", "year", "genres", "imdb_id", "tmdb_id")
EARLIER_RATINGS = ("user_id", "movie_id", "rating", "rated_at", "movie_title")
EARLIER_MOVIES = ("movie_id", "title", "year", "genres", "ratings_count")
MANIFEST = "marquee.json"


def recognise(head: Head) -> Layout | None:
    """By the whole header."""
    names = tuple(head.table.names)
    if names in (MOVIES_EXPORT, EARLIER_MOVIES):
        layout = head.movies(
            SOURCE, movie="movieid", title="title", year="year", genres="genres", imdb="imdbid", tmdb="tmdbid"
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

"""Trakt: ratings as CSV or JSON, or the whole zip."""

from __future__ import annotations

from engine.data.formats.base import FILMS, TEN, Head, Layout, Source

SOURCE = Source("trakt", "Trakt", TEN, personal=True, kinds=FILMS, site="trakt")


def recognise(head: Head) -> Layout | None:
    """By the column trakt_rating of the CSV, or the ids inside the movie of the JSON."""
    if head.has("ratedat", "type", "traktid", "rating"):
        return head.ratings(
            SOURCE,
            movie="traktid",
            trakt="traktid",
            imdb="imdbid",
            tmdb="tmdbid",
            title="title",
            year="year",
            genres="genres",
            kind="type",
            rating="rating",
            time="ratedat",
        )
    if not any(name.startswith(("movieids", "showids")) for name in head.names):
        return None
    if not head.has("ratedat", "rating"):
        return head.ignored(SOURCE, "It holds what was watched or saved at Trakt, without ratings.", refuses=True)
    columns = {"imdb": "movieidsimdb", "tmdb": "movieidstmdb", "trakt": "movieidstrakt", "movie": "movieidstrakt"}
    titled = {"title": "movietitle", "year": "movieyear", "kind": "type", "rating": "rating", "time": "ratedat"}
    if not head.has("movietitle"):
        return head.ignored(SOURCE, "It holds ratings of series, seasons or episodes, not of movies.")
    return head.ratings(SOURCE, **columns, **titled)

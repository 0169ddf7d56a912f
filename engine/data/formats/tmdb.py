"""TMDB: one's own ratings as CSV."""

from __future__ import annotations

from engine.data.formats.base import FILMS, TEN, Head, Layout, Source

SOURCE = Source("tmdb", "TMDB", TEN, personal=True, kinds=FILMS, site="tmdb")


def recognise(head: Head) -> Layout | None:
    """By the columns TMDb ID and Your Rating."""
    if not head.has("tmdbid", "yourrating"):
        return None
    return head.ratings(
        SOURCE,
        movie="tmdbid",
        tmdb="tmdbid",
        imdb="imdbid",
        title="name",
        year="releasedate",
        kind="type",
        rating="yourrating",
        time="daterated",
    )

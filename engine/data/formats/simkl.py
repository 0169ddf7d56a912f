"""Simkl: one's own movies and series as CSV."""

from __future__ import annotations

from engine.data.columns import normal
from engine.data.formats.base import FILMS, TEN, Head, Layout, Source

SOURCE = Source(
    "simkl", "Simkl", TEN, personal=True, kinds=FILMS | {normal("movies"), "anime"}, unrated=frozenset((0.0,))
)


def recognise(head: Head) -> Layout | None:
    """By the column SIMKL_ID."""
    if not head.has("simklid", "title"):
        return None
    if not head.has("rating") and not head.has("userrating"):
        return head.ignored(SOURCE, "It holds what was watched or saved at Simkl, without ratings.", refuses=True)
    return head.ratings(
        SOURCE,
        imdb=("imdb", "imdbid"),
        tmdb=("tmdb", "tmdbid"),
        title="title",
        year="year",
        kind="type",
        rating=("rating", "userrating"),
        time=("ratedat", "watcheddate", "lastwatched"),
    )

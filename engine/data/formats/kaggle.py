"""Kaggle's Movies Dataset: ratings of MovieLens, and metadata under TMDB's numbers."""

from __future__ import annotations

from engine.data.formats.base import Head, Layout, Source

SOURCE = Source("kaggle-movies", "The Movies Dataset", site="tmdb")
BESIDE = {
    "keywords.csv": "It holds keywords, not ratings.",
    "credits.csv": "It holds cast and crew, not ratings.",
}


def recognise(head: Head) -> Layout | None:
    """By the columns of the metadata; of two sizes of a file the larger counts, as both number their users from 1."""
    if head.has("id", "imdbid", "title", "originaltitle", "releasedate"):
        return head.movies(SOURCE, tmdb="id", imdb="imdbid", title="title", year="releasedate", genres="genres")
    if head.name in BESIDE and head.has("id"):
        return head.ignored(SOURCE, BESIDE[head.name])
    whole = head.name.replace("_small", "")
    if whole != head.name and head.has("userid", "movieid") and head.beside(whole):
        return head.ignored(SOURCE, f"It is a part of {whole}, with its own numbers for people.")
    return None

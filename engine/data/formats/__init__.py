"""The sources that are known, one module each. A new one is a module here and a line in ``MODULES``."""

from __future__ import annotations

from engine.data.columns import Role, guess
from engine.data.formats import (
    anime,
    books,
    imdb,
    kaggle,
    letterboxd,
    marquee,
    movielens,
    movietweetings,
    netflix,
    plain,
    plays,
    shops,
    simkl,
    tmdb,
    trakt,
    wide,
)
from engine.data.formats.base import Head, Layout, Source, Unclear

MODULES = (
    marquee, kaggle, movietweetings, movielens, letterboxd, imdb, tmdb, trakt, simkl, books, anime, netflix, shops,
    wide, plays, plain,
)  # fmt: skip
"""In the order in which they are asked: the more particular first."""

SOURCES = {source.name: source for module in MODULES for source in vars(module).values() if isinstance(source, Source)}
"""All sources by name."""

NAMING: frozenset[Role] = frozenset({"movie", "title", "imdb", "tmdb", "trakt", "letterboxd"})
"""Roles that say which movie a row is of."""

OWN_ENCODINGS = {
    "u.item": "cp1252",
    "movies.dat": "cp1252",
    "movie_titles.csv": "cp1252",
    "movie_titles.txt": "cp1252",
    "bx-books.csv": "cp1252",
    "bx-users.csv": "cp1252",
    "bx-book-ratings.csv": "cp1252",
}
"""Encodings of files that are not UTF-8, by their names."""


def recognise(head: Head, source: str = "auto") -> Layout | Unclear | None:
    """What a table is; None if it holds nothing for an import.

    Args:
        head: the table, and what is brought beside it.
        source: ``auto``, or the name of the source that it is from.
    """
    for module in MODULES:
        found: Layout | Unclear | None = module.recognise(head)
        wanted = source == "auto" or isinstance(found, Unclear) or (found is not None and found.source.name == source)
        if found is not None and wanted:
            return _with_a_movie(found)
    return None


def _with_a_movie(found: Layout | Unclear) -> Layout | Unclear:
    """What was found; unclear where it has ratings of a known source, but no column that says of which movie."""
    if isinstance(found, Unclear) or found.role != "ratings" or found.columns.keys() & NAMING:
        return found
    return Unclear(found.table, guess(found.table.sample, found.columns))

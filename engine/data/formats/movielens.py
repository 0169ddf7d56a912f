"""MovieLens 100K, 1M, 10M, 20M, 25M, 32M and latest, and what movielens.org exports for its users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from engine.data.formats.base import HALF_STARS, STARS, Head, Layout, Source, numbers
from engine.data.rejections import Rejections
from engine.data.rows import Part
from engine.data.tables import Table

OLD = Source("movielens-100k", "MovieLens 100K", STARS)
MILLION = Source("movielens-1m", "MovieLens 1M", STARS)
HALF = Source("movielens", "MovieLens", HALF_STARS)
PERSONAL = Source("movielens.org", "movielens.org", HALF_STARS, personal=True)

GENRES = (
    "", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""The 19 flags of u.item; the first means unknown."""
FLAGS = 5
BESIDE = {
    "u.user": "It describes the people, which Marquee does not need.",
    "u.genre": "It lists the genres.",
    "u.occupation": "It lists occupations.",
    "u.info": "It counts people, movies and ratings.",
    "users.dat": "It describes the people, which Marquee does not need.",
    "tags.dat": "It holds tags, not ratings.",
    "tags.csv": "It holds tags, not ratings.",
    "genome-tags.csv": "It holds tags, not ratings.",
    "genome-scores.csv": "It holds the relevance of tags, not ratings.",
}
SPLITS = ("u1.", "u2.", "u3.", "u4.", "u5.", "ua.", "ub.", "r1.", "r2.", "r3.", "r4.", "r5.", "ra.", "rb.")


def recognise(head: Head) -> Layout | None:
    """Files by name and columns; ratings beyond five stars are from somewhere else."""
    name = head.name
    if name in BESIDE and (head.path.suffix != ".csv" or head.has("movieid") or head.has("tagid")):
        return head.ignored(HALF, BESIDE[name])
    if head.has("movieid", "imdbid", "tmdbid", "rating", "averagerating"):
        return head.ratings(PERSONAL, movie="movieid", imdb="imdbid", tmdb="tmdbid", rating="rating", title="title")
    if head.has("movieid", "imdbid", "tmdbid") and not head.has("rating"):
        return Layout(HALF, "links", head.table, head.columns(movie="movieid", imdb="imdbid", tmdb="tmdbid"))
    if name == "u.item" and head.table.width == FLAGS + len(GENRES):
        table = with_genres(head.table)
        return Layout(OLD, "movies", table, {"movie": 0, "title": 1, "genres": table.width - 1})
    if head.table.delimiter == "::":
        return _double_colons(head)
    if not head.table.names and head.table.width == 4 and _is_old(head):
        return _old(head)
    if list(head.table.names) == ["userId", "movieId", "rating", "timestamp"] and _are_stars(head, 2):
        return head.ratings(HALF, user="userid", movie="movieid", rating="rating", time="timestamp")
    if list(head.table.names) == ["movieId", "title", "genres"]:
        return head.movies(HALF, movie="movieid", title="title", genres="genres")
    return None


def _is_old(head: Head) -> bool:
    named = head.name == "u.data" or (head.name.startswith(SPLITS) and head.path.suffix in (".base", ".test", ".train"))
    return named and _are_stars(head, 2)


def _old(head: Head) -> Layout:
    if head.name != "u.data" and head.beside("u.data"):
        return head.ignored(OLD, "It is a part of u.data, whose ratings are all imported.")
    return Layout(OLD, "ratings", head.table, {"user": 0, "movie": 1, "rating": 2, "time": 3})


def _double_colons(head: Head) -> Layout | None:
    if head.name == "movies.dat" and head.table.width == 3:
        return Layout(HALF, "movies", head.table, {"movie": 0, "title": 1, "genres": 2})
    if head.table.width != 4 or not _are_stars(head, 2):
        return None
    source = MILLION if head.beside("users.dat") or (_are_whole(head, 2) and not head.beside("tags.dat")) else HALF
    return Layout(source, "ratings", head.table, {"user": 0, "movie": 1, "rating": 2, "time": 3})


def _are_stars(head: Head, place: int) -> bool:
    values = numbers(head.table.cells(place))
    padded = any(cell.startswith("0") and len(cell) > 1 for cell in head.table.cells(1))
    return bool(values) and min(values) >= 0.5 and max(values) <= 5 and not padded


def _are_whole(head: Head, place: int) -> bool:
    return all(value == int(value) for value in numbers(head.table.cells(place)))


def with_genres(table: Table) -> Table:
    """u.item with a last column of genres, made of its flags."""
    width = table.width

    def read(used: Sequence[int], whole: Sequence[int], rejections: Rejections) -> Iterator[Part]:
        flags = range(FLAGS, FLAGS + len(GENRES))
        for part in table.read([*(place for place in used if place < width), *flags], whole, rejections):
            columns = zip(*(part.column(place).to_pylist() for place in flags), strict=True)
            genres = [
                "|".join(name for name, flag in zip(GENRES, row, strict=True) if name and flag == "1")
                for row in columns
            ]
            yield Part(part.table.append_column(str(width), pa.array(genres, pa.string())), part.lines, part.done)

    return replace(table, width=width + 1, read=read)

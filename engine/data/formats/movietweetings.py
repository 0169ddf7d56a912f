"""MovieTweetings: ratings from 0 to 10 of movies under IMDb's numbers, in files named as those of MovieLens 1M."""

from __future__ import annotations

from engine.data.formats.base import Head, Layout, Source, numbers
from engine.data.scale import RatingScale

SOURCE = Source("movietweetings", "MovieTweetings", RatingScale(0.0, 10.0, 1.0), site="imdb")
MIN_DIGITS = 6


def recognise(head: Head) -> Layout | None:
    """Double colons, and ids with as many digits as IMDb's."""
    if head.table.delimiter != "::" or head.table.names:
        return None
    place = 0 if head.name == "movies.dat" else 1
    ids = [cell for cell in head.table.cells(place) if cell]
    if not ids or not all(cell.isdigit() and len(cell) >= MIN_DIGITS for cell in ids):
        return None
    if head.name == "movies.dat" and head.table.width == 3:
        return Layout(SOURCE, "movies", head.table, {"movie": 0, "title": 1, "genres": 2})
    values = numbers(head.table.cells(2)) if head.table.width == 4 else []
    if not values or not 0 <= min(values) <= max(values) <= 10:
        return None
    return Layout(SOURCE, "ratings", head.table, {"user": 0, "movie": 1, "rating": 2, "time": 3})

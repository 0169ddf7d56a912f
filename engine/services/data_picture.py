"""The data at a glance: how much there is, of whom and of what, over time, and whether it is enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.data.arrays import Int64
from engine.data.catalogue import MovieTable
from engine.data.sufficiency import Evidence, Finding, judge
from engine.services.figures import Figures, FiguresService
from engine.services.versions import VersionService
from engine.settings import Settings

STEPS = (1, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Where the ranges of numbers of ratings begin."""
GENRES = 5
OTHERS = "Other genres"
PRECISE = "ndcg_at_k"


@dataclass(frozen=True, slots=True)
class DataPicture:
    """What the ratings look like.

    Attributes:
        people: number of people with ratings.
        movies: number of movies of the catalogue.
        ratings: number of ratings.
        undated: number of ratings without a time.
        median: ratings of the person in the middle.
        months: number of ratings by month, counted from January 1970.
        people_by_ratings: people by range of their number of ratings.
        movies_by_ratings: the same of movies, with those without ratings.
        genres: the most frequent genres, then ``Other genres`` where there are more.
        decades: (decade, genre, number of movies); a movie of two genres counts in both.
        findings: whether there is enough.
        at: Unix seconds when the ratings were counted.
        current: whether these are all ratings; otherwise they are being counted again.
    """

    people: int
    movies: int
    ratings: int
    undated: int
    median: float
    months: dict[int, int]
    people_by_ratings: tuple[tuple[str, int], ...]
    movies_by_ratings: tuple[tuple[str, int], ...]
    genres: tuple[str, ...]
    decades: tuple[tuple[str, str, int], ...]
    findings: tuple[Finding, ...]
    at: float
    current: bool


@dataclass(frozen=True, eq=False)
class DataService:
    """Draws the picture from the figures."""

    _figures: FiguresService
    _versions: VersionService
    _settings: Settings

    def picture(self) -> DataPicture:
        """The data as they are now."""
        figures = self._figures.current()
        tally, table = figures.tally, figures.movies
        people = tally.user_counts[tally.user_counts > 0]
        movies = tally.movie_counts[: len(table.titles)][~table.removed]
        dated = sum(tally.months.values())
        genres, decades = by_decade(table)
        return DataPicture(
            len(people),
            len(movies),
            tally.ratings,
            tally.ratings - dated,
            float(np.median(people)) if len(people) else 0.0,
            tally.months,
            by_range(people),
            (("None", int((movies == 0).sum())), *by_range(movies[movies > 0])),
            genres,
            decades,
            judge(self._evidence(figures, people, movies, dated)),
            figures.at,
            figures.current,
        )

    def _evidence(self, figures: Figures, people: Int64, movies: Int64, dated: int) -> Evidence:
        active, table = self._versions.active(), figures.movies
        found = None if active is None else active.metrics.get(PRECISE)
        width = None if found is None or found.low is None or found.high is None else (found.high - found.low) / 2
        described = int((table.genres.any(axis=1) & ~np.isnan(table.years) & ~table.removed).sum())
        return Evidence(people, movies, dated, described, self._settings.personal_from, width)


def by_range(counts: Int64) -> tuple[tuple[str, int], ...]:
    """How many of these numbers, all positive, are in each range up to the largest: ``("1 to 4", 12)``."""
    if not len(counts):
        return ()
    begins = [step for step in STEPS if step <= counts.max()]
    ends = [*begins[1:], int(counts.max()) + 1]
    found = np.histogram(counts, bins=[*begins, ends[-1]])[0].tolist()
    last = f"{begins[-1]:,} or more" if begins[-1] == STEPS[-1] else f"{begins[-1]} to {STEPS[len(begins)] - 1}"
    names = [*(f"{low:,} to {high - 1:,}" for low, high in zip(begins, ends, strict=True))][:-1]
    return tuple(zip([*names, last], found, strict=True))


def by_decade(table: MovieTable) -> tuple[tuple[str, ...], tuple[tuple[str, str, int], ...]]:
    """The most frequent genres, and the number of movies of each by decade; the rest are one genre."""
    known = ~np.isnan(table.years) & ~table.removed
    if not known.any() or not table.genre_names:
        return (), ()
    decades = (table.years[known] // 10).astype(np.int64)
    has = table.genres[known]
    order = np.argsort(-has.sum(axis=0), kind="stable")
    groups = [(table.genre_names[g], has[:, g]) for g in order[:GENRES].tolist()]
    if len(order) > GENRES:
        groups.append((OTHERS, np.asarray(has[:, order[GENRES:]].any(axis=1))))
    first = int(decades.min())
    rows = [
        (f"{10 * (first + place)}s", name, count)
        for name, mine in groups
        for place, count in enumerate(np.bincount(decades[mine] - first).tolist())
        if count
    ]
    return tuple(name for name, _ in groups), tuple(sorted(rows, key=lambda row: row[0]))

"""The catalogue: search by title, a sorted table page by page, and how ratings are spread over its movies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from weakref import ref

import numpy as np

from engine.data.arrays import Bools, Int64, Ints
from engine.data.catalogue import Movie, MovieTable
from engine.data.titles import without_accents
from engine.errors import InvalidInput, check_range
from engine.recommending.reach import Reach
from engine.services.figures import Figures, FiguresService
from engine.services.reach import ReachService
from engine.services.serving import ServingService

Order = Literal["title", "ratings", "mean", "year", "reach"]
Only = Literal["all", "never_shown", "never_rated"]
MAX_ROWS = 100
MAX_POINTS = 60
WORD = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """A movie with the number and mean of its ratings and the number of lists that have it among the first ten.

    ``mean`` is None without ratings, ``reach`` until lists are counted.
    """

    movie: Movie
    ratings: int
    mean: float | None
    reach: int | None


@dataclass(frozen=True, slots=True)
class CataloguePage:
    """Some rows of a sorted table, and of how many.

    Attributes:
        rows: of this page.
        total: number of movies that match.
        page: from 1; the last one if a later one was asked for.
        pages: number of pages, at least 1.
    """

    rows: tuple[CatalogueRow, ...]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How ratings are spread over the movies.

    Attributes:
        movies: number of movies.
        rated: movies with a rating.
        few: movies with one to four ratings.
        half: number of movies, most rated first, that have half of all ratings.
        never_shown: movies in nobody's first ten; None until lists are counted.
        curve: rank by number of ratings, and ratings of the movie at that rank.
        reach: of the lists; None until they are counted.
    """

    movies: int
    rated: int
    few: int
    half: int
    never_shown: int | None
    curve: tuple[tuple[int, int], ...]
    reach: Reach | None


class CatalogueService:
    """Reads the catalogue with its figures.

    Args:
        figures: what the ratings add up to.
        reach: how often movies are in lists.
        serving: whether there is a version that makes lists.
    """

    def __init__(self, figures: FiguresService, reach: ReachService, serving: ServingService) -> None:
        self._figures = figures
        self._reach = reach
        self._serving = serving
        self._titles: tuple[ref[MovieTable], list[str]] | None = None

    def reach(self) -> Reach | None:
        """How often movies are in lists; None without a version, and until lists are counted."""
        return None if self._serving.active_version() is None else self._reach.current()

    def find(self, text: str, limit: int = 8) -> list[CatalogueRow]:
        """Movies whose title has words that begin with each word of a text, in any case and without accents.

        Titles that begin with the text come first, then those with the most ratings.
        """
        figures = self._figures.current()
        found = np.flatnonzero(self._matching(figures, text)) if _plain(text).strip() else np.empty(0, np.int64)
        titles, begin = self._plain_titles(figures.movies), _plain(text).rstrip()
        first = np.array([titles[key].startswith(begin) for key in found.tolist()], bool)
        counts = _counts(figures)
        best = found[np.lexsort((-counts[found], ~first))][: max(limit, 0)]
        return [_row(figures, None, key) for key in best.tolist()]

    def page(
        self,
        order: Order = "ratings",
        *,
        descending: bool = True,
        page: int = 1,
        rows: int = 25,
        text: str = "",
        genre: str | None = None,
        only: Only = "all",
    ) -> CataloguePage:
        """A page of the sorted table. Movies without the value that it is sorted by come last.

        Args:
            order: what it is sorted by; movies of equal value are in order of their ratings, most first.
            descending: whether the largest comes first.
            page: from 1.
            rows: of a page, 1 to 100.
            text: as for ``find``; empty for all.
            genre: only movies of this genre.
            only: all movies, those in nobody's first ten, or those without ratings.

        Raises:
            InvalidInput: ``rows`` is outside its range, or no movie has the genre.
        """
        check_range("rows", rows, 1, MAX_ROWS)
        figures, reach = self._figures.current(), self.reach()
        wanted: Bools = self._matching(figures, text)
        if genre is not None:
            if genre not in figures.movies.genre_names:
                raise InvalidInput(f"No movie has the genre {genre!r}.", field="genre")
            wanted = wanted & figures.movies.genres[:, figures.movies.genre_names.index(genre)]
        if only == "never_rated":
            wanted = wanted & (_counts(figures) == 0)
        elif only == "never_shown":
            wanted = wanted & np.asarray(_reached(figures, reach) == 0)
        keys = self._sorted(figures, reach, np.flatnonzero(wanted), order, descending=descending)
        pages = max(-(-len(keys) // rows), 1)
        here = min(max(page, 1), pages)
        part = keys[(here - 1) * rows : here * rows]
        return CataloguePage(tuple(_row(figures, reach, key) for key in part.tolist()), len(keys), here, pages)

    def spread(self) -> Spread:
        """How ratings are spread over the movies."""
        figures, reach = self._figures.current(), self.reach()
        shown = ~figures.movies.removed
        counts = np.sort(_counts(figures)[shown])[::-1]
        total = int(counts.sum())
        half = int(np.searchsorted(np.cumsum(counts), total / 2)) + 1 if total else 0
        rated = int((counts > 0).sum())
        never = None if reach is None else int((shown & (_reached(figures, reach) == 0)).sum())
        ranks = np.unique(np.geomspace(1, max(rated, 1), MAX_POINTS).round().astype(int))
        curve = tuple((int(rank), int(counts[rank - 1])) for rank in ranks) if rated else ()
        few = int(((counts > 0) & (counts < 5)).sum())
        return Spread(len(counts), rated, few, half, never, curve, reach)

    def _matching(self, figures: Figures, text: str) -> Bools:
        """bool[n_movies]: movies that are not removed and match a text."""
        words = [f" {word}" for word in _plain(text).split()]
        shown = ~figures.movies.removed
        if not words:
            return shown
        titles = self._plain_titles(figures.movies)
        found = np.array([all(word in title for word in words) for title in titles], bool)
        return np.asarray(shown & found)

    def _plain_titles(self, movies: MovieTable) -> list[str]:
        """The titles as they are searched, prepared once for a catalogue."""
        if self._titles is None or self._titles[0]() is not movies:
            self._titles = ref(movies), [_plain(str(title)) for title in movies.titles]
        return self._titles[1]

    def _sorted(self, figures: Figures, reach: Reach | None, keys: Int64, order: Order, *, descending: bool) -> Int64:
        counts = _counts(figures)[keys]
        value: Ints
        if order == "title":
            titles = self._plain_titles(figures.movies)
            value = np.array([titles[key] for key in keys.tolist()], dtype=object).argsort(kind="stable").argsort()
        elif order == "mean":
            value = figures.tally.movie_means[keys]
        elif order == "year":
            value = figures.movies.years[keys]
        else:
            value = counts if order == "ratings" else _reached(figures, reach)[keys]
        value = value.astype(np.float64) * (-1 if descending else 1)
        return np.asarray(keys[np.lexsort((-counts, np.nan_to_num(value, nan=np.inf)))], np.int64)


def _plain(text: str) -> str:
    """A text in small letters without accents and signs, each word after a space."""
    return " " + WORD.sub(" ", without_accents(text.casefold())).strip()


def _counts(figures: Figures) -> Int64:
    """int64[n_movies]: ratings of each movie."""
    return figures.tally.movie_counts[: len(figures.movies.titles)]


def _reached(figures: Figures, reach: Reach | None) -> Int64:
    """int64[n_movies]: lists that have each movie among the first ten; -1 for all until lists are counted."""
    if reach is None:
        return np.full(len(figures.movies.titles), -1)
    found = np.zeros(len(figures.movies.titles), np.int64)  # movies imported later are in no list
    found[: len(reach.places)] = reach.counts[: len(found)]
    return found


def _row(figures: Figures, reach: Reach | None, key: int) -> CatalogueRow:
    count = int(_counts(figures)[key])
    return CatalogueRow(
        figures.movies.movie(key, str(figures.movie_ids.raw(key))),
        count,
        float(figures.tally.movie_sums[key]) / count if count else None,
        None if reach is None else int(_reached(figures, reach)[key]),
    )

"""A single import: reads files block by block, writes them and counts the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.catalogue import Movie
from engine.data.demo import load_demo
from engine.data.formats import Layout, SourceFile, layout_of, unpack
from engine.data.reading import RatingBlock, read_movies, read_ratings
from engine.data.rows import RejectedRow, Rejections
from engine.errors import Cancelled, InvalidInput
from engine.words import counted
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import MovieRow
from store.times import known_times, latest

MAX_REASONS = 3
EXPECTED = (
    "Upload a file of ratings: a MovieLens folder (ratings.csv, u.data or ratings.dat, with its file of movies), a zip "
    "of one, or a CSV whose first line names columns for user, movie and rating."
)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Result of an import; ``rejected`` holds the first 100 of ``rows_rejected`` rows."""

    ratings_added: int = 0
    ratings_updated: int = 0
    ratings_unchanged: int = 0
    movies_added: int = 0
    users_added: int = 0
    rows_rejected: int = 0
    rejected: tuple[RejectedRow, ...] = field(default_factory=tuple)

    @property
    def rows_accepted(self) -> int:
        """Rows of ratings imported or already stored."""
        return self.ratings_added + self.ratings_updated + self.ratings_unchanged


@dataclass(frozen=True)
class ImportOrder:
    """An ordered import: files in a folder, or the demo without one."""

    job_id: int
    folder: Path | None
    uploads: tuple[str, ...]
    cancelled: Event


class Import:
    """A single import.

    Rows are counted in the job in the transactions that store them, so the counts are right wherever the import is
    interrupted.
    """

    def __init__(
        self,
        ratings: RatingStore,
        jobs: JobStore,
        scale: tuple[float, float],
        order: ImportOrder,
        clock: Callable[[], float],
    ) -> None:
        self._ratings = ratings
        self._jobs = jobs
        self._scale = scale
        self._order = order
        self._clock = clock
        self.changed = False
        """Whether anything was written."""
        self._rows_read = 0
        self._described = 0
        self._movie_rows_rejected = 0
        self._rejections = Rejections()
        self._movies: dict[str, int] = {}
        self._counts: Counter[str] = Counter()

    def counts(self) -> dict[str, Any]:
        """The counts and the rejected rows so far, as stored in the job."""
        return {
            **self._counts,
            "rows_rejected": self._rejections.count,
            "rejected": [asdict(row) for row in self._rejections.rows],
        }

    def told(self) -> str:
        """Summary of a complete import."""
        if not self._rows_read:
            return f"{counted(self._described, 'movie')} read; there was no file of ratings."
        aside = self._rejections.count - self._movie_rows_rejected
        whole = counted(self._rows_read + aside, "row of ratings", "rows of ratings")
        told = f"{self._rows_read:,} of {whole} imported"
        return f"{told}; {aside:,} set aside." if aside else f"{told}."

    def run(self) -> None:
        """Run the import.

        Raises:
            Cancelled: it was cancelled; what was written stays.
            InvalidInput: no file has ratings or movies, or no row is valid.
        """
        self._step(0.0, "Reading")
        self._movies = {movie.external_id: key for key, movie in enumerate(self._ratings.movies())}
        if self._order.folder is None:
            self._demo()
        else:
            self._files(self._order.folder)

    def _demo(self) -> None:
        data = load_demo()
        self._add_movies(data.movies)
        self._step(0.2, "Writing ratings")
        users, user_ids = _factorize(data.user_ids)
        movies, movie_ids = _factorize(data.movie_ids)
        self._add_ratings(RatingBlock(user_ids, movie_ids, users, movies, data.ratings, data.times, 1.0))

    def _files(self, folder: Path) -> None:
        brought = [SourceFile(name, folder / f"{place}.spool") for place, name in enumerate(self._order.uploads)]
        sources = unpack(brought, folder, check=self._check)
        layouts: list[tuple[SourceFile, Layout]] = [
            (source, layout) for source in sources if (layout := layout_of(source)) is not None
        ]
        if not layouts:
            names = ", ".join(source.name for source in sources)
            told = f"No ratings were found in {names}." if names else "The upload contains no file."
            raise InvalidInput(f"{told} {EXPECTED}", field="files")
        for source, layout in layouts:
            if layout.holds == "movies":
                self._step(0.0, f"Reading {source.name}")
                movies = read_movies(source, layout, self._rejections)
                self._add_movies(movies)
                self._described += len(movies)
        self._movie_rows_rejected = self._rejections.count
        ratings = [(source, layout) for source, layout in layouts if layout.holds == "ratings"]
        for place, (source, layout) in enumerate(ratings):
            blocks = read_ratings(source, layout, self._scale, self._rejections, latest(self._clock()))
            for block in blocks:
                self._add_ratings(block)
                self._step((place + block.done) / len(ratings), f"Importing {source.name}")
        self._check_anything(ratings)

    def _check_anything(self, ratings: Sequence[tuple[SourceFile, Layout]]) -> None:
        """Fail an import that found no valid row at all."""
        if self._rows_read or (self._described and not ratings):
            return
        if not self._rejections.count:
            raise InvalidInput("The files have columns for ratings or movies, but no rows.", field="files")
        often = Counter(row.reason for row in self._rejections.rows).most_common(MAX_REASONS)
        reasons = " ".join(reason for reason, _ in often)
        count = self._rejections.count
        raise InvalidInput(f"None of {counted(count, 'row')} could be imported. {reasons}", field="files")

    def _add_movies(self, movies: Sequence[Movie]) -> None:
        if not movies:
            return
        self.changed = True
        found = self._ratings.add_movies(
            [MovieRow(movie.movie_id, movie.title, movie.year, movie.genres) for movie in movies]
        )
        self._counts["movies_added"] += found.added
        self._movies.update(zip((movie.movie_id for movie in movies), found.keys.tolist(), strict=True))

    def _add_ratings(self, block: RatingBlock) -> None:
        """Write a block; movies without a description are named after their id."""
        self._check()
        rated = [block.movie_ids[place] for place in np.unique(block.movies)]
        unknown = sorted(movie for movie in rated if movie not in self._movies)
        self._add_movies([Movie(movie, "", None, ()) for movie in unknown])
        movies = _keys(block.movies, block.movie_ids, [self._movies[movie] for movie in rated])
        found = self._ratings.add_users([block.user_ids[place] for place in np.unique(block.users)])
        self._counts["users_added"] += found.added
        users = _keys(block.users, block.user_ids, found.keys)
        times = known_times(block.times, self._clock())
        changed, self.changed = self.changed, True  # if a later transaction fails, the earlier ones are kept
        done = self._ratings.add_ratings(users, movies, block.ratings, times)
        for name in ("added", "updated", "unchanged"):
            self._counts[f"ratings_{name}"] += getattr(done, name)
        self.changed = changed or bool(done.added or done.updated)
        self._rows_read += len(block.ratings)

    def _step(self, progress: float, message: str) -> None:
        self._check()
        self._jobs.update(self._order.job_id, progress, message, result=self.counts())

    def _check(self) -> None:
        if self._order.cancelled.is_set():
            raise Cancelled("The import was cancelled.")


def tell_cut_short(result: Mapping[str, Any], reason: str = "", *, served: bool = True) -> str:
    """What an interrupted import has stored, and how to add the rest.

    Args:
        result: of its job.
        reason: a sentence that says why it was interrupted; empty where it was cancelled.
        served: whether the stored ratings are served.
    """
    counts = ImportResult(**{name: number for name, number in result.items() if name != "rejected"})
    ratings = counts.ratings_added + counts.ratings_updated
    stored = (ratings, "rating"), (counts.movies_added, "movie"), (counts.users_added, "user")
    found = next(((number, noun) for number, noun in stored if number), None)
    if found is None:
        return f"{reason} Nothing was saved." if reason else "Stopped before anything was saved."
    were, they, them = ("was", "it is", "it") if found[0] == 1 else ("were", "they are", "them")
    now = f"{they} served" if served else f"the next start serves {them}"
    told = f"Stopped after {counted(*found)} {were} saved" + (f"; {now}." if ratings else ", and no rating yet.")
    return f"{reason} {told} Import the file again to add the rest; nothing is added twice.".strip()


def _keys(places: NDArray[np.int32], ids: list[str], used: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int32]:
    """int32[n]: the key of each row's id, from the keys of the used ids in order of their place."""
    table = np.full(len(ids), -1, np.int32)
    table[np.unique(places)] = used
    return table[places]


def _factorize(values: Any) -> tuple[Any, list[str]]:
    ids, places = np.unique(values.astype(str), return_inverse=True)
    return places.astype(np.int32), ids.tolist()

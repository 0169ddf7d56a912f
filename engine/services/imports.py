"""One import at work: reads files block by block, writes them, and counts what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dataset.demo import load_demo
from engine.dataset.files import Layout, SourceFile, layout_of, unpack
from engine.dataset.importing import RatingBlock, read_movies, read_ratings
from engine.dataset.tables import Rejections
from engine.errors import Cancelled, InvalidInput
from engine.types import ImportResult, Movie
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import Added, MovieRow
from store.times import known_times, latest

EXPECTED = (
    "Bring a file of ratings: a MovieLens folder (ratings.csv, u.data or ratings.dat, with its file of movies), a zip "
    "of one, or a CSV whose first line names columns for user, movie and rating."
)


@dataclass(frozen=True)
class ImportOrder:
    """What the worker is to import: files in a folder, or, without one, the demo."""

    job_id: int
    folder: Path | None
    uploads: tuple[str, ...]
    cancelled: Event


class Import:
    """One import in a worker's hands: ``run`` it, then ask for the ``summary``, however it ended."""

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
        self._counts = ImportResult()
        self._described = False
        self._rejections = Rejections()
        self._movies: dict[str, int] = {}

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        counts = self._counts
        return bool(counts.ratings_added or counts.ratings_updated or self._described)

    def summary(self) -> dict[str, Any]:
        """The result as the job keeps it."""
        rejected = tuple(self._rejections.rows)
        return asdict(replace(self._counts, rows_rejected=self._rejections.count, rejected=rejected))

    def run(self) -> None:
        """Do it.

        Raises:
            Cancelled: somebody asked it to stop; what was written stays.
            InvalidInput: no file holds ratings or movies.
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
            told = f"No ratings were found in {names}." if names else "There is no file in what was brought."
            raise InvalidInput(f"{told} {EXPECTED}", field="files")
        for source, layout in layouts:
            if layout.holds == "movies":
                self._step(0.0, f"Reading {source.name}")
                self._add_movies(read_movies(source, layout, self._rejections))
        ratings = [(source, layout) for source, layout in layouts if layout.holds == "ratings"]
        for place, (source, layout) in enumerate(ratings):
            blocks = read_ratings(source, layout, self._scale, self._rejections, latest(self._clock()))
            for block in blocks:
                self._add_ratings(block)
                self._step((place + block.done) / len(ratings), f"Importing {source.name}")

    def _add_movies(self, movies: Sequence[Movie]) -> None:
        if not movies:
            return
        found = self._ratings.add_movies(
            [MovieRow(movie.movie_id, movie.title, movie.year, movie.genres) for movie in movies]
        )
        self._described = True
        self._movies.update(zip((movie.movie_id for movie in movies), found.keys.tolist(), strict=True))
        self._counts = replace(self._counts, movies_added=self._counts.movies_added + found.added)

    def _add_ratings(self, block: RatingBlock) -> None:
        """Write a block; a movie that no file describes is called by its id."""
        self._check()
        rated = [block.movie_ids[place] for place in np.unique(block.movies)]
        unknown = sorted(movie for movie in rated if movie not in self._movies)
        self._add_movies([Movie(movie, f"Movie {movie}", None, ()) for movie in unknown])
        movies = _keys(block.movies, block.movie_ids, [self._movies[movie] for movie in rated])
        found = self._ratings.add_users([block.user_ids[place] for place in np.unique(block.users)])
        users = _keys(block.users, block.user_ids, found.keys)
        times = known_times(block.times, self._clock())
        self._count(self._ratings.add_ratings(users, movies, block.ratings, times), found.added)

    def _count(self, done: Added, users_added: int) -> None:
        counts = self._counts
        self._counts = replace(
            counts,
            ratings_added=counts.ratings_added + done.added,
            ratings_updated=counts.ratings_updated + done.updated,
            ratings_unchanged=counts.ratings_unchanged + done.unchanged,
            users_added=counts.users_added + users_added,
        )

    def _step(self, progress: float, message: str) -> None:
        self._check()
        self._jobs.update(self._order.job_id, progress, message, result=self.summary())

    def _check(self) -> None:
        if self._order.cancelled.is_set():
            raise Cancelled("Cancelled. What had been imported stays; importing again adds nothing twice.")


def _keys(places: NDArray[np.int32], ids: list[str], used: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int32]:
    """int32[n]: the key of each row's id, from the keys of those ids that rows refer to, in order of their place."""
    table = np.full(len(ids), -1, np.int32)
    table[np.unique(places)] = used
    return table[places]


def _factorize(values: Any) -> tuple[Any, list[str]]:
    ids, places = np.unique(values.astype(str), return_inverse=True)
    return places.astype(np.int32), ids.tolist()

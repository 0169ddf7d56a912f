"""What is stored, and how it gets in: imports in the background, statistics, search."""

from __future__ import annotations

import logging
import queue
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, BinaryIO

import numpy as np

from engine.errors import Cancelled, InvalidInput, MarqueeError, UnknownJob, UnknownMovie, UnknownUser
from engine.services.imports import EXPECTED, Import, ImportOrder
from engine.services.snapshot import Snapshots
from engine.services.storing import stores
from engine.types import DataStatistics, ImportResult, Job, Movie, RatedMovie, RejectedRow, UserSummary
from store.errors import NotStored, StoreError
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME, JobRecord

log = logging.getLogger(__name__)

FORMATS = ("auto", "movielens", "csv")


@dataclass(frozen=True)
class UploadedFile:
    """A file as it arrives: the name its owner gave it, and its content."""

    name: str
    stream: BinaryIO


class LibraryService:
    """The catalogue and its ratings. ``start`` and ``close`` frame the worker thread.

    Args:
        ratings: where they are stored.
        snapshots: reads them as arrays.
        jobs: where imports are followed.
        scale: the lowest and highest rating that gets in.
        clock: Unix seconds.
        on_change: called in the worker thread after an import that changed anything.
    """

    def __init__(
        self,
        ratings: RatingStore,
        snapshots: Snapshots,
        jobs: JobStore,
        *,
        scale: tuple[float, float],
        clock: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        self._ratings = ratings
        self._snapshots = snapshots
        self._jobs = jobs
        self._scale = scale
        self._clock = clock
        self._on_change = on_change
        self._orders: queue.Queue[ImportOrder | None] = queue.Queue()
        self._waiting: dict[int, ImportOrder] = {}
        self._worker = Thread(target=self._work, name="import", daemon=True)

    def start(self) -> None:
        """Mark what a stopped process left behind, and begin to take orders."""
        self._jobs.recover("Marquee was stopped during this import. Import again: nothing is added twice.")
        self._worker.start()

    def close(self) -> None:
        """Cancel what runs or waits, and wait for the worker to end."""
        for order in list(self._waiting.values()):
            order.cancelled.set()
        self._orders.put(None)
        if self._worker.is_alive():
            self._worker.join()

    # -- imports -----------------------------------------------------------------------------------------------------

    @stores
    def import_demo(self) -> int:
        """Import the demo ratings in the background; returns the number of the job."""
        return self._order("demo", None, ())

    @stores
    def import_files(self, files: Sequence[UploadedFile], format: str = "auto", user_id: str | None = None) -> int:  # noqa: A002  # the API's word
        """Import files in the background; returns the number of the job. They are copied before this returns.

        Args:
            files: ratings, movies, or a zip of both; others are passed over.
            format: ``auto``, ``movielens`` or ``csv``; the files' names and first lines decide in any case.
            user_id: for files that hold one person's ratings; no format of today does.

        Raises:
            InvalidInput: there is no file, the format is unknown, or a zip can't be read.
        """
        if format not in FORMATS:
            raise InvalidInput(f"format is {format!r}, but must be one of {', '.join(FORMATS)}.", field="format")
        if user_id is not None:
            raise InvalidInput(
                "user_id is for files of one person's ratings; these formats name the user in each row.",
                field="user_id",
            )
        if not files:
            raise InvalidInput(f"There is no file. {EXPECTED}", field="files")
        folder = Path(tempfile.mkdtemp(prefix="marquee-import-"))
        try:
            for place, upload in enumerate(files):
                with (folder / f"{place}.spool").open("wb") as copy:
                    shutil.copyfileobj(upload.stream, copy)
            return self._order("import", folder, tuple(upload.name for upload in files))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _order(self, kind: str, folder: Path | None, uploads: tuple[str, ...]) -> int:
        job_id = self._jobs.create(kind, "Waiting")
        order = ImportOrder(job_id, folder, uploads, Event())
        self._waiting[job_id] = order
        self._orders.put(order)
        return job_id

    def cancel_job(self, job_id: int) -> None:
        """Ask a job to stop; what it has written stays. A job that has ended is left as it is.

        Raises:
            UnknownJob: no job has this number.
        """
        self.job(job_id)
        order = self._waiting.get(job_id)
        if order is not None:
            order.cancelled.set()

    def job(self, job_id: int) -> Job:
        """One job.

        Raises:
            UnknownJob: no job has this number.
        """
        try:
            return _job(self._jobs.get(job_id))
        except NotStored as error:
            raise UnknownJob(f"There is no job {job_id}.") from error

    def jobs(self, limit: int = 20) -> list[Job]:
        """The newest jobs, newest first."""
        return [_job(record) for record in self._jobs.newest(limit)]

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            task = Import(self._ratings, self._jobs, self._scale, order)
            try:
                task.run()
                self._jobs.finish(order.job_id, "succeeded", result=task.summary(), message="Done")
            except Cancelled as error:
                self._jobs.finish(order.job_id, "cancelled", result=task.summary(), error=str(error))
            except (MarqueeError, StoreError) as error:
                self._fail(order, task, str(error))
            except Exception as error:  # the thread's outermost loop: the next order must find it alive
                log.exception("import %d failed", order.job_id)
                self._fail(order, task, f"An unexpected error ended the import: {type(error).__name__}: {error}")
            finally:
                self._waiting.pop(order.job_id, None)
                if order.folder is not None:
                    shutil.rmtree(order.folder, ignore_errors=True)
            self._tell(task)

    def _fail(self, order: ImportOrder, task: Import, reason: str) -> None:
        try:
            self._jobs.finish(order.job_id, "failed", result=task.summary(), error=reason)
        except StoreError:
            # The disk may be full; the job is marked at the next start.
            log.exception("import %d could not be marked as failed", order.job_id)

    def _tell(self, task: Import) -> None:
        if not task.changed:
            return
        try:
            self._on_change()
        except (MarqueeError, StoreError):
            log.exception("what was imported could not be served; it is stored, and the next start serves it")

    # -- what is stored ----------------------------------------------------------------------------------------------

    def statistics(self) -> DataStatistics:
        """Counts and spread of what is stored."""
        data = self._snapshots.load().data
        rated = data.timestamps[data.timestamps != UNKNOWN_TIME] if data.timestamps is not None else np.empty(0)
        values, counts = np.unique(data.ratings, return_counts=True)
        users = int((data.user_counts > 0).sum())
        return DataStatistics(
            users=users,
            movies=data.n_movies,
            ratings=len(data),
            density=len(data) / (users * data.n_movies) if len(data) else 0.0,
            mean_rating=data.mean if len(data) else None,
            first_rated_at=int(rated.min()) if len(rated) else None,
            last_rated_at=int(rated.max()) if len(rated) else None,
            rating_counts={float(value): int(count) for value, count in zip(values, counts, strict=True)},
            genres=dict(zip(data.movies.genre_names, data.movies.genres.sum(0).tolist(), strict=True)),
        )

    def search_users(self, text: str = "", limit: int = 20) -> list[UserSummary]:
        """Users whose id contains a text, the exact id first, then those with the most ratings."""
        data, wanted = self._snapshots.load().data, text.strip().casefold()
        ids = [str(user) for user in data.user_ids.ids]
        found = [key for key, user in enumerate(ids) if wanted in user.casefold()]
        found.sort(key=lambda key: (ids[key].casefold() != wanted, -int(data.user_counts[key]), key))
        sums = np.bincount(data.users, weights=data.ratings, minlength=data.n_users)
        return [
            UserSummary(ids[key], int(data.user_counts[key]), float(sums[key] / max(data.user_counts[key], 1)))
            for key in found[:limit]
        ]

    def search_movies(self, text: str, limit: int = 20) -> list[Movie]:
        """Movies whose title contains a text, whatever its case and accents; that id first, then the most rated."""
        data, wanted = self._snapshots.load().data, _folded(text.strip())
        titles = data.movies.titles
        found = [key for key in range(data.n_movies) if wanted in _folded(str(titles[key]))]
        found.sort(key=lambda key: (-int(data.movie_counts[key]), key))
        exact = data.movie_ids.index(text.strip())
        if exact >= 0:
            found = [exact, *(key for key in found if key != exact)]
        return [data.movies.movie(key, str(data.movie_ids.raw(key))) for key in found[:limit]]

    def movie(self, movie_id: str) -> Movie:
        """One movie.

        Raises:
            UnknownMovie: the catalogue has no such movie.
        """
        data = self._snapshots.load().data
        key = data.movie_ids.index(movie_id)
        if key < 0:
            raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
        return data.movies.movie(key, movie_id)

    def user_ratings(self, user_id: str) -> list[RatedMovie]:
        """What a user has rated, newest first.

        Raises:
            UnknownUser: nobody of this id has ratings.
        """
        key = self._ratings.user_key(user_id)
        if key is None:
            raise UnknownUser(f"There are no ratings of the user {user_id!r}.")
        data, rated = self._snapshots.load().data, self._ratings.user_ratings(key)
        return [
            RatedMovie(
                data.movies.movie(movie, str(data.movie_ids.raw(movie))),
                float(rated.ratings[place]),
                None if rated.rated_at[place] == UNKNOWN_TIME else int(rated.rated_at[place]),
            )
            for place in np.argsort(-rated.rated_at, kind="stable")
            if (movie := int(rated.movies[place])) < data.n_movies
        ]


def _folded(text: str) -> str:
    """Lower case without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _job(record: JobRecord) -> Job:
    return Job(
        record.job_id,
        record.kind,
        record.state,
        record.progress,
        record.message,
        None if record.result is None else _result(record.result),
        record.error,
        record.created_at,
        record.ended_at,
    )


def _result(stored: dict[str, Any]) -> ImportResult:
    rejected = tuple(RejectedRow(**row) for row in stored["rejected"])
    return ImportResult(**{**stored, "rejected": rejected})

"""What is stored, and how it gets in: imports in the background, statistics, search."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, Literal

import numpy as np

from engine.background import step_back
from engine.data.catalogue import Movie
from engine.data.cells import csv_pieces
from engine.data.demo import MISSING, demo_is_installed
from engine.data.formats import MOVIES_EXPORT, RATINGS_EXPORT
from engine.data.rows import RejectedRow
from engine.errors import (
    Cancelled,
    Conflict,
    InvalidInput,
    MarqueeError,
    UnknownJob,
    UnknownMovie,
    UnknownUser,
)
from engine.services.audit import audited, of_job
from engine.services.ends import AGAIN_S, Ends
from engine.services.imports import EXPECTED, Import, ImportOrder, ImportResult, tell_cut_short
from engine.services.lookup import DataStatistics, Lookup, RatedMovie, UserSummary
from engine.services.snapshots import Snapshots
from engine.services.storing import file_error, stores
from store.errors import NotStored, NotWritten, StoreError
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME, Counts, JobRecord
from store.worker import Worker

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]

log = logging.getLogger(__name__)

FORMATS = ("auto", "movielens", "csv")
LONGEST_QUEUE = 10
"""So many imports are under way or wait; each may hold 2 GiB of files."""

NOTHING_KNOWN = DataStatistics(0, 0, 0, 0.0, None, None, None, {}, {})


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of background work; ``progress`` in 0..1, ``message`` says what is being done now."""

    job_id: int
    kind: str
    state: JobState
    progress: float
    message: str
    result: ImportResult | None
    error: str | None
    created_at: float
    ended_at: float | None


@dataclass(frozen=True)
class UploadedFile:
    """A file as it arrives: the name its owner gave it, and its content."""

    name: str
    stream: BinaryIO


@dataclass(frozen=True)
class JobEnd:
    """How an import ended.

    Attributes:
        state: of the job.
        reason: why it was cut short, as a sentence; empty where it was not, or somebody cancelled it.
        message: what an import that was not cut short did.
        rejections: the rows that were set aside.
        served: whether what it stored is served.
    """

    state: Literal["succeeded", "failed", "cancelled"]
    reason: str
    message: str
    rejections: dict[str, Any]
    served: bool

    def error(self, result: dict[str, Any] | None) -> str | None:
        """The error of the job, out of its result."""
        return None if self.state == "succeeded" else tell_cut_short(result or {}, self.reason, served=self.served)


class LibraryService:
    """The catalogue and its ratings. ``start`` and ``close`` frame the worker thread.

    Args:
        ratings: where they are stored.
        snapshots: reads them as arrays.
        jobs: where imports are followed.
        scale: the lowest and highest rating that gets in.
        clock: Unix seconds.
        folder: where the files of imports lie while they wait or are read; what a stopped process left is removed.
        on_change: called in the worker thread where an import changed anything, before the job is marked as ended.
    """

    def __init__(
        self,
        ratings: RatingStore,
        snapshots: Snapshots,
        jobs: JobStore,
        *,
        scale: tuple[float, float],
        clock: Callable[[], float],
        folder: Path,
        on_change: Callable[[], None],
    ) -> None:
        self._ratings = ratings
        self._snapshots = snapshots
        self._jobs = jobs
        self._scale = scale
        self._clock = clock
        self._folder = folder
        self._on_change = on_change
        self.worker: Worker[ImportOrder] = Worker(
            "import",
            self._import,
            begin=step_back,
            idle=lambda: self._ends.settle(),
            every=AGAIN_S,
            died=self._give_up,
            waits=True,
        )
        self._ends = Ends(self._store_end, "import")
        self._task: Import | None = None
        self._waiting: dict[int, ImportOrder] = {}
        self._lookup: Lookup | None = None

    def start(self) -> None:
        """Mark and clear away what a stopped process left behind, and begin to take orders."""
        self._jobs.recover(lambda result: tell_cut_short(result, "Marquee was stopped during this import."))
        shutil.rmtree(self._folder, ignore_errors=True)
        self.worker.start()

    def close(self) -> None:
        """Cancel what runs or waits, and wait for the worker to end."""
        self.worker.stopping.set()
        for order in list(self._waiting.values()):
            order.cancelled.set()
        self.worker.stop()
        self._ends.settle()

    # -- imports -----------------------------------------------------------------------------------------------------

    def has_demo(self) -> bool:
        """Whether the demo ratings are installed."""
        return demo_is_installed()

    @audited("import", of_job)
    @stores
    def import_demo(self) -> int:
        """Import the demo ratings in the background; returns the number of the job.

        Raises:
            InvalidInput: they are not installed.
            Conflict: too many imports wait already.
        """
        if not self.has_demo():
            raise InvalidInput(MISSING, field="source")
        self._check_queue()
        return self._order("demo", None, ())

    @audited("import", of_job)
    @stores
    def import_files(self, files: Sequence[UploadedFile], format: str = "auto", user_id: str | None = None) -> int:  # noqa: A002  # the API's word
        """Import files in the background; returns the number of the job. They are copied before this returns.

        Args:
            files: ratings, movies, or a zip of both; others are passed over.
            format: ``auto``, ``movielens`` or ``csv``; the files' names and first lines decide in any case.
            user_id: for files that hold one person's ratings; no format of today does.

        Raises:
            InvalidInput: there is no file, or the format is unknown.
            Conflict: too many imports wait already.
            DiskFull, StoreFailing: the copies can't be written.
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
        self._check_queue()
        folder = self._folder / uuid.uuid4().hex
        try:
            _spool(files, folder)
            return self._order("import", folder, tuple(upload.name for upload in files))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _check_queue(self) -> None:
        if len(self._waiting) >= LONGEST_QUEUE:
            raise Conflict(f"{LONGEST_QUEUE} imports wait or are under way. Import again when one of them has ended.")

    def _order(self, kind: str, folder: Path | None, uploads: tuple[str, ...]) -> int:
        job_id = self._jobs.create(kind, "Waiting")
        order = ImportOrder(job_id, folder, uploads, Event())
        self._waiting[job_id] = order
        self.worker.put(order)
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
            return self._told(self._jobs.get(job_id))
        except NotStored as error:
            raise UnknownJob(f"There is no job {job_id}.") from error

    def jobs(self, limit: int = 20) -> list[Job]:
        """The newest jobs, newest first."""
        return [self._told(record) for record in self._jobs.newest(limit)]

    def _told(self, record: JobRecord) -> Job:
        end, job = self._ends.of(record.job_id), _job(record)
        if end is None or record.ended_at is not None:
            return job
        progress = 1.0 if end.state == "succeeded" else job.progress
        error = end.error(record.result)
        return replace(job, state=end.state, error=error, message=end.message, progress=progress)

    def _import(self, order: ImportOrder) -> None:
        self._ends.settle()
        self._task = task = Import(self._ratings, self._jobs, self._scale, order, self._clock)
        state, reason = self._outcome(order, task)
        self._end(order, task, state, reason)

    def _give_up(self, order: ImportOrder | None, reason: str) -> None:
        """The worker died over an import; what it has written stays, and is served."""
        if order is not None and self._task is not None:
            self._end(order, self._task, "failed", f"The import ended unexpectedly: {reason}.")

    def _outcome(self, order: ImportOrder, task: Import) -> tuple[Literal["succeeded", "failed", "cancelled"], str]:
        """Run an import; how it ended, and the reason where it was cut short."""
        try:
            task.run()
        except Cancelled:
            return "cancelled", ""
        except NotWritten as error:
            return "failed", f"{error.reason}. {error.advice}".strip()
        except (MarqueeError, StoreError) as error:
            return "failed", str(error)
        except Exception as error:  # whatever it is, the job has to say so
            log.exception("import %d failed", order.job_id)
            told = file_error(error) if isinstance(error, OSError) else None
            return "failed", str(told or f"An unexpected error ended the import: {type(error).__name__}: {error}.")
        finally:
            if order.folder is not None:
                shutil.rmtree(order.folder, ignore_errors=True)
        return "succeeded", ""

    def _end(
        self, order: ImportOrder, task: Import, state: Literal["succeeded", "failed", "cancelled"], reason: str
    ) -> None:
        """Serve what was imported, also where the rest was cut short, then end the job, which promises it."""
        served = self._serve(task)
        message = task.told() if state == "succeeded" else ""
        self._ends.put(order.job_id, JobEnd(state, reason, message, task.rejections(), served))
        self._waiting.pop(order.job_id, None)

    def _serve(self, task: Import) -> bool:
        """Let what was imported be served; whether it is. After a stop the next start does so."""
        if not task.changed:
            return True
        if self.worker.stopping.is_set():
            return False
        try:
            self._on_change()
        except Exception:  # whatever it is, the job has to end
            log.exception("what was imported could not be served; it is stored, and the next start serves it")
            return False
        return True

    def _store_end(self, job_id: int, end: JobEnd) -> None:
        error = end.error(self._jobs.get(job_id).result)
        self._jobs.finish(job_id, end.state, result=end.rejections, error=error, message=end.message)

    # -- what is stored ----------------------------------------------------------------------------------------------

    def statistics(self, *, fresh: bool = True) -> DataStatistics:
        """Counts and spread of what is stored.

        Args:
            fresh: read what has changed. Otherwise they are as when somebody last looked, which costs nothing.
        """
        known = self._look() if fresh else self._lookup
        return NOTHING_KNOWN if known is None else known.statistics

    def counts(self) -> Counts:
        """How many users, movies and ratings are stored; cheaper than ``statistics``."""
        return self._ratings.counts()

    def search_users(self, text: str = "", limit: int = 20) -> list[UserSummary]:
        """Users whose id contains a text, the exact id first, then those with the most ratings."""
        return self._look().users(text, limit)

    def search_movies(self, text: str, limit: int = 20) -> list[Movie]:
        """Movies whose title contains a text, whatever its case and accents; that id first, then the most rated."""
        return self._look().movies(text, limit)

    def _look(self) -> Lookup:
        """The lookup of the ratings as they are now."""
        snapshot, known = self._snapshots.load(), self._lookup
        if known is None or known.snapshot is not snapshot:
            self._lookup = known = Lookup(snapshot, known)
        return known

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

    def export(self, table: Literal["ratings", "movies"]) -> Iterator[bytes]:
        """All ratings, or the catalogue, as a CSV file in pieces, as they are now; an import reads it back exactly."""
        data = self._snapshots.load().data
        ids, titles = [str(one) for one in data.movie_ids.ids], data.movies.titles
        if table == "movies":
            movies = (data.movies.movie(key, one) for key, one in enumerate(ids))
            rows = zip(movies, data.movie_counts.tolist(), strict=True)
            return csv_pieces(MOVIES_EXPORT, ((*_described(movie), count) for movie, count in rows))
        users, times = [str(one) for one in data.user_ids.ids], data.timestamps
        return csv_pieces(
            RATINGS_EXPORT,
            (
                (
                    users[data.users[row]],
                    ids[data.items[row]],
                    float(str(data.ratings[row])),
                    None if times is None or times[row] == UNKNOWN_TIME else int(times[row]),
                    str(titles[data.items[row]]),
                )
                for row in range(len(data))
            ),
        )

    def user_ratings(self, user_id: str) -> list[RatedMovie]:
        """What a user has rated, newest first.

        Raises:
            UnknownUser: nobody of this id has ratings.
        """
        key = self._ratings.user_key(user_id)
        if key is None:
            raise UnknownUser(f"There are no ratings of the user {user_id!r}.")
        data, rated = self._snapshots.load().data, self._snapshots.user_ratings(key)
        return [
            RatedMovie(
                data.movies.movie(movie, str(data.movie_ids.raw(movie))),
                float(rated.ratings[place]),
                None if rated.rated_at[place] == UNKNOWN_TIME else int(rated.rated_at[place]),
            )
            for place in np.argsort(-rated.rated_at, kind="stable")
            if (movie := int(rated.movies[place])) < data.n_movies
        ]


def _described(movie: Movie) -> tuple[str, str, int | None, str]:
    return movie.movie_id, movie.title, movie.year, "|".join(movie.genres)


def _spool(files: Sequence[UploadedFile], folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
        for place, upload in enumerate(files):
            with (folder / f"{place}.spool").open("wb") as copy:
                shutil.copyfileobj(upload.stream, copy)
    except OSError as error:
        raise file_error(error) from error


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
    rejected = tuple(RejectedRow(**row) for row in stored.get("rejected", ()))
    return ImportResult(**{**stored, "rejected": rejected})

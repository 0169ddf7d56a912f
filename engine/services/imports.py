"""Imports in the background: ordered, queued, followed and cancelled; one is written at a time."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

from engine.background import step_back
from engine.data.demo import MISSING, demo_is_installed
from engine.data.rows import RejectedRow
from engine.errors import Cancelled, Conflict, InvalidInput, MarqueeError, UnknownJob
from engine.services.audit import audited, of_job
from engine.services.ends import AGAIN_S, Ends
from engine.services.import_task import EXPECTED, Import, ImportOrder, ImportResult, tell_cut_short
from engine.services.records import shared
from engine.services.scale import StoreScale
from engine.services.storing import file_error, stores
from store.errors import NotStored, NotWritten, StoreError
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import JobRecord, JobState
from store.worker import Worker

log = logging.getLogger(__name__)

FORMATS = ("auto", "movielens", "csv")
MAX_QUEUE = 10
"""Imports in progress or waiting; each may hold 2 GiB of files."""


@dataclass(frozen=True, slots=True)
class Job(JobRecord):
    """An import; ``progress`` in 0..1, ``message`` is the current step, ``result`` what it has done so far."""

    result: ImportResult | None  # type: ignore[assignment]  # JSON in the store


@dataclass(frozen=True)
class UploadedFile:
    """An uploaded file: its name and content."""

    name: str
    stream: BinaryIO


@dataclass(frozen=True)
class JobEnd:
    """End of an import.

    Attributes:
        state: of the job.
        reason: a sentence that says why it was interrupted; empty where it was not, or was cancelled.
        message: summary of a complete import.
        counts: of rows, with the rejected ones.
        served: whether the stored ratings are served.
    """

    state: JobState
    reason: str
    message: str
    counts: dict[str, Any]
    served: bool

    def error(self, result: dict[str, Any] | None) -> str | None:
        """The error of the job, from its result."""
        return (
            None
            if self.state == JobState.SUCCEEDED
            else tell_cut_short((result or {}) | self.counts, self.reason, served=self.served)
        )


class ImportService:
    """Orders and follows imports. ``start`` and ``close`` frame the worker thread.

    Args:
        ratings: where they are stored.
        jobs: the log of imports.
        scale: of the store.
        clock: Unix seconds.
        folder: holds the files of imports in progress or waiting; what a stopped process left is deleted.
        on_change: called in the worker thread after an import that changed something, before its job ends.
    """

    def __init__(
        self,
        ratings: RatingStore,
        jobs: JobStore,
        *,
        scale: StoreScale,
        clock: Callable[[], float],
        folder: Path,
        on_change: Callable[[], None],
    ) -> None:
        self._ratings = ratings
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

    def start(self) -> None:
        """Mark jobs and delete files that a stopped process left, and start the worker."""
        self._jobs.recover(lambda result: tell_cut_short(result, "Marquee was stopped during this import."))
        shutil.rmtree(self._folder, ignore_errors=True)
        self.worker.start()

    def close(self) -> None:
        """Cancel all imports and wait for the worker."""
        self.worker.stopping.set()
        for order in list(self._waiting.values()):
            order.cancelled.set()
        self.worker.stop()
        self._ends.settle()

    def has_demo(self) -> bool:
        """Whether the demo ratings are installed."""
        return demo_is_installed()

    @audited("import", of_job)
    @stores
    def import_demo(self) -> int:
        """Import the demo ratings in the background; returns the number of the job.

        Raises:
            InvalidInput: they are not installed.
            Conflict: the queue is full.
        """
        if not self.has_demo():
            raise InvalidInput(MISSING, field="source")
        self._check_queue()
        return self._order("demo", None, ())

    @audited("import", of_job)
    @stores
    def import_files(self, files: Sequence[UploadedFile], format: str = "auto") -> int:  # noqa: A002  # the API's word
        """Import files in the background; returns the number of the job. The files are copied first.

        Args:
            files: ratings, movies, or a zip of both; others are skipped.
            format: ``auto``, ``movielens`` or ``csv``; names and first lines of the files decide in any case.

        Raises:
            InvalidInput: there is no file, or the format is unknown.
            Conflict: the queue is full.
            DiskFull, StoreFailing: the copies can't be written.
        """
        if format not in FORMATS:
            raise InvalidInput(f"format is {format!r}, but must be one of {', '.join(FORMATS)}.", field="format")
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
        if len(self._waiting) >= MAX_QUEUE:
            raise Conflict(f"{MAX_QUEUE} imports are waiting or in progress. Try again when one of them has ended.")

    def _order(self, kind: str, folder: Path | None, uploads: tuple[str, ...]) -> int:
        job_id = self._jobs.create(kind, "Waiting")
        order = ImportOrder(job_id, folder, uploads, Event())
        self._waiting[job_id] = order
        self.worker.put(order)
        return job_id

    def cancel_job(self, job_id: int) -> None:
        """Cancel a job; what it has stored stays. A job that has ended stays as it is.

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
        progress = 1.0 if end.state == JobState.SUCCEEDED else job.progress
        error = end.error(record.result)
        return replace(job, state=end.state, error=error, message=end.message, progress=progress)

    def _import(self, order: ImportOrder) -> None:
        self._ends.settle()
        self._task = task = Import(self._ratings, self._jobs, self._scale.current.ends, order, self._clock)
        state, reason = self._outcome(order, task)
        self._end(order, task, state, reason)

    def _give_up(self, order: ImportOrder | None, reason: str) -> None:
        """End the import that the worker died over; what it has stored is served."""
        if order is not None and self._task is not None:
            self._end(order, self._task, JobState.FAILED, f"The import ended unexpectedly: {reason}.")

    def _outcome(self, order: ImportOrder, task: Import) -> tuple[JobState, str]:
        """Run an import; its final state, and the reason where it was interrupted."""
        try:
            task.run()
        except Cancelled:
            return JobState.CANCELLED, ""
        except NotWritten as error:
            return JobState.FAILED, f"{error.reason}. {error.advice}".strip()
        except (MarqueeError, StoreError) as error:
            return JobState.FAILED, str(error)
        except Exception as error:  # the job reports it
            log.exception("import %d failed", order.job_id)
            told = file_error(error) if isinstance(error, OSError) else None
            return JobState.FAILED, str(
                told or f"An unexpected error ended the import: {type(error).__name__}: {error}."
            )
        finally:
            if order.folder is not None:
                shutil.rmtree(order.folder, ignore_errors=True)
        return JobState.SUCCEEDED, ""

    def _end(self, order: ImportOrder, task: Import, state: JobState, reason: str) -> None:
        """Serve what was stored, even of an interrupted import, then end the job."""
        served = self._serve(task)
        message = task.told() if state == JobState.SUCCEEDED else ""
        self._ends.put(order.job_id, JobEnd(state, reason, message, task.counts(), served))
        self._waiting.pop(order.job_id, None)

    def _serve(self, task: Import) -> bool:
        """Serve what was stored; whether that succeeded. After a stop the next start does it."""
        if not task.changed:
            return True
        if self.worker.stopping.is_set():
            return False
        try:
            self._on_change()
        except Exception:  # the job has to end
            log.exception("imported ratings could not be served; they are stored, and the next start serves them")
            return False
        return True

    def _store_end(self, job_id: int, end: JobEnd) -> None:
        error = end.error(self._jobs.get(job_id).result)
        self._jobs.finish(job_id, end.state, result=end.counts, error=error, message=end.message)


def _spool(files: Sequence[UploadedFile], folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
        for place, upload in enumerate(files):
            with (folder / f"{place}.spool").open("wb") as copy:
                shutil.copyfileobj(upload.stream, copy)
    except OSError as error:
        raise file_error(error) from error


def _job(record: JobRecord) -> Job:
    return Job(**shared(record, Job) | {"result": None if record.result is None else _result(record.result)})


def _result(stored: dict[str, Any]) -> ImportResult:
    rejected = tuple(RejectedRow(**row) for row in stored.get("rejected", ()))
    return ImportResult(**{**stored, "rejected": rejected})

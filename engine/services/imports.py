"""Imports in the background: ordered, scanned, asked about, written, followed, cancelled and undone."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from engine.background import step_back
from engine.data.demo import MISSING, demo_is_installed
from engine.data.plan import ImportOptions
from engine.data.questions import EXPECTED
from engine.errors import Cancelled, Conflict, InvalidInput, MarqueeError, UnknownImport, UnknownJob
from engine.services.audit import audited, of_job
from engine.services.ends import AGAIN_S, Ends
from engine.services.import_task import DemoImport, Import, Stores
from engine.services.jobs import IMPORTS, Job, JobEnd, read_job, store_end
from engine.services.records import ImportRecord
from engine.services.storing import file_error, stores
from engine.services.uploads import UploadedFile, spool
from engine.words import counted
from store.errors import NotStored, NotWritten, StoreError
from store.jobs import JobStore
from store.records import JobRecord, JobState
from store.worker import Worker

log = logging.getLogger(__name__)

MAX_QUEUE = 10
"""Imports in progress or waiting; each may hold 2 GiB of files."""
STOPPED = "Marquee was stopped during this import. Nothing of it was kept; import the files again."
UNDO_STOPPED = (
    "Marquee was stopped during this undoing. If it had begun, the next start has completed it; the list of imports "
    "shows whether it had."
)
STOPPED_AFTERWARDS = "Everything was imported. Marquee was stopped right after."
NOTHING_KEPT = "Nothing of it was kept."


@dataclass
class Order:
    """What the worker is to do: go on with an import, or undo one."""

    job_id: int
    task: Import | None = None
    folder: Path | None = None
    undo: int | None = None


class ImportService:
    """Orders and follows imports. ``start`` and ``close`` frame the worker thread.

    Args:
        stores: what imports read and write.
        jobs: the log of imports.
        folder: holds the files of imports in progress or waiting; what a stopped process left is deleted.
        on_change: called in the worker thread after an import that changed something, before its job ends.
    """

    def __init__(self, stores: Stores, jobs: JobStore, *, folder: Path, on_change: Callable[[], None]) -> None:
        self._stores = stores
        self._jobs = jobs
        self._folder = folder
        self._on_change = on_change
        self.worker: Worker[Order] = Worker(
            "import",
            self._carry_out,
            begin=step_back,
            idle=lambda: self._ends.settle(),
            every=AGAIN_S,
            died=self._give_up,
            waits=True,
        )
        self._ends = Ends(partial(store_end, jobs), "import")
        self._orders: dict[int, Order] = {}

    def start(self) -> None:
        """Take back what a stopped process left half written, end its jobs, and start the worker."""
        for import_id in self._stores.imports.unfinished():
            log.info("import %d was cut short; taking it back", import_id)
            self._stores.imports.undo(import_id)
        for job in self._jobs.unfinished():
            if job.kind in IMPORTS:
                store_end(self._jobs, job.job_id, self._cut_short(job))
        shutil.rmtree(self._folder, ignore_errors=True)
        self.worker.start()

    def _cut_short(self, job: JobRecord) -> JobEnd:
        """How a job of a stopped process ended; it may have written everything before the stop."""
        batch = self._stores.imports.of_job(job.job_id)
        if batch is not None and batch.state == "done":
            return JobEnd(JobState.SUCCEEDED, None, STOPPED_AFTERWARDS, {"import_id": batch.import_id, **batch.counts})
        return JobEnd(JobState.FAILED, UNDO_STOPPED if job.kind == "undo" else STOPPED, "", {})

    def close(self) -> None:
        """Cancel all imports and wait for the worker."""
        self.worker.stopping.set()
        for order in list(self._orders.values()):
            if order.task is not None:
                order.task.cancelled.set()
        self.worker.stop()
        self._ends.settle()

    # -- orders --------------------------------------------------------------------------------------------------------

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
        job_id, folder = self._jobs.create("demo", "Waiting"), self._folder / uuid.uuid4().hex
        return self._order(Order(job_id, DemoImport(self._stores, job_id, folder, self._stepper(job_id)), folder))

    @audited("import", of_job)
    @stores
    def import_files(self, files: Sequence[UploadedFile], options: ImportOptions | None = None) -> int:
        """Import files in the background; returns the number of the job. The files are copied first.

        Args:
            files: exports of ratings, tables, or archives of them.
            options: what is known of the files; the rest is found in them, or asked for.

        Raises:
            InvalidInput: there is no file.
            Conflict: the queue is full.
            DiskFull, StoreFailing: the copies can't be written.
        """
        if not files:
            raise InvalidInput(f"There is no file. {EXPECTED}", field="files")
        self._check_queue()
        folder = self._folder / uuid.uuid4().hex
        try:
            uploads = spool(files, folder)
            job_id = self._jobs.create("import", "Waiting")
            step = self._stepper(job_id)
            task = Import(self._stores, job_id, uploads, folder, options or ImportOptions(), step)
            return self._order(Order(job_id, task, folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @audited("import answer", of_job)
    @stores
    def answer(self, job_id: int, answers: Mapping[str, Any]) -> int:
        """Answer questions of a job that waits, which then goes on; returns its number.

        Args:
            job_id: the job.
            answers: code of a question to its value; empty to confirm the plan of a job without questions.

        Raises:
            UnknownJob: no job has this number.
            Conflict: it does not wait for answers.
            InvalidInput: a question is not open, or does not take the value.
        """
        job, order = self.job(job_id), self._orders.get(job_id)
        if job.state != JobState.WAITING or order is None or order.task is None:
            raise Conflict(f"Job {job_id} does not wait for answers; it is {job.state}.")
        order.task.answer(answers)
        if not order.task.asked:
            self._jobs.update(job_id, job.progress, "Going on")
            self.worker.put(order)
        return job_id

    @audited("undo", of_job)
    @stores
    def undo(self, import_id: int) -> int:
        """Take an import back in the background; returns the number of the job.

        Raises:
            UnknownImport: no import has this number.
            Conflict: it is being written, or was undone already.
        """
        record = self.batch(import_id)
        if record.state != "done":
            state = {"writing": "is still being written", "undoing": "is being undone", "undone": "was undone already"}
            raise Conflict(f"Import {import_id} {state[record.state]}.")
        return self._order(Order(self._jobs.create("undo", "Waiting"), undo=import_id))

    def _check_queue(self) -> None:
        if len(self._orders) >= MAX_QUEUE:
            raise Conflict(f"{MAX_QUEUE} imports are in progress or waiting. Answer or cancel them, then try again.")

    def _order(self, order: Order) -> int:
        self._orders[order.job_id] = order
        self.worker.put(order)
        return order.job_id

    def _stepper(self, job_id: int) -> Callable[[float, str], None]:
        return lambda share, message: self._jobs.update(job_id, share, message)

    def cancel_job(self, job_id: int) -> None:
        """Cancel an import; what it has written is taken back. A job that has ended stays as it is.

        Raises:
            UnknownJob: no job has this number.
        """
        waits = self.job(job_id).state == JobState.WAITING
        order = self._orders.get(job_id)
        if order is not None and order.task is not None:
            order.task.cancelled.set()
            if waits:
                self.worker.put(order)

    # -- reading -------------------------------------------------------------------------------------------------------

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
        """The newest imports and undoings, newest first."""
        return [self._told(record) for record in self._jobs.newest(limit, IMPORTS)]

    def batches(self, limit: int = 100) -> list[ImportRecord]:
        """The imports so far, newest first."""
        return self._stores.imports.newest(limit)

    def batch(self, import_id: int) -> ImportRecord:
        """One import.

        Raises:
            UnknownImport: no import has this number.
        """
        try:
            return self._stores.imports.get(import_id)
        except NotStored as error:
            raise UnknownImport(f"There is no import {import_id}.") from error

    def _told(self, record: JobRecord) -> Job:
        end, job = self._ends.of(record.job_id), read_job(record)
        if end is None or record.ended_at is not None:
            return job
        progress = 1.0 if end.state == JobState.SUCCEEDED else job.progress
        return replace(job, state=end.state, error=end.error, message=end.message, progress=progress)

    # -- the worker ----------------------------------------------------------------------------------------------------

    def _carry_out(self, order: Order) -> None:
        self._ends.settle()
        if order.job_id not in self._orders:  # cancelled while an answer was on its way
            return
        end = self._undo(order) if order.undo is not None else self._import(order)
        if end is not None:
            self._end(order, end)

    def _give_up(self, order: Order | None, reason: str) -> None:
        """End the job that the worker died over; what it has written is taken back."""
        if order is not None:
            self._end(order, self._failed(order, f"The import ended unexpectedly: {reason}."))

    def _import(self, order: Order) -> JobEnd | None:
        """Go on with an import; None while it waits for answers."""
        task = order.task
        assert task is not None
        try:
            asked = task.scan()
            plan = task.plan().model_dump(mode="json", by_alias=True)
            if asked or not task.is_confirmed:
                self._jobs.ask(order.job_id, plan, [question.model_dump(mode="json") for question in asked])
                return None
            self._jobs.plan(order.job_id, plan)
            if task.is_dry:
                return JobEnd(JobState.SUCCEEDED, None, "The plan is made; nothing was written.", {})
            result = task.write()
        except Cancelled:
            self._take_back(order)
            return JobEnd(JobState.CANCELLED, NOTHING_KEPT, "", {})
        except Exception as error:  # noqa: BLE001  # the job reports it
            return self._failed(order, _reason(order.job_id, error))
        self._serve()
        return JobEnd(JobState.SUCCEEDED, None, task.told(result), asdict(result))

    def _failed(self, order: Order, reason: str) -> JobEnd:
        kept = self._take_back(order)
        return JobEnd(JobState.FAILED, f"{reason} {kept}".strip(), "", {})

    def _take_back(self, order: Order) -> str:
        """Undo what an import has written; a sentence on what became of it, '' if it had written nothing."""
        task = order.task
        if task is None or not task.changed or task.import_id is None:
            return ""
        try:
            self._stores.imports.undo(task.import_id)
        except (StoreError, OSError):
            log.exception("import %d could not be taken back; the next start does it", task.import_id)
            return "What was written is taken back at the next start."
        self._serve()
        return NOTHING_KEPT

    def _undo(self, order: Order) -> JobEnd:
        import_id = order.undo
        assert import_id is not None
        try:
            step = self._stepper(order.job_id)
            undone = self._stores.imports.undo(import_id, lambda share: step(share, f"Undoing import {import_id}"))
        except Exception as error:  # noqa: BLE001  # the job reports it
            return JobEnd(JobState.FAILED, _reason(order.job_id, error), "", {})
        self._serve()
        removed = counted(undone.ratings_removed, "rating")
        told = f"Import {import_id} undone: {removed} removed, {undone.ratings_restored:,} restored."
        return JobEnd(JobState.SUCCEEDED, None, told, {})

    def _end(self, order: Order, end: JobEnd) -> None:
        if order.folder is not None:
            shutil.rmtree(order.folder, ignore_errors=True)
        self._ends.put(order.job_id, end)
        self._orders.pop(order.job_id, None)

    def _serve(self) -> None:
        """Serve what was stored; after a stop the next start does it."""
        if self.worker.stopping.is_set():
            return
        try:
            self._on_change()
        except Exception:  # the job has to end
            log.exception("imported ratings could not be served; they are stored, and the next start serves them")


def _reason(job_id: int, error: Exception) -> str:
    """Why an import failed, as a sentence."""
    if isinstance(error, NotWritten):
        return f"{error.reason}. {error.advice}".strip()
    if isinstance(error, MarqueeError | StoreError):
        return str(error)
    log.error("import %d failed", job_id, exc_info=error)
    told = file_error(error) if isinstance(error, OSError) else None
    return str(told or f"An unexpected error ended the import: {type(error).__name__}: {error}.")

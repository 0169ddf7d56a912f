"""Lists for everybody, written by Apache Spark, and deleted when a person is erased."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from threading import Event, Lock

from engine.background import step_back
from engine.errors import Cancelled, ClusterFailed, Conflict, MarqueeError, check_range
from engine.models import spark
from engine.models.factorization import Factorization
from engine.models.registry import entry
from engine.recommending.state import ServingState
from engine.recommending.vectors import collect, collect_movies
from engine.services.audit import audited
from engine.services.ends import AGAIN_S, Ends
from engine.services.jobs import LISTS, Job, JobEnd, WrittenLists, read_job, store_end
from engine.services.recommendations import MAX_ITEMS
from engine.services.serving import ServingService
from engine.services.storing import in_words, stores
from engine.training.outside import NO_TABLE, learns_outside
from engine.words import counted
from store.errors import StoreError
from store.jobs import JobStore
from store.records import JobState
from store.worker import Worker

log = logging.getLogger(__name__)

INSTEAD = "Recommendations for everybody can be exported as a file without it."
STOPPED = "Marquee was stopped while Spark wrote the lists. Nothing of them was kept; write them again."
ERASED = "Deleted, as a person was erased since. Write the lists again."
COLLECTED, STARTED, WRITING = 0.3, 0.4, 0.6
"""Progress after each step."""


@dataclass
class Order:
    """Lists to be written, of a version as it serves at the time of the order."""

    job_id: int
    state: ServingState
    n: int
    cancelled: Event = field(default_factory=Event)
    why: str = "Cancelled; nothing was kept."


class SparkListService:
    """Has Apache Spark write everybody's list as Parquet. ``start`` and ``close`` frame the worker thread.

    Only the newest lists are kept. Lists are by predicted rating, as one request gets them with ``rank_by`` ``rating``.

    Args:
        jobs: the log of jobs.
        serving: the version that serves.
    """

    def __init__(self, jobs: JobStore, serving: ServingService) -> None:
        self._jobs = jobs
        self._serving = serving
        self.worker: Worker[Order] = Worker(
            "lists",
            self._carry_out,
            begin=step_back,
            idle=lambda: self._ends.settle(),
            every=AGAIN_S,
            died=self._give_up,
            waits=True,
        )
        self._ends = Ends(partial(store_end, jobs), "job")
        self._going: Order | None = None
        self._lock = Lock()
        """Held while lists are ordered, kept or deleted."""

    def start(self) -> None:
        """End jobs of a stopped process, delete what they wrote, and start the worker."""
        for record in self._jobs.unfinished():
            if record.kind == LISTS:
                _delete_quietly(read_job(record).lists)
                store_end(self._jobs, record.job_id, JobEnd(JobState.FAILED, STOPPED, "", {"path": ""}))
        self.worker.start()

    def close(self) -> None:
        """Cancel the job and wait for the worker."""
        self.worker.stopping.set()
        going = self._going
        if going is not None:
            going.why = STOPPED
            going.cancelled.set()
        self.worker.stop()
        self._ends.settle()

    def applies(self) -> bool:
        """Whether the version that serves was learned on Spark.

        Raises:
            NotReady: nothing is trained yet.
        """
        return entry(self._serving.ready().bundle.rating.config.kind).on_spark

    def refusal(self) -> str:
        """Why no lists can be written, and what to do, as a sentence; empty if they can.

        Raises:
            NotReady: nothing is trained yet.
        """
        if not self.applies():
            state = self._serving.ready()
            kind = state.bundle.rating.config.kind
            return (
                f"Version {state.version} was not learned on Spark: its rating model is {kind}. {INSTEAD} "
                "For lists from Spark, train als and activate that version."
            )
        cluster = spark.current()
        if learns_outside(self._serving.ready().bundle.rating.config) and not cluster.ratings:
            return NO_TABLE
        if cluster.missing:
            return f"{cluster.missing} {INSTEAD}"
        return ""

    @audited("data exported", lambda *_: "recommendations on Spark")
    @stores
    def write(self, n: int = 10) -> int:
        """Have the first n places of everybody's list written in the background; returns the number of the job.

        Args:
            n: 1 to 1000.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: n is outside its range.
            Conflict: the serving version is not of Spark, there is no Spark, or lists are being written.
        """
        check_range("n", n, 1, MAX_ITEMS)
        if reason := self.refusal():
            raise Conflict(reason)
        state = self._serving.ready()
        with self._lock:
            if self._going is not None:
                raise Conflict(f"Job {self._going.job_id} is writing lists. Wait for it to end, or cancel it first.")
            order = Order(self._jobs.create(LISTS, "Waiting"), state, n)
            self._going = order
        self.worker.put(order)
        return order.job_id

    def cancel(self, job_id: int) -> None:
        """Cancel a job; what it has written is deleted. Other jobs, and those that have ended, stay as they are."""
        going = self._going
        if going is not None and going.job_id == job_id:
            going.cancelled.set()

    def newest(self) -> Job | None:
        """The newest job; None before the first."""
        return next((read_job(record) for record in self._jobs.newest(1, (LISTS,))), None)

    def forget(self) -> str:
        """Delete all lists, and cancel those in progress: a person was erased.

        Returns:
            A sentence on what was deleted, or has to be deleted by hand; empty where there were no lists.
        """
        with self._lock:
            going, kept = self._going, self._kept()
            if going is not None:
                going.why = "Cancelled, as a person was erased. Write the lists again."
                going.cancelled.set()
            try:
                for job in kept:
                    self._drop(job)
            except ClusterFailed as error:
                log.error("lists are left with a person who was erased: %s", error)
                return f"Lists that Spark wrote may still name them: {error} Delete it by hand."
        return "The lists that Spark wrote for everybody were deleted." if kept or going is not None else ""

    def _kept(self) -> list[Job]:
        jobs = [read_job(record) for record in self._jobs.newest(20, (LISTS,))]
        return [job for job in jobs if job.state == JobState.SUCCEEDED and job.lists is not None and job.lists.path]

    def _drop(self, job: Job) -> None:
        """Delete the lists of a job."""
        assert job.lists is not None
        spark.remove(job.lists.path)
        self._jobs.finish(job.job_id, job.state, {"path": ""}, message=ERASED)

    # -- the worker ----------------------------------------------------------------------------------------------------

    def _carry_out(self, order: Order) -> None:
        self._ends.settle()
        path = f"{spark.current().path.rstrip('/')}/lists-{order.job_id}-{secrets.token_hex(4)}"
        lists = WrittenLists(order.state.version, order.n, 0, path)
        try:
            self._write(order, lists)
        except Cancelled:
            end = JobEnd(JobState.CANCELLED, order.why, "", {"path": ""})
        except Exception as error:  # noqa: BLE001  # the job reports it
            end = JobEnd(JobState.FAILED, _reason(order.job_id, error), "", {"path": ""})
        else:
            return
        _delete_quietly(lists)
        self._end(order, end)

    def _write(self, order: Order, lists: WrittenLists) -> None:
        def step(share: float, message: str) -> None:
            if order.cancelled.is_set():
                raise Cancelled(order.why)
            self._jobs.update(order.job_id, share, message)

        self._jobs.update(order.job_id, 0.0, "Collecting people and movies as they are served", asdict(lists))
        users = _have_written(order, lists.path, step)
        told = f"Lists of up to {order.n} movies for {counted(users, 'person', 'people')} are written as Parquet."
        with self._lock:
            if order.cancelled.is_set():
                raise Cancelled(order.why)
            before = self._kept()
            self._ends.put(order.job_id, JobEnd(JobState.SUCCEEDED, None, told, {"users": users}))
            self._going = None
            for job in before:
                self._replace(job)
        log.info("job %d: %s They are in %s.", order.job_id, told, lists.path)

    def _replace(self, job: Job) -> None:
        try:
            self._drop(job)
        except ClusterFailed as error:  # the new lists are there; the next ones try again
            log.warning("the lists of job %d are left: %s", job.job_id, error)

    def _give_up(self, order: Order | None, reason: str) -> None:
        if order is not None:
            self._end(order, JobEnd(JobState.FAILED, f"The job ended unexpectedly: {reason}.", "", {"path": ""}))

    def _end(self, order: Order, end: JobEnd) -> None:
        with self._lock:  # as soon as the end can be seen, the next job can start
            self._ends.put(order.job_id, end)
            self._going = None


def _have_written(order: Order, path: str, step: Callable[[float, str], None]) -> int:
    """Have Spark write the lists to a folder; returns for how many users."""
    model = order.state.bundle.rating
    assert isinstance(model, Factorization)
    low, high = model.scale_
    with spark.job_on(spark.current()) as job:
        table: dict[str, str] = {}
        if learns_outside(model.config):
            users = 0
            job.write("learned/movies", collect_movies(order.state).table())
            table = {"table": job.cluster.ratings, "fold": ",".join(map(str, model.penalties_[0].values()))}
        else:
            vectors = collect(order.state, lambda share: step(COLLECTED * share, "Collecting people and movies"))
            users = len(vectors.users)
            vectors.write(job)
        share, doing = COLLECTED, "Starting Spark"
        step(share, doing)
        for said in job.run(
            spark.LISTS_JOB,
            learned=f"{job.path}/learned",
            lists=order.n,
            lists_out=path,
            mean=model.mean_,
            low=low,
            high=high,
            **table,
        ):
            users = said.get("users", users)
            if "step" in said:
                share = STARTED if share < STARTED else WRITING
                doing = said["step"]
                log.info("job %d: %s", order.job_id, doing)
            step(share, doing)
    return users


def _delete_quietly(lists: WrittenLists | None) -> None:
    """Delete what a job wrote that has no result."""
    try:
        if lists is not None and lists.path:
            spark.remove(lists.path)
    except ClusterFailed as error:
        log.warning("lists that are incomplete are left: %s", error)


def _reason(job_id: int, error: Exception) -> str:
    if isinstance(error, MarqueeError | StoreError):
        return str(error)
    log.error("job %d failed", job_id, exc_info=error)
    return str(in_words(error) or f"An unexpected error ended the job: {type(error).__name__}: {error}.")

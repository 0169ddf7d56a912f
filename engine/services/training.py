"""Training as a person asks for it: one run at a time, judged, refitted on everything, saved and activated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from threading import Event, Lock
from typing import Any, Literal, get_args

from engine.background import start_peak, step_back
from engine.errors import (
    Cancelled,
    InvalidInput,
    MarqueeError,
    NotReady,
    TrainingBusy,
    UnknownRun,
    UnknownVersion,
    VersionUnavailable,
)
from engine.evaluation.intervals import MetricValue
from engine.evaluation.verdict import GOALS, Judgement
from engine.models.base import ModelConfig
from engine.models.epochs import EpochReport
from engine.models.registry import configure
from engine.services.audit import log_action
from engine.services.ends import AGAIN_S, Ends
from engine.services.run_log import RunEnd, RunLog, past_runs
from engine.services.serving import ServingService
from engine.services.snapshots import DataSnapshot, Outdated, Snapshots
from engine.services.storing import in_words, stores
from engine.services.version_records import (
    all_arrays,
    asked,
    describe_data,
    metric_values,
    plain_metrics,
    readable,
    stored_judgement,
    stored_report,
)
from engine.settings import Settings
from engine.training.forecast import Forecast, Work
from engine.training.pipeline import Learned, Listener, learn
from engine.training.promotion import FIRST, ActivationPolicy, Candidate, Rival, decide
from engine.training.steps import Step
from store.errors import DamagedVersion, NotStored, StoreError
from store.notices import NoticeStore
from store.patience import outlast, patient
from store.ratings import RatingStore
from store.records import Activation, EpochRecord, RunRecord, VersionRecord
from store.runs import RunStore
from store.versions import MLModelManager
from store.worker import Worker

RunState = Literal["queued", "running", "succeeded", "failed", "cancelled"]

log = logging.getLogger(__name__)

POLICIES = get_args(ActivationPolicy)
LONGEST_STOP_S = 10
LONGEST_QUEUE = 50
COMPARED = 20
"""So many of the newest runs are looked through for those that tell how long one takes."""
LOADING = "Loading the version that is to serve"
ANEW = "Begun anew, as a user was forgotten. "
"""Before the words of a step, once a training has read the ratings again."""

Also = Callable[[Any], None]
"""Writes of somebody else in the same transaction; takes the store's connection."""


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """A run as ``GET /ml/training-status`` and the Training page show it.

    ``stage`` says in words what is being done now; ``metrics`` and ``before`` map a metric's name to its value and
    interval (of this run's version, and of the version that was active before it, on its own held-out part).
    ``seed``, ``data_fingerprint``, ``packages`` and the hyperparameters are what the numbers depend on.
    ``peak_memory_bytes`` is the most that the whole process held while it ran; None before it has ended.
    ``repeats`` is the version that the run trains again to prove it; ``repeated`` says whether every array came out
    equal, bit for bit. ``verdict`` says in words what was decided and why, ``judgement`` what it rests on.
    ``progress`` is how far the whole run is, from 0 to 1, and never goes back; ``eta_s`` is about how long the whole
    run takes yet, by earlier runs and by what it has done so far, where that is known. It is in ``step`` of ``steps``,
    and an epoch is a part of a step. All of these are None once it has ended.
    """

    run_id: int
    state: RunState
    model: str
    stage: str
    epoch: int
    epochs: int
    eta_s: float | None
    history: tuple[EpochReport, ...]
    hyperparameters: dict[str, Any]
    activate: ActivationPolicy
    version: int | None
    metrics: dict[str, MetricValue] | None
    before: dict[str, MetricValue] | None
    verdict: str | None
    error: str | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    actor: str = ""
    seed: int = 0
    data_fingerprint: str | None = None
    peak_memory_bytes: int | None = None
    packages: dict[str, str] = field(default_factory=dict)
    repeats: int | None = None
    repeated: bool | None = None
    judgement: Judgement | None = None
    progress: float | None = None
    step: int | None = None
    steps: int | None = None


class TrainingService:
    """Starts, follows and cancels training runs. ``start`` and ``close`` frame the worker thread."""

    def __init__(
        self,
        ratings: RatingStore,
        snapshots: Snapshots,
        models: MLModelManager,
        runs: RunStore,
        notices: NoticeStore,
        serving: ServingService,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._ratings = ratings
        self._snapshots = snapshots
        self._models = models
        self._runs = runs
        self._notices = notices
        self._serving = serving
        self._settings = settings
        self._clock = clock
        self.worker: Worker[bool] = Worker(  # an order only says to look at the store's queue
            "training",
            self._work,
            begin=step_back,
            idle=self._look_again,
            every=AGAIN_S,
            died=self._give_up,
            waits=True,
        )
        self._starting = Lock()
        self._cancelled: dict[int, Event] = {}
        self._forecasts: dict[int, Forecast] = {}
        self._ends = Ends(self._store_end, "training run")
        self._overlooked = False

    def start(self) -> None:
        """Mark what a stopped process left behind, and go on with the runs that were waiting."""
        for run_id in self._runs.recover("Marquee was stopped while this run was going."):
            text = f"Marquee was stopped during training run {run_id}. The active version still serves; train again."
            self._notices.add("warning", "training", text, {"run_id": run_id})
        self._models.recover()
        self.worker.start()
        self.worker.put(True)

    def close(self) -> None:
        """Cancel what runs, and wait for the worker to end, but not for a long step of it; what waits goes on later.

        A run that is left in such a step is marked as failed at the next start.
        """
        self.worker.stopping.set()
        for event in list(self._cancelled.values()):
            event.set()
        self.worker.stop(LONGEST_STOP_S)
        self._ends.settle()

    # -- asked by pages and routes -----------------------------------------------------------------------------------

    @stores
    def train_model(
        self,
        kind: str = "svd",
        hyperparameters: Mapping[str, Any] | None = None,
        activate: ActivationPolicy = "if_better",
        actor: str = "you",
        *,
        queue: bool = False,
        note: str = "",
        also: Also | None = None,
    ) -> int:
        """Start a training run in the background.

        Args:
            kind: a name of ``engine.models.registry.MODELS``.
            hyperparameters: those that differ from the defaults.
            activate: whether the new version is to serve: ``if_better``, ``if_no_worse``, ``always`` or ``never``;
                ``engine.training.promotion.decide`` says what each means.
            actor: who asks, for the ledger.
            queue: where a run is going already, wait for its end instead of being refused; a restart keeps the queue.
            note: for the new version.
            also: further writes to the store, in the transaction that orders the run.

        Returns:
            The number of the run.

        Raises:
            InvalidInput, InvalidHyperparameter: names the field, the value and the range.
            TrainingBusy: a run is going already, or the queue is full.
            NotReady: there are no ratings to learn from.
        """
        config = configure(kind, hyperparameters or {})
        if activate not in POLICIES:
            raise InvalidInput(f"activate is {activate!r}, but must be one of {', '.join(POLICIES)}.", field="activate")
        return self._order(kind, config, activate, actor, queue=queue, note=note, also=also)

    @stores
    def retrain(
        self,
        version: int | None = None,
        activate: ActivationPolicy = "if_better",
        actor: str = "you",
        *,
        queue: bool = False,
        also: Also | None = None,
    ) -> int:
        """Train with a version's hyperparameters on the ratings as they are now.

        Args:
            version: by default the one that serves.
            activate: as for ``train_model``.
            actor: who asks.
            queue: as for ``train_model``.
            also: as for ``train_model``.

        Raises:
            UnknownVersion: there is no such version.
            NotReady: none serves yet.
            TrainingBusy: as ``train_model``.
        """
        record = self._version(version)
        note = f"Version {record.version} trained anew."
        return self.train_model(record.kind, asked(record), activate, actor, queue=queue, note=note, also=also)

    @stores
    def train_again(self, version: int, actor: str = "you", *, queue: bool = False) -> int:
        """Train exactly as a version was trained, and compare every array with the stored one.

        No version is saved. The run's verdict says whether all arrays are equal bit for bit.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: it can't be repeated; the message says why.
            TrainingBusy: as ``train_model``.
        """
        record = self._version(version)
        self._check_repeatable(record)
        config = configure(record.kind, asked(record))
        return self._order(record.kind, config, "never", actor, queue=queue, repeats=version)

    def _version(self, version: int | None) -> VersionRecord:
        number = self._models.active_version() if version is None else version
        if number is None:
            raise NotReady("No version serves yet. Train a model first.")
        try:
            return readable(self._models.get_version(number))
        except NotStored as error:
            raise UnknownVersion(str(error)) from error

    def _check_repeatable(self, record: VersionRecord) -> None:
        """Its arrays are there, and the ratings and settings are those that it was trained with."""
        why, data = None, self._snapshots.load().data
        if record.state != "ready":
            why = f"it is {record.state}"
        elif "asked" not in record.config:
            why = "the settings of its training are not known"
        elif record.data["fingerprint"] != data.fingerprint:
            why = f"the ratings have changed since: it learned {record.data['ratings']:,}, now there are {len(data):,}"
        elif record.data.get("catalogue") != data.movies.fingerprint:
            why = "years or genres of movies have changed since"
        elif record.protocol.get("personal_from", self._settings.personal_from) != self._settings.personal_from:
            why = "MARQUEE_PERSONAL_FROM has changed since"
        if why is not None:
            raise VersionUnavailable(f"Version {record.version} can't be trained again exactly: {why}.")

    def _order(
        self,
        kind: str,
        config: ModelConfig,
        activate: ActivationPolicy,
        actor: str,
        *,
        queue: bool,
        note: str = "",
        repeats: int | None = None,
        also: Also | None = None,
    ) -> int:
        with self._starting, patient(None):
            self._ends.settle()
            going = self._runs.current(self._ends.numbers())
            if going is not None and (not queue or len(self._runs.queued()) >= LONGEST_QUEUE):
                raise TrainingBusy(going.run_id)
            if self._ratings.counts().ratings == 0:
                raise NotReady("There are no ratings to learn from. Import the demo data or your own first.")
            seed = getattr(config, "seed", 0)
            run_id = self._runs.create(
                kind, config.model_dump(mode="json"), activate, seed, actor, note=note, repeats=repeats, also=also
            )
        self.worker.put(True)
        return run_id

    @stores
    def cancel(self, run_id: int) -> None:
        """Ask a run to stop; it ends after the epoch or step it is in, and at once where it waits for its turn.

        A run that has ended is left as it is.

        Raises:
            UnknownRun: no run has this number.
        """
        if self.status(run_id).ended_at is not None or self._ends.of(run_id) is not None:
            return
        with self._starting:
            event = self._cancelled.get(run_id)
            if event is not None:
                event.set()
                self._runs.stage(run_id, "Stopping")
            else:
                self._runs.finish(run_id, "cancelled", stage="Cancelled", error="Cancelled before its turn came.")

    def queue(self) -> list[TrainingStatus]:
        """The runs that wait for their turn, first to go first."""
        return [self._status(record) for record in self._runs.queued()]

    def status(self, run_id: int | None = None) -> TrainingStatus:
        """A run; without a number the one that is going, or else the newest.

        Raises:
            UnknownRun: no run has this number, or none was ever started.
        """
        if run_id is None:
            newest = self._runs.current(self._ends.numbers()) or next(iter(self._runs.newest(1)), None)
            if newest is None:
                raise UnknownRun("Nothing was trained yet. Start a training first.")
            return self._status(self._runs.get(newest.run_id))
        try:
            return self._status(self._runs.get(run_id))
        except NotStored as error:
            raise UnknownRun(f"There is no training run {run_id}.") from error

    def current(self) -> TrainingStatus | None:
        """The run that is going, or else the first that waits; None where there is none.

        A run goes until its version serves, a moment after it was saved.
        """
        worked_on = (self.status(run_id) for run_id in list(self._cancelled))
        going = next((run for run in worked_on if run.state == "running"), None)
        if going is not None:
            return going
        record = self._runs.current(self._ends.numbers())
        return None if record is None else self._status(record)

    def counts(self) -> dict[str, int]:
        """How many runs there are, by state."""
        return self._runs.counts()

    def runs(
        self, limit: int = 50, *, before: int | None = None, actors: Sequence[str] | None = None
    ) -> list[TrainingStatus]:
        """The newest runs, newest first.

        Args:
            limit: the most of them.
            before: only those older than the run of this number, for the next page.
            actors: only those that one of these asked for; anybody's if left out.
        """
        return [self._status(record) for record in self._runs.newest(limit, before=before, actors=actors)]

    def _status(self, stored: RunRecord) -> TrainingStatus:
        end = self._ends.of(stored.run_id)
        record = stored if end is None or stored.ended_at is not None else end.applied_to(stored)
        history = tuple(
            EpochReport(e.epoch, e.epochs, e.train_loss, e.validation_rmse, e.seconds) for e in record.epochs
        )
        # A run is over for others once its version serves, which is a moment after it was saved.
        loading = record.state == "succeeded" and record.run_id in self._cancelled
        state = "running" if loading else record.state
        going = state in ("queued", "running")
        forecast = self._forecasts.get(record.run_id) if going else None
        outlook = None if forecast is None else forecast.outlook()
        details = record.details or {}
        return TrainingStatus(
            run_id=record.run_id,
            state=state,
            model=record.kind,
            stage=LOADING if loading else record.stage,
            epoch=history[-1].epoch if history else 0,
            epochs=int(record.hyperparameters.get("epochs", 0)),
            eta_s=None if outlook is None else outlook.left,
            progress=outlook.progress if outlook else 0.0 if going else None,
            step=None if outlook is None else outlook.step,
            steps=None if outlook is None else outlook.steps,
            history=history,
            hyperparameters=record.hyperparameters,
            activate=record.activate,
            version=record.version,
            metrics=metric_values(record.metrics),
            before=metric_values(record.before),
            verdict=record.verdict,
            error=record.error,
            created_at=record.created_at,
            started_at=record.started_at,
            ended_at=record.ended_at,
            actor=record.actor,
            seed=record.seed,
            data_fingerprint=details.get("fingerprint"),
            peak_memory_bytes=details.get("peak_memory_bytes"),
            packages=details.get("packages", {}),
            repeats=record.repeats,
            repeated=details.get("repeated"),
            judgement=stored_judgement(details.get("judgement")),
        )

    # -- the worker --------------------------------------------------------------------------------------------------

    def _work(self, _: bool) -> None:
        self._ends.settle()
        while not self.worker.stopping.is_set() and (run := self._next()) is not None:
            self._go(run)

    def _look_again(self) -> None:
        """Once the store can be written to again, store the ends of runs and go on with the queue."""
        self._ends.settle()
        if self._overlooked:
            self._work(True)

    def _next(self) -> RunRecord | None:
        """Begin with the first run of the queue; None where nothing waits."""
        try:
            run = outlast(self._begin)
        except Exception:  # part of the thread's outermost loop
            log.exception("the queue of trainings can't be read or written; it is looked at again")
            self._overlooked = True
            return None
        self._overlooked = False
        return run

    def _begin(self) -> RunRecord | None:
        with self._starting, patient(None):  # so that no run is cancelled between being found and being begun
            waiting = self._runs.queued()
            if not waiting:
                return None
            self._runs.start(waiting[0].run_id)
            self._cancelled[waiting[0].run_id] = Event()
            return waiting[0]

    def _give_up(self, _: bool | None, reason: str) -> None:
        """The worker died, perhaps over a run. The runs that wait go on when it begins again."""
        self.worker.put(True)
        going = self._runs.current(self._ends.numbers())
        if going is not None and going.state == "running":
            log.error("training run %d was given up", going.run_id)
            end = RunEnd("failed", "Failed", f"The training ended unexpectedly: {reason}. Train again.", self._clock())
            self._ends.put(going.run_id, end)

    def _go(self, run: RunRecord) -> None:
        entry = RunLog()
        start_peak()
        try:
            self._train(run, entry)
        except Cancelled as error:
            self._end(run, RunEnd("cancelled", "Cancelled", str(error), self._clock()), entry)
        except (MarqueeError, StoreError) as error:
            self._fail(run, str(error), entry)
        except Exception as error:  # the thread's outermost loop: the next order must find it alive
            log.exception("training run %d failed", run.run_id)
            told = in_words(error) or f"An unexpected error ended the run: {type(error).__name__}: {error}"
            self._fail(run, str(told), entry)
        finally:
            self._cancelled.pop(run.run_id, None)
            self._forecasts.pop(run.run_id, None)

    def _fail(self, run: RunRecord, reason: str, entry: RunLog) -> None:
        log.error("training run %d failed: %s", run.run_id, reason)
        self._end(run, RunEnd("failed", "Failed", reason, self._clock()), entry)

    def _end(self, run: RunRecord, end: RunEnd, entry: RunLog) -> None:
        try:
            end = replace(end, details=entry.details())
        except Exception:  # whatever it is, the run has to end
            log.exception("what training run %d noted of itself can't be told", run.run_id)
        self._ends.put(run.run_id, end)

    def _store_end(self, run_id: int, end: RunEnd) -> None:
        saved = self._runs.get(run_id).version

        def tell(connection: Any) -> None:
            if end.state == "failed":
                what = "failed" if saved is None else f"gave version {saved}, but what followed failed"
                told = f"Training run {run_id} {what}. {end.reason}"
                self._notices.add_in(connection, "error", "training", told, {"run_id": run_id})

        self._runs.finish(run_id, end.state, stage=end.stage, error=end.reason, details=end.details, also=tell)

    def _train(self, run: RunRecord, entry: RunLog) -> None:
        """Train, anew where somebody is forgotten meanwhile: a version that is saved after that must not know them."""
        told: set[int] = set()
        before = ""
        self._forecasts[run.run_id] = forecast = self._forecast(run)
        entry.forecast = forecast
        while True:
            try:
                self._attempt(run, entry, told, before)
                break
            except Outdated as error:
                log.info("training run %d begins anew: %s", run.run_id, error)
                before = ANEW
                forecast.begin_again()
        forecast.finish()
        self._note(run, entry)
        if run.repeats is None:
            self._retain()

    def _forecast(self, run: RunRecord) -> Forecast:
        """How long a run will take, by those before it."""
        work = Work(run.kind, run.hyperparameters, self._ratings.counts().ratings)
        return Forecast(work, past_runs(self._runs.newest(COMPARED), run.kind))

    def _note(self, run: RunRecord, entry: RunLog) -> None:
        """Keep what the steps took, the last of which lasts until the version serves."""
        try:
            self._runs.detail(run.run_id, entry.details())
        except StoreError:
            log.exception("what the steps of training run %d took could not be stored", run.run_id)

    def _attempt(self, run: RunRecord, entry: RunLog, told: set[int], before: str) -> None:
        """Train once with the ratings as they are now.

        Raises:
            Outdated: somebody in them was forgotten since; nothing was saved.
        """
        if run.repeats is not None:
            self._check_repeatable(self._version(run.repeats))
        self._forecasts[run.run_id].enter(Step.READING)
        self._runs.stage(run.run_id, f"{before}{Step.READING.words}")
        snapshot = self._snapshots.load()
        listener = self._listener(run, snapshot, told, before)
        listener.check()
        entry.fingerprint = snapshot.data.fingerprint
        config = configure(run.kind, run.hyperparameters)
        learned = learn(run.kind, config, snapshot.data, self._settings.personal_from, listener)
        entry.epochs = learned.epochs
        if run.repeats is not None:
            listener.enter(Step.SAVING, words="Comparing with the stored arrays")
            self._prove(run, run.repeats, learned, entry)
            return
        listener.enter(Step.SAVING)
        self._save(run, snapshot, learned, entry)

    def _listener(self, run: RunRecord, snapshot: DataSnapshot, told: set[int], before: str) -> Listener:
        """Writes how a run goes, and gives it up at the next step or epoch where somebody in it was forgotten.

        Args:
            run: that goes.
            snapshot: what it learns.
            told: the epochs that are in the log already; those of an attempt that was given up stay there.
            before: stands before the words of each step.
        """

        def stage(text: str) -> None:
            self._snapshots.check(snapshot)
            self._runs.stage(run.run_id, before + text)

        def epoch(report: EpochReport) -> None:
            self._snapshots.check(snapshot)
            if report.epoch not in told:
                told.add(report.epoch)
                self._runs.epoch(run.run_id, EpochRecord(**asdict(report)))

        return Listener(stage, epoch, self._forecasts[run.run_id], self._cancelled[run.run_id])

    def _prove(self, run: RunRecord, version: int, learned: Learned, entry: RunLog) -> None:
        """Whether every array came out as it is stored."""
        arrays = all_arrays(learned)
        unequal, count = self._models.differing(version, arrays), len(arrays)
        entry.repeated = not unequal
        if unequal:
            few = ", ".join(unequal[:5]) + (", ..." if len(unequal) > 5 else "")
            verdict = f"Version {version} was trained again, and {len(unequal)} of {count} arrays differ: {few}."
        else:
            verdict = f"Version {version} was trained again: all {count} arrays are equal, bit for bit."
        details = entry.details()
        self._runs.finish(run.run_id, "succeeded", verdict=verdict, stage="Done", details=details)
        about = {"run_id": run.run_id, "version": version}
        self._notices.add("warning" if unequal else "info", "training", verdict, about)

    def _retain(self) -> None:
        """Make room as the settings say."""
        if not self._settings.keep_versions:
            return
        gone = self._models.retain(self._settings.keep_versions, GOALS)
        if gone:
            told = (
                f"The arrays of version{'s' * (len(gone) > 1)} {', '.join(map(str, gone))} were removed to save space."
            )
            self._notices.add("info", "versions", f"{told} MARQUEE_KEEP_VERSIONS says how many are kept.")

    def _incumbent(self) -> tuple[Rival | None, VersionRecord | None, str]:
        """The version that serves, to be judged against, and its record; or why there is none.

        One that is damaged, or that can't serve though the ledger names it, is no rival: nobody gains from keeping it.
        """
        active = self._models.active_version()
        if active is None:
            return None, None, FIRST
        try:
            self._models.verify(active)
            serving = readable(self._models.get_version(active))
            report = stored_report(serving, self._models.load_part(active, "report/"))
        except (DamagedVersion, NotStored) as error:
            log.error("a new version is compared with none: %s", error)
            return None, None, f"{error} So nothing stands against the new one."
        if self._serving.active_version() != active:
            return None, None, f"Version {active} can't serve, so nothing stands against the new one."
        return Rival(report, serving.data["fingerprint"], active), serving, ""

    def _save(self, run: RunRecord, snapshot: DataSnapshot, learned: Learned, entry: RunLog) -> None:
        """Save the version, end the run and, where it is to serve, activate it: all in one transaction.

        Raises:
            Outdated: somebody in the snapshot was forgotten since; nothing was saved.
        """
        bundle, report = learned.bundle, learned.report
        rival, serving, alone = self._incumbent()
        before = None if serving is None else serving.metrics
        metrics = plain_metrics(report.metrics) if report else {}
        decision = decide(run.activate, Candidate(report, snapshot.data.fingerprint), rival, alone)
        entry.judgement = decision.judgement

        def end_run(connection: Any, version: int) -> None:
            self._snapshots.check_in(connection, snapshot)
            self._runs.finish_in(
                connection,
                run.run_id,
                "succeeded",
                version=version,
                metrics=metrics,
                before=before,
                verdict=decision.verdict,
                stage="Done",
                details=entry.details(),
            )
            told = f"Version {version} is trained. {decision.verdict}"
            about: dict[str, Any] = {"run_id": run.run_id, "version": version, "verdict": decision.judgement.verdict}
            about |= {"metrics": metrics, "before": before, "compared": decision.judgement.compared}
            self._notices.add_in(connection, "info", "training", told, about)

        version = self._models.save_model(
            kind=run.kind,
            config=bundle.config() | {"asked": run.hyperparameters},
            arrays=all_arrays(learned),
            metrics=metrics,
            segments={part: plain_metrics(found) for part, found in report.segments.items()} if report else {},
            protocol=report.protocol | {"personal_from": self._settings.personal_from} if report else {},
            charts=report.charts if report else {},
            data=describe_data(snapshot),
            run_id=run.run_id,
            note=run.note,
            activate=Activation(run.actor, decision.verdict) if decision.activate else None,
            on_commit=end_run,
        )
        if decision.activate:
            log_action("version activated", f"version {version}, trained by run {run.run_id} for {run.actor}")
            try:
                self._serving.serve(version, bundle, snapshot.revision)
            except Exception:
                self._serving.load_active()  # the ledger names it already: it, or the best one that can, is to serve
                raise

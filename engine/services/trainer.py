"""The worker that trains: takes the runs of the queue one by one, and judges, saves and activates what they give."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from threading import Event, Lock
from typing import Any

from engine.background import start_peak, step_back
from engine.errors import Cancelled, MarqueeError
from engine.evaluation.verdict import GOALS
from engine.models.epochs import EpochReport
from engine.models.list_settings import configure_ranking
from engine.models.registry import configure
from engine.recommending.golden import tell_broken
from engine.services.audit import log_action
from engine.services.ends import AGAIN_S, Ends
from engine.services.golden import GoldenService
from engine.services.history import HistoryService
from engine.services.outside import OutsideRuns
from engine.services.repeats import Repeats
from engine.services.run_log import RunEnd, RunLog, past_runs
from engine.services.serving import ServingService
from engine.services.snapshots import DataSnapshot, Outdated, Snapshots
from engine.services.storing import in_words
from engine.services.version_records import (
    all_arrays,
    describe_data,
    plain_metrics,
    readable,
    stored_report,
)
from engine.settings import Settings
from engine.training.forecast import Forecast, Work
from engine.training.outside import learns_outside
from engine.training.pipeline import Learned, Listener, learn
from engine.training.promotion import FIRST, Candidate, Rival, decide
from engine.training.steps import Step
from store.connections import Transaction
from store.errors import DamagedVersion, NotStored, StoreError
from store.notices import NoticeStore
from store.patience import outlast, patient
from store.ratings import RatingStore
from store.records import Activation, EpochRecord, RunRecord, State, VersionRecord
from store.runs import RunStore
from store.versions import MLModelManager
from store.worker import Worker

log = logging.getLogger(__name__)

MAX_STOP_S = 10
RUNS_COMPARED = 20
"""Runs whose durations the forecast of a new one is based on."""
RESTARTED = "Restarted: a person was deleted. "
"""Precedes the name of each step once a training has had to read the ratings again."""


@dataclass(eq=False)
class Trainer:
    """Works on the queue of runs. ``start`` and ``close`` frame the worker thread.

    Attributes:
        ordering: held while the queue changes, so that no run is cancelled between being found and being started.
        cancelled: the runs being worked on, each with the event that cancels it.
        forecasts: the progress of these runs.
        ends: ends of runs that are not stored yet.
        repeats: versions that are trained again exactly.
    """

    _ratings: RatingStore
    _snapshots: Snapshots
    _models: MLModelManager
    _runs: RunStore
    _notices: NoticeStore
    _serving: ServingService
    _golden: GoldenService
    _history: HistoryService
    _settings: Settings
    _clock: Callable[[], float]

    def __post_init__(self) -> None:
        self.worker: Worker[bool] = Worker(  # an order only says to look at the store's queue
            "training",
            self._work,
            begin=step_back,
            idle=self._look_again,
            every=AGAIN_S,
            died=self._give_up,
            waits=True,
        )
        self.ordering = Lock()
        self.cancelled: dict[int, Event] = {}
        self.forecasts: dict[int, Forecast] = {}
        self.ends = Ends(self._store_end, "training run")
        self._overlooked = False
        stores = self._ratings, self._snapshots, self._models, self._runs, self._notices
        self.repeats = Repeats(self._models, self._snapshots, self._history, self._settings.personal_from)
        self._outside = OutsideRuns(*stores, self._serving, self._settings.personal_from)

    def start(self) -> None:
        """Mark runs that a stopped process left unfinished as failed, and continue with the queue."""
        for run_id in self._runs.recover("Marquee was stopped during this run."):
            text = f"Marquee was stopped during training run {run_id}. The active version still serves; train again."
            self._notices.add("warning", "training", text, {"run_id": run_id})
        self._models.recover()
        self.worker.start()
        self.worker.put(True)

    def close(self) -> None:
        """Cancel the current run and wait for the worker, except for a long step; queued runs stay queued.

        A run left in such a step is marked as failed at the next start.
        """
        self.worker.stopping.set()
        for event in list(self.cancelled.values()):
            event.set()
        self.worker.stop(MAX_STOP_S)
        self.ends.settle()

    def _work(self, _: bool) -> None:
        self.ends.settle()
        while not self.worker.stopping.is_set() and (run := self._next()) is not None:
            self._go(run)

    def _look_again(self) -> None:
        """Store pending ends and continue with the queue once the store can be written to again."""
        self.ends.settle()
        if self._overlooked:
            self._work(True)

    def _next(self) -> RunRecord | None:
        """Start the first run of the queue; None where it is empty."""
        try:
            run = outlast(self._begin)
        except Exception:  # part of the thread's outermost loop
            log.exception("the training queue can't be read or written; retrying")
            self._overlooked = True
            return None
        self._overlooked = False
        return run

    def _begin(self) -> RunRecord | None:
        with self.ordering, patient(None):
            waiting = self._runs.queued()
            if not waiting:
                return None
            self._runs.start(waiting[0].run_id)
            self.cancelled[waiting[0].run_id] = Event()
            return waiting[0]

    def _give_up(self, _: bool | None, reason: str) -> None:
        """Mark the run that the worker died over as failed; the queue continues when the worker restarts."""
        self.worker.put(True)
        going = self._runs.current(self.ends.numbers())
        if going is not None and going.state == State.RUNNING:
            log.error("training run %d was given up", going.run_id)
            end = RunEnd(
                State.FAILED, "Failed", f"The training ended unexpectedly: {reason}. Train again.", self._clock()
            )
            self.ends.put(going.run_id, end)

    def _go(self, run: RunRecord) -> None:
        entry = RunLog()
        start_peak()
        try:
            self._train(run, entry)
        except Cancelled as error:
            self._end(run, RunEnd(State.CANCELLED, "Cancelled", str(error), self._clock()), entry)
        except (MarqueeError, StoreError) as error:
            self._fail(run, str(error), entry)
        except Exception as error:  # the thread's outermost loop: the next order must find it alive
            log.exception("training run %d failed", run.run_id)
            told = in_words(error) or f"An unexpected error ended the run: {type(error).__name__}: {error}"
            self._fail(run, str(told), entry)
        finally:
            self.cancelled.pop(run.run_id, None)
            self.forecasts.pop(run.run_id, None)

    def _fail(self, run: RunRecord, reason: str, entry: RunLog) -> None:
        log.error("training run %d failed: %s", run.run_id, reason)
        self._end(run, RunEnd(State.FAILED, "Failed", reason, self._clock()), entry)

    def _end(self, run: RunRecord, end: RunEnd, entry: RunLog) -> None:
        try:
            end = replace(end, details=entry.details())
        except Exception:  # the run has to end in any case
            log.exception("the details of training run %d are lost", run.run_id)
        self.ends.put(run.run_id, end)

    def _store_end(self, run_id: int, end: RunEnd) -> None:
        saved = self._runs.get(run_id).version

        def store(tx: Transaction) -> None:
            self._runs.finish(run_id, end.state, end.stage, error=end.reason, details=end.details, tx=tx)
            if end.state == State.FAILED:
                what = "failed" if saved is None else f"saved version {saved}, but could not finish"
                told = f"Training run {run_id} {what}. {end.reason}"
                self._notices.add("error", "training", told, {"run_id": run_id}, tx=tx)

        self._runs.transaction(store)

    def _train(self, run: RunRecord, entry: RunLog) -> None:
        """Train; restart where a user is deleted meanwhile, so that no version saved later has learned from them."""
        told: set[int] = set()
        before = ""
        self.forecasts[run.run_id] = forecast = self._forecast(run)
        entry.forecast = forecast
        while True:
            try:
                self._attempt(run, entry, told, before)
                break
            except Outdated as error:
                log.info("training run %d restarts: %s", run.run_id, error)
                before = RESTARTED
                forecast.begin_again()
        forecast.finish()
        self._note(run, entry)
        if run.repeats is None:
            self._retain()
            self._history.prune()

    def _forecast(self, run: RunRecord) -> Forecast:
        """Expected duration of a run, from earlier ones."""
        work = Work(run.kind, run.hyperparameters, self._ratings.counts().ratings)
        return Forecast(work, past_runs(self._runs.newest(RUNS_COMPARED), run.kind))

    def _note(self, run: RunRecord, entry: RunLog) -> None:
        """Store the durations of the steps; the last one ends when the version serves."""
        try:
            self._runs.detail(run.run_id, entry.details())
        except StoreError:
            log.exception("the step durations of training run %d could not be stored", run.run_id)

    def _attempt(self, run: RunRecord, entry: RunLog, told: set[int], before: str) -> None:
        """Train once on the current ratings.

        Raises:
            Outdated: one of their users was deleted since; nothing was saved.
        """
        repeated = None if run.repeats is None else self.repeats.check(run.repeats)
        self.forecasts[run.run_id].enter(Step.READING)
        self._runs.stage(run.run_id, f"{before}{Step.READING.words}")
        snapshot = self._snapshots.load() if repeated is None else self.repeats.learned_by(repeated)
        listener = self._listener(run, snapshot, told, before)
        listener.check()
        entry.fingerprint = snapshot.data.fingerprint
        config = configure(run.kind, run.hyperparameters)
        ranking = configure_ranking(run.ranker)
        if learns_outside(config):
            self._outside.learn(run, config, ranking, listener, entry)
            return
        learned = learn(config, snapshot.data, self._settings.personal_from, listener, ranking)
        entry.epochs = learned.epochs
        if run.repeats is not None:
            listener.enter(Step.SAVING, words="Comparing with the stored arrays")
            self._prove(run, run.repeats, learned, entry)
            return
        listener.enter(Step.SAVING)
        self._save(run, snapshot, learned, entry)

    def _listener(self, run: RunRecord, snapshot: DataSnapshot, told: set[int], before: str) -> Listener:
        """Callbacks that store the progress of a run, and abort it where one of its users was deleted.

        Args:
            run: the run.
            snapshot: the ratings it learns.
            told: epochs in the log already, including those of an aborted attempt.
            before: precedes the name of each step.
        """
        shown = ""

        def stage(text: str) -> None:
            nonlocal shown
            self._snapshots.check(snapshot)
            if text != shown:  # a silent job on Spark repeats its step every second
                self._runs.stage(run.run_id, before + text)
                shown = text

        def epoch(report: EpochReport) -> None:
            self._snapshots.check(snapshot)
            if report.epoch not in told:
                told.add(report.epoch)
                self._runs.epoch(run.run_id, EpochRecord(**asdict(report)))

        return Listener(stage, epoch, self.forecasts[run.run_id], self.cancelled[run.run_id])

    def _prove(self, run: RunRecord, version: int, learned: Learned, entry: RunLog) -> None:
        """Compare every array with the stored one, and end the run."""
        arrays = all_arrays(learned)
        unequal, count = self._models.differing(version, arrays), len(arrays)
        entry.repeated = not unequal
        if unequal:
            few = ", ".join(unequal[:5]) + (", ..." if len(unequal) > 5 else "")
            verdict = f"Version {version} was not reproduced: {len(unequal)} of {count} arrays differ: {few}."
        else:
            verdict = f"Version {version} was reproduced exactly: all {count} arrays are identical, bit for bit."
        self._runs.finish(run.run_id, State.SUCCEEDED, "Done", verdict=verdict, details=entry.details())
        about = {"run_id": run.run_id, "version": version}
        self._notices.add("warning" if unequal else "info", "training", verdict, about)

    def _retain(self) -> None:
        """Delete the arrays of old versions as the settings say."""
        if not self._settings.keep_versions:
            return
        gone = self._models.retain(self._settings.keep_versions, GOALS)
        if gone:
            told = (
                f"The arrays of version{'s' * (len(gone) > 1)} {', '.join(map(str, gone))} were removed to save space."
            )
            self._notices.add("info", "versions", f"{told} MARQUEE_KEEP_VERSIONS sets how many are kept.")

    def _incumbent(self) -> tuple[Rival | None, VersionRecord | None, str]:
        """The active version's report and record, to judge against; or the reason why there is none.

        A version that is damaged or can't serve is no rival: keeping it helps nobody.
        """
        active = self._models.active_version()
        if active is None:
            return None, None, FIRST
        try:
            self._models.verify(active)
            serving = readable(self._models.get_version(active))
            report = stored_report(serving, self._models.load_part(active, "report/"))
        except (DamagedVersion, NotStored) as error:
            log.error("the new version is judged alone: %s", error)
            return None, None, f"{error} So the new version has nothing to beat."
        if self._serving.active_version() != active:
            return None, None, f"Version {active} can't serve, so the new version has nothing to beat."
        return Rival(report, serving.data["fingerprint"], active), serving, ""

    def _save(self, run: RunRecord, snapshot: DataSnapshot, learned: Learned, entry: RunLog) -> None:
        """Save the version, end the run and, if so decided, activate the version: all in one transaction.

        Raises:
            Outdated: a user of the snapshot was deleted since; nothing was saved.
        """
        bundle, report = learned.bundle, learned.report
        rival, serving, alone = self._incumbent()
        before = None if serving is None else serving.metrics
        metrics = plain_metrics(report.metrics) if report else {}
        staged = self._serving.stage(bundle, snapshot)
        entry.golden = self._golden.judge(staged)
        broken = tell_broken(entry.golden)
        decision = decide(run.activate, Candidate(report, snapshot.data.fingerprint), rival, alone, broken)
        entry.judgement = decision.judgement
        entry.effect = None if rival is None else self._serving.effect(staged)
        del staged
        activation = Activation(run.actor, decision.verdict) if decision.activate else None

        def publish(tx: Transaction) -> None:
            self._snapshots.check(snapshot, tx=tx)
            self._models.publish(version, activation, tx=tx)
            found: dict[str, Any] = {"version": version, "metrics": metrics, "before": before}
            ended = {"verdict": decision.verdict, "details": entry.details()}
            self._runs.finish(run.run_id, State.SUCCEEDED, "Done", tx=tx, **found, **ended)
            told = f"Version {version} is trained. {decision.verdict}"
            judgement = decision.judgement
            about = found | {"run_id": run.run_id, "verdict": judgement.verdict, "compared": judgement.compared}
            self._notices.add("info", "training", told, about, tx=tx)

        with self._models.saving(
            kind=run.kind,
            config=bundle.config() | {"asked": run.hyperparameters, "asked_ranker": run.ranker},
            arrays=all_arrays(learned),
            metrics=metrics,
            segments={part: plain_metrics(found) for part, found in report.segments.items()} if report else {},
            protocol=report.protocol | {"personal_from": self._settings.personal_from} if report else {},
            charts=report.charts if report else {},
            data=describe_data(snapshot),
            run_id=run.run_id,
            note=run.note,
        ) as version:
            self._models.transaction(publish)
        if decision.activate:
            log_action("version activated", f"version {version}, trained by run {run.run_id} for {run.actor}")
            try:
                self._serving.serve(version, bundle, snapshot.revision)
            except Exception:
                self._serving.load_active()  # it is active already, so it or the best other one serves
                raise

"""Training as a person asks for it: one run at a time, judged, refitted on everything, saved and activated."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
import queue
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from threading import Event, Lock, Thread
from typing import Any, Literal

from engine.errors import Cancelled, InvalidInput, MarqueeError, NotReady, TrainingBusy, UnknownRun
from engine.learning import LIST_LENGTH, Learned, Listener, learn
from engine.models.base import ModelConfig
from engine.models.catalog import configure
from engine.services.serving import ServingService
from engine.services.snapshot import DataSnapshot, Snapshots
from engine.services.storing import stores
from engine.settings import Settings
from engine.types import ActivationPolicy, EpochReport, MetricValue, TrainingStatus
from store.errors import NotStored, StoreError
from store.models import MLModelManager
from store.notices import NoticeStore
from store.ratings import RatingStore
from store.records import Activation, EpochRecord, RunRecord
from store.runs import RunStore

log = logging.getLogger(__name__)

POLICIES = ("if_better", "always", "never")
LONGEST_STOP_S = 10
COMPARED = ("ndcg_at_k", "rmse")
PACKAGES = ("numpy", "scipy", "numba", "scikit-learn", "scikit-surprise")


@dataclass(frozen=True)
class _Order:
    """What the worker is to do."""

    run_id: int
    kind: str
    config: ModelConfig
    activate: ActivationPolicy
    actor: str


@dataclass(frozen=True)
class _Decision:
    """Whether a new version is to serve, and why, in words."""

    activate: bool
    verdict: str


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
        self._orders: queue.Queue[_Order | None] = queue.Queue()
        self._starting = Lock()
        self._cancelled: dict[int, Event] = {}
        self._eta: dict[int, float] = {}
        self._worker = Thread(target=self._work, name="training", daemon=True)

    def start(self) -> None:
        """Mark what a stopped process left behind, and begin to take orders."""
        for run_id in self._runs.recover("Marquee was stopped while this run was going."):
            text = f"Marquee was stopped during training run {run_id}. The active version still serves; train again."
            self._notices.add("warning", "training", text, {"run_id": run_id})
        self._models.recover()
        self._worker.start()

    def close(self) -> None:
        """Cancel what runs, and wait for the worker to end, but not for a long step of it.

        A run that is left in such a step is marked as failed at the next start.
        """
        for event in list(self._cancelled.values()):
            event.set()
        self._orders.put(None)
        if self._worker.is_alive():
            self._worker.join(LONGEST_STOP_S)

    # -- asked by pages and routes -----------------------------------------------------------------------------------

    @stores
    def train_model(
        self,
        kind: str = "svd",
        hyperparameters: Mapping[str, Any] | None = None,
        activate: ActivationPolicy = "if_better",
        actor: str = "you",
    ) -> int:
        """Start a training run in the background.

        Args:
            kind: a name of ``engine.models.catalog.MODELS``.
            hyperparameters: those that differ from the defaults.
            activate: whether the new version is to serve: ``if_better``, ``always`` or ``never``.
            actor: who asks, for the ledger.

        Returns:
            The number of the run.

        Raises:
            InvalidInput, InvalidHyperparameter: names the field, the value and the range.
            TrainingBusy: a run is going already.
            NotReady: there are no ratings to learn from.
        """
        config = configure(kind, hyperparameters or {})
        if activate not in POLICIES:
            raise InvalidInput(f"activate is {activate!r}, but must be one of {', '.join(POLICIES)}.", field="activate")
        with self._starting:
            going = self._runs.current()
            if going is not None:
                raise TrainingBusy(going.run_id)
            if self._ratings.counts().ratings == 0:
                raise NotReady("There are no ratings to learn from. Import the demo data or your own first.")
            run_id = self._runs.create(kind, config.model_dump(), activate, getattr(config, "seed", 0), actor)
            self._cancelled[run_id] = Event()
        self._orders.put(_Order(run_id, kind, config, activate, actor))
        return run_id

    @stores
    def cancel(self, run_id: int) -> None:
        """Ask a run to stop; it ends after the epoch or step it is in. A run that has ended is left as it is.

        Raises:
            UnknownRun: no run has this number.
        """
        self.status(run_id)
        event = self._cancelled.get(run_id)
        if event is not None:
            event.set()
            self._runs.stage(run_id, "Stopping")

    def status(self, run_id: int | None = None) -> TrainingStatus:
        """A run; without a number the one that is going, or else the newest.

        Raises:
            UnknownRun: no run has this number, or none was ever started.
        """
        if run_id is None:
            newest = self._runs.current() or next(iter(self._runs.newest(1)), None)
            if newest is None:
                raise UnknownRun("Nothing was trained yet. Start a training first.")
            return self._status(self._runs.get(newest.run_id))
        try:
            return self._status(self._runs.get(run_id))
        except NotStored as error:
            raise UnknownRun(f"There is no training run {run_id}.") from error

    def current(self) -> TrainingStatus | None:
        """The run that is queued or going, None where there is none."""
        record = self._runs.current()
        return None if record is None else self._status(self._runs.get(record.run_id))

    def runs(self, limit: int = 50) -> list[TrainingStatus]:
        """The newest runs, newest first."""
        return [self._status(record) for record in self._runs.newest(limit)]

    def _status(self, record: RunRecord) -> TrainingStatus:
        history = tuple(
            EpochReport(e.epoch, e.epochs, e.train_loss, e.validation_rmse, e.seconds) for e in record.epochs
        )
        # A run is over for others once its version serves, which is a moment after it was saved.
        state = "running" if record.state == "succeeded" and record.run_id in self._cancelled else record.state
        going = state in ("queued", "running")
        return TrainingStatus(
            run_id=record.run_id,
            state=state,
            model=record.kind,
            stage=record.stage,
            epoch=history[-1].epoch if history else 0,
            epochs=int(record.hyperparameters.get("epochs", 0)),
            eta_s=self._eta.get(record.run_id) if going else None,
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
        )

    # -- the worker --------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._runs.start(order.run_id)
                self._train(order)
            except Cancelled as error:
                self._end(order, "cancelled", "Cancelled", str(error))
            except (MarqueeError, StoreError) as error:
                self._fail(order, str(error))
            except Exception as error:  # the thread's outermost loop: the next order must find it alive
                log.exception("training run %d failed", order.run_id)
                self._fail(order, f"An unexpected error ended the run: {type(error).__name__}: {error}")
            finally:
                self._cancelled.pop(order.run_id, None)
                self._eta.pop(order.run_id, None)

    def _fail(self, order: _Order, reason: str) -> None:
        log.error("training run %d failed: %s", order.run_id, reason)
        self._end(order, "failed", "Failed", reason)

    def _end(self, order: _Order, state: Literal["cancelled", "failed"], stage: str, reason: str) -> None:
        try:
            if state == "failed":
                told = f"Training run {order.run_id} failed. {reason}"
                self._notices.add("error", "training", told, {"run_id": order.run_id})
            self._runs.finish(order.run_id, state, stage=stage, error=reason)
        except Exception:
            # The disk may be full. The worker goes on; the run is marked at the next start.
            log.exception("the end of training run %d could not be stored", order.run_id)

    def _train(self, order: _Order) -> None:
        began = self._clock()
        listener = Listener(
            stage=lambda text: self._runs.stage(order.run_id, text),
            epoch=lambda epoch: self._runs.epoch(order.run_id, EpochRecord(**asdict(epoch))),
            eta=lambda seconds: self._eta.update({order.run_id: seconds}),
            cancelled=self._cancelled[order.run_id],
        )
        listener.begin("Reading ratings")
        snapshot = self._snapshots.load()
        learned = learn(order.kind, order.config, snapshot.data, self._settings.personal_from, listener)
        listener.begin("Saving")
        self._save(order, snapshot, learned, self._clock() - began)

    def _save(self, order: _Order, snapshot: DataSnapshot, learned: Learned, seconds: float) -> None:
        """Save the version, end the run and, where it is to serve, activate it: all in one transaction."""
        bundle, report = learned.bundle, learned.report
        active = self._models.active_version()
        serving = None if active is None else self._models.get_version(active)
        before = None if serving is None else serving.metrics
        metrics = _plain(report.metrics) if report else {}
        alike = serving is None or alike_enough(len(snapshot.data), serving.data["ratings"])
        decision = decide(order.activate, metrics, before, alike=alike)
        data = snapshot.data
        details = {
            "seconds": seconds,
            "refit_epochs": learned.epochs,
            "packages": package_versions(),
            "fingerprint": data.fingerprint,
        }

        def end_run(connection: Any, version: int) -> None:
            self._runs.finish_in(
                connection,
                order.run_id,
                "succeeded",
                version=version,
                metrics=metrics,
                before=before,
                verdict=decision.verdict,
                stage="Done",
                details=details,
            )
            told = f"Version {version} is trained. {decision.verdict}"
            self._notices.add_in(connection, "info", "training", told, {"run_id": order.run_id, "version": version})

        version = self._models.save_model(
            kind=order.kind,
            config=bundle.config(),
            arrays=bundle.arrays(),
            metrics=metrics,
            segments={part: _plain(found) for part, found in report.segments.items()} if report else {},
            protocol=report.protocol if report else {},
            data={
                "ratings": len(data),
                "users": int((data.user_counts > 0).sum()),
                "movies": data.n_movies,
                "fingerprint": data.fingerprint,
                "revision": snapshot.revision,
            },
            run_id=order.run_id,
            activate=Activation(order.actor, decision.verdict) if decision.activate else None,
            on_commit=end_run,
        )
        if decision.activate:
            self._serving.serve(version, bundle, snapshot.revision)


def alike_enough(ratings: int, before: int) -> bool:
    """Whether held-out parts of two sets of ratings can be compared: their sizes differ by no more than a twentieth."""
    return abs(ratings - before) <= before / 20


def decide(
    policy: ActivationPolicy, metrics: Mapping[str, Any], before: Mapping[str, Any] | None, *, alike: bool = True
) -> _Decision:
    """Whether the new version is to serve. ``before``: the stored metrics of the active version, None without one.

    Better means: neither the order of the lists (NDCG) nor the predicted ratings (RMSE) got worse.
    """
    if policy == "never":
        return _Decision(False, "It was saved without serving, as asked.")
    if before is None:
        return _Decision(True, "It serves now: it is the first version.")
    if policy == "always":
        return _Decision(True, "It serves now, as asked.")
    if not alike:
        return _Decision(
            True, "It serves now: it learned from other ratings, so it can't be compared with the last one."
        )
    if any(name not in measured for name in COMPARED for measured in (metrics, before)):
        return _Decision(True, "It serves now: there are too few ratings to compare it with the version before.")
    ndcg, rmse = ((metrics[name]["value"], before[name]["value"]) for name in COMPARED)
    compared = f"NDCG@{LIST_LENGTH} {ndcg[0]:.4f} (before {ndcg[1]:.4f}), RMSE {rmse[0]:.4f} (before {rmse[1]:.4f})."
    if ndcg[0] >= ndcg[1] and rmse[0] <= rmse[1]:
        return _Decision(True, f"It serves now, being no worse than the version before: {compared}")
    return _Decision(False, f"The version before goes on serving: {compared}")


def metric_values(stored: Mapping[str, Any] | None) -> dict[str, MetricValue] | None:
    """Metrics from the store's JSON."""
    return None if stored is None else {name: MetricValue(**value) for name, value in stored.items()}


def _plain(metrics: Mapping[str, MetricValue]) -> dict[str, Any]:
    """Metrics as the store's JSON."""
    return {name: asdict(value) for name, value in metrics.items()}


def package_versions() -> dict[str, str]:
    """What the numbers of a run depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}

"""Training runs: ordered, queued, followed and cancelled; one runs at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from engine.errors import (
    InvalidHyperparameter,
    InvalidInput,
    NotReady,
    TrainingBusy,
    UnknownRun,
)
from engine.evaluation.intervals import MetricValue
from engine.evaluation.verdict import Judgement
from engine.models.base import ModelConfig
from engine.models.list_settings import RankingConfig, configure_ranking
from engine.models.rankers import check_rankable
from engine.models.registry import check_trainable, configure
from engine.recommending.effect import ListEffect
from engine.recommending.golden import GoldenResult
from engine.services.records import EpochRecord, State, shared
from engine.services.storing import stores
from engine.services.trainer import Trainer
from engine.services.version_records import (
    TABLE,
    asked,
    find_version,
    metric_values,
    readable,
    stored_effect,
    stored_golden,
    stored_judgement,
)
from engine.training.outside import check_outside, learns_outside
from engine.training.promotion import LIVE, ActivationPolicy
from store.connections import Transaction
from store.errors import NotStored
from store.patience import patient
from store.ratings import RatingStore
from store.records import RunRecord, VersionRecord
from store.runs import RunStore
from store.versions import MLModelManager

POLICIES = get_args(ActivationPolicy)
MAX_QUEUE = 50
LOADING = "Activating the new version"

Also = Callable[[Transaction], None]
"""Further writes in the same transaction; takes the transaction."""


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """A run as ``GET /ml/training-status`` and the Training page show it.

    Attributes:
        stage: the current step, in words.
        epoch, epochs: the newest epoch and how many were asked for.
        eta_s: estimated seconds until the run ends, from earlier runs and its own progress; None where unknown.
        history: one entry per epoch.
        hyperparameters, ranker: what was asked for, of the rating model and of the lists.
        version: the version it saved.
        metrics, before: value and interval by metric, of its own version and of the one that was active before, each on
            its own held-out part.
        verdict: what was decided and why, in words; ``judgement`` is the evidence.
        seed, data_fingerprint, packages: with the hyperparameters, all that the numbers depend on.
        peak_memory_bytes: the peak of the whole process during the run; None until it ends.
        repeats: the version that the run trains again to prove it; ``repeated`` says whether every array came out
            equal, bit for bit.
        effect: what its version changes in people's lists, beside the version that was active.
        golden: what golden people expected of its version, and what was found.
        progress: of the whole run, from 0 to 1, never falling; it is in ``step`` of ``steps``. None once it has ended.
    """

    run_id: int
    state: State
    model: str
    stage: str
    epoch: int
    epochs: int
    eta_s: float | None
    history: tuple[EpochRecord, ...]
    hyperparameters: dict[str, Any]
    ranker: dict[str, Any]
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
    effect: ListEffect | None = None
    golden: tuple[GoldenResult, ...] = ()
    progress: float | None = None
    step: int | None = None
    steps: int | None = None


@dataclass(eq=False)
class TrainingService:
    """Orders, follows and cancels training runs; the ``Trainer`` works on them."""

    trainer: Trainer
    _ratings: RatingStore
    _models: MLModelManager
    _runs: RunStore
    _shadows: int

    @stores
    def train_model(
        self,
        kind: str = "svd",
        hyperparameters: Mapping[str, Any] | None = None,
        activate: ActivationPolicy = "if_better",
        actor: str = "you",
        *,
        ranker: Mapping[str, Any] | None = None,
        queue: bool = False,
        note: str = "",
        also: Also | None = None,
    ) -> int:
        """Start a training run in the background.

        Args:
            kind: a name of ``engine.models.registry.MODELS``.
            hyperparameters: those that differ from the defaults.
            activate: when to activate the new version: ``if_better``, ``if_no_worse``, ``if_better_live``, ``always``
                or ``never``; ``engine.training.promotion.decide`` defines each.
            actor: who asks, for the deployment history.
            ranker: settings of the lists that differ from the defaults.
            queue: wait for the current run to end instead of being refused; the queue survives a restart.
            note: for the new version.
            also: further writes to the store, in the transaction that orders the run.

        Returns:
            The number of the run.

        Raises:
            InvalidInput, InvalidHyperparameter: names the field, the value and the range.
            TrainingBusy: another run is in progress, or the queue is full.
            NotReady: there are no ratings to learn from.
        """
        settings = _configured(kind, hyperparameters or {}, ranker or {})
        self.check_policy(activate)
        if learns_outside(settings[0]):
            check_outside(settings[1], activate)
        return self._order(settings, activate, actor, queue=queue, note=note, also=also)

    def check_policy(self, activate: str) -> None:
        """Accept a policy of activation; as the function of this name."""
        check_policy(activate, self._shadows)

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
        """Train with a version's hyperparameters on the current ratings.

        Args:
            version: the active one by default.
            activate: as for ``train_model``.
            actor: who asks.
            queue: as for ``train_model``.
            also: as for ``train_model``.

        Raises:
            UnknownVersion: there is no such version.
            NotReady: no version is active yet.
            TrainingBusy: as ``train_model``.
        """
        record = self._version(version)
        note = f"Retrained with the settings of version {record.version}."
        if TABLE in record.data:  # only a person activates it
            activate = "never"
        settings = asked(record)
        return self.train_model(
            record.kind, settings.model, activate, actor, ranker=settings.ranker, queue=queue, note=note, also=also
        )

    @stores
    def train_again(self, version: int, actor: str = "you", *, queue: bool = False) -> int:
        """Repeat a version's training exactly and compare every array with the stored one.

        No version is saved. The verdict of the run says whether all arrays are equal bit for bit.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: it can't be repeated; the message says why.
            TrainingBusy: as ``train_model``.
        """
        record = self.trainer.repeats.check(version)
        settings = asked(record)
        configured = _configured(record.kind, settings.model, settings.ranker)
        return self._order(configured, "never", actor, queue=queue, repeats=version)

    def _version(self, version: int | None) -> VersionRecord:
        number = self._models.active_version() if version is None else version
        if number is None:
            raise NotReady("No version serves yet. Train a model first.")
        return readable(find_version(self._models, number))

    def _order(
        self,
        settings: tuple[ModelConfig, RankingConfig],
        activate: ActivationPolicy,
        actor: str,
        *,
        queue: bool,
        note: str = "",
        repeats: int | None = None,
        also: Also | None = None,
    ) -> int:
        with self.trainer.ordering, patient(None):
            self.trainer.ends.settle()
            going = self._runs.current(self.trainer.ends.numbers())
            if going is not None and (not queue or len(self._runs.queued()) >= MAX_QUEUE):
                raise TrainingBusy(going.run_id)
            if self._ratings.counts().ratings == 0 and not learns_outside(settings[0]):
                raise NotReady("There are no ratings to learn from. Import the demo data or your own first.")
            config, (values, ranker) = settings[0], (one.model_dump(mode="json") for one in settings)
            seed = getattr(config, "seed", 0)

            def create(tx: Transaction) -> int:
                run_id = self._runs.create(
                    config.kind, values, activate, seed, actor, note=note, repeats=repeats, ranker=ranker, tx=tx
                )
                if also is not None:
                    also(tx)
                return run_id

            run_id = self._runs.transaction(create)
        self.trainer.worker.put(True)
        return run_id

    @stores
    def cancel(self, run_id: int) -> None:
        """Cancel a run: at once while it is queued, otherwise after its current epoch or step.

        A run that has ended stays as it is.

        Raises:
            UnknownRun: no run has this number.
        """
        if self.status(run_id).ended_at is not None or self.trainer.ends.of(run_id) is not None:
            return
        with self.trainer.ordering:
            event = self.trainer.cancelled.get(run_id)
            if event is not None:
                event.set()
                self._runs.stage(run_id, "Stopping")
            else:
                self._runs.finish(run_id, State.CANCELLED, "Cancelled", error="Cancelled while it was queued.")

    def queue(self) -> list[TrainingStatus]:
        """The queued runs, next one first."""
        return [self._status(record) for record in self._runs.queued()]

    def status(self, run_id: int | None = None) -> TrainingStatus:
        """A run; without a number the current one, or else the newest.

        Raises:
            UnknownRun: no run has this number, or none was ever started.
        """
        if run_id is None:
            newest = self._runs.current(self.trainer.ends.numbers()) or next(iter(self._runs.newest(1)), None)
            if newest is None:
                raise UnknownRun("No training run yet. Start one first.")
            return self._status(self._runs.get(newest.run_id))
        try:
            return self._status(self._runs.get(run_id))
        except NotStored as error:
            raise UnknownRun(f"There is no training run {run_id}.") from error

    def current(self) -> TrainingStatus | None:
        """The run in progress, or else the next in the queue; None without any.

        A run is in progress until its version serves, a moment after it was saved.
        """
        worked_on = (self.status(run_id) for run_id in list(self.trainer.cancelled))
        going = next((run for run in worked_on if run.state == State.RUNNING), None)
        if going is not None:
            return going
        record = self._runs.current(self.trainer.ends.numbers())
        return None if record is None else self._status(record)

    def counts(self) -> dict[str, int]:
        """Number of runs by state."""
        return self._runs.counts()

    def runs(
        self, limit: int = 50, *, before: int | None = None, actors: Sequence[str] | None = None
    ) -> list[TrainingStatus]:
        """The newest runs, newest first.

        Args:
            limit: how many at most.
            before: only runs older than this number, for the next page.
            actors: only runs ordered by one of these; None for all.
        """
        return [self._status(record) for record in self._runs.newest(limit, before=before, actors=actors)]

    def _status(self, stored: RunRecord) -> TrainingStatus:
        end = self.trainer.ends.of(stored.run_id)
        record = stored if end is None or stored.ended_at is not None else end.applied_to(stored)
        loading = record.state == State.SUCCEEDED and record.run_id in self.trainer.cancelled
        state = State.RUNNING if loading else record.state
        going = not state.is_finished
        forecast = self.trainer.forecasts.get(record.run_id) if going else None
        outlook = None if forecast is None else forecast.outlook()
        details = record.details or {}
        derived = {
            "state": state,
            "model": record.kind,
            "stage": LOADING if loading else record.stage,
            "epoch": record.epochs[-1].epoch if record.epochs else 0,
            "epochs": int(record.hyperparameters.get("epochs", 0)),
            "history": record.epochs,
            "eta_s": None if outlook is None else outlook.left,
            "progress": outlook.progress if outlook else 0.0 if going else None,
            "step": None if outlook is None else outlook.step,
            "steps": None if outlook is None else outlook.steps,
            "metrics": metric_values(record.metrics),
            "before": metric_values(record.before),
            "data_fingerprint": details.get("fingerprint"),
            "peak_memory_bytes": details.get("peak_memory_bytes"),
            "packages": details.get("packages", {}),
            "repeated": details.get("repeated"),
            "judgement": stored_judgement(details.get("judgement")),
            "effect": stored_effect(details.get("effect")),
            "golden": stored_golden(details.get("golden")),
        }
        return TrainingStatus(**shared(record, TrainingStatus) | derived)


def _configured(
    kind: str, hyperparameters: Mapping[str, Any], ranker: Mapping[str, Any]
) -> tuple[ModelConfig, RankingConfig]:
    """Validated settings of the rating model and of the lists.

    Raises:
        InvalidInput, InvalidHyperparameter: as ``check_trainable``, ``configure`` and ``configure_ranking``, with all
            that is wrong.
    """
    try:
        config = configure(kind, hyperparameters)
    except InvalidHyperparameter as error:
        try:
            configure_ranking(ranker)
        except InvalidHyperparameter as other:
            raise InvalidHyperparameter(error.faults | other.faults) from other
        raise
    ranking = configure_ranking(ranker)
    check_trainable(kind)
    check_rankable(ranking.method)
    return config, ranking


def check_policy(activate: str, shadows: int) -> None:
    """Accept a policy of activation; ``shadows``: how many there may be.

    Raises:
        InvalidInput: it is unknown, or needs shadows, which are turned off.
    """
    if activate not in POLICIES:
        raise InvalidInput(f"activate is {activate!r}, but must be one of {', '.join(POLICIES)}.", field="activate")
    if activate == LIVE and not shadows:
        raise InvalidInput(f"{LIVE} needs shadow versions. Set MARQUEE_SHADOWS to 1 or more.", field="activate")

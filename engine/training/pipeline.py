"""From ratings to a version: fit, choose the epochs, calibrate, evaluate, then train on all ratings."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import Self

from engine.background import give_back_memory, give_way
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, hold_out, with_order
from engine.errors import Cancelled
from engine.evaluation.newcomers import judge_newcomers, part_newcomers
from engine.evaluation.report import EvaluationReport, EvaluationService
from engine.models.base import ModelConfig, RatingModel
from engine.models.epochs import EpochReport, OnEpoch, best_epoch, run_epochs
from engine.models.intervals import Calibration
from engine.models.list_settings import DEFAULT_RANKING, RankingConfig
from engine.models.ranker import Ranker, RankerConfig
from engine.models.rankers import build_ranker
from engine.models.registry import build
from engine.models.version import VersionBundle
from engine.recommending.bundling import bundle_version
from engine.training.faithfulness import measure_faithfulness
from engine.training.forecast import Forecast
from engine.training.ranking import ChosenRanking, choose_ranking
from engine.training.served import LIST_LENGTH, ServedLists
from engine.training.steps import Step

TEST_PART, VALIDATION_PART = 0.2, 0.1


@dataclass(frozen=True)
class Listener:
    """Callbacks that report training progress and can cancel it.

    Attributes:
        stage: called with the name of the current work.
        epoch: called after each epoch of the evaluated model.
        forecast: follows the steps.
        cancelled: checked between epochs and steps.
    """

    stage: Callable[[str], None]
    epoch: OnEpoch
    forecast: Forecast
    cancelled: Event

    @classmethod
    def silent(cls) -> Self:
        """Report nothing, never cancel."""
        return cls(lambda _: None, lambda _: None, Forecast.of_nothing(), Event())

    def enter(self, *steps: Step, words: str = "") -> None:
        """Start the first of these steps that the training has.

        Raises:
            Cancelled: the run was cancelled.
        """
        step = self.forecast.enter(*steps)
        give_back_memory()
        self.begin(words or step.words)

    def reach(self, step: Step, epoch: EpochReport) -> None:
        """Report an epoch of a step, which the first epoch starts.

        Raises:
            Cancelled: the run was cancelled.
        """
        if self.forecast.step is not step:
            self.enter(step)
        self.forecast.reach(epoch.epoch / epoch.epochs)

    def begin(self, words: str) -> None:
        """Report the next piece of a step.

        Raises:
            Cancelled: the run was cancelled.
        """
        self.check()
        self.forecast.hear(words)
        self.stage(words)

    def turn(self) -> None:
        """Check, and report a round of a step."""
        self.check()
        self.forecast.turn()

    def check(self) -> None:
        """Give way to requests; raise ``Cancelled`` if the run was cancelled."""
        give_way()
        if self.cancelled.is_set():
            raise Cancelled("Cancelled; the active version is unchanged.")


@dataclass(frozen=True)
class Learned:
    """Result of a training: the version, its evaluation on held-out ratings, and its number of epochs."""

    bundle: VersionBundle
    report: EvaluationReport | None
    epochs: int


def learn(
    config: ModelConfig,
    data: Interactions,
    personal_from: int,
    listener: Listener,
    ranking: RankingConfig = DEFAULT_RANKING,
) -> Learned:
    """Train a version.

    Args:
        config: the rating model's hyperparameters.
        data: all ratings.
        personal_from: number of ratings from which a list is purely personal.
        listener: follows the progress.
        ranking: settings of the lists.

    Returns:
        The version, trained on all ratings. Its report (None if too few ratings could be held out) and its intervals
        come from the same settings without the held-out ratings.

    Raises:
        Cancelled: the run was cancelled.
        TrainingDiverged: the loss became infinite or not a number.
    """
    data = with_order(data)
    parts, newcomers = _part(data)
    assessed = assess(config, parts, how_split(data), personal_from, listener, newcomers, ranking)
    del parts, newcomers  # as large as all ratings
    final = _refit(assessed.settings, data, assessed.epochs, listener)
    listener.enter(Step.RANKING)
    ranker = _learn_ranker(assessed.ranking.config, data, listener)
    listener.enter(Step.FOLDING)
    bundle = bundle_version(final, ranker, data, assessed.calibration, listener.check)
    return Learned(bundle, assessed.report, assessed.epochs)


def _part(data: Interactions) -> tuple[HeldOut, Interactions | None]:
    """The parts of those who are learned from, and the newcomers; nothing between the two stays in memory."""
    known, newcomers = part_newcomers(data)
    return hold_out(known, TEST_PART, VALIDATION_PART), newcomers


@dataclass(frozen=True)
class Assessed:
    """Evaluation of settings on held-out ratings.

    Attributes:
        settings: the rating model's hyperparameters, with what the training chose in place of ``auto``.
        epochs: the best number.
        calibration: of the intervals; None with too few ratings.
        ranking: the settings of the lists.
        report: None without a test part.
    """

    settings: ModelConfig
    epochs: int
    calibration: Calibration | None
    ranking: ChosenRanking
    report: EvaluationReport | None


def assess(
    config: ModelConfig,
    parts: HeldOut,
    split: str,
    personal_from: int,
    listener: Listener,
    newcomers: Interactions | None = None,
    ranking: RankingConfig = DEFAULT_RANKING,
) -> Assessed:
    """Train on all but the test part, and evaluate on that.

    Args:
        config: the rating model's hyperparameters.
        parts: the ratings to train on, to choose by, and to evaluate on.
        split: how the test part was chosen, in words.
        personal_from: number of ratings from which a list is purely personal.
        listener: follows the progress.
        newcomers: ratings of people who are in none of the parts.
        ranking: settings of the lists.
    """
    model, epochs = _fit(config, parts, listener)
    calibration = calibrate(model, parts)
    listener.enter(Step.CHOOSING)
    chosen = choose_ranking(ranking, parts, model, listener.turn)
    if parts.test is None:
        return Assessed(model.settings, epochs, calibration, chosen, None)
    listener.enter(Step.JUDGING)
    ranker = _learn_ranker(chosen.config, parts.train, listener)
    listener.check()
    served = ServedLists.of(ranker, model, parts.train, personal_from)
    report = EvaluationService().generate_report(
        model,
        parts.train,
        parts.test,
        LIST_LENGTH,
        score_user=served.of_user(model, parts.train, listener.check),
        calibration=calibration,
        split=split,
    )
    if newcomers is not None:
        listener.enter(Step.MEETING)
        found = judge_newcomers(
            model, served.draw, served.popularity, parts.train, newcomers, LIST_LENGTH, listener.check
        )
        report = report.with_newcomers(found)
    faithfulness = measure_faithfulness(served, model, parts.train, listener.check)
    report = report.with_charts(ranking=chosen.frontier).with_protocol(faithfulness=faithfulness)
    return Assessed(model.settings, epochs, calibration, chosen, report)


def how_split(data: Interactions) -> str:
    """How the test part was chosen, in words."""
    if data.timestamps is None:
        return f"a random {TEST_PART:.0%} of each user's ratings, as few times are known"
    return f"each user's last {TEST_PART:.0%} by time"


def _fit(config: ModelConfig, parts: HeldOut, listener: Listener) -> tuple[RatingModel, int]:
    """The rating model, trained on the fitting part, and its best number of epochs."""
    listener.enter(Step.EMBEDDING, Step.FITTING)
    model = build(config)

    def report(epoch: EpochReport) -> None:
        listener.epoch(epoch)
        listener.reach(Step.FITTING, epoch)

    history = run_epochs(
        model,
        parts.fit,
        validation=parts.validation,
        patience=int(getattr(config, "patience", 0)),
        on_epoch=report,
        on_step=listener.begin,
        cancelled=listener.cancelled,
    )
    # Without patience the last epoch's model is evaluated, so that is the number to repeat.
    return model, best_epoch(history) if getattr(config, "patience", 0) else len(history)


def _refit(config: ModelConfig, data: Interactions, epochs: int, listener: Listener) -> RatingModel:
    """The same settings on all ratings, for the best number of epochs."""
    listener.enter(Step.EMBEDDING_ALL, Step.FITTING_ALL)
    model = build(config.model_copy(update={"epochs": epochs, "patience": 0}))

    def report(epoch: EpochReport) -> None:
        listener.reach(Step.FITTING_ALL, epoch)
        listener.begin(f"{Step.FITTING_ALL.words}, epoch {epoch.epoch} of {epoch.epochs}")

    def step(words: str) -> None:
        listener.begin(f"{words}, all ratings")

    run_epochs(model, data, on_epoch=report, on_step=step, cancelled=listener.cancelled)
    return model


def _learn_ranker(config: RankerConfig, data: Interactions, listener: Listener) -> Ranker:
    """The ranker with these settings; one that learns outside this process tells what it does, and is cancelled."""
    ranker, shown = build_ranker(config), ""
    with closing(ranker.steps(data)) as steps:
        for words in steps:
            if words != shown:
                listener.begin(words)
                shown = words
            listener.check()
    return ranker


def calibrate(model: RatingModel, parts: HeldOut) -> Calibration | None:
    """Intervals from the validation part, which the model has not seen; None with too few ratings."""
    part = parts.validation
    if part is None:
        return None
    predicted = model.predict_indices(part.users, part.items)
    counts = parts.fit.user_counts[part.users], parts.fit.movie_counts[part.items]
    return Calibration.fit(predicted, part.ratings, *counts, part.scale)

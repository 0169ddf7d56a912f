"""How far a training is and how long it takes yet, on a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from engine.models.registry import MODELS, configure
from engine.training.forecast import Forecast, Outlook, PastRun, Work
from engine.training.steps import BY_EPOCHS, IN_PIECES, TYPICAL_RATINGS, Step, ratings_in, steps_of

PIECES, EVERY_S = 9, 0.5
KINDS = list(MODELS)


class Run:
    """A run of which every step takes a known time, and its forecast at each half second."""

    def __init__(
        self, work: Work, seconds: Mapping[Step, float], past: Sequence[PastRun] = (), epochs: int | None = None
    ) -> None:
        self.now = 100.0
        self.work, self.epochs = work, epochs or work.epochs
        self.forecast = Forecast(work, past, lambda: self.now)
        self.total = sum(seconds.values())
        self.told = [(self.now - 100, outlook) for step, took in seconds.items() for outlook in self._take(step, took)]
        self.forecast.finish()

    def _take(self, step: Step, seconds: float) -> Iterator[Outlook]:
        self.forecast.enter(step)
        parts = PIECES if step in IN_PIECES else self.epochs if step in BY_EPOCHS else 1
        most = self.work.epochs if step is Step.FITTING else self.epochs
        for part in range(parts):
            self.forecast.hear(f"Learning embeddings {part + 1} of {parts}")
            times = max(round(seconds / parts / EVERY_S), 1)
            for _ in range(times):
                self.now += seconds / parts / times
                yield self.forecast.outlook()
            if step in BY_EPOCHS:
                self.forecast.reach((part + 1) / most)

    @property
    def past(self) -> PastRun:
        return PastRun(self.work, self.forecast.seconds(), self.epochs)

    def error(self) -> float:
        """The greatest difference between the time left and what was forecast, as a part of the whole run."""
        left = [outlook.left for _, outlook in self.told]
        assert None not in left
        truth = [self.total - passed for passed, _ in self.told]
        return float(np.abs(np.subtract(left, truth)).max() / self.total)  # type: ignore[arg-type]


def work(kind: str, ratings: int = TYPICAL_RATINGS, **changes: object) -> Work:
    return Work(kind, configure(kind, {}).model_dump() | changes, ratings)


def typical(kind: str, factor: float = 1.0, seed: int | None = None) -> dict[Step, float]:
    """The typical seconds of each step, on a machine of another speed, each up to a fourth more or less."""
    rng = np.random.default_rng(seed)
    spread = np.ones(len(Step)) if seed is None else rng.uniform(0.8, 1.25, len(Step))
    return {step: step.typical[kind] * factor * float(spread[n]) for n, step in enumerate(steps_of(kind))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [0.5, 1, 4])
@pytest.mark.parametrize("seed", range(5))
def test_after_an_earlier_run_the_forecast_is_off_by_a_fifth_of_the_run_at_most(
    kind: str, factor: float, seed: int
) -> None:
    first = Run(work(kind), typical(kind, factor, seed))
    second = Run(work(kind), typical(kind, factor, seed + 100), [first.past])
    assert len(second.told) > 10
    assert second.error() < 0.2
    assert second.told[-1][1].left < 0.05 * second.total  # type: ignore[operator]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_run_of_all_is_forecast_by_typical_times_and_then_by_its_own(kind: str) -> None:
    assert Run(work(kind), typical(kind)).error() < 0.05
    slow = Run(work(kind), typical(kind, 4.0))
    by_half = [(at, outlook.left) for at, outlook in slow.told if at > slow.total / 2]
    assert max(abs(left - (slow.total - at)) for at, left in by_half if left is not None) < 0.2 * slow.total
    assert len(by_half) > 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [0.2, 1, 5])
def test_progress_moves_all_the_time_never_goes_back_and_ends_near_one(kind: str, factor: float) -> None:
    run = Run(work(kind), typical(kind, factor))
    shown = np.array([outlook.progress for _, outlook in run.told])
    assert shown[0] > 0
    assert (np.diff(shown) > 0).all()
    assert 0.9 < shown[-1] < 1
    assert run.forecast.outlook() == Outlook(1.0, 0.0, None, len(steps_of(kind)))


def test_steps_are_counted_of_those_that_the_kind_of_model_has() -> None:
    steps = [outlook.step for _, outlook in Run(work("svd"), typical("svd")).told]
    assert list(dict.fromkeys(steps)) == list(range(1, 10))
    ncf = Run(work("ncf"), typical("ncf")).told[-1][1]
    assert (ncf.step, ncf.steps) == (11, 11)
    forecast = Forecast(work("svd"), clock=lambda: 0.0)
    assert (forecast.outlook().step, forecast.enter(Step.EMBEDDING, Step.FITTING)) == (None, Step.FITTING)
    assert (forecast.enter(Step.EMBEDDING), forecast.step) == (Step.EMBEDDING, Step.FITTING)  # it has no such step


def test_learning_that_ended_early_before_is_expected_to_end_early_again() -> None:
    seconds = typical("svd") | {Step.FITTING: 40.0, Step.FITTING_ALL: 50.0}
    first = Run(work("svd", epochs=100), seconds, epochs=20)
    again = Run(work("svd", epochs=100), seconds, [first.past], epochs=20)
    assert again.error() < 0.05
    of_more = Run(work("svd", epochs=200), seconds, [first.past], epochs=20)
    assert of_more.error() < 0.05


def test_what_is_learned_of_more_ratings_with_more_factors_takes_longer() -> None:
    past = [Run(work("ncf"), typical("ncf")).past]

    def left(done: Work) -> float:
        return Forecast(done, past, lambda: 0.0).outlook().left or 0.0

    base = left(work("ncf"))
    assert base == pytest.approx(sum(typical("ncf").values()))
    assert left(work("ncf", factors=32)) == pytest.approx(base + 10 + 12 + 8 + 9)
    assert left(work("ncf", epochs=24)) == pytest.approx(base + 8 + 9)
    twice = left(work("ncf", ratings=2 * TYPICAL_RATINGS))
    assert twice == pytest.approx(2 * 39 + 2**0.7 * (base - 39))


def test_of_far_more_ratings_than_the_demo_nothing_is_told_before_something_was_seen() -> None:
    forecast = Forecast(work("svd", ratings=100 * TYPICAL_RATINGS), clock=lambda: 0.0)
    assert forecast.outlook().left is None
    for step in (Step.READING, Step.FITTING, Step.CHOOSING):
        forecast.enter(step)
    assert forecast.outlook().left is not None


def test_a_run_that_starts_over_takes_nothing_of_its_progress_back() -> None:
    now = [0.0]
    forecast = Forecast(work("svd"), clock=lambda: now[0])
    for step in (Step.READING, Step.FITTING, Step.CHOOSING):
        forecast.enter(step)
        now[0] += 3
    before = forecast.outlook()
    forecast.begin_again()
    forecast.enter(Step.READING)
    after = forecast.outlook()
    assert (after.progress, after.step) == (before.progress, 1)
    others = [seconds for step, seconds in typical("svd").items() if step not in (Step.READING, Step.FITTING)]
    assert after.left == pytest.approx(3 + 3 + sum(others))


def test_a_step_that_does_the_same_again_and_again_shows_how_fast_it_is() -> None:
    now = [0.0]
    forecast = Forecast(work("svd"), clock=lambda: now[0])
    forecast.enter(Step.CHOOSING)
    lefts = []
    for _ in range(5):  # each takes 10 s; three of 2.3 s are typical
        forecast.turn()
        lefts.append(forecast.outlook().left or 0.0)
        now[0] += 10
    assert lefts[0] < 18
    assert lefts[1] > 35


def test_every_kind_of_model_has_its_steps() -> None:
    for kind in KINDS:
        assert {Step.READING, Step.FITTING, Step.FITTING_ALL, Step.RANKING, Step.SAVING} <= set(steps_of(kind))


def test_networks_take_no_longer_on_more_ratings_than_an_epoch_has_and_embeddings_are_learned_less_often() -> None:
    past = [Run(work("ncf"), typical("ncf")).past]
    settings = work("ncf").settings
    ten, hundred = 10 * TYPICAL_RATINGS, 100 * TYPICAL_RATINGS
    assert ratings_in(Step.EMBEDDING, ten, settings) == 9 * ten
    assert ratings_in(Step.EMBEDDING, hundred, settings) == 2 * hundred
    assert ratings_in(Step.FITTING, ten, settings) == ratings_in(Step.FITTING, hundred, settings) < ten
    assert ratings_in(Step.JUDGING, ten, settings) == ratings_in(Step.FITTING, ten, work("svd").settings) == ten
    left = [Forecast(work("ncf", ratings), past, lambda: 0.0).outlook().left for ratings in (ten, hundred)]
    assert left[1] < 10 * left[0]  # type: ignore[operator]

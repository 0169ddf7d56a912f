"""Progress and time left of a training, from earlier runs, typical times, and the run itself."""

import math
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Self

from engine.models.registry import configure
from engine.training.steps import (
    BY_EPOCHS,
    FOLLOWS,
    GROWS_WITH,
    IN_PIECES,
    TURNS,
    TYPICAL_RATINGS,
    Step,
    ratings_in,
    steps_of,
)

RECENT = 5  # earlier runs in the median
SLOWER = 0.7  # exponent of the ratings in the time of steps that do not loop over all of them
MEASURED, TYPICAL = 0.3, 0.1  # weight of the expected times beside the observed ones, as a share of the run
TAIL = 0.2  # last share of the expected time, in which an overdue step slows down
FAR = 5.0  # multiple of the demo's ratings from which typical times are not trusted alone
SEEN = 0.05  # share of a run to observe before they are
PIECE = re.compile(r"(\d+) of (\d+)")


@dataclass(frozen=True)
class Work:
    """What a run's time depends on: kind of model, hyperparameters, number of ratings."""

    kind: str
    settings: Mapping[str, Any]
    ratings: int

    @property
    def epochs(self) -> int:
        """Maximum number of epochs."""
        return int(self.settings.get("epochs", 1))


@dataclass(frozen=True)
class PastRun:
    """Times of an earlier run: seconds of each finished step by name, and the epochs of its first fit."""

    work: Work
    seconds: Mapping[str, float]
    epochs: int


@dataclass(frozen=True)
class Outlook:
    """A forecast at one moment.

    Attributes:
        progress: from 0 to 1; never falls.
        left: seconds left; None if unknown.
        step: number of the current step, from 1; None before the first.
        steps: number of steps.
    """

    progress: float
    left: float | None
    step: int | None
    steps: int


class Forecast:
    """The forecast of one run. The training thread reports steps; any thread may ask for the outlook.

    Args:
        work: the run.
        past: earlier runs of the same kind of model, newest first.
        clock: seconds, monotonic.
    """

    def __init__(self, work: Work, past: Sequence[PastRun] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self.work = work
        self._clock = clock
        self._lock = Lock()
        self._steps = steps_of(work.kind)
        self._most_epochs = work.epochs
        self._epochs = _epochs(work, past[0]) if past else work.epochs
        self._expected = {step: _expected(step, work, past) for step in self._steps}
        self._known = bool(past) or work.ratings <= FAR * TYPICAL_RATINGS
        self._trust = (MEASURED if past else TYPICAL) * sum(self._expected.values())
        self._taken: dict[Step, float] = {}
        self._step: Step | None = None
        self._part, self._turns = 0.0, 0
        self._entered = self._part_at = self._shown_at = clock()
        self._shown, self._over = 0.0, False

    @classmethod
    def of_nothing(cls) -> Self:
        """A forecast for a run that nobody follows: any step is allowed."""
        forecast = cls(Work("", {}, 0), clock=lambda: 0.0)
        forecast._steps, forecast._expected = tuple(Step), dict.fromkeys(Step, 0.0)
        return forecast

    @property
    def step(self) -> Step | None:
        """The current step."""
        return self._step

    def begin_again(self) -> None:
        """Restart from the first step; the shown progress stays."""
        with self._lock:
            self._show()
            self._expected |= self._taken
            self._taken, self._step = {}, None

    def enter(self, *steps: Step) -> Step:
        """Start, and return, the first of these steps that the training has; the step before is done."""
        step = next((step for step in steps if step in self._steps), None)
        if step is None:  # an unknown step must not fail a training
            return steps[-1]
        with self._lock:
            self._end()
            self._step, self._part, self._turns = step, 0.0, 0
            self._entered = self._part_at = self._clock()
        return step

    def reach(self, part: float) -> None:
        """Report the done share of the current step, from 0 to 1."""
        with self._lock:
            self._show()
            self._part, self._part_at = min(max(part, self._part), 1.0), self._clock()

    def turn(self) -> None:
        """Report a round of the current step."""
        self._turns += 1
        least = TURNS.get(self._step) if self._step else None
        if least is not None:
            self.reach((self._turns - 1) / max(self._turns, least))

    def hear(self, words: str) -> None:
        """Read progress from a model's text, such as ``Learning embeddings 2 of 9``."""
        found = PIECE.search(words)
        if found is not None and self._step in IN_PIECES:
            self.reach((int(found[1]) - 1) / int(found[2]))

    def finish(self) -> None:
        """Report the end of the run."""
        with self._lock:
            self._end()
            self._shown, self._over = 1.0, True

    def seconds(self) -> dict[str, float]:
        """Seconds of each finished step, by name."""
        return {step.name: seconds for step, seconds in self._taken.items()}

    def outlook(self) -> Outlook:
        """Progress and time left now."""
        with self._lock:
            left = self._show()
            number = None if self._step is None else self._steps.index(self._step) + 1
            return Outlook(self._shown, left if self._tells() else None, number, len(self._steps))

    # -- the lock is held in all of these ----------------------------------------------------------------------------

    def _end(self) -> None:
        self._show()
        if self._step is not None:
            self._taken[self._step] = self._clock() - self._entered
            self._step = None

    def _show(self) -> float:
        """Advance the shown progress so that it reaches 1 at the forecast end; returns the seconds left."""
        now = self._clock()
        passed, self._shown_at, left = now - self._shown_at, now, self._left(now)
        if passed > 0:
            self._shown += (1 - self._shown) * passed / (passed + left)
        return left

    def _tells(self) -> bool:
        seen = sum(self._expected[step] for step in self._taken)
        return self._known or seen > SEEN * sum(self._expected.values())

    def _left(self, now: float) -> float:
        if self._over:
            return 0.0
        place = -1 if self._step is None else self._steps.index(self._step)
        ahead = [step for step in self._steps[place + 1 :] if step not in self._taken]
        pace = self._pace(now)
        return self._left_of_step(now, pace) + sum(self._seconds(step, pace) for step in ahead)

    def _pace(self, now: float) -> float:
        """Ratio of observed to expected time, over the finished steps and what is seen of the current one."""
        took, expected = sum(self._taken.values()), sum(self._expected[step] for step in self._taken)
        pace = _ratio(took + self._trust, expected + self._trust)
        if self._step is None:
            return pace
        wanted, part = self._expected[self._step], self._part_of(self._step)
        if part > 0:
            took, expected = took + self._part_at - self._entered, expected + wanted * part
        elif now - self._entered > wanted * pace:  # it is overdue
            took, expected = took + now - self._entered, expected + wanted
        return _ratio(took + self._trust, expected + self._trust)

    def _seconds(self, step: Step, pace: float) -> float:
        """Expected time of a whole step."""
        like = FOLLOWS.get(step)
        if like is not None and self._expected.get(like) and like in self._taken:
            return self._taken[like] * self._expected[step] / self._expected[like]
        return self._expected[step] * pace

    def _left_of_step(self, now: float, pace: float) -> float:
        if self._step is None:
            return 0.0
        whole, part = self._seconds(self._step, pace), self._part_of(self._step)
        if part > 0:
            seen = math.sqrt(part)
            whole = whole * (1 - seen) + (self._part_at - self._entered) / part * seen
        return _approach(whole * (1 - part), now - self._part_at)

    def _part_of(self, step: Step) -> float:
        """Done share of a step; if fitting stopped early in earlier runs, measured by their epochs."""
        if step is not Step.FITTING or self._epochs >= self._most_epochs:
            return self._part
        part = self._part * self._most_epochs / self._epochs
        return part if part <= 1 - TAIL else 1 - _approach(1.0, part)


def _approach(whole: float, passed: float) -> float:
    """Time left of ``whole``: linear in the time passed, then ever more slowly towards 0."""
    last = TAIL * whole
    if last <= 0:
        return 0.0
    over = passed - (whole - last)
    return whole - passed if over <= 0 else last * math.exp(-over / last)


def _ratio(one: float, other: float) -> float:
    return one / other if other > 0 else 1.0


def _expected(step: Step, work: Work, past: Sequence[PastRun]) -> float:
    """Seconds of a step: the median over recent runs, or else the typical time."""
    found = [run for run in past if step.name in run.seconds][:RECENT] or [_typical(work.kind)]
    return statistics.median(run.seconds[step.name] * _growth(step, work, run) for run in found)


def _typical(kind: str) -> PastRun:
    work = Work(kind, configure(kind, {}).model_dump(), TYPICAL_RATINGS)
    return PastRun(work, {step.name: step.typical[kind] for step in steps_of(kind)}, work.epochs)


def _growth(step: Step, work: Work, run: PastRun) -> float:
    """Ratio of a step's time to that in an earlier run."""
    ratings = _ratio(*(ratings_in(step, one.ratings, one.settings) for one in (work, run.work)))
    if step not in GROWS_WITH:
        return float(ratings**SLOWER)
    for name in GROWS_WITH[step]:
        here, there = work.settings.get(name), run.work.settings.get(name)
        if isinstance(here, int | float) and isinstance(there, int | float):  # what is chosen is not known beforehand
            ratings *= _ratio(here, there)
    return ratings * _ratio(_epochs(work, run), run.epochs) if step in BY_EPOCHS else ratings


def _epochs(work: Work, run: PastRun) -> int:
    """Number of epochs, if this run stops as early as an earlier one."""
    early = 0 < run.epochs < run.work.epochs
    return min(run.epochs, work.epochs) if early else work.epochs

"""What a training tells of itself on its way from ratings to a version."""

from __future__ import annotations

from itertools import count
from threading import Event

import pytest

from engine.data.ratings import Interactions
from engine.models.registry import MODELS
from engine.training.forecast import Forecast, Outlook, Work
from engine.training.pipeline import Listener, learn
from engine.training.steps import Step, steps_of
from tests.conftest import planted
from tests.engine.models.quick import quick_config


@pytest.mark.parametrize("kind", list(MODELS))
def test_every_step_is_told_in_its_order_and_the_progress_rises(kind: str) -> None:
    frame, movies = planted(n_users=60)
    data, config = Interactions.from_frame(frame, movies), quick_config(kind)
    ticks = count()
    forecast = Forecast(Work(kind, config.model_dump(), len(data)), clock=lambda: float(next(ticks)))
    told: list[tuple[str, Outlook]] = []
    listener = Listener(lambda words: told.append((words, forecast.outlook())), lambda _: None, forecast, Event())
    learn(config, data, 10, listener)
    steps = [outlook.step for _, outlook in told]
    taken = [step for step in steps_of(kind) if step not in (Step.READING, Step.SAVING)]
    assert list(dict.fromkeys(steps)) == [steps_of(kind).index(step) + 1 for step in taken]
    assert {step.words for step in taken} <= {words for words, _ in told}
    shown = [outlook.progress for _, outlook in told]
    assert shown == sorted(set(shown))
    assert list(forecast.seconds()) == [step.name for step in taken[:-1]]

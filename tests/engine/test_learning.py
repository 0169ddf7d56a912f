"""What a training tells of itself on its way from ratings to a version."""

from __future__ import annotations

from threading import Event

import pytest

from engine.dataset.interactions import Interactions
from engine.learning import FITTED, JUDGED, LEARNED, RANKED, Listener, learn
from engine.models.catalog import MODELS
from tests.conftest import planted
from tests.engine.models.quick import quick_config


@pytest.mark.parametrize("kind", list(MODELS))
def test_progress_rises_to_the_end_and_time_is_told_only_while_epochs_are_to_come(kind: str) -> None:
    frame, movies = planted(n_users=60)
    told: list[tuple[float, float | None]] = []
    listener = Listener(lambda _: None, lambda _: None, lambda *one: told.append(one), Event())
    learned = learn(kind, quick_config(kind), Interactions.from_frame(frame, movies), 10, listener)
    done = [one for one, _ in told]
    assert done == sorted(done)
    assert {FITTED, JUDGED, LEARNED, RANKED} <= set(done)
    assert (0 < done[0] <= FITTED, done[-1]) == (True, RANKED)
    assert told[-1][1] is None
    lefts = [left for one, left in told if JUDGED < one <= LEARNED and left is not None]
    assert len(lefts) == learned.epochs
    assert lefts[-1] == 0

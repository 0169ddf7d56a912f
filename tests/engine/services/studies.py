"""Studies in tests: wait for their end, or hold them in a trial."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from engine.runtime import Runtime
from engine.services.studies import Study
from engine.training.list_trials import ListTrials
from engine.training.rating_trials import RatingTrials
from tests.engine.services.conftest import wait_for


def ended(runtime: Runtime, study_id: int) -> Study:
    """A study once it has ended or stopped."""
    studies = runtime.services.tuning
    wait_for(lambda: studies.status(study_id).state.is_finished, 120)
    return studies.status(study_id)


def hold(monkeypatch: pytest.MonkeyPatch, trial: int = 1) -> tuple[Event, Event]:
    """Makes a study wait in a trial: an event that tells it is there, and one that lets it go on."""
    there, release = Event(), Event()
    for cls in (RatingTrials, ListTrials):
        monkeypatch.setattr(cls, "measure", held(cls.measure, trial, there, release))
    return there, release


def held(measure: Callable[..., Any], trial: int, there: Event, release: Event) -> Callable[..., Any]:
    begun: list[object] = []

    def wait(*args: Any) -> Any:
        begun.append(args)
        if len(begun) == trial + 1:
            there.set()
            assert release.wait(60)
        return measure(*args)

    return wait

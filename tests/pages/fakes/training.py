"""The fake training service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from engine.errors import (
    InvalidHyperparameter,
    MarqueeError,
    TrainingBusy,
    UnknownRun,
)
from engine.models.list_settings import configure_ranking
from engine.models.registry import configure
from engine.services.records import State
from engine.services.training import Also, TrainingStatus
from tests.pages.fakes.data import NOW, RUNNING, RUNS, waiting


@dataclass
class FakeTraining:
    history: list[TrainingStatus] = field(default_factory=lambda: list(RUNS))
    going: TrainingStatus | None = None
    asked: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    lists: list[dict[str, Any]] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    line: list[TrainingStatus] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    fails: MarqueeError | None = None

    def train_model(
        self,
        kind: str = "svd",
        hyperparameters: Mapping[str, Any] | None = None,
        activate: str = "if_better",
        actor: str = "you",
        *,
        ranker: Mapping[str, Any] | None = None,
        queue: bool = False,
        note: str = "",
        also: Also | None = None,
    ) -> int:
        if self.fails:
            raise self.fails
        settings, lists = validated(kind, hyperparameters or {}, ranker or {})
        run_id = self._begin(RUNNING, queue, model=kind, hyperparameters=settings, ranker=lists, actor=actor)
        self.asked.append((kind, settings, activate))
        self.lists.append(lists)
        self.noted.append(note)
        return run_id

    def train_again(self, version: int, actor: str = "you", *, queue: bool = False) -> int:
        if self.fails:
            raise self.fails
        return self._begin(RUNNING, queue, repeats=version, actor=actor)

    def _begin(self, like: TrainingStatus, queue: bool, **changes: Any) -> int:
        if self.going and not queue:
            raise TrainingBusy(self.going.run_id)
        run_id = max([3, *(one.run_id for one in self.runs())]) + 1
        if self.going:
            self.line.append(waiting(run_id, **changes))
        else:
            self.going = replace(like, run_id=run_id, **changes)
        return run_id

    def queue(self) -> list[TrainingStatus]:
        return self.line

    def status(self, run_id: int | None = None) -> TrainingStatus:
        for one in self.runs():
            if run_id in (None, one.run_id):
                return one
        raise UnknownRun(f"There is no training run {run_id}.")

    def current(self) -> TrainingStatus | None:
        return self.going

    def counts(self) -> dict[str, int]:
        return dict(Counter(one.state for one in self.runs()))

    def runs(
        self, limit: int = 50, *, before: int | None = None, actors: Sequence[str] | None = None
    ) -> list[TrainingStatus]:
        every = self.line[::-1] + ([self.going] if self.going else []) + self.history
        found = [one for one in every if (before is None or one.run_id < before)]
        return [one for one in found if actors is None or one.actor in actors][:limit]

    def cancel(self, run_id: int) -> None:
        self.cancelled.append(run_id)
        if run_id in [one.run_id for one in self.line]:
            self.line = [one for one in self.line if one.run_id != run_id]
            return
        self.history.insert(
            0,
            replace(
                RUNNING, state=State.CANCELLED, stage="Cancelled", error="Cancelled before it was done.", ended_at=NOW
            ),
        )
        self.going = None


def validated(
    kind: str, hyperparameters: Mapping[str, Any], ranker: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of both parts, or the faults of both together."""
    found: list[dict[str, Any]] = []
    faults: dict[str, str] = {}
    for configured in (partial(configure, kind, hyperparameters), partial(configure_ranking, ranker)):
        try:
            found.append(configured().model_dump())
        except InvalidHyperparameter as error:
            faults |= error.faults
    if faults:
        raise InvalidHyperparameter(faults)
    return found[0], found[1]

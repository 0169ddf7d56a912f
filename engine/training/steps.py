"""The steps of a training: their names, typical times, and what the times grow with."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from engine.models.ensemble import EPOCH_ROWS
from engine.models.ncf import division

TYPICAL_RATINGS = 100_000
"""Ratings of the demo, on which the typical seconds were measured: default settings, two cores."""


class Step(Enum):
    """The steps of a training, in order. A new one needs a line here and a call of ``Listener.enter``.

    Attributes:
        words: the name on pages.
        typical: seconds on the demo ratings by kind of model; other kinds skip the step.
    """

    READING = "Reading ratings", {"svd": 0.1, "ncf": 0.1, "als": 0.1}
    EMBEDDING = "Learning embeddings", {"ncf": 10.0}
    FITTING = "Learning", {"svd": 1.3, "ncf": 8.0, "als": 15.0}
    CHOOSING = "Tuning the ranking", {"svd": 7.0, "ncf": 7.0, "als": 7.0}
    JUDGING = "Evaluating on held-out ratings", {"svd": 4.0, "ncf": 8.0, "als": 4.0}
    MEETING = "Evaluating on newcomers", {"svd": 0.2, "ncf": 0.6, "als": 0.2}
    EMBEDDING_ALL = "Learning embeddings from all ratings", {"ncf": 12.0}
    FITTING_ALL = "Learning from all ratings", {"svd": 0.7, "ncf": 9.0, "als": 15.0}
    RANKING = "Learning which movies go together", {"svd": 3.0, "ncf": 3.0, "als": 3.0}
    FOLDING = "Preparing instant updates", {"svd": 1.0, "ncf": 2.5, "als": 1.0}
    SAVING = "Saving", {"svd": 2.0, "ncf": 2.0, "als": 2.0}  # and activating

    def __init__(self, words: str, typical: Mapping[str, float]) -> None:
        self.words = words
        self.typical = typical


FOLLOWS = {Step.EMBEDDING_ALL: Step.EMBEDDING, Step.FITTING_ALL: Step.FITTING}
"""The earlier step of a run that predicts the time of a later one."""
GROWS_WITH: Mapping[Step, tuple[str, ...]] = {
    Step.EMBEDDING: ("factors", "iterations"),
    Step.EMBEDDING_ALL: ("factors", "iterations"),
    Step.FITTING: ("factors", "networks"),
    Step.FITTING_ALL: ("factors", "networks"),
}
"""Hyperparameters that the time is proportional to, where the model has them, beside ratings and epochs."""
BY_EPOCHS = (Step.FITTING, Step.FITTING_ALL)
IN_PIECES = (Step.EMBEDDING, Step.EMBEDDING_ALL)
"""Models report their pieces as text, such as ``Learning embeddings 2 of 9``."""
TURNS = {Step.CHOOSING: 20}
"""Steps with rounds, and the minimum number of rounds; ``Listener.turn`` reports each."""


def steps_of(kind: str) -> tuple[Step, ...]:
    """The steps of a kind of model, in order."""
    return tuple(step for step in Step if kind in step.typical)


def ratings_in(step: Step, ratings: int, settings: Mapping[str, Any]) -> int:
    """Number of ratings that a step goes through: embeddings are learned several times, networks from a sample."""
    if "parts" not in settings:
        return ratings
    if step in IN_PIECES:
        return ratings * (1 + division(ratings, settings["parts"])[1])
    return min(ratings, EPOCH_ROWS) if step in BY_EPOCHS else ratings

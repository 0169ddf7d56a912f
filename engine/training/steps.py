"""The steps of a training: what each is called, about how long it takes, and what its time grows with."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

TYPICAL_RATINGS = 100_000
"""On so many, the demo's, the typical seconds were measured: default settings, two cores."""


class Step(Enum):
    """A step of a training, in the order in which they are taken. A new one needs a line here and ``Listener.enter``.

    Attributes:
        words: what it is called.
        typical: its seconds on the demo ratings by kind of model; a kind that is not named has no such step.
    """

    READING = "Reading ratings", {"svd": 0.1, "ncf": 0.1}
    EMBEDDING = "Learning embeddings", {"ncf": 10.0}
    FITTING = "Learning", {"svd": 0.4, "ncf": 8.0}
    CHOOSING = "Choosing the penalty of the ranker", {"svd": 7.0, "ncf": 7.0}
    JUDGING = "Evaluating on held-out ratings", {"svd": 4.0, "ncf": 8.0}
    MEETING = "Evaluating on newcomers", {"svd": 0.2, "ncf": 0.6}
    EMBEDDING_ALL = "Learning embeddings of all ratings", {"ncf": 12.0}
    FITTING_ALL = "Learning all ratings", {"svd": 0.4, "ncf": 9.0}
    RANKING = "Learning which movies go together", {"svd": 3.0, "ncf": 3.0}
    FOLDING = "Preparing to fold new ratings in", {"svd": 1.0, "ncf": 2.5}
    SAVING = "Saving", {"svd": 2.0, "ncf": 2.0}  # until the version serves, where it is to

    def __init__(self, words: str, typical: Mapping[str, float]) -> None:
        self.words = words
        self.typical = typical


FOLLOWS = {Step.EMBEDDING_ALL: Step.EMBEDDING, Step.FITTING_ALL: Step.FITTING}
"""The step of the same run whose time tells that of another."""
GROWS_WITH: Mapping[Step, tuple[str, ...]] = {
    Step.EMBEDDING: ("factors", "iterations", "parts"),
    Step.EMBEDDING_ALL: ("factors", "iterations", "parts"),
    Step.FITTING: ("factors", "networks"),
    Step.FITTING_ALL: ("factors", "networks"),
}
"""Hyperparameters, where the kind of model has them, and in proportion to the ratings; the epochs come on top."""
BY_EPOCHS = (Step.FITTING, Step.FITTING_ALL)
IN_PIECES = (Step.EMBEDDING, Step.EMBEDDING_ALL)
"""A model tells of their pieces in words such as ``Learning embeddings 2 of 9``."""
TURNS = {Step.CHOOSING: 3}
"""Steps that do the same again and again, and how often at least; each time is told by ``Listener.turn``."""


def steps_of(kind: str) -> tuple[Step, ...]:
    """The steps of a kind of model, in their order."""
    return tuple(step for step in Step if kind in step.typical)

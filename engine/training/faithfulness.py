"""How faithful explanations are: what a rating's share says, and what taking the rating away really does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypedDict

import numpy as np

from engine.data.history import History
from engine.data.ratings import Interactions
from engine.models.base import RatingModel
from engine.recommending.scoring import Predict
from engine.rounding import significant
from engine.training.served import ServedLists

PAIRS = 200
"""Maximum users, each with the first movie of their list."""


class Faithfulness(TypedDict):
    """Shares against effects, over the users of a sample.

    Attributes:
        pairs: number of users, each with the first movie of their list and the rating with the largest share in it.
        share: mean share of that rating, in units of the score.
        effect: by how much the score falls without the rating, on average.
        difference: mean absolute difference of the two.
    """

    pairs: int
    share: float
    effect: float
    difference: float


def measure_faithfulness(
    served: ServedLists, model: RatingModel, data: Interactions, check: Callable[[], object]
) -> Faithfulness | None:
    """Compare the largest share in the first movie of a list with what the score loses without that rating.

    A share keeps the weights of the other ratings and the predicted rating. Without the rating, older ones gain weight,
    the user is folded in again, and the predicted rating counts differently; so the two differ (Alvarez-Melis and
    Jaakkola 2018, "Towards robust interpretability with self-explaining neural networks", on faithfulness).

    Args:
        served: the lists.
        model: predicts the users' ratings.
        data: the users' ratings.
        check: called for each user; may raise to stop.

    Returns:
        None where nobody has a list that rests on ratings.
    """
    users = np.flatnonzero(data.user_counts)
    found = []
    for user in users[:: -(-len(users) // PAIRS) or 1].tolist():
        check()
        pair = _compare(served, model, data.history(user))
        if pair is not None:
            found.append(pair)
    if not found:
        return None
    shares, effects = np.array(found).T
    return {
        "pairs": len(found),
        "share": significant(float(shares.mean())),
        "effect": significant(float(effects.mean())),
        "difference": significant(float(np.abs(effects - shares).mean())),
    }


def _compare(served: ServedLists, model: RatingModel, history: History) -> tuple[float, float] | None:
    """The largest share, and the effect of its rating; None where the list rests on no rating."""
    scores, predict = served.scores(history), _predicts(model, history)
    listed = scores.best(1, predict, drop=history.items).movies
    if not len(listed):
        return None
    movie = int(listed[0])
    shares = served.shares(history, movie)
    largest = int(np.argmax(shares))
    if shares[largest] <= 0:
        return None
    less = history.without(int(history.items[largest]))
    left = served.scores(less).of(movie, _predicts(model, less))[0]
    return float(shares[largest]), scores.of(movie, predict)[0] - left


def _predicts(model: RatingModel, history: History) -> Predict:
    return partial(model.predict_vector, model.fold_in_user(history.items, history.ratings))

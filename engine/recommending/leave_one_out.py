"""Errors of predicted ratings for one person, each made without the rating that it predicts."""

from __future__ import annotations

import numpy as np

from engine.data.arrays import Float32, Int32
from engine.recommending.fold_in import UserState

MAX_KNOWN = 300
"""Newest ratings that predictions use: folding them in once without each takes time with the square of their number."""


def predict_without_each(state: UserState, newest: int) -> tuple[Int32, Float32, Float32]:
    """int32[k] movies, float32[k] their ratings and float32[k] predictions, newest rating first.

    Each prediction comes from the person's other ratings alone; nothing that training learned of the person is used,
    as it knew the rating. Of the movie it uses what everybody's ratings say, this one among them.

    Args:
        state: the person.
        newest: maximum number of ratings to predict; older ones only help to predict.
    """
    history = state.history
    known = history.items < len(state.movies.counts) - 1
    order = np.flatnonzero(known)[np.argsort(-history.times[known], kind="stable")][:MAX_KNOWN]
    items, ratings = history.items[order], history.ratings[order]
    if len(items) < 2:
        return np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.float32)
    model = state.movies.model
    without = model.fold_in_without_each(items, ratings)[:newest]
    vectors = np.array([state.movies.vector(movie) for movie in items[:newest].tolist()])
    found = np.clip(model.unclipped(without, vectors), *model.given_).astype(np.float32)
    return items[:newest], ratings[:newest], found

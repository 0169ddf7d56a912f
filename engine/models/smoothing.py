"""Similarities through factors: what few ratings say of two movies, smoothed by all that is known of both."""

from __future__ import annotations

import numpy as np

from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.data.splits import sample_users
from engine.models.als import ImplicitALSConfig, ImplicitALSRanker
from engine.models.mixing import Part
from engine.models.ranker import Ranker

MAX_RATINGS = 1_000_000
"""Maximum ratings, in whole users, from which the factors are learned."""


def learn_smoothed(ranker: Ranker, data: Interactions, seed: int = 0) -> Part:
    """Row j is what a rating of movie j adds to every movie's score by the movies' factors.

    With Y the factors that implicit-feedback ALS learns (Hu, Koren and Volinsky 2008), a user's scores are
    ``Y A^-1 sum(c w_i y_i)``, and A depends on the user. With A of the average user in its place they are linear in the
    weights w, so the matrix is ``Y A^-1 Y'``, with 0 on the diagonal.

    Args:
        ranker: knows the m movies.
        data: the ratings.
        seed: random seed of the users that take part where there are more than ``MAX_RATINGS`` ratings.
    """
    some = sample_users(data, MAX_RATINGS, seed)
    config = ImplicitALSConfig(min_ratings=1, rating_power=ranker.config.rating_power)
    learned = ImplicitALSRanker(config).fit(some)
    rows = learned.position_[ranker.movies_]
    factors = learned.factors_[rows[rows >= 0]]
    solved = np.linalg.solve(learned.average_user(some), factors.T)
    found: Float32 = factors @ solved.astype(np.float32)
    np.fill_diagonal(found, 0)
    return Part(np.flatnonzero(rows >= 0), found)

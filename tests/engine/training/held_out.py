"""Changes of held-out ratings, which must reach nothing but their own evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.data.ratings import Interactions


def turn_ratings(data: Interactions, rows: np.ndarray) -> Interactions:
    """What was liked is disliked."""
    return replace(data, ratings=np.where(rows, np.float32(5.5) - data.ratings, data.ratings))


def swap_movies(data: Interactions, rows: np.ndarray) -> Interactions:
    """The ratings are of other movies, which their users had not rated."""
    items, rng = data.items.copy(), np.random.default_rng(0)
    for user in range(data.n_users):
        of_user = data.by_user.of(user)
        held = of_user[rows[of_user]]
        items[held] = rng.choice(np.setdiff1d(np.arange(data.n_movies), data.items[of_user]), len(held), replace=False)
    return replace(data, items=items)

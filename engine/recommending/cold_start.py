"""Lists for whoever has rated little or nothing: popularity, giving way to taste rating by rating."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.words import listed

Status = Literal["personal", "blended", "cold_start", "unknown_user"]

MIN_POPULARITY = 0.001  # keeps an order among movies that the ranker scores alike


@dataclass(frozen=True)
class Blend:
    """How much of a score comes from the ranker and how much from popularity."""

    status: Status
    personal: float
    popular: float
    reason: str


def blend(ratings_count: int, informative: int, *, known: bool, personal_from: int, liked: Sequence[str] = ()) -> Blend:
    """The weights for a user, without a jump: each rating moves an equal part from popularity to the ranker.

    Args:
        ratings_count: how many movies the user has rated.
        informative: how many of them the ranker has similarities for.
        known: whether the store has ever seen the user.
        personal_from: informative ratings from which the list is the ranker's alone.
        liked: genres that the user says they like; they raise what is popular.
    """
    others = "what most people like" + (f", favouring {listed(liked)}" if liked else "")
    popular = f"so the list shows {others}."
    if not known:
        return Blend("unknown_user", 0.0, 1.0, f"Nobody with this id has rated a movie yet, {popular}")
    if ratings_count == 0:
        return Blend("cold_start", 0.0, 1.0, f"This user has no ratings yet, {popular}")
    if informative == 0:
        few = f"Too few people rated the same movies to compare the {_count(ratings_count)} so far, {popular}"
        return Blend("cold_start", 0.0, 1.0, few)
    if informative < personal_from:
        personal = informative / personal_from
        text = (
            f"{_count(informative)} so far: {personal:.0%} of the list's order comes from them, the rest from "
            f"{others}. From {personal_from} ratings on it is all personal."
        )
        return Blend("blended", personal, 1 - personal, text)
    return Blend("personal", 1.0, MIN_POPULARITY, f"Ordered by what {_count(ratings_count)} say about this taste.")


def _count(n: int) -> str:
    return "1 rating" if n == 1 else f"{n:,} ratings"


def popularity(data: Interactions, weights: Float32) -> Float32:
    """float32[n_movies]: ratings of each movie, each counted by its weight, per user: a score on the ranker's scale.

    EASE with an infinite penalty orders by popularity, and with any penalty its scores estimate how likely a user is to
    have watched a movie; this is the estimate that knows nothing of the user.
    """
    total = np.bincount(data.items, weights=weights, minlength=data.n_movies)
    return (total / max(int((data.user_counts > 0).sum()), 1)).astype(np.float32)

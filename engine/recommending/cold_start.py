"""Lists for newcomers: popularity, which gives way to taste rating by rating."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.words import counted, listed

Status = Literal["personal", "blended", "cold_start", "unknown_user"]

MIN_POPULARITY = 0.001  # orders movies that the ranker scores alike


@dataclass(frozen=True)
class Blend:
    """Weights of the ranker and of popularity in a score."""

    status: Status
    personal: float
    popular: float
    reason: str


def blend(
    ratings_count: int,
    informative: int,
    *,
    known: bool,
    personal_from: int,
    liked: Sequence[str] = (),
    noun: str = "rating",
) -> Blend:
    """The weights for a user: each rating moves an equal part from popularity to the ranker.

    Args:
        ratings_count: number of movies the user has rated.
        informative: how many of them the ranker has similarities for.
        known: whether the user is in the store.
        personal_from: informative ratings from which the list is the ranker's alone.
        liked: genres that the user says they like.
        noun: what a rating is called in this store.
    """
    count = counted(informative or ratings_count, noun)
    others = "what most people like" + (f", favouring {listed(liked)}" if liked else "")
    popular = f"so the list shows {others}."
    if not known:
        return Blend("unknown_user", 0.0, 1.0, f"Nobody with this id has rated a movie yet, {popular}")
    if ratings_count == 0:
        return Blend("cold_start", 0.0, 1.0, f"This person has no {noun}s yet, {popular}")
    if informative == 0:
        few = f"Too few people rated the same movies to learn from the {count} so far, {popular}"
        return Blend("cold_start", 0.0, 1.0, few)
    if informative < personal_from:
        personal, them = informative / personal_from, "it" if informative == 1 else "them"
        text = (
            f"{count} so far: {personal:.0%} of the list's order comes from {them}, the rest from "
            f"{others}. From {counted(personal_from, noun)} on, the list is entirely personal."
        )
        return Blend("blended", personal, 1 - personal, text)
    return Blend(
        "personal",
        1.0,
        MIN_POPULARITY,
        f"Ordered by what {counted(ratings_count, noun)} say{'s' * (ratings_count == 1)} about their taste.",
    )


def popularity(data: Interactions, weights: Float32) -> Float32:
    """float32[n_movies]: the weighted number of ratings of each movie, per user: a score on the ranker's scale.

    EASE scores estimate how likely a user is to have watched a movie, and with an infinite penalty they order by
    popularity; this is the estimate that knows nothing of the user.
    """
    total = np.bincount(data.items, weights=weights, minlength=data.n_movies)
    return (total / max(int((data.user_counts > 0).sum()), 1)).astype(np.float32)

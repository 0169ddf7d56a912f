"""Rating a movie, removing a rating, forgetting a user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RatingReceipt:
    """What a rating did: it is durable, and the user's next list knows it (``embedding_updated``)."""

    user_id: str
    movie_id: str
    rating: float
    previous_rating: float | None
    predicted_before: float | None
    predicted_after: float | None
    embedding_updated: bool
    update_ms: float


@dataclass(frozen=True, slots=True)
class RatingRemoval:
    """What taking a rating away did; ``previous_rating`` is None where there was none, and nothing has changed."""

    user_id: str
    movie_id: str
    previous_rating: float | None
    predicted_after: float | None
    embedding_updated: bool
    update_ms: float


@dataclass(frozen=True, slots=True)
class ForgettingReceipt:
    """What was erased of a user.

    Attributes:
        ratings_removed: how many ratings are gone.
        forgotten_at: in Unix seconds.
        versions: the stored versions that have learned from the user's ratings, under a key that leads to nobody.
        text: all that, and what is left to do, in words.
    """

    user_id: str
    ratings_removed: int
    forgotten_at: float
    versions: tuple[int, ...]
    text: str

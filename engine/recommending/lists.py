"""Lists and predictions as values: what one may ask for, and what an answer holds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from engine.data.catalogue import Movie
from engine.recommending.cold_start import Status
from engine.recommending.ranking import VarietyPrice

RankBy = Literal["ranker", "rating"]


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list is to hold.

    Attributes:
        n: 1 to 1000 movies at most.
        genre: only movies of this genre.
        year_from: only movies of this year or later; movies of unknown year are left out.
        exclude: movie ids to leave out.
        diversity: 0 orders by score alone, 1 by unlikeness of genres alone.
        rank_by: ``ranker`` orders by what the user is likely to want, ``rating`` by predicted rating.
        genres_liked: genres that the user says they like; they count as far as popularity does, so less with each
            rating.
        include_rated: whether movies that the user has rated may be listed too.
    """

    n: int = 10
    genre: str | None = None
    year_from: int | None = None
    exclude: Collection[str] = ()
    diversity: float = 0.0
    rank_by: RankBy = "ranker"
    genres_liked: Collection[str] = ()
    include_rated: bool = False


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """One place of a list. ``score`` orders it; ``predicted_rating`` and ``interval`` (90%) are in the rating scale.

    ``confidence`` is 1 minus the width of the interval over the width of the scale; ``interval`` and ``confidence`` are
    None where the version has no calibration (too few held-out ratings). ``rated`` is the user's own rating, in lists
    that hold rated movies too.
    """

    rank: int
    movie_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    score: float
    predicted_rating: float
    interval: tuple[float, float] | None
    confidence: float | None
    rated: float | None = None


@dataclass(frozen=True, slots=True)
class Recommendations:
    """A list for one user, with how and why it was made.

    ``data_age_s``: seconds since the newest rating it knows; None where no time of a rating is known.
    ``price`` says what variety costs; None where none was asked for.
    """

    user_id: str
    status: Status
    reason: str
    model_version: int
    data_age_s: float | None
    latency_ms: float
    ratings_count: int
    items: tuple[RecommendedItem, ...]
    price: VarietyPrice | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted rating of one pair; ``fallback`` says what was unknown (None: both sides were learned)."""

    user_id: str
    movie_id: str
    predicted_rating: float
    interval: tuple[float, float] | None
    fallback: str | None


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions in the order asked for."""

    model_version: int
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class ImaginedItem:
    """One place of a list under other ratings.

    Attributes:
        change: places it rises (+) or falls (-) against the list as it is; None: it is new.
        predicted_before: the predicted rating as it is.
    """

    rank: int
    movie: Movie
    change: int | None
    predicted_rating: float
    predicted_before: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The list that other ratings would give; nothing of it is kept. ``left``: movies that leave the list."""

    user_id: str
    status: Status
    reason: str
    model_version: int
    ratings_count: int
    items: tuple[ImaginedItem, ...]
    left: tuple[Movie, ...]

"""Lists and predictions as values: options of a request, and contents of an answer."""

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
    """Options of a list.

    Attributes:
        n: maximum length, 1 to 1000.
        genre: only movies of this genre.
        year_from: only movies of this year or later; movies of unknown year are left out.
        exclude: movie ids to leave out.
        diversity: 0 orders by score alone, 1 by difference of genres alone.
        rank_by: ``ranker`` orders by what the user is likely to want, ``rating`` by predicted rating.
        genres_liked: genres that the user says they like; like popularity, they count less with each rating.
        include_rated: whether to list movies that the user has rated.
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
    """One place of a list, ordered by ``score``; ``predicted_rating`` and ``interval`` (90%) are in the rating scale.

    ``confidence`` is 1 minus the width of the interval over that of the scale; both are None if the version has no
    calibration (too few held-out ratings). ``rated`` is the user's own rating, in lists that include rated movies.
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

    ``data_age_s``: seconds since the newest rating it knows; None without times. ``price``: the cost of variety; None
    without a request for it.
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
    """The predicted rating of one pair; ``fallback`` says what was unknown, None if both are known."""

    user_id: str
    movie_id: str
    predicted_rating: float
    interval: tuple[float, float] | None
    fallback: str | None


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions in the order of the request."""

    model_version: int
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class ImaginedItem:
    """One place of a list under other ratings.

    Attributes:
        change: places it rises (+) or falls (-) from the current list; None if it is new.
        predicted_before: the current predicted rating.
    """

    rank: int
    movie: Movie
    change: int | None
    predicted_rating: float
    predicted_before: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The list that other ratings would give; nothing is stored. ``left``: movies that drop out."""

    user_id: str
    status: Status
    reason: str
    model_version: int
    ratings_count: int
    items: tuple[ImaginedItem, ...]
    left: tuple[Movie, ...]

"""One model version: everything that was learned together and serves together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Arrays, Float32, Int32
from engine.data.ratings import Interactions
from engine.models.base import RatingModel, join_arrays, part_of
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.intervals import Calibration
from engine.models.registry import MODELS, configure


@dataclass(frozen=True)
class LearnedCounts:
    """How many ratings a version has learned: int32[n_users] of each user, int32[n_movies] of each movie."""

    users: Int32
    movies: Int32

    @classmethod
    def of(cls, data: Interactions) -> Self:
        """Those of training ratings."""
        return cls(data.user_counts.astype(np.int32), data.movie_counts.astype(np.int32))


@dataclass(frozen=True)
class LearnedOffsets:
    """What training learned of each user and movie beyond what folding in the same ratings gives.

    Added to whatever is folded in later, so that a vector moves by what is new and by nothing else.

    Attributes:
        users: float[n_users, d]; no rows where folding in gives what was learned.
        movies: float[n_movies, d].
    """

    users: NDArray[Any]
    movies: NDArray[Any]

    def of_user(self, user: int) -> NDArray[Any] | float:
        """float[d], or 0 for whoever was not learned."""
        return self.users[user] if 0 <= user < len(self.users) else 0.0

    def of_movie(self, movie: int) -> NDArray[Any] | float:
        """float[d], or 0 for what was not learned."""
        return self.movies[movie] if 0 <= movie < len(self.movies) else 0.0


@dataclass(frozen=True)
class VersionBundle:
    """What a version holds.

    Attributes:
        rating: predicts ratings.
        ranker: orders lists.
        popularity: float32[n_movies], for cold start.
        calibration: of intervals; None where there were too few ratings.
        counts: how many ratings the version has learned; None in versions of earlier releases.
        offsets: between what was learned and what folding in gives; None in versions of earlier releases.
    """

    rating: RatingModel
    ranker: ItemSimilarityRanker
    popularity: Float32
    calibration: Calibration | None
    counts: LearnedCounts | None = None
    offsets: LearnedOffsets | None = None

    def config(self) -> dict[str, Any]:
        """The hyperparameters, as JSON values."""
        return {"model": self.rating.config.model_dump(), "ranker": self.ranker.config.model_dump()}

    def arrays(self) -> Arrays:
        """Every learned array under the name of its part, such as ``rating/user_bias``."""
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "rating": self.rating.arrays(),
            "ranker": self.ranker.arrays(),
            "popularity": {"scores": self.popularity},
        }
        if self.calibration is not None:
            parts["calibration"] = self.calibration.arrays()
        if self.counts is not None:
            parts["counts"] = {"users": self.counts.users, "movies": self.counts.movies}
        if self.offsets is not None:
            parts["offsets"] = {"users": self.offsets.users, "movies": self.offsets.movies}
        return join_arrays(parts)

    @classmethod
    def from_arrays(cls, kind: str, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The bundle that ``config()`` and ``arrays()`` were taken from."""
        calibration, counts = part_of(arrays, "calibration"), part_of(arrays, "counts")
        offsets = part_of(arrays, "offsets")
        # Versions stored before ratings were weighed by a power name weights that are gone.
        ranker = {name: value for name, value in config["ranker"].items() if name in ItemSimilarityConfig.model_fields}
        return cls(
            MODELS[kind].model.from_arrays(configure(kind, config["model"]), part_of(arrays, "rating")),
            ItemSimilarityRanker.from_arrays(ItemSimilarityConfig.model_validate(ranker), part_of(arrays, "ranker")),
            np.asarray(part_of(arrays, "popularity")["scores"], np.float32),
            Calibration.from_arrays(calibration) if calibration else None,
            LearnedCounts(counts["users"], counts["movies"]) if counts else None,
            LearnedOffsets(offsets["users"], offsets["movies"]) if offsets else None,
        )

"""A model version: everything that is trained together and served together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Arrays, Float32, Int32
from engine.data.ratings import Interactions
from engine.models.base import RatingModel, join_arrays, part_of
from engine.models.intervals import Calibration
from engine.models.ranker import Ranker
from engine.models.rankers import ranker_settings, restore_ranker
from engine.models.registry import MODELS, configure


@dataclass(frozen=True)
class LearnedCounts:
    """Numbers of training ratings: int32[n_users] of each user, int32[n_movies] of each movie."""

    users: Int32
    movies: Int32

    @classmethod
    def of(cls, data: Interactions) -> Self:
        """Count training ratings."""
        return cls(data.user_counts.astype(np.int32), data.movie_counts.astype(np.int32))


@dataclass(frozen=True)
class LearnedOffsets:
    """Offsets of learned vectors from those of folding in the same ratings.

    They are added to later fold-ins, so that only new ratings move a vector.

    Attributes:
        users: float[n_users, d]; no rows if folding in repeats the learned vectors.
        movies: float[n_movies, d].
    """

    users: NDArray[Any]
    movies: NDArray[Any]

    def of_user(self, user: int) -> NDArray[Any] | float:
        """float[d], or 0 for an unknown user."""
        return self.users[user] if 0 <= user < len(self.users) else 0.0

    def of_movie(self, movie: int) -> NDArray[Any] | float:
        """float[d], or 0 for an unknown movie."""
        return self.movies[movie] if 0 <= movie < len(self.movies) else 0.0


@dataclass(frozen=True)
class RatingParts:
    """The parts of a version that predict ratings; attributes as of ``VersionBundle``."""

    rating: RatingModel
    calibration: Calibration | None
    counts: LearnedCounts | None
    offsets: LearnedOffsets | None

    @classmethod
    def from_arrays(cls, kind: str, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the parts from a version's ``config()`` and those of its ``arrays()``."""
        calibration, counts = part_of(arrays, "calibration"), part_of(arrays, "counts")
        offsets = part_of(arrays, "offsets")
        return cls(
            MODELS[kind].model.from_arrays(configure(kind, config["model"]), part_of(arrays, "rating")),
            Calibration.from_arrays(calibration) if calibration else None,
            LearnedCounts(counts["users"], counts["movies"]) if counts else None,
            LearnedOffsets(offsets["users"], offsets["movies"]) if offsets else None,
        )


@dataclass(frozen=True)
class VersionBundle:
    """The contents of a version.

    Attributes:
        rating: predicts ratings.
        ranker: orders lists.
        popularity: float32[n_movies], for newcomers.
        calibration: of the intervals; None with too few ratings.
        counts: numbers of training ratings; None in versions of earlier releases.
        offsets: of learned vectors from folded-in ones; None in versions of earlier releases.
        spread: standard deviation of a user's predicted ratings over movies, in rating units; 0 where unknown.
    """

    rating: RatingModel
    ranker: Ranker
    popularity: Float32
    calibration: Calibration | None
    counts: LearnedCounts | None = None
    offsets: LearnedOffsets | None = None
    spread: float = 0.0

    def config(self) -> dict[str, Any]:
        """The hyperparameters, as JSON values."""
        return {"model": self.rating.config.model_dump(), "ranker": ranker_settings(self.ranker.config)}

    def arrays(self) -> Arrays:
        """All learned arrays, prefixed with their part, such as ``rating/user_bias``."""
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "rating": self.rating.arrays(),
            "ranker": self.ranker.arrays(),
            "popularity": {"scores": self.popularity},
            "spread": {"rating": np.array([self.spread])},
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
        """Rebuild a bundle from ``config()`` and ``arrays()``."""
        parts = RatingParts.from_arrays(kind, config, arrays)
        # Early versions lack hyperparameters whose effect they did not know.
        ranker = {"dislike": 0.0} | config["ranker"]
        return cls(
            parts.rating,
            restore_ranker(ranker, part_of(arrays, "ranker")),
            np.asarray(part_of(arrays, "popularity")["scores"], np.float32),
            parts.calibration,
            parts.counts,
            parts.offsets,
            float(part_of(arrays, "spread").get("rating", np.zeros(1))[0]),
        )

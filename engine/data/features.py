"""Features of users and movies beside the ratings themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32, Int64
from engine.data.ratings import Interactions, check_interactions
from engine.errors import InvalidInput

Strategy = Literal["median", "mean", "zero"]
Columns = dict[str, NDArray[np.float64]]

SHRINK = 5.0  # prior ratings at the overall mean, for every mean and taste
SHRINK_NOISE = 20.0  # prior ratings of an average user, for how much a user's ratings scatter
NOISE_RANGE = (0.25, 4.0)  # of that, as a multiple of the average: nobody counts for nothing, or for everything
MAX_PRIOR = 1000.0  # maximum prior ratings of the mean choices
RESOLUTION = 1e-4  # spreads below this share of the scale, or of the mean, are rounding errors
DAY, YEAR = 86_400, 365.2425 * 86_400
FIRST_YEAR = 1970
IMPUTATION: Mapping[str, Strategy] = {
    "genre": "zero",
    "year": "median",
    "year_squared": "median",
    "age": "median",
    "popularity": "zero",
    "popularity_squared": "zero",
    "mean": "zero",
    "spread": "mean",
    "count": "zero",
    "recency": "median",
    "taste": "zero",
    "chosen": "mean",
}
"""How a missing value is filled, by the part of a feature's name before the colon."""
AS_IT_IS = frozenset({"genre", "taste"})  # already on a common scale, so not normalised


@dataclass(frozen=True)
class Feature:
    """One column: how missing values are filled, and how values are normalised, ``(value - mean) / scale``.

    Attributes:
        name: such as ``year`` or ``genre:Drama``.
        of: the side it belongs to.
        strategy: the source of ``fill``: median or mean of the known values, or 0.
        fill: in the feature's own unit.
        mean, scale: of the filled training values; 0 and 1 if the feature is not normalised.
        low, high: range of the normalised training values; None if the feature is not normalised.
    """

    name: str
    of: Literal["user", "movie"]
    strategy: Strategy
    fill: float
    mean: float
    scale: float
    low: float | None = None
    high: float | None = None


class FeatureEngineer:
    """Features of users and movies, learned from training ratings only and repeated exactly when serving.

    Movies: genres (shares whose squares sum to 1), year, age when rated, popularity (log of the number of ratings),
    mean and spread of the ratings. Users: number, mean and spread of ratings, recency, tastes (how far above
    expectation the user rates movies with an attribute) and choices (the mean attributes of the rated movies). Means
    and tastes are shrunk towards 0 by ``SHRINK`` ratings, the posterior mean under a normal prior. Choices are shrunk
    towards the overall mean by the ratio of the variance within users to that between them, for each attribute
    (analysis of variance with random effects; Searle, Casella and McCulloch, "Variance Components", 1992, chapter 3).
    The last row of every table of movies is an unknown movie.

    Args:
        imputation: strategies that replace those of ``IMPUTATION``, by the same names.

    Attributes:
        movie_features_: tuple of Feature, the columns of ``movies_``.
        user_features_: tuple of Feature, the columns of the result of ``users``.
        movies_: float32[n_movies + 1, f], filled and normalised.
        attributes_: float32[n_movies + 1, a], the attributes of tastes and choices: genres, year, popularity.
        vocabulary_: names of the genres, which are the first attributes.
        choices_: float64[2, a], mean choices, and the number of prior ratings that shrink to them.
        scatter_: mean square of what is left of a rating above its movie's and its user's mean.
    """

    def __init__(self, imputation: Mapping[str, Strategy] | None = None) -> None:
        self.imputation = {**IMPUTATION, **(imputation or {})}
        for noun, given, known in (
            ("feature", self.imputation.keys(), tuple(IMPUTATION)),
            ("imputation strategy", self.imputation.values(), get_args(Strategy)),
        ):
            if unknown := set(given).difference(known):
                text = f"There is no {noun} {min(map(str, unknown))!r}. Choose from: {', '.join(known)}."
                raise InvalidInput(text, field="imputation")

    def fit(self, data: Interactions) -> Self:
        """Learn from training ratings.

        Raises:
            InvalidInput: they are no ``Interactions``.
        """
        check_interactions(data)
        self.mean_, self.scale_ = data.mean, data.scale
        self.vocabulary_ = data.movies.genre_names
        self.newest_ = int(data.timestamps.max()) if data.timestamps is not None and len(data) else 0
        deviation = data.ratings - self.mean_
        self.deviations_ = _shrunk(data.items, deviation, data.n_movies + 1)
        rated = np.append(data.movie_counts > 0, False)
        columns = self._movie_columns(data)
        self.movie_features_ = self._learn("movie", columns, rated)
        self.movies_ = _fill(columns, self.movie_features_)
        self.attributes_ = self._attributes()
        self.noise_ = float(np.mean((deviation - self.deviations_[data.items]) ** 2))
        self.scatter_ = self._learn_scatter(data)
        self.choices_ = self._learn_choices(data)
        users = self._user_columns(data.users, data.items, data.ratings, data.timestamps, data.n_users)
        self.user_features_ = self._learn("user", users, data.user_counts > 0)
        return self

    def users(
        self, users: Int32, items: Int32, ratings: Float32, timestamps: Int64 | None, n_users: int
    ) -> tuple[Float32, Float32]:
        """Features and tastes of users from their ratings, with the movies fixed.

        Args:
            users: int32[n], in 0..n_users-1.
            items: int32[n], indices of learned movies.
            ratings: float32[n].
            timestamps: int64[n] Unix seconds; None fills the recency.
            n_users: number of rows to return, users without ratings included.

        Returns:
            float32[n_users, f] in the order of ``user_features_``, and float32[n_users, a]: tastes by attribute.
        """
        columns = self._user_columns(users, items, ratings, timestamps, n_users)
        tastes = [columns[name] for name in columns if name.startswith("taste:")]
        return _fill(columns, self.user_features_), np.column_stack(tastes).astype(np.float32)

    def user_noise(self, users: Int32, items: Int32, ratings: Float32, n_users: int) -> NDArray[np.float64]:
        """float64[n_users]: variance of each user's ratings around expectation, as a multiple of the average one.

        Shrunk to 1 by ``SHRINK_NOISE`` ratings, and within ``NOISE_RANGE``. It is 1 for everybody where ratings do not
        scatter, and in versions of earlier releases. Arguments are those of ``users``.
        """
        if not self.scatter_:
            return np.ones(n_users)
        _, residual = self._residuals(users, items, ratings, n_users)
        return np.clip(1 + _shrunk(users, residual**2 / self.scatter_ - 1, n_users, SHRINK_NOISE), *NOISE_RANGE)

    def user_inputs(self, features: Float32) -> Float32:
        """float32[n_users, c]: the users' features without recency, as ratings are folded in without times."""
        return features[:, [one.name != "recency" for one in self.user_features_]]

    def movie_content(self) -> Float32:
        """float32[n_movies + 1, c]: the movies' features that do not depend on how they were rated."""
        wanted = ("genre", "year", "year_squared", "popularity", "popularity_squared")
        return self.movies_[:, [_family(one.name) in wanted for one in self.movie_features_]]

    def user_choices(self, features: Float32) -> Float32:
        """float32[n_users, c]: the users' features that do not depend on how they rated.

        Clipped to the training range, beyond which a regression on them is not valid.
        """
        chosen = [place for place, one in enumerate(self.user_features_) if _family(one.name) in ("chosen", "count")]
        seen = [self.user_features_[place] for place in chosen]
        low, high = ([getattr(one, end) for one in seen] for end in ("low", "high"))
        return features[:, chosen] if None in low else np.clip(features[:, chosen], low, high).astype(np.float32)

    # -- columns, in their own units, NaN where missing --------------------------------------------------------------

    def _movie_columns(self, data: Interactions) -> Columns:
        """Columns of n_movies + 1 rows."""
        genres = data.movies.genres.astype(np.float64)
        sizes = genres.sum(axis=1, keepdims=True)
        shares = np.divide(genres, np.sqrt(sizes), out=np.full(genres.shape, np.nan), where=sizes > 0)
        columns: Columns = {f"genre:{name}": shares[:, g] for g, name in enumerate(self.vocabulary_)}
        years = data.movies.years.astype(np.float64)
        popularity = np.log1p(data.movie_counts)
        columns |= {"year": years, "age": self._ages(data), "popularity": popularity}
        columns |= {"year_squared": _squared(years), "popularity_squared": _squared(popularity)}
        rated = data.movie_counts > 0
        spread = _spread(data.items, data.ratings - self.mean_ - self.deviations_[data.items], data.n_movies)
        columns |= {"mean": np.where(rated, self.deviations_[:-1], np.nan), "spread": np.where(rated, spread, np.nan)}
        return {name: np.append(column, np.nan) for name, column in columns.items()}

    def _ages(self, data: Interactions) -> NDArray[np.float64]:
        """Mean age of a movie when it was rated, in years."""
        if data.timestamps is None:
            return np.full(data.n_movies, np.nan)
        rated_in = FIRST_YEAR + data.timestamps / YEAR
        sums = np.bincount(data.items, rated_in, data.n_movies)
        return _ratio(sums, data.movie_counts) - data.movies.years

    def _attributes(self) -> Float32:
        names = [one.name for one in self.movie_features_]
        wanted = [f"genre:{name}" for name in self.vocabulary_] + ["year", "popularity"]
        return np.ascontiguousarray(self.movies_[:, [names.index(name) for name in wanted]])

    def _user_columns(
        self, users: Int32, items: Int32, ratings: Float32, timestamps: Int64 | None, n_users: int
    ) -> Columns:
        counts = np.bincount(users, minlength=n_users)
        level, residual = self._residuals(users, items, ratings, n_users)
        columns: Columns = {"count": np.log1p(counts), "mean": np.where(counts > 0, level, np.nan)}
        columns["spread"] = np.where(counts > 0, _spread(users, residual, n_users, self.noise_), np.nan)
        columns["recency"] = self._recency(users, timestamps, n_users)
        tastes, chosen = self._tastes(users, items, residual, counts)
        names = [*self.vocabulary_, "year", "popularity"]
        columns |= {f"taste:{name}": tastes[:, a] for a, name in enumerate(names)}
        return columns | {f"chosen:{name}": chosen[:, a] for a, name in enumerate(names)}

    def _residuals(
        self, users: Int32, items: Int32, ratings: Float32, n_users: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """float64[n_users]: each user's mean above the movies' means; float64[n]: each rating above both."""
        above = ratings - self.mean_ - self.deviations_[items]
        level = _shrunk(users, above, n_users)
        return level, above - level[users]

    def _learn_scatter(self, data: Interactions) -> float:
        """Mean square of the residuals; 0 if that is a rounding error."""
        _, residual = self._residuals(data.users, data.items, data.ratings, data.n_users)
        scatter, (low, high) = float(np.mean(residual**2)), self.scale_
        return scatter if scatter > (RESOLUTION * (high - low)) ** 2 else 0.0

    def _recency(self, users: Int32, timestamps: Int64 | None, n_users: int) -> NDArray[np.float64]:
        """Log of 1 plus the days from a user's last rating to the newest of all."""
        if timestamps is None:
            return np.full(n_users, np.nan)
        last = np.full(n_users, -np.inf)
        np.maximum.at(last, users, timestamps)
        days = np.maximum(self.newest_ - last, 0) / DAY
        return np.where(np.isfinite(last), np.log1p(np.where(np.isfinite(days), days, 0)), np.nan)

    def _tastes(
        self, users: Int32, items: Int32, residual: NDArray[Any], counts: Int64
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """float64[n_users, a] twice: shrunk slopes of the residuals on each attribute, and mean attributes."""
        shape = len(counts), len(self.attributes_)
        slopes = sp.csr_array((residual, (users, items)), shape) @ self.attributes_
        rated = sp.csr_array((np.ones(len(users), np.float32), (users, items)), shape)
        tastes = slopes / (rated @ self.attributes_**2 + SHRINK)
        mean, prior = self.choices_
        chosen = (rated @ self.attributes_ + prior * mean) / np.maximum(counts[:, None] + prior, 1)
        return tastes, np.where(counts[:, None] > 0, chosen, np.nan)

    def _learn_choices(self, data: Interactions) -> NDArray[np.float64]:
        """``choices_``: variances within and between users by the method of moments."""
        attributes, counts = self.attributes_.astype(np.float64), data.user_counts
        once = np.ones(len(data), np.float32)
        rated = sp.csr_array((once, (data.users, data.items)), (data.n_users, len(attributes)))
        users, known, n = (counts > 0).sum(), counts > 0, max(len(data), 1)
        sums = np.asarray(rated @ attributes)[known]
        mean = sums.sum(axis=0) / n
        squares = np.append(data.movie_counts, 0) @ attributes**2
        of_means = (sums**2 / counts[known, None]).sum(axis=0)
        within = np.maximum(squares - of_means, 0) / max(n - users, 1)
        spread = n - (counts.astype(np.float64) ** 2).sum() / n
        between = np.maximum(of_means - n * mean**2 - (users - 1) * within, 0) / max(spread, 1)
        return np.stack([mean, np.minimum(within / np.maximum(between, 1e-12), MAX_PRIOR)])

    # -- fill and normalisation of a column --------------------------------------------------------------------------

    def _learn(self, of: Literal["user", "movie"], columns: Columns, known: NDArray[np.bool_]) -> tuple[Feature, ...]:
        """Fill and normalisation of each column from its ``known`` rows."""
        return tuple(self._feature(of, name, column[known]) for name, column in columns.items())

    def _feature(self, of: Literal["user", "movie"], name: str, column: NDArray[np.float64]) -> Feature:
        strategy = self.imputation[_family(name)]
        present = column[~np.isnan(column)]
        fill = 0.0
        if len(present) and strategy != "zero":
            fill = float(np.median(present) if strategy == "median" else present.mean())
        if _family(name) in AS_IT_IS or not len(present):
            return Feature(name, of, strategy, fill, 0.0, 1.0)
        filled = np.where(np.isnan(column), fill, column)
        mean, spread = float(filled.mean()), float(filled.std())
        scale = spread if spread > self._resolution(name, mean) else 1.0
        low, high = ((end - mean) / scale for end in (float(filled.min()), float(filled.max())))
        return Feature(name, of, strategy, fill, mean, scale, low, high)

    def _resolution(self, name: str, mean: float) -> float:
        """Smallest real spread: above rounding errors, and for means and spreads of ratings above the scale's."""
        low, high = self.scale_
        return RESOLUTION * max(abs(mean), high - low if name in ("mean", "spread") else 0.0, RESOLUTION)

    # -- stored with a version ---------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Learned arrays by name; ``metadata`` is JSON as bytes, so that a checksum covers it too."""
        metadata = {
            "vocabulary": self.vocabulary_,
            "newest": self.newest_,
            "features": [asdict(one) for one in (*self.movie_features_, *self.user_features_)],
        }
        return {
            "metadata": np.frombuffer(json.dumps(metadata).encode(), np.uint8),
            "constants": np.array([self.mean_, self.noise_, *self.scale_, self.scatter_]),
            "choices": self.choices_,
            "deviations": self.deviations_,
            "movies": self.movies_,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild an engineer from ``arrays()``; in earlier releases choices are not shrunk."""
        metadata = json.loads(arrays["metadata"].tobytes())
        features = tuple(Feature(**one) for one in metadata["features"])
        engineer = cls({_family(one.name): one.strategy for one in features})
        engineer.vocabulary_, engineer.newest_ = tuple(metadata["vocabulary"]), metadata["newest"]
        engineer.movie_features_ = tuple(one for one in features if one.of == "movie")
        engineer.user_features_ = tuple(one for one in features if one.of == "user")
        engineer.mean_, engineer.noise_, *later = arrays["constants"].tolist()  # earlier releases stored two or four
        engineer.scale_ = (later[0], later[1]) if later else (0.0, 0.0)
        engineer.scatter_ = later[2] if len(later) > 2 else 0.0
        engineer.deviations_, engineer.movies_ = arrays["deviations"], arrays["movies"]
        engineer.attributes_ = engineer._attributes()
        engineer.choices_ = arrays.get("choices", np.zeros((2, engineer.attributes_.shape[1])))
        return engineer


def _family(name: str) -> str:
    return name.partition(":")[0]


def _fill(columns: Columns, features: tuple[Feature, ...]) -> Float32:
    """float32[n, f]: the columns filled and normalised."""
    filled = [
        (np.where(np.isnan(column), one.fill, column) - one.mean) / one.scale
        for one, column in ((one, columns[one.name]) for one in features)
    ]
    return np.column_stack(filled).astype(np.float32)


def _ratio(sums: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    """NaN where the count is 0."""
    out = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=out, where=counts > 0)
    return out


def _squared(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """The squared distance from the mean: centred, it adds to what the column says."""
    present = column[~np.isnan(column)]
    return (column - (present.mean() if len(present) else 0.0)) ** 2


def _shrunk(keys: Int32, values: NDArray[Any], n: int, by: float = SHRINK) -> NDArray[np.float64]:
    """float64[n]: the mean of each group, shrunk towards 0."""
    return np.bincount(keys, values, n) / (np.bincount(keys, minlength=n) + by)


def _spread(keys: Int32, residual: NDArray[Any], n: int, noise: float | None = None) -> NDArray[np.float64]:
    """float64[n]: standard deviation of each group, shrunk towards the overall one."""
    everyone = float(np.mean(residual**2)) if noise is None else noise
    squares = np.bincount(keys, residual**2, n) + SHRINK * everyone
    return np.sqrt(squares / (np.bincount(keys, minlength=n) + SHRINK))

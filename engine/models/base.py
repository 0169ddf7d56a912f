"""The contract of every model, so that training, evaluation and serving need no model's name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, field_validator

from engine.data.arrays import Arrays, Float32, Int32, Int64, check_lengths
from engine.data.ratings import IdIndex, Interactions, Rows, check_interactions
from engine.errors import NotReady
from engine.models.epochs import OnEpoch, run_epochs

Method = Literal["exact", "measured"]

Vector = NDArray[Any]

NOTHING = np.empty(0, np.int32)


def titled(name: str) -> str:
    """The title of a hyperparameter that has none of its own: ``Learning rate``."""
    return name.replace("_", " ").capitalize()


class ModelConfig(BaseModel):
    """Hyperparameters of one model: validated types and ranges, unknown keys refused, immutable.

    Whole numbers count as numbers, and NumPy's numbers as Python's; ``true`` and text are no numbers.
    """

    kind: ClassVar[str] = ""
    """Name of the rating model in ``registry.MODELS``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, field_title_generator=lambda name, _: titled(name)
    )

    @classmethod
    def title_of(cls, name: str) -> str:
        """The title of a hyperparameter, also of one that only earlier releases had."""
        field = cls.model_fields.get(name)
        return (field.title if field else None) or titled(name)

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(map(cls._plain, value))
        return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


class Fitted:
    """What a fitted model knows of its training data: raw ids, and each user's rated movies."""

    user_ids_: IdIndex
    movie_ids_: IdIndex
    seen_: tuple[Rows, Int32]

    def bind(self, data: Interactions) -> None:
        """Remember the data's raw ids and rated movies, for the methods that take raw ids."""
        self.user_ids_, self.movie_ids_ = data.user_ids, data.movie_ids
        self.seen_ = (data.by_user, data.items)

    def check_fitted(self) -> None:
        """Refuse to go on before ``fit``.

        Raises:
            NotReady: the model is not fitted.
        """
        if "seen_" not in vars(self):
            raise NotReady(f"This {type(self).__name__} is not fitted yet. Call fit(data) first.")

    def find_user(self, user_id: Hashable) -> int:
        """The index of a user, -1 if unknown; raises ``NotReady`` before ``fit``."""
        self.check_fitted()
        return self.user_ids_.look_up_one(user_id, "user")

    def find_movie(self, movie_id: Hashable) -> int:
        """The index of a movie, -1 if unknown; raises ``NotReady`` before ``fit``."""
        self.check_fitted()
        return self.movie_ids_.look_up_one(movie_id, "movie")

    @abstractmethod
    def score_user(self, user: int) -> Float32:
        """float32[n_movies]: the scores that order a user's list."""

    def recommend(self, user_id: Hashable, n: int = 10) -> list[Any]:
        """At most n distinct raw movie ids that the user has not rated, best first.

        Raises:
            NotReady: the model is not fitted.
        """
        user = self.find_user(user_id)
        by_user, items = self.seen_
        seen = items[by_user.of(user)] if user >= 0 else NOTHING
        return [self.movie_ids_.raw(int(movie)) for movie in top(self.score_user(user), n, drop=seen)]


class RatingModel(Fitted, ABC):
    """Predicts the rating of any user-movie pair, inside the rating scale.

    The constructor only stores the config; learned attributes end in ``_`` and exist after ``fit``. Negative indices,
    and those beyond what was learned, are unknown: the prediction falls back to the other side, and never fails.
    """

    leaves_out: ClassVar[Method] = "measured"
    """How ``fold_in_without_each`` works: by formula, or by folding in once for each rating."""
    config: ModelConfig
    scale_: tuple[float, float]
    given_: tuple[float, float]
    """Lowest and highest rating learned; predictions for users without ratings stay between them."""

    @abstractmethod
    def epochs(self, data: Interactions) -> Generator[float | str, None, None]:
        """Train from scratch, usable after each epoch.

        Yields the mean squared training error after each epoch, and texts that name the next long step.
        """

    def predict_indices(self, users: Int32, movies: Int32) -> Float32:
        """float32[n]: the rating of each pair of indices, clipped to the scale.

        Predictions for unknown users are clipped to the range of the learned ratings.

        Raises:
            NotReady: the model has learned nothing yet.
            ValueError: there are not as many users as movies.
        """
        if "scale_" not in vars(self):
            self.check_fitted()
        check_lengths(users=users, movies=movies)
        found = self._predict(users, movies)
        unknown = (users < 0) | (users >= self._learned_users)
        if unknown.any():
            found[unknown] = np.clip(found[unknown], *self.given_)
        return found

    @abstractmethod
    def _predict(self, users: Int32, movies: Int32) -> Float32:
        """``predict_indices`` without checks; unknown users are clipped to the scale alone."""

    @property
    @abstractmethod
    def _learned_users(self) -> int:
        """Number of learned users; higher indices are unknown."""

    @abstractmethod
    def user_vector(self, user: int) -> Vector:
        """float[d]: a user's learned vector; a neutral one for an unknown user."""

    @abstractmethod
    def fold_in_user(self, movies: Int32, ratings: Float32) -> Vector:
        """float[d]: the user vector that fits these ratings, with the movies fixed."""

    @abstractmethod
    def predict_vector(self, vector: Vector, movies: Int32) -> Float32:
        """float32[n]: predicted ratings of a user with this vector, clipped to the scale."""

    @abstractmethod
    def movie_vector(self, movie: int) -> Vector:
        """float[d]: a movie's learned vector; a neutral one for an unknown movie."""

    @abstractmethod
    def fold_in_movie(self, users: Int32, ratings: Float32, movie: int = -1) -> Vector:
        """float[d]: the movie vector that fits these ratings, with the users fixed.

        Args:
            users: int32[n], who rated it; unknown users count as average ones.
            ratings: float32[n].
            movie: index of the movie, for models that use its content.
        """

    def fold_in_all(
        self, data: Interactions, owners: Int64, check: Callable[[], object], *, movies: bool
    ) -> NDArray[Any]:
        """float[n, d]: the vector that ``fold_in_user``, or ``fold_in_movie``, gives each owner for all its ratings.

        Args:
            data: the ratings.
            owners: int64[n], users or movies.
            check: called often; may raise to stop.
            movies: whether the owners are movies.
        """
        found = []
        for owner in owners.tolist():
            check()
            rows = (data.by_movie if movies else data.by_user).of(owner)
            if movies:
                found.append(self.fold_in_movie(data.users[rows], data.ratings[rows], owner))
            else:
                found.append(self.fold_in_user(data.items[rows], data.ratings[rows]))
        return np.array(found) if found else (self.movie_vector(-1) if movies else self.user_vector(-1))[None][:0]

    @abstractmethod
    def fold_in_without_each(self, movies: Int32, ratings: Float32) -> NDArray[Any]:
        """float[n, d]: the vectors of ``fold_in_user`` with each rating left out in turn."""

    @abstractmethod
    def unclipped(self, users: NDArray[Any], movies: NDArray[Any]) -> Float32:
        """float32[n]: predicted ratings of users and movies with these vectors, not clipped.

        Args:
            users: float[n, d], or float[1, d] for one user and all movies.
            movies: float[n, d], or float[1, d] for one movie and all users.
        """

    def predict_vectors(self, user: Vector, movies: NDArray[Any]) -> Float32:
        """float32[n]: clipped predictions of one user vector and movie vectors (float[n, d])."""
        return np.clip(self.unclipped(user.reshape(1, -1), movies), *self.scale_)

    def begin(self, data: Interactions) -> None:
        """Take the scale and the range of ratings from the training data."""
        self.scale_, self.given_ = data.scale, data.given

    @abstractmethod
    def arrays(self) -> Arrays:
        """Learned arrays by name; with the config they rebuild the model exactly."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> Self:
        """Rebuild a model from ``arrays()``; it knows indices, not raw ids."""

    def restore(self, arrays: Arrays) -> None:
        """Go back to ``arrays()`` of an earlier epoch; raw ids stay."""
        earlier = type(self).from_arrays(self.config, arrays)
        self.__dict__.update({name: value for name, value in vars(earlier).items() if name.endswith("_")})

    @property
    def folds_movies(self) -> bool:
        """Whether movies can be folded in; versions of earlier releases may lack the arrays for it."""
        return True

    def biases_and_factors(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """float[n, 1 + factors] of users, and of movies: bias and factors of each; None for a model without factors."""
        return None

    def choose(self, data: Interactions) -> ModelConfig:  # noqa: ARG002
        """The hyperparameters with which it trains on these ratings: with numbers in place of ``auto``."""
        return self.config

    @property
    def settings(self) -> ModelConfig:
        """The hyperparameters of the training, with what it chose in place of ``auto``."""
        return self.config

    @property
    def total_epochs(self) -> int:
        """Maximum number of epochs that ``epochs`` yields."""
        return int(getattr(self.config, "epochs", 1))

    def fit(self, data: Interactions, on_epoch: OnEpoch | None = None) -> Self:
        """Train on ratings; ``on_epoch`` is called after each epoch.

        Raises:
            InvalidInput: the data are no ``Interactions``.
            TrainingDiverged: the loss became infinite or not a number.
        """
        check_interactions(data)
        run_epochs(self, data, on_epoch=on_epoch)
        self.bind(data)
        return self

    def predict(self, user_ids: Iterable[Hashable], movie_ids: Iterable[Hashable]) -> Float32:
        """float32[n]: the rating of each pair of raw ids, inside the scale; unknown ids fall back.

        Raises:
            NotReady: the model is not fitted.
            ValueError: there are not as many users as movies.
        """
        self.check_fitted()
        return self.predict_indices(
            self.user_ids_.look_up(user_ids, "user"), self.movie_ids_.look_up(movie_ids, "movie")
        )

    def score_user(self, user: int) -> Float32:
        """float32[n_movies]: what orders this user's list: the predicted ratings."""
        movies = np.arange(len(self.movie_ids_), dtype=np.int32)
        return self.predict_indices(np.full(len(movies), user, np.int32), movies)


def top(scores: Float32, n: int, *, drop: Int32 = NOTHING) -> NDArray[np.int64]:
    """int64[<= n]: indices of the n highest scores, best first; ties go to the lower index.

    Args:
        scores: float32[m]; -inf and NaN never enter.
        n: maximum length; below 1 the list is empty.
        drop: indices that never enter; those outside 0..m-1 are ignored.
    """
    left = np.isfinite(scores) | (scores == np.inf)
    left[drop[(drop >= 0) & (drop < len(scores))]] = False
    indices = np.flatnonzero(left)
    values = scores[indices]
    if 0 < n < len(values):
        # From the high end: the other way round, many equal low scores, such as 0, make it ten times as slow.
        threshold = -np.partition(-values, n - 1)[n - 1]
        enough = values >= threshold
        indices, values = indices[enough], values[enough]
    # The sort is stable and the indices ascend, so ties keep the lower index first.
    return indices[np.argsort(-values, kind="stable")[: max(n, 0)]]


def join_arrays(parts: Mapping[str, Mapping[str, NDArray[Any]]]) -> Arrays:
    """The arrays of all parts, prefixed with the part's name, such as ``rating/user_bias``."""
    return {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def part_of(arrays: Mapping[str, NDArray[Any]], part: str) -> Arrays:
    """The arrays of one part, without the prefix; empty if there is no such part."""
    return {key.partition("/")[2]: array for key, array in arrays.items() if key.startswith(f"{part}/")}


def expect(array: NDArray[Any], *shape: int) -> None:
    """Refuse an array of another shape: compiled loops would read past its end.

    Raises:
        ValueError: the shape differs.
    """
    if array.shape != shape:
        raise ValueError(f"an array has the shape {array.shape} instead of {shape}")

"""What every model promises, so that training, evaluation and serving need to know no model by name."""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Generator, Hashable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from engine.data.arrays import Arrays, Float32, Int32, check_lengths
from engine.data.ratings import IdIndex, Interactions, Rows
from engine.errors import InvalidSettings
from engine.models.epochs import OnEpoch, run_epochs

Method = Literal["exact", "measured"]

Vector = NDArray[Any]

Patience = Annotated[
    int,
    Field(
        ge=0,
        le=1000,
        title="Patience",
        description="Stop after so many epochs without a better validation RMSE; 0 never stops early.",
    ),
]
Seed = Annotated[
    int,
    Field(ge=0, le=2**32 - 1, title="Seed", description="Start of the random numbers; equal seeds give equal models."),
]


NOTHING = np.empty(0, np.int32)


FILE = Path(__file__).parents[2] / "hyperparameters.toml"


@cache
def read(path: Path = FILE) -> dict[str, Any]:
    """The file's tables by model.

    Raises:
        InvalidSettings: it can't be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"{path.name} can't be read: {error}. Mend it, or take it from the release.") from error


def default(kind: str, name: str, **about: Any) -> Any:
    """A field of a config whose default is that of the file; ``about`` as for ``pydantic.Field``.

    Raises:
        InvalidSettings: the file gives none.
    """
    try:
        value = read()[kind]["defaults"][name]
    except KeyError as error:
        raise InvalidSettings(f"{FILE.name} gives no default: add {name} under [{kind}.defaults].") from error
    return Field(tuple(value) if isinstance(value, list) else value, **about)


class ModelConfig(BaseModel):
    """Hyperparameters of one model: validated types and ranges, unknown keys refused, immutable.

    A whole number does where any number does; ``true`` and text are no numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RatingModel(ABC):
    """Predicts the rating of any user-movie pair, inside the rating scale.

    A constructor only stores the config; learned attributes end in ``_`` and exist after ``fit``. Indices at or beyond
    what was learned, and -1, are unknown: a prediction falls back to what is known of the other side, and never fails.
    """

    kind: ClassVar[str]
    leaves_out: ClassVar[Method] = "measured"
    """How ``fold_in_without_each`` comes to its vectors: by a formula, or by folding in as often."""
    config: ModelConfig
    user_ids_: IdIndex
    movie_ids_: IdIndex
    scale_: tuple[float, float]
    given_: tuple[float, float]
    """The lowest and the highest rating learned: what somebody without ratings is predicted lies between them."""
    seen_: tuple[Rows, Int32]

    @abstractmethod
    def epochs(self, data: Interactions) -> Generator[float | str, None, None]:
        """Start anew and learn: yields the mean squared training error after each epoch; usable after each.

        A text among them says what is done next, where that takes long.
        """

    def predict_indices(self, users: Int32, movies: Int32) -> Float32:
        """float32[n]: the rating of each pair of indices, clipped to the scale.

        For an unknown user it is clipped to the ratings that were learned: a stranger is predicted nothing that nobody
        has ever given.

        Raises:
            ValueError: there are not as many users as movies.
        """
        check_lengths(users=users, movies=movies)
        found = self._predict(users, movies)
        unknown = (users < 0) | (users >= self._learned_users)
        if unknown.any():
            found[unknown] = np.clip(found[unknown], *self.given_)
        return found

    @abstractmethod
    def _predict(self, users: Int32, movies: Int32) -> Float32:
        """``predict_indices`` of columns of one length, strangers like everybody else."""

    @property
    @abstractmethod
    def _learned_users(self) -> int:
        """From which index on a user is unknown."""

    @abstractmethod
    def user_vector(self, user: int) -> Vector:
        """float[d]: what was learned of a user; a vector that says nothing for an unknown one."""

    @abstractmethod
    def fold_in_user(self, movies: Int32, ratings: Float32) -> Vector:
        """float[d]: the vector that fits these ratings, everything learned of the movies being kept."""

    @abstractmethod
    def predict_vector(self, vector: Vector, movies: Int32) -> Float32:
        """float32[n]: the ratings that a user with this vector gives, clipped to the scale."""

    @abstractmethod
    def movie_vector(self, movie: int) -> Vector:
        """float[d]: what was learned of a movie; a vector that says nothing for an unknown one."""

    @abstractmethod
    def fold_in_movie(self, users: Int32, ratings: Float32, movie: int = -1) -> Vector:
        """float[d]: the movie's vector that fits these ratings, everything learned of the users being kept.

        Args:
            users: int32[n], who rated it; users that were not learned count as average ones.
            ratings: float32[n].
            movie: the movie's index; models that know movies by their content too keep what they know of it.
        """

    @abstractmethod
    def fold_in_without_each(self, movies: Int32, ratings: Float32) -> NDArray[Any]:
        """float[n, d]: the vectors of ``fold_in_user`` with the first rating left out, the second, and so on."""

    @abstractmethod
    def unclipped(self, users: NDArray[Any], movies: NDArray[Any]) -> Float32:
        """float32[n]: the ratings that users with these vectors give movies with these, not clipped yet.

        Args:
            users: float[n, d], or float[1, d] where one user rates all.
            movies: float[n, d], or float[1, d] where one movie is rated by all.
        """

    def predict_vectors(self, user: Vector, movies: NDArray[Any]) -> Float32:
        """float32[n]: the ratings that a user with this vector gives movies with these (float[n, d]), clipped."""
        return np.clip(self.unclipped(user.reshape(1, -1), movies), *self.scale_)

    def begin(self, data: Interactions) -> None:
        """Take the ends of the scale, and of what was given, from the ratings to learn."""
        self.scale_, self.given_ = data.scale, data.given

    @abstractmethod
    def arrays(self) -> Arrays:
        """What was learned, by name; with the config enough to rebuild the model exactly."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> Self:
        """The model that ``arrays()`` was taken from; it knows indices but not raw ids."""

    def restore(self, arrays: Arrays) -> None:
        """Become what ``arrays()`` gave at an earlier epoch; raw ids stay."""
        earlier = type(self).from_arrays(self.config, arrays)
        self.__dict__.update({name: value for name, value in vars(earlier).items() if name.endswith("_")})

    @property
    def folds_movies(self) -> bool:
        """Whether movies can be folded in: models stored by an earlier release may lack what that needs."""
        return True

    @property
    def total_epochs(self) -> int:
        """How many epochs ``epochs`` yields at most."""
        return int(getattr(self.config, "epochs", 1))

    def bind(self, data: Interactions) -> None:
        """Remember the raw ids and the seen movies of the data, for the methods that take raw ids."""
        self.user_ids_, self.movie_ids_ = data.user_ids, data.movie_ids
        self.seen_ = (data.by_user, data.items)

    def fit(self, data: Interactions, on_epoch: OnEpoch | None = None) -> Self:
        """Learn from ratings; ``on_epoch`` is told of each epoch.

        Raises:
            TrainingDiverged: the loss became infinite or not a number.
        """
        run_epochs(self, data, on_epoch=on_epoch)
        self.bind(data)
        return self

    def predict(self, user_ids: Iterable[Hashable], movie_ids: Iterable[Hashable]) -> Float32:
        """float32[n]: the rating of each pair of raw ids, inside the scale; unknown ids fall back.

        Raises:
            ValueError: there are not as many users as movies.
        """
        return self.predict_indices(self.user_ids_.indices(user_ids), self.movie_ids_.indices(movie_ids))

    def score_user(self, user: int) -> Float32:
        """float32[n_movies]: what orders this user's list; the predicted rating unless a model knows better."""
        movies = np.arange(len(self.movie_ids_), dtype=np.int32)
        return self.predict_indices(np.full(len(movies), user, np.int32), movies)

    def recommend(self, user_id: Hashable, n: int = 10) -> list[Any]:
        """At most n distinct raw movie ids that the user has not rated, best first."""
        return recommend(self, user_id, n)


class Ranker(ABC):
    """Orders a user's list by scores that are linear in the user's history."""

    kind: ClassVar[str]
    config: ModelConfig
    user_ids_: IdIndex
    movie_ids_: IdIndex
    seen_: tuple[Rows, Int32]
    ratings_: Float32

    @abstractmethod
    def fit(self, data: Interactions) -> Self:
        """Learn from ratings."""

    @abstractmethod
    def score_history(self, items: Int32, ratings: Float32) -> Float32:
        """float32[n_movies]: the scores of all movies for a history of rated movies."""

    @abstractmethod
    def shares(self, items: Int32, ratings: Float32, movie: int) -> Float32:
        """float32[len(items)]: what each past rating adds to the score of one movie; they sum to the score."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """What was learned, by name."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> Self:
        """The ranker that ``arrays()`` was taken from; it knows indices but not raw ids."""

    def bind(self, data: Interactions) -> None:
        """Remember raw ids and histories of the data, for the methods that take raw ids."""
        self.user_ids_, self.movie_ids_ = data.user_ids, data.movie_ids
        self.seen_ = (data.by_user, data.items)
        self.ratings_ = data.ratings

    def score_user(self, user: int) -> Float32:
        """float32[n_movies]: the scores of a user of the fitted data (no history: zeros)."""
        if user < 0:
            return self.score_history(np.empty(0, np.int32), np.empty(0, np.float32))
        by_user, items = self.seen_
        rows = by_user.of(user)
        return self.score_history(items[rows], self.ratings_[rows])

    def recommend(self, user_id: Hashable, n: int = 10) -> list[Any]:
        """At most n distinct raw movie ids that the user has not rated, best first."""
        return recommend(self, user_id, n)


def top(scores: Float32, n: int, *, drop: Int32 = NOTHING) -> NDArray[np.int64]:
    """int64[<= n]: the indices of the n highest scores, best first; of equal scores the lower index comes first.

    Args:
        scores: float32[m]; those that are -inf or not a number never enter.
        n: how many at most; below 1 there are none.
        drop: indices that never enter; those outside 0..m-1 are ignored.
    """
    left = np.isfinite(scores) | (scores == np.inf)
    left[drop[(drop >= 0) & (drop < len(scores))]] = False
    indices = np.flatnonzero(left)
    values = scores[indices]
    if 0 < n < len(values):
        threshold = np.partition(values, len(values) - n)[len(values) - n]
        enough = values >= threshold
        indices, values = indices[enough], values[enough]
    # The sort is stable, and the indices rise: ties keep the lower index first.
    return indices[np.argsort(-values, kind="stable")[: max(n, 0)]]


def join_arrays(parts: Mapping[str, Mapping[str, NDArray[Any]]]) -> Arrays:
    """The arrays of all parts, each under the name of its part, such as ``rating/user_bias``."""
    return {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def expect(array: NDArray[Any], *shape: int) -> None:
    """Refuse an array of another shape: compiled loops read past its end without a word.

    Raises:
        ValueError: it has another shape.
    """
    if array.shape != shape:
        raise ValueError(f"an array has the shape {array.shape} instead of {shape}")


def part_of(arrays: Mapping[str, NDArray[Any]], part: str) -> Arrays:
    """The arrays of one part, under their own names; empty where there is no such part."""
    return {key.partition("/")[2]: array for key, array in arrays.items() if key.startswith(f"{part}/")}


def recommend(model: RatingModel | Ranker, user_id: Hashable, n: int) -> list[Any]:
    """Score the whole catalogue for one user, drop what the user rated, and keep the n best."""
    user = model.user_ids_.index(user_id)
    by_user, items = model.seen_
    seen = items[by_user.of(user)] if user >= 0 else np.empty(0, np.int32)
    return [model.movie_ids_.raw(int(movie)) for movie in top(model.score_user(user), n, drop=seen)]

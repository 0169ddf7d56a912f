"""Neural collaborative filtering: networks that correct a factorisation, trained on out-of-fold embeddings."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from engine.data.arrays import Arrays, Float32, Int32, check_lengths
from engine.data.ratings import Interactions
from engine.data.splits import place_in_history
from engine.models.base import ModelConfig, RatingModel, Vector
from engine.models.embeddings import Embeddings, Knowledge
from engine.models.ensemble import EnsembleTrainer, Inputs
from engine.models.hyperparameters import Patience, Seed, default
from engine.models.networks import Layers, TrainingRows

if TYPE_CHECKING:
    from sklearn.neural_network import MLPRegressor

PAIRS_AT_ONCE = 1 << 11  # predictions computed together, so that their layers fit into a processor's cache
RATINGS_AT_ONCE = 1 << 18  # ratings folded in together, which bounds the memory
MAX_TAUGHT = 1_000_000  # ratings that the networks are taught; larger data are sampled
MIN_PER_PART = 2  # ratings per part below which embeddings are learned from all ratings
FIRST = (0, 1, 2, 3, 5, 8, 12, 20)  # history lengths of the newcomers that the networks train on
NEWCOMERS = 0.1  # share of the ratings that are taught a second time, as those of a newcomer
NEW_MOVIES = 0.02  # share of the ratings that are taught a second time, as those of a movie that nobody rated before
MIN_NEWCOMERS = 2000  # small data use a larger share, up to a quarter, to reach this many

Size = Annotated[int, Field(ge=1, le=512)]


def _sizes(value: Any) -> Any:
    """The tuple of sizes from a JSON or TOML list, or from text such as ``64, 32``."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        return value
    return tuple(int(part) if isinstance(part, str) and part.strip().isdecimal() else part for part in parts)


field = partial(default, "ncf")


class NeuralCFConfig(ModelConfig):
    """Hyperparameters of the neural collaborative filter, with defaults from ``hyperparameters.toml``."""

    kind: ClassVar[str] = "ncf"

    factors: int = field("factors", ge=1, le=128, description="Length of each person's and movie's embedding.")
    hidden: Annotated[tuple[Size, ...], BeforeValidator(_sizes)] = field(
        "hidden",
        min_length=1,
        max_length=3,
        title="Hidden layers",
        description="Width of each hidden layer, such as 64, 32.",
    )
    networks: int = field("networks", ge=1, le=10, description="Number of networks whose predictions are averaged.")
    epochs: int = field(
        "epochs",
        ge=1,
        le=1000,
        description="Passes of the networks over all ratings, or over 250,000 of them where there are more.",
    )
    learning_rate: float = field(
        "learning_rate", gt=0, le=0.1, description="Step of the Adam optimiser; too high is unstable."
    )
    regularization: float = field(
        "regularization", ge=0, le=1000, description="L2 penalty that keeps the networks' correction small."
    )
    batch_size: int = field("batch_size", ge=8, le=65_536, description="Ratings per gradient step.")
    parts: int = field(
        "parts",
        ge=2,
        le=20,
        description="Each part of the ratings is taught with embeddings learned from the other parts. Of more than a "
        "million ratings, as many parts are taught as have a million.",
    )
    iterations: int = field(
        "iterations",
        ge=1,
        le=200,
        title="Embedding iterations",
        description="Rounds over people and movies when embeddings are learned.",
    )
    audience: int = field(
        "audience",
        ge=0,
        le=128,
        description="Features of a movie that tell who rated it, however it was rated; 0 is none.",
    )
    patience: Patience = field("patience")
    seed: Seed = field("seed")


class NeuralCF(RatingModel):
    """The prediction of a factorisation plus a correction by multilayer perceptrons on embeddings and features.

    Neural collaborative filtering (He, Liao, Zhang, Nie, Hu and Chua 2017) on scikit-learn's ``MLPRegressor``, with two
    changes that decide its accuracy. Training embeddings are *out of fold*: those of a part of the ratings are learned
    from the other parts, since embeddings never know the rating to predict when serving (stacked generalisation,
    Wolpert 1992). And the networks learn the residuals of the factorisation, so the L2 penalty pulls towards the
    factorisation instead of zero.

    Some ratings are taught a second time with only the first few ratings of their user, so that the networks know
    newcomers too (as in DropoutNet: Volkovs, Yu and Poutanen 2017). Others are taught again as ratings of a movie that
    nobody had rated: those without ratings in the training data are obscure, later ones may just be new. Inputs are
    clipped to the range seen in training.

    The first layer is linear, so it splits into a user's part and a movie's part, each computed once, and a part for
    the few inputs of the pair. A vector holds ``[first layer | base | factors and tastes]``.

    Attributes:
        user_vectors_: float32[n_users, v].
        movie_vectors_: float32[n_movies + 1, v]; the last row is any other movie.
        nobody_: float32[v], the vector of a user without ratings.
        taught_: float32[2, d], lowest and highest training value of each input of users and movies.
        embeddings_: Embeddings, learned from all ratings.
    """

    config: NeuralCFConfig

    def __init__(self, config: NeuralCFConfig | None = None) -> None:
        self.config = config or NeuralCFConfig()

    # -- learning ----------------------------------------------------------------------------------------------------

    def epochs(self, data: Interactions) -> Generator[float | str, None, None]:
        """Train: yields the names of the steps before the first epoch, then each epoch's mean squared error."""
        self.begin(data)
        taught = yield from self._teach(data)
        users, movies = self.embeddings_.users_, self.embeddings_.movies()
        networks = [self._network(n) for n in range(self.config.networks)]
        moments, self.taught_ = taught.moments(), taught.ends()
        trainer = EnsembleTrainer(networks, Inputs(taught, moments), self.config.seed)
        for _ in range(self.config.epochs):
            with _one_thread():
                error = trainer.epoch()
            self._finish(networks, moments, users, movies)
            yield error

    def _teach(self, data: Interactions) -> Generator[str, None, TrainingRows]:
        """Learn the embeddings of all ratings, and for each part that is taught those of the other parts."""
        parts, taught = division(len(data), self.config.parts)
        rng = np.random.default_rng(self.config.seed)
        part, place = rng.permutation(len(data)) % parts, place_in_history(data)
        reference: Embeddings | None = None
        known, new, unrated = [], [], []
        firsts = rng.choice(FIRST, (parts, data.n_users))  # history length of each newcomer, by part
        for number in range(taught):
            if parts > 1:
                yield f"Learning embeddings {number + 1} of {taught + 1}"
            rest = part != number if parts > 1 else np.ones(len(data), bool)
            learned = self._embed(data.subset(rest) if parts > 1 else data, reference)
            reference = reference or learned
            movies = learned.movies()
            known.append((learned.users_, movies))
            first = data.subset(rest & (place < firsts[number][data.users]))
            with _one_thread():
                new.append((learned.fold_in_users(first.users, first.items, first.ratings, data.n_users), movies))
                unrated.append((learned.users_, learned.new_movies()))
        if parts > 1:
            yield f"Learning embeddings {taught + 1} of {taught + 1}"
        self.embeddings_ = self._embed(data, reference)
        self.embeddings_.remember_raters()
        ratings = np.flatnonzero(part < taught)
        again = max(NEWCOMERS, min(MIN_NEWCOMERS / len(data), 0.25))
        later = ratings[place[ratings] >= firsts[part[ratings], data.users[ratings]]]
        later = later[rng.random(len(later)) < again]
        some = ratings[rng.random(len(ratings)) < NEW_MOVIES]
        table = np.concatenate([part[ratings], taught + part[later], 2 * taught + part[some]])
        rows = np.concatenate([ratings, later, some])
        return TrainingRows(data, rows, table, known + new + unrated, self.embeddings_.pairs_)

    def _embed(self, data: Interactions, reference: Embeddings | None) -> Embeddings:
        config = self.config
        with _one_thread():
            return Embeddings.learn(data, config.factors, config.iterations, config.seed, reference, config.audience)

    def _network(self, number: int) -> MLPRegressor:
        from sklearn.neural_network import MLPRegressor  # only training needs it, and it takes a second to load

        config = self.config
        return MLPRegressor(
            hidden_layer_sizes=config.hidden,
            alpha=config.regularization,
            batch_size=config.batch_size,
            learning_rate_init=config.learning_rate,
            random_state=(config.seed + number) % 2**32,
            shuffle=False,
        )

    def _finish(
        self, networks: list[MLPRegressor], moments: tuple[Float32, Float32], users: Knowledge, movies: Knowledge
    ) -> None:
        """Rearrange the networks for prediction, and compute all vectors."""
        self.layers_ = Layers.of(networks, moments, users.inputs.shape[1], movies.inputs.shape[1])
        self.user_vectors_, self.movie_vectors_ = self._user_vectors(users), self._movie_vectors(movies)
        self.nobody_ = self.fold_in_user(np.empty(0, np.int32), np.empty(0, np.float32))

    def _user_vectors(self, side: Knowledge) -> Float32:
        """float32[n, v]: the vectors of n users."""
        inputs = self._kept_inside(side.inputs, slice(0, side.inputs.shape[1]))
        return np.hstack([inputs @ self.layers_.user, side.base[:, None], side.factors])

    def _movie_vectors(self, side: Knowledge) -> Float32:
        """float32[n, v]: the vectors of n movies."""
        inputs = self._kept_inside(side.inputs, slice(-side.inputs.shape[1], None))
        return np.hstack([inputs @ self.layers_.movie + self.layers_.intercept, side.base[:, None], side.factors])

    def _kept_inside(self, inputs: Float32, of: slice) -> Float32:
        """Inputs clipped to the training range; models of earlier releases have none."""
        if not self.taught_.shape[1]:
            return inputs
        low, high = self.taught_[:, of]
        return np.clip(inputs, low, high)

    # -- predicting --------------------------------------------------------------------------------------------------

    def _predict(self, users: Int32, movies: Int32) -> Float32:
        known = (users >= 0) & (users < len(self.user_vectors_))
        if known.all():
            return self._rate(self.user_vectors_, users, movies)
        vectors, rows = np.unique(np.where(known, users, -1), return_inverse=True)
        chosen = np.where((vectors >= 0)[:, None], self.user_vectors_[np.maximum(vectors, 0)], self.nobody_)
        return self._rate(chosen, rows.astype(np.int32), movies)

    @property
    def _learned_users(self) -> int:
        return len(self.user_vectors_)

    def predict_vector(self, vector: Vector, movies: Int32) -> Float32:
        """float32[n]: predicted ratings of a user with this vector, clipped to the scale."""
        return self._rate(vector.reshape(1, -1), np.zeros(len(movies), np.int32), movies)

    def _rate(self, vectors: Float32, users: Int32, movies: Int32) -> Float32:
        """float32[n]: predictions for these rows of the user vectors, clipped to the scale."""
        other = len(self.movie_vectors_) - 1
        rows = np.where((movies >= 0) & (movies < other), movies, other)
        out = np.empty(len(users), np.float32)
        for start in range(0, len(users), PAIRS_AT_ONCE):
            here = slice(start, start + PAIRS_AT_ONCE)
            user = vectors if len(vectors) == 1 else vectors[users[here]]
            out[here] = self._forward(user, self.movie_vectors_[rows[here]])
        return np.clip(out, *self.scale_)

    def _forward(self, user: Float32, movie: Float32) -> Float32:
        """float32[n]: the factorisation's prediction plus the mean of the networks' corrections."""
        layers, width = self.layers_, self.layers_.pair.shape[1]
        products = user[:, width + 1 :] * movie[:, width + 1 :]
        pairs = self.embeddings_.pairs_.sums(products, user[:, width] + movie[:, width])
        corrections = layers.sum_corrections(user[:, :width] + movie[:, :width], pairs)
        return np.asarray(pairs[:, -1] + corrections / np.float32(self.config.networks))

    def user_vector(self, user: int) -> Vector:
        """float32[v]: a user's vector; for an unknown user that of one without ratings."""
        return self.user_vectors_[user] if 0 <= user < len(self.user_vectors_) else self.nobody_

    def fold_in_user(self, movies: Int32, ratings: Float32) -> Vector:
        """float32[v]: the vector that follows from these ratings; the training ratings give the learned vector."""
        check_lengths(movies=movies, ratings=ratings)
        known = (movies >= 0) & (movies < len(self.embeddings_.engineer_.movies_) - 1)
        vector: Float32 = self._user_vectors(self.embeddings_.fold_in(movies[known], ratings[known]))[0]
        return vector

    @property
    def folds_movies(self) -> bool:
        """False for models of earlier releases, which lack the arrays for it."""
        return self.embeddings_.factorization_.raters_ is not None

    def movie_vector(self, movie: int) -> Vector:
        """float32[v]: a movie's vector; for an unknown movie the last row."""
        other = len(self.movie_vectors_) - 1
        vector: Float32 = self.movie_vectors_[movie if 0 <= movie < other else other]
        return vector

    def fold_in_movie(self, users: Int32, ratings: Float32, movie: int = -1) -> Vector:
        """float32[v]: the movie's vector with these ratings: new features and embedding, the same networks.

        Raises:
            ValueError: ``folds_movies`` is false.
        """
        check_lengths(users=users, ratings=ratings)
        vector: Float32 = self._movie_vectors(self.embeddings_.fold_in_movie(users, ratings, movie))[0]
        return vector

    def fold_in_without_each(self, movies: Int32, ratings: Float32) -> NDArray[Any]:
        """float32[n, v]: the vectors of ``fold_in_user`` with each rating left out in turn, folded in n times."""
        check_lengths(movies=movies, ratings=ratings)
        known = np.flatnonzero((movies >= 0) & (movies < len(self.embeddings_.engineer_.movies_) - 1))
        out = np.tile(self.fold_in_user(movies, ratings), (len(movies), 1))  # unknown movies change nothing
        for rows in np.array_split(known, -(-(len(known) ** 2) // RATINGS_AT_ONCE)) if len(known) else []:
            side = self.embeddings_.fold_in_without(np.searchsorted(known, rows), movies[known], ratings[known])
            out[rows] = self._user_vectors(side)
        return out

    def unclipped(self, users: NDArray[Any], movies: NDArray[Any]) -> Float32:
        """float32[n]: the factorisation's predictions plus the networks' mean correction, not clipped."""
        out = np.empty(max(len(users), len(movies)) if len(users) and len(movies) else 0, np.float32)
        for start in range(0, len(out), PAIRS_AT_ONCE):
            here = slice(start, start + PAIRS_AT_ONCE)
            out[here] = self._forward(*(side if len(side) == 1 else side[here] for side in (users, movies)))
        return out

    def get_user_embedding(self, user_id: Hashable) -> Float32:
        """float32[factors]: a user's factors; for an unknown user those of one without ratings."""
        return self._factors(self.user_vector(self.find_user(user_id)))

    def get_movie_embedding(self, movie_id: Hashable) -> Float32:
        """float32[factors]: a movie's factors; for an unknown movie those of the last row."""
        movie = self.find_movie(movie_id)  # -1, the last row, stands for any other movie
        return self._factors(self.movie_vectors_[movie])

    def biases_and_factors(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """float32[n, 1 + factors] of users, and of movies: bias and factors of each in the factorisation."""
        bias = self.config.networks * self.config.hidden[0]
        part = slice(bias, bias + 1 + self.config.factors)
        users = self.user_vectors_[:, part].copy()
        users[:, 0] -= np.float32(self.embeddings_.factorization_.mean_)  # the vectors' bias includes it
        return users, self.movie_vectors_[:-1, part]  # the last row stands for unknown movies

    def _factors(self, vector: Float32) -> Float32:
        first = self.config.networks * self.config.hidden[0] + 1
        return vector[first : first + self.config.factors].copy()

    # -- stored with a version ---------------------------------------------------------------------------------------

    def arrays(self) -> Arrays:
        """Learned arrays by name."""
        layers = self.layers_
        own: Arrays = {
            "scale": np.array([*self.scale_, *self.given_], np.float64),
            "taught": self.taught_,
            "user_vectors": self.user_vectors_,
            "movie_vectors": self.movie_vectors_,
            "nobody": self.nobody_,
            "user_weights": layers.user,
            "pair_weights": layers.pair,
            "movie_weights": layers.movie,
            "intercept": layers.intercept,
        }
        deep = {f"deep_weights_{number}": weights for number, weights in enumerate(layers.deep)}
        return own | deep | self.embeddings_.arrays()

    @classmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> Self:
        """Rebuild a model from ``arrays()``; earlier releases stored only the users' part of the first layer."""
        model = cls(NeuralCFConfig.model_validate(config.model_dump()))
        low, high, *given = arrays["scale"].tolist()
        lowest, highest = given or (low, high)
        model.scale_, model.given_ = (low, high), (lowest, highest)
        model.user_vectors_, model.movie_vectors_ = arrays["user_vectors"], arrays["movie_vectors"]
        model.nobody_ = arrays["nobody"]
        nothing = np.empty((0, 0), np.float32)
        model.taught_ = arrays.get("taught", np.empty((2, 0), np.float32))
        deep = tuple(arrays[f"deep_weights_{number}"] for number in range(len(model.config.hidden)))
        movie, intercept = arrays.get("movie_weights", nothing), arrays.get("intercept", nothing)
        model.layers_ = Layers(arrays["user_weights"], movie, arrays["pair_weights"], intercept, deep)
        chosen = model.config
        model.embeddings_ = Embeddings.from_arrays(chosen.factors, chosen.iterations, chosen.seed, arrays)
        return model


def _one_thread() -> AbstractContextManager[Any]:
    """One BLAS thread: the same order of sums on every machine, and small matrices gain nothing from more."""
    limit: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limit


def division(ratings: int, parts: int) -> tuple[int, int]:
    """Number of parts that ratings are divided into, and of those that are taught: all, or ``MAX_TAUGHT`` ratings."""
    if ratings < parts * MIN_PER_PART:
        return 1, 1
    parts = max(parts, -(-ratings // MAX_TAUGHT))
    return parts, min(parts, MAX_TAUGHT // -(-ratings // parts))

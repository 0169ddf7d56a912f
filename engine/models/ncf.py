"""Neural collaborative filtering: a network that corrects a factorisation, taught on embeddings it can trust."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from engine.data.arrays import Arrays, Float32, Int32, check_lengths
from engine.data.ratings import Interactions
from engine.data.splits import place_in_history
from engine.models.base import ModelConfig, RatingModel, Vector
from engine.models.embeddings import Embeddings, Knowledge, PairInputs
from engine.models.hyperparameters import Patience, Seed, default

if TYPE_CHECKING:
    from sklearn.neural_network import MLPRegressor

ROWS_AT_ONCE = 1 << 18  # ratings whose inputs are in memory together
PAIRS_AT_ONCE = 1 << 11  # predictions computed together: their layers fit into a processor's cache
RATINGS_AT_ONCE = 1 << 18  # folded in together: what is computed of each takes memory
MIN_PER_PART = 2  # ratings of a part below which the embeddings are learned of all ratings
FIRST = (0, 1, 2, 3, 5, 8, 12, 20)  # numbers of first ratings that the networks are taught newcomers by
NEWCOMERS = 0.1  # this part of the ratings is taught a second time, as if their user had just come
MIN_NEWCOMERS = 2000  # of few ratings a larger part, up to a quarter, so that there are as many of these

Size = Annotated[int, Field(ge=1, le=512)]


def _sizes(value: Any) -> Any:
    """Sizes as they are written in JSON or TOML, or typed (``64, 32``, or its parts), as the tuple they are kept as."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        return value
    return tuple(int(part) if isinstance(part, str) and part.strip().isdecimal() else part for part in parts)


class NeuralCFConfig(ModelConfig):
    """Hyperparameters of the neural collaborative filter; ``hyperparameters.toml`` holds their defaults."""

    factors: int = default(
        "ncf",
        "factors",
        ge=1,
        le=128,
        title="Factors",
        description="Length of the embedding learned for each user and movie.",
    )
    hidden: Annotated[tuple[Size, ...], BeforeValidator(_sizes)] = default(
        "ncf",
        "hidden",
        min_length=1,
        max_length=3,
        title="Hidden layers",
        description="Width of each hidden layer, such as 64, 32.",
    )
    networks: int = default(
        "ncf",
        "networks",
        ge=1,
        le=10,
        title="Networks",
        description="So many networks are trained and their predictions averaged.",
    )
    epochs: int = default(
        "ncf", "epochs", ge=1, le=1000, title="Epochs", description="Passes of the networks over all ratings."
    )
    learning_rate: float = default(
        "ncf",
        "learning_rate",
        gt=0,
        le=0.1,
        title="Learning rate",
        description="Step of the Adam optimiser; too high is unsteady.",
    )
    regularization: float = default(
        "ncf",
        "regularization",
        ge=0,
        le=1000,
        title="Regularization",
        description="L2 penalty that pulls the correction towards none.",
    )
    batch_size: int = default(
        "ncf",
        "batch_size",
        ge=8,
        le=65_536,
        title="Batch size",
        description="Ratings from which each step is computed.",
    )
    parts: int = default(
        "ncf",
        "parts",
        ge=2,
        le=20,
        title="Parts",
        description="The inputs of each part of the ratings come from embeddings learned on the other parts.",
    )
    iterations: int = default(
        "ncf",
        "iterations",
        ge=1,
        le=200,
        title="Embedding iterations",
        description="Turns of users and movies when embeddings are learned.",
    )
    patience: Patience = default("ncf", "patience")
    seed: Seed = default("ncf", "seed")


@dataclass(frozen=True)
class _Layers:
    """Trained networks, rearranged for prediction: the first layer is split by what its inputs belong to.

    Attributes:
        user, movie, pair: float32[d, networks * h], the first layer's rows for inputs of users, movies and pairs.
        intercept: float32[networks * h].
        deep: by further layer float32[networks, inputs + 1, outputs], the intercepts in the last row.
    """

    user: Float32
    movie: Float32
    pair: Float32
    intercept: Float32
    deep: tuple[Float32, ...]


class NeuralCF(RatingModel):
    """A factorisation's prediction plus what multilayer perceptrons make of embeddings and features.

    Neural collaborative filtering (He, Liao, Zhang, Nie, Hu and Chua 2017) on scikit-learn's ``MLPRegressor``, with two
    changes that decide its accuracy. The embeddings a network is taught on are *out of fold*: those of a rating's part
    are learned without this part, as embeddings at serving time know nothing of the rating to predict (stacked
    generalisation, Wolpert 1992). And the networks learn what the factorisation leaves unexplained, so that the L2
    penalty pulls towards the factorisation instead of towards nothing.

    A part of the ratings is taught a second time with only the first few ratings of their user, so that the networks
    know newcomers as well (as DropoutNet does: Volkovs, Yu and Poutanen 2017). What goes into the first layer is kept
    inside what was taught.

    The first layer is linear, so it falls apart into a user's part and a movie's part, each computed once, and a part
    for the few inputs that belong to the pair. A vector holds ``[first layer | base | factors and tastes]``.

    Attributes:
        user_vectors_: float32[n_users, v].
        movie_vectors_: float32[n_movies + 1, v]; the last row stands for any other movie.
        nobody_: float32[v], the vector of a user without ratings.
        taught_: float32[2, d], the lowest and the highest value of each input of users and movies that was taught.
        embeddings_: Embeddings, learned from all ratings.
    """

    kind = "ncf"
    config: NeuralCFConfig

    def __init__(self, config: NeuralCFConfig | None = None) -> None:
        self.config = config or NeuralCFConfig()

    # -- learning ----------------------------------------------------------------------------------------------------

    def epochs(self, data: Interactions) -> Generator[float | str, None, None]:
        """Learn: yields what is done before the first epoch in words, then the mean squared error of each epoch."""
        self.begin(data)
        taught = yield from self._teach(data)
        users, movies = self.embeddings_.users_, self.embeddings_.movies()
        networks = [self._network(n, len(taught)) for n in range(self.config.networks)]
        rng = np.random.default_rng(self.config.seed)
        moments, self.taught_ = taught.moments(), taught.ends()
        for _ in range(self.config.epochs):
            error = 0.0
            chunks = np.array_split(rng.permutation(len(taught)), -(-len(taught) // ROWS_AT_ONCE))
            for done, rows in enumerate(chunks):
                if done:
                    yield f"Teaching the networks, piece {done + 1} of {len(chunks)}"
                error += self._step(networks, taught, rows, moments)
            self._finish(networks, moments, users, movies)
            yield error / len(taught)

    def _teach(self, data: Interactions) -> Generator[str, None, _Taught]:
        """Learn the embeddings, and for each part of the ratings those of the other parts."""
        parts = self.config.parts if len(data) >= self.config.parts * MIN_PER_PART else 1
        rng = np.random.default_rng(self.config.seed)
        part, place = rng.permutation(len(data)) % parts, place_in_history(data)
        reference: Embeddings | None = None
        known, new = [], []
        firsts = rng.choice(FIRST, (parts, data.n_users))  # ratings of a newcomer known while a part is taught
        for number in range(parts):
            if parts > 1:
                yield f"Learning embeddings {number + 1} of {parts + 1}"
            rest = part != number if parts > 1 else np.ones(len(data), bool)
            learned = self._embed(data.subset(rest) if parts > 1 else data, reference)
            reference = reference or learned
            movies = learned.movies()
            known.append((learned.users_, movies))
            first = data.subset(rest & (place < firsts[number][data.users]))
            with _one_thread():
                new.append((learned.fold_in_users(first.users, first.items, first.ratings, data.n_users), movies))
        if parts > 1:
            yield f"Learning embeddings {parts + 1} of {parts + 1}"
        self.embeddings_ = self._embed(data, reference)
        self.embeddings_.remember_raters()
        again = max(NEWCOMERS, min(MIN_NEWCOMERS / len(data), 0.25))
        later = np.flatnonzero((place >= firsts[part, data.users]) & (rng.random(len(data)) < again))
        ratings = np.concatenate([np.arange(len(data)), later])
        table = np.concatenate([part, parts + part[later]])
        return _Taught(data, ratings, table, known + new, self.embeddings_.pairs_)

    def _embed(self, data: Interactions, reference: Embeddings | None) -> Embeddings:
        config = self.config
        with _one_thread():
            return Embeddings.learn(data, config.factors, config.iterations, config.seed, reference)

    def _network(self, number: int, rows: int) -> MLPRegressor:
        from sklearn.neural_network import MLPRegressor  # only training needs it, and it takes a second to load

        config = self.config
        return MLPRegressor(
            hidden_layer_sizes=config.hidden,
            alpha=config.regularization,
            batch_size=min(config.batch_size, rows, ROWS_AT_ONCE // 2),
            learning_rate_init=config.learning_rate,
            random_state=(config.seed + number) % 2**32,
        )

    def _step(
        self, networks: list[MLPRegressor], taught: _Taught, rows: NDArray[np.int64], moments: tuple[Float32, Float32]
    ) -> float:
        """Teach all networks some rows; the sum of squared errors of their mean afterwards."""
        inputs, left = taught.rows(rows)
        inputs = (inputs - moments[0]) / moments[1]
        corrections = np.zeros(len(rows))
        with _one_thread():
            for network in networks:
                network.partial_fit(inputs, left)
                corrections += network.predict(inputs)
        return float(np.sum((left - corrections / len(networks)) ** 2))

    def _finish(
        self, networks: list[MLPRegressor], moments: tuple[Float32, Float32], users: Knowledge, movies: Knowledge
    ) -> None:
        """Rearrange the networks for prediction, and compute every user's and movie's vector."""
        self.layers_ = _rearrange(networks, moments, users.inputs.shape[1], movies.inputs.shape[1])
        self.user_vectors_, self.movie_vectors_ = self._user_vectors(users), self._movie_vectors(movies)
        self.nobody_ = self.fold_in_user(np.empty(0, np.int32), np.empty(0, np.float32))

    def _user_vectors(self, side: Knowledge) -> Float32:
        """float32[n, v], from what is known of n users."""
        inputs = self._kept_inside(side.inputs, slice(0, side.inputs.shape[1]))
        return np.hstack([inputs @ self.layers_.user, side.base[:, None], side.factors])

    def _movie_vectors(self, side: Knowledge) -> Float32:
        """float32[n, v], from what is known of n movies."""
        inputs = self._kept_inside(side.inputs, slice(-side.inputs.shape[1], None))
        return np.hstack([inputs @ self.layers_.movie + self.layers_.intercept, side.base[:, None], side.factors])

    def _kept_inside(self, inputs: Float32, of: slice) -> Float32:
        """Inputs inside what was taught; those of a model of an earlier release stay as they are."""
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
        """float32[n]: the ratings that a user with this vector gives, clipped to the scale."""
        return self._rate(vector.reshape(1, -1), np.zeros(len(movies), np.int32), movies)

    def _rate(self, vectors: Float32, users: Int32, movies: Int32) -> Float32:
        """float32[n]: what the users with these rows of the vectors give, clipped to the scale."""
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
        hidden = user[:, :width] + movie[:, :width]
        hidden += pairs @ layers.pair
        np.maximum(hidden, 0, out=hidden)
        corrections = np.zeros(len(hidden), np.float32)
        for network, values in enumerate(np.split(hidden, len(layers.deep[0]), axis=1)):
            for layer, weights in enumerate(layers.deep):
                values = values @ weights[network, :-1] + weights[network, -1]
                if layer < len(layers.deep) - 1:
                    np.maximum(values, 0, out=values)
            corrections += values[:, 0]
        return np.asarray(pairs[:, -1] + corrections / np.float32(self.config.networks))

    def user_vector(self, user: int) -> Vector:
        """float32[v]: what was learned of a user; that of a user without ratings for an unknown one."""
        return self.user_vectors_[user] if 0 <= user < len(self.user_vectors_) else self.nobody_

    def fold_in_user(self, movies: Int32, ratings: Float32) -> Vector:
        """float32[v]: the vector that follows from these ratings; equal ratings give what was learned of them."""
        check_lengths(movies=movies, ratings=ratings)
        known = (movies >= 0) & (movies < len(self.embeddings_.engineer_.movies_) - 1)
        vector: Float32 = self._user_vectors(self.embeddings_.fold_in(movies[known], ratings[known]))[0]
        return vector

    @property
    def folds_movies(self) -> bool:
        """False for a model stored before what folding movies in needs was kept."""
        return self.embeddings_.factorization_.raters_ is not None

    def movie_vector(self, movie: int) -> Vector:
        """float32[v]: what was learned of a movie; that of a movie of which nothing is known for an unknown one."""
        other = len(self.movie_vectors_) - 1
        vector: Float32 = self.movie_vectors_[movie if 0 <= movie < other else other]
        return vector

    def fold_in_movie(self, users: Int32, ratings: Float32, movie: int = -1) -> Vector:
        """float32[v]: the movie's vector with these ratings: its features and embedding anew, the networks kept.

        Raises:
            ValueError: the model is one of those that ``folds_movies`` is false for.
        """
        check_lengths(users=users, ratings=ratings)
        vector: Float32 = self._movie_vectors(self.embeddings_.fold_in_movie(users, ratings, movie))[0]
        return vector

    def fold_in_without_each(self, movies: Int32, ratings: Float32) -> NDArray[Any]:
        """float32[n, v]: the vectors of ``fold_in_user`` with each rating left out in turn: n times folded in."""
        check_lengths(movies=movies, ratings=ratings)
        known = np.flatnonzero((movies >= 0) & (movies < len(self.embeddings_.engineer_.movies_) - 1))
        out = np.tile(self.fold_in_user(movies, ratings), (len(movies), 1))  # what is not known changes nothing
        for rows in np.array_split(known, -(-(len(known) ** 2) // RATINGS_AT_ONCE)) if len(known) else []:
            side = self.embeddings_.fold_in_without(np.searchsorted(known, rows), movies[known], ratings[known])
            out[rows] = self._user_vectors(side)
        return out

    def unclipped(self, users: NDArray[Any], movies: NDArray[Any]) -> Float32:
        """float32[n]: the factorisation's predictions plus the mean of the networks' corrections, not clipped yet."""
        out = np.empty(max(len(users), len(movies)) if len(users) and len(movies) else 0, np.float32)
        for start in range(0, len(out), PAIRS_AT_ONCE):
            here = slice(start, start + PAIRS_AT_ONCE)
            out[here] = self._forward(*(side if len(side) == 1 else side[here] for side in (users, movies)))
        return out

    def get_user_embedding(self, user_id: Hashable) -> Float32:
        """float32[factors]: the user's factors; those of a user without ratings for an unknown one."""
        return self._factors(self.user_vector(self.find_user(user_id)))

    def get_movie_embedding(self, movie_id: Hashable) -> Float32:
        """float32[factors]: the movie's factors; those of a movie of which nothing is known for an unknown one."""
        movie = self.find_movie(movie_id)  # -1, the last row, stands for any other movie
        return self._factors(self.movie_vectors_[movie])

    def _factors(self, vector: Float32) -> Float32:
        first = self.config.networks * self.config.hidden[0] + 1
        return vector[first : first + self.config.factors].copy()

    # -- stored with a version ---------------------------------------------------------------------------------------

    def arrays(self) -> Arrays:
        """What was learned."""
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
        """The model that ``arrays()`` was taken from; of an earlier release's first layer only what users need."""
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
        model.layers_ = _Layers(arrays["user_weights"], movie, arrays["pair_weights"], intercept, deep)
        chosen = model.config
        model.embeddings_ = Embeddings.from_arrays(chosen.factors, chosen.iterations, chosen.seed, arrays)
        return model


def _one_thread() -> AbstractContextManager[Any]:
    """Sums in one order, whatever the machine, and no fight for processors over matrices as small as these."""
    limit: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limit


@dataclass(frozen=True)
class _Taught:
    """What the networks are taught on: each row a rating with the inputs of embeddings that do not know it.

    Attributes:
        data: the ratings.
        ratings: int64[m], the rating of each row.
        table: int64[m], which of the tables its inputs come from.
        tables: what the ratings outside a part say of users and movies; all of them, or the users' first ones only.
        pairs: how both make a pair's inputs.
    """

    data: Interactions
    ratings: NDArray[np.int64]
    table: NDArray[np.int64]
    tables: list[tuple[Knowledge, Knowledge]]
    pairs: PairInputs

    def __len__(self) -> int:
        return len(self.ratings)

    def rows(self, rows: NDArray[np.int64]) -> tuple[Float32, Float32]:
        """float32[n, d]: the inputs of some rows; float32[n]: what the factorisation leaves of their ratings."""
        inputs, base = None, np.empty(len(rows), np.float32)
        for number, (users, movies) in enumerate(self.tables):
            here = np.flatnonzero(self.table[rows] == number)
            some = self.ratings[rows[here]]
            found, base[here] = self.pairs.of(users, movies, self.data.users[some], self.data.items[some])
            inputs = np.empty((len(rows), found.shape[1]), np.float32) if inputs is None else inputs
            inputs[here] = found
        assert inputs is not None  # there is at least one table
        return inputs, self.data.ratings[self.ratings[rows]] - base

    def moments(self) -> tuple[Float32, Float32]:
        """float32[d] twice: mean and scale of the inputs, from a part of the rows where there are many."""
        step = -(-len(self) // ROWS_AT_ONCE)
        inputs, _ = self.rows(np.arange(0, len(self), step))
        return inputs.mean(axis=0), self.pairs.level(inputs.std(axis=0), self.tables[0][0].inputs.shape[1])

    def ends(self) -> Float32:
        """float32[2, d]: the lowest and the highest value of the inputs of users, then of movies."""
        return np.hstack([self._ends(0, self.data.users), self._ends(1, self.data.items)])

    def _ends(self, side: int, keys: Int32) -> Float32:
        used = ((number, self.ratings[self.table == number]) for number in range(len(self.tables)))
        inputs = [self.tables[number][side].inputs[np.unique(keys[rows])] for number, rows in used if len(rows)]
        return np.stack(
            [np.min([one.min(axis=0) for one in inputs], axis=0), np.max([one.max(axis=0) for one in inputs], axis=0)]
        )


def _rearrange(networks: list[MLPRegressor], moments: tuple[Float32, Float32], users: int, movies: int) -> _Layers:
    """Fold the inputs' normalisation into the first layer, and split it."""
    mean, spread = moments
    first = np.hstack([network.coefs_[0] for network in networks]) / spread[:, None]
    intercept = np.concatenate([network.intercepts_[0] for network in networks]) - mean @ first
    deep = tuple(
        np.array([np.vstack([n.coefs_[layer], n.intercepts_[layer]]) for n in networks], np.float32)
        for layer in range(1, len(networks[0].coefs_))
    )
    user, movie, pair = (np.ascontiguousarray(rows, np.float32) for rows in np.split(first, [users, users + movies]))
    return _Layers(user, movie, pair, intercept.astype(np.float32), deep)

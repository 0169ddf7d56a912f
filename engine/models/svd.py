"""Biased matrix factorisation: Surprise's SVD with a compiled inner loop on arrays."""

from collections.abc import Callable, Generator, Hashable
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from surprise import SVD

from engine.data.arrays import Arrays, Float32, Int32, Int64, check_lengths
from engine.data.ratings import Interactions
from engine.models.base import ModelConfig, RatingModel, Vector, expect
from engine.models.hyperparameters import AUTO, Auto, Patience, Seed, default
from engine.models.ridge import fold_in_owners
from engine.models.shrinkage import BIAS, FACTORS, KeptOut, Penalty, Side, learn_prior
from engine.models.svd_auto import FASTER, MAX_RATE, Size, choose_size
from engine.models.svd_kernels import exact_epoch, fast_epoch, predict_pairs

CHOSEN = ("factors", "regularization")
"""Hyperparameters that may be ``auto``."""
WIDTH = 4.5  # width of the scale to which float32 training stretches the ratings
INITIAL_SPREAD = 0.1  # standard deviation of the initial factors, as in Surprise
LANES = 8  # float32 factors in one vector register; training pads rows to a multiple


field = partial(default, "svd")


class MatrixFactorizationConfig(ModelConfig):
    """Hyperparameters of the factorisation, with defaults from ``hyperparameters.toml``."""

    kind: ClassVar[str] = "svd"

    factors: Annotated[int, Field(ge=1, le=1000)] | Auto = field(
        "factors", description="Length of each user's and movie's vector; auto chooses it on held-out ratings."
    )
    epochs: int = field("epochs", ge=1, le=1000, description="Maximum passes over all ratings.")
    learning_rate: float = field(
        "learning_rate", gt=0, le=1, description="Step of each update in the first epoch; too high diverges."
    )
    decay: float = field(
        "decay", gt=0, le=1, description="Learning rate of an epoch as a share of the one before; not with float64."
    )
    regularization: Annotated[float, Field(ge=0, le=10)] | Auto = field(
        "regularization",
        description="How strongly biases and factors are pulled to zero; auto chooses it on held-out ratings.",
    )
    patience: Patience = field("patience")
    seed: Seed = field("seed")
    precision: Literal["float32", "float64"] = field(
        "precision", description="float32 is fast; float64 matches Surprise's SVD exactly."
    )


class MatrixFactorizationModel(RatingModel, SVD):  # type: ignore[misc]  # Surprise carries no types
    """``mean + user bias + movie bias + user factors . movie factors``, learned by stochastic gradient descent.

    Attributes:
        mean_: mean of the training ratings.
        user_bias_, movie_bias_: [n_users], [n_movies].
        user_factors_, movie_factors_: [n_users, factors], [n_movies, factors]; zeros without ratings.
        penalties_: penalties for folding in users, and movies.
        settings_: the hyperparameters, with what was chosen in place of ``auto``.
    """

    leaves_out = "exact"
    config: MatrixFactorizationConfig
    settings_: MatrixFactorizationConfig

    def __init__(self, config: MatrixFactorizationConfig | None = None) -> None:
        self.config = config or MatrixFactorizationConfig()
        SVD.__init__(
            self,
            n_factors=self.config.factors,
            n_epochs=self.config.epochs,
            lr_all=self.config.learning_rate,
            reg_all=self.config.regularization,
            random_state=self.config.seed,
        )

    def epochs(self, data: Interactions) -> Generator[float | str, None, None]:
        """Train in Surprise's order: user by user, each user's ratings in their own order."""
        self.begin(data)
        if AUTO in (self.config.factors, self.config.regularization):
            yield "Choosing factors and regularization"
        self.settings_ = self.choose(data)
        self.penalties_ = self._learn_penalties(data)
        yield "Learning factors"  # keeps all of that out of the first epoch's time
        yield from self._learn(data)

    def choose(self, data: Interactions) -> MatrixFactorizationConfig:
        """The config with numbers in place of ``auto``, chosen on ratings held out from these (``svd_auto``)."""
        config = self.config
        fixed = {name: None if (value := getattr(config, name)) == AUTO else value for name in CHOSEN}
        if None not in fixed.values():
            return config
        faster = max(min(FASTER, MAX_RATE / config.learning_rate), 1.0)
        epochs = max(round(config.epochs / faster), 1)
        quick = {"epochs": epochs, "learning_rate": config.learning_rate * faster, "decay": config.decay**faster}
        trial = config.model_copy(update=quick)

        def predict(train: Interactions, test: Interactions, size: Size) -> Float32:
            model = self._settled(trial.model_copy(update=asdict(size)), train)
            losses = list(model._learn(train))
            found = model._predict(test.users, test.items)
            return found if np.isfinite(losses).all() else np.full_like(found, np.nan)

        return config.model_copy(update=asdict(choose_size(data, predict, config.seed, **fixed)))

    def _settled(self, settings: MatrixFactorizationConfig, data: Interactions) -> Self:
        """A model with these settings, ready to learn."""
        model = type(self)(settings)
        model.begin(data)
        model.settings_ = settings
        return model

    def _learn(self, data: Interactions) -> Generator[float, None, None]:
        order = data.by_user.order
        known = data.user_counts > 0, data.movie_counts > 0
        yield from self._descend(data.users[order], data.items[order], data.ratings[order], data.mean, known)

    def _learn_penalties(self, data: Interactions) -> tuple[Penalty, Penalty]:
        """Penalties for folding in users, and movies, from users and movies kept out of a factorisation."""
        start, kept_out = self._first_penalty(), KeptOut.draw(data, self.config.seed)
        if not len(kept_out.learned):
            return start, start
        model = self._settled(self.settings_, data)
        for _ in model._learn(kept_out.learned):
            pass
        movies, users = Side(model.movie_bias_, model.movie_factors_), Side(model.user_bias_, model.user_factors_)
        return (
            learn_prior(kept_out.of_users, movies, model.mean_, start, movies=False),
            learn_prior(kept_out.of_movies, users, model.mean_, start, movies=True),
        )

    def _first_penalty(self) -> Penalty:
        """Start of the search for penalties, in units of the scale."""
        each, width = float(self.settings_.regularization), 1 / self._stretch()  # 1 with float64
        return Penalty(BIAS, FACTORS * width, each, each * width)

    def sgd(self, trainset: Any) -> None:
        """Surprise's hook: train on one of its training sets, after which its own ``estimate`` works."""
        users, movies, ratings = (np.array(column) for column in zip(*trainset.all_ratings(), strict=True))
        self.scale_ = self.given_ = trainset.rating_scale
        frame = pd.DataFrame({"user_id": users, "movie_id": movies, "rating": ratings})
        self.settings_ = self.choose(Interactions.from_frame(frame, scale=self.scale_))
        self.penalties_ = self._first_penalty(), self._first_penalty()
        known = np.ones(trainset.n_users, bool), np.ones(trainset.n_items, bool)
        rows = users.astype(np.int32), movies.astype(np.int32), ratings
        for _ in self._descend(*rows, trainset.global_mean, known):
            pass
        self.bu, self.bi, self.pu, self.qi = self.user_bias_, self.movie_bias_, self.user_factors_, self.movie_factors_

    def _stretch(self) -> float:
        """Factor that stretches ratings while training, so that step and penalty mean the same on every scale.

        It makes them as wide as half stars, 0.5 to 5. With float64 it is 1, as in Surprise.
        """
        low, high = self.scale_
        return WIDTH / (high - low) if self.config.precision == "float32" and high > low else 1.0

    def _descend(
        self,
        users: Int32,
        movies: Int32,
        ratings: NDArray[Any],
        mean: float,
        known: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    ) -> Generator[float, None, None]:
        dtype = np.dtype(self.config.precision).type
        step = exact_epoch if dtype is np.float64 else fast_epoch
        stretch = self._stretch()
        pu, qi = self._first_factors(*known)
        bu, bi = np.zeros(len(pu), dtype), np.zeros(len(qi), dtype)
        middle, penalty = dtype(mean * stretch), dtype(self.settings_.regularization)
        rate = self.config.learning_rate
        ratings = (ratings * stretch).astype(dtype)
        self.mean_ = float(mean)
        self._keep(bu, bi, pu, qi, stretch)
        for _ in range(self.config.epochs):
            loss = step(users, movies, ratings, bu, bi, pu, qi, middle, dtype(rate), penalty)
            rate *= self.config.decay if dtype is np.float32 else 1.0
            if stretch != 1:
                self._keep(bu, bi, pu, qi, stretch)
            yield loss / stretch**2

    def _keep(self, bu: NDArray[Any], bi: NDArray[Any], pu: NDArray[Any], qi: NDArray[Any], stretch: float) -> None:
        """Store the current arrays in the data's scale; views of the arrays where nothing is stretched."""
        pu, qi = pu[:, : self._factors], qi[:, : self._factors]
        if stretch != 1:
            bu, bi = (bias / bias.dtype.type(stretch) for bias in (bu, bi))
            pu, qi = (factors / factors.dtype.type(np.sqrt(stretch)) for factors in (pu, qi))
        self.user_bias_, self.movie_bias_, self.user_factors_, self.movie_factors_ = bu, bi, pu, qi

    def _first_factors(self, users: NDArray[np.bool_], movies: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Normal random factors, zero without ratings; float64 draws the same numbers as Surprise."""
        factors = self._factors
        if self.config.precision == "float64":
            old = np.random.RandomState(self.config.seed)
            drawn: list[NDArray[Any]] = [
                old.normal(0, INITIAL_SPREAD, (len(known), factors)) for known in (users, movies)
            ]
        else:
            rng = np.random.default_rng(self.config.seed)
            drawn = []
            for known in (users, movies):
                padded = np.zeros((len(known), -(-factors // LANES) * LANES), np.float32)
                padded[:, :factors] = rng.standard_normal((len(known), factors), np.float32) * np.float32(
                    INITIAL_SPREAD
                )
                drawn.append(padded)
        for matrix, known in zip(drawn, (users, movies), strict=True):
            matrix[~known] = 0
        return drawn[0], drawn[1]

    def _predict(self, users: Int32, movies: Int32) -> Float32:
        learned = self.user_bias_, self.movie_bias_, self.user_factors_, self.movie_factors_
        return predict_pairs(users, movies, self.mean_, *learned, *self.scale_)

    @property
    def settings(self) -> ModelConfig:
        """The hyperparameters of the training, with what was chosen in place of ``auto``."""
        return self.settings_

    @property
    def _factors(self) -> int:
        return int(self.settings_.factors)

    @property
    def _learned_users(self) -> int:
        return len(self.user_bias_)

    def get_user_embedding(self, user_id: Hashable) -> Float32:
        """float32[factors]: the user's factors; zeros for an unknown user."""
        user = self.find_user(user_id)
        return _row(self.user_factors_, user)

    def get_movie_embedding(self, movie_id: Hashable) -> Float32:
        """float32[factors]: the movie's factors; zeros for an unknown movie."""
        movie = self.find_movie(movie_id)
        return _row(self.movie_factors_, movie)

    def user_vector(self, user: int) -> Vector:
        """float[1 + factors]: a user's bias and factors; zeros for an unknown user."""
        if not 0 <= user < len(self.user_bias_):
            return np.zeros(1 + self._factors, self.user_factors_.dtype)
        return np.concatenate([self.user_bias_[user : user + 1], self.user_factors_[user]])

    def biases_and_factors(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """float[n, 1 + factors] of users, and of movies: bias and factors of each."""
        return (
            np.column_stack([self.user_bias_, self.user_factors_]),
            np.column_stack([self.movie_bias_, self.movie_factors_]),
        )

    def fold_in_user(self, movies: Int32, ratings: Float32) -> Vector:
        """float[1 + factors]: the bias and factors that fit these ratings best, with the movies fixed.

        Ridge regression of the residuals on ``[1, movie factors]``. Each rating adds ``regularization`` to the penalty,
        as in gradient descent: the normal equations of alternating least squares (Zhou, Wilkinson, Schreiber and Pan
        2008, "Large-scale parallel collaborative filtering for the Netflix prize"). A constant part is added, a normal
        prior with learned variances: see ``engine.models.shrinkage``.

        Raises:
            ValueError: there are not as many movies as ratings.
        """
        check_lengths(movies=movies, ratings=ratings)
        known = (movies >= 0) & (movies < len(self.movie_bias_))
        movies, ratings = movies[known], ratings[known]
        target = ratings - self.mean_ - self.movie_bias_[movies]
        return self._solve(self.movie_factors_[movies], target, self.penalties_[0])

    def fold_in_without_each(self, movies: Int32, ratings: Float32) -> NDArray[Any]:
        """float[n, 1 + factors]: the vectors of ``fold_in_user`` with each rating left out in turn.

        For n known ratings let D be their rows ``[1, movie factors]``, y their residuals and P the diagonal penalty of
        n - 1 ratings, which all n regressions share: ``B = D'D + P``, ``w = B^-1 D'y`` and ``z_i = B^-1 d_i``. By the
        rank-one downdate of Sherman and Morrison (1950) the vector without rating i is
        ``w - z_i (y_i - d_i . w) / (1 - d_i . z_i)``.

        Raises:
            ValueError: there are not as many movies as ratings.
        """
        check_lengths(movies=movies, ratings=ratings)
        known = np.flatnonzero((movies >= 0) & (movies < len(self.movie_bias_)))
        out = np.tile(self.fold_in_user(movies, ratings), (len(movies), 1))  # unknown movies change nothing
        if len(known) < 2:
            out[known] = 0
            return out
        design = _design(self.movie_factors_[movies[known]])
        target = ratings[known] - self.mean_ - self.movie_bias_[movies[known]]
        gram = design.T @ design
        gram[np.diag_indices_from(gram)] += self.penalties_[0].diagonal(design.shape[1], len(known) - 1)
        solved = np.linalg.solve(gram, np.c_[design.T @ target, design.T]).T
        together, each = solved[0], solved[1:]
        missed = (target - design @ together) / (1 - np.einsum("nf,nf->n", design, each))
        out[known] = together - each * missed[:, None]
        return out

    def fold_in_movie(self, users: Int32, ratings: Float32, movie: int = -1) -> Vector:  # noqa: ARG002
        """float[1 + factors]: the movie's bias and factors that fit these ratings best, with the users fixed.

        The same regression as for users, with its own prior. Ratings of unknown users tell of the bias alone.

        Raises:
            ValueError: there are not as many users as ratings.
        """
        check_lengths(users=users, ratings=ratings)
        known = (users >= 0) & (users < len(self.user_bias_))
        rows = np.where(known, users, 0)
        factors = np.where(known[:, None], self.user_factors_[rows], 0)
        target = ratings - self.mean_ - np.where(known, self.user_bias_[rows], 0)
        return self._solve(factors, target, self.penalties_[1])

    def fold_in_all(
        self, data: Interactions, owners: Int64, check: Callable[[], object], *, movies: bool
    ) -> NDArray[Any]:
        """As the base class, compiled and on all processors; equal to one at a time but for rounding."""
        rows, others = (data.by_movie, data.users) if movies else (data.by_user, data.items)
        bias, factors = (self.user_bias_, self.user_factors_) if movies else (self.movie_bias_, self.movie_factors_)
        penalty = self.penalties_[int(movies)]
        return fold_in_owners(owners, rows, others, data.ratings, self.mean_, bias, factors, penalty, check)

    def _solve(self, factors: NDArray[Any], target: NDArray[Any], penalty: Penalty) -> Vector:
        """float[1 + factors]: ridge regression of the target on ``[1, factors]``; zeros without a rating."""
        if not len(target):
            return np.zeros(1 + self._factors, self.user_factors_.dtype)
        design = _design(factors)
        diagonal = penalty.diagonal(design.shape[1], len(target))
        if len(target) < design.shape[1]:
            # The smaller equivalent system, with P the penalty: P^-1 D' (D P^-1 D' + I)^-1 y.
            weighted = design / diagonal
            solved = weighted.T @ np.linalg.solve(weighted @ design.T + np.eye(len(target)), target)
        else:
            solved = np.linalg.solve(design.T @ design + np.diag(diagonal), design.T @ target)
        return np.asarray(solved, self.user_factors_.dtype)

    def predict_vector(self, vector: Vector, movies: Int32) -> Float32:
        """float32[n]: predicted ratings of a user with this bias and these factors, clipped to the scale."""
        bias, factors = vector[:1], vector[1:].reshape(1, -1)
        learned = bias, self.movie_bias_, factors, self.movie_factors_
        return predict_pairs(np.zeros(len(movies), np.int32), movies, self.mean_, *learned, *self.scale_)

    def movie_vector(self, movie: int) -> Vector:
        """float[1 + factors]: a movie's bias and factors; zeros for an unknown movie."""
        if not 0 <= movie < len(self.movie_bias_):
            return np.zeros(1 + self._factors, self.movie_factors_.dtype)
        return np.concatenate([self.movie_bias_[movie : movie + 1], self.movie_factors_[movie]])

    def unclipped(self, users: NDArray[Any], movies: NDArray[Any]) -> Float32:
        """float32[n]: mean, biases and the product of the factors, not clipped."""
        values = self.mean_ + users[:, 0] + movies[:, 0] + (users[:, 1:] * movies[:, 1:]).sum(axis=1)
        return np.asarray(values, np.float32)

    def arrays(self) -> Arrays:
        """Learned arrays; ``constants`` are the mean, the scale, and the lowest and highest rating learned."""
        return {
            "constants": np.array([self.mean_, *self.scale_, *self.given_], np.float64),
            "penalties": np.array([penalty.values() for penalty in self.penalties_]),
            "user_bias": self.user_bias_,
            "movie_bias": self.movie_bias_,
            "user_factors": np.ascontiguousarray(self.user_factors_),
            "movie_factors": np.ascontiguousarray(self.movie_factors_),
        }

    @classmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> Self:
        """Rebuild a model from ``arrays()``; one of an earlier release folds in without a prior, as it did."""
        model = cls(MatrixFactorizationConfig.model_validate(config.model_dump()))
        mean, low, high, *given = arrays["constants"].tolist()
        lowest, highest = given or (low, high)
        model.mean_, model.scale_, model.given_ = mean, (low, high), (lowest, highest)
        each = model.config.regularization
        none = Penalty(0, 0, each, each).values() if each != AUTO else []  # a chosen one is among the penalties
        users, movies = arrays.get("penalties", np.array([none, none])).tolist()
        model.penalties_ = Penalty(*users), Penalty(*movies)
        model.user_bias_, model.movie_bias_ = arrays["user_bias"], arrays["movie_bias"]
        model.user_factors_, model.movie_factors_ = arrays["user_factors"], arrays["movie_factors"]
        factors = model.user_factors_.shape[1]
        chosen = {"factors": factors, "regularization": model.penalties_[0].bias_each if each == AUTO else each}
        model.settings_ = model.config.model_copy(update=chosen)
        expect(model.user_factors_, len(model.user_bias_), factors)
        expect(model.movie_factors_, len(model.movie_bias_), factors)
        return model


def _design(factors: NDArray[Any]) -> NDArray[np.float64]:
    """float64[n, 1 + f]: a column of ones before the factors."""
    design = np.ones((len(factors), 1 + factors.shape[1]))
    design[:, 1:] = factors
    return design


def _row(factors: NDArray[Any], index: int) -> Float32:
    return factors[index].astype(np.float32) if index >= 0 else np.zeros(factors.shape[1], np.float32)

"""Biased matrix factorisation: Surprise's SVD with a compiled inner loop on arrays."""

from collections.abc import Generator
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from surprise import SVD

from engine.data.arrays import Arrays, Float32, Int32
from engine.data.ratings import Interactions
from engine.models.base import ModelConfig
from engine.models.factorization import Factorization
from engine.models.hyperparameters import AUTO, Auto, Patience, Seed, default
from engine.models.shrinkage import BIAS, FACTORS, KeptOut, Penalty, Side, learn_prior
from engine.models.svd_auto import FASTER, MAX_RATE, Size, choose_size
from engine.models.svd_blocks import Block, in_blocks
from engine.models.svd_kernels import exact_epoch, fast_epoch
from engine.parallel import run_all

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
        "factors", description="Length of each person's and movie's vector; auto chooses it on held-out ratings."
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


class MatrixFactorizationModel(Factorization, SVD):  # type: ignore[misc]  # Surprise carries no types
    """A factorisation learned by stochastic gradient descent.

    Attributes:
        settings_: the hyperparameters, with what was chosen in place of ``auto``.
    """

    config_type = MatrixFactorizationConfig
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
        rounds = [[Block(users, movies, ratings)]] if dtype is np.float64 else in_blocks(users, movies, ratings)
        n = len(ratings)
        del users, movies, ratings  # the blocks of many ratings are copies
        self.mean_ = float(mean)
        self._keep(bu, bi, pu, qi, stretch)

        def learn(block: Block) -> float:
            rows = block.users, block.movies, block.ratings
            return len(block.ratings) / n * step(*rows, bu, bi, pu, qi, middle, dtype(rate), penalty)

        for _ in range(self.config.epochs):
            loss = sum(part for blocks in rounds for part in run_all(learn, blocks))
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

    @property
    def settings(self) -> ModelConfig:
        """The hyperparameters of the training, with what was chosen in place of ``auto``."""
        return self.settings_

    @property
    def _factors(self) -> int:
        return int(self.settings_.factors)

    def _take(self, arrays: Arrays) -> None:
        """Store what was learned; a model of an earlier release folds in without a prior, as it did."""
        each = self.config.regularization
        if "penalties" not in arrays:
            none = Penalty(0, 0, float(each), float(each)).values()
            arrays = {**arrays, "penalties": np.array([none, none])}
        elif each == AUTO:  # a chosen one is among the penalties
            each = float(arrays["penalties"][0, 2])
        chosen = {"factors": arrays["user_factors"].shape[1], "regularization": each}
        self.settings_ = self.config.model_copy(update=chosen)
        super()._take(arrays)

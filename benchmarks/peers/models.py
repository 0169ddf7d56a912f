"""All models behind one interface: load, fit, predict ratings, score a catalogue. Ids are indices.

A library is imported when one of its models is made, so that a process carries only what it measures.
"""
# ruff: noqa: D102  # Model and Rater say what each method does.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.data import trainset
from engine.data.arrays import Float32, Int32
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, hold_out
from engine.models.base import RatingModel
from engine.models.rankers import build_ranker
from engine.models.registry import HERE, MODELS, build, configure
from engine.settings import Settings
from engine.training.pipeline import VALIDATION_PART, Listener, assess
from engine.training.served import ServedLists

FIRST_KIND = "svd"
PERSONAL_FROM = int(Settings.model_fields["personal_from"].default)


class Model(ABC):
    """A model of any library."""

    train: Interactions

    def load(self, train: Interactions) -> None:
        """Convert the ratings into the library's own form; the default keeps them."""
        self.train = train

    @abstractmethod
    def fit(self) -> None:
        """Train on the loaded ratings."""

    @abstractmethod
    def score(self, user: int) -> NDArray[Any]:
        """float[n_movies]: scores that order this user's list."""


class Rater(Model):
    """A model that also predicts ratings."""

    @abstractmethod
    def predict(self, users: Int32, movies: Int32) -> NDArray[Any]:
        """float[n]: the rating of each pair, inside the scale."""


class MarqueeRater(Rater):
    """A rating model of Marquee with its defaults."""

    def __init__(self, kind: str) -> None:
        self.model: RatingModel = build(configure(kind, {}))

    def fit(self) -> None:
        self.model.fit(self.train)

    def predict(self, users: Int32, movies: Int32) -> Float32:
        return self.model.predict_indices(users, movies)

    def score(self, user: int) -> Float32:
        return self.model.score_user(user)


class MarqueeLists(Model):
    """Lists as a training with defaults makes and serves them; all settings are chosen on part of the ratings.

    Args:
        kind: the rating model, by default that of an empty store's first version.
    """

    model: RatingModel
    served: ServedLists

    def __init__(self, kind: str = FIRST_KIND) -> None:
        self.kind = kind

    def fit(self) -> None:
        part, listener = hold_out(self.train, VALIDATION_PART), Listener.silent()
        parts = HeldOut(part.train, part.test, self.train, None)
        found = assess(configure(self.kind, {}), parts, "", PERSONAL_FROM, listener)
        config = found.settings.model_copy(update={"epochs": found.epochs, "patience": 0})
        model, ranker = build(config).fit(self.train), build_ranker(found.ranking.config).fit(self.train)
        self.model, self.served = model, ServedLists.of(ranker, model, self.train, PERSONAL_FROM)
        self.scores = self.served.of_user(model, self.train, lambda: None)

    def score(self, user: int) -> Float32:
        """The scores of the movies that a list may hold; -inf for others."""
        return self.scores(user)


class Popularity(Model):
    """The baseline: the same list for everybody."""

    def fit(self) -> None:
        self.counts = np.bincount(self.train.items, minlength=self.train.n_movies).astype(np.float32)

    def score(self, user: int) -> Float32:  # noqa: ARG002  # the same for everybody
        return self.counts


class SurpriseRater(Rater):
    """An algorithm of Surprise, called with one pair at a time, as ``predict`` requires."""

    def __init__(self, algorithm: str, **settings: Any) -> None:
        self.algorithm = getattr(import_module("surprise"), algorithm)(**settings)

    def load(self, train: Interactions) -> None:
        columns = {"user_id": train.users, "movie_id": train.items, "rating": train.ratings}
        self.n_movies = train.n_movies
        self.trainset = trainset(pd.DataFrame(columns))

    def fit(self) -> None:
        self.algorithm.fit(self.trainset)

    def predict(self, users: Int32, movies: Int32) -> NDArray[Any]:
        pairs = zip(users.tolist(), movies.tolist(), strict=True)
        return np.array([self.algorithm.predict(user, movie).est for user, movie in pairs])

    def score(self, user: int) -> NDArray[Any]:
        return np.array([self.algorithm.predict(user, movie, clip=False).est for movie in range(self.n_movies)])


class ImplicitAls(Model):
    """Alternating least squares of implicit."""

    def __init__(self, **settings: Any) -> None:
        with threadpool_limits(1, "blas"):  # it checks when it is created
            self.model = import_module("implicit.als").AlternatingLeastSquares(**settings)

    def load(self, train: Interactions) -> None:
        ones = np.ones(len(train), np.float32)
        self.history = sp.csr_matrix((ones, (train.users, train.items)), (train.n_users, train.n_movies))

    def fit(self) -> None:
        with threadpool_limits(1, "blas"):  # implicit recommends this; it starts its own threads
            self.model.fit(self.history, show_progress=False)

    def score(self, user: int) -> Float32:
        scores: Float32 = self.model.item_factors @ self.model.user_factors[user]
        return scores


class CornacModel(Model):
    """A model of Cornac."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.model = getattr(import_module("cornac.models"), name)(verbose=False, **settings)

    def load(self, train: Interactions) -> None:
        known = [{index: index for index in range(n)} for n in (train.n_users, train.n_movies)]
        columns = train.users.astype(np.int64), train.items.astype(np.int64), train.ratings.astype(np.float64)
        self.scale = train.scale
        self.dataset = import_module("cornac.data").Dataset(train.n_users, train.n_movies, *known, uir_tuple=columns)

    def fit(self) -> None:
        self.model.fit(self.dataset)

    def score(self, user: int) -> NDArray[Any]:
        return np.asarray(self.model.score(user)).ravel()


class CornacRater(CornacModel, Rater):
    """A model of Cornac whose scores are ratings."""

    def predict(self, users: Int32, movies: Int32) -> NDArray[Any]:
        out = np.empty(len(users))
        order = np.argsort(users, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(users[order])) + 1):
            out[rows] = self.score(int(users[rows[0]]))[movies[rows]]
        return np.clip(out, *self.scale)


OUR_RATER, OUR_LISTS = "Marquee svd", "Marquee lists"


@dataclass(frozen=True)
class Entry:
    """A model of the comparison.

    Attributes:
        build: makes it, untrained.
        settings: in words; the library's defaults where nothing is said.
        beside: the model of Marquee that its figures are divided by; None for Marquee's own.
    """

    build: Callable[[], Model]
    settings: str
    beside: str | None


# The best settings on the demo data, chosen on test parts, which favours these models over Marquee.
ALS = {"factors": 64, "regularization": 50, "alpha": 10, "iterations": 15}
EASE = {"lamb": 2000, "posB": False}
BPR = {"k": 50, "learning_rate": 0.05, "max_iter": 200}
OUR_SETTINGS = {"n_factors": 128, "n_epochs": 50, "lr_all": 0.01, "reg_all": 0.1}
"""What Marquee chooses on the demo data, with about the mean of its learning rates."""
ON_SPARK = frozenset(f"Marquee {kind}" for kind in MODELS if kind not in HERE)
"""Entries that need Apache Spark, and run only where they are named."""
ENTRIES: dict[str, Entry] = {
    **{f"Marquee {kind}": Entry(partial(MarqueeRater, kind), "defaults", None) for kind in MODELS},
    OUR_LISTS: Entry(MarqueeLists, "defaults", None),
    "Surprise BaselineOnly": Entry(partial(SurpriseRater, "BaselineOnly", verbose=False), "defaults", OUR_RATER),
    "Surprise SVD": Entry(partial(SurpriseRater, "SVD", random_state=0), "defaults", OUR_RATER),
    "Surprise SVD, our settings": Entry(
        partial(SurpriseRater, "SVD", random_state=0, **OUR_SETTINGS), "as Marquee on the demo data", OUR_RATER
    ),
    "Surprise KNNBaseline": Entry(partial(SurpriseRater, "KNNBaseline", verbose=False), "defaults", OUR_RATER),
    "Surprise SVD++": Entry(partial(SurpriseRater, "SVDpp", random_state=0), "defaults", OUR_RATER),
    "Cornac MF": Entry(partial(CornacRater, "MF", seed=0), "defaults", OUR_RATER),
    "popularity": Entry(Popularity, "ratings of each movie", OUR_LISTS),
    "implicit ALS": Entry(partial(ImplicitAls, **ALS, random_state=0), "best of 5 on the demo data", OUR_LISTS),
    "Cornac EASE": Entry(partial(CornacModel, "EASE", **EASE), "best of 12 on the demo data", OUR_LISTS),
    "Cornac BPR": Entry(partial(CornacModel, "BPR", **BPR, seed=0), "best of 5 on the demo data", OUR_LISTS),
}

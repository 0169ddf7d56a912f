"""Drift: how far folding in new ratings falls behind a retraining, measured on a stand-in in bounded time."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Int32, Int64
from engine.data.ratings import Interactions
from engine.models.base import top
from engine.models.epochs import run_epochs
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel
from engine.models.version import LearnedCounts
from engine.recommending.bundling import offset_of_movie, offset_of_user
from engine.recommending.fold_in import MAX_LEARNED, FoldedMovies
from engine.rounding import settle

UpdateAdvice = Literal["fine", "retrain soon", "retrain"]

SAMPLED_USERS = 200
MAX_RATINGS = 300_000
"""Maximum training ratings of the stand-in."""
LIST_LENGTH = 10
MIN_HELD_OUT = 100
"""Fewer held-out ratings make a gap too uncertain to act on."""
SOON, NOW = 0.01, 0.03
"""Gaps from which a retraining is advised, as a share of the refit's RMSE."""
MANY = 0.2
"""Newer ratings from which a retraining is advised whatever the gap, as a share of the learned ones."""


@dataclass(frozen=True, slots=True)
class UpdateHealth:
    """Drift of the active version, with what was folded in since, from a retrained one.

    Attributes:
        model_version: the active version.
        folded_users: users with ratings changed since its training.
        folded_movies: movies with a new vector since its training.
        ratings_since: ratings that it has not learned; None for versions of earlier releases, which keep no counts,
            and for those of a table outside Marquee.
        rmse_gap: how much higher the RMSE of folding in is than that of retraining, on newer ratings that neither
            knows; below 0 it is lower. Measured on a stand-in factorisation. None without newer ratings.
        top10_overlap: mean share of a user's ten highest predictions that both have; None without newer ratings.
        sampled_users: users behind both figures.
        held_out_ratings: ratings behind the gap; below 100 the advice ignores it.
        advice: what to do.
    """

    model_version: int
    folded_users: int
    folded_movies: int
    ratings_since: int | None
    rmse_gap: float | None
    top10_overlap: float | None
    sampled_users: int
    held_out_ratings: int
    advice: UpdateAdvice


@dataclass(frozen=True)
class Drift:
    """Result of a measurement.

    Attributes:
        since: ratings that the version has not learned.
        learned: ratings that it has learned.
        users: sampled users.
        held_out: their held-out ratings.
        folded: RMSE of folding in on these; None without any.
        refitted: RMSE of retraining on these; None without any.
        overlap: mean share of a sampled user's ten highest predictions that both have; None without any.
    """

    since: int
    learned: int
    users: int = 0
    held_out: int = 0
    folded: float | None = None
    refitted: float | None = None
    overlap: float | None = None

    @property
    def gap(self) -> float | None:
        """How much higher the RMSE of folding in is; below 0 it is lower."""
        return None if self.folded is None or self.refitted is None else self.folded - self.refitted

    @property
    def advice(self) -> UpdateAdvice:
        """What to do: by the gap if enough ratings were held out, and by the number of newer ratings."""
        relative = 0.0
        if self.gap is not None and self.refitted and self.held_out >= MIN_HELD_OUT:
            relative = settle(self.gap / self.refitted, 1)
        if relative >= NOW:
            return "retrain"
        return "retrain soon" if relative >= SOON or self.since >= MANY * self.learned else "fine"


@dataclass(frozen=True)
class _Parts:
    """Ratings of the stand-in: ``old`` and all (``known``) to train on, and those to predict (``held``)."""

    old: Interactions
    known: Interactions
    held: Interactions
    users: Int32


def measure_drift(
    data: Interactions, counts: LearnedCounts, config: MatrixFactorizationConfig | None = None, seed: int = 0
) -> Drift:
    """Compare folding in with retraining, on newer ratings that neither knows.

    The version itself can't be evaluated on ratings it has folded in, and retraining it may take minutes. So a
    factorisation stands in for every kind of model: one is trained on what the version has learned and folds in the
    newer ratings, one is trained on both. The later half of the newer ratings of up to 200 users is kept from both and
    then predicted. With more than 300,000 ratings only some users' ratings are used.

    Args:
        data: all ratings as they are now.
        counts: ratings that the version has learned; each user's latest ratings beyond these are the newer ones.
        config: of the factorisation.
        seed: random seed of the samples.
    """
    newer = _newer(data, counts)
    drift = Drift(int(newer.sum()), int(counts.users.sum()))
    parts = _part(data, newer, np.random.default_rng(seed))
    if not len(parts.held) or not len(parts.old):
        return drift
    frozen, refit = _fit(parts.old, config), _fit(parts.known, config)
    movies = _fold_movies(frozen, parts)
    everything = np.arange(data.n_movies, dtype=np.int32)
    errors, overlaps = [], []
    for user in parts.users.tolist():
        seen, held = parts.known.by_user.of(user), parts.held.by_user.of(user)
        items = parts.known.items[seen]
        vector = frozen.fold_in_user(items, parts.known.ratings[seen]) + offset_of_user(frozen, parts.old, user)
        both = movies.predict(vector, everything), refit.predict_vector(refit.user_vector(user), everything)
        errors.append(np.stack([scores[parts.held.items[held]] - parts.held.ratings[held] for scores in both]))
        lists = [set(top(scores, LIST_LENGTH, drop=items).tolist()) for scores in both]
        overlaps.append(len(lists[0] & lists[1]) / max(len(lists[1]), 1))
    folded, refitted = np.sqrt(np.mean(np.hstack(errors) ** 2, axis=1)).tolist()
    overlap = float(np.mean(overlaps))
    return replace(
        drift, users=len(overlaps), held_out=len(parts.held), folded=folded, refitted=refitted, overlap=overlap
    )


def unlearned(now: Int64, learned: Int64) -> Int64:
    """int64[n]: number of each user's ratings that a version has not learned.

    Only counts are compared, user by user: changed ratings, and new ones in place of removed ones, do not count.

    Args:
        now: int64[n], each user's ratings now.
        learned: int64[n], each user's ratings that the version has learned.
    """
    return np.asarray(np.maximum(now - learned, 0), np.int64)


def _newer(data: Interactions, counts: LearnedCounts) -> Int64:
    """int64[n_users]: number of each user's ratings that the version has not learned."""
    learned = np.zeros(data.n_users, np.int64)
    learned[: len(counts.users)] = counts.users[: data.n_users]
    return unlearned(data.user_counts, learned)


def _part(data: Interactions, newer: Int64, rng: np.random.Generator) -> _Parts:
    users = np.sort(rng.permutation(np.flatnonzero(newer))[:SAMPLED_USERS]).astype(np.int32)
    place = _place_from_last(data)
    chosen = np.isin(data.users, users)
    held = chosen & (place < ((newer + 1) // 2)[data.users])
    kept = _affordable(data, users, rng)[data.users]
    since = place < newer[data.users]
    return _Parts(data.subset(kept & ~since), data.subset(kept & ~held), data.subset(held), users)


def _place_from_last(data: Interactions) -> Int64:
    """int64[n]: 0 for a user's last rating by time, 1 for the one before it."""
    times = data.timestamps if data.timestamps is not None else np.arange(len(data))
    order = np.lexsort((times, data.users))
    place = np.empty(len(data), np.int64)
    place[order] = np.cumsum(data.user_counts)[data.users[order]] - 1 - np.arange(len(data))
    return place


def _affordable(data: Interactions, users: Int32, rng: np.random.Generator) -> NDArray[np.bool_]:
    """bool[n_users]: the sampled users, and others up to ``MAX_RATINGS`` ratings."""
    order = np.concatenate([users, np.setdiff1d(rng.permutation(data.n_users), users, assume_unique=True)])
    kept = np.zeros(data.n_users, bool)
    kept[order[np.cumsum(data.user_counts[order]) <= MAX_RATINGS]] = True
    kept[users] = True
    return kept


def _fit(data: Interactions, config: MatrixFactorizationConfig | None) -> MatrixFactorizationModel:
    model = MatrixFactorizationModel(config)
    run_epochs(model, data)
    return model


def _fold_movies(model: MatrixFactorizationModel, parts: _Parts) -> FoldedMovies:
    """The movies with newer ratings folded in, by the rules of ``RealtimeLearner``."""
    known, learned = parts.known, parts.old.movie_counts
    folded = FoldedMovies.none(model, learned.astype(np.int32))
    for movie in np.flatnonzero((known.movie_counts > learned) & (learned <= MAX_LEARNED)).tolist():
        rows = known.by_movie.of(movie)
        vector = model.fold_in_movie(known.users[rows], known.ratings[rows], movie)
        folded = folded.put(movie, vector + offset_of_movie(model, parts.old, movie), len(rows))
    return folded

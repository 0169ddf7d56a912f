"""How far folding new ratings in falls behind learning everything again, measured by a stand-in in bounded time."""

from __future__ import annotations

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
from engine.recommending.fold_in import MAX_LEARNED, FoldedMovies, offset_of_movie, offset_of_user
from engine.rounding import settle

UpdateAdvice = Literal["fine", "retrain soon", "retrain"]

SAMPLED_USERS = 200
MAX_RATINGS = 300_000
"""Ratings that the stand-in learns at most."""
LIST_LENGTH = 10
MIN_HELD_OUT = 100
"""Held-out ratings below which a gap is too uncertain to advise anything."""
SOON, NOW = 0.01, 0.03
"""Gaps, as a part of the refit's RMSE, from which on a retrain is advised."""
MANY = 0.2
"""Newer ratings, as a part of the learned ones, from which on a retrain is advised whatever the gap."""


@dataclass(frozen=True, slots=True)
class UpdateHealth:
    """How far the version that serves, with what was folded in since, has drifted from one trained anew.

    Attributes:
        model_version: the version that serves.
        folded_users: users with a rating changed since the version learned.
        folded_movies: movies that have another vector than the version learned.
        ratings_since: ratings that the version has not learned; None for a version of an earlier release, which does
            not say how many it has.
        rmse_gap: by how many stars of RMSE folding in is worse than learning again, on newer ratings that neither
            knew; below 0 it is better. Measured on a factorisation that stands in for the version. None where there
            are no newer ratings.
        top10_overlap: the mean part of a user's ten best predicted movies that are the same; None likewise.
        sampled_users: how many users the two rest on.
        held_out_ratings: how many ratings the gap rests on; below 100 it does not enter the advice.
        advice: what follows.
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
    """What a measurement found.

    Attributes:
        since: how many ratings the version has not learned.
        learned: how many it has.
        users: how many users were sampled.
        held_out: how many of their ratings were predicted.
        folded: RMSE on these of folding in, in stars; None where there are none.
        refitted: RMSE of learning again; None likewise.
        overlap: the mean part of a sampled user's ten best predicted movies that both have; None likewise.
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
        """By how many stars of RMSE folding in is worse; below 0 it is better."""
        return None if self.folded is None or self.refitted is None else self.folded - self.refitted

    @property
    def advice(self) -> UpdateAdvice:
        """What follows: the gap counts where enough ratings were held out, the number of newer ratings always."""
        relative = 0.0
        if self.gap is not None and self.refitted and self.held_out >= MIN_HELD_OUT:
            relative = settle(self.gap / self.refitted, 1)
        if relative >= NOW:
            return "retrain"
        return "retrain soon" if relative >= SOON or self.since >= MANY * self.learned else "fine"


@dataclass(frozen=True)
class _Parts:
    """Ratings that the stand-in learns before (``old``) and in all (``known``), and those it predicts (``held``)."""

    old: Interactions
    known: Interactions
    held: Interactions
    users: Int32


def measure_drift(
    data: Interactions, counts: LearnedCounts, config: MatrixFactorizationConfig | None = None, seed: int = 0
) -> Drift:
    """Compare folding in with learning again, on newer ratings that neither knows.

    The version itself can't be judged on ratings it has folded in, and to learn it again may take minutes. So a
    factorisation stands in for it, whatever its kind: once it learns what the version has learned and folds the newer
    ratings in, once it learns both, each time without the later half of the newer ratings of up to 200 users, which
    both then predict. Where there are more than 300,000 ratings it learns those of as many users as that allows.

    Args:
        data: all ratings as they are now.
        counts: how many the version has learned; the latest by time beyond these count as the newer ones.
        config: of the factorisation.
        seed: of the samples.
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
        drift,
        users=len(overlaps),
        held_out=len(parts.held),
        folded=folded,
        refitted=refitted,
        overlap=overlap,
    )


def unlearned(now: Int64, learned: Int64) -> Int64:
    """int64[n]: how many ratings of each user a version has not learned.

    Ratings are counted, not looked at: a movie that was rated again, and a rating that took the place of one that was
    taken away, do not count. Nobody's ratings make up for those that somebody else has lost.

    Args:
        now: int64[n], how many ratings each user has.
        learned: int64[n], how many the version has learned.
    """
    return np.asarray(np.maximum(now - learned, 0), np.int64)


def _newer(data: Interactions, counts: LearnedCounts) -> Int64:
    """int64[n_users]: how many ratings of each user the version has not learned."""
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
    """int64[n]: 0 for the last rating of its user by time, 1 for the one before it."""
    times = data.timestamps if data.timestamps is not None else np.arange(len(data))
    order = np.lexsort((times, data.users))
    place = np.empty(len(data), np.int64)
    place[order] = np.cumsum(data.user_counts)[data.users[order]] - 1 - np.arange(len(data))
    return place


def _affordable(data: Interactions, users: Int32, rng: np.random.Generator) -> NDArray[np.bool_]:
    """bool[n_users]: the sampled users, and as many others as leave no more than ``MAX_RATINGS``."""
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
    """The movies with newer ratings, by the rules of ``RealtimeLearner``."""
    known, learned = parts.known, parts.old.movie_counts
    folded = FoldedMovies.none(model, learned.astype(np.int32))
    for movie in np.flatnonzero((known.movie_counts > learned) & (learned <= MAX_LEARNED)).tolist():
        rows = known.by_movie.of(movie)
        vector = model.fold_in_movie(known.users[rows], known.ratings[rows], movie)
        folded = folded.put(movie, vector + offset_of_movie(model, parts.old, movie), len(rows))
    return folded

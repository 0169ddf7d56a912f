"""Expected metrics of a list drawn at random without repetition, in closed form.

A user with r relevant movies among c candidates gets a list of k of these, or all c if they are fewer. Every place
holds a relevant movie with probability r / c; whether several do follows the hypergeometric distribution.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Floats, Ints
from engine.data.ratings import Interactions
from engine.evaluation import metrics

Formula = Callable[[Ints, Ints, int], Floats]
"""r: int64[n], c: int64[n] and k to float64[n]."""


def precision(relevant: Ints, candidates: Ints, k: int) -> Floats:
    """R / c for every filled place, over k."""
    return np.asarray(relevant / candidates * np.minimum(candidates, k) / k, np.float64)


def recall(relevant: Ints, candidates: Ints, k: int) -> Floats:
    """The share of the candidates that is listed."""
    del relevant
    return np.asarray(np.minimum(candidates, k) / candidates, np.float64)


def ndcg(relevant: Ints, candidates: Ints, k: int) -> Floats:
    """R / c times the discounts of all filled places, over the best there could be."""
    gained = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    filled, ideal = (gained[np.minimum(count, k) - 1] for count in (candidates, relevant))
    return np.asarray(relevant / candidates * filled / ideal, np.float64)


def average_precision(relevant: Ints, candidates: Ints, k: int) -> Floats:
    """Each place is relevant with r / c, and then so is each place above it with (r - 1) / (c - 1)."""
    places = np.arange(1, k + 1)
    above = ((relevant - 1) / np.maximum(candidates - 1, 1))[:, None] * (places - 1)
    at_places = np.where(places <= candidates[:, None], (1 + above) / places, 0.0).sum(axis=1)
    return np.asarray(relevant / candidates * at_places / np.minimum(relevant, k), np.float64)


def reciprocal_rank(relevant: Ints, candidates: Ints, k: int) -> Floats:
    """1 over the first relevant place, weighed by the chance that it is the first."""
    return np.asarray((_first(relevant, candidates, k) / np.arange(1, k + 1)).sum(axis=1), np.float64)


def hit_rate(relevant: Ints, candidates: Ints, k: int) -> Floats:
    """The chance that any place is relevant."""
    return np.asarray(_first(relevant, candidates, k).sum(axis=1), np.float64)


def _first(relevant: Ints, candidates: Ints, k: int) -> Floats:
    """float64[n, k]: the chance that this place is the first relevant one."""
    left = candidates[:, None] - np.arange(k)  # candidates for each place; those above it are irrelevant
    here = np.clip(np.divide(relevant[:, None], left, out=np.zeros(left.shape), where=left > 0), 0, 1)
    none_above = np.cumprod(np.hstack([np.ones((len(here), 1)), 1 - here[:, :-1]]), axis=1)
    return np.asarray(none_above * here, np.float64)


OF_HITS: Mapping[str, Formula] = {
    "ndcg_at_k": ndcg,
    "precision_at_k": precision,
    "recall_at_k": recall,
    "map_at_k": average_precision,
    "mrr": reciprocal_rank,
    "hit_rate_at_k": hit_rate,
}
"""By metric; one that is not here has no expectation."""


def coverage(train: Interactions, users: NDArray[np.int64], k: int) -> float:
    """Share of the catalogue in any of these users' lists: a movie is in none if each user that can get it does not."""
    candidates = train.n_movies - train.user_counts[users]
    missed = np.zeros(train.n_users)
    missed[users] = np.log1p(-np.minimum(k / np.maximum(candidates, k), 1 - 1e-15))
    known = np.bincount(train.items, missed[train.users], train.n_movies)
    return float(np.mean(1 - np.exp(missed.sum() - known)))


def novelty(train: Interactions, users: NDArray[np.int64]) -> float:
    """Mean over these users of the self-information of all that they can get, as in ``metrics.novelty``."""
    every = np.arange(train.n_movies)[:, None]
    information = metrics.novelty(every, train.movie_counts, train.n_users)
    known = np.bincount(train.users, information[train.items], train.n_users)[users]
    candidates = train.n_movies - train.user_counts[users]
    return float(np.mean((information.sum() - known) / np.maximum(candidates, 1)))

"""Tuning of the ranker's penalty, the one hyperparameter whose best value depends on the amount of data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.data.ratings import Interactions
from engine.evaluation import metrics
from engine.evaluation.report import draw_lists
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.rounding import settle

LIST_LENGTH = 10
MAX_USERS = 2000  # users with held-out ratings
MAX_MOVIES = 3000  # most rated movies used: the time grows with their cube
HELD_OUT = 0.2
STEP = 2.0
MAX_STEPS = 6
MIN_LISTS = 20  # fewer lists show no difference


def choose_penalty(
    data: Interactions, config: ItemSimilarityConfig, check: Callable[[], None], seed: int = 0
) -> ItemSimilarityConfig:
    """The config with the L2 penalty that gives the best NDCG@10 on held-out ratings.

    Some ratings of some users are held out, and the ranker is fitted to the others with the penalty doubled or halved
    as long as that helps. Only the most rated movies take part; what suits them is used for all.

    Args:
        data: training ratings.
        config: the start of the search, returned unchanged if too few users can be evaluated.
        check: called before each fit; may raise to cancel.
        seed: random seed of the held-out ratings.
    """
    held_out = _draw(data, seed)
    train, test = data.subset(~held_out), data.subset(held_out)
    judges = np.unique(test.users[test.ratings >= metrics.relevant_from(data.scale)])
    if len(judges) < MIN_LISTS:
        return config
    ranker = ItemSimilarityRanker(config.model_copy(update={"max_movies": min(config.max_movies, MAX_MOVIES)}))
    gram = ranker.co_occurrence(train)

    def quality(l2: float) -> float:
        check()
        ranker.config = ranker.config.model_copy(update={"l2": l2})
        ranker.solve(gram.copy())
        lists = draw_lists(ranker.score_user, train, test, LIST_LENGTH)
        return settle(float(metrics.ndcg(lists.hits, lists.relevant).mean()), 1)

    return config.model_copy(update={"l2": _climb(quality, config.l2)})


def _draw(data: Interactions, seed: int) -> NDArray[np.bool_]:
    """bool[n]: the ratings to hold out."""
    rng = np.random.default_rng(seed)
    users = rng.permutation(np.flatnonzero(data.user_counts))[:MAX_USERS]
    return np.isin(data.users, users) & (rng.random(len(data)) < HELD_OUT)


def _climb(quality: Callable[[float], float], start: float) -> float:
    """Hill climbing from ``start``, up or else down, in steps of a constant ratio."""
    best, highest = start, quality(start)
    for ratio in (STEP, 1 / STEP):
        for _ in range(MAX_STEPS):
            value = quality(best * ratio)
            if value <= highest:
                break
            best, highest = best * ratio, value
        if best != start:
            break
    return best

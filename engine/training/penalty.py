"""Choosing the ranker's penalty: the one hyperparameter whose best value depends on how much data there is."""

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
MAX_USERS = 2000  # whose held-out ratings judge
MAX_MOVIES = 3000  # that take part: the time of a solution grows with the cube of it
HELD_OUT = 0.2
STEP = 2.0
MAX_STEPS = 6
MIN_LISTS = 20  # below this a difference says nothing


def choose_penalty(
    data: Interactions, config: ItemSimilarityConfig, check: Callable[[], None], seed: int = 0
) -> ItemSimilarityConfig:
    """The config with the L2 penalty whose lists find most of what validation users liked, by NDCG@10.

    Part of the ratings of some users is held out, and the ranker learns the rest for one penalty after the other,
    doubled or halved as long as that helps. It learns the most rated movies only; what suits them is used for all.

    Args:
        data: training ratings; nothing else is looked at.
        config: where the search begins. Returned as it is where too few users have anything to judge by.
        check: called before each solution; may raise to cancel.
        seed: start of the draw of users and ratings.
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
    """The best value on the way from ``start`` up, or else down, in steps of a constant ratio."""
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

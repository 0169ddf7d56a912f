"""Tuning of the ranker's penalty, the one hyperparameter whose best value depends on the amount of data."""

from collections.abc import Callable
from operator import mul

import numpy as np
from numpy.typing import NDArray

from engine.data.ratings import Interactions
from engine.evaluation import metrics
from engine.evaluation.lists import draw_lists
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.shrinkage import climb
from engine.rounding import settle

LIST_LENGTH = 10
MAX_USERS = 2000  # users with held-out ratings
MAX_MOVIES = 3000  # most rated movies used: the time grows with their cube
HELD_OUT = 0.2
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

    def cost(l2: float) -> float:
        check()
        ranker.config = ranker.config.model_copy(update={"l2": l2})
        ranker.solve(gram.copy())
        lists = draw_lists(ranker.score_user, train, test, LIST_LENGTH)
        return -settle(float(metrics.ndcg(lists.hits, lists.relevant).mean()), 1)

    return config.model_copy(update={"l2": climb(cost, config.l2, mul)})


def _draw(data: Interactions, seed: int) -> NDArray[np.bool_]:
    """bool[n]: the ratings to hold out."""
    rng = np.random.default_rng(seed)
    users = rng.permutation(np.flatnonzero(data.user_counts))[:MAX_USERS]
    return np.isin(data.users, users) & (rng.random(len(data)) < HELD_OUT)

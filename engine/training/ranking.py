"""The settings of the lists, chosen on each user's validation ratings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from operator import mul
from typing import Any

import numpy as np

from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, hold_out
from engine.evaluation import metrics
from engine.evaluation.charts import ChartRow
from engine.evaluation.lists import Lists, ScoreUser, draw_lists
from engine.models.base import NOTHING, RatingModel
from engine.models.list_settings import RankingConfig
from engine.models.ranker import Ranker, RankerConfig
from engine.models.rankers import RANKERS
from engine.models.shrinkage import climb
from engine.recommending.fold_in import measure_spread
from engine.recommending.scoring import Scores, weigh_rating
from engine.training.served import LIST_LENGTH

MAX_USERS = 1000
"""Users whose validation ratings are used."""
MAX_MOVIES = 2000
"""Most rated movies used while choosing: the time grows with their cube."""
LATER = 0.2
"""Share of each user's ratings on which the ranker's own settings are chosen."""
MIN_LISTS = 20
"""Fewer lists show no difference."""
DIGITS = 3
"""Places to which NDCG is rounded before it decides."""
START = {"l2": 200.0, "recency": 0.3, "next_weight": 0.3, "rating_weight": 0.0}
"""Where the search begins, and what is used with too few lists; other settings begin at their defaults."""
BY_TIME = frozenset({"recency", "next_weight"})
"""Settings that are 0 where no times are known."""
TRIED: dict[str, Sequence[float]] = {
    "regularization": (0.45, 0.3, 0.7, 1.0, 1.5),
    "recency": (0.0, 0.3, 0.6),
    "next_weight": (0.0, 0.3),
    "factor_weight": (0.0, 0.2),
    "rating_weight": (0.0, 0.25, 0.5),
    "popularity_discount": (0.0, 0.1, 0.2, 0.3),
}
"""Values tried in turn, the simplest first, with the others kept; the penalty is doubled or halved while that helps."""


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """What a discount of popular movies gives on validation ratings.

    Attributes:
        popularity_discount: how strongly less rated movies are raised.
        ndcg: NDCG@10.
        coverage: share of the catalogue in any list of ten.
        chosen: whether the version has it.
    """

    popularity_discount: float
    ndcg: float
    coverage: float
    chosen: bool


@dataclass(frozen=True)
class ChosenRanking:
    """The settings of a version's lists.

    Attributes:
        config: with numbers for all settings.
        frontier: a ``FrontierPoint`` for each discount of popular movies, as JSON values.
    """

    config: RankerConfig
    frontier: list[ChartRow] = field(default_factory=list)


def choose_ranking(
    asked: RankingConfig, parts: HeldOut, model: RatingModel, check: Callable[[], None]
) -> ChosenRanking:
    """The settings with the best NDCG@10 on validation ratings; those that were given stay.

    The ranker's own settings are chosen on each user's last fifth of the training part, as long as the test part: a
    shorter look ahead would favour what is newest. The weight of the predicted rating is chosen on the validation part,
    which the rating model does not know. NDCG is rounded before it decides, and ties take the simpler setting; among
    discounts of popular movies that are as good, the one whose lists cover most of the catalogue.

    Args:
        asked: the settings, each a value or ``auto``.
        parts: the ratings; the test part is not looked at.
        model: fitted on ``parts.fit``.
        check: called before each fit; may raise to cancel.
    """
    data = parts.train
    method = asked.choose_method(data)
    start = START if data.timestamps is not None else START | dict.fromkeys(BY_TIME, 0.0)
    config, free = asked.config(method, start), asked.choices(method)
    ranker = RANKERS[method].ranker
    own = None if parts.validation is None else _choose_own(config, free, data, ranker, check)
    if own is None or parts.validation is None:
        return ChosenRanking(config)
    chosen, frontier = own
    if "rating_weight" in free:
        mixed = TriedLists(parts.fit, _draw(parts.validation), model, ranker, check)
        chosen = mixed.climb_in_turn(chosen, {"rating_weight"}) if mixed.lists >= MIN_LISTS else chosen
    return ChosenRanking(chosen, frontier)


def _choose_own(
    config: RankerConfig, free: Collection[str], data: Interactions, ranker: type[Ranker], check: Callable[[], None]
) -> tuple[RankerConfig, list[ChartRow]] | None:
    """The ranker's own settings, and what a discount of popular movies gives; None with too few lists."""
    earlier = hold_out(data, LATER, validation=0)
    if earlier.test is None:
        return None
    lists = TriedLists(earlier.train, _draw(earlier.test), None, ranker, check)
    if lists.lists < MIN_LISTS:
        return None
    given, config = config, _with(config, rating_weight=0.0)
    if "l2" in free:
        alone = _with(config, next_weight=0.0)
        config = _with(config, l2=climb(lambda l2: -lists.ndcg(_with(alone, l2=l2)), START["l2"], mul))
    config = lists.climb_in_turn(config, set(free) - {"rating_weight"})
    return _with(config, rating_weight=given.rating_weight), lists.frontier(config)


def _with(config: RankerConfig, **changes: Any) -> RankerConfig:
    return config.model_copy(update=changes)


def _draw(validation: Interactions, seed: int = 0) -> Interactions:
    """The validation ratings of some users who have a relevant one."""
    liked = validation.ratings >= metrics.relevant_from(validation.scale)
    users = np.unique(validation.users[liked])
    drawn = np.random.default_rng(seed).permutation(users)[:MAX_USERS]
    return validation.subset(np.isin(validation.users, drawn))


class TriedLists:
    """Lists on validation ratings for any settings; each is made once.

    Args:
        fit: the ratings known.
        validation: those to find.
        model: knows no other ratings than ``fit``; None if no setting weighs its predictions.
        ranker: class of the rankers.
        check: called before each fit; may raise to cancel.
    """

    def __init__(
        self,
        fit: Interactions,
        validation: Interactions,
        model: RatingModel | None,
        ranker: type[Ranker],
        check: Callable[[], None],
    ) -> None:
        self._fit, self._validation, self._model, self._check = fit, validation, model, check
        self._ranker = ranker.variants(fit, MAX_MOVIES)
        self._found: dict[RankerConfig, Lists] = {}
        self._predicted: dict[int, Float32] = {}
        self._predicted_of = NOTHING
        self._spread = 0.0
        self.lists = len(np.unique(validation.users))

    def ndcg(self, config: RankerConfig) -> float:
        """NDCG@10, rounded."""
        lists = self._lists(config)
        return round(float(metrics.ndcg(lists.hits, lists.relevant).mean()), DIGITS)

    def coverage(self, config: RankerConfig) -> float:
        """Share of the catalogue that is in any list."""
        return metrics.coverage(metrics.exposure(self._lists(config).movies, self._fit.n_movies))

    def climb_in_turn(self, config: RankerConfig, free: Collection[str]) -> RankerConfig:
        """The config with each free setting at its best value, in turn; the first of equal ones is taken."""
        for name, values in TRIED.items():
            if name in free and not (name in BY_TIME and self._fit.timestamps is None):
                worth = self._worth if name == "popularity_discount" else self.ndcg
                config = max((_with(config, **{name: value}) for value in values), key=worth)
        return config

    def _worth(self, config: RankerConfig) -> tuple[float, float]:
        return self.ndcg(config), self.coverage(config)

    def frontier(self, config: RankerConfig) -> list[ChartRow]:
        """NDCG and coverage for each discount of popular movies."""
        discounts = sorted({*TRIED["popularity_discount"], config.popularity_discount})
        settings = [_with(config, popularity_discount=discount) for discount in discounts]
        return [
            asdict(FrontierPoint(one.popularity_discount, self.ndcg(one), self.coverage(one), one == config))
            for one in settings
        ]

    def _lists(self, config: RankerConfig) -> Lists:
        if config not in self._found:
            self._found[config] = draw_lists(self.score_user(config), self._fit, self._validation, LIST_LENGTH)
        return self._found[config]

    def score_user(self, config: RankerConfig) -> ScoreUser:
        """The scores of the movies that a user's list may hold; -inf for others."""
        self._check()
        ranker = self._ranker(config)
        if not np.array_equal(ranker.movies_, self._predicted_of):
            self._predicted_of, self._predicted, self._spread = ranker.movies_, {}, 0.0
        spread = self._measured_spread(ranker) if config.rating_weight else 0.0

        def score(user: int) -> Float32:
            history = self._fit.history(user)
            linear = ranker.score_history(history)
            per_rating = weigh_rating(ranker, linear, spread)
            if not per_rating:
                return linear
            predicted = self._predictions(user, ranker)
            return Scores(linear, per_rating).of_best(LIST_LENGTH, lambda movies: predicted[movies], drop=history.items)

        return score

    def _measured_spread(self, ranker: Ranker) -> float:
        assert self._model is not None  # a config with a weight of the predicted rating has one
        self._spread = self._spread or measure_spread(self._model, self._fit, ranker.movies_)
        return self._spread

    def _predictions(self, user: int, ranker: Ranker) -> Float32:
        """float32[n_movies + 1]: a user's predicted ratings of the ranker's movies; level at the end."""
        if user not in self._predicted:
            movies = np.append(ranker.movies_, np.int32(-1))
            predicted = np.zeros(self._fit.n_movies + 1, np.float32)
            assert self._model is not None
            predicted[movies] = self._model.predict_indices(np.full(len(movies), user, np.int32), movies)
            self._predicted[user] = predicted
        return self._predicted[user]

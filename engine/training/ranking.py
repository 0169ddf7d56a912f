"""The settings of the lists, chosen on each user's validation ratings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np

from engine.data.arrays import Float32, Floats, Int32
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, hold_out, shuffle_users
from engine.evaluation import metrics
from engine.evaluation.charts import ChartRow
from engine.evaluation.lists import Lists, ScoreUser, draw_lists
from engine.models.base import RatingModel
from engine.models.list_settings import RankingConfig
from engine.models.ranker import Ranker, RankerConfig
from engine.models.rankers import RANKERS
from engine.recommending.bundling import measure_spread
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
DIGITS = 4
"""Places to which NDCG and its differences are rounded before they decide."""
START = {"l2": 200.0, "recency": 0.3, "next_weight": 0.3, "factor_weight": 0.0, "rating_weight": 0.0}
"""Where the search begins, and what is used with too few lists; other settings begin at their defaults."""
TIMELESS_START = START | {"l2": 400.0, "recency": 0.0, "next_weight": 0.0, "factor_weight": 0.2}
"""The same where no times are known."""
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
"""Values tried in turn, with the others kept."""


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
    which the rating model does not know. Each setting begins at a usual value, and leaves it only for one whose lists
    are better by more than a standard error, so that a few new ratings change no list by chance (the rule of one
    standard error: Breiman et al. 1984, "Classification and regression trees", section 3.4.3).

    Args:
        asked: the settings, each a value or ``auto``.
        parts: the ratings; the test part is not looked at.
        model: fitted on ``parts.fit``.
        check: called before each fit; may raise to cancel.
    """
    data = parts.train
    method = asked.choose_method(data)
    start = TIMELESS_START if data.timestamps is None else START
    config, free = asked.config(method, start), asked.choices(method)
    ranker = RANKERS[method].ranker
    if parts.validation is None:
        return ChosenRanking(config)
    own = _choose_own(config, free, data, ranker, check)
    if own is None:
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
        config = _with(config, l2=lists.climb_penalty(_with(config, next_weight=0.0)))
    config = lists.climb_in_turn(config, set(free) - {"rating_weight"})
    return _with(config, rating_weight=given.rating_weight), lists.frontier(config)


def _with(config: RankerConfig, **changes: Any) -> RankerConfig:
    return config.model_copy(update=changes)


def _draw(validation: Interactions, seed: int = 0) -> Interactions:
    """The validation ratings of some users who have a relevant one."""
    liked = validation.ratings >= metrics.relevant_from(validation.scale)
    users = np.unique(validation.users[liked])
    return validation.subset(np.isin(validation.users, shuffle_users(users, seed)[:MAX_USERS]))


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
        self._predicted: dict[tuple[int, bytes], Float32] = {}
        self._spreads: dict[bytes, float] = {}
        self.lists = len(np.unique(validation.users))

    def ndcg(self, config: RankerConfig) -> float:
        """NDCG@10, rounded."""
        return round(float(self._per_list(config).mean()), DIGITS)

    def _per_list(self, config: RankerConfig) -> Floats:
        lists = self._lists(config)
        return metrics.ndcg(lists.hits, lists.relevant)

    def coverage(self, config: RankerConfig) -> float:
        """Share of the catalogue that is in any list."""
        return metrics.coverage(metrics.exposure(self._lists(config).movies, self._fit.n_movies))

    def climb_in_turn(self, config: RankerConfig, free: Collection[str]) -> RankerConfig:
        """The config with each free setting in turn at its best value, where that is clearly better."""
        for name, values in TRIED.items():
            if name in free and not (name in BY_TIME and self._fit.timestamps is None):
                best = max((_with(config, **{name: value}) for value in values), key=self.ndcg)
                config = config if self._is_as_good(config, best) else best
        return config

    def climb_penalty(self, config: RankerConfig) -> float:
        """The penalty, doubled or else halved for as long as that makes lists clearly better."""
        l2 = start = float(config.model_dump()["l2"])
        for ratio in (2.0, 0.5):
            while not self._is_as_good(_with(config, l2=l2), _with(config, l2=l2 * ratio)):
                l2 *= ratio
            if l2 != start:
                break
        return l2

    def _is_as_good(self, config: RankerConfig, best: RankerConfig) -> bool:
        """Whether NDCG@10 is within one standard error of another's, lists being paired by user."""
        lost = self._per_list(best) - self._per_list(config)
        error = lost.std(ddof=1) / np.sqrt(len(lost))
        return round(float(lost.mean()), DIGITS) <= round(float(error), DIGITS)

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
        spread = self._measured_spread(ranker) if config.rating_weight else 0.0

        def score(user: int) -> Float32:
            history = self._fit.history(user)
            linear = ranker.score_history(history)
            per_rating = weigh_rating(ranker, linear, spread)
            if not per_rating:
                return linear
            predict = partial(self._predict, user)
            return Scores(linear, per_rating).of_best(LIST_LENGTH, predict, drop=history.items)

        return score

    def _measured_spread(self, ranker: Ranker) -> float:
        assert self._model is not None  # a config with a weight of the predicted rating has one
        key = ranker.movies_.tobytes()
        if key not in self._spreads:
            self._spreads[key] = measure_spread(self._model, self._fit, ranker.movies_)
        return self._spreads[key]

    def _predict(self, user: int, movies: Int32) -> Float32:
        """float32[n]: a user's predicted ratings; other weights of them ask for the same movies again."""
        assert self._model is not None
        key = user, movies.tobytes()
        if key not in self._predicted:
            self._predicted[key] = self._model.predict_indices(np.full(len(movies), user, np.int32), movies)
        return self._predicted[key]

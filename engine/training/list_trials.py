"""Trials of the settings of lists: NDCG@10 of each user's later ratings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.background import give_way
from engine.data.arrays import Float32, Floats, mix
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, hold_out
from engine.errors import InvalidInput
from engine.evaluation import metrics
from engine.evaluation.lists import ScoreUser, draw_lists
from engine.evaluation.report import UserErrors
from engine.models.base import RatingModel
from engine.models.list_settings import DEFAULT_RANKING, ranking_space
from engine.models.ranker import RankerConfig
from engine.models.rankers import RANKERS, build_ranker, configure_ranker
from engine.models.registry import SearchRange, configure
from engine.rounding import significant
from engine.training.pipeline import VALIDATION_PART
from engine.training.ranking import (
    BY_TIME,
    LATER,
    MAX_MOVIES,
    MAX_USERS,
    MIN_LISTS,
    TriedLists,
    choose_ranking,
)
from engine.training.rating_trials import fit
from engine.training.served import LIST_LENGTH, ServedLists
from engine.training.tuning import FoldResult, Goal, Measured, Trials, Watcher, part_study


@dataclass(frozen=True)
class ListTrials(Trials[RankerConfig]):
    """Trials of the settings of lists.

    The rankers learn from each user's earlier ratings in the training part, and the lists must find the later ones.
    The rating model has its defaults and is fitted once, to the same earlier ratings.

    Attributes:
        known: the earlier ratings.
        later: the later ratings of the users in the folds.
        groups: the same, of the users in each fold.
        lists: for any settings.
        parts: for the evaluation of the best trial; no trial sees ``parts.test``.
        model: the rating model for that evaluation, fitted to ``parts.fit``.
        personal_from: number of ratings from which a list is purely personal.
        defaults, space: as in the base class.
    """

    goal: ClassVar[Goal] = "ndcg_at_k"

    known: Interactions
    later: Interactions
    groups: Sequence[Interactions]
    lists: TriedLists
    parts: HeldOut
    model: RatingModel
    personal_from: int
    defaults: RankerConfig
    space: Sequence[SearchRange]

    @classmethod
    def prepare(
        cls,
        kind: str,
        data: Interactions,
        folds: int,
        seed: int,
        personal_from: int,
        watcher: Watcher,
        begun: Mapping[str, Any] | None = None,
    ) -> ListTrials:
        """Hold ratings out, deal the users into folds, fit the rating model, and choose the defaults.

        Args:
            kind: the rating model.
            data: all ratings.
            folds: number of groups of users.
            seed: of the groups.
            personal_from: number of ratings from which a list is purely personal.
            watcher: may end it; only its ``cancelled`` and ``check`` are used.
            begun: the settings of the first trial in a study that is resumed (``rankers.ranker_settings``); without
                them it has those that a training chooses by default.

        Raises:
            InvalidInput: there are too few ratings.
            Cancelled: as in a training, and whatever the watcher raises.
        """
        parts = part_study(data)
        earlier = hold_out(parts.train, LATER, VALIDATION_PART)
        users = [] if earlier.test is None else deal(earlier.test, folds, seed)
        if earlier.test is None or not users:
            raise InvalidInput(
                f"{len(data):,} ratings are too few for tuning lists: at least {MIN_LISTS} people need a later rating "
                "that they liked.",
                field="ratings",
            )
        later = earlier.test.subset(np.isin(earlier.test.users, np.concatenate(users)))
        groups = [later.subset(np.isin(later.users, group)) for group in users]
        config, quiet = configure(kind, {}), Watcher(watcher.cancelled, watcher.check)
        model, _ = fit(config, parts.fit, parts.validation, quiet)
        if begun is None:
            defaults = choose_ranking(DEFAULT_RANKING, parts, model, watcher.check).config
        else:
            defaults = configure_ranker(begun)
        before, _ = fit(config, earlier.fit, earlier.validation, quiet)
        lists = TriedLists(earlier.train, later, before, RANKERS[defaults.kind].ranker, watcher.check)
        space = searched(defaults, timed=data.timestamps is not None)
        return cls(earlier.train, later, groups, lists, parts, model, personal_from, defaults, space)

    def configure(self, values: Mapping[str, Any]) -> RankerConfig:
        """As the base class."""
        return type(self.defaults).model_validate(self.defaults.model_dump() | dict(values))

    def measure(self, config: RankerConfig, watcher: Watcher) -> Measured:
        """The lists of all users, one group after the other; after each but the last the trial may be pruned.

        Raises:
            Cancelled: as in a training, and whatever the watcher raises.
        """
        ndcg = np.zeros(self.known.n_users)
        score: ScoreUser | None = None
        results: list[FoldResult] = []
        for fold, later in enumerate(self.groups):
            watcher.fold(fold)
            began = time.perf_counter()
            score = score or _checked(self.lists.score_user(config), _turn(watcher.check))
            users, found = list_ndcg(score, self.known, later)
            ndcg[users] = found
            results.append(FoldResult(fold, float(found.mean()), None, time.perf_counter() - began))
            watcher.done(results[-1])
            if len(results) < len(self.groups):
                watcher.look(fold, significant(float(np.mean([one.value for one in results]))))
        users = np.flatnonzero(self.later.user_counts)
        return Measured(tuple(results), _by_user(users, ndcg[users], self.later))

    def judge(self, configs: Sequence[RankerConfig], watcher: Watcher) -> list[UserErrors]:
        """Each settings' NDCG@10 on the ratings that no trial saw, of lists as a version would serve them."""
        parts = self.parts
        if parts.test is None:
            raise InvalidInput("No ratings were held out.", field="ratings")
        judged = []
        for config in configs:
            watcher.check()
            ranker = build_ranker(config).fit(parts.train)
            served = ServedLists.of(ranker, self.model, parts.train, self.personal_from)
            score = served.of_user(self.model, parts.train, _turn(watcher.check))
            judged.append(_by_user(*list_ndcg(score, parts.train, parts.test), parts.test))
        return judged

    def judging_s(self, fold_seconds: Sequence[float]) -> float:
        """As the base class; the rankers have more movies then, and the time grows with about their square."""
        rated = int((self.parts.train.movie_counts >= self.defaults.min_ratings).sum())
        movies = min(rated, int(self.defaults.model_dump()["max_movies"]))  # each ranker has its own maximum
        return len(self.groups) * max(1.0, movies / MAX_MOVIES) ** 2 * super().judging_s(fold_seconds)


def searched(defaults: RankerConfig, *, timed: bool) -> list[SearchRange]:
    """What is searched of a ranker's settings; ``timed``: whether the times of the ratings are known."""
    left = set(type(defaults).model_fields) - (set() if timed else BY_TIME)
    return [one for one in ranking_space() if one.name in left]


def deal(later: Interactions, folds: int, seed: int) -> list[NDArray[np.int32]]:
    """Groups of users who liked one of these ratings, at most ``MAX_USERS``; none with too few users.

    Their order depends on the users and the seed alone.
    """
    users = np.unique(later.users[later.ratings >= metrics.relevant_from(later.scale)])
    if len(users) < MIN_LISTS:
        return []
    order = np.argsort(mix(users.astype(np.uint64) + mix(np.array([seed], np.uint64))), kind="stable")
    return [users[order[:MAX_USERS]][fold::folds] for fold in range(folds)]


def list_ndcg(score: ScoreUser, known: Interactions, later: Interactions) -> tuple[NDArray[np.int64], Floats]:
    """int64[n], the users with a rating to find, and float64[n], NDCG@10 of their lists."""
    lists = draw_lists(score, known, later, LIST_LENGTH)
    return lists.users, metrics.ndcg(lists.hits, lists.relevant)


def _turn(check: Callable[[], None]) -> Callable[[], None]:
    """Between two users: requests go first, and ``check`` may end it."""

    def turn() -> None:
        give_way()
        check()

    return turn


def _checked(score: ScoreUser, check: Callable[[], None]) -> ScoreUser:
    """The same scores, with a check before each user."""

    def checked(user: int) -> Float32:
        check()
        return score(user)

    return checked


def _by_user(users: NDArray[np.int64], ndcg: Floats, later: Interactions) -> UserErrors:
    return UserErrors(users, np.ones(len(users), np.int64), later.user_marks[users], {"ndcg_at_k": ndcg})

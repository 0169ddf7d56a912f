"""Studies of lists: what trials see, what they find, and what they do not claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from threading import Event
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from engine.data.ratings import Interactions
from engine.errors import Cancelled, InvalidInput
from engine.evaluation.newcomers import choose_newcomers
from engine.models.rankers import ranker_settings
from engine.training import list_trials, search
from engine.training.list_trials import ListTrials, deal, searched
from engine.training.ranking import MIN_LISTS
from engine.training.tuning import Watcher, compare_goal, weigh
from tests.conftest import planted
from tests.engine.training.held_out import swap_movies, turn_ratings


def nothing() -> None:
    """Nobody asks for a stop."""


WATCHER = Watcher(Event(), nothing)


def prepare(data: Interactions, begun: dict[str, Any] | None = None, seed: int = 0) -> ListTrials:
    return ListTrials.prepare("svd", data, 3, seed, 10, WATCHER, begun)


@cache
def moving(n_users: int = 220, clusters: int = 8, seed: int = 0) -> Interactions:
    """People whose taste moves: what they like next is like their newest ratings, not like their many old ones."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        old, new = rng.choice(clusters, 2, replace=False)
        first, last = rng.permutation(25)[:18], rng.permutation(25)[:12]
        movies = [*(25 * old + first), *(25 * new + last)]
        rows += [(f"u{user}", f"m{movie}", 5.0, 1000 * user + at) for at, movie in enumerate(movies)]
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    return Interactions.from_frame(frame, scale=(0.5, 5.0))


def plain(trials: ListTrials) -> dict[str, Any]:
    """Settings that a study begins with: nothing of what helps."""
    off = {"recency": 0.0, "next_weight": 0.0, "rating_weight": 0.0, "popularity_discount": 0.0, "dislike": 0.0}
    return ranker_settings(trials.defaults) | off


def test_a_setting_that_matters_is_found_and_holds() -> None:
    """Where tastes move, forgetting the old ratings gives better lists, on ratings that no trial saw as well."""
    begun = plain(prepare(moving()))
    trials = prepare(moving(), begun)
    assert ranker_settings(trials.defaults) == begun
    study = optuna.create_study(direction=search.direction("ndcg_at_k"), sampler=search.sampler(0, 0))
    study.enqueue_trial(search.first_trial(trials.defaults, trials.space))
    measured = []
    for _ in range(6):
        trial = study.ask(search.distributions(trials.space, trials.defaults))
        measured.append(trials.measure(trials.configure(trial.params), WATCHER))
        study.tell(trial, measured[-1].value)
    best = study.best_trial
    assert best.params["recency"] > 0.3
    held_out = compare_goal("ndcg_at_k", *trials.judge([trials.configure(best.params), trials.defaults], WATCHER))
    evidence = weigh("ndcg_at_k", best.number, measured[best.number], measured[0], 5, held_out)
    assert evidence.better, evidence.text


def test_equal_settings_are_not_called_better(small: Interactions) -> None:
    """Without times, recency changes nothing."""
    trials = prepare(replace(small, timestamps=None))
    assert trials.defaults.recency == 0
    same = trials.configure({"recency": 0.7})
    one, two = (trials.measure(config, WATCHER) for config in (trials.defaults, same))
    assert one.value == two.value
    held_out = compare_goal("ndcg_at_k", *trials.judge([same, trials.defaults], WATCHER))
    evidence = weigh("ndcg_at_k", 1, two, one, 1, held_out)
    assert (evidence.better, evidence.folds_won, held_out.verdict) == (False, 0, "no difference shown")


def test_without_times_what_needs_them_is_not_drawn(small: Interactions) -> None:
    timed, untimed = prepare(small), prepare(replace(small, timestamps=None))
    names = [{one.name for one in trials.space} for trials in (timed, untimed)]
    assert names[0] - names[1] == {"recency", "next_weight"}
    assert {"l2", "rating_weight", "popularity_discount"} <= names[1]


def test_settings_of_other_rankers_are_not_drawn() -> None:
    from engine.models.als import ImplicitALSConfig

    assert {one.name for one in searched(ImplicitALSConfig(), timed=True)}.isdisjoint({"l2", "next_weight"})


@pytest.mark.parametrize("change", [turn_ratings, swap_movies])
def test_nothing_of_the_held_out_ratings_reaches_a_trial(
    small: Interactions, change: Callable[[Interactions, np.ndarray], Interactions]
) -> None:
    """With all ratings that judge changed, the defaults and the trials come out the same, bit for bit."""
    trials = prepare(small)
    judged = trials.parts.test
    assert judged is not None
    pairs = small.users.astype(np.int64) << 32 | small.items
    rows = np.isin(pairs, judged.users.astype(np.int64) << 32 | judged.items)
    assert rows.sum() == len(judged)
    other = prepare(change(small, rows))
    assert other.defaults == trials.defaults
    for values in ({}, {"rating_weight": 0.5, "recency": 0.2, "l2": 60.0}):
        one, two = (each.measure(each.configure(values), WATCHER) for each in (trials, other))
        assert [fold.value for fold in one.folds] == [fold.value for fold in two.folds]
        assert one.errors.sums["ndcg_at_k"].tobytes() == two.errors.sums["ndcg_at_k"].tobytes()
        assert one.errors.marks.tolist() == two.errors.marks.tolist()


def test_no_trial_sees_the_people_on_whom_versions_are_judged() -> None:
    data = Interactions.from_frame(*planted(n_users=200), scale=(0.5, 5.0))
    newcomers, trials = choose_newcomers(data), prepare(data)
    assert len(newcomers)
    for part in (trials.known, trials.later, trials.parts.train, trials.parts.test):
        assert part is not None
        assert not np.isin(newcomers, part.users).any()


def test_folds_are_disjoint_groups_of_users(small: Interactions) -> None:
    trials = prepare(small)
    measured = trials.measure(trials.defaults, WATCHER)
    users = [np.flatnonzero(group.user_counts) for group in trials.groups]
    assert len(users) == len(measured.folds) == 3
    assert sorted(np.concatenate(users).tolist()) == measured.errors.users.tolist()
    assert max(map(len, users)) - min(map(len, users)) <= 1
    ndcg = dict(zip(measured.errors.users.tolist(), measured.errors.sums["ndcg_at_k"].tolist(), strict=True))
    for fold, group in zip(measured.folds, users, strict=True):
        assert fold.value == pytest.approx(np.mean([ndcg[user] for user in group.tolist()]))
        assert fold.epochs is None
    assert measured.value == pytest.approx(np.mean([fold.value for fold in measured.folds]))
    assert 0 < measured.value < 1
    others = prepare(small, ranker_settings(trials.defaults), seed=1)
    assert [group.users.tolist() for group in others.groups] != [group.users.tolist() for group in trials.groups]


def test_at_most_so_many_users_take_part(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_trials, "MAX_USERS", 25)
    assert sorted(map(len, deal(small, 3, 0))) == [8, 8, 9]


def test_a_watcher_sees_folds_and_looks_and_may_end_it(small: Interactions) -> None:
    trials = prepare(small)
    seen: list[Any] = []
    watcher = Watcher(
        Event(), nothing, seen.append, lambda step, value: seen.append(("look", step)), lambda fold: seen.append("done")
    )
    trials.measure(trials.defaults, watcher)
    assert seen == [0, "done", ("look", 0), 1, "done", ("look", 1), 2, "done"]

    def give_up(step: int, value: float) -> None:
        raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        trials.measure(trials.defaults, replace(watcher, look=give_up))

    def stop() -> None:
        raise Cancelled("The study was stopped.")

    stopped = replace(watcher, check=stop)
    with pytest.raises(Cancelled):
        trials.measure(trials.defaults, stopped)
    with pytest.raises(Cancelled):
        trials.judge([trials.defaults], stopped)
    with pytest.raises(Cancelled):
        ListTrials.prepare("svd", small, 3, 0, 10, stopped)


def test_too_few_ratings_are_refused(small: Interactions) -> None:
    with pytest.raises(InvalidInput, match="too few for tuning, which"):
        prepare(small.subset(np.arange(30)))
    with pytest.raises(InvalidInput, match=f"at least {MIN_LISTS} people"):
        prepare(small.subset(small.users < MIN_LISTS - 3))

"""What a study proves: the best of many has to be much better, and on ratings that no trial saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.differences import MetricDifference
from engine.evaluation.report import UserErrors
from engine.training.tuning import FoldResult, Goal, Measured, weigh

BETTER = MetricDifference(0.91, 0.92, -0.01, -0.02, -0.001, 0.001, 50, "better")


def measured(squared: np.ndarray, folds: tuple[float, ...], goal: Goal = "rmse") -> Measured:
    users = np.arange(len(squared))
    errors = UserErrors(users, np.ones(len(users), np.int64), np.zeros(len(users), np.uint64), {goal: squared})
    return Measured(tuple(FoldResult(n, value, 5, 1.0) for n, value in enumerate(folds)), errors)


def test_the_best_of_many_has_to_be_much_better() -> None:
    """The same difference is shown by one trial and may be chance as the best of a thousand."""
    rng = np.random.default_rng(1)
    theirs = rng.chisquare(3, 200)
    ours = theirs * rng.normal(0.955, 0.14, 200)
    pair = measured(ours, (0.8, 0.9)), measured(theirs, (0.9, 0.85))
    alone, best = (weigh("rmse", 4, *pair, tried, BETTER) for tried in (1, 1000))
    assert 1e-4 < alone.difference.p_value < 0.05
    assert (alone.better, best.better) == (True, False)
    assert alone.folds_won == 1
    assert "lower in 1 of 2 folds" in alone.text
    assert "better than the defaults" in alone.text
    assert "may be chance" in best.text


@pytest.mark.parametrize(
    ("held_out", "told"),
    [
        (BETTER, "It is better than the defaults (p = "),
        (None, "the ratings that no trial saw decide when the study has ended (p = "),
        (
            replace(BETTER, verdict="no difference shown", p_value=0.77),
            "not on the ratings that no trial saw, so nothing",
        ),
        (replace(BETTER, verdict="worse"), "not on the ratings that no trial saw, so nothing"),
    ],
)
def test_what_the_folds_show_the_held_out_ratings_must_show_too(held_out: MetricDifference | None, told: str) -> None:
    theirs = np.random.default_rng(1).chisquare(3, 200)
    pair = measured(theirs * 0.9, (0.8, 0.8)), measured(theirs, (0.9, 0.9))
    evidence = weigh("rmse", 4, *pair, 3, held_out)
    assert evidence.difference.verdict == "better"
    assert evidence.difference.p_value < 1e-6
    assert evidence.better == (held_out is BETTER)
    assert told in evidence.text


def test_what_the_held_out_ratings_say_is_told() -> None:
    squared = np.random.default_rng(1).chisquare(3, 50)
    held_out = replace(BETTER, verdict="no difference shown")
    evidence = weigh("rmse", 4, measured(squared, (0.9,)), measured(squared, (0.9,)), 3, held_out)
    assert evidence.text.endswith("it has RMSE 0.9100, the defaults 0.9200: no difference shown.")
    assert "may be chance" in evidence.text
    assert not evidence.better


def test_no_difference_is_told_as_a_negative_zero() -> None:
    theirs = np.random.default_rng(1).chisquare(3, 50)
    evidence = weigh("rmse", 1, measured(theirs * (1 - 1e-6), (0.9,)), measured(theirs, (0.9,)), 1, None)
    assert -1e-6 < evidence.difference.difference < 0
    assert "a difference of +0.0000 (+0.0000 to +0.0000)" in evidence.text


def test_of_too_few_users_no_interval_is_told() -> None:
    squared = np.random.default_rng(1).chisquare(3, 9)
    evidence = weigh("rmse", 1, measured(squared / 2, (0.9,)), measured(squared, (0.9,)), 1, None)
    assert "(too few people for an interval), lower in 0 of 1 folds" in evidence.text
    assert not evidence.better


def test_equal_trials_tie_whatever_their_last_digits() -> None:
    squared = np.random.default_rng(1).chisquare(3, 50)
    ours, theirs = measured(squared, (0.3 - 0.2, 0.9)), measured(squared, (0.2 - 0.1, 0.9))
    assert (0.3 - 0.2) < (0.2 - 0.1)
    assert weigh("rmse", 1, ours, theirs, 1, None).folds_won == 0
    assert ours.value == theirs.value == 0.5


def test_higher_lists_are_better() -> None:
    """The same numbers are the opposite of what they are as errors."""
    low, high = np.random.default_rng(1).random(200) * 0.1, np.random.default_rng(1).random(200) * 0.12
    pair = measured(high, (0.06, 0.05), "ndcg_at_k"), measured(low, (0.05, 0.06), "ndcg_at_k")
    held_out = MetricDifference(0.06, 0.05, 0.01, 0.005, 0.015, 0.001, 150, "better")
    evidence = weigh("ndcg_at_k", 4, *pair, 3, held_out)
    assert evidence.better
    assert evidence.folds_won == 1
    assert "Trial 4 has NDCG@10 0." in evidence.text
    assert "higher in 1 of 2 folds" in evidence.text
    assert evidence.text.endswith("it has NDCG@10 0.0600, the defaults 0.0500: better.")
    worse = weigh("ndcg_at_k", 4, pair[1], pair[0], 3, held_out)
    assert (worse.difference.verdict, worse.better) == ("worse", False)


def test_equal_lists_are_not_called_better() -> None:
    ndcg = np.random.default_rng(1).random(200)
    same = measured(ndcg, (0.5, 0.5), "ndcg_at_k")
    evidence = weigh("ndcg_at_k", 1, same, same, 1, BETTER)
    assert (evidence.better, evidence.folds_won, evidence.difference.p_value) == (False, 0, 1.0)
    assert "may be chance" in evidence.text


def test_folds_of_earlier_releases_are_read() -> None:
    stored = {"fold": 1, "rmse": 0.9, "epochs": 4, "seconds": 2.5}
    assert FoldResult.stored(stored) == FoldResult(1, 0.9, 4, 2.5)
    assert FoldResult.stored({"fold": 1, "value": 0.2, "epochs": None, "seconds": 2.5}) == FoldResult(1, 0.2, None, 2.5)

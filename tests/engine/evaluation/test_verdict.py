"""The verdict: promoted for what is shown, held for harm and for nothing shown, rejected for what is worse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.evaluation.differences import MetricDifference
from engine.evaluation.intervals import MetricValue
from engine.evaluation.metrics import METRICS
from engine.evaluation.newcomers import STEPS
from engine.evaluation.report import EvaluationReport
from engine.evaluation.verdict import Judgement, _call, judge
from engine.models.intervals import LEVEL
from tests.engine.evaluation.reports import covered, judged, newcomers

OLD = judged(0.81, 0.30)
NEWCOMERS = {"new_users": (slice(0, 20), 1.0), "heavy_users": (slice(20, 60), 1.0), "genre:War": (slice(0, 60), 1.0)}


def broken(found: Judgement) -> set[str]:
    return {one.part for one in found.evidence if one.role == "guard" and one.finding == "worse"}


@pytest.mark.parametrize(
    ("error", "hits", "verdict", "told"),
    [
        (0.79, 0.33, "PROMOTE", "better than version 3 in NDCG (0.3284 against 0.2985, 60 people)"),
        (0.81, 0.33, "PROMOTE", "60 people), on the same held-out ratings. It is worse for none of"),
        (0.75, 0.30, "PROMOTE", "better than version 3 in RMSE (0.8"),
        (
            0.81,
            0.30,
            "HOLD",
            "No difference from version 3 is shown in NDCG (0.2985 against 0.2985, 60 people) or RMSE",
        ),
        (0.75, 0.27, "HOLD", "better than version 3 in RMSE (0.8"),
        (0.99, 0.30, "REJECT", "worse than version 3 in RMSE (0.9"),
        (0.99, 0.20, "REJECT", "worse than version 3 in NDCG (0.1990 against 0.2985, 60 people) and RMSE"),
    ],
)
def test_the_verdict_follows_what_is_shown(error: float, hits: float, verdict: str, told: str) -> None:
    found = judge(judged(error, hits), OLD, 3)
    assert (found.verdict, found.baseline) == (verdict, 3)
    assert told in found.text


def test_a_difference_too_small_to_matter_is_not_called() -> None:
    """Every user is better off, by less than another seed of the same training would change."""
    small = 1 - (METRICS["rmse"].min_change or 0)
    found = judge(judged(0.81 * small, 0.30), OLD, 3)
    goal = next(one for one in found.evidence if one.metric == "rmse")
    assert goal.difference.verdict == "better"
    assert (goal.finding, found.verdict) == ("no difference shown", "HOLD")


def test_errors_of_preferences_are_not_compared() -> None:
    """How near 1 a predicted like comes says little of the lists."""
    for scale, verdict in (((0.0, 1.0), "HOLD"), ((0.5, 5.0), "REJECT")):
        new, old = (one.with_protocol(lowest=scale[0], highest=scale[1]) for one in (judged(0.99, 0.30), OLD))
        found = judge(new, old, 3)
        assert found.verdict == verdict
        assert any(one.metric == "rmse" for one in found.evidence) == (verdict == "REJECT")
        assert ("RMSE" in found.text) == (verdict == "REJECT")


def test_of_two_goals_each_is_called_at_half_the_level() -> None:
    """A gain in lists with p between 0.025 and 0.05."""
    rng = np.random.default_rng(5)
    noise = next(
        noise
        for noise in (rng.normal(0.01, 0.03, 60) for _ in range(1000))
        if 0.025 < judge(_lists(noise), OLD, 3).evidence[0].difference.p_value < 0.045
        and judge(_lists(noise), OLD, 3).evidence[0].difference.verdict == "better"
    )
    assert judge(_lists(noise), OLD, 3).verdict == "HOLD"
    assert judge(OLD, _lists(noise), 3).verdict == "REJECT"  # harm is called at the whole level


def _lists(gain: np.ndarray[Any, Any]) -> EvaluationReport:
    return replace(OLD, per_user={"ndcg_at_k": OLD.per_user["ndcg_at_k"] + gain})


def test_who_is_better_on_average_but_worse_for_new_users_is_held_with_that_reason() -> None:
    old = judged(0.81, 0.30, parts=NEWCOMERS)
    new = judged(0.65, 0.33, parts=NEWCOMERS | {"new_users": (slice(0, 20), 1.4)})
    found = judge(new, old, 3)
    assert (found.verdict, broken(found), found.harmless) == ("HOLD", {"new_users"}, False)
    assert "but worse for people with few ratings (RMSE 0.9452 against 0.8917, 20 people)." in found.text
    assert found.text.startswith("It is better than version 3 in NDCG")


def test_it_says_for_whom_it_is_better_and_for_whom_worse() -> None:
    old = judged(0.81, 0.30, parts=NEWCOMERS)
    new = judged(0.65, 0.33, parts=NEWCOMERS | {"new_users": (slice(0, 20), 1.4)})
    assert judge(new, old, 3).whom == (
        "Better for people with many ratings, people with few ratings (NDCG) and the genre War. "
        "Worse for people with few ratings (RMSE)."
    )
    assert judge(old, old, 3).whom == "Better for no group. Worse for none. No difference is shown for 3 of 3 groups."
    assert Judgement("PROMOTE", None, "It is the first version.").whom == ""


def test_genres_are_named_together() -> None:
    parts = {"heavy_users": (slice(0, 60), 1.0), "genre:War": (slice(0, 60), 1.0), "genre:Drama": (slice(0, 60), 1.0)}
    found = judge(judged(0.65, 0.33, parts=parts), judged(0.81, 0.30, parts=parts), 3)
    assert found.whom == "Better for people with many ratings and the genres Drama and War. Worse for none."


def test_worse_lists_of_new_users_break_a_guard_too() -> None:
    old = judged(0.81, 0.30, parts=NEWCOMERS)
    lists = np.concatenate([old.per_user["ndcg_at_k"][:20] * 0.5, old.per_user["ndcg_at_k"][20:] * 1.5])
    found = judge(replace(judged(0.81, 0.30, parts=NEWCOMERS), per_user={"ndcg_at_k": lists}), old, 3)
    assert (found.verdict, broken(found)) == ("HOLD", {"new_users"})
    assert "people with few ratings (NDCG 0.1506 against 0.3011, 20 people)." in found.text


def test_guards_are_named_even_where_nothing_got_better() -> None:
    parts = {"genre:War": (slice(0, 10), 1.0), "heavy_users": (slice(0, 60), 1.0)}
    old = judged(0.81, 0.30, parts=parts)
    balanced = parts | {"genre:War": (slice(0, 10), 1.2), "heavy_users": (slice(0, 60), 0.97)}
    found = judge(judged(0.81, 0.30, parts=balanced), old, 3)
    assert found.verdict == "HOLD"
    assert found.text == f"It is worse for the genre War (RMSE {found.evidence[2].difference.value:.4f} against " + (
        f"{found.evidence[2].difference.baseline:.4f}, 10 people)."
    )


def test_the_more_guards_of_a_kind_there_are_the_more_it_takes_to_break_one() -> None:
    """Ten users of a genre, all worse off: the least p-value there is, 1 in 512."""
    few = {"genre:War": (slice(0, 10), 1.0), "heavy_users": (slice(10, 60), 1.0)}
    many = few | {f"genre:{n}": (slice(10, 60), 1.0) for n in range(25)}
    for parts, expected in ((few, {"genre:War"}), (many, set())):
        new = judged(0.81, 0.30, parts=parts | {"genre:War": (slice(0, 10), 1.5)})
        assert broken(judge(new, judged(0.81, 0.30, parts=parts), 3)) == expected


@pytest.mark.parametrize(
    ("coverage", "before", "holds"),
    [(0.90, 0.90, True), (0.875, 0.90, True), (0.85, 0.90, False), (0.85, 0.84, True), (0.97, 0.90, True)],
)
def test_intervals_have_to_hold_what_they_promise(coverage: float, before: float, holds: bool) -> None:
    old, new = judged(0.81, 0.30, metrics=covered(before)), judged(0.75, 0.33, metrics=covered(coverage))
    found = judge(new, old, 3)
    assert [one.holds for one in found.coverage] == [holds]
    assert found.verdict == ("PROMOTE" if holds else "HOLD")
    assert ("everybody (intervals cover" in found.text) is not holds
    assert LEVEL == 0.9


def test_a_coverage_of_too_few_users_holds_nothing_against_a_version() -> None:
    few = {"interval_coverage": MetricValue(0.7, None, None)}
    found = judge(judged(0.75, 0.33, metrics=few), judged(0.81, 0.30, metrics=covered(0.9)), 3)
    assert (found.verdict, [one.holds for one in found.coverage]) == ("PROMOTE", [True])


def test_a_coverage_that_reaches_just_to_the_bound_holds() -> None:
    """And so does one that noise leaves a hair below it, as in a version of an earlier release."""
    bound = {"interval_coverage": MetricValue(0.87, 0.86, 0.88 - 1e-16)}
    found = judge(judged(0.75, 0.33, metrics=bound), judged(0.81, 0.30, metrics=covered(0.9)), 3)
    assert [one.holds for one in found.coverage] == [True]


def test_a_difference_of_just_the_smallest_size_is_called() -> None:
    """A hundredth of 0.45 is a hair above 0.0045."""
    assert 0.01 * 0.45 > 0.0045
    for difference, finding in ((-0.0045, "worse"), (-0.0044, "no difference shown")):
        found = MetricDifference(0.45 + difference, 0.45, difference, -0.01, -0.001, 0.001, 60, "worse")
        assert _call("ndcg_at_k", found, 1) == finding


def test_intervals_of_new_users_are_looked_at_by_themselves() -> None:
    segments = {"heavy_users": covered(0.9), "new_users": covered(0.8)}
    new = judged(0.75, 0.33, parts=NEWCOMERS, metrics=covered(0.9), segments=segments | {"genre:War": {}})
    found = judge(new, judged(0.81, 0.30, parts=NEWCOMERS), 3)
    assert [one.part for one in found.coverage if not one.holds] == ["new_users"]
    assert "people with few ratings (intervals cover 80.0% of ratings instead of 90%)" in found.text


def test_without_ratings_one_by_one_groups_are_said_not_to_be_compared() -> None:
    found = judge(judged(0.75, 0.33), replace(OLD, rows=None), 3)
    assert found.verdict == "PROMOTE"
    assert "Groups could not be compared." in found.text


def test_newcomers_are_a_guard_after_each_number_of_their_ratings() -> None:
    """Better for everybody known, and worse for people nobody knew, once three of their ratings are known."""
    serving = judged(0.81, 0.30, newcomers=newcomers())
    better = judged(0.75, 0.33, newcomers=newcomers({3: 1.3}))
    found = judge(better, serving, 3)
    assert found.verdict == "HOLD"
    assert broken(found) == {"newcomers:3"}
    assert "newcomers after 3 ratings (RMSE" in found.text
    assert {one.part for one in found.evidence if one.part.startswith("newcomers")} == {
        f"newcomers:{step}" for step in STEPS
    }
    assert judge(judged(0.75, 0.33, newcomers=newcomers(seed=1)), serving, 3).verdict == "PROMOTE"


def test_the_curve_of_newcomers_takes_the_place_of_known_users_with_few_ratings() -> None:
    worse = {**NEWCOMERS, "new_users": (slice(0, 20), 1.3)}
    serving = judged(0.81, 0.30, parts=NEWCOMERS, newcomers=newcomers())
    assert judge(judged(0.79, 0.33, parts=worse, newcomers=newcomers()), serving, 3).verdict == "PROMOTE"
    assert broken(judge(judged(0.79, 0.33, parts=worse), serving, 3)) == {"new_users"}


def test_newcomers_who_rated_since_are_no_evidence() -> None:
    """Only those who are in both, with the same ratings, are compared; below ten nothing is said."""
    serving = judged(0.81, 0.30, newcomers=newcomers())
    others = judged(0.79, 0.33, newcomers=newcomers({3: 2.0}, first=31))
    assert not [one for one in judge(others, serving, 3).evidence if one.part.startswith("newcomers")]
    shared = judge(judged(0.79, 0.33, newcomers=newcomers(first=25)), serving, 3)
    assert {one.difference.users for one in shared.evidence if one.part.startswith("newcomers")} == {15}
    people = newcomers({3: 2.0})
    changed = judged(0.79, 0.33, newcomers=replace(people, marks=people.marks + np.uint64(1)))
    assert not [one for one in judge(changed, serving, 3).evidence if one.part.startswith("newcomers")]


def test_equal_versions_break_the_guard_of_newcomers_rarely() -> None:
    """Twelve comparisons count as one: each alone would be called in one of twenty cases."""
    serving = judged(0.81, 0.30, newcomers=newcomers(seed=1000))
    called = sum(
        bool(broken(judge(judged(0.81, 0.30, newcomers=newcomers(seed=seed)), serving, 3))) for seed in range(40)
    )
    assert called <= 4

"""Whether a version serves: what each policy makes of a verdict, and what happens where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.evaluation.report import EvaluationReport
from engine.training.promotion import Candidate, Decision, Rival, decide
from tests.engine.evaluation.reports import judged

OLD = judged(0.81, 0.30)
NEWCOMERS = {"new_users": (slice(0, 20), 1.0), "heavy_users": (slice(20, 60), 1.0)}


def decided(policy: Any, new: EvaluationReport | None, old: EvaluationReport | None, data: str = "new") -> Decision:
    return decide(policy, Candidate(new, data), Rival(old, "old", 3))


@pytest.mark.parametrize(
    ("error", "hits", "verdict", "serves"),
    [
        (0.75, 0.33, "PROMOTE", {"if_better", "if_no_worse", "always"}),
        (0.81, 0.30, "HOLD", {"if_no_worse", "always"}),
        (0.75, 0.25, "HOLD", {"always"}),
        (0.99, 0.30, "REJECT", {"always"}),
    ],
)
def test_what_each_policy_makes_of_a_verdict(error: float, hits: float, verdict: str, serves: set[str]) -> None:
    for policy in ("if_better", "if_no_worse", "if_better_live", "always", "never"):
        decision = decided(policy, judged(error, hits), OLD)
        assert decision.judgement.verdict == verdict
        assert decision.verdict.startswith(decision.judgement.text)
        assert decision.activate is (policy in serves), policy
        assert ("It was activated" in decision.verdict) is decision.activate


def test_what_breaks_a_guard_serves_only_where_no_verdict_is_asked_for() -> None:
    new = judged(0.75, 0.33, parts=NEWCOMERS | {"new_users": (slice(0, 20), 1.4)})
    old = judged(0.81, 0.30, parts=NEWCOMERS)
    assert not decided("if_no_worse", new, old).activate
    assert not decided("if_better", new, old).activate
    assert decided("always", new, old).activate


def test_chance_alone_is_no_reason_to_change() -> None:
    """A hair worse on average, which the paired test does not take for a difference."""
    noise = np.random.default_rng(1).normal(0, 0.05, 60)
    new = replace(OLD, per_user={"ndcg_at_k": OLD.per_user["ndcg_at_k"] + noise - noise.mean() - 0.001})
    decision = decided("if_better", new, OLD)
    assert not decision.activate
    assert decision.verdict.endswith("Version 3 stayed active.")
    assert decided("if_no_worse", new, OLD).activate


def test_the_first_version_serves_and_is_told_so() -> None:
    for report in (None, OLD):
        assert decide("if_better", Candidate(report, "new"), None).activate
        assert not decide("never", Candidate(report, "new"), None).activate
    assert "first version" in decide("if_better", Candidate(None, "new"), None).verdict


def strangers(report: EvaluationReport) -> EvaluationReport:
    assert report.rows is not None
    return replace(report, rows=replace(report.rows, ratings=report.rows.ratings + np.float32(0.5)))


@pytest.mark.parametrize(
    ("new", "old", "data", "verdict", "why"),
    [
        (None, OLD, "new", "HOLD", "It could not be evaluated, but version 3 was."),
        (OLD, None, "new", "PROMOTE", "It was trained on newer ratings."),
        (None, None, "new", "PROMOTE", "Version 3 was not evaluated person by person"),
        (None, None, "old", "HOLD", "Both were trained on the same ratings."),
        (OLD, strangers(OLD), "new", "HOLD", "only 0 of 600 ratings were held out from both"),
        (judged(0.5, 0.4, users=10), judged(0.9, 0.2, users=10), "new", "PROMOTE", "better than version 3"),
        (
            judged(0.5, 0.4, users=9),
            judged(0.9, 0.2, users=9),
            "new",
            "PROMOTE",
            "With so few people (9) no test can show a gain.",
        ),
        (judged(0.5, 0.4, users=1), judged(0.9, 0.2, users=1), "old", "HOLD", "trained on the same ratings."),
    ],
)
def test_where_nothing_can_be_tested_newer_ratings_decide(
    new: EvaluationReport | None, old: EvaluationReport | None, data: str, verdict: str, why: str
) -> None:
    decision = decided("if_better", new, old, data)
    assert decision.judgement.verdict == verdict
    assert decision.activate is (verdict == "PROMOTE")
    assert why in decision.verdict

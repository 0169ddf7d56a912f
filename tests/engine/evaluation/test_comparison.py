"""Verdicts: no more false alarms than promised, real differences found, unlike reports refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata, wilcoxon

from engine.data.ratings import Interactions
from engine.data.splits import Split, split_by_user_time
from engine.errors import InvalidInput
from engine.evaluation import metrics
from engine.evaluation.comparison import compare, compare_segments
from engine.evaluation.differences import signed_rank
from engine.evaluation.report import EvaluationReport, EvaluationService, UserErrors
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel

RESAMPLINGS = {60: 200, 300: 100}
"""Pairs of models, by number of users."""
COMPARED = {name for name, metric in metrics.METRICS.items() if metric.is_compared}
Pair = tuple[np.ndarray, np.ndarray, np.ndarray]  # of both models, per user: the values, and how much each user weighs


def report(name: str, values: np.ndarray, counts: np.ndarray) -> EvaluationReport:
    """A report that knows one metric of each user."""
    users = np.arange(len(values))
    errors = {name: values} if name in ("rmse", "mae") else {}
    return EvaluationReport(
        metrics={},
        segments={},
        protocol={"k": 10, "relevant_from": 4.0},
        users=users,
        per_user={} if errors else {name: values},
        errors=UserErrors(users, counts, np.zeros(len(users), np.uint64), errors),
        charts={},
    )


def verdict(name: str, pair: Pair) -> str:
    ours, theirs, counts = pair
    return compare(report(name, ours, counts), report(name, theirs, counts))[name].verdict


def lists(rng: np.random.Generator, users: int, better: float = 1.0) -> Pair:
    """NDCG@10 of hits by chance: most users have none, many have the same. ``better``: how much likelier ours hit."""
    chance = rng.beta(0.8, 2.5, users)[:, None] * 0.5
    relevant = np.full(users, 10)
    ours, theirs = (metrics.ndcg(rng.random((users, 10)) < chance * factor, relevant) for factor in (better, 1.0))
    return ours, theirs, np.ones(users)


def skewed_lists(rng: np.random.Generator, users: int) -> Pair:
    """Equal means, very unlike shapes: seldom all, or often a little."""
    return (rng.random(users) < 0.1) * 1.0, (rng.random(users) < 0.5) * 0.2, np.ones(users)


def errors(rng: np.random.Generator, users: int, better: float = 1.0) -> Pair:
    """Squared errors with heavy tails, of users with 1 to hundreds of ratings, in stars.

    Both models miss what nobody could know; beyond it each has noise of its own, of equal variance but not alike in
    its tails. ``better``: how much smaller ours is.
    """
    counts = np.maximum(rng.lognormal(2.5, 1.2, users).astype(int), 1)
    user = np.repeat(np.arange(users), counts)
    unknown = rng.standard_t(6, len(user)) * 0.6 * rng.lognormal(0, 0.4, users)[user]
    noise = [rng.standard_t(df, len(user)) * 0.4 / np.sqrt(df / (df - 2)) for df in (5, 30)]
    ours, theirs = (np.minimum((unknown + part) ** 2, 4.5**2) for part in (noise[0] * better, noise[1]))
    return np.bincount(user, ours, users), np.bincount(user, theirs, users), counts


@pytest.mark.parametrize("users", RESAMPLINGS)
@pytest.mark.parametrize(("name", "draw"), [("ndcg_at_k", lists), ("ndcg_at_k", skewed_lists), ("rmse", errors)])
def test_of_two_equal_models_a_difference_is_called_in_at_most_8_percent(
    name: str, draw: Callable[[np.random.Generator, int], Pair], users: int
) -> None:
    rng = np.random.default_rng(20)
    called = sum(verdict(name, draw(rng, users)) != "no difference shown" for _ in range(RESAMPLINGS[users]))
    assert called <= 0.08 * RESAMPLINGS[users]


@pytest.mark.parametrize(("name", "draw", "better"), [("ndcg_at_k", lists, 1.3), ("rmse", errors, 0.75)])
def test_a_real_difference_is_found(name: str, draw: Callable[..., Pair], better: float) -> None:
    """300 users, lists with three tenths more hits, RMSE lower by 4%: nine times in ten, never the wrong way."""
    rng = np.random.default_rng(21)
    verdicts = [verdict(name, draw(rng, 300, better)) for _ in range(40)]
    assert verdicts.count("better") >= 36
    assert "worse" not in verdicts


def test_a_skewed_difference_of_equal_means_is_no_difference() -> None:
    """The signed ranks alone would call it."""
    ours, theirs, counts = skewed_lists(np.random.default_rng(0), 1000)
    found = compare(report("mrr", ours, counts), report("mrr", theirs, counts))["mrr"]
    assert found.p_value < 1e-6
    assert found.low < 0 < found.high
    assert found.verdict == "no difference shown"


def test_less_error_is_better_and_more_of_everything_else() -> None:
    rng = np.random.default_rng(2)
    low = rng.random(80)
    high = low + 0.2 + 0.1 * rng.random(80)
    for name in COMPARED:
        more = verdict(name, (high, low, np.ones(80)))
        fewer = verdict(name, (low, high, np.ones(80)))
        assert (more, fewer) == (("worse", "better") if name in ("rmse", "mae") else ("better", "worse")), name


def test_fewer_than_ten_users_show_nothing_whatever_they_say() -> None:
    few, enough = (
        compare(report("mrr", np.full(n, 0.9), np.ones(n)), report("mrr", np.full(n, 0.1), np.ones(n)))["mrr"]
        for n in (9, 10)
    )
    assert (few.difference, few.low, few.high, few.verdict) == (0.8, None, None, "no difference shown")
    assert (enough.difference, enough.low, enough.high, enough.verdict) == (0.8, 0.8, 0.8, "better")


def noise(draw: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Sums as another processor may add them: their last digits are others."""
    rng = np.random.default_rng(22)

    def drawn(values: np.ndarray, **settings: Any) -> np.ndarray:
        sums = draw(values, **settings)
        return sums * (1 + rng.choice([-4e-16, 0, 4e-16], sums.shape))

    return drawn


@pytest.mark.parametrize(("name", "draw"), [("ndcg_at_k", lists), ("ndcg_at_k", skewed_lists), ("rmse", errors)])
def test_another_processor_comes_to_the_same_verdict(
    monkeypatch: pytest.MonkeyPatch, name: str, draw: Callable[[np.random.Generator, int], Pair]
) -> None:
    """Among these pairs are some whose interval ends at 0: with skewed lists, equally many draws tie."""
    rng = np.random.default_rng(20)
    pairs = [draw(rng, 60) for _ in range(150)]
    reports = [(report(name, ours, counts), report(name, theirs, counts)) for ours, theirs, counts in pairs]
    here = [compare(*pair) for pair in reports]
    monkeypatch.setattr(metrics, "draw_sums", noise(metrics.draw_sums))
    assert [compare(*pair) for pair in reports] == here
    if draw is skewed_lists:
        assert any(0.0 in (found[name].low, found[name].high) for found in here)


def test_where_users_tie_no_end_is_a_hair_beside_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 users in all: as many gain a tenth as lose it, in other steps, so many draws come out equal."""
    monkeypatch.setattr(metrics, "draw_sums", noise(metrics.draw_sums))
    ours, theirs = np.tile([0.3, 0.1, 0.2, 0.7], 10), np.tile([0.1, 0.2, 0.3, 0.7], 10)
    found = compare(report("ndcg_at_k", ours, np.ones(40)), report("ndcg_at_k", theirs, np.ones(40)))["ndcg_at_k"]
    assert (found.difference, str(found.difference)) == (0, "0.0")
    same = compare(report("mrr", ours, np.ones(40)), report("mrr", ours.copy(), np.ones(40)))["mrr"]
    assert [str(one) for one in (same.difference, same.low, same.high, same.p_value)] == ["0.0", "0.0", "0.0", "1.0"]
    assert same.verdict == "no difference shown"


def test_an_estimate_lies_in_its_interval_though_all_draws_miss_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of ten users has all the difference, and no draw holds that user."""
    draw = metrics.draw_sums
    monkeypatch.setattr(metrics, "draw_sums", lambda values, **settings: draw(values[:9], **settings))
    ours, theirs = np.append(np.full(9, 0.25), 1.0), np.full(10, 0.25)
    found = compare(report("mrr", ours, np.ones(10)), report("mrr", theirs, np.ones(10)))["mrr"]
    assert (found.low, found.difference, found.high) == (0.0, 0.075, 0.075)


def test_the_interval_is_that_of_whole_users_drawn_for_both_models_at_once() -> None:
    rng = np.random.default_rng(3)
    ours, theirs, counts = errors(rng, 40, 0.7)
    found = compare(report("rmse", ours, counts), report("rmse", theirs, counts), seed=4)["rmse"]
    rng, draws = np.random.default_rng(4), []
    for _ in range(2000):
        users = rng.integers(0, 40, 40)
        total = counts[users].sum()
        draws.append(np.sqrt(ours[users].sum() / total) - np.sqrt(theirs[users].sum() / total))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))
    assert found.value == pytest.approx(np.sqrt(ours.sum() / counts.sum()))
    assert found.difference == pytest.approx(found.value - found.baseline)
    assert found.users == 40


@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.3])
def test_the_signed_rank_test_is_scipys(shift: float) -> None:
    differences = np.random.default_rng(5).normal(shift, 1, 40)
    side, p_value = signed_rank(differences)
    assert p_value == pytest.approx(wilcoxon(differences, method="exact").pvalue)
    assert signed_rank(-differences) == (-side, pytest.approx(p_value))


@pytest.mark.parametrize("users", [1, 2, 6, 12])
def test_with_ties_every_sign_is_tried(users: int) -> None:
    """Brute force over all signs; half of the differences tie."""
    differences = np.random.default_rng(users).choice([-0.4, -0.2, 0.2, 0.6], users)
    ranks = rankdata(np.abs(differences))
    found = ranks[differences > 0].sum()
    sums = [np.dot(ranks, signs) for signs in itertools.product([0, 1], repeat=users)]
    tails = np.mean(np.array(sums) >= found), np.mean(np.array(sums) <= found)
    side, p_value = signed_rank(differences)
    assert p_value == pytest.approx(min(1, 2 * min(tails)))
    assert side == (1 if tails[0] < tails[1] else -1)


def test_many_users_are_approximated_as_scipy_does() -> None:
    differences = np.random.default_rng(6).normal(0.2, 1, 300).round(1)
    told = differences[differences != 0]
    expected = wilcoxon(told, method="asymptotic", correction=True).pvalue  # type: ignore[call-overload]  # the stubs lag behind
    assert signed_rank(differences) == (1, pytest.approx(expected))


def test_equal_differences_tie_whatever_their_last_digits() -> None:
    one, other = np.array([0.3 - 0.2, 0.2 - 0.1, 0.4 - 0.5, 0.0]), np.array([0.1, 0.1, -0.1])
    assert one[0] != one[1]
    assert signed_rank(np.tile(one, 9)) == signed_rank(np.tile(other, 9))


@pytest.fixture(scope="module")
def split(small: Interactions) -> Split:
    return split_by_user_time(small)


def judge(split: Split, **settings: Any) -> EvaluationReport:
    model = MatrixFactorizationModel(MatrixFactorizationConfig(factors=8, regularization=0.05, **settings))
    return EvaluationService().generate_report(model.fit(split.train), split.train, split.test)


@pytest.fixture(scope="module")
def learned(split: Split) -> EvaluationReport:
    return judge(split, epochs=60)


@pytest.fixture(scope="module")
def hurried(split: Split) -> EvaluationReport:
    return judge(split, epochs=1)


def test_a_model_that_learned_is_better_than_one_that_hardly_did(
    learned: EvaluationReport, hurried: EvaluationReport
) -> None:
    found = compare(learned, hurried)
    assert set(found) == COMPARED
    assert found["rmse"].verdict == found["mae"].verdict == "better"
    assert found["rmse"].high < 0
    for name, difference in found.items():
        assert difference.value == pytest.approx(learned.metrics[name].value), name
        assert difference.baseline == pytest.approx(hurried.metrics[name].value), name
        assert difference.low <= difference.difference <= difference.high, name


def test_turned_round_the_comparison_says_the_opposite(learned: EvaluationReport, hurried: EvaluationReport) -> None:
    opposite = {"better": "worse", "worse": "better", "no difference shown": "no difference shown"}
    turned = compare(hurried, learned)
    assert set(turned) == COMPARED
    for name, found in compare(learned, hurried).items():
        assert turned[name].verdict == opposite[found.verdict]
        assert turned[name].low == pytest.approx(-found.high)
        assert turned[name].p_value == pytest.approx(found.p_value)


def test_a_version_is_no_better_than_itself(learned: EvaluationReport) -> None:
    same = compare(learned, learned)
    assert set(same) == COMPARED
    for found in same.values():
        assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)
        assert found.verdict == "no difference shown"


def test_a_stored_report_compares_like_the_one_it_was_taken_from(
    learned: EvaluationReport, hurried: EvaluationReport
) -> None:
    stored = EvaluationReport.restore(
        learned.metrics, learned.segments, learned.protocol, learned.charts, learned.arrays()
    )
    assert compare(stored, hurried) == compare(learned, hurried)


def test_comparisons_repeat(learned: EvaluationReport, hurried: EvaluationReport) -> None:
    assert compare(learned, hurried) == compare(learned, hurried)
    assert compare(learned, hurried, seed=1)["rmse"].low != compare(learned, hurried)["rmse"].low


def test_reports_of_other_ratings_are_refused(split: Split, learned: EvaluationReport) -> None:
    inner = split_by_user_time(split.train)
    with pytest.raises(InvalidInput, match="only 0 of 300 ratings were held out from both") as refused:
        compare(learned, judge(inner, epochs=2))
    assert refused.value.field == "baseline"


@pytest.mark.parametrize(("name", "value"), [("k", 5), ("relevant_from", 3.0), ("split", "random")])
def test_reports_of_other_lists_are_refused(learned: EvaluationReport, name: str, value: float) -> None:
    learned = replace(learned, protocol={"split": "by time"} | learned.protocol)
    other = replace(learned, protocol=learned.protocol | {name: value})
    for one, baseline in ((learned, other), (other, learned)):
        with pytest.raises(InvalidInput, match=f"different {name}"):
            compare(one, baseline)


@pytest.fixture(scope="module")
def grown(small: Interactions) -> tuple[EvaluationReport, EvaluationReport]:
    """After and before a third of the users rated once more, which moves their test parts."""
    rows = np.ones(len(small), bool)
    busy = np.flatnonzero(small.user_counts > 5)[::3]
    rows[[small.by_user.of(int(user))[-1] for user in busy]] = False
    before, after = (judge(split_by_user_time(part), epochs=20) for part in (small.subset(rows), small))
    return after, before


def test_after_new_ratings_errors_are_compared_where_both_held_a_rating_out(
    grown: tuple[EvaluationReport, EvaluationReport],
) -> None:
    after, before = (
        pd.Series(one.rows.squared, pd.MultiIndex.from_arrays([one.rows.users, one.rows.items])) for one in grown
    )
    shared = pd.concat([after, before], axis=1, join="inner")
    found = compare(*grown)["rmse"]
    assert len(shared) < len(after)
    assert (found.value, found.baseline) == pytest.approx(tuple(np.sqrt(shared.mean())))
    assert found.users == shared.index.get_level_values(0).nunique()


def test_after_new_ratings_lists_are_compared_of_users_without_them(
    grown: tuple[EvaluationReport, EvaluationReport],
) -> None:
    after, before = grown
    quiet = after.errors.users[np.isin(after.errors.marks, before.errors.marks)]
    listed = np.isin(after.users, quiet)
    found = compare(after, before)["ndcg_at_k"]
    assert found.users == listed.sum() < len(after.users)
    assert found.value == pytest.approx(after.per_user["ndcg_at_k"][listed].mean())


def test_a_changed_rating_is_left_out(split: Split) -> None:
    rows = np.flatnonzero(split.test.users == 0)
    ratings = split.test.ratings.copy()
    ratings[rows] = np.where(ratings[rows] > 1, 0.5, 4.0)
    reports = judge(split, epochs=2), judge(Split(split.train, replace(split.test, ratings=ratings)), epochs=2)
    assert compare(*reports)["mae"].users == len(reports[0].errors.users) - 1


def test_reports_of_earlier_code_are_compared_by_users(learned: EvaluationReport, hurried: EvaluationReport) -> None:
    old = replace(hurried, rows=None)
    assert compare_segments(learned, old) == {}
    by_users, by_ratings = compare(learned, old), compare(learned, hurried)
    assert set(by_users) == COMPARED
    for name, found in by_users.items():
        now = by_ratings[name]
        assert (found.value, found.users) == pytest.approx((now.value, now.users))
        assert found.verdict == now.verdict


def test_segments_are_compared_on_their_own_ratings(
    split: Split, learned: EvaluationReport, hurried: EvaluationReport
) -> None:
    found = compare_segments(learned, hurried)
    assert set(found) == set(learned.segments)
    for name, metrics_found in found.items():
        assert "rmse" in metrics_found, name
        for metric, difference in metrics_found.items():
            assert difference.value == pytest.approx(learned.segments[name][metric].value), name
            assert difference.baseline == pytest.approx(hurried.segments[name][metric].value), name
    assert "ndcg_at_k" in found["light_users"]
    assert "ndcg_at_k" not in found["tail_movies"]


def test_without_lists_errors_are_compared_alone(split: Split) -> None:
    disliked = Split(split.train, split.test.subset(split.test.ratings < 3))
    one, other = (judge(disliked, epochs=epochs) for epochs in (1, 60))
    assert set(compare(one, other)) == {"rmse", "mae"}

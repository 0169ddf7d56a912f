"""Whether one version is better than another on the same test part, or whether the difference may be chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Floats
from engine.errors import InvalidInput
from engine.evaluation import metrics
from engine.evaluation.intervals import MIN_USERS, around
from engine.evaluation.metrics import METRICS
from engine.evaluation.report import EvaluationReport, UserErrors
from engine.evaluation.segments import NEWCOMERS, USER_SEGMENTS
from engine.rounding import settle, significant

Verdict = Literal["better", "worse", "no difference shown"]

DRAWS, MIN_DRAWS, MAX_DRAWN = 2000, 400, 50_000_000
"""Draws of the bootstrap; fewer where there are so many users that they would take long, and differ little."""
LEVEL = 0.05
"""How often at most a difference is called where there is none."""
EXACT = 50
"""Users with a difference up to whom the signed-rank test is exact."""
TIED = 12
"""Digits, of the largest error of a user, up to which differences have to agree to tie: tails may be heavy."""
SAME = ("split", "k", "relevant_from")
"""What two reports have to share in their protocols, where they say it."""
MIN_SHARED = 0.1
"""The part of each report's ratings, or users, that has to be judged in both alike, or nothing is said."""

Finish = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """One metric of two versions on the same test part.

    Attributes:
        value: of the version in question.
        baseline: of the one it is compared with.
        difference: ``value - baseline``, in the metric's units.
        low, high: the difference's 95% bootstrap interval over users; None where they are fewer than ten.
        p_value: of Wilcoxon's signed-rank test of the users' differences, two-sided.
        users: how many users it rests on.
        verdict: of the version in question; which direction is better depends on the metric.
    """

    value: float
    baseline: float
    difference: float
    low: float | None
    high: float | None
    p_value: float
    users: int
    verdict: Verdict


def compare(report: EvaluationReport, baseline: EvaluationReport, seed: int = 0) -> dict[str, MetricDifference]:
    """Compare two reports user by user.

    Errors of ratings are compared on the test ratings that both have, lists of the users whose test ratings are all the
    same in both. Where ratings came between two trainings these are not all of them; how many users they are is said
    with each metric. Lists are left out where hardly a user is left.

    A difference is called where two tests see it on the same side: the 95% bootstrap interval of the difference leaves
    out 0 (Efron and Tibshirani 1993, chapter 13: users are drawn with replacement, both versions on the same draw, for
    RMSE sums of squared errors and counts jointly), and Wilcoxon's signed-rank test of the users' differences (Wilcoxon
    1945) has p < 0.05. The first asks for the mean, which is what the metric is, but trusts heavy tails and few users
    too much; the second holds with these, but takes a skewed difference of equal means for a real one. Below
    ``MIN_USERS`` users there is no interval, and nothing is called. Each metric is judged by itself: of twenty
    metrics without a difference one may still be called. All numbers are rounded well above the noise of floating
    point before they decide, so that every processor comes to the same verdict.

    Args:
        report: of the version in question.
        baseline: of the version to compare it with.
        seed: start of the bootstrap's random numbers.

    Returns:
        By name, each compared metric that both reports have.

    Raises:
        InvalidInput: hardly a user was judged on the same ratings in both, or the lists are of different kinds.
    """
    for name in SAME:
        both = {one.protocol[name] for one in (report, baseline) if name in one.protocol}
        if len(both) > 1:
            kinds = f"{name} ({report.protocol.get(name)} and {baseline.protocol.get(name)})"
            raise InvalidInput(f"The two versions were judged with different {kinds}.", field="baseline")
    paired, same = pair_rows(report, baseline), find_same_users(report, baseline)
    if paired is None:
        found = compare_errors(*find_shared(report.errors, baseline.errors), seed)
    else:
        found = paired.compare(np.ones(len(paired.users), bool), seed)
    return found | _compare_lists(report, baseline, same, seed, METRICS)


def compare_segments(
    report: EvaluationReport, baseline: EvaluationReport, seed: int = 0
) -> dict[str, dict[str, MetricDifference]]:
    """The same by segment of the report in question: RMSE of each, and NDCG of the lists of each part of the users.

    Args:
        report: of the version in question.
        baseline: of the version to compare it with.
        seed: start of the bootstrap's random numbers.

    Returns:
        By segment and metric; nothing where one of the reports keeps no ratings one by one.

    Raises:
        InvalidInput: hardly a rating was judged in both.
    """
    paired, same = pair_rows(report, baseline), find_same_users(report, baseline)
    if paired is None:
        return {}
    found: dict[str, dict[str, MetricDifference]] = {}
    for place, name in enumerate(sorted(report.segments)):
        chosen = paired.segments & np.uint64(1 << place) > 0
        if not chosen.any():
            continue
        found[name] = {"rmse": paired.compare(chosen, seed)["rmse"]}
        if name in USER_SEGMENTS:
            users = np.intersect1d(same, paired.users[chosen])
            found[name] |= _compare_lists(report, baseline, users, seed, ("ndcg_at_k",))
    return found


def compare_newcomers(
    report: EvaluationReport, baseline: EvaluationReport, seed: int = 0
) -> dict[str, dict[str, MetricDifference]]:
    """RMSE and NDCG of the people whom neither version had seen, by the number of their first ratings.

    Args:
        report: of the version in question.
        baseline: of the version to compare it with.
        seed: start of the bootstrap's random numbers.

    Returns:
        By ``newcomers:3`` and metric; nothing where hardly any of them, with the same ratings, are in both reports.
    """
    ours, theirs = report.newcomers, baseline.newcomers
    if ours is None or theirs is None:
        return {}
    _, left, right = np.intersect1d(ours.users, theirs.users, assume_unique=True, return_indices=True)
    same = ours.marks[left] == theirs.marks[right]
    left, right = left[same], right[same]
    if len(left) < MIN_USERS:
        return {}
    counts, listed = ours.ratings[left].astype(np.float64), ours.relevant[left] > 0
    found: dict[str, dict[str, MetricDifference]] = {}
    for step in ours.squared:
        errors = ours.squared[step][left], theirs.squared[step][right]
        found[f"{NEWCOMERS}:{step}"] = parts = {"rmse": _compare("rmse", *errors, counts, seed, np.sqrt)}
        if listed.any():
            lists = ours.ndcg[step][left][listed], theirs.ndcg[step][right][listed]
            parts["ndcg_at_k"] = _compare("ndcg_at_k", *lists, np.ones(int(listed.sum())), seed, np.positive)
    return found


@dataclass(frozen=True)
class PairedRows:
    """The n test ratings that two reports share.

    Attributes:
        users: int32[n].
        segments: uint64[n], as in the report in question.
        ours: float64[n], squared errors of the version in question.
        theirs: float64[n], those of the other.
    """

    users: NDArray[np.int32]
    segments: NDArray[np.uint64]
    ours: Floats
    theirs: Floats

    def compare(self, chosen: NDArray[np.bool_], seed: int) -> dict[str, MetricDifference]:
        """RMSE and MAE over some of the ratings, of one at least."""
        users, place = np.unique(self.users[chosen].astype(np.int64), return_inverse=True)
        return compare_errors(
            _sum_by_user(users, place, self.ours[chosen]), _sum_by_user(users, place, self.theirs[chosen]), seed
        )


def _sum_by_user(users: NDArray[np.int64], place: NDArray[np.int64], squared: Floats) -> UserErrors:
    """``place``: int64[n], which of the users each squared error is of."""
    sums = {"rmse": np.bincount(place, squared), "mae": np.bincount(place, np.sqrt(squared))}
    floats = {name: values.astype(np.float64) for name, values in sums.items()}
    return UserErrors(users, np.bincount(place), np.zeros(len(users), np.uint64), floats)


def pair_rows(report: EvaluationReport, baseline: EvaluationReport) -> PairedRows | None:
    """The test ratings that both reports have; None where one of them does not keep them one by one.

    Raises:
        InvalidInput: they are less than a tenth of the test ratings of one of the two.
    """
    ours, theirs = report.rows, baseline.rows
    if ours is None or theirs is None:
        return None
    _, left, right = np.intersect1d(ours.pairs, theirs.pairs, assume_unique=True, return_indices=True)
    same = ours.ratings[left] == theirs.ratings[right]
    left, right = left[same], right[same]
    most = max(len(ours.users), len(theirs.users))
    if not len(left) or len(left) < MIN_SHARED * most:
        raise InvalidInput(
            f"The two were judged on different test parts: only {len(left):,} of {most:,} ratings were held out from "
            "both.",
            field="baseline",
        )
    squared = ours.squared[left].astype(np.float64), theirs.squared[right].astype(np.float64)
    return PairedRows(ours.users[left], ours.segments[left], *squared)


def find_same_users(report: EvaluationReport, baseline: EvaluationReport) -> NDArray[np.int64]:
    """The users who have the same test ratings in both; none where they are less than a tenth."""
    try:
        return find_shared(report.errors, baseline.errors)[0].users
    except InvalidInput:
        return np.empty(0, np.int64)


def find_shared(ours: UserErrors, theirs: UserErrors) -> tuple[UserErrors, UserErrors]:
    """The users who have the same test ratings in both, in the same order.

    Raises:
        InvalidInput: they are less than a tenth of the users of one of the two.
    """
    _, left, right = np.intersect1d(ours.users, theirs.users, assume_unique=True, return_indices=True)
    same = ours.marks[left] == theirs.marks[right]
    if not same.any() or same.sum() < MIN_SHARED * max(len(ours.users), len(theirs.users)):
        raise InvalidInput(
            f"The two were judged on different test parts: only {same.sum():,} of "
            f"{max(len(ours.users), len(theirs.users)):,} users have the same held-out ratings in both.",
            field="baseline",
        )
    return ours.keep(left[same]), theirs.keep(right[same])


def compare_errors(ours: UserErrors, theirs: UserErrors, seed: int = 0) -> dict[str, MetricDifference]:
    """RMSE and MAE of the same users: ratios of sums over them, so that users count by their ratings."""
    counts = ours.ratings.astype(np.float64)
    return {
        name: _compare(
            name, ours.sums[name], theirs.sums[name], counts, seed, np.sqrt if name == "rmse" else np.positive
        )
        for name, metric in METRICS.items()
        if metric.is_compared and name in ours.sums and name in theirs.sums
    }


def _compare_lists(
    report: EvaluationReport,
    baseline: EvaluationReport,
    shared: NDArray[np.int64],
    seed: int,
    names: Iterable[str],
) -> dict[str, MetricDifference]:
    listed, left, right = np.intersect1d(report.users, baseline.users, assume_unique=True, return_indices=True)
    chosen = np.isin(listed, shared)
    if not chosen.any():
        return {}
    left, right, once = left[chosen], right[chosen], np.ones(int(chosen.sum()))
    return {
        name: _compare(name, report.per_user[name][left], baseline.per_user[name][right], once, seed, np.positive)
        for name in names
        if METRICS[name].is_compared and name in report.per_user and name in baseline.per_user
    }


def _compare(name: str, ours: Floats, theirs: Floats, counts: Floats, seed: int, finish: Finish) -> MetricDifference:
    """``finish`` makes the metric of a ratio of sums.

    The signed ranks are of the users' sums, not of their means: whoever weighs more in the metric ranks higher.
    """
    value, baseline = (significant(float(finish(values.sum() / counts.sum()))) for values in (ours, theirs))
    size = max(abs(value), abs(baseline))
    difference = settle(value - baseline, size)
    side, p_value = signed_rank(ours - theirs, max(np.abs(ours).max(), np.abs(theirs).max()))
    low = high = None
    called = False
    if len(ours) >= MIN_USERS:
        draws = metrics.draw_sums(np.column_stack([ours, theirs, counts]), seed=seed, samples=_samples(len(ours)))
        drawn = settle(finish(draws[:, 0] / draws[:, 2]) - finish(draws[:, 1] / draws[:, 2]), size)
        low, high = around(difference, *np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2]).tolist())
        called = p_value < LEVEL and (low > 0 if side > 0 else high < 0)
    return MetricDifference(
        value=value,
        baseline=baseline,
        difference=difference,
        low=low,
        high=high,
        p_value=p_value,
        users=len(ours),
        verdict=_verdict(side * METRICS[name].sign if called else 0),
    )


def _samples(users: int) -> int:
    return int(np.clip(MAX_DRAWN / users, MIN_DRAWS, DRAWS))


def signed_rank(differences: Floats, size: float = 1.0) -> tuple[int, float]:
    """Wilcoxon's signed-rank test, two-sided: to which side the differences lean (1, -1), and the p-value.

    Exact for up to 50 users, ties included; above, the normal approximation with corrections for ties and continuity.
    Users without a difference say nothing and are left out; without any other the answer is (0, 1).

    Args:
        differences: float64[n], of the users.
        size: how large the numbers are that they are differences of: equal ones have to tie whatever their last digits.
    """
    from scipy.stats import wilcoxon  # half a second, at the first comparison instead of at the start

    told = settle(differences, size, TIED)
    told = told[told != 0]
    if not len(told):
        return 0, 1.0
    if len(told) <= EXACT:
        more, less = _exact_tails(told)
    else:
        more = float(wilcoxon(told, alternative="greater", correction=True).pvalue)
        less = float(wilcoxon(told, alternative="less", correction=True).pvalue)
    return (1 if more < less else -1), min(1.0, significant(2 * min(more, less)))


def _exact_tails(differences: Floats) -> tuple[float, float]:
    """How likely as great a sum of positive ranks is, and as small a one, when every sign is drawn by a coin.

    Built rank by rank. SciPy's exact distribution knows no ties, and its permutations of 13 users take seconds.
    """
    from scipy.stats import rankdata  # see ``signed_rank``

    ranks = (2 * rankdata(np.abs(differences))).astype(np.int64)  # ranks of ties end in a half
    chance = np.ones(1)
    for rank in ranks.tolist():
        tails = np.concatenate([chance, np.zeros(rank)])
        heads = np.concatenate([np.zeros(rank), chance])
        chance = (heads + tails) / 2
    found = int(ranks[differences > 0].sum())
    return float(chance[found:].sum()), float(chance[: found + 1].sum())


def _verdict(direction: int) -> Verdict:
    if not direction:
        return "no difference shown"
    return "better" if direction > 0 else "worse"

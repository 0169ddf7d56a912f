"""Comparison of two versions on the same test part: better, worse, or a difference that may be chance."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Floats
from engine.errors import InvalidInput
from engine.evaluation.differences import MetricDifference, compare_sums
from engine.evaluation.intervals import MIN_USERS
from engine.evaluation.metrics import METRICS
from engine.evaluation.report import EvaluationReport, UserErrors
from engine.evaluation.segments import NEWCOMERS, USER_SEGMENTS

SAME = ("split", "k", "relevant_from")
"""Protocol entries that two reports must share, if both have them."""
MIN_SHARED = 0.1
"""Minimum share of each report's ratings, or users, that both must have in common."""


def compare(report: EvaluationReport, baseline: EvaluationReport, seed: int = 0) -> dict[str, MetricDifference]:
    """Compare two reports user by user.

    Rating errors are compared on the test ratings that both have, lists for the users whose test ratings are the same
    in both. If ratings arrived between two trainings these are not all; each metric says for how many users it holds.
    Lists are left out if hardly any user is left.

    A difference counts if two tests agree on it: the 95% bootstrap interval of the difference excludes 0 (Efron and
    Tibshirani 1993, chapter 13: users are drawn with replacement, the same draw for both versions; for RMSE sums of
    squared errors and counts jointly), and Wilcoxon's signed-rank test of the users' differences (Wilcoxon 1945) has
    p < 0.05. The first tests the mean, which is what the metric is, but is too confident with heavy tails and few
    users; the second is safe there, but takes a skewed difference of equal means for a real one. With fewer than
    ``MIN_USERS`` users there is no interval, and no difference counts. Each metric is tested by itself: of twenty
    metrics without a difference one may still seem to have one. All numbers are rounded well above the noise of
    floating point before they decide, so that every processor comes to the same verdict.

    Args:
        report: of the candidate version.
        baseline: of the version to compare it with.
        seed: random seed of the bootstrap.

    Returns:
        Each compared metric that both reports have, by name.

    Raises:
        InvalidInput: hardly any user has the same test ratings in both, or the protocols differ.
    """
    for name in SAME:
        both = {one.protocol[name] for one in (report, baseline) if name in one.protocol}
        if len(both) > 1:
            kinds = f"{name} ({report.protocol.get(name)} and {baseline.protocol.get(name)})"
            raise InvalidInput(f"The two versions were evaluated with different {kinds}.", field="baseline")
    paired, same = pair_rows(report, baseline), find_same_users(report, baseline)
    if paired is None:
        found = compare_errors(*find_shared(report.errors, baseline.errors), seed)
    else:
        found = paired.compare(np.ones(len(paired.users), bool), seed)
    return found | _compare_lists(report, baseline, same, seed, METRICS)


def compare_segments(
    report: EvaluationReport, baseline: EvaluationReport, seed: int = 0
) -> dict[str, dict[str, MetricDifference]]:
    """The same comparison by segment: RMSE of each, and NDCG for segments of users.

    Args:
        report: of the candidate version.
        baseline: of the version to compare it with.
        seed: random seed of the bootstrap.

    Returns:
        Differences by segment and metric; empty if one of the reports does not keep single ratings.

    Raises:
        InvalidInput: hardly any test rating is in both.
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
    """RMSE and NDCG of people unknown to both versions, by number of their first ratings.

    Args:
        report: of the candidate version.
        baseline: of the version to compare it with.
        seed: random seed of the bootstrap.

    Returns:
        Differences by segment (``newcomers:3``) and metric; empty if hardly anyone is in both reports.
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
        errors = {"rmse": ours.squared[step][left]}, {"rmse": theirs.squared[step][right]}
        found[f"{NEWCOMERS}:{step}"] = parts = compare_sums(*errors, counts, seed)
        if listed.any():
            lists = {"ndcg_at_k": ours.ndcg[step][left][listed]}, {"ndcg_at_k": theirs.ndcg[step][right][listed]}
            parts |= compare_sums(*lists, np.ones(int(listed.sum())), seed)
    return found


@dataclass(frozen=True)
class PairedRows:
    """The n test ratings that two reports share.

    Attributes:
        users: int32[n].
        segments: uint64[n], as in the candidate's report.
        ours: float64[n], squared errors of the candidate.
        theirs: float64[n], squared errors of the baseline.
    """

    users: NDArray[np.int32]
    segments: NDArray[np.uint64]
    ours: Floats
    theirs: Floats

    def compare(self, chosen: NDArray[np.bool_], seed: int) -> dict[str, MetricDifference]:
        """RMSE and MAE over some ratings, at least one."""
        users, place = np.unique(self.users[chosen].astype(np.int64), return_inverse=True)
        return compare_errors(
            _sum_by_user(users, place, self.ours[chosen]), _sum_by_user(users, place, self.theirs[chosen]), seed
        )


def _sum_by_user(users: NDArray[np.int64], place: NDArray[np.int64], squared: Floats) -> UserErrors:
    """``place``: int64[n], the user of each squared error."""
    sums = {"rmse": np.bincount(place, squared), "mae": np.bincount(place, np.sqrt(squared))}
    floats = {name: values.astype(np.float64) for name, values in sums.items()}
    return UserErrors(users, np.bincount(place), np.zeros(len(users), np.uint64), floats)


def pair_rows(report: EvaluationReport, baseline: EvaluationReport) -> PairedRows | None:
    """The test ratings that both reports have; None if one of them does not keep single ratings.

    Raises:
        InvalidInput: they are less than a tenth of either report's test ratings.
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
            f"The two were evaluated on different test parts: only {len(left):,} of {most:,} ratings were held out "
            "from both.",
            field="baseline",
        )
    squared = ours.squared[left].astype(np.float64), theirs.squared[right].astype(np.float64)
    return PairedRows(ours.users[left], ours.segments[left], *squared)


def find_same_users(report: EvaluationReport, baseline: EvaluationReport) -> NDArray[np.int64]:
    """The users with the same test ratings in both; none if they are less than a tenth."""
    try:
        return find_shared(report.errors, baseline.errors)[0].users
    except InvalidInput:
        return np.empty(0, np.int64)


def find_shared(ours: UserErrors, theirs: UserErrors) -> tuple[UserErrors, UserErrors]:
    """The users with the same test ratings in both, in the same order.

    Raises:
        InvalidInput: they are less than a tenth of the users of either.
    """
    _, left, right = np.intersect1d(ours.users, theirs.users, assume_unique=True, return_indices=True)
    same = ours.marks[left] == theirs.marks[right]
    if not same.any() or same.sum() < MIN_SHARED * max(len(ours.users), len(theirs.users)):
        raise InvalidInput(
            f"The two were evaluated on different test parts: only {same.sum():,} of "
            f"{max(len(ours.users), len(theirs.users)):,} people have the same held-out ratings in both.",
            field="baseline",
        )
    return ours.keep(left[same]), theirs.keep(right[same])


def compare_errors(ours: UserErrors, theirs: UserErrors, seed: int = 0) -> dict[str, MetricDifference]:
    """RMSE and MAE of the same users, weighted by their number of ratings."""
    names = [
        name for name, metric in METRICS.items() if metric.is_compared and name in ours.sums and name in theirs.sums
    ]
    counts = ours.ratings.astype(np.float64)
    return compare_sums(
        {name: ours.sums[name] for name in names}, {name: theirs.sums[name] for name in names}, counts, seed
    )


def _compare_lists(
    report: EvaluationReport, baseline: EvaluationReport, shared: NDArray[np.int64], seed: int, names: Iterable[str]
) -> dict[str, MetricDifference]:
    listed, left, right = np.intersect1d(report.users, baseline.users, assume_unique=True, return_indices=True)
    chosen = np.isin(listed, shared)
    if not chosen.any():
        return {}
    left, right, once = left[chosen], right[chosen], np.ones(int(chosen.sum()))
    both = [name for name in names if name in report.per_user and name in baseline.per_user]
    compared = [name for name in both if METRICS[name].is_compared]
    ours = {name: report.per_user[name][left] for name in compared}
    return compare_sums(ours, {name: baseline.per_user[name][right] for name in compared}, once, seed)

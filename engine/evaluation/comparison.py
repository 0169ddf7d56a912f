"""Comparison of two versions on the same test part: better, worse, or a difference that may be chance."""

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
"""Bootstrap draws; fewer for many users, where they take long and differ little."""
LEVEL = 0.05
"""Significance level."""
EXACT = 50
"""Maximum number of users with a difference for the exact signed-rank test."""
TIED = 12
"""Digits, relative to the largest error of a user, that tied differences share: tails may be heavy."""
SAME = ("split", "k", "relevant_from")
"""Protocol entries that two reports must share, if both have them."""
MIN_SHARED = 0.1
"""Minimum share of each report's ratings, or users, that both must have in common."""

Finish = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """One metric of two versions on the same test part.

    Attributes:
        value: of the candidate version.
        baseline: of the version it is compared with.
        difference: ``value - baseline``, in the metric's units.
        low, high: 95% bootstrap interval of the difference over users; None for fewer than ten.
        p_value: of Wilcoxon's two-sided signed-rank test of the users' differences.
        users: number of users.
        verdict: on the candidate.
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
            f"{max(len(ours.users), len(theirs.users)):,} users have the same held-out ratings in both.",
            field="baseline",
        )
    return ours.keep(left[same]), theirs.keep(right[same])


def compare_errors(ours: UserErrors, theirs: UserErrors, seed: int = 0) -> dict[str, MetricDifference]:
    """RMSE and MAE of the same users, weighted by their number of ratings."""
    counts = ours.ratings.astype(np.float64)
    return {
        name: _compare(
            name, ours.sums[name], theirs.sums[name], counts, seed, np.sqrt if name == "rmse" else np.positive
        )
        for name, metric in METRICS.items()
        if metric.is_compared and name in ours.sums and name in theirs.sums
    }


def _compare_lists(
    report: EvaluationReport, baseline: EvaluationReport, shared: NDArray[np.int64], seed: int, names: Iterable[str]
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
    """``finish`` turns a ratio of sums into the metric.

    Signed ranks use the users' sums, not their means, so that users with more weight in the metric rank higher.
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
    """Wilcoxon's two-sided signed-rank test: the side of the differences (1 or -1), and the p-value.

    Exact for up to 50 users, ties included; above, the normal approximation with corrections for ties and continuity.
    Users without a difference are left out; without any other the result is (0, 1).

    Args:
        differences: float64[n], one for each user.
        size: magnitude of the compared numbers; differences that are rounding errors of it tie.
    """
    from scipy.stats import wilcoxon  # half a second, at the first comparison instead of at the start

    nonzero = settle(differences, size, TIED)
    nonzero = nonzero[nonzero != 0]
    if not len(nonzero):
        return 0, 1.0
    if len(nonzero) <= EXACT:
        more, less = _exact_tails(nonzero)
    else:
        more = float(wilcoxon(nonzero, alternative="greater", correction=True).pvalue)
        less = float(wilcoxon(nonzero, alternative="less", correction=True).pvalue)
    return (1 if more < less else -1), min(1.0, significant(2 * min(more, less)))


def _exact_tails(differences: Floats) -> tuple[float, float]:
    """Probabilities of at least, and at most, the sum of positive ranks if every sign is a coin flip.

    Built rank by rank: SciPy's exact distribution does not handle ties, and its permutations take seconds.
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

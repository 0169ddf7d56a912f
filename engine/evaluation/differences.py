"""The difference of two models in metrics of the same users: better, worse, or one that may be chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.data.arrays import Floats
from engine.evaluation import metrics
from engine.evaluation.intervals import MIN_USERS, around
from engine.evaluation.metrics import METRICS
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


def compare_sums(
    ours: Mapping[str, Floats], theirs: Mapping[str, Floats], counts: Floats, seed: int
) -> dict[str, MetricDifference]:
    """Compare metrics over n users, at least one; all metrics share the draws.

    Signed ranks use the users' sums, not their means, so that users with more weight in the metric rank higher.

    Args:
        ours: float64[n] by metric, a sum for each user; of squared errors under ``rmse``.
        theirs: the same of the baseline, with the same metrics.
        counts: float64[n], what the sums are divided by.
        seed: random seed of the bootstrap.
    """
    drawn: Floats | None = None
    if len(counts) >= MIN_USERS:
        columns = np.column_stack([counts, *ours.values(), *(theirs[name] for name in ours)])
        sums = metrics.draw_sums(columns, seed=seed, samples=_samples(len(counts)))
        drawn = sums[:, 1:] / sums[:, :1]
    found = {}
    for place, (name, values) in enumerate(ours.items()):
        both = None if drawn is None else drawn[:, [place, place + len(ours)]]
        found[name] = _compare(name, values, theirs[name], counts, both)
    return found


def _compare(name: str, ours: Floats, theirs: Floats, counts: Floats, drawn: Floats | None) -> MetricDifference:
    """``drawn``: float64[draws, 2], the ratios of ours and theirs; None with too few users."""
    finish = np.sqrt if name == "rmse" else np.positive
    value, baseline = (significant(float(finish(values.sum() / counts.sum()))) for values in (ours, theirs))
    size = max(abs(value), abs(baseline))
    difference = settle(value - baseline, size)
    side, p_value = signed_rank(ours - theirs, max(np.abs(ours).max(), np.abs(theirs).max()))
    low = high = None
    called = False
    if drawn is not None:
        differences = settle(finish(drawn[:, 0]) - finish(drawn[:, 1]), size)
        low, high = around(difference, *np.quantile(differences, [LEVEL / 2, 1 - LEVEL / 2]).tolist())
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

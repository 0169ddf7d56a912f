"""Whether a version should replace the active one: what it gains, and who it would harm."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.data.scale import are_preferences
from engine.evaluation.comparison import compare, compare_newcomers, compare_segments
from engine.evaluation.differences import LEVEL, MetricDifference, Verdict
from engine.evaluation.intervals import MetricValue
from engine.evaluation.metrics import METRICS
from engine.evaluation.report import EvaluationReport
from engine.evaluation.segments import NEW_USERS, USER_SEGMENTS, in_words, kind_of
from engine.models.intervals import LEVEL as PROMISED
from engine.rounding import settle
from engine.words import counted, listed

PromotionVerdict = Literal["PROMOTE", "HOLD", "REJECT"]

GOALS = tuple(name for name in reversed(METRICS) if METRICS[name].min_change is not None)
"""The metrics a version has to improve, the order of lists first.

Smaller changes than ``min_change`` are noise: another seed moves the RMSE by about 0.2%, which a test over many users
takes for a real difference.
"""
SHORT = 0.02
"""Tolerated shortfall of the interval coverage."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison behind a judgement.

    Attributes:
        role: a ``goal`` must improve, a ``guard`` must not get worse.
        part: ``all``, or the name of a segment.
        metric: its name.
        difference: from the active version; its ``verdict`` is that of the plain test.
        finding: the verdict after correction for the number of comparisons, ignoring small differences.
    """

    role: Literal["goal", "guard"]
    part: str
    metric: str
    difference: MetricDifference
    finding: Verdict


@dataclass(frozen=True, slots=True)
class CoverageGuard:
    """Interval coverage of all users (``all``) or a segment; ``before``: of the active version."""

    part: str
    value: MetricValue
    before: float | None
    holds: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a version should replace the version that was active when it was trained.

    Attributes:
        verdict: ``HOLD`` if it is shown neither to be better without harm nor to be worse.
        baseline: the active version; None if there was none.
        text: why, in words.
        evidence: the goals, then the guards; empty if nothing could be compared.
        coverage: of the intervals.
    """

    verdict: PromotionVerdict
    baseline: int | None
    text: str
    evidence: tuple[Evidence, ...] = ()
    coverage: tuple[CoverageGuard, ...] = ()

    @property
    def harmless(self) -> bool:
        """Whether it is worse in no goal and breaks no guard."""
        return all(one.finding != "worse" for one in self.evidence) and all(one.holds for one in self.coverage)

    @property
    def compared(self) -> dict[str, tuple[float, float]]:
        """By goal, the values of the active and of the new version on the same held-out ratings."""
        goals = [one for one in self.evidence if one.role == "goal"]
        return {one.metric: (one.difference.baseline, one.difference.value) for one in goals}

    @property
    def whom(self) -> str:
        """For which groups it is better and for which worse, in a sentence; empty if no group was compared."""
        guards = [one for one in self.evidence if one.role == "guard"]
        groups = {one.part for one in guards}
        if not groups:
            return ""
        better, worse = (_by_part(guards, side) for side in ("better", "worse"))
        told = f"Better for {_name(better, worse) or 'no group'}. Worse for {_name(worse, better) or 'none'}."
        rest = len(groups - better.keys() - worse.keys())
        return f"{told} No difference is shown for {rest} of {counted(len(groups), 'group')}." if rest else told


def judge(report: EvaluationReport, baseline: EvaluationReport, version: int, seed: int = 0) -> Judgement:
    """Judge a version against the active one, on the held-out ratings that both have.

    ``PROMOTE``: better in a goal (NDCG or RMSE), worse in none, and no guard is broken. ``REJECT``: worse in a goal
    and better in none. ``HOLD``: everything else.

    Better and worse are verdicts of ``comparison`` under three more conditions. One of two goals seems better by chance
    twice as often, so that p-value is doubled (Bonferroni). A guard is a segment that must not get worse; one of many
    often seems to by chance, so the p-values of each kind (newcomers, segments of users, of movies, genres) are
    multiplied by the number of tests. Differences below ``min_change`` are ignored.

    Newcomers are people unknown to both versions, after each number of their first ratings. If too few were kept out,
    known users with few ratings stand in for them.

    The coverage of intervals is a guard for all users and each segment of them: it is broken if the whole 95% interval
    of the coverage is more than two points below the promise, unless the active version's coverage is no higher. Fewer
    than ten users show nothing.

    Of preferences only lists are judged: how near 1 a predicted like comes means little.

    Args:
        report: of the candidate version.
        baseline: of the active version.
        version: number of the active version, for the text.
        seed: random seed of the bootstrap.

    Raises:
        InvalidInput: the two can't be compared; the message says why.
    """
    found = compare(report, baseline, seed)
    parts = _parts(report, baseline, seed)
    coverage = list(_coverage(report, baseline))
    if are_preferences(report.scale):
        for differences in (found, *parts.values()):
            differences.pop("rmse", None)
        coverage = []
    goals = [Evidence("goal", "all", name, found[name], _goal(name, found[name])) for name in GOALS if name in found]
    guards = list(_guards(parts))
    verdict, text = _weigh(version, goals, guards, coverage)
    return Judgement(verdict, version, text, (*goals, *guards), tuple(coverage))


def _parts(report: EvaluationReport, baseline: EvaluationReport, seed: int) -> dict[str, dict[str, MetricDifference]]:
    """The comparisons of the guards."""
    newcomers, segments = compare_newcomers(report, baseline, seed), compare_segments(report, baseline, seed)
    if newcomers:
        segments.pop(NEW_USERS, None)
    return newcomers | segments


def _goal(name: str, found: MetricDifference) -> Verdict:
    return _call(name, found, len(GOALS) if found.verdict == "better" else 1)


def _guards(parts: Mapping[str, Mapping[str, MetricDifference]]) -> Iterator[Evidence]:
    tests = Counter(kind_of(part) for part, metrics in parts.items() for _ in metrics)
    for part, differences in parts.items():
        for name, found in differences.items():
            yield Evidence("guard", part, name, found, _call(name, found, tests[kind_of(part)]))


def _call(name: str, found: MetricDifference, chances: int) -> Verdict:
    """The finding of a difference, corrected for the number of comparisons (``chances``)."""
    small = abs(found.difference) < settle((METRICS[name].min_change or 0.0) * found.baseline, found.baseline)
    return "no difference shown" if small or settle(found.p_value * chances, 1) >= LEVEL else found.verdict


def _coverage(report: EvaluationReport, baseline: EvaluationReport) -> Iterator[CoverageGuard]:
    """Coverage guards of all users and of each segment of them."""
    for part in ("all", *USER_SEGMENTS):
        ours, theirs = (
            (one.metrics if part == "all" else one.segments.get(part, {})).get("interval_coverage")
            for one in (report, baseline)
        )
        if ours is not None:
            short = _falls_short(ours.high) and (theirs is None or settle(ours.value, 1) < settle(theirs.value, 1))
            yield CoverageGuard(part, ours, None if theirs is None else theirs.value, not short)


def _falls_short(high: float | None) -> bool:
    """Whether the upper end of a coverage is too low; None, with too few users, is not."""
    return high is not None and settle(high, 1) < settle(PROMISED - SHORT, 1)


def _weigh(
    version: int, goals: list[Evidence], guards: list[Evidence], coverage: list[CoverageGuard]
) -> tuple[PromotionVerdict, str]:
    better, worse = ([one for one in goals if one.finding == side] for side in ("better", "worse"))
    broken = [_tell_guard(one) for one in guards if one.finding == "worse"]
    broken += [_tell_coverage(one) for one in coverage if not one.holds]
    where = "on the same held-out ratings"
    if worse and not better:
        return "REJECT", f"It is worse than version {version} in {_tell(worse)}, {where}."
    if broken:
        gain = f"It is better than version {version} in {_tell(better)}, {where}, but" if better else "It is"
        return "HOLD", f"{gain} worse for {'; '.join(broken)}."
    if better and worse:
        return "HOLD", f"It is better than version {version} in {_tell(better)}, but worse in {_tell(worse)}, {where}."
    if better:
        groups = len({one.part for one in guards})
        checked = f"It is worse for none of {counted(groups, 'group')}." if groups else "Groups could not be compared."
        return "PROMOTE", f"It is better than version {version} in {_tell(better)}, {where}. {checked}"
    return "HOLD", f"No difference from version {version} is shown in {_tell(goals, 'or')}, {where}."


def _by_part(found: Iterable[Evidence], side: Verdict) -> dict[str, list[str]]:
    """The metrics with this finding, by group."""
    metrics: dict[str, list[str]] = {}
    for one in found:
        if one.finding == side:
            metrics.setdefault(one.part, []).append(METRICS[one.metric].noun)
    return metrics


def _name(parts: Mapping[str, Sequence[str]], others: Collection[str]) -> str:
    """The groups in words, genres last; with their metrics where the group is among the ``others`` as well."""
    metrics = {part: f" ({listed(nouns)})" if part in others else "" for part, nouns in parts.items()}
    genres = [f"{part.partition(':')[2]}{told}" for part, told in metrics.items() if kind_of(part) == "genres"]
    groups = [f"{in_words(part)}{told}" for part, told in metrics.items() if kind_of(part) != "genres"]
    return listed([*groups, f"the genre{'s' * (len(genres) > 1)} {listed(genres)}"] if genres else groups)


def _tell(found: Iterable[Evidence], joint: str = "and") -> str:
    return f" {joint} ".join(f"{METRICS[one.metric].noun} ({_figures(one.difference)})" for one in found)


def _figures(found: MetricDifference) -> str:
    return f"{found.value:.4f} against {found.baseline:.4f}, {counted(found.users, 'person', 'people')}"


def _tell_guard(one: Evidence) -> str:
    return f"{in_words(one.part)} ({METRICS[one.metric].noun} {_figures(one.difference)})"


def _tell_coverage(one: CoverageGuard) -> str:
    who = "everybody" if one.part == "all" else in_words(one.part)
    return f"{who} (intervals cover {one.value.value:.1%} of ratings instead of {PROMISED:.0%})"

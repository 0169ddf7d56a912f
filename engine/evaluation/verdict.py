"""Whether a version should take the place of the one that serves: what is shown, and who would be harmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.evaluation.comparison import (
    LEVEL,
    MetricDifference,
    Verdict,
    compare,
    compare_newcomers,
    compare_segments,
)
from engine.evaluation.intervals import MetricValue
from engine.evaluation.metrics import METRICS
from engine.evaluation.report import EvaluationReport
from engine.evaluation.segments import NEW_USERS, USER_SEGMENTS, in_words, kind_of
from engine.models.intervals import LEVEL as PROMISED
from engine.rounding import settle

PromotionVerdict = Literal["PROMOTE", "HOLD", "REJECT"]

GOALS = tuple(name for name in reversed(METRICS) if METRICS[name].min_change is not None)
"""The metrics a version has to improve, the order of lists first.

Smaller changes than ``min_change`` are noise: another seed moves the RMSE by about 0.2%, which a test over many users
takes for a real difference.
"""
SHORT = 0.02
"""How far intervals may hold less than they promise."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison that a judgement rests on.

    Attributes:
        role: a ``goal`` is what a version has to be better in, a ``guard`` what must not get worse.
        part: ``all``, or the name of a segment.
        metric: its name.
        difference: against the version that served; its own ``verdict`` is that of the plain test.
        finding: what it counts as, of as many comparisons as there are, small differences left aside.
    """

    role: Literal["goal", "guard"]
    part: str
    metric: str
    difference: MetricDifference
    finding: Verdict


@dataclass(frozen=True, slots=True)
class CoverageGuard:
    """The part of ratings inside their intervals, of all users (``all``) or a segment; ``before``: it was."""

    part: str
    value: MetricValue
    before: float | None
    holds: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a version should take the place of the one that served when it was trained.

    Attributes:
        verdict: ``HOLD`` where it is neither shown to be better without harm nor shown to be worse.
        baseline: the version that served; None where none did.
        text: why, in words.
        evidence: the goals, then the guards; empty where nothing could be compared.
        coverage: of its intervals.
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
        """By goal, the values of the version that served and of the new one, on the same held-out ratings."""
        goals = [one for one in self.evidence if one.role == "goal"]
        return {one.metric: (one.difference.baseline, one.difference.value) for one in goals}


def judge(report: EvaluationReport, baseline: EvaluationReport, version: int, seed: int = 0) -> Judgement:
    """Judge a version against the one that serves, on the held-out ratings that are the same in both.

    ``PROMOTE``: better in a goal (NDCG or RMSE), worse in none, and no guard is broken. ``REJECT``: worse in a goal
    and better in none. ``HOLD``: everything else.

    Better and worse are what ``comparison`` calls so, with three conditions more. *Better* in one of two goals
    would come twice as often by chance, so its p-value is doubled (Bonferroni). A guard is a segment that must not get
    worse; of many one would often seem to by chance, so the p-values of each kind (newcomers, parts of the users, of
    the movies, genres) are multiplied by how many of it are tested. Differences below ``min_change`` are ignored.

    Newcomers are people whom neither version had seen, after each number of their first ratings. Where too few were
    kept out, known users with few ratings stand in for them.

    Intervals hold where their coverage is not below the promise by more than two points beyond its own 95% interval,
    among all users and in each part of them, or is at least that of the version that serves. Of fewer than ten users
    nothing is shown either way.

    Args:
        report: of the version in question.
        baseline: of the version that serves.
        version: the number of the latter, for the words.
        seed: start of the bootstrap's random numbers.

    Raises:
        InvalidInput: the two can't be compared; the message says why.
    """
    found = compare(report, baseline, seed)
    goals = [Evidence("goal", "all", name, found[name], _goal(name, found[name])) for name in GOALS if name in found]
    guards = list(_guards(_parts(report, baseline, seed)))
    coverage = list(_coverage(report, baseline))
    verdict, text = _weigh(version, goals, guards, coverage)
    return Judgement(verdict, version, text, (*goals, *guards), tuple(coverage))


def _parts(report: EvaluationReport, baseline: EvaluationReport, seed: int) -> dict[str, dict[str, MetricDifference]]:
    """What the guards compare."""
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
    """What a difference counts as, where it is one of so many that might have been called by chance."""
    small = abs(found.difference) < settle((METRICS[name].min_change or 0.0) * found.baseline, found.baseline)
    return "no difference shown" if small or settle(found.p_value * chances, 1) >= LEVEL else found.verdict


def _coverage(report: EvaluationReport, baseline: EvaluationReport) -> Iterator[CoverageGuard]:
    """Of all users and of each part of them, where intervals were judged."""
    for part in ("all", *USER_SEGMENTS):
        ours, theirs = (
            (one.metrics if part == "all" else one.segments.get(part, {})).get("interval_coverage")
            for one in (report, baseline)
        )
        if ours is not None:
            short = _falls_short(ours.high) and (theirs is None or settle(ours.value, 1) < settle(theirs.value, 1))
            yield CoverageGuard(part, ours, None if theirs is None else theirs.value, not short)


def _falls_short(high: float | None) -> bool:
    """``high``: up to where coverage may lie; where there are too few users to say, nothing is held against it."""
    return high is not None and settle(high, 1) < settle(PROMISED - SHORT, 1)


def _weigh(
    version: int, goals: list[Evidence], guards: list[Evidence], coverage: list[CoverageGuard]
) -> tuple[PromotionVerdict, str]:
    better, worse = ([one for one in goals if one.finding == side] for side in ("better", "worse"))
    broken = [_tell_guard(one) for one in guards if one.finding == "worse"]
    broken += [_tell_coverage(one) for one in coverage if not one.holds]
    users = max((one.difference.users for one in goals), default=0)
    where = f"on the same held-out ratings of {users:,} users"
    if worse and not better:
        return "REJECT", f"It is worse than version {version} in {_tell(worse)}, {where}."
    if broken:
        gain = f"It is better than version {version} in {_tell(better)}, {where}, but" if better else "It is"
        return "HOLD", f"{gain} worse for {'; '.join(broken)}."
    if better and worse:
        return "HOLD", f"It is better than version {version} in {_tell(better)}, but worse in {_tell(worse)}, {where}."
    if better:
        checked = f"None of {len(guards)} guards is broken." if guards else "Guards by segment could not be checked."
        return "PROMOTE", f"It is better than version {version} in {_tell(better)}, {where}. {checked}"
    return "HOLD", f"No difference to version {version} is shown in {_tell(goals, 'or')}, {where}."


def _tell(found: Iterable[Evidence], joint: str = "and") -> str:
    pairs = ((METRICS[one.metric].noun, one.difference) for one in found)
    return f" {joint} ".join(f"{noun} ({it.value:.4f} against {it.baseline:.4f})" for noun, it in pairs)


def _tell_guard(one: Evidence) -> str:
    found = one.difference
    figures = f"{METRICS[one.metric].noun} {found.value:.4f} against {found.baseline:.4f}, {found.users:,} users"
    return f"{in_words(one.part)} ({figures})"


def _tell_coverage(one: CoverageGuard) -> str:
    who = "everybody" if one.part == "all" else in_words(one.part)
    return f"{who} (intervals hold {one.value.value:.1%} of ratings instead of {PROMISED:.0%})"

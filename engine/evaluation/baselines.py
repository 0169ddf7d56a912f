"""What the most popular movies and a random list get, beside every list metric of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from engine.data.arrays import Bools
from engine.data.ratings import Interactions
from engine.evaluation import chance
from engine.evaluation.charts import Charts
from engine.evaluation.differences import Verdict, compare_sums
from engine.evaluation.intervals import Columns
from engine.evaluation.lists import Lists, list_popular, list_random
from engine.evaluation.metrics import METRICS, exposure
from engine.evaluation.segments import in_words
from engine.rounding import settle, significant
from engine.words import counted

CHART = "baselines"
ALL = "all"
"""The segment of all users with lists."""
TOLD = "ndcg_at_k"
"""The metric that words are about."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A list metric of a model, and that of lists that know nobody, for the same users and test ratings.

    Attributes:
        segment: the users: ``all``, or a segment such as ``new_users``.
        metric: its name.
        value: of the model.
        popularity: of the movies with most ratings in the training part.
        random: expected of a list drawn at random; of one drawn with a fixed seed for ``gini`` and ``diversity``. None
            where there is no formula.
        difference: ``value - popularity``.
        low, high: paired 95% bootstrap interval of the difference over users; None for fewer than ten, and for metrics
            of all lists together.
        users: number of users.
        verdict: whether the model is better than popularity, by the test of ``engine.evaluation.differences``.
    """

    segment: str
    metric: str
    value: float
    popularity: float
    random: float | None
    difference: float
    low: float | None
    high: float | None
    users: int
    verdict: Verdict


BASELINES = TypeAdapter(list[Baseline])


def chart_baselines(
    ours: Lists, train: Interactions, test: Interactions, segments: Mapping[str, Bools], seed: int
) -> Charts:
    """Table ``baselines``: a row for each list metric of all users, and for each metric of hits of a segment.

    Args:
        ours: the model's lists, at least one.
        train: the training part.
        test: the test part.
        segments: bool[n_users] by name.
        seed: random seed of the bootstrap and of the random lists.
    """
    k = ours.movies.shape[1]
    popular, drawn = list_popular(train, test, k), list_random(train, test, k, seed)
    candidates = train.n_movies - train.user_counts[ours.users]
    hits, theirs = ours.per_user(), popular.per_user()
    random = {name: formula(ours.relevant, candidates, k) for name, formula in chance.OF_HITS.items() if name in hits}
    rows = _compare(ALL, hits, theirs, random, seed) + _of_catalogue(ours, popular, drawn, train, seed)
    for name, users in segments.items():
        chosen = users[ours.users]
        if chosen.any():
            rows += _compare(name, _keep(hits, chosen), _keep(theirs, chosen), _keep(random, chosen), seed)
    return {CHART: [asdict(row) for row in rows]}


def _keep(columns: Columns, chosen: Bools) -> Columns:
    return {name: values[chosen] for name, values in columns.items()}


def _compare(segment: str, ours: Columns, theirs: Columns, random: Columns, seed: int) -> list[Baseline]:
    """A row for each metric: the means over users."""
    users = len(next(iter(ours.values())))
    return [
        Baseline(
            segment=segment,
            metric=name,
            value=found.value,
            popularity=found.baseline,
            random=significant(float(random[name].mean())) if name in random else None,
            difference=found.difference,
            low=found.low,
            high=found.high,
            users=users,
            verdict=found.verdict,
        )
        for name, found in compare_sums(ours, theirs, np.ones(users), seed).items()
    ]


def _of_catalogue(ours: Lists, popular: Lists, drawn: Lists, train: Interactions, seed: int) -> list[Baseline]:
    """Rows of the metrics that need no test ratings."""
    exact = {
        "novelty": chance.novelty(train, ours.users),
        "coverage": chance.coverage(train, ours.users, ours.movies.shape[1]),
    }
    rows = []
    for name, metric in METRICS.items():
        if metric.of_lists:
            columns = [metric.of_lists(lists.movies, train) for lists in (ours, popular, drawn)]
            known = [{name: values} for values in columns if values is not None]
            rows += _compare(ALL, known[0], known[1], known[2], seed) if known else []
        elif metric.of_exposure:
            shown = [exposure(lists.movies, train.n_movies) for lists in (ours, popular, drawn)]
            rows.append(_of_all(name, *map(metric.of_exposure, shown), users=len(ours.users)))
    return [replace(row, random=significant(exact[row.metric])) if row.metric in exact else row for row in rows]


def _of_all(name: str, value: float, popularity: float, random: float, *, users: int) -> Baseline:
    """The row of a metric of all lists together, whose difference is not tested."""
    value, popularity, random = (significant(one) for one in (value, popularity, random))
    difference = settle(value - popularity, max(abs(value), abs(popularity)))
    return Baseline(ALL, name, value, popularity, random, difference, None, None, users, "no difference shown")


def stored(charts: Mapping[str, Any]) -> tuple[Baseline, ...]:
    """The baselines of a report's charts; empty where there are none, as in reports of earlier releases."""
    try:
        return tuple(BASELINES.validate_python(charts.get(CHART, ())))
    except ValidationError:
        return ()


def standing(baselines: Sequence[Baseline]) -> str:
    """Whether everybody's lists are better than the most popular movies, as a sentence; empty if not measured."""
    one = next((one for one in baselines if (one.segment, one.metric) == (ALL, TOLD)), None)
    if one is None:
        return ""
    if one.difference < 0:
        return _sentence(one)
    if one.verdict == "better":
        return f"Lists are better than the most popular movies: {_figures(one)}."
    return f"Lists are not shown to be better than the most popular movies: {_figures(one)}."


def shortfalls(baselines: Sequence[Baseline]) -> list[str]:
    """A sentence for all users, and each segment of users, whose lists are below those of the most popular movies."""
    return [_sentence(one) for one in baselines if one.metric == TOLD and one.difference < 0]


def _sentence(one: Baseline) -> str:
    who = "everybody" if one.segment == ALL else in_words(one.segment)
    if one.verdict == "worse":
        return f"Lists for {who} are worse than the most popular movies: {_figures(one)}."
    return f"Lists for {who} are below the most popular movies, which may be chance: {_figures(one)}."


def _figures(one: Baseline) -> str:
    return (
        f"{METRICS[TOLD].label} {one.value:.4f} against {one.popularity:.4f}, {counted(one.users, 'person', 'people')}"
    )

"""How good the versions are: the metrics of one, of all over time, and of some side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from engine.errors import Conflict, InvalidInput, NotReady, UnknownVersion
from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from engine.services import current
from engine.services.version_records import VersionSummary
from engine.services.versions import Comparison
from sidecar.http.identifiers import Number, plain_text
from sidecar.http.paging import Next, PageRequest, cut
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import PARAMETERS, answers
from sidecar.routes.training import METRICS
from sidecar.routes.versions import PROTOCOL

router = APIRouter(prefix="/ml", tags=["metrics"], route_class=StrictRoute)

MOST_COMPARED = 20
NEWCOMERS = {
    "known": 3,
    "people": 40,
    "rmse": {"value": 0.9723, "low": 0.8595, "high": 1.0664},
    "movie_mean": 0.986,
    "ndcg": {"value": 0.3359, "low": 0.2406, "high": 0.4208},
    "popularity": 0.3315,
}


class MetricsRequest(BaseModel):
    """Whose metrics; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    version: Number | None = Field(None, description="A version's number; the active one if left out.", examples=[3])


class VersionMetrics(BaseModel):
    """How good a version is on held-out ratings."""

    version: int
    protocol: dict[str, Any] = Field(description="How the metrics were measured.")
    metrics: dict[str, MetricValue] = Field(
        description="Each with its 95% interval, whose ends are null where fewer than ten users were judged."
    )
    segments: dict[str, dict[str, MetricValue]] = Field(
        description="The same metrics for parts of the data, such as new users; empty where none were measured."
    )
    newcomers: list[NewcomerPoint] = Field(
        description="How well people are served whom the version had never seen, after none to twenty of their "
        "ratings; empty where fewer than 160 people have more than twenty."
    )


# These read the store, so they run in the thread pool and not on the event loop.
@router.get(
    "/metrics",
    responses=answers(
        {"version": 3, "protocol": PROTOCOL, "metrics": METRICS, "segments": {}, "newcomers": [NEWCOMERS]},
        PARAMETERS,
        UnknownVersion,
        NotReady,
    ),
)
def version_metrics(asked: Annotated[MetricsRequest, Query()]) -> VersionMetrics:
    """How good a version is.

    The active one, or the one that `version` names. Measured on ratings it had not seen, before it learned them too.
    `protocol` says how. `newcomers` holds what was measured on people kept out of training altogether, beside the error
    of each movie's mean and the lists of popular movies. Where fewer than ten users were judged there is no interval:
    `low` and `high` are null.
    """
    versions = current().versions
    found = versions.active() if asked.version is None else versions.get(asked.version)
    if found is None:
        raise NotReady("No version serves yet, so there is nothing to measure. Import ratings and train a model.")
    return VersionMetrics(
        version=found.version,
        protocol=found.protocol,
        metrics=found.metrics,
        segments=found.segments,
        newcomers=list(found.newcomers),
    )


MEASURED: dict[str, Any] = {
    "version": 3,
    "kind": "svd",
    "state": "ready",
    "active": True,
    "created_at": 1795443846.5,
    "ratings": 100004,
    "metrics": METRICS,
}


class HistoryRequest(PageRequest):
    """What of the history; each field is a query parameter."""

    limit: int = Field(100, ge=1, le=1000, description="The most versions, the newest of them.", examples=[100])
    metric: Annotated[str, AfterValidator(plain_text)] | None = Field(
        None, min_length=1, max_length=100, description="Only this metric.", examples=["rmse"]
    )


class MeasuredVersion(BaseModel):
    """A version and its metrics."""

    version: int
    kind: str
    state: str
    active: bool
    created_at: float
    ratings: int
    metrics: dict[str, MetricValue] = Field(
        description="Each with its 95% interval, whose ends are null where fewer than ten users were judged."
    )


class History(BaseModel):
    """Versions, oldest first."""

    history: list[MeasuredVersion]
    next: Next


@router.get("/metrics/history", responses=answers({"history": [MEASURED], "next": None}, PARAMETERS, NotReady))
def metrics_history(asked: Annotated[HistoryRequest, Query()]) -> History:
    """How good each version is.

    Oldest first, deleted ones too. Each was measured on the ratings held out at its own time, so that a difference of
    two may come from the ratings; `/ml/models/compare` compares on the same ones.
    Where there are more than `limit`, give `next` as `before` for the older ones.
    """
    found = current().versions.list(asked.limit + 1, before=asked.before)
    versions, following = cut(found, asked.limit, lambda one: one.version)
    if asked.metric is not None and not any(asked.metric in each.metrics for each in versions):
        names = sorted({name for each in current().versions.list() for name in each.metrics})
        if names and asked.metric not in names:
            raise InvalidInput(f"No version has this metric. There are: {', '.join(names)}.", field="metric")
    return History(history=[_measured(each, asked.metric) for each in versions[::-1]], next=following)


def _measured(found: VersionSummary, metric: str | None = None) -> MeasuredVersion:
    return MeasuredVersion(
        version=found.version,
        kind=found.kind,
        state=found.state,
        active=found.active,
        created_at=found.created_at,
        ratings=found.ratings,
        metrics={name: value for name, value in found.metrics.items() if metric in (None, name)},
    )


def _split(values: Any) -> Any:
    """``["2,3", "4"]`` as ``["2", "3", "4"]``."""
    if not isinstance(values, list):
        return values
    return [part for each in values for part in (each.split(",") if isinstance(each, str) else [each])]


class CompareRequest(BaseModel):
    """Which versions; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    versions: Annotated[list[Number], BeforeValidator(_split)] | None = Field(
        None,
        min_length=1,
        max_length=MOST_COMPARED,
        description="Their numbers, as versions=2&versions=3 or versions=2,3; the two newest intact ones if left out.",
        examples=[[2, 3]],
    )
    baseline: Number | None = Field(
        None,
        description="What the others are compared with; if left out the active one, or else the oldest of them.",
        examples=[2],
    )


class Compared(BaseModel):
    """Versions side by side, the baseline first."""

    baseline: int
    versions: list[MeasuredVersion]
    comparisons: list[Comparison]


DIFFERENCE = {
    "value": 0.874,
    "baseline": 0.881,
    "difference": -0.007,
    "low": -0.009,
    "high": -0.005,
    "p_value": 0.0002,
    "users": 671,
    "verdict": "better",
}
COMPARISON: dict[str, Any] = {
    "version": 3,
    "baseline": 2,
    "differences": {"rmse": DIFFERENCE},
    "text": "Version 3 is better in rmse, against version 2 on the same held-out ratings of 671 users.",
}


@router.get(
    "/models/compare",
    responses=answers(
        {
            "baseline": 2,
            "versions": [MEASURED | {"version": 2, "active": False}, MEASURED],
            "comparisons": [COMPARISON],
        },
        PARAMETERS,
        UnknownVersion,
        Conflict,
        NotReady,
    ),
)
def compare_models(asked: Annotated[CompareRequest, Query()]) -> Compared:
    """Compare versions.

    Each version against the baseline, user by user on the held-out ratings that are the same in both. A metric is
    `better` or `worse` only where the interval of the difference and Wilcoxon's test both show it; of fewer than ten
    users there is no interval, and `low` and `high` are null. Where two versions can't be compared, `differences` is
    empty and `text` says why.
    """
    versions = current().versions
    comparisons = versions.compare(asked.versions or _newest_two(versions.list()), asked.baseline)
    baseline = comparisons[0].baseline
    by_number = {each.version: _measured(each) for each in versions.list()}
    shown = [by_number[number] for number in (baseline, *(each.version for each in comparisons))]
    return Compared(baseline=baseline, versions=shown, comparisons=list(comparisons))


def _newest_two(known: Sequence[VersionSummary]) -> list[int]:
    """The two newest intact versions, of all from newest to oldest."""
    intact = [each.version for each in known if each.state == "ready"]
    if len(intact) < 2:
        there = "one intact version" if intact else "no intact version"
        raise Conflict(f"There is {there} yet, and a comparison needs two. Train a model, then ask again.")
    return intact[:2]

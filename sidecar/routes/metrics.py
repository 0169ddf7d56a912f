"""Metrics of one version, of all versions over time, and of several in comparison."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from engine.errors import Conflict, InvalidInput, NotReady, UnknownVersion
from engine.evaluation.baselines import Baseline
from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from engine.services import current
from engine.services.version_records import VersionSummary
from engine.services.versions import Comparison
from sidecar.http.identifiers import Number, plain_text
from sidecar.http.paging import Next, PageRequest, cut, page_size
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import Parameters

router = APIRouter(prefix="/ml", tags=["metrics"], route_class=StrictRoute)

MAX_COMPARED = 20

Metrics = Annotated[
    dict[str, MetricValue],
    Field(description="Each with its 95% interval, which is null if fewer than ten users were judged."),
]


class MetricsRequest(Parameters):
    """Which version."""

    version: Number | None = Field(None, description="The version's number; by default the active one.", examples=[3])


class VersionMetrics(BaseModel):
    """The metrics of a version on held-out ratings."""

    version: int
    protocol: dict[str, Any] = Field(description="How the metrics were measured.")
    metrics: Metrics
    segments: dict[str, dict[str, MetricValue]] = Field(
        description="The same metrics for segments of the data, such as new users; empty if not measured."
    )
    newcomers: list[NewcomerPoint] = Field(
        description="Quality for people whom the version had never seen, after 0 to 20 of their ratings; empty if "
        "fewer than 160 people have more than 20."
    )
    baselines: list[Baseline] = Field(
        description="Each list metric beside that of the most popular movies and of a random list, for the same users, "
        "and of segments of users; empty for versions of earlier releases."
    )
    shortfalls: list[str] = Field(
        description="A sentence for each group of users whose lists are below the most popular movies."
    )


# All of these read the store, so they run in the thread pool and not on the event loop.
@router.get("/metrics", openapi_extra=raises(UnknownVersion))
def version_metrics(asked: Annotated[MetricsRequest, Query()]) -> VersionMetrics:
    """Get the metrics of a version.

    Measured on held-out ratings before the version learned them too; `protocol` says how. `newcomers` was measured on
    people left out of training altogether, next to the error of each movie's mean rating and lists of popular movies.
    If fewer than ten users were judged, there is no interval: `low` and `high` are null. `baselines` compares lists
    with the movies that have most ratings in the training part: `difference` has a paired interval, `verdict` needs two
    tests to agree, and `random` is the expectation of a list drawn at random.
    """
    versions = current().versions
    found = versions.active() if asked.version is None else versions.get(asked.version)
    if found is None:
        raise NotReady("No version is active yet, so there are no metrics. Import ratings and train a model.")
    return VersionMetrics.model_validate(found, from_attributes=True)


class HistoryRequest(PageRequest):
    """Which part of the history."""

    limit: int = page_size(100, 1000)
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
    metrics: Metrics


class History(BaseModel):
    """Versions, oldest first."""

    history: list[MeasuredVersion]
    next: Next


@router.get("/metrics/history")
def metrics_history(asked: Annotated[HistoryRequest, Query()]) -> History:
    """Get the metrics of all versions over time.

    Oldest first, including deleted versions. Each was measured on the ratings held out at the time, so differences may
    be due to the ratings; `GET /ml/models/compare` compares versions on the same ratings. `next` leads to older
    versions.
    """
    found = current().versions.list(asked.limit + 1, before=asked.before)
    versions, following = cut(found, asked.limit, lambda one: one.version)
    if asked.metric is not None and not any(asked.metric in each.metrics for each in versions):
        names = sorted({name for each in current().versions.list() for name in each.metrics})
        if names and asked.metric not in names:
            raise InvalidInput(f"Unknown metric. Available: {', '.join(names)}.", field="metric")
    return History(history=[measured(each, asked.metric) for each in versions[::-1]], next=following)


def measured(found: VersionSummary, metric: str | None = None) -> MeasuredVersion:
    """A version and its metrics, or only one of them."""
    chosen = {name: value for name, value in found.metrics.items() if metric in (None, name)}
    return MeasuredVersion.model_validate(replace(found, metrics=chosen), from_attributes=True)


def _split(values: Any) -> Any:
    """``["2,3", "4"]`` as ``["2", "3", "4"]``."""
    if not isinstance(values, list):
        return values
    return [part for each in values for part in (each.split(",") if isinstance(each, str) else [each])]


class CompareRequest(Parameters):
    """Which versions."""

    versions: Annotated[list[Number], BeforeValidator(_split)] | None = Field(
        None,
        min_length=1,
        max_length=MAX_COMPARED,
        description="Their numbers, as versions=2&versions=3 or versions=2,3; by default the two newest intact ones.",
        examples=[[2, 3]],
    )
    baseline: Number | None = Field(
        None,
        description="The version to compare with; by default the active one, otherwise the oldest.",
        examples=[2],
    )


class Compared(BaseModel):
    """A comparison, baseline first."""

    baseline: int
    versions: list[MeasuredVersion]
    comparisons: list[Comparison]


@router.get("/models/compare", openapi_extra=raises(UnknownVersion, Conflict))
def compare_models(asked: Annotated[CompareRequest, Query()]) -> Compared:
    """Compare versions.

    Compares each version with the baseline, user by user, on the held-out ratings that both share. A metric is `better`
    or `worse` only if the interval of the difference and Wilcoxon's test both show it. With fewer than ten users there
    is no interval: `low` and `high` are null. If two versions can't be compared, `differences` is empty and `text` says
    why.
    """
    versions = current().versions
    comparisons = versions.compare(asked.versions or _newest_two(versions.list()), asked.baseline)
    baseline = comparisons[0].baseline
    by_number = {each.version: measured(each) for each in versions.list()}
    shown = [by_number[number] for number in (baseline, *(each.version for each in comparisons))]
    return Compared(baseline=baseline, versions=shown, comparisons=list(comparisons))


def _newest_two(known: Sequence[VersionSummary]) -> list[int]:
    """The two newest intact versions; ``known`` is newest first."""
    intact = [each.version for each in known if each.state == "ready"]
    if len(intact) < 2:
        there = "is only one intact version" if intact else "are no intact versions"
        raise Conflict(f"There {there}; a comparison needs two. Train a model first.")
    return intact[:2]

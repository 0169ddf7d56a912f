"""Model versions: which there are, how good they are, and which one serves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.errors import DiskFull, NotReady, UnknownVersion, VersionUnavailable
from engine.services import current
from engine.types import MetricValue, VersionSummary
from sidecar.answers import JSON_BODY, POSTED, answers
from sidecar.identifiers import Number, plain_text
from sidecar.requests import StrictRoute
from sidecar.training import ACTOR, METRICS

router = APIRouter(prefix="/ml", tags=["models"], route_class=StrictRoute)

PROTOCOL = {"split": "each user's last 20% by time", "k": 10, "relevant_from": 3.875}
VERSION: dict[str, Any] = {
    "version": 3,
    "kind": "svd",
    "state": "ready",
    "active": True,
    "created_at": 1795443846.5,
    "run_id": 7,
    "hyperparameters": {"factors": 100, "epochs": 50},
    "metrics": METRICS,
    "protocol": PROTOCOL,
    "ratings": 100004,
    "users": 671,
    "movies": 9066,
    "data_fingerprint": "9f1c4ab2",
    "size_bytes": 53477376,
    "activated_at": 1795443846.9,
    "activated_by": "api",
    "note": "",
}


class Models(BaseModel):
    """All versions, newest first."""

    active_version: int | None = Field(description="The version that serves; null before the first.")
    models: list[VersionSummary]


class Serving(BaseModel):
    """Which version serves now."""

    active_version: int


class ServedMetrics(BaseModel):
    """How good the active version is on held-out ratings."""

    version: int
    protocol: dict[str, Any] = Field(description="How the metrics were measured.")
    metrics: dict[str, MetricValue] = Field(description="Each with its 95% interval.")
    segments: dict[str, dict[str, MetricValue]] = Field(
        description="The same metrics for parts of the data, such as new users; empty where none were measured."
    )


class Reason(BaseModel):
    """Why a version is made to serve; kept in the ledger."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"reason": "Better for new users."}]}
    )

    reason: Annotated[str, AfterValidator(plain_text)] = Field("", max_length=500, description="In your own words.")


NO_REASON = Reason(reason="")
VersionNumber = Annotated[Number, Path(description="The version's number.", examples=[3])]


# These read or write the store, so they run in the thread pool and not on the event loop.
@router.get("/models", responses=answers({"active_version": 3, "models": [VERSION]}, NotReady))
def list_models() -> Models:
    """List the model versions.

    Newest first, each with its metrics, its hyperparameters and the data it learned from. `state` is `ready`,
    `damaged` or `deleted`.
    """
    versions = current().versions.list()
    active = next((each.version for each in versions if each.active), None)
    return Models(active_version=active, models=versions)


@router.post(
    "/models/activate/{version}",
    responses=answers({"active_version": 3}, POSTED, JSON_BODY, UnknownVersion, VersionUnavailable, NotReady, DiskFull),
)
def activate_model(version: VersionNumber, body: Reason = NO_REASON) -> Serving:
    """Make a version serve.

    From the next request on. The body may be left out; its reason is kept in the ledger of activations.
    """
    current().versions.activate(version, actor=ACTOR, reason=body.reason)
    return Serving(active_version=version)


@router.post(
    "/models/rollback",
    responses=answers({"active_version": 2}, POSTED, JSON_BODY, UnknownVersion, VersionUnavailable, NotReady, DiskFull),
)
def roll_back(body: Reason = NO_REASON) -> Serving:
    """Return to the version that served before.

    The last other version that served and is intact. The body may be left out.
    """
    return Serving(active_version=current().versions.rollback(actor=ACTOR, reason=body.reason))


@router.get(
    "/metrics",
    responses=answers({"version": 3, "protocol": PROTOCOL, "metrics": METRICS, "segments": {}}, NotReady),
)
def served_metrics() -> ServedMetrics:
    """How good the active version is.

    Measured on ratings it had not seen, before it learned them too. `protocol` says how.
    """
    active = current().versions.active()
    if active is None:
        raise NotReady("No version serves yet, so there is nothing to measure. Import ratings and train a model.")
    return ServedMetrics(
        version=active.version, protocol=active.protocol, metrics=active.metrics, segments=active.segments
    )

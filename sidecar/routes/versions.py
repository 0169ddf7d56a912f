"""Model versions: which there are, which one serves, and what is kept of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.errors import DiskFull, NotReady, UnknownVersion, VersionUnavailable
from engine.services import current
from engine.services.version_records import VersionSummary
from sidecar.http.identifiers import Number, Remark, plain_text
from sidecar.http.paging import Next, PageRequest, cut
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers
from sidecar.routes.training import ACTOR, METRICS

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
    "note": "More factors",
    "segments": {},
    "tags": ["keep"],
    "digest": "5d0a91ce",
}


class ModelsRequest(PageRequest):
    """Which versions; each field is a query parameter."""

    limit: int = Field(100, ge=1, le=1000, description="The most versions.", examples=[100])


class Models(BaseModel):
    """Versions, newest first."""

    active_version: int | None = Field(
        description="The version that serves, on this page or not; null before the first."
    )
    models: list[VersionSummary]
    next: Next


class Serving(BaseModel):
    """Which version serves now."""

    active_version: int


class LedgerRequest(PageRequest):
    """Which lines of the ledger; each field is a query parameter."""

    at: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="A moment in Unix seconds: only lines up to it, so that the first tells what served then.",
        examples=[1795443900.0],
    )
    limit: int = Field(100, ge=1, le=1000, description="The most lines.", examples=[100])


class Activated(BaseModel):
    """One line of the ledger."""

    activation_id: int
    version: int
    activated_at: float
    actor: str
    reason: str


class Ledger(BaseModel):
    """Which version served from when, newest first."""

    activations: list[Activated]
    next: Next


class Reason(BaseModel):
    """Why a version is made to serve; kept in the ledger."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"reason": "Better for new users."}]}
    )

    reason: Remark = Field("", description="In your own words.")


Tag = Annotated[str, Field(min_length=1, max_length=50), AfterValidator(plain_text)]


class Description(BaseModel):
    """What is changed about a version; what is left out stays."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"note": "More factors", "tags": ["keep"]}]},
    )

    note: Annotated[str, AfterValidator(plain_text)] | None = Field(
        None, max_length=2000, description="In your own words; an empty text removes it."
    )
    tags: list[Tag] | None = Field(
        None, max_length=20, description="All its tags, each of 1 to 50 characters; an empty list removes them."
    )


class Deleted(BaseModel):
    """A version that gave up its arrays."""

    version: int
    state: Literal["deleted"]
    freed_bytes: int = Field(description="What its arrays took; 0 if it was deleted before.")


NO_REASON = Reason(reason="")
VersionNumber = Annotated[Number, Path(description="The version's number.", examples=[3])]


# These read or write the store, so they run in the thread pool and not on the event loop.
@router.get(
    "/models", responses=answers({"active_version": 3, "models": [VERSION], "next": None}, PARAMETERS, NotReady)
)
def list_models(asked: Annotated[ModelsRequest, Query()]) -> Models:
    """List the model versions.

    Newest first, each with its metrics, its hyperparameters and the data it learned from. `state` is `ready`,
    `damaged` or `deleted`. To read on, give `next` as `before`.
    """
    services = current()
    found = services.versions.list(asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda one: one.version)
    return Models(active_version=services.serving.active_version(), models=page, next=following)


@router.post(
    "/models/activate/{version}",
    responses=answers(
        {"active_version": 3}, CHANGING, JSON_BODY, UnknownVersion, VersionUnavailable, NotReady, DiskFull
    ),
)
def activate_model(version: VersionNumber, body: Reason = NO_REASON) -> Serving:
    """Make a version serve.

    From the next request on. The body may be left out; its reason is kept in the ledger of activations.
    """
    current().versions.activate(version, actor=ACTOR, reason=body.reason)
    return Serving(active_version=version)


@router.get(
    "/activations",
    responses=answers(
        {
            "activations": [
                {
                    "activation_id": 4,
                    "version": 3,
                    "activated_at": 1795443846.9,
                    "actor": "api",
                    "reason": "Better for new users.",
                }
            ],
            "next": None,
        },
        PARAMETERS,
        NotReady,
    ),
)
def list_activations(asked: Annotated[LedgerRequest, Query()]) -> Ledger:
    """Which version served when.

    Newest first: who or what activated a version, and why. With `at` the first line tells what served at that moment.
    Lines are never changed or deleted. To read on, give `next` as `before`.
    """
    found = current().versions.ledger(asked.limit + 1, asked.at, before=asked.before)
    page, following = cut(found, asked.limit, lambda line: line.activation_id)
    return Ledger(activations=[Activated(**asdict(line)) for line in page], next=following)


@router.post(
    "/models/rollback",
    responses=answers(
        {"active_version": 2}, CHANGING, JSON_BODY, UnknownVersion, VersionUnavailable, NotReady, DiskFull
    ),
)
def roll_back(body: Reason = NO_REASON) -> Serving:
    """Return to the version that served before.

    The last other version that served and is intact. The body may be left out.
    """
    return Serving(active_version=current().versions.rollback(actor=ACTOR, reason=body.reason))


@router.get("/models/{version}", responses=answers(VERSION, PARAMETERS, UnknownVersion, NotReady))
def model(version: VersionNumber) -> VersionSummary:
    """One version.

    `digest` is SHA-256 over the hashes of all arrays, so versions of equal digests are equal bit for bit.
    """
    return current().versions.get(version)


@router.patch(
    "/models/{version}",
    responses=answers(VERSION, CHANGING, JSON_BODY, UnknownVersion, NotReady, DiskFull),
)
def describe_model(version: VersionNumber, body: Description) -> VersionSummary:
    """Change a version's note or its tags.

    What is left out of the body stays. After each training Marquee gives up the arrays of old versions that are neither
    good nor ever served; one with a tag is always kept.
    """
    return current().versions.describe(version, note=body.note, tags=body.tags)


@router.delete(
    "/models/{version}",
    responses=answers(
        {"version": 3, "state": "deleted", "freed_bytes": 53477376},
        CHANGING,
        PARAMETERS,
        UnknownVersion,
        VersionUnavailable,
        NotReady,
        DiskFull,
    ),
)
def delete_model(version: VersionNumber) -> Deleted:
    """Delete a version.

    It gives up its arrays for good; its metrics and its lines in the ledger stay. The active version can't be deleted
    (409 `version_unavailable`): activate another one first.
    """
    versions = current().versions
    held = versions.get(version)
    versions.delete(version, actor=ACTOR)
    freed = 0 if held.state == "deleted" else held.size_bytes
    return Deleted(version=version, state="deleted", freed_bytes=freed)

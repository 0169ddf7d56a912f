"""Model versions: list, describe, activate, delete, and the deployment history."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field

from engine.errors import InvalidInput, UnknownVersion, VersionUnavailable
from engine.recommending.changes import ListChanges
from engine.services import current
from engine.services.records import ActivationRecord
from engine.services.version_records import VersionSummary
from sidecar.http.identifiers import Number, Remark, plain_text
from sidecar.http.paging import Next, PageRequest, cut, page_size
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import ACTOR, Body, Parameters, VersionNumber, example

router = APIRouter(prefix="/ml", tags=["models"], route_class=StrictRoute)


class ModelsRequest(PageRequest):
    """Which versions."""

    limit: int = page_size(100, 1000)


class Models(BaseModel):
    """Versions, newest first."""

    active_version: int | None = Field(description="The active version, on this page or not; null before the first.")
    models: list[VersionSummary]
    next: Next


class Serving(BaseModel):
    """The active version."""

    active_version: int


class ChangesRequest(Parameters):
    """What to compare with."""

    baseline: Number | None = Field(None, description="A version; by default the active one.", examples=[2])


class LedgerRequest(PageRequest):
    """Which activations."""

    at: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Unix seconds: only activations up to this time; the first is the version that was active then.",
        examples=[1795443900.0],
    )
    limit: int = page_size(100, 1000)


class Ledger(BaseModel):
    """Activations, newest first."""

    activations: list[ActivationRecord]
    next: Next


class Reason(Body):
    """Why the version is activated."""

    model_config = example(reason="Better for newcomers.")

    reason: Remark = Field("", description="In your own words, for the history.")


Tag = Annotated[str, Field(min_length=1, max_length=50), AfterValidator(plain_text)]


class Description(Body):
    """What to change about a version; omitted fields stay unchanged."""

    model_config = example(note="More factors", tags=["keep"])

    note: Annotated[str, AfterValidator(plain_text)] | None = Field(
        None, max_length=2000, description="In your own words; empty to remove it."
    )
    tags: list[Tag] | None = Field(
        None, max_length=20, description="All tags of the version, of 1 to 50 characters each; empty to remove them."
    )


class DeletedVersion(BaseModel):
    """A deleted version."""

    version: int
    state: Literal["deleted"]
    freed_bytes: int = Field(description="The size of its arrays; 0 if it was already deleted.")


NO_REASON = Reason(reason="")


# All of these use the store, so they run in the thread pool and not on the event loop.
@router.get("/models")
def list_models(asked: Annotated[ModelsRequest, Query()]) -> Models:
    """List the model versions.

    Newest first, each with its metrics, its hyperparameters and a summary of its data. `state` is `ready`, `damaged` or
    `deleted`.
    """
    services = current()
    found = services.versions.list(asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda one: one.version)
    return Models(active_version=services.serving.active_version(), models=page, next=following)


@router.post("/models/activate/{version}", openapi_extra=raises(UnknownVersion, VersionUnavailable))
def activate_model(version: VersionNumber, body: Reason = NO_REASON) -> Serving:
    """Activate a version.

    It serves from the next request on. The body is optional; its reason is kept in the deployment history.
    """
    current().versions.activate(version, actor=ACTOR, reason=body.reason)
    return Serving(active_version=version)


@router.get("/activations")
def list_activations(asked: Annotated[LedgerRequest, Query()]) -> Ledger:
    """List the activations.

    Newest first: which version was activated, when, by whom, and why. Entries are never changed or deleted.
    """
    found = current().versions.ledger(asked.limit + 1, asked.at, before=asked.before)
    page, following = cut(found, asked.limit, lambda line: line.activation_id)
    return Ledger(activations=page, next=following)


@router.post("/models/rollback", openapi_extra=raises(UnknownVersion, VersionUnavailable))
def roll_back(body: Reason = NO_REASON) -> Serving:
    """Roll back to the previous version.

    That is the last other version that was active and is intact. The body is optional.
    """
    return Serving(active_version=current().versions.rollback(actor=ACTOR, reason=body.reason))


@router.get("/models/{version}/changes", openapi_extra=raises(UnknownVersion, VersionUnavailable))
def list_changes(version: VersionNumber, asked: Annotated[ChangesRequest, Query()]) -> ListChanges:
    """Compare everybody's list under two versions.

    From the current ratings: how many people keep how many of their first ten movies, the movies that rise and fall
    most, and the people whose lists change most. Beyond 2,000 people it takes a random sample. Makes two lists for each
    person, so it takes seconds.
    """
    services = current()
    baseline = asked.baseline or services.serving.active_version()
    if baseline is None or baseline == version:
        raise InvalidInput("Name another version to compare with.", field="baseline")
    both = [(number, services.versions.bundle(number)) for number in (version, baseline)]
    return services.recommendations.changes(both[0], both[1])


@router.get("/models/{version}", openapi_extra=raises(UnknownVersion))
def model(version: VersionNumber) -> VersionSummary:
    """Get a version.

    `digest` is the SHA-256 of the hashes of all arrays: versions with the same digest are identical, bit for bit.
    """
    return current().versions.get(version)


@router.patch("/models/{version}", openapi_extra=raises(UnknownVersion))
def describe_model(version: VersionNumber, body: Description) -> VersionSummary:
    """Change a version's note or tags.

    After each training run Marquee deletes the arrays of old versions that are not good and were never active. Versions
    with a tag are always kept.
    """
    return current().versions.describe(version, note=body.note, tags=body.tags)


@router.delete("/models/{version}", openapi_extra=raises(UnknownVersion, VersionUnavailable))
def delete_model(version: VersionNumber) -> DeletedVersion:
    """Delete a version.

    Its arrays are deleted for good; its metrics and activations stay. The active version can't be deleted (409
    `version_unavailable`): activate another one first.
    """
    versions = current().versions
    held = versions.get(version)
    versions.delete(version, actor=ACTOR)
    freed = 0 if held.state == "deleted" else held.size_bytes
    return DeletedVersion(version=version, state="deleted", freed_bytes=freed)

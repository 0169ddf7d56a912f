"""Starting, watching and cancelling trainings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from engine.errors import (
    DiskFull,
    InvalidHyperparameter,
    InvalidInput,
    NotReady,
    TrainingBusy,
    UnknownRun,
    UnknownVersion,
    VersionUnavailable,
)
from engine.models.registry import MODELS, ModelKind
from engine.services import current
from engine.services.training import TrainingStatus
from engine.training.promotion import ActivationPolicy
from sidecar.http.identifiers import Number, Remark, plain_text
from sidecar.http.paging import Next, PageRequest, cut
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers

router = APIRouter(prefix="/ml", tags=["training"], route_class=StrictRoute)

ACTOR = "api"
"""Who the ledger and the runs name for what was asked over HTTP."""

Text = Annotated[str, Field(max_length=200), AfterValidator(plain_text)]

# Any of these passes here; the model's own config then judges names and ranges. The API's description is made from it.
Value = (
    bool | int | Annotated[float, Field(allow_inf_nan=False)] | Text | Annotated[list[int], Field(max_length=20)] | None
)
_SCHEMAS: list[Any] = [each.config.model_json_schema() | {"title": each.label} for each in MODELS.values()]


class TrainRequest(BaseModel):
    """What to train."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "examples": [{"model": "svd", "hyperparameters": {"factors": 100, "epochs": 50}, "activate": "if_better"}]
        },
    )

    model: ModelKind = Field("svd", description="The kind of rating model.")
    hyperparameters: Annotated[
        dict[Text, Value],
        Field(max_length=50, description="Those that differ from the defaults."),
        WithJsonSchema({"anyOf": _SCHEMAS}),
    ] = {}
    activate: ActivationPolicy = Field("if_better", description="Whether the new version begins to serve.")
    queue: bool = Field(False, description="Wait for its turn instead of being refused while another run goes.")
    note: Remark = Field("", description="Kept as the new version's note.")


class RetrainRequest(BaseModel):
    """Which version to train once more."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"version": 3, "queue": True}]}
    )

    version: Number | None = Field(None, description="Whose hyperparameters; those of the active version if left out.")
    activate: ActivationPolicy = Field(
        "if_better", description="Whether the new version begins to serve; with `exact` there is none."
    )
    queue: bool = Field(False, description="Wait for its turn instead of being refused while another run goes.")
    exact: bool = Field(False, description="Prove instead that the version can be repeated; `version` is then needed.")


class RunStarted(BaseModel):
    """The run that was started."""

    run_id: int


METRICS = {
    "rmse": {"value": 0.874, "low": 0.862, "high": 0.886},
    "ndcg_at_k": {"value": 0.31, "low": 0.29, "high": 0.33},
}
RUN: dict[str, Any] = {
    "run_id": 7,
    "state": "running",
    "model": "svd",
    "stage": "Learning from 80,003 ratings",
    "epoch": 2,
    "epochs": 50,
    "eta_s": 13.1,
    "progress": 0.16,
    "step": 2,
    "steps": 9,
    "history": [
        {"epoch": 1, "epochs": 50, "train_loss": 0.94, "validation_rmse": 0.93, "seconds": 0.06},
        {"epoch": 2, "epochs": 50, "train_loss": 0.85, "validation_rmse": 0.91, "seconds": 0.06},
    ],
    "hyperparameters": {"factors": 100, "epochs": 50},
    "activate": "if_better",
    "version": None,
    "metrics": None,
    "before": METRICS,
    "verdict": None,
    "error": None,
    "created_at": 1795443840.0,
    "started_at": 1795443840.2,
    "ended_at": None,
    "actor": "api",
    "seed": 0,
    "data_fingerprint": "9f1c4ab2",
    "peak_memory_bytes": None,
    "packages": {"numpy": "2.3.4", "scikit-surprise": "1.1.4"},
    "repeats": None,
    "repeated": None,
}
ACTIVE = RetrainRequest(version=None, activate="if_better", queue=False, exact=False)


# These read or write the store, so they run in the thread pool and not on the event loop.
@router.post(
    "/train",
    status_code=202,
    responses=answers(
        {"run_id": 7}, CHANGING, JSON_BODY, InvalidHyperparameter, TrainingBusy, NotReady, DiskFull, status=202
    ),
)
def train(body: TrainRequest) -> RunStarted:
    """Start a training.

    It runs in the background; ask `training-status` how it goes. While one is running a second is refused with 409,
    naming the run in `run_id`. With `queue` it waits for its turn instead: its state is `queued`, up to 50 wait, and a
    restart of Marquee keeps them. Of hyperparameters that are not acceptable, `errors` names each with its value and
    its range.
    """
    run = current().training.train_model(
        body.model, body.hyperparameters, body.activate, ACTOR, queue=body.queue, note=body.note
    )
    return RunStarted(run_id=run)


@router.post(
    "/retrain",
    status_code=202,
    responses=answers(
        {"run_id": 8},
        CHANGING,
        JSON_BODY,
        InvalidHyperparameter,
        UnknownVersion,
        VersionUnavailable,
        TrainingBusy,
        NotReady,
        DiskFull,
        status=202,
    ),
)
def retrain(body: RetrainRequest = ACTIVE) -> RunStarted:
    """Train a version's model once more.

    A new version is trained with the hyperparameters of the named version, or of the active one, on the ratings as they
    are now. The body may be left out.

    With `exact` the version is trained exactly as it was, on the ratings it learned, and every array is compared with
    the stored one, bit by bit. No version is saved: the run's `repeated` and `verdict` say what came out. If all are
    equal, the version follows from its data, seed and settings alone, and nothing in the store has changed since. 409
    `version_unavailable` where it can't be repeated, for example because ratings were added; `detail` says why.
    """
    training = current().training
    if not body.exact:
        return RunStarted(run_id=training.retrain(body.version, body.activate, ACTOR, queue=body.queue))
    if body.version is None:
        raise InvalidInput("Name the version that is to be trained again exactly.", field="version")
    return RunStarted(run_id=training.train_again(body.version, ACTOR, queue=body.queue))


class StatusRequest(BaseModel):
    """Which run; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    run_id: Number | None = Field(None, description="A run's number.", examples=[7])


@router.get("/training-status", responses=answers(RUN, PARAMETERS, UnknownRun, NotReady))
def training_status(asked: Annotated[StatusRequest, Query()]) -> TrainingStatus:
    """How a training goes.

    Without `run_id` the run that is going now, or else the newest one. `metrics` and `before` are filled when the new
    version was measured, `verdict` when it was decided whether it serves. A run is `running` until the version that it
    activates serves.

    `progress` is how far the whole run is, from 0 to 1; it never goes back. `eta_s` forecasts the seconds that the
    whole run takes yet, from earlier runs of the same kind of model and from the steps done in this one; null where
    neither says anything. `step` of `steps` is what it does now, in words `stage`, and `epoch` of at most `epochs` a
    part of that. All but `stage`, `epoch` and `epochs` are null once the run has ended.
    """
    return current().training.status(asked.run_id)


class Runs(BaseModel):
    """Training runs, newest first."""

    runs: list[TrainingStatus]
    next: Next


class RunsRequest(PageRequest):
    """Which runs; each field is a query parameter."""

    limit: int = Field(50, ge=1, le=200, description="The most runs to list.", examples=[50])


@router.get("/training-runs", responses=answers({"runs": [RUN], "next": None}, PARAMETERS, NotReady))
def list_runs(asked: Annotated[RunsRequest, Query()]) -> Runs:
    """List the training runs.

    Newest first, each with its epochs, hyperparameters, seed, package versions, the fingerprint of its data, its peak
    memory, and the metrics before and after. Those in the state `queued` wait for their turn, the oldest goes first.
    To read on, give `next` as `before`.
    """
    found = current().training.runs(asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda run: run.run_id)
    return Runs(runs=page, next=following)


@router.post(
    "/training-runs/{run_id}/cancel",
    status_code=202,
    responses=answers(RUN, CHANGING, PARAMETERS, UnknownRun, NotReady, DiskFull, status=202),
)
def cancel_training(run_id: Annotated[Number, Path(description="The run's number.", examples=[7])]) -> TrainingStatus:
    """Cancel a training.

    It stops after the epoch it is in; the version that serves stays. A run that waits for its turn ends at once. A run
    that has ended stays as it is.
    """
    training = current().training
    training.cancel(run_id)
    return training.status(run_id)

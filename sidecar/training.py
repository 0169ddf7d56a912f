"""Starting, watching and cancelling trainings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from engine.errors import DiskFull, InvalidHyperparameter, NotReady, TrainingBusy, UnknownRun
from engine.models.catalog import MODELS
from engine.services import current
from engine.types import ActivationPolicy, ModelKind, TrainingStatus
from sidecar.answers import JSON_BODY, PARAMETERS, POSTED, answers
from sidecar.identifiers import Number, plain_text
from sidecar.requests import StrictRoute

router = APIRouter(prefix="/ml", tags=["training"], route_class=StrictRoute)

ACTOR = "api"
"""Who the ledger and the runs name for what was asked over HTTP."""

Text = Annotated[str, Field(max_length=200), AfterValidator(plain_text)]

# Any of these passes here; the model's own config then judges names and ranges. The API's description is made from it.
Value = bool | int | Annotated[float, Field(allow_inf_nan=False)] | Text | None
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
    "eta_s": 3.1,
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
}


# These read or write the store, so they run in the thread pool and not on the event loop.
@router.post(
    "/train",
    status_code=202,
    responses=answers(
        {"run_id": 7}, POSTED, JSON_BODY, InvalidHyperparameter, TrainingBusy, NotReady, DiskFull, status=202
    ),
)
def train(body: TrainRequest) -> RunStarted:
    """Start a training.

    It runs in the background; ask `training-status` how it goes. While one is running a second is refused with 409,
    naming the run in `run_id`.
    """
    run = current().training.train_model(body.model, body.hyperparameters, body.activate, ACTOR)
    return RunStarted(run_id=run)


class StatusRequest(BaseModel):
    """Which run; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    run_id: Number | None = Field(None, description="A run's number.", examples=[7])


@router.get("/training-status", responses=answers(RUN, PARAMETERS, UnknownRun, NotReady))
def training_status(asked: Annotated[StatusRequest, Query()]) -> TrainingStatus:
    """How a training goes.

    Without `run_id` the run that is going now, or else the newest one. `metrics` and `before` are filled when the new
    version was measured, `verdict` when it was decided whether it serves.
    """
    return current().training.status(asked.run_id)


@router.post(
    "/training-runs/{run_id}/cancel",
    status_code=202,
    responses=answers(RUN, POSTED, PARAMETERS, UnknownRun, NotReady, DiskFull, status=202),
)
def cancel_training(run_id: Annotated[Number, Path(description="The run's number.", examples=[7])]) -> TrainingStatus:
    """Cancel a training.

    It stops after the epoch it is in; the version that serves stays. A run that has ended stays as it is.
    """
    training = current().training
    training.cancel(run_id)
    return training.status(run_id)

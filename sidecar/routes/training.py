"""Training runs: start, follow, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from engine.errors import (
    InvalidHyperparameter,
    InvalidInput,
    TrainingBusy,
    UnknownRun,
    UnknownVersion,
    VersionUnavailable,
)
from engine.models.list_settings import RANKING
from engine.models.registry import MODELS
from engine.services import current
from engine.services.training import TrainingStatus
from sidecar.http.identifiers import Number, Remark, plain_text
from sidecar.http.paging import Next, PageRequest, cut, page_size
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import ACTOR, Activate, Body, Kind, Parameters, Queue, RunNumber, example

router = APIRouter(prefix="/ml", tags=["training"], route_class=StrictRoute)

Text = Annotated[str, Field(max_length=200), AfterValidator(plain_text)]

# Any of these passes here; the model's own config then checks names and ranges. The documentation is made from it.
Value = (
    bool | int | Annotated[float, Field(allow_inf_nan=False)] | Text | Annotated[list[int], Field(max_length=20)] | None
)
_SCHEMAS: list[Any] = [each.config.model_json_schema() | {"title": each.label} for each in MODELS.values()]


class TrainRequest(Body):
    """What to train."""

    model_config = example(model="svd", hyperparameters={"factors": 100, "epochs": 50}, activate="if_better")

    model: Kind = "svd"
    # Without a default in the schema: client generators can't turn one into any of several models.
    hyperparameters: Annotated[
        dict[Text, Value],
        Field(max_length=50, description="Those that differ from the defaults."),
        WithJsonSchema({"anyOf": _SCHEMAS}),
    ] = Field(default_factory=dict)
    ranker: Annotated[
        dict[Text, Value],
        Field(
            max_length=50,
            description="Settings of the lists that differ from the defaults; `auto` lets the training choose.",
        ),
        WithJsonSchema(RANKING.model_json_schema()),
    ] = Field(default_factory=dict)
    activate: Activate = "if_better"
    queue: Queue = False
    note: Remark = Field("", description="Note for the new version.")


class RetrainRequest(Body):
    """Which version to retrain."""

    model_config = example(version=3, queue=True)

    version: Number | None = Field(
        None, description="The version whose hyperparameters to use; by default the active one."
    )
    activate: Activate = "if_better"
    queue: Queue = False
    exact: bool = Field(False, description="Instead, verify that the version can be reproduced; requires `version`.")


class RunStarted(BaseModel):
    """The new run."""

    run_id: int


ACTIVE = RetrainRequest(version=None, activate="if_better", queue=False, exact=False)


# All of these use the store, so they run in the thread pool and not on the event loop.
@router.post("/train", status_code=202, openapi_extra=raises(InvalidHyperparameter, TrainingBusy))
def train(body: TrainRequest) -> RunStarted:
    """Start a training run.

    It runs in the background; follow it with `GET /ml/training-status`. While another run is in progress, the request
    fails with 409 and its `run_id`. With `queue` the run waits instead, in the state `queued`: up to 50 runs can wait,
    and a restart keeps them. If hyperparameters are invalid, `errors` gives each with its value and its range.

    `ranker` sets how lists are ordered: which ratings count, and how much what the rating model expects. The training
    chooses settings that are `auto`, as most are by default, on ratings that it holds out.
    """
    run = current().training.train_model(
        body.model,
        body.hyperparameters,
        body.activate,
        ACTOR,
        ranker=body.ranker,
        queue=body.queue,
        note=body.note,
    )
    return RunStarted(run_id=run)


@router.post(
    "/retrain",
    status_code=202,
    openapi_extra=raises(InvalidHyperparameter, UnknownVersion, VersionUnavailable, TrainingBusy),
)
def retrain(body: RetrainRequest = ACTIVE) -> RunStarted:
    """Retrain with a version's hyperparameters.

    A new version is trained on the current ratings, with the hyperparameters of the given version or the active one.
    The body is optional.

    With `exact` the version is trained exactly as before, on the ratings it learned from, and every array is compared
    with the stored one, bit by bit. No version is saved: the run's `repeated` and `verdict` give the result. If all
    arrays are equal, the version follows from its data, seed and settings alone, and was not altered since. 409
    `version_unavailable` if it can't be reproduced, for example because a user it learned from was deleted; `detail`
    says why.
    """
    training = current().training
    if not body.exact:
        return RunStarted(run_id=training.retrain(body.version, body.activate, ACTOR, queue=body.queue))
    if body.version is None:
        raise InvalidInput("Specify the version to reproduce.", field="version")
    return RunStarted(run_id=training.train_again(body.version, ACTOR, queue=body.queue))


class StatusRequest(Parameters):
    """Which run."""

    run_id: Number | None = Field(None, description="The run's number.", examples=[7])


@router.get("/training-status", openapi_extra=raises(UnknownRun))
def training_status(asked: Annotated[StatusRequest, Query()]) -> TrainingStatus:
    """Get the status of a training run.

    Without `run_id` the run in progress, or otherwise the newest. `metrics` and `before` (the previous active version)
    are set once the new version is evaluated, `verdict` once it is decided whether to activate it. A run is `running`
    until the version it activates is serving.

    `progress` is the progress of the whole run, from 0 to 1, and never decreases. `eta_s` estimates the remaining
    seconds from earlier runs of the same model and the steps done so far; null if neither is available. `stage`
    describes the current `step` of `steps`; `epoch` of up to `epochs` is part of it. All except `stage`, `epoch` and
    `epochs` are null once the run has ended.
    """
    return current().training.status(asked.run_id)


class Runs(BaseModel):
    """Training runs, newest first."""

    runs: list[TrainingStatus]
    next: Next


class RunsRequest(PageRequest):
    """Which runs."""

    limit: int = page_size(50, 200)


@router.get("/training-runs")
def list_runs(asked: Annotated[RunsRequest, Query()]) -> Runs:
    """List the training runs.

    Newest first, each with its epochs, hyperparameters, seed, package versions, data fingerprint, peak memory, and
    metrics before and after. Runs in the state `queued` start in order, oldest first.
    """
    found = current().training.runs(asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda run: run.run_id)
    return Runs(runs=page, next=following)


@router.post("/training-runs/{run_id}/cancel", status_code=202, openapi_extra=raises(UnknownRun))
def cancel_training(run_id: RunNumber) -> TrainingStatus:
    """Cancel a training run.

    It stops after the current epoch, and the active version stays. A queued run ends at once; a finished run does not
    change.
    """
    training = current().training
    training.cancel(run_id)
    return training.status(run_id)

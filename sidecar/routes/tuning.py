"""Studies: searches for better hyperparameters, and training with the result."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from engine.errors import InvalidHyperparameter, TrainingBusy, TuningBusy, UnknownStudy
from engine.services import current
from engine.services.studies import Study
from engine.services.tuning import MAX_FOLDS, MAX_MINUTES, MAX_TRIALS, MIN_FOLDS
from engine.training.tuning import Goal
from sidecar.http.identifiers import INT64_MAX
from sidecar.http.paging import Next, PageRequest, cut, page_size
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import ACTOR, Activate, Body, Kind, StudyNumber, example
from sidecar.routes.training import RunStarted

router = APIRouter(prefix="/ml", tags=["tuning"], route_class=StrictRoute)

Trials = Annotated[int, Field(ge=2, le=MAX_TRIALS)]
Minutes = Annotated[float, Field(ge=0.1, le=MAX_MINUTES, allow_inf_nan=False)]


class TuneRequest(Body):
    """How to search."""

    model_config = example(model="svd", goal="rmse", trials=20, folds=3, minutes=30)

    model: Kind = "svd"
    goal: Goal = Field(
        "rmse",
        description="The metric to improve: `rmse` searches the hyperparameters of the model; `ndcg_at_k` the settings "
        "of lists, with the model at its defaults.",
    )
    trials: Trials = Field(20, description="Number of trials; the first uses the defaults.")
    folds: int = Field(
        3,
        ge=MIN_FOLDS,
        le=MAX_FOLDS,
        description="Cross-validation folds; each trial trains once per fold. With `ndcg_at_k`, groups of users.",
    )
    minutes: Minutes = Field(30.0, description="Total time limit.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Random seed.")


class ResumeRequest(Body):
    """New limits; those that are omitted stay unchanged."""

    model_config = example(trials=40, minutes=60)

    trials: Trials | None = Field(None, description="Total number of trials, including those done.")
    minutes: Minutes | None = Field(None, description="Total time limit, including the time used.")


class TrainWithRequest(Body):
    """Which trial to train with."""

    model_config = example(trial=12, activate="if_better")

    trial: Annotated[int, Field(ge=0, le=INT64_MAX)] | None = Field(
        None, description="The trial's number, 0 for the defaults; by default the best trial."
    )
    activate: Activate = "if_better"


class StudyStarted(BaseModel):
    """The new study."""

    study_id: int


class StudiesRequest(PageRequest):
    """Which studies."""

    limit: int = page_size(20, 100)


class Studies(BaseModel):
    """Studies, newest first."""

    studies: list[Study]
    next: Next


SAME = ResumeRequest(trials=None, minutes=None)
BEST = TrainWithRequest(trial=None, activate="if_better")


# All of these use the store, so they run in the thread pool and not on the event loop.
@router.post("/tuning", status_code=202, openapi_extra=raises(TuningBusy))
def start_study(body: TuneRequest) -> StudyStarted:
    """Start a study.

    It searches for hyperparameters in the background, within the ranges of `hyperparameters.toml`; follow it with
    `GET /ml/tuning/{study_id}`. With the goal `rmse` it searches for those of the model; with `ndcg_at_k` for the
    settings of lists, as in `ranker` of `POST /ml/train`. Trial 0 uses the defaults. Trials that fall behind are
    stopped early. While another study is in progress, the request fails with 409 and its `study_id`. Training runs take
    precedence, and their time doesn't count towards the limit.
    """
    tuning = current().tuning
    study_id = tuning.start(body.model, body.trials, body.folds, body.minutes, body.seed, ACTOR, goal=body.goal)
    return StudyStarted(study_id=study_id)


@router.get("/tuning")
def list_studies(asked: Annotated[StudiesRequest, Query()]) -> Studies:
    """List the studies.

    Newest first, each with its trials.
    """
    found = current().tuning.studies(asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda one: one.study_id)
    return Studies(studies=page, next=following)


@router.get("/tuning/{study_id}", openapi_extra=raises(UnknownStudy))
def study(study_id: StudyNumber) -> Study:
    """Get the status of a study.

    `history` has its trials with their folds; each `value` is the metric that `goal` names. `importance` says which
    hyperparameters it depends on. `evidence` says whether the best trial is really better than the defaults, paired by
    fold and user. Its `better` is true only once the study has ended and ratings that no fold used (`held_out`) confirm
    it.
    """
    return current().tuning.status(study_id)


@router.post("/tuning/{study_id}/stop", status_code=202, openapi_extra=raises(UnknownStudy))
def stop_study(study_id: StudyNumber) -> Study:
    """Stop a study.

    It stops after the current epoch, keeps its trials, and can be resumed. A finished study does not change.
    """
    tuning = current().tuning
    tuning.stop(study_id)
    return tuning.status(study_id)


@router.post("/tuning/{study_id}/resume", status_code=202, openapi_extra=raises(UnknownStudy, TuningBusy))
def resume_study(study_id: StudyNumber, body: ResumeRequest = SAME) -> Study:
    """Resume a study.

    Continues a study that was stopped, failed or finished, up to the limits in the body. The body is optional while
    both trials and time are left.
    """
    tuning = current().tuning
    tuning.resume(study_id, body.trials, body.minutes)
    return tuning.status(study_id)


@router.post(
    "/tuning/{study_id}/train",
    status_code=202,
    openapi_extra=raises(InvalidHyperparameter, UnknownStudy, TrainingBusy),
)
def train_with_study(study_id: StudyNumber, body: TrainWithRequest = BEST) -> RunStarted:
    """Train with a study's result.

    Starts a training run with the hyperparameters of the best trial, or of the given one, or with its settings of
    lists; follow it with `GET /ml/training-status`. The body is optional.
    """
    run = current().tuning.train_with(study_id, body.activate, ACTOR, trial=body.trial)
    return RunStarted(run_id=run)

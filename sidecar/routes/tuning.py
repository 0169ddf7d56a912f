"""Studies: looking for hyperparameters, and training with what was found."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import DiskFull, InvalidHyperparameter, NotReady, TrainingBusy, TuningBusy, UnknownStudy
from engine.models.registry import ModelKind
from engine.services import current
from engine.services.studies import Study
from engine.services.tuning import MAX_FOLDS, MAX_MINUTES, MAX_TRIALS, MIN_FOLDS
from engine.training.promotion import ActivationPolicy
from sidecar.http.identifiers import INT64_MAX, Number
from sidecar.http.paging import Next, PageRequest, cut
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers
from sidecar.routes.training import ACTOR, RunStarted

router = APIRouter(prefix="/ml", tags=["tuning"], route_class=StrictRoute)

LEAST_MINUTES = 0.1


class TuneRequest(BaseModel):
    """How to search."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"model": "svd", "trials": 20, "folds": 3, "minutes": 30}]},
    )

    model: ModelKind = Field("svd", description="The kind of rating model.")
    trials: int = Field(
        20, ge=2, le=MAX_TRIALS, description="So many sets of hyperparameters are tried, the defaults first."
    )
    folds: int = Field(
        3, ge=MIN_FOLDS, le=MAX_FOLDS, description="Parts of the ratings; each trial learns as many times."
    )
    minutes: float = Field(
        30.0, ge=LEAST_MINUTES, le=MAX_MINUTES, allow_inf_nan=False, description="The time for all of it."
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Start of the random numbers.")


class ResumeRequest(BaseModel):
    """With which budget to go on; what is left out stays."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"trials": 40, "minutes": 60}]}
    )

    trials: int | None = Field(None, ge=2, le=MAX_TRIALS, description="How many trials it is to have in all.")
    minutes: float | None = Field(
        None, ge=LEAST_MINUTES, le=MAX_MINUTES, allow_inf_nan=False, description="Its time in all."
    )


class TrainWithRequest(BaseModel):
    """What of a study to train with."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"trial": 12, "activate": "if_better"}]}
    )

    trial: Annotated[int, Field(ge=0, le=INT64_MAX)] | None = Field(
        None, description="A trial's number, 0 for the defaults; the best trial if left out."
    )
    activate: ActivationPolicy = Field("if_better", description="Whether the new version begins to serve.")


class StudyStarted(BaseModel):
    """The study that was started."""

    study_id: int


class StudiesRequest(PageRequest):
    """Which studies; each field is a query parameter."""

    limit: int = Field(20, ge=1, le=100, description="The most studies to list.", examples=[20])


class Studies(BaseModel):
    """Studies, newest first."""

    studies: list[Study]
    next: Next


TRIAL: dict[str, Any] = {
    "number": 12,
    "state": "complete",
    "hyperparameters": {"factors": 142, "learning_rate": 0.0121, "regularization": 0.094},
    "rmse": 0.8691,
    "folds": [
        {"fold": 0, "rmse": 0.8702, "epochs": 41, "seconds": 1.9},
        {"fold": 1, "rmse": 0.868, "epochs": 44, "seconds": 2.0},
    ],
    "seconds": 3.9,
    "defaults": False,
    "reason": None,
}
EVIDENCE: dict[str, Any] = {
    "best": 12,
    "difference": {
        "value": 0.8691,
        "baseline": 0.874,
        "difference": -0.0049,
        "low": -0.0061,
        "high": -0.0037,
        "p_value": 0.0001,
        "users": 671,
        "verdict": "better",
    },
    "folds_won": 2,
    "held_out": None,
    "better": True,
    "text": "Trial 12 is better than the defaults in 2 of 2 folds.",
}
STUDY: dict[str, Any] = {
    "study_id": 2,
    "state": "running",
    "model": "svd",
    "stage": "Trial 14, fold 1 of 2",
    "trials": 20,
    "trials_done": 14,
    "folds": 2,
    "seed": 0,
    "budget_s": 1800.0,
    "used_s": 61.2,
    "eta_s": 26.0,
    "history": [TRIAL],
    "best": TRIAL,
    "importance": {"regularization": 0.71, "learning_rate": 0.2, "factors": 0.09},
    "evidence": EVIDENCE,
    "error": None,
    "created_at": 1795443900.0,
    "ended_at": None,
}
AS_IT_IS = ResumeRequest(trials=None, minutes=None)
BEST = TrainWithRequest(trial=None, activate="if_better")
StudyNumber = Annotated[Number, Path(description="The study's number.", examples=[2])]


# These read or write the store, so they run in the thread pool and not on the event loop.
@router.post(
    "/tuning",
    status_code=202,
    responses=answers({"study_id": 2}, CHANGING, JSON_BODY, TuningBusy, NotReady, DiskFull, status=202),
)
def start_study(body: TuneRequest) -> StudyStarted:
    """Start a study.

    It looks for hyperparameters in the background, in the ranges that `hyperparameters.toml` gives; ask
    `/ml/tuning/{study_id}` how it goes. Trial 0 has the defaults. Trials that fall behind are cut short. While one is
    running a second is refused with 409, naming the study in `study_id`; a training goes first, and its time is not the
    study's.
    """
    tuning = current().tuning
    study_id = tuning.start(body.model, body.trials, body.folds, body.minutes, body.seed, ACTOR)
    return StudyStarted(study_id=study_id)


@router.get("/tuning", responses=answers({"studies": [STUDY], "next": None}, PARAMETERS, NotReady))
def list_studies(asked: Annotated[StudiesRequest, Query()]) -> Studies:
    """List the studies.

    Newest first, each with its trials. To read on, give `next` as `before`.
    """
    found = current().tuning.studies(asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda one: one.study_id)
    return Studies(studies=page, next=following)


@router.get("/tuning/{study_id}", responses=answers(STUDY, PARAMETERS, UnknownStudy, NotReady))
def study(study_id: StudyNumber) -> Study:
    """How a study goes.

    `history` holds its trials, each with its folds; `importance` says what the RMSE depends on. `evidence` says whether
    the best trial is really better than the defaults, paired over folds and users. `better` is true only when the study
    has ended and the ratings that no fold held (`held_out`) show it too.
    """
    return current().tuning.status(study_id)


@router.post(
    "/tuning/{study_id}/stop",
    status_code=202,
    responses=answers(STUDY, CHANGING, PARAMETERS, UnknownStudy, NotReady, DiskFull, status=202),
)
def stop_study(study_id: StudyNumber) -> Study:
    """Stop a study.

    It stops after the epoch it is in, keeps its trials, and can be resumed. A study that has ended stays as it is.
    """
    tuning = current().tuning
    tuning.stop(study_id)
    return tuning.status(study_id)


@router.post(
    "/tuning/{study_id}/resume",
    status_code=202,
    responses=answers(STUDY, CHANGING, JSON_BODY, UnknownStudy, TuningBusy, NotReady, DiskFull, status=202),
)
def resume_study(study_id: StudyNumber, body: ResumeRequest = AS_IT_IS) -> Study:
    """Go on with a study.

    One that was stopped, failed or has ended, with as many trials and as much time in all as the body says. The body
    may be left out while some of both are left.
    """
    tuning = current().tuning
    tuning.resume(study_id, body.trials, body.minutes)
    return tuning.status(study_id)


@router.post(
    "/tuning/{study_id}/train",
    status_code=202,
    responses=answers(
        {"run_id": 9},
        CHANGING,
        JSON_BODY,
        InvalidHyperparameter,
        UnknownStudy,
        TrainingBusy,
        NotReady,
        DiskFull,
        status=202,
    ),
)
def train_with_study(study_id: StudyNumber, body: TrainWithRequest = BEST) -> RunStarted:
    """Train with what a study found.

    A training with the hyperparameters of its best trial, or of the one that `trial` names; `training-status` says how
    it goes. The body may be left out.
    """
    run = current().tuning.train_with(study_id, body.activate, ACTOR, trial=body.trial)
    return RunStarted(run_id=run)

"""When Marquee retrains by itself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.errors import DiskFull, NotReady
from engine.services import current
from engine.services.automation import MOST_RATINGS, Automation
from engine.training.promotion import ActivationPolicy
from sidecar.http.identifiers import plain_text
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, answers

router = APIRouter(tags=["automation"], route_class=StrictRoute)

PLAN: dict[str, Any] = {
    "paused": False,
    "days": [6],
    "hour": 3,
    "minute": 0,
    "zone": "Europe/Berlin",
    "after_ratings": 5000,
    "activate": "if_better",
    "next_run": 1796004000.0,
    "last_run": None,
    "ratings_since": 312,
}


class PlanRequest(BaseModel):
    """When to retrain."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"days": [6], "hour": 3, "minute": 0, "zone": "Europe/Berlin"}]},
    )

    days: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        min_length=1, max_length=7, description="Days of the week; 0 is Monday."
    )
    hour: int = Field(ge=0, le=23, description="The hour of the day.")
    minute: int = Field(0, ge=0, le=59, description="The minute of the hour.")
    zone: Annotated[str, AfterValidator(plain_text)] = Field(
        "UTC", min_length=1, max_length=100, description="An IANA time zone, such as Europe/Berlin."
    )
    after_ratings: int = Field(
        0, ge=0, le=MOST_RATINGS, description="Retrain after so many new ratings as well; 0 does not."
    )
    activate: ActivationPolicy = Field("if_better", description="Whether a new version begins to serve.")


class PauseRequest(BaseModel):
    """Whether to order no runs."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"paused": True}]})

    paused: bool = Field(description="True stops ordering runs; false begins again.")


# These read or write the store, so they run in the thread pool and not on the event loop.
@router.get("/automation", responses=answers(PLAN, NotReady))
def plan() -> Automation:
    """When Marquee retrains by itself.

    `next_run` is the next due moment, null while paused; `last_run` the newest run that was ordered so, in the shape of
    `training-status`; `ratings_since` counts the ratings that the newest version has not learned,
    user by user; movies that were rated again do not count.
    """
    return current().automation.plan()


@router.post("/automation", responses=answers(PLAN, CHANGING, JSON_BODY, NotReady, DiskFull))
def change_plan(body: PlanRequest) -> Automation:
    """Set when to retrain.

    With the hyperparameters of the version that serves. It counts from now on: what was due before is not made up. A
    run that is missed while Marquee is off is made up once.
    """
    automation = current().automation
    automation.change(**body.model_dump())
    return automation.plan()


@router.post("/automation/pause", responses=answers(PLAN, CHANGING, JSON_BODY, NotReady, DiskFull))
def pause_automation(body: PauseRequest) -> Automation:
    """Pause, or go on.

    What was due during a pause is not made up.
    """
    automation = current().automation
    automation.pause(paused=body.paused)
    return automation.plan()

"""The schedule of automatic retraining."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from engine.services import current
from engine.services.automation import MAX_RATINGS, Automation
from sidecar.http.requests import StrictRoute
from sidecar.routes.fields import Activate, Body, Hour, Minute, Zone, example

router = APIRouter(tags=["automation"], route_class=StrictRoute)


class PlanRequest(Body):
    """When to retrain."""

    model_config = example(days=[6], hour=3, minute=0, zone="Europe/Berlin")

    days: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        min_length=1, max_length=7, description="Days of the week; 0 is Monday."
    )
    hour: Hour
    minute: Minute = 0
    zone: Zone = "UTC"
    after_ratings: int = Field(
        0, ge=0, le=MAX_RATINGS, description="Also retrain after this many new ratings; 0 turns this off."
    )
    activate: Activate = "if_better"


class PauseRequest(Body):
    """Whether to pause."""

    model_config = example(paused=True)

    paused: bool = Field(description="True pauses the schedule, false resumes it.")


# All of these use the store, so they run in the thread pool and not on the event loop.
@router.get("/automation")
def plan() -> Automation:
    """Get the retraining schedule.

    `next_run` is the next scheduled time, null while paused. `last_run` is the newest scheduled run, like an entry of
    `GET /ml/training-runs`. `ratings_since` counts the new ratings that the newest version has not learned; ratings
    that replaced earlier ones don't count.
    """
    return current().automation.plan()


@router.post("/automation")
def change_plan(body: PlanRequest) -> Automation:
    """Change the retraining schedule.

    Runs use the hyperparameters of the active version. The new schedule applies from now on: runs missed before are
    skipped. If runs are missed while Marquee is off, one catch-up run follows.
    """
    automation = current().automation
    automation.change(**body.model_dump())
    return automation.plan()


@router.post("/automation/pause")
def pause_automation(body: PauseRequest) -> Automation:
    """Pause or resume automatic retraining.

    Runs missed during the pause are skipped.
    """
    automation = current().automation
    automation.pause(paused=body.paused)
    return automation.plan()

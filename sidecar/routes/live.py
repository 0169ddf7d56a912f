"""Live quality of versions: every new rating is an exam."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from engine.errors import UnknownVersion
from engine.services import current
from engine.services.live import LiveReport
from engine.services.records import ExamRecord
from sidecar.http.identifiers import Number
from sidecar.http.paging import Next, PageRequest, cut, page_size
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import Parameters

router = APIRouter(prefix="/ml", tags=["metrics"], route_class=StrictRoute)


class LiveRequest(Parameters):
    """Which exams count."""

    days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Only exams of the last days; the figures then have no intervals, as these need a fixed start.",
        examples=[30],
    )


class ExamsRequest(PageRequest):
    """Which exams."""

    version: Number | None = Field(None, description="The version's number; by default the active one.", examples=[3])
    limit: int = page_size(100, 1000)


class Exams(BaseModel):
    """Exams of a version, newest first."""

    exams: list[ExamRecord]
    next: Next


# Both read the store, so they run in the thread pool and not on the event loop.
@router.get("/live")
def live_report(asked: Annotated[LiveRequest, Query()]) -> LiveReport:
    """Get the live quality of versions.

    Each new rating is predicted before it is learned, by the active version, by the newest versions that never served
    (shadows) and by plain means. `metrics` has the error, the coverage of the 90% intervals, how many liked movies
    were among the first ten of the list just before (`hit_rate`), and how many had been among the first ten of a list
    that the user was really shown in the 30 days before (`shown_rate`). Their 95% intervals hold however often you
    look. `offline` has the same figures from the version's evaluation. `comparisons` sets each shadow beside the active
    version on the same ratings; `outcome` changes once, and only beyond doubt.
    """
    return current().live.report(asked.days)


@router.get("/live/exams", openapi_extra=raises(UnknownVersion))
def list_exams(asked: Annotated[ExamsRequest, Query()]) -> Exams:
    """List the exams of a version.

    Newest first: each new rating, what the version predicted before it knew it, its interval, and the rank of the movie
    in the person's list at that time (null for shadows, which make no lists). `means` is what plain means predicted.
    """
    found = current().live.exams(asked.version, asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda one: one.exam_id)
    return Exams(exams=page, next=following)

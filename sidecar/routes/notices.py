"""What happened that somebody may want to know."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import DiskFull, NotReady
from engine.services import current
from engine.services.notices import WebhookState
from sidecar.http.identifiers import Number
from sidecar.http.paging import Next, PageRequest, cut
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers

router = APIRouter(tags=["notices"], route_class=StrictRoute)

MOST_MARKED = 1000
NOTICE: dict[str, Any] = {
    "notice_id": 12,
    "level": "info",
    "topic": "training",
    "text": "Version 3 is trained. PROMOTE: It is better than version 2 in RMSE (0.8740 against 0.8810).",
    "details": {"run_id": 7, "version": 3, "verdict": "PROMOTE"},
    "created_at": 1795443846.9,
    "read_at": None,
}


WEBHOOK: dict[str, Any] = {
    "waiting": 0,
    "taken_at": 1795443847.9,
    "failing_since": None,
    "error": None,
    "next_try": None,
}


class NoticesRequest(PageRequest):
    """Which notices; each field is a query parameter."""

    limit: int = Field(50, ge=1, le=200, description="The most notices.", examples=[50])
    unread: bool = Field(False, description="Only those that nobody has read.", examples=[False])


class Notice(BaseModel):
    """Something worth telling."""

    notice_id: int
    level: Literal["info", "warning", "error"]
    topic: str
    text: str
    details: dict[str, Any] = Field(description="What it is about, such as a run, a version and their metrics.")
    created_at: float
    read_at: float | None = Field(description="Null until somebody has read it.")


class Notices(BaseModel):
    """Notices, newest first."""

    unread: int = Field(description="How many nobody has read, on this page or not.")
    webhook: WebhookState | None = Field(description="How posting them to the webhook does; null without one.")
    notices: list[Notice]
    next: Next


class ReadRequest(BaseModel):
    """What was read."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"notice_ids": [12]}]})

    notice_ids: list[Number] | None = Field(
        None, max_length=MOST_MARKED, description="Their numbers; all notices if left out."
    )


class Unread(BaseModel):
    """What is left."""

    unread: int


ALL = ReadRequest(notice_ids=None)


# These read or write the store, so they run in the thread pool and not on the event loop.
@router.get(
    "/notices",
    responses=answers({"unread": 1, "webhook": WEBHOOK, "notices": [NOTICE], "next": None}, PARAMETERS, NotReady),
)
def list_notices(asked: Annotated[NoticesRequest, Query()]) -> Notices:
    """List the notices.

    Newest first: trainings with their verdicts and metrics before and after, failures, damage, and what was missed. To
    read on, give `next` as `before`; what is new in between does not shift the pages.
    """
    inbox = current().inbox
    found = inbox.notices(asked.limit + 1, before=asked.before, unread_only=asked.unread)
    page, following = cut(found, asked.limit, lambda one: one.notice_id)
    shown = [Notice(**asdict(one)) for one in page]
    return Notices(unread=inbox.unread(), webhook=inbox.webhook(), notices=shown, next=following)


@router.post("/notices/read", responses=answers({"unread": 0}, CHANGING, JSON_BODY, NotReady, DiskFull))
def read_notices(body: ReadRequest = ALL) -> Unread:
    """Mark notices as read.

    Those named, or all of them where the body is left out. A number that is none changes nothing.
    """
    inbox = current().inbox
    inbox.mark_read(body.notice_ids)
    return Unread(unread=inbox.unread())

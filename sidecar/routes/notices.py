"""Notices about what happened in the background."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from engine.services import current
from engine.services.notices import WebhookState
from sidecar.http.identifiers import Number
from sidecar.http.paging import Next, PageRequest, cut, page_size
from sidecar.http.requests import StrictRoute
from sidecar.routes.fields import Body

router = APIRouter(tags=["notices"], route_class=StrictRoute)

MAX_MARKED = 1000


class NoticesRequest(PageRequest):
    """Which notices."""

    limit: int = page_size(50, 200)
    unread: bool = Field(False, description="Only unread notices.", examples=[False])


class Notice(BaseModel):
    """A notice."""

    notice_id: int
    level: Literal["info", "warning", "error"]
    topic: str
    text: str
    details: dict[str, Any] = Field(description="What it is about, such as a run, a version and their metrics.")
    created_at: float
    read_at: float | None = Field(description="Null while unread.")


class Notices(BaseModel):
    """Notices, newest first."""

    unread: int = Field(description="The number of unread notices, on all pages together.")
    webhook: WebhookState | None = Field(description="The state of the webhook; null if none is set.")
    notices: list[Notice]
    next: Next


class ReadRequest(Body):
    """Which notices were read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"notice_ids": [12]}]})

    notice_ids: list[Number] | None = Field(
        None, max_length=MAX_MARKED, description="Their numbers; all notices if omitted."
    )


class Unread(BaseModel):
    """What is left."""

    unread: int


ALL = ReadRequest(notice_ids=None)


# Both use the store, so they run in the thread pool and not on the event loop.
@router.get("/notices")
def list_notices(asked: Annotated[NoticesRequest, Query()]) -> Notices:
    """List the notices.

    Newest first: finished training runs with their verdicts and the metrics before and after, failures, damage, and
    missed runs.
    """
    inbox = current().inbox
    found = inbox.notices(asked.limit + 1, before=asked.before, unread_only=asked.unread)
    page, following = cut(found, asked.limit, lambda one: one.notice_id)
    shown = [Notice(**asdict(one)) for one in page]
    return Notices(unread=inbox.unread(), webhook=inbox.webhook(), notices=shown, next=following)


@router.post("/notices/read")
def read_notices(body: ReadRequest = ALL) -> Unread:
    """Mark notices as read.

    The listed ones, or all if the body is omitted. Unknown numbers are ignored.
    """
    inbox = current().inbox
    inbox.mark_read(body.notice_ids)
    return Unread(unread=inbox.unread())

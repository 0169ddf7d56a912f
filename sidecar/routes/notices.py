"""Notices about what happened in the background."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from engine.services import current
from engine.services.notices import WebhookState
from engine.services.records import NoticeRecord
from sidecar.http.identifiers import Number
from sidecar.http.paging import Next, PageRequest, cut, page_size
from sidecar.http.requests import StrictRoute
from sidecar.routes.fields import Body, example

router = APIRouter(tags=["notices"], route_class=StrictRoute)

MAX_MARKED = 1000


class NoticesRequest(PageRequest):
    """Which notices."""

    limit: int = page_size(50, 200)
    unread: bool = Field(False, description="Only unread notices.", examples=[False])


class Notices(BaseModel):
    """Notices, newest first."""

    unread: int = Field(description="The number of unread notices, on all pages together.")
    webhook: WebhookState | None = Field(description="The state of the webhook; null if none is set.")
    notices: list[NoticeRecord]
    next: Next


class ReadRequest(Body):
    """Which notices were read."""

    model_config = example(notice_ids=[12])

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
    return Notices(unread=inbox.unread(), webhook=inbox.webhook(), notices=page, next=following)


@router.post("/notices/read")
def read_notices(body: ReadRequest = ALL) -> Unread:
    """Mark notices as read.

    The listed ones, or all if the body is omitted. Unknown numbers are ignored.
    """
    inbox = current().inbox
    inbox.mark_read(body.notice_ids)
    return Unread(unread=inbox.unread())

"""The audit log: page by page, and as a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from engine.errors import NotReady
from engine.services import current
from sidecar.http.paging import Next, PageRequest, cut
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import PARAMETERS, answers, file_answers

router = APIRouter(prefix="/audit", tags=["access"], route_class=StrictRoute)

LINES_A_PIECE = 500
ENTRY: dict[str, Any] = {
    "audit_id": 31,
    "at": 1795443846.9,
    "actor": "shop",
    "address": "203.0.113.7",
    "action": "user erased",
    "subject": "user ~9f2c61d0a4b7e835",
    "result": "done",
}


class AuditRequest(PageRequest):
    """Which entries; each field is a query parameter."""

    limit: int = Field(50, ge=1, le=1000, description="The most entries.", examples=[50])


class Entry(BaseModel):
    """Who did what."""

    audit_id: int
    at: float
    actor: str = Field(
        description="The name of a key; `console` before it where a page was used; `no key` where none is set; "
        "`marquee` for what it does by itself."
    )
    address: str | None = Field(description="From where; null where it is not known.")
    action: str
    subject: str = Field(description="What was acted on. Users appear as hashes that only this store can compute.")
    result: str = Field(description="`done`, or the kind of failure.")


class Entries(BaseModel):
    """Entries, newest first."""

    entries: list[Entry]
    next: Next


class ExportRequest(BaseModel):
    """In which form; a query parameter."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "jsonl"] = Field("csv", description="A table, or one JSON object a line.")


# These read the store, so they run in the thread pool and not on the event loop.
@router.get("", responses=answers({"entries": [ENTRY], "next": None}, PARAMETERS, NotReady))
def audit_log(asked: Annotated[AuditRequest, Query()]) -> Entries:
    """Read the audit log.

    Newest first: sign-ins and wrong keys, keys made and revoked, imports, exports, erasures, versions that were
    activated, rolled back or deleted. It is kept for `MARQUEE_AUDIT_DAYS` days.
    """
    found = current().audit.entries(asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda one: one.audit_id)
    return Entries(entries=[Entry(**asdict(one)) for one in page], next=following)


_FILE_ANSWERS = file_answers("text/csv", 'attachment; filename="marquee-audit.csv"', PARAMETERS, NotReady)
_FILE_ANSWERS[200]["content"]["application/jsonl"] = _FILE_ANSWERS[200]["content"]["text/csv"]


@router.get("/export", status_code=200, response_class=StreamingResponse, responses=_FILE_ANSWERS)
def export_audit_log(asked: Annotated[ExportRequest, Query()]) -> StreamingResponse:
    """Download the audit log.

    All of it, newest first: a table (`text/csv`, times in UTC), or with `format=jsonl` one JSON object a line
    (`application/jsonl`) with the fields of `GET /audit`.
    """
    audit = current().audit
    headers = {"Content-Disposition": f'attachment; filename="marquee-audit.{asked.format}"'}
    if asked.format == "csv":
        return StreamingResponse(audit.table(), media_type="text/csv", headers=headers)
    return StreamingResponse(_pieces(_jsonl(audit.all())), media_type="application/jsonl", headers=headers)


def _jsonl(entries: Iterable[Any]) -> Iterator[str]:
    return (json.dumps(asdict(one)) + "\n" for one in entries)


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    """Lines in pieces, each of which takes one turn of the thread pool."""
    source = iter(lines)
    while piece := "".join(islice(source, LINES_A_PIECE)):
        yield piece

"""The audit log, in pages and as a file."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from engine.services import current
from engine.services.records import AuditRecord
from sidecar.http.paging import Next, PageRequest, cut, page_size
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import file_answers
from sidecar.routes.fields import Parameters

router = APIRouter(prefix="/audit", tags=["access"], route_class=StrictRoute)

LINES_A_PIECE = 500


class AuditRequest(PageRequest):
    """Which entries."""

    limit: int = page_size(50, 1000)


class Entries(BaseModel):
    """Entries, newest first."""

    entries: list[AuditRecord]
    next: Next


class ExportRequest(Parameters):
    """The format of the file."""

    format: Literal["csv", "jsonl"] = Field("csv", description="A table, or one JSON object per line.")


# Both read the store, so they run in the thread pool and not on the event loop.
@router.get("")
def audit_log(asked: Annotated[AuditRequest, Query()]) -> Entries:
    """Read the audit log.

    Newest first: sign-ins and invalid keys, keys created and revoked, imports, exports, deleted users, and versions
    that were activated, rolled back or deleted. `actor` is the name of a key, after `console` if a page was used,
    `no key` if none is set, and `marquee` for its own actions; users appear as hashes that only this store can compute.
    `result` is `done` or the kind of failure. Entries are kept for `MARQUEE_AUDIT_DAYS` days.
    """
    found = current().audit.entries(asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda one: one.audit_id)
    return Entries(entries=page, next=following)


@router.get(
    "/export",
    status_code=200,
    response_class=StreamingResponse,
    responses=file_answers('attachment; filename="marquee-audit.csv"', "text/csv", "application/jsonl"),
)
def export_audit_log(asked: Annotated[ExportRequest, Query()]) -> StreamingResponse:
    """Download the audit log.

    The whole log, newest first, as a table (`text/csv`, times in UTC), or with `format=jsonl` as one JSON object per
    line (`application/jsonl`) with the fields of `GET /audit`.
    """
    audit = current().audit
    headers = {"Content-Disposition": f'attachment; filename="marquee-audit.{asked.format}"'}
    if asked.format == "csv":
        return StreamingResponse(audit.table(), media_type="text/csv", headers=headers)
    return StreamingResponse(_pieces(audit.all()), media_type="application/jsonl", headers=headers)


def _pieces(entries: Iterator[AuditRecord]) -> Iterator[str]:
    """The entries as lines of JSON, in pieces, each of which takes one turn in the thread pool."""
    lines = (json.dumps(asdict(one)) + "\n" for one in entries)
    while piece := "".join(islice(lines, LINES_A_PIECE)):
        yield piece

"""Export of a version as a file, and import here or in another Marquee."""

import os
from functools import partial

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from engine.errors import DiskFull, UnknownVersion, VersionUnavailable
from engine.services import current
from engine.services.version_files import ExportedVersion
from sidecar.http.requests import StrictRoute, media_type
from sidecar.http.responses import file_answers, raises
from sidecar.http.uploads import MAX_FIELD_BYTES, fault, form_body, uploads
from sidecar.routes.fields import ACTOR, VersionNumber

router = APIRouter(prefix="/ml", tags=["models"], route_class=StrictRoute)

PIECE = 2**18
"""Bytes read from disk at a time, each in the thread pool."""


class VersionFile(StreamingResponse):
    """Sends an exported version in pieces, and closes it even if the client disconnects."""

    media_type = "application/zip"

    def __init__(self, exported: ExportedVersion) -> None:
        self._stream = exported.stream
        length = self._stream.seek(0, os.SEEK_END)
        self._stream.seek(0)
        headers = {"Content-Length": str(length), "Content-Disposition": f'attachment; filename="{exported.name}"'}
        super().__init__(iter(partial(self._stream.read, PIECE), b""), headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stream.close()


# Writes a temporary copy first, so it runs in the thread pool and not on the event loop.
@router.get(
    "/models/{version}/export",
    status_code=200,
    response_class=VersionFile,
    responses=file_answers('attachment; filename="marquee-version-3.zip"', "application/zip"),
    openapi_extra=raises(UnknownVersion, VersionUnavailable, DiskFull),
)
def export_model(version: VersionNumber) -> VersionFile:
    """Export a version as a file.

    The zip contains JSON and arrays with their SHA-256, and no code. Import it with `POST /ml/models/import`.
    """
    return VersionFile(current().version_files.export(version))


class Imported(BaseModel):
    """The imported version."""

    version: int


# Async, because the upload is read from the network here; spooling it to disk is left to the thread pool.
@router.post(
    "/models/import",
    status_code=201,
    openapi_extra=form_body("file", {"description": "A file from `GET /ml/models/{version}/export`."}),
)
async def import_model(request: Request) -> Imported:
    """Import a version from a file.

    Send it as `multipart/form-data` in the field `file`. Every array is checked against its hash and the requirements
    of its model, and the description field by field; then the version is tested: lists, predictions, intervals,
    explanations. A file that was modified or recompressed since its export is refused, as is a version that fails the
    test or learned from other users or movies than those stored here. The version gets a new number and is not active
    until you activate it.
    """
    if media_type(request) != "multipart/form-data":
        raise HTTPException(415, "Send the file as multipart/form-data, in the field file.")
    async with request.form(max_files=1, max_fields=1, max_part_size=MAX_FIELD_BYTES) as form:
        (upload,) = uploads(form, "file")
        for name in form:
            if name != "file":
                raise fault(name, "extra_forbidden")
        importing = current().version_files.import_file
        return Imported(version=await run_in_threadpool(importing, upload.file, actor=ACTOR))

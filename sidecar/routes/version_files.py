"""Versions as files: one goes out as a zip, and comes in again here or in another Marquee."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from engine.errors import DiskFull, NotReady, UnknownVersion, VersionUnavailable
from engine.services import current
from engine.services.version_files import ExportedVersion
from sidecar.http.problems import BAD_REQUEST, INVALID_INPUT, UNSUPPORTED_MEDIA_TYPE
from sidecar.http.requests import StrictRoute, media_type
from sidecar.http.responses import CHANGING, PARAMETERS, answers, file_answers
from sidecar.http.uploads import MAX_FIELD_BYTES, fault, uploads
from sidecar.routes.training import ACTOR
from sidecar.routes.versions import VersionNumber

router = APIRouter(prefix="/ml", tags=["models"], route_class=StrictRoute)

PIECE = 2**18
"""Bytes read from disk at a time, each in the thread pool."""


class VersionFile(StreamingResponse):
    """Sends an exported version in pieces, and closes it also when the client goes away."""

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
    responses=file_answers(
        "application/zip",
        'attachment; filename="marquee-version-3.zip"',
        PARAMETERS,
        UnknownVersion,
        VersionUnavailable,
        NotReady,
        DiskFull,
    ),
)
def export_model(version: VersionNumber) -> VersionFile:
    """A version as a file.

    A zip of JSON and raw arrays, each with its SHA-256: no program is in it. `POST /ml/models/import` takes it in.
    """
    return VersionFile(current().version_files.export(version))


class Imported(BaseModel):
    """The version that was taken in."""

    version: int


_FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "A file from `GET /ml/models/{version}/export`.",
                        }
                    },
                }
            }
        },
    }
}


# Async, because the upload is read from the network here; spooling it to disk is left to the thread pool.
@router.post(
    "/models/import",
    status_code=201,
    openapi_extra=_FILE_BODY,
    responses=answers(
        {"version": 4},
        CHANGING,
        BAD_REQUEST,
        INVALID_INPUT,
        UNSUPPORTED_MEDIA_TYPE,
        NotReady,
        DiskFull,
        status=201,
    ),
)
async def import_model(request: Request) -> Imported:
    """Take in a version from a file.

    Send it as `multipart/form-data` under the name `file`. Every array is checked against its hash and against what
    its model needs, and the description field by field; then the version is tried: lists, predictions, intervals,
    explanations. A file that was compressed or changed since its export, or whose version can't answer, is refused. It
    gets a number of its own and does not serve until it is activated. A version that learned other users or movies than
    those stored here is refused.
    """
    if media_type(request) != "multipart/form-data":
        raise HTTPException(415, "Send the file as multipart/form-data, under the name file.")
    async with request.form(max_files=1, max_fields=1, max_part_size=MAX_FIELD_BYTES) as form:
        (upload,) = uploads(form, "file")
        for name in form:
            if name != "file":
                raise fault(name, "extra_forbidden")
        importing = current().version_files.import_file
        return Imported(version=await run_in_threadpool(importing, upload.file, actor=ACTOR))

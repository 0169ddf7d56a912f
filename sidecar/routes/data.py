"""Importing ratings, watching imports, and counting what is stored."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from engine.errors import Conflict, DiskFull, InvalidInput, NotReady, UnknownJob
from engine.services import current
from engine.services.imports import Job, UploadedFile
from engine.services.library import DataStatistics
from sidecar.http.identifiers import Identifier, Number
from sidecar.http.problems import BAD_REQUEST
from sidecar.http.requests import StrictRequest, StrictRoute, media_type, not_json
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers, file_answers
from sidecar.http.uploads import MAX_FIELD_BYTES, file_name, uploads

router = APIRouter(tags=["data"], route_class=StrictRoute)

Model = TypeVar("Model", bound=BaseModel)
MAX_FILES = 20


class DemoImport(BaseModel):
    """Import the demo ratings."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"source": "demo"}]})

    source: Literal["demo"] = Field(description="`demo`: 100,004 real ratings of 9,066 movies by 671 people.")


class FileImport(BaseModel):
    """The fields beside the files of an upload."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["auto", "movielens", "csv"] = Field("auto", description="What the files are.")
    user_id: Identifier | None = Field(
        None, description="For files of one person; the formats of today name the user in each row."
    )


class JobStarted(BaseModel):
    """The job that was started."""

    job_id: int


STATISTICS: dict[str, Any] = {
    "users": 671,
    "movies": 9066,
    "ratings": 100004,
    "density": 0.0164,
    "mean_rating": 3.54,
    "first_rated_at": 789652009,
    "last_rated_at": 1476640644,
    "rating_counts": {"3.0": 20064, "4.0": 28750},
    "genres": {"Drama": 4365, "Comedy": 3315},
}
JOB: dict[str, Any] = {
    "job_id": 4,
    "kind": "import",
    "state": "succeeded",
    "progress": 1.0,
    "message": "100,004 of 100,005 rows of ratings went in; 1 was set aside.",
    "result": {
        "ratings_added": 100004,
        "ratings_updated": 0,
        "ratings_unchanged": 0,
        "movies_added": 9066,
        "users_added": 671,
        "rows_rejected": 1,
        "rejected": [{"file": "ratings.csv", "line": 17, "reason": "The rating 9 is outside 0.5 to 5."}],
    },
    "error": None,
    "created_at": 1795443800.0,
    "ended_at": 1795443803.1,
}

_UPLOAD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["files"],
    "additionalProperties": False,
    "properties": {
        "files": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_FILES,
            "items": {"type": "string", "format": "binary"},
            "description": "The files of one set of ratings, or one zip.",
        },
        **FileImport.model_json_schema()["properties"],
    },
}
_IMPORT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": DemoImport.model_json_schema()},
            "multipart/form-data": {"schema": _UPLOAD_SCHEMA},
        },
    }
}


# Async, because the upload is read from the network here; spooling it to disk is left to the thread pool.
@router.post(
    "/data/imports",
    status_code=202,
    openapi_extra=_IMPORT_BODY,
    responses=answers({"job_id": 4}, CHANGING, JSON_BODY, BAD_REQUEST, Conflict, NotReady, DiskFull, status=202),
)
async def start_import(request: Request) -> JobStarted:
    """Import ratings.

    Send the files as `multipart/form-data` under the name `files`: a MovieLens set (`ratings.csv` and `movies.csv`,
    `u.data` and `u.item`, or `ratings.dat` and `movies.dat`), a table with columns for user, movie and rating, or a zip
    of these. Or send `{"source": "demo"}` as JSON. The import runs in the background; ask `/jobs/{job_id}` how it goes.
    Rows that cannot be read are set aside with their line and the reason, and the rest gets in.
    """
    sent = media_type(request)
    if sent == "multipart/form-data":
        return JobStarted(job_id=await _import_files(request))
    if sent != "application/json":
        raise not_json(", or files as multipart/form-data")
    _validated(DemoImport, await _json(request))
    return JobStarted(job_id=await run_in_threadpool(current().imports.import_demo))


async def _json(request: Request) -> Any:
    try:
        return await StrictRequest(request.scope, request.receive).json()
    except ValueError as error:
        reason = getattr(error, "msg", "it cannot be read")
        fault = {"type": "json_invalid", "loc": ("body",), "msg": reason, "ctx": {"error": reason}}
        raise RequestValidationError([fault]) from error


async def _import_files(request: Request) -> int:
    async with request.form(max_files=MAX_FILES, max_fields=2, max_part_size=MAX_FIELD_BYTES) as form:
        # The files first: text under their name is to be told so, and not that there is no such field.
        files = [UploadedFile(file_name(upload), upload.file) for upload in uploads(form, "files")]
        fields = _validated(FileImport, {name: value for name, value in form.multi_items() if isinstance(value, str)})
        if fields.user_id is not None:
            told = "user_id is for files of one person's ratings; these formats name the user in each row."
            raise InvalidInput(told, field="user_id")
        return await run_in_threadpool(current().imports.import_files, files, fields.format)


def _validated(model: type[Model], values: Any) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_input=False)]
        raise RequestValidationError(faults) from error


# These read or write the store, so they run in the thread pool and not on the event loop.
@router.get("/data/statistics", responses=answers(STATISTICS, NotReady))
def statistics() -> DataStatistics:
    """Count what is stored.

    Users, movies and ratings, how the ratings are spread over the scale, and the movies of each genre.
    """
    return current().library.statistics()


class TableFile(StreamingResponse):
    """Sends a table as CSV."""

    media_type = "text/csv"


TableName = Annotated[
    Literal["ratings", "movies"], Path(description="The table: `ratings` or `movies`.", examples=["ratings"])
]


@router.get(
    "/data/{table}/export",
    status_code=200,
    response_class=TableFile,
    responses=file_answers("text/csv", 'attachment; filename="marquee-ratings.csv"', PARAMETERS, NotReady),
)
def export_table(table: TableName) -> TableFile:
    """All ratings, or all movies, as a CSV file.

    UTF-8, with a line of names. A text that a spreadsheet would take for a formula, since it begins with `=`, `+`, `-`,
    `@`, a tab or a line end and is no number, gets an apostrophe in front, and so does one that begins with apostrophes
    before these. `POST /data/imports` takes both files, and takes these apostrophes away again.
    """
    headers = {"Content-Disposition": f'attachment; filename="marquee-{table}.csv"'}
    return TableFile(current().library.export(table), headers=headers)


JobNumber = Annotated[Number, Path(description="The job's number.", examples=[4])]


@router.get("/jobs/{job_id}", responses=answers(JOB, PARAMETERS, UnknownJob, NotReady))
def job(job_id: JobNumber) -> Job:
    """How a job goes.

    `progress` runs from 0 to 1; `result` is there when the job has ended, `error` when it failed. `rejected` holds the
    first 100 rows that were set aside. When a job has ended, what it brought is served.
    """
    return current().imports.job(job_id)


@router.post(
    "/jobs/{job_id}/cancel",
    status_code=202,
    responses=answers(JOB, CHANGING, PARAMETERS, UnknownJob, NotReady, DiskFull, status=202),
)
def cancel_job(job_id: JobNumber) -> Job:
    """Cancel a job.

    What it has stored already stays. A job that has ended stays as it is.
    """
    imports = current().imports
    imports.cancel_job(job_id)
    return imports.job(job_id)

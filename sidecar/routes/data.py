"""Ratings and movies: import, export, statistics, and the jobs that do the work."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from engine.errors import Conflict, InvalidInput, UnknownJob
from engine.services import current
from engine.services.imports import Job, UploadedFile
from engine.services.library import DataStatistics
from sidecar.http.identifiers import Identifier
from sidecar.http.requests import StrictRequest, StrictRoute, invalid_json, media_type, not_json
from sidecar.http.responses import file_answers, raises
from sidecar.http.uploads import MAX_FIELD_BYTES, file_name, form_body, uploads
from sidecar.routes.fields import Body, JobNumber, example

router = APIRouter(tags=["data"], route_class=StrictRoute)

Model = TypeVar("Model", bound=BaseModel)
MAX_FILES = 20


class DemoImport(Body):
    """Import of the demo ratings."""

    model_config = example(source="demo")

    source: Literal["demo"] = Field(description="`demo`: 100,004 real ratings of 9,066 movies by 671 people.")


class FileImport(BaseModel):
    """The form fields of an upload, apart from the files."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["auto", "movielens", "csv"] = Field("auto", description="The format of the files.")
    user_id: Identifier | None = Field(
        None, description="For files with the ratings of one person; current formats name the user in each row."
    )


class JobStarted(BaseModel):
    """The new job."""

    job_id: int


_FILES = {"maxItems": MAX_FILES, "description": "The files of one set of ratings, or a zip of them."}
_IMPORT_BODY = form_body("files", _FILES, FileImport.model_json_schema()["properties"])
_IMPORT_BODY["requestBody"]["content"] |= {"application/json": {"schema": DemoImport.model_json_schema()}}
# A body is needed (415 without), but openapi-python-client writes modules that can't be imported for required bodies of
# several types.
_IMPORT_BODY["requestBody"]["required"] = False


# Async, because the upload is read from the network here; spooling it to disk is left to the thread pool.
@router.post("/data/imports", status_code=202, openapi_extra=_IMPORT_BODY | raises(Conflict))
async def start_import(request: Request) -> JobStarted:
    """Import ratings.

    Send files as `multipart/form-data` in the field `files`: a MovieLens data set (`ratings.csv` and `movies.csv`,
    `u.data` and `u.item`, or `ratings.dat` and `movies.dat`), a table with columns for user, movie and rating, or a zip
    of these. Or send `{"source": "demo"}` as JSON. The import runs in the background; follow it with
    `GET /jobs/{job_id}`. Rows that can't be read are set aside with their line and the reason; all others are imported.
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
        raise invalid_json(getattr(error, "msg", "it can't be read")) from error


async def _import_files(request: Request) -> int:
    async with request.form(max_files=MAX_FILES, max_fields=2, max_part_size=MAX_FIELD_BYTES) as form:
        # Files first: text in their field gets its own message, not that the field is unknown.
        files = [UploadedFile(file_name(upload), upload.file) for upload in uploads(form, "files")]
        fields = _validated(FileImport, {name: value for name, value in form.multi_items() if isinstance(value, str)})
        if fields.user_id is not None:
            message = "user_id is for files with the ratings of one person; current formats name the user in each row."
            raise InvalidInput(message, field="user_id")
        return await run_in_threadpool(current().imports.import_files, files, fields.format)


def _validated(model: type[Model], values: Any) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_input=False)]
        raise RequestValidationError(faults) from error


# All of these use the store, so they run in the thread pool and not on the event loop.
@router.get("/data/statistics")
def statistics() -> DataStatistics:
    """Get statistics about the data.

    Numbers of users, movies and ratings, the distribution of ratings over the scale, and the number of movies per
    genre.
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
    responses=file_answers('attachment; filename="marquee-ratings.csv"', "text/csv"),
)
def export_table(table: TableName) -> TableFile:
    """Export all ratings or movies as CSV.

    UTF-8, with a header row. Text that a spreadsheet would read as a formula (starting with `=`, `+`, `-`, `@`, a tab
    or a line break, and not a number) gets an apostrophe in front, as does text that starts with apostrophes before one
    of these. `POST /data/imports` accepts both files, and removes these apostrophes.
    """
    headers = {"Content-Disposition": f'attachment; filename="marquee-{table}.csv"'}
    return TableFile(current().library.export(table), headers=headers)


@router.get("/jobs/{job_id}", openapi_extra=raises(UnknownJob))
def job(job_id: JobNumber) -> Job:
    """Get the status of a job.

    `progress` runs from 0 to 1; `result` is set when the job has ended, `error` if it failed. `rejected` has the first
    100 rows that were set aside. Once a job has ended, what it imported is being served.
    """
    return current().imports.job(job_id)


@router.post("/jobs/{job_id}/cancel", status_code=202, openapi_extra=raises(UnknownJob))
def cancel_job(job_id: JobNumber) -> Job:
    """Cancel a job.

    What it has already stored stays. A finished job does not change.
    """
    imports = current().imports
    imports.cancel_job(job_id)
    return imports.job(job_id)

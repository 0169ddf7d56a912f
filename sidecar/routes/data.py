"""Ratings and movies: import, export, statistics, and the jobs that do the work."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from engine.data.plan import ImportOptions
from engine.errors import Conflict, DiskFull, InvalidInput, NotReady, UnknownImport, UnknownJob
from engine.services import current
from engine.services.imports import Job, UploadedFile
from engine.services.library import DataStatistics
from engine.services.records import ImportRecord
from sidecar.http.requests import StrictRequest, StrictRoute, invalid_json, media_type, not_json
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers, file_answers
from sidecar.http.uploads import file_name, form_body, uploads
from sidecar.routes.fields import Body, ImportNumber, JobNumber

router = APIRouter(tags=["data"], route_class=StrictRoute)

Model = TypeVar("Model", bound=BaseModel)
MAX_FILES = 20
MAX_OPTIONS = 64 * 2**10
"""Bytes of the options of an import."""


class DemoImport(Body):
    """Import of the demo ratings."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"source": "demo"}]})

    source: Literal["demo"] = Field(description="`demo`: 100,004 real ratings of 9,066 movies by 671 people.")


class Answers(RootModel[dict[str, Any]]):
    """Answers to the questions of an import: code to value."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"scale": [1, 10]}]})


class Imported(BaseModel):
    """An import in the history."""

    import_id: int
    job_id: int
    state: str = Field(description="`writing`, `done`, `undoing` or `undone`.")
    files: list[dict[str, Any]] = Field(description="Name, SHA-256 and source of each file.")
    choices: dict[str, Any] = Field(description="Options and answers.")
    counts: dict[str, int] = Field(description="As in the result of its job.")
    created_at: float
    ended_at: float | None
    undone_at: float | None

    @classmethod
    def of(cls, record: ImportRecord) -> Imported:
        """An import as an answer: without the key of its owner."""
        return cls(**{name: getattr(record, name) for name in cls.model_fields})


class Imports(BaseModel):
    """The imports so far, newest first."""

    imports: list[Imported]


class JobStarted(BaseModel):
    """The new job."""

    job_id: int


_FILES = {"maxItems": MAX_FILES, "description": "Exports of ratings, tables, or archives of them."}
_OPTIONS = {
    "type": "string",
    "contentMediaType": "application/json",
    "maxLength": MAX_OPTIONS,
    "description": "A JSON object of options, as text; its schema is `ImportOptions`.",
    "examples": ['{"user_id": "maria"}'],
}
_IMPORT_BODY = form_body("files", _FILES, {"options": _OPTIONS})
_IMPORT_BODY["requestBody"]["content"] |= {"application/json": {"schema": DemoImport.model_json_schema()}}
# A body is needed (415 without), but openapi-python-client writes modules that can't be imported for required bodies of
# several types.
_IMPORT_BODY["requestBody"]["required"] = False


# Async, because the upload is read from the network here; spooling it to disk is left to the thread pool.
@router.post(
    "/data/imports",
    status_code=202,
    openapi_extra=_IMPORT_BODY,
    responses=answers(CHANGING, JSON_BODY, Conflict, NotReady, DiskFull, status=202),
)
async def start_import(request: Request) -> JobStarted:
    """Import ratings.

    Send files as `multipart/form-data` in the field `files`, and `options` as JSON text if something about them is
    known: exports of Letterboxd, IMDb, Trakt, TMDB, MovieLens and others, a table with columns for user, movie and
    rating, or an archive. Or send `{"source": "demo"}` as JSON. The import runs in the background: follow it with
    `GET /jobs/{job_id}`, and answer its questions with `POST /jobs/{job_id}/answers` while it is `waiting`. Nothing is
    written before all questions are answered; rows that can't be read are set aside with the reason.
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
    async with request.form(max_files=MAX_FILES, max_fields=2, max_part_size=MAX_OPTIONS) as form:
        # Files first: text in their field gets its own message, not that the field is unknown.
        files = [UploadedFile(file_name(upload), upload.file) for upload in uploads(form, "files")]
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        options = _options(fields.pop("options", "{}"))
        if fields:
            raise InvalidInput(
                f"There is no field {next(iter(fields))!r}; send files and options.", field=next(iter(fields))
            )
        return await run_in_threadpool(current().imports.import_files, files, options)


def _options(text: str) -> ImportOptions:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("options is no valid JSON object.", field="options") from error
    if not isinstance(found, dict):
        raise InvalidInput("options is no JSON object.", field="options")
    return _validated(ImportOptions, found)


def _validated(model: type[Model], values: Any) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_input=False)]
        raise RequestValidationError(faults) from error


# All of these use the store, so they run in the thread pool and not on the event loop.
@router.get("/data/statistics", responses=answers(NotReady))
def statistics() -> DataStatistics:
    """Get statistics about the data.

    Numbers of users, movies and ratings, the distribution of ratings over the scale, and the number of movies per
    genre. `scale` has the lowest and highest rating of the store, and the step between the ratings that the console
    offers; ratings between two steps are accepted.
    """
    return current().library.statistics()


@router.get("/data/imports", responses=answers(NotReady))
def imports() -> Imports:
    """List the imports so far.

    Newest first, with files, choices and counts. `state` is `done`, `undone`, or `writing` and `undoing` in between.
    """
    return Imports(imports=[Imported.of(record) for record in current().imports.batches()])


@router.post(
    "/data/imports/{import_id}/undo",
    status_code=202,
    responses=answers(CHANGING, PARAMETERS, UnknownImport, Conflict, NotReady, DiskFull, status=202),
)
def undo_import(import_id: ImportNumber) -> JobStarted:
    """Undo an import.

    What it added goes, and what it replaced comes back, except where something newer came. Runs in the background.
    """
    return JobStarted(job_id=current().imports.undo(import_id))


class TableFile(StreamingResponse):
    """Sends a table as CSV or Parquet."""


TableName = Annotated[
    Literal["ratings", "movies"], Path(description="The table: `ratings` or `movies`.", examples=["ratings"])
]
FileFormat = Annotated[Literal["csv", "parquet"], Query(description="`csv` or `parquet`.")]
MEDIA_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


@router.get(
    "/data/exports/{table}",
    status_code=200,
    response_class=TableFile,
    responses=file_answers(
        'attachment; filename="marquee-ratings.csv"', PARAMETERS, NotReady, media_types=tuple(MEDIA_TYPES.values())
    ),
)
def export_table(table: TableName, format: FileFormat = "csv") -> TableFile:  # noqa: A002  # the API's word
    """Export all ratings or movies.

    CSV is UTF-8 with a header row. Text that a spreadsheet would read as a formula (starting with `=`, `+`, `-`, `@`, a
    tab or a line break, and not a number) gets an apostrophe in front, as does text that starts with apostrophes before
    one of these. `POST /data/imports` takes these files, and removes these apostrophes.
    """
    headers = {"Content-Disposition": f'attachment; filename="marquee-{table}.{format}"'}
    return TableFile(current().exports.export(table, format), headers=headers, media_type=MEDIA_TYPES[format])


@router.get("/jobs/{job_id}", responses=answers(PARAMETERS, UnknownJob, NotReady))
def job(job_id: JobNumber) -> Job:
    """Get the status of a job.

    `progress` runs from 0 to 1. `plan` says what the files are and what will be done, `questions` what has to be
    answered while the job is `waiting`, `result` what was done, and `error` why it failed. `rejected` has the first 100
    lines set aside for each reason. Once a job has ended, what it imported is being served.
    """
    return current().imports.job(job_id)


@router.post(
    "/jobs/{job_id}/cancel",
    status_code=202,
    responses=answers(CHANGING, PARAMETERS, UnknownJob, NotReady, DiskFull, status=202),
)
def cancel_job(job_id: JobNumber) -> Job:
    """Cancel a job.

    What an import has written is taken back. A finished job does not change.
    """
    imports = current().imports
    imports.cancel_job(job_id)
    return imports.job(job_id)


@router.post(
    "/jobs/{job_id}/answers",
    status_code=202,
    responses=answers(CHANGING, JSON_BODY, PARAMETERS, UnknownJob, Conflict, NotReady, DiskFull, status=202),
)
def answer_questions(job_id: JobNumber, answers: Answers) -> Job:
    """Answer questions of an import that waits.

    An object of codes and values. The `value` of a choice and the `suggestion` can be sent as they are. The import goes
    on once all its questions are answered. An empty object confirms the plan of an import that was ordered with
    `confirm`.
    """
    imports = current().imports
    imports.answer(job_id, answers.root)
    return imports.job(job_id)

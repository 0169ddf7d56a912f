"""Ratings and movies: imports, their history, statistics, and the jobs that do the work."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from engine.data.plan import ImportOptions, Number, OptionRole
from engine.data.times import Form
from engine.errors import Conflict, UnknownImport, UnknownJob
from engine.services import current
from engine.services.jobs import Job
from engine.services.library import DataStatistics
from engine.services.records import ImportRecord
from engine.services.uploads import UploadedFile
from sidecar.http.identifiers import MAX_LENGTH
from sidecar.http.limits import KIB, size
from sidecar.http.requests import StrictRequest, StrictRoute, invalid_json, media_type, not_json, parse_json
from sidecar.http.responses import raises
from sidecar.http.uploads import fault, file_name, form_body, uploads
from sidecar.routes.fields import Body, ImportNumber, JobNumber, example

router = APIRouter(tags=["data"], route_class=StrictRoute)

Model = TypeVar("Model", bound=BaseModel)
MAX_FILES = 20
MAX_FIELDS = 5
MAX_OPTIONS = 64 * KIB
"""Bytes of the options of an import."""
PART_TOO_LARGE = "Part exceeded"
"""How Starlette's message about a text field that is too large begins."""


class DemoImport(Body):
    """Import of the demo ratings."""

    model_config = example(source="demo")

    source: Literal["demo"] = Field(description="`demo`: 100,004 real ratings of 9,066 movies by 671 people.")


class Answers(Body):
    """Answers to questions of an import, by code; each has the form of the option it stands for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"scale": [1, 10]}]})

    encoding: str | None = Field(None, min_length=1, description="Encoding of the text.")
    columns: dict[OptionRole, str | int] | None = Field(None, description="Which column is what, by name or number.")
    user: str | None = Field(None, min_length=1, max_length=MAX_LENGTH, description="Whose ratings these are.")
    dates: Form | None = Field(None, description="How times are written.")
    scale: list[Number] | None = Field(None, description="Lowest and highest rating of the scale in the files.")
    catalogue: Literal["same", "separate"] | None = Field(None, description="Whether known IDs mean the same movies.")
    matches: dict[str, str] | None = Field(
        None, description="Movies in the files that are known under another title, each with its ID here."
    )


class ImportBatch(BaseModel):
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
    def of(cls, record: ImportRecord) -> ImportBatch:
        """An import as an answer: without the key of its owner."""
        return cls(**{name: getattr(record, name) for name in cls.model_fields})


class Imports(BaseModel):
    """The imports so far, newest first."""

    imports: list[ImportBatch]


class JobStarted(BaseModel):
    """The new job."""

    job_id: int


_FILES = {"maxItems": MAX_FILES, "description": "Exports of ratings, tables, or archives of them."}
_OPTIONS = {
    "type": "string",
    "contentMediaType": "application/json",
    "contentSchema": {"$ref": "#/components/schemas/ImportOptions"},
    "maxLength": MAX_OPTIONS,
    "description": "A JSON object of options as text, at most 64 KiB.",
    "examples": ['{"user_id": "maria"}'],
}
_IMPORT_BODY = form_body("files", _FILES, {"options": _OPTIONS})
_IMPORT_BODY["requestBody"]["content"] |= {"application/json": {"schema": DemoImport.model_json_schema()}}
# A body is needed (415 without), but openapi-python-client writes modules that can't be imported for required bodies of
# several types.
_IMPORT_BODY["requestBody"]["required"] = False


# Async, because the upload is read from the network here; spooling it to disk is left to the thread pool.
@router.post("/data/imports", status_code=202, openapi_extra=_IMPORT_BODY | raises(Conflict))
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
    try:
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_OPTIONS) as form:
            # Files first: text in their field gets its own message, not that the field is unknown.
            files = [UploadedFile(file_name(upload), upload.file) for upload in uploads(form, "files")]
            options = _options([(name, value) for name, value in form.multi_items() if isinstance(value, str)])
            return await run_in_threadpool(current().imports.import_files, files, options)
    except HTTPException as error:
        if error.detail.startswith(PART_TOO_LARGE):
            raise fault("options", "too_long", f"Options may have {size(MAX_OPTIONS)}.") from error
        raise


def _options(fields: list[tuple[str, str]]) -> ImportOptions:
    """The options among the text fields of a form, of which there may be no others."""
    for place, (name, _) in enumerate(fields):
        if name != "options":
            raise fault(name, "extra_forbidden")
        if place:
            raise fault(name, "value_error", "It can be given only once.")
    if not fields:
        return ImportOptions()
    try:
        found = parse_json(fields[0][1].encode())
    except json.JSONDecodeError as error:
        raise fault("options", "value_error", f"Options are not valid JSON: {error.msg}.") from error
    if not isinstance(found, dict):
        raise fault("options", "dict_type")
    return _validated(ImportOptions, found)


def _validated(model: type[Model], values: Any) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_input=False)]
        raise RequestValidationError(faults, body=values) from error


# All of these use the store, so they run in the thread pool and not on the event loop.
@router.get("/data/statistics")
def statistics() -> DataStatistics:
    """Get statistics about the data.

    Numbers of users, movies and ratings, the distribution of ratings over the scale, and the number of movies per
    genre. `scale` has the lowest and highest rating of the store, and the step between the ratings that the console
    offers; ratings between two steps are accepted.
    """
    return current().library.statistics()


@router.get("/data/imports")
def imports() -> Imports:
    """List the imports so far.

    Newest first, with files, choices and counts. `state` is `done`, `undone`, or `writing` and `undoing` in between.
    """
    return Imports(imports=[ImportBatch.of(record) for record in current().imports.batches()])


@router.post("/data/imports/{import_id}/undo", status_code=202, openapi_extra=raises(UnknownImport, Conflict))
def undo_import(import_id: ImportNumber) -> JobStarted:
    """Undo an import.

    What it added goes, and what it replaced comes back, except where something newer came. Runs in the background.
    """
    return JobStarted(job_id=current().imports.undo(import_id))


@router.get("/jobs/{job_id}", openapi_extra=raises(UnknownJob))
def job(job_id: JobNumber) -> Job:
    """Get the status of a job.

    `progress` runs from 0 to 1. `plan` says what the files are and what will be done, `questions` what has to be
    answered while the job is `waiting`, `result` what was done, and `error` why it failed. `rejected` has the first 100
    lines set aside for each reason. Once a job has ended, what it imported is being served. `lists` says where Spark
    writes everybody's list; its `path` is empty once they are deleted.
    """
    return current().imports.job(job_id)


@router.post("/jobs/{job_id}/cancel", status_code=202, openapi_extra=raises(UnknownJob))
def cancel_job(job_id: JobNumber) -> Job:
    """Cancel a job.

    What an import has written is taken back, and lists that Spark has written are deleted. A finished job does not
    change.
    """
    imports = current().imports
    imports.cancel_job(job_id)
    current().spark_lists.cancel(job_id)
    return imports.job(job_id)


@router.post("/jobs/{job_id}/answers", status_code=202, openapi_extra=raises(UnknownJob, Conflict))
def answer_questions(job_id: JobNumber, answers: Answers) -> Job:
    """Answer questions of an import that waits.

    An object of codes and values. The `value` of a choice and the `suggestion` can be sent as they are. The import goes
    on once all its questions are answered. An empty object confirms the plan of an import that was ordered with
    `confirm`.
    """
    imports = current().imports
    imports.answer(job_id, answers.model_dump(exclude_unset=True))
    return imports.job(job_id)

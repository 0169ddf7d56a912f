"""Exports: ratings, movies, lists for everybody, factors of a version, and the archive, as files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import StreamingResponse

from engine.data.writing import Format
from engine.errors import Conflict, UnknownVersion, VersionUnavailable
from engine.services import current
from engine.services.exports import TableName
from engine.services.recommendations import MAX_ITEMS
from sidecar.http.identifiers import Number
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import Responses, file_answers, raises
from sidecar.routes.data import JobStarted
from sidecar.routes.fields import Body, Parameters, example

router = APIRouter(tags=["data"], route_class=StrictRoute)

MEDIA_TYPES: dict[Format, str] = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
ZIP = "application/zip"


class TableFile(StreamingResponse):
    """Sends a file as it is written."""


class FileOptions(Parameters):
    """The format of the file."""

    format: Literal["csv", "parquet"] = Field("csv", description="CSV in UTF-8, or Parquet.")


class ListOptions(FileOptions):
    """The length of the lists."""

    n: int = Field(10, ge=1, le=MAX_ITEMS, description="Number of movies for each user.", examples=[10])


class ListsOrder(Body):
    """Lists that Spark is to write."""

    model_config = example(n=10)

    n: int = Field(10, ge=1, le=MAX_ITEMS, description="Number of movies for each user.")


class FactorOptions(FileOptions):
    """The version that learned the factors."""

    version: Number | None = Field(None, description="The version's number; the active one by default.")


def _disposition(name: str) -> str:
    return f'attachment; filename="marquee-{name}"'


def _answers(name: str) -> Responses:
    return file_answers(_disposition(f"{name}.csv"), *MEDIA_TYPES.values())


def _table(name: str, form: Format, pieces: Iterator[bytes]) -> TableFile:
    return TableFile(
        pieces, media_type=MEDIA_TYPES[form], headers={"Content-Disposition": _disposition(f"{name}.{form}")}
    )


Table = Annotated[TableName, Path(description="The table: `ratings` or `movies`.", examples=["ratings"])]


# These use the store or compute, so they run in the thread pool, which also writes the files piece by piece.
@router.get(
    "/data/exports/recommendations",
    status_code=200,
    response_class=TableFile,
    responses=_answers("recommendations"),
)
def export_recommendations(asked: Annotated[ListOptions, Query()]) -> TableFile:
    """Export recommendations for everybody.

    The first `n` places of the list of everyone who has rated, as `GET /ml/recommendations/{user_id}` returns them, by
    the active version. Columns: `user_id`, `rank`, `movie_id`, `title`, `score` and `predicted_rating`. The file is
    written as it is sent, so the end of a large one can take minutes.
    """
    return _table("recommendations", asked.format, current().exports.recommendations(asked.n, asked.format))


@router.post("/data/exports/recommendations", status_code=202, openapi_extra=raises(Conflict))
def write_recommendations(order: ListsOrder) -> JobStarted:
    """Write recommendations for everybody on Spark.

    For a version whose rating model was learned on Spark. Spark writes Parquet files with the columns of the export
    above to a folder of `MARQUEE_SPARK_PATH`, in the background: `lists` of `GET /jobs/{job_id}` names it. Lists are
    those of `GET /ml/recommendations/{user_id}` with `rank_by` `rating`, so `score` is the predicted rating. Only the
    newest lists are kept, and none when a user is erased. Refused with 409, and what to do instead, where the version
    is of another model or Spark is not installed.
    """
    return JobStarted(job_id=current().spark_lists.write(order.n))


@router.get(
    "/data/exports/factors",
    status_code=200,
    response_class=TableFile,
    responses=_answers("factors"),
    openapi_extra=raises(UnknownVersion, VersionUnavailable, Conflict),
)
def export_factors(asked: Annotated[FactorOptions, Query()]) -> TableFile:
    """Export what a version has learned of users and movies.

    Columns: `kind` (`user` or `movie`), `id`, `bias`, and the factors `f0`, `f1` and so on. For `ncf` they are
    those of the factorisation inside it. Changes since the training are not included. A version whose model has no
    factors is refused with 409.
    """
    return _table("factors", asked.format, current().exports.factors(asked.version, asked.format))


@router.get(
    "/data/exports/archive",
    status_code=200,
    response_class=TableFile,
    responses=file_answers(_disposition("archive.zip"), ZIP),
)
def export_archive() -> TableFile:
    """Export ratings, movies and their scale as one archive.

    A zip with `marquee.json` (format, rating scale and its step), `movies.csv` with the IDs on other sites, and
    `ratings.csv`. Importing it into an empty store asks nothing, and another export gives the same bytes. Models are
    exported one by one, and everything together by a backup.
    """
    headers = {"Content-Disposition": _disposition("archive.zip")}
    return TableFile(current().exports.archive(), headers=headers, media_type=ZIP)


@router.get(
    "/data/exports/{table}",
    status_code=200,
    response_class=TableFile,
    responses=_answers("ratings"),
)
def export_table(table: Table, asked: Annotated[FileOptions, Query()]) -> TableFile:
    """Export all ratings or movies.

    CSV is UTF-8 with a header row. Text that a spreadsheet would read as a formula (starting with `=`, `+`, `-`, `@`, a
    tab or a line break, and not a number) gets an apostrophe in front, as does text that starts with apostrophes before
    one of these. `POST /data/imports` takes these files, and removes these apostrophes. Times are in UTC, and empty
    where unknown. Rows are in the order of their IDs, shorter ones first.
    """
    return _table(table, asked.format, current().exports.export(table, asked.format))

"""Exports: every table in both formats, and an archive that restores a store."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from engine.data.plan import ImportOptions
from engine.data.scale import RatingScale
from engine.errors import Conflict, InvalidInput, NotReady, UnknownVersion
from engine.models.svd import MatrixFactorizationModel
from engine.runtime import Runtime
from engine.services.exports import ExportService, TableName
from engine.services.jobs import Job
from engine.services.uploads import UploadedFile
from store.imports import ImportStore
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME, MovieRow
from tests.engine.services.conftest import opened, store_in, wait_for

ODD = ("=1+1", "+49", "-5", "@home", "'quoted", "'=said", "''", "a,b", 'a "b"', "007", "12.0", "é", "x/y", "#1", "NULL")
"""Ids and titles that a table could misread."""
MOVIES = [
    *(MovieRow(one, f"{one} (film)", 1990 + place, ("Drama",)) for place, one in enumerate(ODD)),
    *(MovieRow(f"t{place}", one, None, ()) for place, one in enumerate((*ODD, "Unknown", "nan", "-"))),
    MovieRow("Heat", "Heat", None, ()),
    MovieRow("17", "", None, ()),
    MovieRow("18", "Amélie", 2001, ("Action/Adventure", "Drama", "Romance, comic"), {"imdb": "0211433", "tmdb": "194"}),
    MovieRow("19", "One genre", 2001, ("Action/Adventure",), {"trakt": "7", "letterboxd": "https://boxd.it/2a"}),
    MovieRow("20", "Matrix, The (1999)", 1999, (), {"id": "=other"}),
]
SCALES = [RatingScale(0.5, 5, 0.5), RatingScale(1, 10, 1), RatingScale(-10, 10, 0.1)]


def write(runtime: Runtime, scale: RatingScale, *, rated: bool = True) -> None:
    """A store with everything that is hard to write down."""
    if runtime.services.scale.current != scale:
        runtime.services.scale.take(scale)
    store = RatingStore(runtime.database)
    movies = store.add_movies(MOVIES).keys
    if not rated:
        return
    users = store.add_users(ODD).keys
    some = np.repeat(users, 3), np.tile(movies[::-1], 3)[: 3 * len(users)]
    low, high = scale.ends
    values = np.linspace(low, high, len(some[0])).astype(np.float32)
    times = np.where(np.arange(len(values)) % 3, np.arange(len(values)) * 10**7, UNKNOWN_TIME)
    store.add_ratings(*some, values, times)


def bring(runtime: Runtime, name: str, content: bytes, **options: object) -> Job:
    """An import that asks nothing, once it has ended."""
    wanted = ImportOptions.model_validate({"on_question": "refuse", **options})
    imports = runtime.services.imports
    job_id = imports.import_files([UploadedFile(name, io.BytesIO(content))], wanted)
    wait_for(lambda: imports.job(job_id).ended_at is not None)
    return imports.job(job_id)


def table(exports: ExportService, name: TableName) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(exports.export(name)).decode(), newline="")))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Runtime]:
    """Another store, empty."""
    folder = tmp_path / "other"
    folder.mkdir()
    with opened(store_in(folder)) as runtime:
        yield runtime


@pytest.mark.parametrize(("scale", "rated"), [*((scale, True) for scale in SCALES), (SCALES[0], False)], ids=str)
def test_an_archive_restores_the_store_and_is_the_same_again(
    runtime: Runtime, other: Runtime, scale: RatingScale, rated: bool
) -> None:
    write(runtime, scale, rated=rated)
    first = b"".join(runtime.services.exports.archive())
    job = bring(other, "marquee.zip", first)
    assert job.state == "succeeded", job.error
    assert job.result is not None
    assert job.result.rows_rejected == 0
    second = b"".join(other.services.exports.archive())
    stores = [RatingStore(each.database) for each in (runtime, other)]
    was, is_now = ({row.external_id: row for row in store.movies()} for store in stores)
    assert is_now == was
    assert other.services.scale.current == scale
    assert second == first


def test_an_archive_holds_the_tables_and_says_what_they_are(runtime: Runtime) -> None:
    write(runtime, SCALES[1])
    packed = zipfile.ZipFile(io.BytesIO(b"".join(runtime.services.exports.archive())))
    assert packed.namelist() == ["marquee.json", "movies.csv", "ratings.csv"]
    assert packed.testzip() is None
    assert json.loads(packed.read("marquee.json")) == {"format": 1, "scale": [1, 10], "step": 1}
    assert packed.read("ratings.csv") == b"".join(runtime.services.exports.export("ratings"))
    header = "movie_id,title,year,genres,imdb_id,tmdb_id,trakt_id,letterboxd_uri,other_id"
    assert packed.read("movies.csv").decode().splitlines()[0] == header


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_come_back_as_they_were(runtime: Runtime, other: Runtime, form: str) -> None:
    write(runtime, SCALES[0])
    exports = runtime.services.exports
    for name in ("movies", "ratings"):
        content = b"".join(exports.export(name, form))  # type: ignore[arg-type]
        job = bring(other, f"{name}.{form}", content, scale=[0.5, 5])
        assert job.state == "succeeded", job.error
    for name in ("movies", "ratings"):
        assert table(other.services.exports, name) == table(exports, name)  # type: ignore[arg-type]


def test_rows_are_in_the_order_of_their_ids(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.services.exports.ROWS", 2)
    store = RatingStore(runtime.database)
    movies = store.add_movies([MovieRow(one, "", None, ()) for one in ("10", "9", "b", "a")]).keys
    users = store.add_users(["11", "2", "nobody", "1"]).keys
    pairs = [(user, movie) for user in users[[0, 1, 3]] for movie in movies[:3]]
    store.add_ratings(
        np.array([user for user, _ in pairs], np.int32),
        np.array([movie for _, movie in pairs], np.int32),
        np.full(9, 3.5, np.float32),
        np.full(9, 10, np.int64),
    )
    rows = table(runtime.services.exports, "ratings")[1:]
    assert [(row[0], row[1]) for row in rows] == [
        (user, movie) for user in ("1", "2", "11") for movie in ("9", "b", "10")
    ]
    assert rows[0] == ["1", "9", "3.5", "1970-01-01T00:00:10Z", "", ""]
    assert [row[0] for row in table(runtime.services.exports, "movies")[1:]] == ["9", "a", "b", "10"]


def test_an_empty_store_exports_headers(runtime: Runtime) -> None:
    exports = runtime.services.exports
    assert table(exports, "ratings") == [["user_id", "movie_id", "rating", "timestamp", "title", "year"]]
    assert table(exports, "movies") == [["movie_id", "title", "year", "genres", "imdb_id", "tmdb_id"]]
    read = pa.parquet.read_table(io.BytesIO(b"".join(exports.export("ratings", "parquet"))))
    assert (len(read), read.column_names) == (0, ["user_id", "movie_id", "rating", "timestamp", "title", "year"])
    for export in (exports.recommendations, exports.factors):
        with pytest.raises(NotReady):
            export()


def test_lists_are_those_of_the_api(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.services.exports.PEOPLE", 7)
    services = trained.services
    services.ratings.rate("newcomer", "m1", 5)
    read = pa.parquet.read_table(io.BytesIO(b"".join(services.exports.recommendations(3, "parquet"))))
    assert read.column_names == ["user_id", "rank", "movie_id", "title", "score", "predicted_rating"]
    users = read.column("user_id").unique().to_pylist()
    assert users[:3] == ["u0", "u1", "u2"]
    assert len(users) == 61
    for user in ("u0", "u31", "newcomer"):
        mine = [row for row in read.to_pylist() if row["user_id"] == user]
        items = services.recommendations.recommend(user, 3).items
        wanted = [(one.rank, one.movie_id, one.title, one.score, one.predicted_rating) for one in items]
        assert [tuple(row.values())[1:] for row in mine] == wanted
    with pytest.raises(InvalidInput, match="n"):
        services.exports.recommendations(0)


def test_factors_give_the_predictions_back(trained: Runtime) -> None:
    services = trained.services
    read = pa.csv.read_csv(io.BytesIO(b"".join(services.exports.factors()))).to_pylist()
    assert list(read[0]) == ["kind", "id", "bias", *(f"f{place}" for place in range(8))]
    vectors = {(row["kind"], row["id"]): np.array(list(row.values())[2:]) for row in read}
    stored = services.versions.load(1)
    mean = stored.arrays["rating/constants"][0]
    user, movie = vectors["user", "u1"], vectors["movie", "m1"]
    predicted = mean + user[0] + movie[0] + user[1:] @ movie[1:]
    (prediction,) = services.recommendations.predict([("u1", "m1")]).predictions
    assert prediction.predicted_rating == pytest.approx(np.clip(predicted, 0.5, 5), abs=1e-4)
    assert read == pa.csv.read_csv(io.BytesIO(b"".join(services.exports.factors(1)))).to_pylist()
    with pytest.raises(UnknownVersion):
        services.exports.factors(9)


def test_a_model_without_factors_is_refused(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MatrixFactorizationModel, "biases_and_factors", lambda _self: None)
    with pytest.raises(Conflict, match="Version 1 has no factors"):
        trained.services.exports.factors()


def test_deleted_users_and_removed_movies_are_in_no_export(trained: Runtime) -> None:
    services = trained.services
    job = bring(trained, "more.csv", b"user_id,movie_id,rating,title\nu1,gone,4,Gone\n", scale=[0.5, 5])
    assert job.result is not None
    assert job.result.import_id is not None
    services.ratings.forget("u0")
    ImportStore(trained.database).undo(job.result.import_id)
    files = [
        *(b"".join(services.exports.export(name)) for name in ("ratings", "movies")),  # type: ignore[arg-type]
        b"".join(services.exports.recommendations(1000)),
        b"".join(services.exports.factors()),
    ]
    packed = zipfile.ZipFile(io.BytesIO(b"".join(services.exports.archive())))
    for content in (*files, *(packed.read(name) for name in packed.namelist())):
        cells = content.decode().replace("\n", ",").split(",")
        assert not {"u0", "gone", "Gone"} & set(cells)
        assert b"\x1f" not in content


def test_a_deleted_user_is_in_no_export_job_or_history(trained: Runtime) -> None:
    services = trained.services
    lists = b"title,year,rating\nMovie 1,,9\nMovie 2,,3\nNew,2001,8\n"
    mine = bring(trained, "maria-ratings.csv", lists, user_id="maria", scale=[1, 10])
    table_job = bring(trained, "all.csv", b"user_id,movie_id,rating\nmaria,m3,4\nu1,m3,3.5\n", scale=[0.5, 5])
    assert (mine.state, table_job.state) == ("succeeded", "succeeded")
    assert "maria" in str(services.imports.job(mine.job_id))
    services.ratings.forget("maria")
    shown = [*map(services.imports.job, (mine.job_id, table_job.job_id)), *services.imports.batches()]
    assert "maria" not in str(shown)
    exports = services.exports
    packed = zipfile.ZipFile(io.BytesIO(b"".join(exports.archive())))
    files = [packed.read(name) for name in packed.namelist()]
    files += [b"".join(pieces) for pieces in (exports.recommendations(5), exports.factors(), exports.export("ratings"))]
    assert not [content for content in files if b"maria" in content]


def test_a_user_deleted_meanwhile_is_left_out(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.services.exports.PEOPLE", 10)
    pieces = trained.services.exports.recommendations(1)
    header, first = next(pieces), next(pieces)
    trained.services.ratings.forget("u50")
    assert header.startswith(b"user_id,")
    assert b'"u1",' in first
    left = b"".join(pieces)
    assert b'"u50",' not in left
    assert b'"u51",' in left

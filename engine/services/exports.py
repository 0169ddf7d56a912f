"""Tables of the store as files: ratings and movies, as CSV or Parquet, in pieces of bounded size."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow
import pyarrow.parquet as pq

from engine.data.cells import guarded
from engine.services.snapshots import Snapshots
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME

Format = Literal["csv", "parquet"]
ROWS = 100_000
"""Rows of a piece."""
RATINGS = pa.schema(
    [
        ("user_id", pa.string()),
        ("movie_id", pa.string()),
        ("rating", pa.float32()),
        ("timestamp", pa.timestamp("s", "UTC")),
        ("title", pa.string()),
        ("year", pa.int32()),
    ]
)
MOVIES = pa.schema(
    [
        ("movie_id", pa.string()),
        ("title", pa.string()),
        ("year", pa.int32()),
        ("genres", pa.string()),
        ("imdb_id", pa.string()),
        ("tmdb_id", pa.string()),
    ]
)


class ExportService:
    """Writes what is stored as files that an import restores."""

    def __init__(self, ratings: RatingStore, snapshots: Snapshots) -> None:
        self._ratings = ratings
        self._snapshots = snapshots

    def export(self, table: Literal["ratings", "movies"], form: Format = "csv") -> Iterator[bytes]:
        """All ratings, or the catalogue, as a file in pieces, as stored at this moment."""
        if table == "movies":
            return _file(MOVIES, self._movies(), form)
        return _file(RATINGS, self._all_ratings(), form)

    def _movies(self) -> Iterator[pa.RecordBatch]:
        rows = [row for row in self._ratings.movies() if not row.removed]
        columns = [
            [row.external_id for row in rows],
            [row.title for row in rows],
            [row.year for row in rows],
            ["|".join(row.genres) for row in rows],
            [row.links.get("imdb", "") for row in rows],
            [row.links.get("tmdb", "") for row in rows],
        ]
        table = pa.table([pa.array(cells, field.type) for cells, field in zip(columns, MOVIES, strict=True)], MOVIES)
        yield from table.to_batches(ROWS)

    def _all_ratings(self) -> Iterator[pa.RecordBatch]:
        data, stored = self._snapshots.load().data, self._ratings.movies()
        users, movies = (_texts(ids.ids.tolist()) for ids in (data.user_ids, data.movie_ids))
        titles, years = _texts([row.title for row in stored]), pa.array([row.year for row in stored], pa.int32())
        times = np.full(len(data), UNKNOWN_TIME) if data.timestamps is None else data.timestamps
        for start in range(0, len(data), ROWS):
            rows = slice(start, start + ROWS)
            items, moments = pa.array(data.items[rows]), times[rows]
            known = pa.array(moments, pa.int64(), mask=moments == UNKNOWN_TIME)
            columns = [
                users.take(pa.array(data.users[rows])),
                movies.take(items),
                pa.array(data.ratings[rows]),
                known.cast(pa.timestamp("s", "UTC")),
                titles.take(items),
                years.take(items),
            ]
            yield pa.record_batch(columns, RATINGS)


def _texts(values: Sequence[str]) -> pa.Array:
    return pa.array(values, pa.string())


def _file(schema: pa.Schema, batches: Iterator[pa.RecordBatch], form: Format) -> Iterator[bytes]:
    return _parquet(schema, batches) if form == "parquet" else _csv(schema, batches)


class _Sink(io.RawIOBase):
    """Collects what is written, to be taken piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, piece: Any) -> int:
        """Keep a piece."""
        content = bytes(piece)
        self._pieces.append(content)
        self._at += len(content)
        return len(content)

    def tell(self) -> int:
        """How much was written, taken or not."""
        return self._at

    def take(self) -> bytes:
        """What was written since the last time."""
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


def _parquet(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def _csv(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    yield (",".join(schema.names) + "\n").encode()
    guard = _Guard()
    for batch in batches:
        columns = [_cells(column, guard) for column in batch.columns]
        sink = io.BytesIO()
        arrow.write_csv(
            pa.table(columns, schema.names), sink, arrow.WriteOptions(include_header=False, quoting_style="needed")
        )
        yield sink.getvalue()


class _Guard:
    """Puts apostrophes before texts that a spreadsheet would run as a formula."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, texts: pa.Array) -> pa.Array:
        encoded = texts.dictionary_encode()
        distinct = [self._known.setdefault(text, guarded(text)) for text in encoded.dictionary.to_pylist()]
        return pa.array(distinct, pa.string()).take(encoded.indices)


def _cells(column: pa.Array, guard: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """A column as CSV has it: texts guarded, times in ISO 8601, unknown ones empty."""
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_floating(column.type):
        return column.cast(pa.string()).cast(pa.float64())
    return guard(column) if pa.types.is_string(column.type) else column

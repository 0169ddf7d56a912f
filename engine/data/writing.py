"""Tables as files in pieces of bounded size: CSV, Parquet, and zip archives of CSV files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow
import pyarrow.parquet as pq

from engine.data.cells import BEGINS, guarded

Format = Literal["csv", "parquet"]
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The date of every file in an archive, so that equal contents give equal bytes."""
LEVEL = 6
"""Compression of archives, as zlib counts."""


@dataclass(frozen=True)
class TableRows:
    """A table that is read in batches, once: names and types of its columns, and the batches."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def pieces(self, form: Format) -> Iterator[bytes]:
        """The table as a file; CSV is UTF-8 with a header, and text that a spreadsheet would run is guarded."""
        return self._parquet() if form == "parquet" else self._csv()

    def _parquet(self) -> Iterator[bytes]:
        sink = _Sink()
        with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), self.schema) as writer:
            for batch in self.batches:
                writer.write_batch(batch)
                yield sink.take()
        yield sink.take()

    def _csv(self) -> Iterator[bytes]:
        yield (",".join(self.schema.names) + "\n").encode()
        options = arrow.WriteOptions(include_header=False, quoting_style="needed")
        for batch in self.batches:
            sink = io.BytesIO()
            arrow.write_csv(pa.table([_cells(one) for one in batch.columns], self.schema.names), sink, options)
            yield sink.getvalue()


def archive(files: Sequence[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    """A zip archive of files by name, in this order; equal contents give equal bytes."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as packed:
        for name, pieces in files:
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with packed.open(entry, "w", force_zip64=True) as stream:
                for piece in pieces:
                    stream.write(piece)
                    yield sink.take()
    yield sink.take()


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
        """Number of bytes written so far, taken or not."""
        return self._at

    def take(self) -> bytes:
        """The bytes written since the last call."""
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


def _cells(column: pa.Array) -> pa.Array:
    """A column as CSV has it: texts guarded, times in ISO 8601, unknown ones empty."""
    if pa.types.is_timestamp(column.type):
        return pc.replace_substring(column.cast(pa.string()), " ", "T", max_replacements=1)
    if pa.types.is_floating(column.type):
        return column.cast(pa.string()).cast(pa.float64())  # the shortest decimals that round to the float32
    return _guarded(column) if pa.types.is_string(column.type) else column


def _guarded(texts: pa.Array) -> pa.Array:
    """Texts with apostrophes before those that a spreadsheet would run as a formula."""
    begins = pc.match_substring_regex(texts, f"^(?:{BEGINS.pattern})")
    if not pc.any(begins).as_py():
        return texts
    found = pa.array(map(guarded, texts.filter(begins).to_pylist()), pa.string())
    return pc.replace_with_mask(texts, begins, found)

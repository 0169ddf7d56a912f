"""Ratings read from files, kept in columns on disk until it is known what to make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

COLUMNS: dict[str, type[np.generic]] = {
    "user": np.int32,
    "movie": np.int32,
    "rating": np.float32,
    "time": np.int64,
    "line": np.uint32,
    "file": np.uint16,
}
ROWS = 2**20
"""Rows that are in memory at a time."""


@dataclass(frozen=True)
class Block:
    """Some ratings.

    Attributes:
        user, movie: int32[n], codes while scanning, keys of the store while writing.
        rating: float32[n], in the files' own scale.
        time: int64[n], Unix seconds, -1 where unknown.
        line, file: where each row stands.
    """

    user: NDArray[np.int32]
    movie: NDArray[np.int32]
    rating: NDArray[np.float32]
    time: NDArray[np.int64]
    line: NDArray[np.uint32]
    file: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.rating)

    def take(self, rows: NDArray[Any]) -> Block:
        """Some of the rows; ``rows`` is a mask or row numbers."""
        return Block(**{name: getattr(self, name)[rows] for name in COLUMNS})


class Ids:
    """Distinct ids, and their codes in order of first appearance."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def codes(self, ids: Sequence[str]) -> NDArray[np.int32]:
        """int32[n]: codes of ids, new ones for new ids."""
        known = self._codes
        return np.fromiter((known.setdefault(one, len(known)) for one in ids), np.int32, len(ids))

    def all(self) -> list[str]:
        """The ids by code."""
        return list(self._codes)


class Staged:
    """Ratings on disk, in a file for each column.

    Args:
        folder: where the files are made; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows = 0
        self.counts = np.zeros(0, np.int64)
        self._values: dict[float, int] = {}
        for name in COLUMNS:
            self._path(name).write_bytes(b"")

    def _path(self, name: str, part: str = "all") -> Path:
        return self._folder / f"{part}.{name}.column"

    def add(self, block: Block) -> None:
        """Keep more rows."""
        self.rows += len(block)
        values, counts = np.unique(block.rating, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self._values[value] = self._values.get(value, 0) + count
        self._append(block, "all")

    def _append(self, block: Block, part: str) -> None:
        for name, kind in COLUMNS.items():
            with self._path(name, part).open("ab") as sink:
                np.ascontiguousarray(getattr(block, name), kind).tofile(sink)

    def values(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """float64[m], int64[m]: distinct ratings in order, and how often each comes."""
        values = sorted(self._values)
        decimals = np.array([float(str(np.float32(value))) for value in values])
        return decimals, np.array([self._values[value] for value in values], np.int64)

    def blocks(self, part: str = "all") -> Iterator[Block]:
        """The rows in order, some at a time."""
        streams = {name: self._path(name, part).open("rb") for name in COLUMNS}
        try:
            while True:
                columns = {name: np.fromfile(streams[name], kind, ROWS) for name, kind in COLUMNS.items()}
                if not len(columns["rating"]):
                    return
                yield Block(**columns)
        finally:
            for stream in streams.values():
                stream.close()

    def by_user(self, convert: Callable[[Block], Block], n_users: int) -> Iterator[Block]:
        """Converted rows, sorted by user and movie, one for each pair: the newest, and of equally new ones the last.

        Rows are divided by their user on disk first, so that memory is bounded.

        Args:
            convert: from codes and the files' scale to keys and the store's.
            n_users: keys are below it.
        """
        parts = max(-(-self.rows // ROWS), 1)
        if parts == 1:
            for block in self.blocks():
                yield _newest(convert(block))
            return
        width = max(-(-n_users // parts), 1)
        for block in self.blocks():
            converted = convert(block)
            owners = converted.user // width
            for part in np.unique(owners):
                self._append(converted.take(owners == part), str(part))
        for part in range(parts):
            if self._path("user", str(part)).exists():
                yield _newest(_joined(list(self.blocks(str(part)))))
                for name in COLUMNS:
                    self._path(name, str(part)).unlink()


def _joined(blocks: list[Block]) -> Block:
    return Block(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in COLUMNS})


def _newest(block: Block) -> Block:
    """The rows sorted by user and movie, one for each pair: the newest, and of equally new ones the last."""
    pairs = block.user.astype(np.int64) << 32 | block.movie
    order = np.lexsort((block.time, pairs))
    block, pairs = block.take(order), pairs[order]
    last = np.ones(len(pairs), bool)
    last[:-1] = pairs[1:] != pairs[:-1]
    return block.take(last)


def factorize(values: Any) -> tuple[NDArray[np.int32], list[str]]:
    """int32[n] and m texts: the place of each text among the distinct ones, in order of appearance."""
    codes, distinct = pd.factorize(np.asarray(values, dtype=object))
    return codes.astype(np.int32), [str(one) for one in distinct]

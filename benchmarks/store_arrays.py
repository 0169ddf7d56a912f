"""Speed of writing ratings and loading them as training arrays, compared with plain use of the same SQLite."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pysqlite3
from numpy.typing import NDArray

from benchmarks.data import simulate
from store.database import Database
from store.ratings import RatingStore
from store.records import MovieRow

USERS, MOVIES, REPEATS = 6_000, 4_000, 3
PLAIN_TABLE = """CREATE TABLE ratings (user_id INTEGER, movie_id INTEGER, rating REAL, rated_at INTEGER,
    PRIMARY KEY (user_id, movie_id)) WITHOUT ROWID"""
PEERS = {
    "write, row by row": "write, row by row",
    "write": "write, row by row",
    "read, row by row": "read, row by row",
    "load, no cache yet": "read, row by row",
    "load, one user changed": "read, row by row",
    "load, cached": "read, row by row",
}
"""Each measurement, and the one it is compared with."""

Columns = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]


def main() -> None:
    frame = simulate(1_000_000, USERS, MOVIES)
    columns = (
        frame["user_id"].to_numpy(np.int32),
        frame["movie_id"].to_numpy(np.int32),
        frame["rating"].to_numpy(np.float32),
        frame["timestamp"].to_numpy(np.int64),
    )
    rounds = []
    for _ in range(REPEATS):  # alternating, so that a slow moment of the machine affects all of them
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(measure(Path(folder), columns))
    print(f"{len(frame):,} ratings, median of {REPEATS}")
    for name, peer in PEERS.items():
        took = np.array([one[name] for one in rounds])
        ratio = np.median(np.array([one[peer] for one in rounds]) / took)
        beside = "" if name == peer else f"   {ratio:6.1f} times as fast as {peer}"
        print(f"  {name:23s} {len(frame) / np.median(took):14,.0f} ratings/s{beside}")


def measure(folder: Path, columns: Columns) -> dict[str, float]:
    """Seconds of each step, in two fresh stores of the same ratings."""
    plain = folder / "plain.db"
    took = {"write, row by row": seconds(lambda: write_plainly(plain, columns))}
    took["read, row by row"] = seconds(lambda: read_plainly(plain))
    database = Database.open(f"sqlite:///{folder}/marquee.db")
    store = RatingStore(database)
    store.add_users([f"u{n}" for n in range(USERS)])
    store.add_movies([MovieRow(f"m{n}", f"Movie {n}", None, ()) for n in range(MOVIES)])
    took["write"] = seconds(lambda: store.add_ratings(*columns))
    took["load, no cache yet"] = seconds(store.load)
    took["load, cached"] = seconds(store.load)
    store.put_rating("u0", "m0", 4.5, 10**9)
    took["load, one user changed"] = seconds(store.load)
    database.close()
    return took


def write_plainly(path: Path, columns: Columns) -> None:
    """The obvious way: all rows in one transaction, as durable as the store's."""
    with closing(pysqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(PLAIN_TABLE)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        connection.executemany(
            "INSERT INTO ratings VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET rating = excluded.rating, rated_at = excluded.rated_at",
            rows,
        )
        connection.commit()


def read_plainly(path: Path) -> list[NDArray[Any]]:
    """The obvious way: every row through Python."""
    with closing(pysqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT user_id, movie_id, rating, rated_at FROM ratings").fetchall()
    kinds = (np.int32, np.int32, np.float32, np.int64)
    return [np.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

"""How fast ratings go into the store and come out as training arrays, beside fetching rows one by one."""

from __future__ import annotations

import tempfile
import time

import numpy as np

from benchmarks.data import simulate
from store.database import Database
from store.ratings import RatingStore
from store.records import MovieRow


def main() -> None:
    frame = simulate(1_000_000, 6_000, 4_000)
    columns = (
        frame.user_id.to_numpy(np.int32),
        frame.movie_id.to_numpy(np.int32),
        frame.rating.to_numpy(np.float32),
        frame.timestamp.to_numpy(np.int64),
    )
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{folder}/bench.db")
        store = RatingStore(database)
        store.add_users([f"u{n}" for n in range(6_000)])
        store.add_movies([MovieRow(f"m{n}", f"Movie {n}", None, ()) for n in range(4_000)])
        writing = _seconds(lambda: store.add_ratings(*columns))
        naive = _seconds(lambda: _fetch(database))
        cold = _seconds(store.load)
        warm = _seconds(store.load)
        database.close()
    print(f"{len(frame):,} ratings, in ratings a second")
    for name, took in (
        ("write", writing),
        ("read row by row", naive),
        ("load, no cache yet", cold),
        ("load, cached", warm),
    ):
        print(f"  {name:20s} {len(frame) / took:14,.0f}   {naive / took:6.1f} times reading row by row")


def _fetch(database: Database) -> list[np.ndarray]:
    """What one would write first: every row through Python."""
    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT user_id, movie_id, rating, rated_at FROM ratings").fetchall()
    return [np.array(column) for column in zip(*rows, strict=True)]


def _seconds(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

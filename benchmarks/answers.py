"""What the answer log costs: microseconds a list, milliseconds a batch, and bytes an answer in the file.

``python -m benchmarks answers``: 100,000 lists of ten movies for the people of the demo data, a hundred a second, each
second written as one batch, and half of them pruned at the end.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.data import demo_interactions
from engine.recommending.lists import ListOptions
from engine.services import answers
from engine.services.answers import AnswerService
from store.answers import AnswerStore
from store.database import Database
from store.ratings import RatingStore
from store.records import MovieRow
from store.values import ValueStore

COUNT, A_SECOND, LISTED = 100_000, 100, 10
PRUNED = COUNT // 2


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{folder}/marquee.db")
        try:
            measure(database)
        finally:
            database.close()


def measure(database: Database) -> None:
    """Keep, write and prune answers, and print what each takes."""
    data, draw = demo_interactions(), np.random.default_rng(0)
    ratings = RatingStore(database)
    ratings.add_users([str(one) for one in data.user_ids.ids])
    ratings.add_movies([MovieRow(str(one), "", None, ()) for one in data.movie_ids.ids])
    clock = SimpleNamespace(now=1.8e9)
    store, nothing = AnswerStore(database), SimpleNamespace()
    log = AnswerService(store, ValueStore(database, "answers"), ratings, nothing, 1000, lambda: clock.now)  # type: ignore[arg-type]
    before, kept, written, worked = size(database), [], [], 0.0
    for place, user in enumerate(data.users[draw.integers(len(data), size=COUNT)].tolist(), start=1):
        clock.now += 1 / A_SECOND
        state: Any = SimpleNamespace(version=12)
        known: Any = SimpleNamespace(items=range(data.user_counts[user]), revision=90_000 + place)
        person: Any = SimpleNamespace(key=user, state=known)
        movies, scores = draw.choice(data.n_movies, LISTED, replace=False), draw.random(data.n_movies, np.float32)
        made: Any = SimpleNamespace(movies=movies, scores=scores)
        begun = time.perf_counter()
        log.keep(state, person, ListOptions(LISTED), made)
        kept.append(time.perf_counter() - begun)
        if not place % A_SECOND:
            begun, busy = time.perf_counter(), time.process_time()
            log.flush()
            written.append(time.perf_counter() - begun)
            worked += time.process_time() - busy
    grown, held = size(database) - before, store.held()[1]
    print(f"  keeping a list       {np.median(kept) * 1e6:8.1f} µs, p99 {np.percentile(kept, 99) * 1e6:.1f} µs")
    median, p99 = np.percentile(written, [50, 99]) * 1e3
    busy_ms = worked / len(written) * 1e3
    print(f"  writing {A_SECOND} of them   {median:8.1f} ms, p99 {p99:.1f} ms, {busy_ms:.1f} ms of them on a processor")
    print(f"  bytes an answer      {grown / COUNT:8.1f} in the file, {held / COUNT:.1f} by the log's own measure")
    begun = time.perf_counter()
    for _ in range(0, PRUNED, answers.BATCH):
        store.prune(answers.BATCH)
    each = (time.perf_counter() - begun) / (PRUNED / answers.BATCH)
    print(f"  pruning {answers.BATCH}          {each * 1e3:8.1f} ms")


def size(database: Database) -> int:
    """Bytes of the file, with the log moved into it."""
    database.checkpoint()
    return Path(database.path).stat().st_size

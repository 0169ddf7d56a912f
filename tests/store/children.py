"""Processes that use a store and end without closing it, forked from one that has imported the store already."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from store import backups, bulk_ratings, generation, undo
from store.database import Database
from store.imports import ImportStore
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import MovieRow

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["tests.store.children"])


@contextmanager
def no_main_module() -> Iterator[None]:
    """Hide the main module, which a child would run again: Streamlit's AppTest puts a page in its place."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def child(work: Callable[..., None], *args: Any) -> Iterator[tuple[ForkServerProcess, Connection]]:
    """A process that does some work, and the parent's end of the pipe whose other end is its first argument.

    It is killed at the end of the block.
    """
    ours, theirs = FORKED.Pipe()
    process = FORKED.Process(target=work, args=(theirs, *args), daemon=True)
    with no_main_module():
        process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        ours.close()


def opened(path: Path) -> tuple[Database, RatingStore]:
    database = Database.open(f"sqlite:///{path}")
    store = RatingStore(database)
    store.add_movies([MovieRow("m", "A", None, ())])
    return database, store


def rate(pipe: Connection, path: Path, first: int, last: int) -> None:
    """Say when all are rated, and wait for the end."""
    _, store = opened(path)
    for n in range(first, last):
        store.put_rating(f"u{n}", "m", 4.0, n)
    pipe.send("rated")
    pipe.recv()


def rate_and_kill(path: Path, first: int, last: int) -> None:
    """Leave a store as a killed process does, with ratings in the log beside it."""
    with child(rate, path, first, last) as (_, pipe):
        assert pipe.recv() == "rated"
    assert generation.has_log(path)


def rate_on(pipe: Connection, path: Path) -> None:
    """Say of each rating that it is acknowledged."""
    _, store = opened(path)
    for n in range(100_000):
        store.put_rating(f"u{n}", "m", 4.0, n)
        pipe.send(n)


def end_in_checkpoint(pipe: Connection, path: Path, first: int, last: int, steps: int) -> None:
    """Rate, then end after so many of the steps that a checkpoint takes: with 7, or with 0 where there are no more."""
    database, store = opened(path)
    for n in range(first, last):
        store.put_rating(f"u{n}", "m", 4.0, n)
    done = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any) -> Any:
            nonlocal done
            if done == steps:
                os._exit(7)
            done += 1
            return real(*args)

        return step

    generation.write_mark = counted(generation.write_mark)
    generation.new = counted(generation.new)
    os.fsync = counted(os.fsync)
    database.checkpoint()
    os._exit(0)


def restore(pipe: Connection, backup: Path, path: Path) -> None:
    """Say when it begins."""
    pipe.send("begun")
    backups.restore(backup, path, now=0)


def import_and_undo(pipe: Connection, path: Path) -> None:
    """Replace 1,000 ratings, add as many and a movie, and take it all back, again and again; say when each begins."""
    for module, name in ((bulk_ratings, "CHUNK"), (undo, "PAIRS"), (undo, "RATINGS")):
        setattr(module, name, 50)
    database = Database.open(f"sqlite:///{path}")
    store, imports, job_id = RatingStore(database), ImportStore(database), JobStore(database).create("import", "")
    users, movies = (np.repeat(np.arange(100, dtype=np.int32), 20), np.tile(np.arange(20, dtype=np.int32), 100))
    while True:
        import_id = imports.begin(job_id, files=[], choices={})
        pipe.send("writing")
        store.add_movies(
            [MovieRow("m0", "Better", 1999, ("War",)), MovieRow("m19", "New", None, ())], import_id=import_id
        )
        store.add_ratings(users, movies, np.full(2000, 5, np.float32), np.full(2000, 9), import_id=import_id)
        imports.finish(import_id, {})
        pipe.send("undoing")
        imports.undo(import_id)

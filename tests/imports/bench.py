"""Imports from end to end, into a store of their own, without models and pages; and the form of a case."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from engine.data.plan import ImportOptions, Plan, Question
from engine.services.import_task import Stores
from engine.services.imports import ImportService
from engine.services.jobs import Job
from engine.services.scale import StoreScale
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from store.database import Database
from store.imports import ImportStore
from store.jobs import JobStore
from store.ratings import RatingStore
from store.records import MovieRow

Files = Mapping[str, str | bytes]
Stored = dict[tuple[str, str], tuple[float, int | None]]
"""(user, movie) to rating and Unix time; None where the time is unknown."""
READ = """
SELECT u.external_id, m.external_id, r.rating, r.rated_at FROM ratings AS r
JOIN users AS u ON u.id = r.user_id JOIN movies AS m ON m.id = r.movie_id
"""
SUGGESTION = "take the suggestion"
"""An answer that takes what the question suggests."""
MAX_WAIT_S = 60.0


@dataclass(frozen=True)
class Done:
    """An import that has ended or waits: its job, and the questions that were asked."""

    job: Job
    asked: tuple[Question, ...] = ()

    @property
    def codes(self) -> list[str]:
        """Codes of the questions, in the order in which they were asked."""
        return [question.code for question in self.asked]

    @property
    def plan(self) -> Plan:
        """The plan of an import that was scanned."""
        assert self.job.plan is not None, self.job.error
        return self.job.plan

    @property
    def result(self) -> dict[str, Any]:
        """Numbers of an import that has succeeded."""
        assert self.job.result is not None, self.job.error
        return {name: getattr(self.job.result, name) for name in self.job.result.__slots__}


class Bench:
    """A store and its imports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(database_url=f"sqlite:///{folder}/m.db", demo=False)
        self.database = Database.open(self.settings.database_url)
        self.ratings, self.imports = RatingStore(self.database), ImportStore(self.database)
        self.scale = StoreScale(self.settings, self.database)
        self.stores = Stores(self.ratings, self.imports, self.scale, time.time)
        self.jobs = JobStore(self.database)
        self.service = ImportService(self.stores, self.jobs, folder=folder / "imports", on_change=lambda: None)
        self.service.start()

    @classmethod
    def copied(cls, empty: Path, folder: Path) -> Self:
        """A bench on a copy of an empty store, which takes a tenth of the time of a new one."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(empty / "m.db", folder / "m.db")
        return cls(folder)

    def close(self) -> None:
        """Stop the imports and close the store."""
        self.service.close()
        self.database.close()

    def order(self, files: Files, **options: Any) -> int:
        """Order an import; returns the number of its job."""
        uploads = [
            UploadedFile(name, io.BytesIO(content.encode() if isinstance(content, str) else content))
            for name, content in files.items()
        ]
        return self.service.import_files(uploads, ImportOptions(**options))

    def settled(self, job_id: int) -> Job:
        """The job once it has ended or waits."""
        end = time.monotonic() + MAX_WAIT_S
        while not (job := self.service.job(job_id)).state.is_finished and job.state != "waiting":
            assert time.monotonic() < end, f"the import hangs: {job.message}"
            time.sleep(0.002)
        return job

    def bring(self, files: Files, answers: Mapping[str, Any] | None = None, **options: Any) -> Done:
        """Import files and answer what is asked, as far as there are answers."""
        left, asked = dict(answers or {}), list[Question]()
        job = self.settled(self.order(files, **options))
        while job.state == "waiting":
            questions = job.questions or []
            asked += questions
            given: dict[str, Any] = {
                one.code: one.suggestion if left[one.code] == SUGGESTION else left[one.code]
                for one in questions
                if one.code in left
            }
            if len(given) < len(questions):
                break
            self.service.answer(job.job_id, given)
            job = self._going_on(job.job_id, questions)
        return Done(job, tuple(asked))

    def _going_on(self, job_id: int, answered: list[Question]) -> Job:
        """The job once it has ended or asks something else."""
        end = time.monotonic() + MAX_WAIT_S
        while (job := self.settled(job_id)).state == "waiting" and job.questions == answered:
            assert time.monotonic() < end, "the answers were not taken"
            time.sleep(0.002)
        return job

    def undo(self, import_id: int | None) -> Job:
        """Undo an import, and wait for the end."""
        assert import_id is not None
        return self.settled(self.service.undo(import_id))

    def stored(self, *, titles: bool = False) -> Stored:
        """All ratings; by the titles of movies where ``titles``."""
        names = {key: (row.title if titles else row.external_id) for key, row in self.movies().items()}
        with self.database.read() as connection:
            rows = connection.exec_driver_sql(READ).all()
        return {(user, names[movie]): (rating, None if at < 0 else at) for user, movie, rating, at in rows}

    def movies(self) -> dict[str, MovieRow]:
        """The catalogue by id."""
        return {row.external_id: row for row in self.ratings.movies() if not row.removed}


@dataclass(frozen=True)
class Case:
    """An import and its outcome.

    Attributes:
        name: as pytest shows it.
        files: what is uploaded.
        ratings: everything that is stored afterwards; None compares nothing.
        answers: to exactly the questions that are asked.
        options: of the import.
        titles: ``ratings`` name movies by title.
        movies: id or title to (title, year) or (title, year, genres), where they are compared.
        result: numbers of the result.
        source: label of the source of the files with ratings.
        error: words of the error of an import that fails.
    """

    name: str
    files: Files
    ratings: Stored | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    titles: bool = False
    movies: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    error: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def check(self, bench: Bench) -> Done:
        """Carry the case out, and compare."""
        done = bench.bring(self.files, self.answers, **self.options)
        assert sorted(done.codes) == sorted(self.answers), done.asked or done.job.error
        if self.error:
            assert done.job.state == "failed"
            for words in self.error:
                assert words in str(done.job.error)
            assert (bench.stored(), bench.movies(), bench.service.batches()) == ({}, {}, [])
            return done
        assert done.job.state == "succeeded", done.job.error
        if self.ratings is not None:
            assert_same(bench.stored(titles=self.titles), self.ratings)
        self._compare_movies(bench)
        assert {name: done.result[name] for name in self.result} == dict(self.result)
        if self.source is not None:
            assert {file.source for file in done.plan.files if file.role == "ratings"} == {self.source}
        return done

    def _compare_movies(self, bench: Bench) -> None:
        catalogue = bench.movies()
        by_title = {row.title: row for row in catalogue.values()}
        for key, wanted in self.movies.items():
            row = catalogue.get(key) or by_title[key]
            assert (row.title, row.year, row.genres)[: len(wanted)] == wanted


def assert_same(found: Stored, wanted: Stored) -> None:
    """Compare stored ratings with a table, ratings within what 32 bits hold."""
    assert found.keys() == wanted.keys()
    different = {
        pair: (found[pair], wanted[pair])
        for pair in wanted
        if abs(found[pair][0] - wanted[pair][0]) > 1e-4 or found[pair][1] != wanted[pair][1]
    }
    assert different == {}

"""A single import: scanned, asked about, written as one batch, and taken back if it is cut short."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from engine.data.containers import SourceFile
from engine.data.demo import load_demo
from engine.data.file_plans import file_plans, preview
from engine.data.matching import Known, KnownMovie
from engine.data.plan import ImportOptions, Plan, Question
from engine.data.planning import Planner
from engine.data.questions import read_answers
from engine.data.scale import STARS
from engine.data.scales import convert
from engine.data.scanning import Scan
from engine.data.staging import Block, factorize
from engine.errors import Cancelled, InvalidInput
from engine.services.scale import StoreScale
from engine.services.uploads import Upload
from engine.words import counted
from store.bulk_ratings import shortest_decimals
from store.imports import ImportStore
from store.ratings import RatingStore
from store.records import MovieRow
from store.times import latest

SCAN_SHARE = 0.25
"""Share of an import's progress that is scanning."""
SLICE = 100_000
"""Ratings between two reports of progress."""


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rows set aside for one reason; ``lines`` has the first 100, each with file and line."""

    code: str
    reason: str
    rows: int
    lines: tuple[dict[str, Any], ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Result of an import; ``import_id`` is None where nothing was written.

    Attributes:
        ratings_unchanged: ratings that were there already, or are older than the stored ones.
        ratings_repeated: rows of a pair that a newer row also rates.
        movies_matched: of a personal export the movies that were there before.
        unrated: rows without a rating.
        times_unknown: ratings without a time that can be read.
    """

    import_id: int | None = None
    ratings_added: int = 0
    ratings_updated: int = 0
    ratings_unchanged: int = 0
    ratings_repeated: int = 0
    users_added: int = 0
    movies_added: int = 0
    movies_matched: int = 0
    unrated: int = 0
    rows_rejected: int = 0
    rejected: tuple[RejectedRows, ...] = field(default_factory=tuple)
    times_unknown: int = 0

    @property
    def rows_accepted(self) -> int:
        """Rows of ratings imported or already stored."""
        return self.ratings_added + self.ratings_updated + self.ratings_unchanged + self.ratings_repeated


@dataclass
class Stores:
    """What an import reads and writes."""

    ratings: RatingStore
    imports: ImportStore
    scale: StoreScale
    clock: Callable[[], float]


class Import:
    """A single import of files, from the scan to the end.

    Args:
        stores: what is read and written.
        job_id: its job.
        uploads: the files.
        folder: of the files; for what is kept meanwhile.
        options: as ordered.
        step: takes the share that is done, 0 to 1, and what is done now.
    """

    def __init__(
        self,
        stores: Stores,
        job_id: int,
        uploads: Sequence[Upload],
        folder: Path,
        options: ImportOptions,
        step: Callable[[float, str], None],
    ) -> None:
        self._stores, self._job_id, self._uploads, self._step = stores, job_id, uploads, step
        self.cancelled = Event()
        self.changed = False
        """Whether anything was written."""
        self.import_id: int | None = None
        self.asked: list[Question] = []
        self.is_confirmed = not options.confirm or options.dry_run
        self._planner: Planner | None = None
        self._matches: dict[str, str] | None = None
        self._scan = Scan(
            [SourceFile(upload.name, upload.path) for upload in uploads],
            folder,
            options,
            latest=latest(stores.clock()),
            check=self.check,
            step=lambda share, message: step(share * SCAN_SHARE, message),
        )

    def check(self) -> None:
        """Raise ``Cancelled`` once the import was cancelled."""
        if self.cancelled.is_set():
            raise Cancelled("The import was cancelled.")

    def scan(self) -> list[Question]:
        """Scan as far as answers allow; the questions that are open.

        Raises:
            InvalidInput: nothing can be imported, or a question was to be refused.
            Cancelled: it was cancelled.
        """
        while True:
            self.check()
            asked = self._scan.run() or self._plan().questions()
            self.asked = [question for question in asked if not self._settle(question)]
            if self.asked or not asked:
                return self.asked

    def _settle(self, question: Question) -> bool:
        """Whether the options say what to do with a question, such as to take its suggestion."""
        wanted = self._scan.options.on_question
        if wanted == "wait":
            return False
        if wanted == "suggestion" and question.suggestion is not None:
            self.asked = [question]
            self.answer({question.code: question.suggestion})
            return True
        found = f" It has the columns {', '.join(self._names())}." if question.code == "columns" else ""
        raise InvalidInput(
            f"The import stopped at a question about {question.code}: {question.text}{found} Answer it by the option "
            f"{question.code}, or let the import wait.",
            field=question.code,
        )

    def _names(self) -> list[str]:
        return [name for layout in self._scan.layouts for name in layout.table.names]

    def answer(self, answers: Mapping[str, Any]) -> None:
        """Take answers to open questions; where none is open, an empty answer confirms the plan.

        Raises:
            InvalidInput: a question is not open, or does not take the value.
        """
        found = read_answers(answers, self.asked)
        self._scan.check_answers(found)
        self.is_confirmed |= not self.asked
        self._matches = found.pop("matches", self._matches)
        self._scan.answer(**found)
        self._planner = None
        self.asked = [question for question in self.asked if question.code not in answers]

    def _plan(self) -> Planner:
        if self._planner is None:
            scale = self._stores.scale
            known = self.known()
            self._planner = Planner(self._scan, known, scale.current, is_free=scale.is_free(), check=self.check)
            self._planner.matches = self._matches
        return self._planner

    def known(self) -> Known:
        """What is stored."""
        ratings = self._stores.ratings
        rows = ratings.movies()
        movies = [
            KnownMovie(key, row.external_id, row.title, row.year) for key, row in enumerate(rows) if not row.removed
        ]
        return Known(movies, ratings.links(), ratings.raters())

    def plan(self) -> Plan:
        """The plan as far as it is known."""
        if self._scan.found is None:
            return Plan(files=file_plans(self._scan.reports), preview=preview(self._scan))
        return self._plan().plan()

    @property
    def is_dry(self) -> bool:
        """Whether nothing is to be written."""
        return self._scan.options.dry_run

    def write(self) -> ImportResult:
        """Write everything, as one import that can be undone.

        Raises:
            Cancelled: it was cancelled; the caller undoes what was written.
        """
        planner, stores = self._plan(), self._stores
        planner.reject_outside()
        decided = planner.scale()
        if decided is not None and planner.is_free:
            stores.scale.take(planner.target_scale(decided[0]))
        users = planner.user_ids()
        user_keys = stores.ratings.add_users(users).keys
        owner = int(user_keys[0]) if planner.is_personal and len(user_keys) else None
        self.import_id = stores.imports.begin(
            self._job_id, files=self._files(), choices=self._choices(), user_key=owner
        )
        self.changed = True
        movies_added, movie_keys = self._write_movies(planner)
        counts = {"ratings_added": 0, "ratings_updated": 0, "ratings_unchanged": 0}
        if decided is not None:
            store = stores.scale.current

            def stored(block: Block) -> Block:
                block = planner.inside(block)
                values = convert(shortest_decimals(block.rating), decided[0], store).astype(np.float32)
                return Block(user_keys[block.user], movie_keys[block.movie], values, block.time, block.line, block.file)

            self._write_ratings(planner, stored, int(user_keys.max(initial=0)) + 1, counts)
        return self._finish(planner, movies_added, counts)

    def _write_movies(self, planner: Planner) -> tuple[int, Any]:
        """Add and describe movies; returns how many are new, and int32[m], keys by code of the rated ones."""
        self._step(SCAN_SHARE, "Writing movies")
        rows = [MovieRow(one.movie_id, one.title, one.year, one.genres, one.links) for one in planner.targets]
        merged: dict[str, MovieRow] = {}
        for row in rows:
            merged[row.external_id] = _merged(merged[row.external_id], row) if row.external_id in merged else row
        found = self._stores.ratings.add_movies(list(merged.values()), import_id=self.import_id)
        keys = dict(zip(merged, found.keys.tolist(), strict=True))
        return found.added, np.array([keys[row.external_id] for row in rows], np.int32)

    def _write_ratings(
        self, planner: Planner, stored: Callable[[Block], Block], n_users: int, counts: dict[str, int]
    ) -> None:
        done, total = 0, max(planner.found.staged.rows, 1)
        for block in planner.found.staged.by_user(stored, n_users):
            for start in range(0, len(block), SLICE):
                some = block.take(np.arange(start, min(start + SLICE, len(block))))
                share = SCAN_SHARE + (1 - SCAN_SHARE) * (done / total)
                self.check()
                self._step(share, f"Writing ratings, {done:,} of {total:,}")
                written = self._stores.ratings.add_ratings(
                    some.user, some.movie, some.rating, some.time, import_id=self.import_id
                )
                for name in ("added", "updated", "unchanged"):
                    counts[f"ratings_{name}"] += getattr(written, name)
                done += len(some)

    def _finish(self, planner: Planner, movies_added: int, counts: dict[str, int]) -> ImportResult:
        found = planner.found
        outside = sum(one["rows"] for one in found.rejections.summary() if one["code"] == "rating_outside")
        written = sum(counts.values())
        rejected = tuple(
            RejectedRows(one["code"], one["reason"], one["rows"], tuple(one["lines"]), tuple(one["examples"]))
            for one in found.rejections.summary()
        )
        result = ImportResult(
            self.import_id,
            **counts,
            ratings_repeated=found.staged.rows - outside - written,
            users_added=len(set(planner.user_ids()) - planner.known.raters),
            movies_added=movies_added,
            movies_matched=planner.matched(),
            unrated=found.unrated,
            rows_rejected=found.rejections.rows,
            rejected=rejected,
            times_unknown=found.times_unknown,
        )
        self._stores.imports.finish(_id(self.import_id), _numbers(result))
        return result

    def told(self, result: ImportResult) -> str:
        """Summary of a complete import."""
        if not self._scan.of_role("ratings"):
            movies = counted(len(self._plan().targets), "movie")
            return f"{movies} read; there was no file of ratings."
        told = f"{result.rows_accepted:,} of {counted(result.rows_accepted + result.rows_rejected, 'rating')} imported"
        return f"{told}; {counted(result.rows_rejected, 'row')} set aside." if result.rows_rejected else f"{told}."

    def _files(self) -> list[dict[str, Any]]:
        sources = [layout.source.label for layout in self._scan.of_role("ratings")]
        return [
            {"name": upload.name, "sha256": upload.sha256, "source": sources[0] if sources else ""}
            for upload in self._uploads
        ]

    def _choices(self) -> dict[str, Any]:
        chosen = self._scan.options.model_dump(exclude_defaults=True, exclude={"confirm"})
        return chosen | ({"matches": self._matches} if self._matches else {})


class DemoImport(Import):
    """The demo ratings, on half stars."""

    def __init__(self, stores: Stores, job_id: int, folder: Path, step: Callable[[float, str], None]) -> None:
        super().__init__(stores, job_id, (), folder, ImportOptions(), step)

    def scan(self) -> list[Question]:
        """The demo leaves no question."""
        return []

    def plan(self) -> Plan:
        """The demo has no files."""
        return Plan()

    def write(self) -> ImportResult:
        """Write movies and ratings; another scale of the store is met as with files."""
        stores, data = self._stores, load_demo()
        if stores.scale.is_free():
            stores.scale.take(STARS)
        raters = stores.ratings.raters()
        self.import_id = stores.imports.begin(self._job_id, files=[{"name": "demo", "source": "MovieLens"}], choices={})
        self.changed = True
        self._step(0.0, "Writing movies")
        rows = [MovieRow(movie.movie_id, movie.title, movie.year, movie.genres) for movie in data.movies]
        added = stores.ratings.add_movies(rows, import_id=self.import_id)
        keys = dict(zip((row.external_id for row in rows), added.keys, strict=True))
        users, user_ids = factorize(data.user_ids)
        user_keys = stores.ratings.add_users(user_ids).keys[users]
        movie_keys = np.array([keys[one] for one in data.movie_ids], np.int32)
        values = convert(shortest_decimals(data.ratings), STARS, stores.scale.current).astype(np.float32)
        self.check()
        self._step(0.2, "Writing ratings")
        done = stores.ratings.add_ratings(user_keys, movie_keys, values, data.times, import_id=self.import_id)
        result = ImportResult(
            self.import_id,
            done.added,
            done.updated,
            done.unchanged,
            users_added=len(set(user_ids) - raters),
            movies_added=added.added,
        )
        stores.imports.finish(self.import_id, _numbers(result))
        return result

    def told(self, result: ImportResult) -> str:
        """Summary of a complete import."""
        return f"{counted(result.rows_accepted, 'rating')} of the demo imported."


def _id(import_id: int | None) -> int:
    if import_id is None:
        raise ValueError("The import has not begun.")
    return import_id


def _merged(one: MovieRow, other: MovieRow) -> MovieRow:
    """Two descriptions of a movie as one; the later counts where both say something."""
    return MovieRow(
        one.external_id,
        other.title or one.title,
        other.year or one.year,
        other.genres or one.genres,
        {**one.links, **other.links},
    )


def _numbers(result: ImportResult) -> dict[str, int]:
    names = [name for name in ImportResult.__slots__ if name not in ("import_id", "rejected")]
    return {name: getattr(result, name) for name in names}

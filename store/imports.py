"""The history of imports: one entry for each, with what is needed to undo it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Text, cast, func, or_, select, update

from store import exams, revisions
from store.connections import Transaction
from store.database import Store
from store.errors import NotStored
from store.records import UNFINISHED, ImportRecord, ImportState, UndoneCounts
from store.schema import import_ratings, imports, jobs
from store.undo import Undo


def forget(tx: Transaction, user_key: int, user_id: str) -> None:
    """Erase what imports hold of a user who is being deleted.

    These are replaced ratings, files and choices of personal exports, and whatever their jobs and other ended jobs hold
    that name the id.
    """
    tx.execute(import_ratings.delete().where(import_ratings.c.user_id == user_key))
    own = imports.c.user_key == user_key
    tx.execute(update(imports).where(own).values(files=[], choices={}))
    texts = [func.coalesce(cast(column, Text), "") for column in (jobs.c.plan, jobs.c.questions, jobs.c.result)]
    named = or_(*(func.instr(text, json.dumps(user_id)) > 0 for text in texts)) & jobs.c.ended_at.is_not(None)
    concerned = named | jobs.c.job_id.in_(select(imports.c.job_id).where(own))
    tx.execute(update(jobs).where(concerned).values(plan=None, questions=None, result=None, message=""))


def _quiet(_: float) -> None:
    """Report nothing."""


class ImportStore(Store):
    """Imports, from the first write to their undoing."""

    def begin(
        self,
        job_id: int,
        *,
        files: Sequence[Mapping[str, Any]],
        choices: Mapping[str, Any],
        user_key: int | None = None,
    ) -> int:
        """Add an import whose ratings will be written now; returns its number.

        Args:
            job_id: the job that writes it.
            files: names and hashes.
            choices: options and answers.
            user_key: owner of a personal export; None for other files.
        """
        row = {"job_id": job_id, "state": "writing", "user_key": user_key, "created_at": self._database.clock()}
        row |= {"files": list(files), "choices": dict(choices), "counts": {}}
        return self._database.insert(imports, row)

    def finish(self, import_id: int, counts: Mapping[str, int]) -> None:
        """Record that all of an import was written."""
        values = {"state": "done", "counts": dict(counts), "ended_at": self._database.clock()}
        writing = imports.c.import_id == import_id, imports.c.state == "writing"
        self._database.execute(update(imports).where(*writing).values(values))

    def get(self, import_id: int) -> ImportRecord:
        """One import.

        Raises:
            NotStored: there is no such import.
        """
        for record in self._select(ImportRecord, select(imports).where(imports.c.import_id == import_id)):
            return record
        raise NotStored(f"There is no import {import_id}.")

    def of_job(self, job_id: int) -> ImportRecord | None:
        """The import that a job wrote; None if it wrote none, or what it wrote was taken back."""
        return next(iter(self._select(ImportRecord, select(imports).where(imports.c.job_id == job_id))), None)

    def newest(self, limit: int = 100) -> list[ImportRecord]:
        """Imports, newest first."""
        return self._select(ImportRecord, select(imports).order_by(imports.c.import_id.desc()).limit(limit))

    def unfinished(self) -> list[int]:
        """Numbers of the imports that are being written or undone, oldest first."""
        going = select(imports.c.import_id).where(imports.c.state.in_(UNFINISHED)).order_by(imports.c.import_id)
        with self._database.read() as connection:
            return list(connection.execute(going).scalars())

    def undo(self, import_id: int, progress: Callable[[float], None] = _quiet) -> UndoneCounts:
        """Take an import back: what it added goes, what it replaced comes back, and what came later stays.

        It can be interrupted and begun again at any time; again after the end it does nothing. An import that was never
        finished leaves the history as well.

        Args:
            import_id: a finished import, or one that was interrupted. No import may be written meanwhile.
            progress: called with the share that is done, 0 to 1; an error that it raises interrupts the undoing.

        Returns:
            What this call removed and restored.

        Raises:
            NotStored: there is no such import.
        """
        record, this = self.get(import_id), imports.c.import_id == import_id
        if record.state == ImportState.UNDONE:
            return UndoneCounts()
        self._database.execute(update(imports).where(this).values(state="undoing"))
        done = Undo(self._database, import_id, progress).run()

        def end(tx: Transaction) -> None:
            now = self._database.clock()
            exams.withdraw(tx, revisions.current(tx), now, since=record.created_at)
            if record.ended_at is None:
                tx.execute(imports.delete().where(this))
            else:
                tx.execute(update(imports).where(this).values(state="undone", undone_at=now))

        self._database.write(end)
        return done

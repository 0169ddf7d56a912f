"""The history of imports: one entry for each, with what is needed to undo it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update

from store.database import Store
from store.errors import NotStored
from store.records import UNFINISHED, ImportRecord
from store.schema import imports


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

    def newest(self, limit: int = 100) -> list[ImportRecord]:
        """Imports, newest first."""
        return self._select(ImportRecord, select(imports).order_by(imports.c.import_id.desc()).limit(limit))

    def unfinished(self) -> list[int]:
        """Numbers of the imports that are being written or undone, oldest first."""
        going = select(imports.c.import_id).where(imports.c.state.in_(UNFINISHED)).order_by(imports.c.import_id)
        with self._database.read() as connection:
            return list(connection.execute(going).scalars())

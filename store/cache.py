"""The ratings as one file of arrays beside the database."""

from __future__ import annotations

import logging
import uuid
import zipfile

import numpy as np

from store.database import Database
from store.records import RatingArrays

log = logging.getLogger(__name__)


class RatingCache:
    """The ratings as one file of arrays beside the database: rebuilt whenever it is missing, old or damaged."""

    def __init__(self, database: Database) -> None:
        self._folder = database.path.with_name(database.path.name + ".cache")
        self._name = f"ratings-{database.identity}"

    def load(self, revision: int) -> RatingArrays | None:
        """The newest arrays that are no newer than a revision; None where there are none, or they are damaged."""
        found = {int(path.stem.rpartition("-")[2]): path for path in self._folder.glob(f"{self._name}-*.npz")}
        usable = [cached for cached in found if cached <= revision]
        if not usable:
            return None
        try:
            with np.load(found[max(usable)], allow_pickle=False) as stored:
                columns = stored["users"], stored["movies"], stored["ratings"], stored["rated_at"]
                return RatingArrays(*columns, revision=max(usable))
        except FileNotFoundError:  # another thread has just replaced it
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("the cache of ratings is damaged and is made anew: %s", error)
            return None

    def save(self, arrays: RatingArrays) -> None:
        """Write under another name, then rename: a crash leaves the old file or the new one."""
        try:
            self._folder.mkdir(exist_ok=True)
            final = self._folder / f"{self._name}-{arrays.revision}.npz"
            fresh = final.with_suffix(f".{uuid.uuid4()}")  # threads may save at the same time
            with fresh.open("wb") as file:
                np.savez(
                    file, users=arrays.users, movies=arrays.movies, ratings=arrays.ratings, rated_at=arrays.rated_at
                )
            fresh.replace(final)
            for old in self._folder.glob(f"{self._name}-*.npz"):
                if old != final:
                    old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the cache of ratings could not be written: %s", error)

"""The ratings that a version has not learned: asked for every few seconds, so counted again only where they changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock

import numpy as np

from engine.data.arrays import Int64
from engine.training.drift import unlearned
from store.errors import DamagedVersion, NotStored
from store.ratings import RatingStore
from store.records import VersionRecord
from store.versions import MLModelManager


@dataclass(frozen=True)
class _Counted:
    """How many ratings each user has at a revision (``now``), and how many a version has learned.

    Both are int64[n_users]; None where the version does not say, as those of earlier releases.
    """

    version: int
    revision: int
    learned: Int64 | None
    now: Int64 | None


class Backlog:
    """Counts what the newest intact version has not learned, by the rule of ``engine.training.drift.unlearned``.

    Of users without a change since the version learned it has learned everything, so only the others are counted, and
    again only those with a change since the last time.
    """

    def __init__(self, ratings: RatingStore, models: MLModelManager) -> None:
        self._ratings = ratings
        self._models = models
        self._lock = Lock()
        self._counted: _Counted | None = None

    def newest(self) -> tuple[int, int]:
        """The newest intact version's number, and how many ratings it has not learned; without one, 0 and all."""
        version = next((one for one in self._models.list_versions() if one.state == "ready"), None)
        if version is None:
            return 0, self._ratings.counts().ratings
        with self._lock:
            counted = self._counted
            if counted is None or counted.version != version.version:
                counted = self._begin(version)
            self._counted = counted = self._catch_up(counted)
        if counted.learned is None or counted.now is None:
            return version.version, max(self._ratings.counts().ratings - int(version.data["ratings"]), 0)
        return version.version, int(unlearned(counted.now, counted.learned).sum())

    def _begin(self, version: VersionRecord) -> _Counted:
        """As it was when the version learned."""
        try:
            found = self._models.load_part(version.version, "counts/").get("counts/users")
        except (DamagedVersion, NotStored):  # it gives up its arrays just now, or they can't be read
            found = None
        learned = None if found is None else found.astype(np.int64)
        return _Counted(version.version, int(version.data["revision"]), learned, learned)

    def _catch_up(self, counted: _Counted) -> _Counted:
        """As it is now."""
        revision = self._ratings.revision()  # before the ratings are counted: what comes in between is counted again
        if revision == counted.revision or counted.learned is None or counted.now is None:
            return counted
        users, counts = self._ratings.counts_changed_since(counted.revision)
        more = max(int(users.max(initial=-1)) + 1 - len(counted.now), 0)
        learned, now = (np.pad(one, (0, more)) for one in (counted.learned, counted.now))
        now[users] = counts
        return replace(counted, revision=revision, learned=learned, now=now)

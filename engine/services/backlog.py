"""The ratings that a version has not learned: asked for every few seconds, so counted again only where they changed."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np

from engine.dataset.interactions import Int64
from engine.drift import unlearned
from store.errors import DamagedVersion, NotStored
from store.models import MLModelManager
from store.ratings import RatingStore
from store.records import VersionRecord


@dataclass(frozen=True)
class _Counted:
    """What was found: of which version, at which revision of the ratings."""

    version: int
    revision: int
    ratings: int


class Backlog:
    """Counts what the newest intact version has not learned, by the rule of ``engine.drift.unlearned``.

    Only users with a rating changed since the version learned are counted; of all others it has learned everything.
    """

    def __init__(self, ratings: RatingStore, models: MLModelManager) -> None:
        self._ratings = ratings
        self._models = models
        self._lock = Lock()
        self._learned: tuple[int, Int64 | None] = 0, None
        self._counted = _Counted(0, 0, 0)

    def newest(self) -> tuple[int, int]:
        """The newest intact version's number, and how many ratings it has not learned; without one, 0 and all."""
        version = next((one for one in self._models.list_versions() if one.state == "ready"), None)
        if version is None:
            return 0, self._ratings.counts().ratings
        with self._lock:
            revision = self._ratings.revision()
            if (self._counted.version, self._counted.revision) != (version.version, revision):
                self._counted = _Counted(version.version, revision, self._count(version))
            return version.version, self._counted.ratings

    def _count(self, version: VersionRecord) -> int:
        learned = self._counts_of(version.version)
        if learned is None:  # it does not say whose ratings it has learned, as versions of earlier releases
            return max(self._ratings.counts().ratings - int(version.data["ratings"]), 0)
        users, counts = self._ratings.counts_changed_since(int(version.data["revision"]))
        known = users < len(learned)
        before = np.zeros(len(users), np.int64)
        before[known] = learned[users[known]]
        return int(unlearned(counts, before).sum())

    def _counts_of(self, version: int) -> Int64 | None:
        """int64[n_users]: how many ratings of each user a version has learned."""
        if self._learned[0] != version:
            try:
                found = self._models.load_part(version, "counts/").get("counts/users")
            except (DamagedVersion, NotStored):  # it gives up its arrays just now, or they can't be read
                found = None
            self._learned = version, None if found is None else found.astype(np.int64)
        return self._learned[1]

"""Number of ratings that a version has not learned, updated incrementally."""

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
    """Ratings per user at a revision (``now``), and as learned by a version.

    Both are int64[n_users]; None for versions of earlier releases, which do not have them.
    """

    version: int
    revision: int
    learned: Int64 | None
    now: Int64 | None


class Backlog:
    """Counts what the newest intact version has not learned, by ``engine.training.drift.unlearned``.

    Only users with changes since the version learned are counted, and again only after another change.
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
        """The counts when the version learned."""
        try:
            found = self._models.load_part(version.version, "counts/").get("counts/users")
        except (DamagedVersion, NotStored):  # its arrays are being deleted, or can't be read
            found = None
        learned = None if found is None else found.astype(np.int64)
        return _Counted(version.version, int(version.data["revision"]), learned, learned)

    def _catch_up(self, counted: _Counted) -> _Counted:
        """The current counts."""
        revision = self._ratings.revision()  # read first: changes in between are counted again
        if revision == counted.revision or counted.learned is None or counted.now is None:
            return counted
        users, counts = self._ratings.counts_changed_since(counted.revision)
        more = max(int(users.max(initial=-1)) + 1 - len(counted.now), 0)
        learned, now = (np.pad(one, (0, more)) for one in (counted.learned, counted.now))
        now[users] = counts
        return replace(counted, revision=revision, learned=learned, now=now)

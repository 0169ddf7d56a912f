"""Shadow versions: the newest candidates that never served, which predict new ratings beside the one that serves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic
from weakref import ref

from engine.background import give_way
from engine.data.history import History
from engine.data.ratings import Interactions
from engine.evaluation.means import MeanRatings
from engine.models.version import RatingParts
from engine.recommending.exams import Examiner, Predicted, fold_changed
from engine.recommending.state import ServingState
from engine.services.snapshots import Snapshots
from engine.settings import Settings
from store.errors import DamagedVersion, NotStored
from store.exams import SOURCES, ExamStore
from store.ratings import RatingStore
from store.records import RatingChange
from store.versions import MLModelManager

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between looks at which versions there are."""
MIB = 2**20
RATING_BYTES = 20
"""Of a rating in memory: user, movie, rating and time."""


class ShadowService:
    """Holds the shadows and the plain means, each as of the same change of a rating. For one thread, but for ``lapse``.

    Args:
        ratings: the store.
        snapshots: all ratings.
        models: the versions.
        store: which of them may be shadows.
        settings: how many, and how much memory.
    """

    def __init__(
        self,
        ratings: RatingStore,
        snapshots: Snapshots,
        models: MLModelManager,
        store: ExamStore,
        settings: Settings,
    ) -> None:
        self._ratings = ratings
        self._snapshots = snapshots
        self._models = models
        self._store = store
        self._settings = settings
        self._examiners: tuple[Examiner, ...] = ()
        self._means: MeanRatings | None = None
        self._revision = 0
        self._base: Callable[[], ServingState | None] = lambda: None
        self._wanted: tuple[int, ...] = ()
        self._looked_at = -LOOK_S
        self._lapsed = Event()
        self.too_large: tuple[int, ...] = ()

    @property
    def versions(self) -> tuple[int, ...]:
        """The shadows, newest first."""
        return tuple(one.version for one in self._examiners)

    def lapse(self) -> None:
        """Note that a change was missed, so that everything is read again; from any thread."""
        self._lapsed.set()

    def drop(self) -> None:
        """Let go of all ratings; ``renew`` reads them again."""
        self._examiners, self._means, self._base, self._wanted = (), None, lambda: None, ()
        self._looked_at = -LOOK_S

    def renew(self, state: ServingState | None, *, at_once: bool = False) -> None:
        """Follow what serves and which versions there are: read everything again where either has changed.

        Args:
            state: serves; None before the first version.
            at_once: look at the versions now, and not once a second.
        """
        if state is None:
            self.drop()
            return
        same = self._base() is state and not self._lapsed.is_set()
        if same and not at_once and monotonic() - self._looked_at < LOOK_S:
            return
        self._looked_at = monotonic()
        wanted = tuple(self._store.shadows(state.version, self._settings.shadows)) if self._settings.shadows else ()
        if not same or wanted != self._wanted:
            self._lapsed.clear()
            self._read(state, wanted)

    def _read(self, state: ServingState, wanted: tuple[int, ...]) -> None:
        """Build the shadows and the means from the ratings as they are now."""
        self._examiners, self._means = (), None  # before others are read beside them
        snapshot = self._snapshots.load()
        data = snapshot.data
        data.group()
        room = self._settings.shadow_memory * MIB - (0 if data is state.data else RATING_BYTES * len(data))
        built: list[Examiner] = []
        too_large: list[int] = []
        for version in wanted:
            size = self._store.size(version)
            if size > room:
                too_large.append(version)
                continue
            try:
                built.append(self._build(version, data, snapshot.revision))
            except (DamagedVersion, NotStored) as error:
                log.warning("version %d is no shadow: %s", version, error)
            else:
                room -= size
        self._means, self._revision = MeanRatings.of(data), snapshot.revision
        self._examiners, self.too_large = tuple(built), tuple(too_large)
        self._base, self._wanted = ref(state), wanted
        if wanted:
            log.info("shadows: %s", ", ".join(map(str, self.versions)) or "none that fits")

    def _build(self, version: int, data: Interactions, revision: int) -> Examiner:
        record = self._models.get_version(version)
        arrays = {name: array for part in SOURCES for name, array in self._models.load_part(version, part).items()}
        parts = RatingParts.from_arrays(record.kind, record.config, arrays)
        parts.rating.bind(data)
        examiner = Examiner(version, parts, data, revision)
        learned = record.data["revision"]
        fold_changed(
            examiner.learner, self._ratings.users_changed_since(learned), self._ratings.movies_changed_since(learned)
        )
        return examiner

    # -- exams -------------------------------------------------------------------------------------------------------

    def predict(self, change: RatingChange) -> Iterator[tuple[int, Predicted]]:
        """The prediction of a new rating by each shadow that can't know it."""
        for one in self._examiners:
            give_way()
            found = one.predict(change)
            if found is not None:
                yield one.version, found

    def means(self, history: History, change: RatingChange) -> float | None:
        """The plain means' prediction of a new rating; None where they have it already.

        Args:
            history: the user's ratings before it.
            change: the rating.
        """
        if self._means is None or change.revision <= self._revision:
            return None
        return self._means.predict(history, change.movie_key)

    def learn(self, change: RatingChange, at: int) -> None:
        """Let all learn a change; ``at``: its Unix time."""
        for one in self._examiners:
            give_way()
            one.learn(change, at)
        if self._means is not None and change.revision > self._revision:
            self._means.learn(change.movie_key, change.rating, change.previous)
            self._revision = change.revision

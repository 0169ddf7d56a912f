"""The version that serves: loading it, swapping it, folding new ratings into it, and how it holds up."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock, RLock
from typing import TypeVar

import numpy as np

from engine.errors import NotReady
from engine.evaluation.verdict import GOALS
from engine.models.base import NOTHING
from engine.models.version import LearnedCounts, VersionBundle
from engine.recommending.effect import ListEffect, measure_effect
from engine.recommending.exams import fold_changed
from engine.recommending.lists import ListOptions
from engine.recommending.state import ServingState
from engine.services.snapshots import DataSnapshot, Snapshots
from engine.services.warmup import try_out
from engine.settings import Settings
from engine.training.drift import Drift, UpdateHealth, measure_drift
from store.errors import DamagedVersion, NotStored, NotWritten, StoreClosed, StoreError
from store.notices import NoticeStore
from store.ratings import RatingStore
from store.records import RatingChange, VersionRecord
from store.times import known_times
from store.versions import MLModelManager
from store.worker import nothing

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_ROUNDS, FEW_CHANGES = 10, 5
"""A new state replays the ratings that arrived meanwhile until a round has at most 5 of them, 10 rounds at most."""


@dataclass(eq=False)
class ServingService:
    """Holds the current ``ServingState`` and replaces it.

    Readers take the state once (``ready``) and never wait. Writers (a rating, a swap of the state) hold ``writing``, so
    that no rating falls between the old state and the new.
    """

    _ratings: RatingStore
    _snapshots: Snapshots
    _models: MLModelManager
    _notices: NoticeStore
    _settings: Settings
    _clock: Callable[[], float]

    def __post_init__(self) -> None:
        self._building = RLock()  # held while a state is built and swapped in; taken before `writing`, never after it
        self.writing = Lock()
        """Held while a rating is stored and folded in, and for the moment of a swap."""
        self.witness: Callable[[ServingState, RatingChange, int], None] = nothing
        """Called with the state before each change of a rating, the change and its Unix time; ``writing`` is held."""
        self.last_rated = 0.0
        """Unix seconds of the last rating in this process."""
        self._state: ServingState | None = None
        self._meanwhile: list[Callable[[ServingState], object]] | None = None
        self._measuring = Lock()
        self._measured: tuple[int, int, Drift] | None = None

    @property
    def state(self) -> ServingState | None:
        """The state that serves, None before the first."""
        return self._state

    def active_version(self) -> int | None:
        """The version that serves, None before the first."""
        return self._state.version if self._state else None

    def read_ahead(self) -> None:
        """Begin to read the ratings, while the caller does something else; ``load_active`` waits for them.

        What goes wrong here goes wrong there again, and is dealt with there.
        """
        reading = ThreadPoolExecutor(1, "ratings")
        reading.submit(self._snapshots.load)
        reading.shutdown(wait=False)

    def load_active(self) -> None:
        """Serve the active version; where it is damaged or can't be built, the best other one.

        That is the one that served last, or else the best of those that never did; the deployment history and a notice
        record it. Without any, nothing serves until the next training.
        """
        with self._building:
            wanted = self._models.active_version()
            if wanted is None:
                self._state = None
                return
            faults: list[str] = []
            for version in self._models.by_merit(wanted, GOALS):
                try:
                    record, bundle = self._load(version)
                    enter = None if version == wanted else partial(self._take_place, version, wanted, faults[0])
                    self.serve(version, bundle, record.data["revision"], enter)
                except (NotWritten, StoreClosed):  # the store fails, so no other version can be read either
                    raise
                except (DamagedVersion, NotStored) as error:
                    log.error("version %d can't serve: %s", version, error)
                    faults.append(str(error))
                except Exception as error:  # another version may serve
                    log.exception("version %d can't serve", version)
                    faults.append(tell_fault(version, error))
                else:
                    return
            self._state = None
            self._notices.add("error", "versions", f"{faults[0]} No stored version can serve. Train again.")

    def _load(self, version: int) -> tuple[VersionRecord, VersionBundle]:
        stored = self._models.load_model(version)
        record = stored.record
        return record, VersionBundle.from_arrays(record.kind, record.config, stored.arrays)

    def _take_place(self, version: int, wanted: int, fault: str) -> None:
        """Activate a version in place of one that can't serve."""
        told = f"{fault} Version {version} serves in its place."
        try:
            self._models.activate(version, actor="marquee", reason=fault)
            self._notices.add("error", "versions", told, {"version": version, "instead_of": wanted})
        except StoreError as error:  # it serves anyway, and the next start tries again
            log.error("%s The deployment history could not be written: %s", told, error)

    def try_out(self, bundle: VersionBundle) -> None:
        """Make a version answer every kind of request before it is stored; nothing is kept.

        Raises:
            Exception: any error of its answers; ValueError where they are not finite.
        """
        snapshot = self._snapshots.load()
        for model in (bundle.rating, bundle.ranker):
            model.bind(snapshot.data)
        try_out(self.stage(bundle, snapshot))

    def stage(self, bundle: VersionBundle, snapshot: DataSnapshot, version: int = 0) -> ServingState:
        """The state of a version that does not serve, from these ratings; its number is 0 where it does not matter."""
        return ServingState.build(version, bundle, snapshot.data, snapshot.revision, self._settings.personal_from)

    def effect(self, new: ServingState) -> ListEffect | None:
        """What a version would change in the lists that are served now; None while nothing serves."""
        return None if self._state is None else measure_effect(new, self._state)

    def refresh(self) -> None:
        """Rebuild the state of the current version after an import."""
        with self._building:
            state = self._state
            if state is not None:
                self.serve(state.version, state.bundle, self._models.get_version(state.version).data["revision"])

    def serve(
        self, version: int, bundle: VersionBundle, learned: int, enter: Callable[[], object] | None = None
    ) -> None:
        """Build the next state beside the current one, then swap; the deployment history decides which serves.

        Args:
            version: the version.
            bundle: its models.
            learned: the revision of the store that it has learned.
            enter: writes the activation to the deployment history, once the state is built and before it serves. None
                where the history has it already; then nothing happens if another version was activated meanwhile.
        """
        with self._building:
            if enter is None and self._models.active_version() != version:
                return
            with self.writing:
                self._meanwhile = []
            try:
                snapshot = self._snapshots.load()
                data, personal_from = snapshot.data, self._settings.personal_from
                data.group()
                for model in (bundle.rating, bundle.ranker):
                    model.bind(data)  # users deleted since the training must not stay in memory
                state = ServingState.build(version, bundle, data, snapshot.revision, personal_from)
                changed = self._ratings.users_changed_since(learned), self._ratings.movies_changed_since(learned)
                fold_changed(state.learner, *changed)
                self._warm(state)
                if enter is not None:
                    enter()
                self._catch_up(state)
                with self.writing:
                    for change in self._meanwhile:  # few by now; ratings wait
                        change(state)
                    self._state = state
            finally:
                with self.writing:
                    self._meanwhile = None
        log.info("version %d serves %d users and %d movies", version, data.n_users, data.movies.shown)

    def _catch_up(self, state: ServingState) -> None:
        """Replay the changes that arrived while a state was being built, until few are left."""
        for _ in range(MAX_ROUNDS):
            with self.writing:
                changes, self._meanwhile = self._meanwhile or [], []
            for change in changes:
                change(state)
            if len(changes) <= FEW_CHANGES:
                return

    def _warm(self, state: ServingState) -> None:
        """Make one list, so that the first request does not wait for compiled code to load."""
        if state.data.n_movies:
            user = state.listen(next(iter(state.users), ""))
            state.annotate(user, state.make_list(user, ListOptions(1), NOTHING))

    def ready(self) -> ServingState:
        """The state that serves now; a request takes it once.

        Raises:
            NotReady: nothing is trained yet.
        """
        if self._state is None:
            if self._ratings.counts().ratings == 0:
                raise NotReady("There are no ratings yet. Import the demo data or your own, then train a model.")
            raise NotReady("No model is trained yet. Start a training; the first one takes about a minute.")
        return self._state

    def serves_nobody(self) -> bool:
        """Whether there were no ratings when the state was built, or nothing serves."""
        return self._state is None or not len(self._state.data)

    def knows_nobody(self) -> bool:
        """Whether something serves that has learned from people, but from none of those with ratings now."""
        if self._state is None or self._state.bundle.counts is None:
            return False
        learned, now = self._state.bundle.counts.users, self._state.data.user_counts
        both = min(len(learned), len(now))
        return len(learned) > 0 and not np.any((learned[:both] > 0) & (now[:both] > 0))

    def lacks(self, movie_id: str) -> bool:
        """Whether something serves that does not know the movie."""
        return self._state is not None and movie_id not in self._state.movies

    def change(self, change: Callable[[ServingState], T]) -> T | None:
        """Change the state that serves and the one being built; returns the former's result. Needs ``writing``."""
        if self._meanwhile is not None:
            self._meanwhile.append(change)
        return None if self._state is None else change(self._state)

    def learn(self, user_id: str, change: RatingChange) -> tuple[float | None, float | None]:
        """Fold a stored rating into user and movie; the prediction before and after. Needs ``writing``."""
        self.last_rated = self._clock()
        at = int(known_times(np.array([change.rated_at]), self.last_rated)[0])  # as the next start will read it
        if self._state is not None:
            self.witness(self._state, change, at)
        return self.change(lambda state: state.learn(user_id, change, at)) or (None, None)

    def health(self) -> UpdateHealth:
        """Drift of the folded-in state from a retrained version (see ``engine.training.drift``).

        Takes a second or two after a change of the ratings; then the result is reused.

        Raises:
            NotReady: nothing is trained yet.
        """
        state = self.ready()
        counts = state.bundle.counts
        drift = None if counts is None or not len(counts.users) else self._drift(state.version, counts)
        folded = state.version, state.learner.folded_users, state.learner.folded_movies
        if drift is None:
            return UpdateHealth(*folded, None, None, None, 0, 0, "fine")
        return UpdateHealth(*folded, drift.since, drift.gap, drift.overlap, drift.users, drift.held_out, drift.advice)

    def _drift(self, version: int, counts: LearnedCounts) -> Drift:
        """Measured once per revision of the ratings; concurrent callers wait."""
        with self._measuring:
            snapshot = self._snapshots.load()
            if self._measured is None or self._measured[:2] != (version, snapshot.revision):
                self._measured = version, snapshot.revision, measure_drift(snapshot.data, counts)
            return self._measured[2]


def tell_fault(version: int, error: Exception) -> str:
    """A sentence that says why a version can't serve."""
    why = f"{type(error).__name__}: {error}".rstrip(".: ")
    return f"Version {version} can't serve: {why}."

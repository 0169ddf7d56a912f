"""Rating a movie, removing a rating, deleting a user: stored first, then folded into the serving state."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.background import urgent
from engine.data.scale import RatingScale
from engine.errors import InvalidRating, UnknownMovie, UnknownUser
from engine.services.audit import audited, of_user
from engine.services.scale import StoreScale
from engine.services.serving import ServingService
from engine.services.snapshots import Snapshots
from engine.services.storing import stores
from engine.words import counted
from store.errors import DamagedVersion, NotStored
from store.notices import NoticeStore
from store.ratings import RatingStore
from store.versions import MLModelManager
from store.worker import nothing


@dataclass(frozen=True, slots=True)
class RatingReceipt:
    """Effect of a stored rating; ``embedding_updated``: the next list reflects it."""

    user_id: str
    movie_id: str
    rating: float
    previous_rating: float | None
    predicted_before: float | None
    predicted_after: float | None
    embedding_updated: bool
    update_ms: float


@dataclass(frozen=True, slots=True)
class RatingRemoval:
    """Effect of removing a rating; ``previous_rating`` is None where there was none, and nothing changed."""

    user_id: str
    movie_id: str
    previous_rating: float | None
    predicted_after: float | None
    embedding_updated: bool
    update_ms: float


@dataclass(frozen=True, slots=True)
class ForgettingReceipt:
    """Effect of deleting a user.

    Attributes:
        ratings_removed: number of ratings deleted.
        forgotten_at: in Unix seconds.
        versions: stored versions that learned from the ratings, under a key that identifies nobody.
        text: a summary, with what is left to do.
    """

    user_id: str
    ratings_removed: int
    forgotten_at: float
    versions: tuple[int, ...]
    text: str


class RatingService:
    """Changes ratings while holding ``ServingService.writing``, so that none falls between two states."""

    def __init__(
        self,
        ratings: RatingStore,
        snapshots: Snapshots,
        models: MLModelManager,
        serving: ServingService,
        scale: StoreScale,
        notices: NoticeStore,
        clock: Callable[[], float],
        delete_lists: Callable[[], str] = lambda: "",
        forget_exams: Callable[[int], None] = nothing,
    ) -> None:
        self._ratings = ratings
        self._snapshots = snapshots
        self._models = models
        self._serving = serving
        self._scale = scale
        self._notices = notices
        self._clock = clock
        self._delete_lists = delete_lists
        self._forget_exams = forget_exams

    @stores
    def rate(self, user_id: str, movie_id: str, rating: float) -> RatingReceipt:
        """Store a rating durably and fold it in; rating a movie again replaces the rating.

        Raises:
            InvalidRating: not a number within the scale.
            UnknownMovie: the catalogue has no such movie.
        """
        check_rating(rating, self._scale.current)
        started = time.perf_counter()
        self._know(movie_id)
        with urgent(), self._serving.writing:
            try:
                change = self._ratings.put_rating(user_id, movie_id, rating, int(self._clock()))
            except NotStored as error:
                raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.") from error
            before, after = self._serving.learn(user_id, change)
        elapsed = (time.perf_counter() - started) * 1000
        kept = rating if change.rating is None else change.rating
        return RatingReceipt(user_id, movie_id, kept, change.previous, before, after, after is not None, elapsed)

    @stores
    def unrate(self, user_id: str, movie_id: str) -> RatingRemoval:
        """Remove a rating durably and fold that in; without a rating nothing happens.

        Raises:
            UnknownUser: there is no such user.
            UnknownMovie: the catalogue has no such movie.
        """
        started = time.perf_counter()
        if self._ratings.user_key(user_id) is None:
            raise UnknownUser(f"Nobody with the id {user_id!r} has ratings.")
        if self._ratings.movie_key(movie_id) is None:
            raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
        self._know(movie_id)
        previous = after = None
        with urgent(), self._serving.writing, contextlib.suppress(NotStored):  # there was nothing to remove
            change = self._ratings.delete_rating(user_id, movie_id)
            previous = change.previous
            _, after = self._serving.learn(user_id, change)
        elapsed = (time.perf_counter() - started) * 1000
        return RatingRemoval(user_id, movie_id, previous, after, after is not None, elapsed)

    @audited("user erased", of_user)
    @stores
    def forget(self, user_id: str) -> ForgettingReceipt:
        """Delete a user's ratings, exams and id from store and memory, and name the versions that learned from them.

        The serving state is rebuilt without the user, so this takes as long as after an import.

        Raises:
            UnknownUser: there is no such user.
        """
        with self._serving.writing:
            try:
                gone = self._ratings.forget_user(user_id)
            except NotStored as error:
                raise UnknownUser(f"Nobody has the id {user_id!r}.") from error
            self._serving.change(lambda state: state.users.pop(user_id, None))
        self._forget_exams(gone.user_key)
        self._snapshots.forget()
        self._serving.refresh()
        learned = tuple(version for version in self._stored() if self._has_learned(version, gone.user_key))
        if learned:
            self._notices.add("warning", "versions", f"A person was deleted. {_left(learned)}", {"versions": learned})
        told = f"{_told(gone.ratings, learned)} {self._delete_lists()} {self._outside()}".strip().replace("  ", " ")
        return ForgettingReceipt(user_id, gone.ratings, self._clock(), learned, told)

    def _stored(self) -> list[int]:
        return [one.version for one in self._models.list_versions() if one.state == "ready"]

    def _outside(self) -> str:
        """What to do about tables outside Marquee that versions have learned; empty where there is none."""
        tables = sorted({one.data["table"] for one in self._models.list_versions() if "table" in one.data})
        if not tables:
            return ""
        named = "the table" if len(tables) == 1 else "the tables"
        return f"Marquee can't erase from {named} outside it, {', '.join(tables)}: erase there, then train again."

    def _has_learned(self, version: int, user: int) -> bool:
        """Whether a version has learned from a user's ratings; assumed of versions without counts."""
        try:
            counts = self._models.load_part(version, "counts/").get("counts/users")
        except (DamagedVersion, NotStored):  # its arrays are being deleted, or can't be read
            return False
        return counts is None or (user < len(counts) and bool(counts[user]))

    def _know(self, movie_id: str) -> None:
        """Rebuild the state for a movie that a running import has just added."""
        if self._serving.lacks(movie_id) and self._ratings.movie_key(movie_id) is not None:
            self._serving.refresh()


def check_rating(rating: float, scale: RatingScale) -> None:
    """Accept a finite number inside the scale; of preferences only its ends.

    Raises:
        InvalidRating: it is not.
    """
    low, high = scale.ends
    if scale.are_preferences and rating not in scale.ends:
        raise InvalidRating(f"A preference is 1 for a like or 0 for a dislike; {rating!r} is neither.")
    if not (math.isfinite(rating) and low <= rating <= high):
        raise InvalidRating(f"A rating lies between {low:g} and {high:g}; {rating!r} does not.")


def _told(ratings: int, versions: Sequence[int]) -> str:
    """A summary of what was deleted and what is left to do."""
    erased = f"{counted(ratings, 'rating')} and the id were erased."
    if not versions:
        return f"{erased} No stored version has learned from them."
    return f"{erased} {_left(versions)}"


def _left(versions: Sequence[int]) -> str:
    """What is left to do about versions that learned from somebody."""
    named = "Version" if len(versions) == 1 else "Versions"
    which = ", ".join(map(str, versions))
    return f"{named} {which} learned from them before: retrain, then delete what is named here."

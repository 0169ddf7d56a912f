"""Golden people: pinned, unpinned, and checked in every new version before its verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.data.catalogue import Movie, MovieTable
from engine.data.ratings import IdIndex
from engine.errors import InvalidInput, UnknownGoldenPerson, UnknownMovie, UnknownUser, check_range
from engine.models.version import VersionBundle
from engine.recommending.golden import (
    EXPECTATIONS,
    MAX_EXPECTATIONS,
    Expectation,
    GoldenPerson,
    GoldenResult,
    Kept,
    Predicted,
    check_person,
    in_words,
)
from engine.recommending.state import ServingState
from engine.services.audit import audited
from engine.services.ratings import check_rating
from engine.services.scale import StoreScale
from engine.services.serving import ServingService
from engine.services.snapshots import Snapshots
from store.errors import NotStored
from store.golden import GoldenStore
from store.records import GoldenRecord

MAX_PEOPLE = 100
MAX_NAME = 100
MAX_RATINGS = 200


@dataclass(frozen=True, slots=True)
class Pinned:
    """A golden person as pages and the API show them.

    Attributes:
        ratings: of somebody made up, by movie id.
        told: the expectations in words.
        created_by: the actor.
    """

    golden_id: int
    name: str
    user_id: str | None
    ratings: Mapping[str, float]
    expectations: tuple[Expectation, ...]
    told: tuple[str, ...]
    created_at: float
    created_by: str


def _named(given: Mapping[str, Any], _: Any) -> str:
    """The number of a golden person; their name may say who they are."""
    return f"golden person {given['golden_id']}" if "golden_id" in given else "golden person"


class GoldenService:
    """Pins people, and checks versions against what is expected for them."""

    def __init__(self, store: GoldenStore, snapshots: Snapshots, scale: StoreScale, serving: ServingService) -> None:
        self._store = store
        self._snapshots = snapshots
        self._scale = scale
        self._serving = serving

    def people(self) -> list[Pinned]:
        """Everybody who is pinned, in the order in which they were."""
        found = self._store.all()
        return [self._shown(one) for one in found] if found else []

    @audited("golden person pinned", _named)
    def pin(
        self,
        name: str,
        expectations: Sequence[Expectation],
        *,
        user_id: str | None = None,
        ratings: Mapping[str, float] | None = None,
        actor: str = "you",
    ) -> Pinned:
        """Pin a user, or somebody made up.

        Args:
            name: what they stand for. Verdicts repeat it, and are kept when the user is deleted, so it can't hold the
                user's id.
            expectations: what every version must give them, at least one.
            user_id: a user of the store.
            ratings: of somebody made up, by movie id; not together with ``user_id``.
            actor: who asks for it.

        Raises:
            InvalidInput: the name, the number of expectations or one of them is not acceptable.
            InvalidRating: a rating is outside the scale.
            UnknownUser: there is no such user.
            UnknownMovie: the catalogue has no such movie.
        """
        name = name.strip()
        if not name:
            raise InvalidInput("Enter a name.", field="name")
        if len(name) > MAX_NAME or not name.isprintable():
            raise InvalidInput(f"A name has 1 to {MAX_NAME} printable characters.", field="name")
        if user_id is not None and re.search(rf"(?<!\w){re.escape(user_id)}(?!\w)", name, re.IGNORECASE):
            told = "Verdicts repeat the name and are kept when a person is deleted. Choose one without the person's id."
            raise InvalidInput(told, field="name")
        if user_id is not None and ratings:
            raise InvalidInput("Give either a person or ratings of somebody made up, not both.", field="ratings")
        self._check_ratings(ratings or {})
        asked = self._asked(expectations)
        try:
            made = self._store.add(name, user_id, ratings or {}, asked, created_by=actor, most=MAX_PEOPLE)
        except NotStored as error:
            raise UnknownUser(f"Nobody has the id {user_id!r}.") from error
        except ValueError as error:
            raise InvalidInput(str(error), field="name") from error
        return self._shown(made)

    @audited("golden person changed", _named)
    def expect(self, golden_id: int, expectations: Sequence[Expectation]) -> Pinned:
        """Replace what every version must give a person.

        Raises:
            UnknownGoldenPerson: nobody with this number is pinned.
            InvalidInput, InvalidRating, UnknownMovie: as ``pin``.
        """
        asked = self._asked(expectations)
        try:
            return self._shown(self._store.expect(golden_id, asked))
        except NotStored as error:
            raise UnknownGoldenPerson(f"There is no golden person {golden_id}.") from error

    @audited("golden person unpinned", _named)
    def unpin(self, golden_id: int) -> Pinned:
        """Unpin a person; returns who it was.

        Raises:
            UnknownGoldenPerson: nobody with this number is pinned.
        """
        try:
            return self._shown(self._store.remove(golden_id))
        except NotStored as error:
            raise UnknownGoldenPerson(f"There is no golden person {golden_id}.") from error

    def judge(self, new: ServingState) -> tuple[GoldenResult, ...]:
        """Check a version that does not serve; where a person's list must be kept, it is that of the one that does."""
        active = self._serving.state
        return tuple(check_person(_person(one), new, active) for one in self._store.all())

    def check(self, bundle: VersionBundle) -> tuple[GoldenResult, ...]:
        """Check a version with the current ratings."""
        return self.judge(self._serving.stage(bundle, self._snapshots.load()))

    def _check_ratings(self, ratings: Mapping[str, float]) -> None:
        check_range("ratings", len(ratings), 0, MAX_RATINGS)
        catalogue = self._snapshots.movies()
        for movie_id, rating in ratings.items():
            _find(catalogue, movie_id)
            check_rating(rating, self._scale.current)

    def _asked(self, expectations: Sequence[Expectation]) -> list[dict[str, Any]]:
        """Expectations as JSON; refuses movies that the catalogue lacks, and what can't hold."""
        if not expectations:
            raise InvalidInput("Add at least one expectation.", field="expectations")
        check_range("expectations", len(expectations), 1, MAX_EXPECTATIONS)
        catalogue = self._snapshots.movies()
        for one in expectations:
            if isinstance(one, Kept):
                check_range("at_least", one.at_least, 1, one.first)
                continue
            _find(catalogue, one.movie_id)
            if isinstance(one, Predicted):
                if self._scale.current.are_preferences:
                    told = "A store of preferences predicts no ratings. Expect a place in the list instead."
                    raise InvalidInput(told, field="expectations")
                check_rating(one.rating, self._scale.current)
        return [one.model_dump() for one in expectations]

    def _shown(self, record: GoldenRecord) -> Pinned:
        expectations, catalogue = EXPECTATIONS.validate_python(record.expectations), self._snapshots.movies()

        def title(movie_id: str) -> str:
            found = _movie(catalogue, movie_id)
            return f"movie {movie_id}" if found is None else found.title

        return Pinned(
            record.golden_id,
            record.name,
            record.user_id,
            record.ratings,
            tuple(expectations),
            tuple(in_words(one, title) for one in expectations),
            record.created_at,
            record.created_by,
        )


def _person(record: GoldenRecord) -> GoldenPerson:
    return GoldenPerson(
        record.golden_id,
        record.name,
        record.user_id,
        record.ratings,
        EXPECTATIONS.validate_python(record.expectations),
    )


def _movie(catalogue: tuple[IdIndex, MovieTable], movie_id: str) -> Movie | None:
    """A movie of the catalogue; None where it lacks one of this id."""
    ids, movies = catalogue
    key = ids.index(movie_id)
    return None if key < 0 or movies.removed[key] else movies.movie(key, movie_id)


def _find(catalogue: tuple[IdIndex, MovieTable], movie_id: str) -> Movie:
    found = _movie(catalogue, movie_id)
    if found is None:
        raise UnknownMovie(f"The catalogue has no movie {movie_id!r}.")
    return found

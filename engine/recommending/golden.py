"""Golden people: what the lists and predictions of chosen people, real or made up, must keep in every version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, assert_never

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from engine.data.history import UNKNOWN, History
from engine.recommending.lists import ListOptions
from engine.recommending.state import Listener, ServingState
from engine.words import counted

MAX_PLACES = 1000
MAX_EXPECTATIONS = 50

MovieId = Annotated[str, Field(min_length=1, max_length=200, description="A movie in the catalogue.")]
Places = Annotated[int, Field(ge=1, le=MAX_PLACES, description="Number of places, from the first.")]


class _Expectation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Listed(_Expectation):
    """The movie must be in the first places of the list."""

    kind: Literal["listed"] = "listed"
    movie_id: MovieId
    first: Places = 20


class Unlisted(_Expectation):
    """The movie must not be in the first places of the list."""

    kind: Literal["unlisted"] = "unlisted"
    movie_id: MovieId
    first: Places = 20


class Kept(_Expectation):
    """At least this many of the first movies in the active version's list must stay among the first."""

    kind: Literal["kept"] = "kept"
    at_least: Places = 6
    first: Places = 10


class Predicted(_Expectation):
    """The predicted rating of the movie must be above, or below, a rating."""

    kind: Literal["predicted"] = "predicted"
    movie_id: MovieId
    side: Literal["above", "below"] = "above"
    rating: float = Field(allow_inf_nan=False, description="Within the rating scale.")


Expectation = Annotated[Listed | Unlisted | Kept | Predicted, Field(discriminator="kind")]
EXPECTATIONS: TypeAdapter[list[Expectation]] = TypeAdapter(list[Expectation])


@dataclass(frozen=True, slots=True)
class GoldenPerson:
    """Somebody whose lists are checked in each new version.

    Attributes:
        golden_id: their number.
        name: what the person stands for.
        user_id: a user of the store; None for somebody made up.
        ratings: of somebody made up, by movie id.
        expectations: at least one.
    """

    golden_id: int
    name: str
    user_id: str | None
    ratings: Mapping[str, float]
    expectations: Sequence[Expectation]


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation of a version: what was expected, what was found, and whether it holds."""

    expected: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class GoldenResult:
    """A golden person in one version.

    Stored with the version's training, so it names nobody's id: it stays when the person is deleted.

    Attributes:
        golden_id, name: of the person.
        findings: one for each expectation.
    """

    golden_id: int
    name: str
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> list[Finding]:
        """The expectations that do not hold."""
        return [one for one in self.findings if not one.holds]


def check_person(person: GoldenPerson, new: ServingState, active: ServingState | None) -> GoldenResult:
    """Check a version against what is expected for one person.

    Args:
        person: the person.
        new: the version.
        active: the version that serves; None while none does, and then nothing has to be kept.
    """
    ours = _listen(person, new)
    theirs = None if active is None else _listen(person, active)
    listed: list[str] | None = None  # made once, if at all
    findings = []
    for one in person.expectations:
        match one:
            case Listed() | Unlisted():
                listed = _list(new, ours, MAX_PLACES) if listed is None else listed
                findings.append(_check_place(one, new, ours, listed))
            case Kept():
                findings.append(_check_kept(one, new, ours, active, theirs))
            case Predicted():
                findings.append(_check_predicted(one, new, ours))
            case _:
                assert_never(one)
    return GoldenResult(person.golden_id, person.name, tuple(findings))


def in_words(one: Expectation, title: Callable[[str], str]) -> str:
    """What is expected, as a phrase; ``title`` gives that of a movie id."""
    match one:
        case Listed():
            return f"{title(one.movie_id)} in the first {one.first}"
        case Unlisted():
            return f"{title(one.movie_id)} not in the first {one.first}"
        case Kept():
            return f"at least {one.at_least} of the first {counted(one.first, 'movie')} stay"
        case Predicted():
            return f"{title(one.movie_id)} predicted {one.side} {one.rating:g}"
        case _:
            assert_never(one)


def tell_broken(results: Sequence[GoldenResult]) -> str:
    """The broken expectations in a sentence; empty where all hold."""
    broken = [(result.name, one) for result in results for one in result.broken]
    return "; ".join(f"{name}: {one.expected}, but {one.found}" for name, one in broken)


def _listen(person: GoldenPerson, state: ServingState) -> Listener:
    """The person as the version sees them. Ratings of movies that the catalogue lacks now are left out."""
    if person.user_id is not None:
        return state.listen(person.user_id)
    history = History.of(np.empty(0, np.int32), np.empty(0, np.float32))
    for movie_id, rating in person.ratings.items():
        if movie_id in state.movies:
            history = history.with_rating(state.movies[movie_id], rating, UNKNOWN)
    return state.listen_to(state.learner.imagine(history), known=bool(len(history)))


def _list(state: ServingState, person: Listener, places: int) -> list[str]:
    """Movie ids of the list, best first."""
    made = state.list_of(person, ListOptions(places))
    return [state.movie(movie).movie_id for movie in made.movies.tolist()]


def _expected(one: Expectation, state: ServingState) -> str:
    movies = state.movies
    return in_words(one, lambda name: state.movie(movies[name]).title if name in movies else f"movie {name}")


def _check_place(one: Listed | Unlisted, state: ServingState, person: Listener, listed: list[str]) -> Finding:
    inside, expected = isinstance(one, Listed), _expected(one, state)
    if one.movie_id not in state.movies:
        return Finding(expected, "the catalogue has no such movie", not inside)
    if state.movies[one.movie_id] in person.state.items:
        return Finding(expected, "they have rated it, so it is not listed", not inside)
    place = listed.index(one.movie_id) + 1 if one.movie_id in listed else None
    found = f"it is not in the first {MAX_PLACES:,}" if place is None else f"it is number {place}"
    return Finding(expected, found, (place is not None and place <= one.first) == inside)


def _check_kept(
    one: Kept, new: ServingState, ours: Listener, active: ServingState | None, theirs: Listener | None
) -> Finding:
    expected = _expected(one, new)
    if active is None or theirs is None:
        return Finding(expected, "no version was active", True)
    drop = np.union1d(ours.state.items, theirs.state.items).astype(np.int32)
    lists = [
        {state.movie(movie).movie_id for movie in state.make_list(who, ListOptions(one.first), drop).movies.tolist()}
        for state, who in ((new, ours), (active, theirs))
    ]
    kept, before = len(lists[0] & lists[1]), len(lists[1])
    return Finding(expected, f"{kept} of {before} stay", kept >= min(one.at_least, before))


def _check_predicted(one: Predicted, state: ServingState, person: Listener) -> Finding:
    expected = _expected(one, state)
    if one.movie_id not in state.movies:
        return Finding(expected, "the catalogue has no such movie", False)
    value = float(person.state.predict(np.array([state.movies[one.movie_id]], np.int32))[0])
    return Finding(expected, f"it is {value:.2f}", value > one.rating if one.side == "above" else value < one.rating)

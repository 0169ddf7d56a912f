"""Golden people: whose lists and predictions every new version is checked for."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from engine.errors import UnknownGoldenPerson, UnknownMovie, UnknownUser, UnknownVersion, VersionUnavailable
from engine.recommending.golden import MAX_EXPECTATIONS, Expectation, GoldenResult
from engine.services import current
from engine.services.golden import MAX_NAME, MAX_RATINGS, Pinned
from sidecar.http.identifiers import Identifier
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import ACTOR, Body, BodyUser, GoldenNumber, RatingValue, VersionNumber, example

router = APIRouter(prefix="/ml", tags=["models"], route_class=StrictRoute)


class GoldenPeople(BaseModel):
    """Golden people, in the order in which they were pinned."""

    people: list[Pinned]


class PinRequest(Body):
    """The person to pin, and what every version must give them."""

    model_config = example(
        name="Lover of crime films",
        ratings={"318": 5.0, "296": 4.5},
        expectations=[
            {"kind": "listed", "movie_id": "858", "first": 20},
            {"kind": "kept", "at_least": 6, "first": 10},
        ],
    )

    name: str = Field(
        min_length=1,
        max_length=MAX_NAME,
        description="What the person stands for. Verdicts repeat it and are kept when a user is erased, so it can't "
        "contain the user's ID.",
    )
    user_id: BodyUser | None = Field(None, description="A user with ratings; omit it for somebody made up.")
    ratings: dict[Identifier, RatingValue] = Field(
        {}, max_length=MAX_RATINGS, description="The ratings of somebody made up, by movie ID."
    )
    expectations: list[Expectation] = Field(min_length=1, max_length=MAX_EXPECTATIONS)


class ExpectRequest(Body):
    """What every version must give a golden person from now on."""

    model_config = example(expectations=[{"kind": "listed", "movie_id": "858", "first": 10}])

    expectations: list[Expectation] = Field(min_length=1, max_length=MAX_EXPECTATIONS)


class GoldenCheck(BaseModel):
    """What golden people get from a version."""

    version: int
    holds: bool = Field(description="Whether every expectation holds.")
    people: list[GoldenResult]


# All of these use the store, so they run in the thread pool and not on the event loop.
@router.get("/golden")
def golden_people() -> GoldenPeople:
    """List the golden people.

    Each new version is checked against their expectations before its verdict, and a broken one holds it back.
    """
    return GoldenPeople(people=current().golden.people())


@router.post("/golden", status_code=201, openapi_extra=raises(UnknownUser, UnknownMovie))
def pin_golden_person(body: PinRequest) -> Pinned:
    """Pin a golden person.

    A user with their ratings as they are at each check, or somebody made up. `listed` and `unlisted` name a movie that
    must, or must not, be in the first places of the list; `kept` says how many of the first movies of the active
    version's list must stay; `predicted` sets a limit for a predicted rating.
    """
    return current().golden.pin(body.name, body.expectations, user_id=body.user_id, ratings=body.ratings, actor=ACTOR)


@router.patch("/golden/{golden_id}", openapi_extra=raises(UnknownGoldenPerson, UnknownMovie))
def expect_of_golden_person(golden_id: GoldenNumber, body: ExpectRequest) -> Pinned:
    """Change what is expected for a golden person.

    The expectations take the place of all that there were. Verdicts stay as they are.
    """
    return current().golden.expect(golden_id, body.expectations)


@router.delete("/golden/{golden_id}", openapi_extra=raises(UnknownGoldenPerson))
def unpin_golden_person(golden_id: GoldenNumber) -> Pinned:
    """Unpin a golden person.

    Later versions are no longer checked for them. Verdicts stay as they are.
    """
    return current().golden.unpin(golden_id)


@router.get("/models/{version}/golden", openapi_extra=raises(UnknownVersion, VersionUnavailable))
def check_golden_people(version: VersionNumber) -> GoldenCheck:
    """Check a version against what golden people expect.

    With the current ratings, and the list of the active version as the one to keep. Loads the version, so it takes a
    second or more.
    """
    services = current()
    found = services.golden.check(services.versions.bundle(version))
    return GoldenCheck(version=version, holds=not any(one.broken for one in found), people=list(found))

"""Lists and predictions from the active version."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from engine.errors import InvalidRating, NotReady, UnknownMovie
from engine.recommending.lists import ListOptions, Predictions, RankBy, Recommendations
from engine.services import current
from sidecar.http.identifiers import Identifier, PathIdentifier, plain_text
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers

router = APIRouter(prefix="/ml", tags=["recommendations"], route_class=StrictRoute)

MAX_PAIRS = 10_000
QUICK_LIST = 100
INTERVAL = [3.4, 5.0]

UserId = Annotated[PathIdentifier, Path(description="The user; a slash in an id is written %2F.", examples=["42"])]


Genre = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(plain_text)]
Genres = Annotated[
    list[Genre],
    Field(
        max_length=50,
        description="Genres the user says they like; repeat the parameter for several. They count as far as the list "
        "follows popularity, so less with each rating.",
        examples=[["Drama"]],
    ),
]


class ListRequest(BaseModel):
    """How a list is made; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    n: int = Field(10, ge=1, le=1000, description="The most movies to list.", examples=[10])
    genre: Genre | None = Field(None, description="Only movies of this genre.", examples=["Drama"])
    year_from: int | None = Field(
        None, ge=1800, le=2200, description="Only movies of this year or later.", examples=[1990]
    )
    exclude: list[PathIdentifier] = Field(
        [], max_length=500, description="Movies to leave out; repeat the parameter for several.", examples=[["318"]]
    )
    diversity: float = Field(
        0.0, ge=0, le=1, allow_inf_nan=False, description="From 0 (the best scores) to 1 (as varied as can be)."
    )
    rank_by: RankBy = Field("ranker", description="Order by the ranker's score, or by the predicted rating.")
    genres_liked: Genres = []
    include_rated: bool = Field(False, description="Whether movies that the user has rated may be listed too.")

    def options(self) -> ListOptions:
        """The same for the service."""
        wanted = {name: getattr(self, name) for name in ListRequest.model_fields}
        return ListOptions(**wanted)


class ListByQuery(ListRequest):
    """The same with the user."""

    user_id: PathIdentifier = Field(description="The user.", examples=["42"])


class ListBody(ListRequest):
    """The same in a JSON body."""

    model_config = ConfigDict(strict=True)

    exclude: list[Identifier] = Field([], max_length=500, description="Movies to leave out.", examples=[["318"]])


class GivenRating(BaseModel):
    """A rating that is not stored."""

    model_config = ConfigDict(strict=True, extra="forbid")

    movie_id: Identifier = Field(description="A movie of the catalogue.")
    rating: Annotated[float, Field(allow_inf_nan=False)] = Field(description="Inside the rating scale.")


class AnonymousRequest(ListBody):
    """What somebody has rated, and how their list is to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"ratings": [{"movie_id": "527", "rating": 5.0}], "genres_liked": ["Drama"], "n": 10}]
        },
    )

    ratings: list[GivenRating] = Field(
        max_length=10_000, description="At most 10,000; of two of the same movie the later counts."
    )


LISTED = {
    "user_id": "42",
    "status": "personal",
    "reason": "Ranked by 57 ratings of this user.",
    "model_version": 3,
    "data_age_s": 5400.0,
    "latency_ms": 1.9,
    "ratings_count": 57,
    "items": [
        {
            "rank": 1,
            "movie_id": "318",
            "title": "The Shawshank Redemption",
            "year": 1994,
            "genres": ["Crime", "Drama"],
            "score": 0.93,
            "predicted_rating": 4.4,
            "interval": INTERVAL,
            "confidence": 0.64,
            "rated": None,
        }
    ],
    "price": None,
}


_LIST_ANSWERS = answers(LISTED, PARAMETERS, NotReady)


@router.get("/recommendations/{user_id:path}", responses=_LIST_ANSWERS)
async def recommend(user_id: UserId, asked: Annotated[ListRequest, Query()]) -> Recommendations:
    """Recommend movies to a user.

    Distinct movies the user has not rated, best first. `status` says how personal the list is: a user with few ratings
    gets a blended list, anyone else what is popular, each with its `reason`. With `diversity` above 0, `price` says
    what it costs against the list of the best scores. `data_age_s` is null where no time of a rating is known.
    """
    return await _recommend(user_id, asked)


@router.get("/recommendations", responses=_LIST_ANSWERS)
async def recommend_by_query(asked: Annotated[ListByQuery, Query()]) -> Recommendations:
    """Recommend movies to a user, with the id as a query parameter.

    The same answer, for ids that a path can't hold: those with a part `..`, or with slashes behind a proxy that
    rewrites %2F.
    """
    return await _recommend(asked.user_id, asked)


async def _recommend(user_id: str, asked: ListRequest) -> Recommendations:
    wanted = {name: getattr(asked, name) for name in ListRequest.model_fields}
    make = partial(current().recommendations.recommend, user_id, wanted.pop("n"), **wanted)
    # A usual list is 1 to 3 ms of work in memory that waits for nothing. Made on the event loop it needs no change of
    # threads, each of which waits for the interpreter while a model trains: at 100 requests a second beside a training
    # network p99 was 6 ms here and 8 to 29 ms by the thread pool. Long lists and varied ones may take longer than the
    # loop should be held.
    if asked.n <= QUICK_LIST and asked.diversity == 0:
        return make()
    return await run_in_threadpool(make)


# Not async: to fold thousands of ratings in, or to make a long list, would hold the event loop too long.
@router.post(
    "/recommendations",
    responses=answers(LISTED | {"user_id": ""}, CHANGING, JSON_BODY, InvalidRating, UnknownMovie, NotReady),
)
def recommend_to_anybody(body: AnonymousRequest) -> Recommendations:
    """Recommend to somebody who is not stored.

    A list out of the ratings in the body, as a user with these ratings would get it. Nothing is kept; `user_id` is
    empty.
    """
    return current().recommendations.recommend_to({one.movie_id: one.rating for one in body.ratings}, body.options())


class Pair(BaseModel):
    """A user and a movie."""

    model_config = ConfigDict(strict=True, extra="forbid")

    user_id: Identifier = Field(description="The user; may be unknown.")
    movie_id: Identifier = Field(description="The movie; may be unknown.")


class PredictRequest(BaseModel):
    """The pairs to predict."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "examples": [{"pairs": [{"user_id": "42", "movie_id": "318"}, {"user_id": "42", "movie_id": "296"}]}]
        },
    )

    pairs: list[Pair] = Field(min_length=1, max_length=MAX_PAIRS, description="1 to 10,000 pairs.")


PREDICTED = {
    "model_version": 3,
    "predictions": [
        {"user_id": "42", "movie_id": "318", "predicted_rating": 4.4, "interval": INTERVAL, "fallback": None},
        {
            "user_id": "42",
            "movie_id": "296",
            "predicted_rating": 3.7,
            "interval": [2.1, 5.0],
            "fallback": "The movie had no ratings when this version was trained.",
        },
    ],
}


# Not async: 10,000 pairs would hold the event loop too long.
@router.post("/predict", responses=answers(PREDICTED, CHANGING, JSON_BODY, NotReady))
def predict(body: PredictRequest) -> Predictions:
    """Predict ratings.

    One predicted rating per pair, in the order asked for, inside the rating scale. An unknown user or movie does not
    fail: `fallback` says what was unknown.
    """
    return current().recommendations.predict([(pair.user_id, pair.movie_id) for pair in body.pairs])

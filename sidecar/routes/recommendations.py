"""Recommendation lists and rating predictions from the active version."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from engine.errors import InvalidRating, UnknownMovie
from engine.recommending.lists import ListOptions, Predictions, RankBy, Recommendations
from engine.services import current
from sidecar.http.identifiers import Identifier, PathIdentifier, plain_text
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import Body, BodyMovie, Parameters, PathUser, QueryUser, RatingValue, by_query, example

router = APIRouter(prefix="/ml", tags=["recommendations"], route_class=StrictRoute)

MAX_PAIRS = MAX_RATINGS = 10_000
QUICK_LIST = 100

Genre = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(plain_text)]
Genres = Annotated[
    list[Genre],
    Field(
        max_length=50,
        description="Genres that the user says they like. They influence the popular part of the list, so less with "
        "each rating.",
        examples=[["Drama"]],
    ),
]


class ListRequest(Parameters):
    """Options of a list."""

    n: int = Field(10, ge=1, le=1000, description="Maximum number of movies.", examples=[10])
    genre: Genre | None = Field(None, description="Only movies of this genre.", examples=["Drama"])
    year_from: int | None = Field(None, ge=1800, le=2200, description="Only movies from this year on.", examples=[1990])
    exclude: list[PathIdentifier] = Field([], max_length=500, description="Movies to leave out.", examples=[["318"]])
    diversity: float = Field(
        0.0, ge=0, le=1, allow_inf_nan=False, description="From 0 (best scores) to 1 (most varied)."
    )
    rank_by: RankBy = Field("ranker", description="Order by the ranker's score or by the predicted rating.")
    genres_liked: Genres = Field([])
    include_rated: bool = Field(
        False, description="Include movies that the user has rated, with the rating in `rated`."
    )

    def options(self) -> ListOptions:
        """The options for the service."""
        return ListOptions(**{name: getattr(self, name) for name in ListRequest.model_fields})


class ListByQuery(ListRequest):
    """The same, with the user."""

    user_id: QueryUser


class ListBody(ListRequest):
    """The same, in a JSON body."""

    model_config = ConfigDict(strict=True)

    exclude: list[Identifier] = Field([], max_length=500, description="Movies to leave out.", examples=[["318"]])


class GivenRating(Body):
    """A rating that is not stored."""

    movie_id: BodyMovie
    rating: RatingValue


class AnonymousRequest(ListBody):
    """Ratings, and the options of a list."""

    model_config = example(ratings=[{"movie_id": "527", "rating": 5.0}], genres_liked=["Drama"], n=10)

    ratings: list[GivenRating] = Field(
        max_length=MAX_RATINGS, description="Up to 10,000 ratings; for the same movie the last one counts."
    )


@router.get("/recommendations/{user_id:path}")
async def recommend(user_id: PathUser, asked: Annotated[ListRequest, Query()]) -> Recommendations:
    """Recommend movies to a user.

    Returns distinct movies that the user has not rated, best first. `status` says how personal the list is: users with
    few ratings get a blended list, others popular movies, each with a `reason`. With `diversity` above 0, `price` says
    what it costs compared with the best scores. `data_age_s` is null if no rating has a time.
    """
    return await _recommend(user_id, asked)


@router.get("/recommendations", description=by_query("Recommend movies to a user"))
async def recommend_by_query(asked: Annotated[ListByQuery, Query()]) -> Recommendations:
    """Recommend movies to a user."""
    return await _recommend(asked.user_id, asked)


async def _recommend(user_id: str, asked: ListRequest) -> Recommendations:
    wanted = {name: getattr(asked, name) for name in ListRequest.model_fields}
    make = partial(current().recommendations.recommend, user_id, wanted.pop("n"), **wanted)
    # A typical list is 1 to 3 ms of work in memory that waits for nothing. Made on the event loop it needs no change of
    # threads, each of which waits for the interpreter while a model trains: at 100 requests a second beside a training
    # network, p99 was 6 ms here and 8 to 29 ms with the thread pool. Long or varied lists may take longer than the loop
    # should be blocked.
    if asked.n <= QUICK_LIST and asked.diversity == 0:
        return make()
    return await run_in_threadpool(make)


# Not async: folding in thousands of ratings, or making a long list, would block the event loop too long.
@router.post("/recommendations", openapi_extra=raises(InvalidRating, UnknownMovie))
def recommend_to_anybody(body: AnonymousRequest) -> Recommendations:
    """Recommend movies for ratings that are not stored.

    Returns the list that a user with these ratings would get. Nothing is stored; `user_id` is empty.
    """
    return current().recommendations.recommend_to({one.movie_id: one.rating for one in body.ratings}, body.options())


class Pair(Body):
    """A user and a movie."""

    user_id: Identifier = Field(description="The user; may be unknown.")
    movie_id: Identifier = Field(description="The movie; may be unknown.")


class PredictRequest(Body):
    """Pairs of users and movies."""

    model_config = example(pairs=[{"user_id": "42", "movie_id": "318"}, {"user_id": "42", "movie_id": "296"}])

    pairs: list[Pair] = Field(min_length=1, max_length=MAX_PAIRS, description="1 to 10,000 pairs.")


# Not async: 10,000 pairs would block the event loop too long.
@router.post("/predict")
def predict(body: PredictRequest) -> Predictions:
    """Predict ratings.

    Returns one predicted rating per pair, in the same order, within the rating scale. Unknown users and movies are not
    errors: `fallback` says what was unknown.
    """
    return current().recommendations.predict([(pair.user_id, pair.movie_id) for pair in body.pairs])

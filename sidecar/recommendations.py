"""Lists, predictions and explanations from the active version."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from engine.errors import NotReady, UnknownMovie
from engine.services import current
from engine.types import Explanation, Predictions, RankBy, Recommendations
from sidecar.answers import CHANGING, JSON_BODY, PARAMETERS, answers
from sidecar.identifiers import Identifier, PathIdentifier, id_text, plain_text
from sidecar.requests import StrictRoute

router = APIRouter(prefix="/ml", tags=["recommendations"], route_class=StrictRoute)

MAX_PAIRS = 10_000
QUICK_LIST = 100
INTERVAL = [3.4, 5.0]

UserId = Annotated[PathIdentifier, Path(description="The user; a slash in an id is written %2F.", examples=["42"])]


class ListRequest(BaseModel):
    """How a list is made; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    n: int = Field(10, ge=1, le=1000, description="The most movies to list.", examples=[10])
    genre: Annotated[str, AfterValidator(plain_text)] | None = Field(
        None, min_length=1, max_length=100, description="Only movies of this genre.", examples=["Drama"]
    )
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
        }
    ],
    "price": None,
}


@router.get("/recommendations/{user_id:path}", responses=answers(LISTED, PARAMETERS, NotReady))
async def recommend(user_id: UserId, asked: Annotated[ListRequest, Query()]) -> Recommendations:
    """Recommend movies to a user.

    Distinct movies the user has not rated, best first. `status` says how personal the list is: a user with few ratings
    gets a blended list, anyone else what is popular, each with its `reason`. With `diversity` above 0, `price` says
    what it costs against the list of the best scores.
    """
    make = partial(
        current().serving.recommend,
        user_id,
        asked.n,
        genre=asked.genre,
        year_from=asked.year_from,
        exclude=tuple(asked.exclude),
        diversity=asked.diversity,
        rank_by=asked.rank_by,
    )
    # A usual list is 1 to 3 ms of work in memory that waits for nothing. Made on the event loop it needs no change of
    # threads, each of which waits for the interpreter while a model trains: at 100 requests a second beside a training
    # network p99 was 6 ms here and 8 to 29 ms by the thread pool. Long lists and varied ones may take longer than the
    # loop should be held.
    if asked.n <= QUICK_LIST and asked.diversity == 0:
        return make()
    return await run_in_threadpool(make)


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


# Not async, and the explanations below neither: 10,000 pairs, or a search for similar users in large data, would hold
# the event loop too long.
@router.post("/predict", responses=answers(PREDICTED, CHANGING, JSON_BODY, NotReady))
def predict(body: PredictRequest) -> Predictions:
    """Predict ratings.

    One predicted rating per pair, in the order asked for, inside the rating scale. An unknown user or movie does not
    fail: `fallback` says what was unknown.
    """
    return current().serving.predict([(pair.user_id, pair.movie_id) for pair in body.pairs])


EXPLAINED: dict[str, Any] = {
    "user_id": "42",
    "movie_id": "318",
    "title": "The Shawshank Redemption",
    "status": "personal",
    "score": 0.93,
    "baseline": 0.0,
    "contributions": [
        {"movie_id": "527", "title": "Schindler's List", "rating": 5.0, "share": 0.61},
        {"movie_id": "296", "title": "Pulp Fiction", "rating": 4.0, "share": 0.32},
    ],
    "residual": 0.0,
    "predicted_rating": 4.4,
    "interval": INTERVAL,
    "similar_rated_movies": [{"movie_id": "527", "title": "Schindler's List", "rating": 5.0, "similarity": 0.71}],
    "genre_match": {"score": 0.4, "genres": [["Crime", 0.5, 12], ["Drama", 0.3, 31]]},
    "similar_users": [{"user_id": "7", "rating": 5.0, "similarity": 0.66}],
    "text": "Because you rated Schindler's List 5 and Pulp Fiction 4.",
    "model_version": 3,
}


PathUser = Annotated[str, Path(description="The user; a slash in an id is written %2F.", examples=["42"])]
PathMovie = Annotated[str, Path(description="The movie; a slash in an id is written %2F.", examples=["318"])]


def pair_in_path(request: Request, user_id: PathUser, movie_id: PathMovie) -> tuple[str, str]:  # noqa: ARG001
    """The two ids of a path below ``/ml/explain``; the parameters are there for the API's description."""
    return ids_in_path(request, ("ml", "explain"), ", or ask /ml/explain?user_id=...&movie_id=...")


def ids_in_path(request: Request, below: tuple[str, ...], otherwise: str = ".") -> tuple[str, str]:
    """The user's and the movie's id, taken from the path as it was sent.

    Routing sees the decoded path, in which a slash of an id can't be told from the one between the ids.

    Raises:
        RequestValidationError: there are not two, or one of them can't be an id.
    """
    sent = request.scope.get("raw_path")
    raw = sent.decode("ascii", "replace") if sent is not None else quote(request.scope["path"])
    ids = raw.split("/")[len(request.scope.get("root_path", "").split("/")) + len(below) :]
    if len(ids) != 2:
        message = f"Two ids are expected. Write a slash inside an id as %2F{otherwise}"
        raise RequestValidationError([{"type": "value_error", "loc": ("path", "user_id"), "msg": message}])
    return _path_id("user_id", ids[0]), _path_id("movie_id", ids[1])


def _path_id(name: str, raw: str) -> str:
    try:
        return id_text(unquote(raw))
    except ValueError as error:
        fault = {"type": "value_error", "loc": ("path", name), "msg": str(error)}
        raise RequestValidationError([fault]) from error


class ExplainRequest(BaseModel):
    """Which recommendation to explain; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    user_id: PathIdentifier = Field(description="The user.", examples=["42"])
    movie_id: PathIdentifier = Field(description="The movie.", examples=["318"])


_EXPLAIN_ANSWERS = answers(EXPLAINED, PARAMETERS, UnknownMovie, NotReady)


@router.get("/explain/{user_id:path}/{movie_id:path}", responses=_EXPLAIN_ANSWERS)
def explain(pair: Annotated[tuple[str, str], Depends(pair_in_path)]) -> Explanation:
    """Explain a recommendation.

    The exact share of each past rating in the movie's score (`baseline` + the shares + `residual` = `score`), and what
    supports it: similar movies the user rated, the user's taste in its genres, similar users who rated it. Each entry
    of `genre_match.genres` is a genre, how far the user rates it above their own mean, and from how many ratings.
    """
    return current().serving.explain(*pair)


@router.get("/explain", responses=_EXPLAIN_ANSWERS)
def explain_by_query(asked: Annotated[ExplainRequest, Query()]) -> Explanation:
    """Explain a recommendation, with the ids as query parameters.

    The same answer, for ids with slashes behind a proxy that rewrites %2F in paths.
    """
    return current().serving.explain(asked.user_id, asked.movie_id)

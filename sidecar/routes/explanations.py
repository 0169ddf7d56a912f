"""Why a movie is recommended, and what other ratings would recommend."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from engine.errors import InvalidRating, NotReady, UnknownMovie
from engine.recommending.explanations import Explanation, SimilarMovies
from engine.recommending.lists import WhatIf
from engine.services import current
from sidecar.http.identifiers import Identifier, PathIdentifier, id_text
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers
from sidecar.routes.recommendations import INTERVAL, Genres, ListBody

router = APIRouter(prefix="/ml", tags=["recommendations"], route_class=StrictRoute)

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
    "by_neighbours": False,
    "predicted_rating": 4.4,
    "interval": INTERVAL,
    "rating": {
        "predicted_rating": 4.4,
        "baseline": 4.2,
        "contributions": [
            {"movie_id": "527", "title": "Schindler's List", "rating": 5.0, "share": 0.06},
            {"movie_id": "296", "title": "Pulp Fiction", "rating": 4.0, "share": -0.02},
        ],
        "residual": 0.16,
        "level": 0.1,
        "together": 0.04,
        "learned": 0.02,
        "clipped": 0.0,
        "method": "exact",
    },
    "similar_rated_movies": [{"movie_id": "527", "title": "Schindler's List", "rating": 5.0, "similarity": 0.71}],
    "genre_match": {"score": 0.4, "genres": [["Crime", 0.5, 12], ["Drama", 0.3, 31]]},
    "similar_users": [{"user_id": "7", "rating": 5.0, "similarity": 0.66}],
    "text": "It rests on the rating of Schindler's List (5): 66% of its score. Expected rating: 4.4, 0.2 above what "
    "anybody would be told of it. Without the rating of Schindler's List (5) it would be 0.06 lower.",
    "model_version": 3,
    "genres_liked": [],
}


MOST_CHANGES = 1000
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


class PairRequest(BaseModel):
    """A user and a movie; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    user_id: PathIdentifier = Field(description="The user.", examples=["42"])
    movie_id: PathIdentifier = Field(description="The movie.", examples=["318"])


class ExplainRequest(PairRequest):
    """Which recommendation to explain; each field is a query parameter."""

    genres_liked: Genres = []


_EXPLAIN_ANSWERS = answers(EXPLAINED, PARAMETERS, UnknownMovie, NotReady)


# Not async, none of these: to leave out each of a thousand ratings, or to search for similar users in large data, would
# hold the event loop too long.
@router.get("/explain/{user_id:path}/{movie_id:path}", responses=_EXPLAIN_ANSWERS)
def explain(
    pair: Annotated[tuple[str, str], Depends(pair_in_path)],
    genres_liked: Annotated[Genres, Query(default_factory=list)],
) -> Explanation:
    """Explain a recommendation.

    The exact share of each past rating in the movie's score (`baseline` + the shares + `residual` = `score`), and what
    supports it: similar movies the user rated, the user's taste in its genres, similar users who rated it. Each entry
    of `genre_match.genres` is a genre, how far the user rates it above their own mean, and from how many ratings.
    `genres_liked` names those of the movie's genres that the list was asked for with; they raise its `baseline`.

    `rating` takes the predicted rating apart likewise: a share there is by how much it would be lower without that one
    rating. Its `residual` has four parts: how much higher the user rates than others in general (`level`), what else
    the ratings say `together` beyond what each says alone, what training had `learned` of the user otherwise, and what
    the ends of the scale `clipped`.
    """
    return current().recommendations.explain(*pair, genres_liked)


@router.get("/explain", responses=_EXPLAIN_ANSWERS)
def explain_by_query(asked: Annotated[ExplainRequest, Query()]) -> Explanation:
    """Explain a recommendation, with the ids as query parameters.

    The same answer, for ids that a path can't hold: those with a part `..`, or with slashes behind a proxy that
    rewrites %2F.
    """
    return current().recommendations.explain(asked.user_id, asked.movie_id, asked.genres_liked)


class SimilarRequest(BaseModel):
    """How many similar movies; a query parameter."""

    model_config = ConfigDict(extra="forbid")

    n: int = Field(10, ge=1, le=1000, description="The most movies to list.", examples=[10])


class SimilarByQuery(SimilarRequest):
    """The same with the movie."""

    movie_id: PathIdentifier = Field(description="The movie.", examples=["318"])


ALIKE = {
    "movie": {"movie_id": "318", "title": "The Shawshank Redemption", "year": 1994, "genres": ["Crime", "Drama"]},
    "basis": "ratings",
    "items": [
        {
            "movie": {"movie_id": "527", "title": "Schindler's List", "year": 1993, "genres": ["Drama", "War"]},
            "similarity": 0.61,
        }
    ],
}

MovieId = Annotated[PathIdentifier, Path(description="The movie; a slash in an id is written %2F.", examples=["318"])]


_ALIKE_ANSWERS = answers(ALIKE, PARAMETERS, UnknownMovie, NotReady)


@router.get("/similar/{movie_id:path}", responses=_ALIKE_ANSWERS)
def similar(movie_id: MovieId, asked: Annotated[SimilarRequest, Query()]) -> SimilarMovies:
    """Find similar movies.

    The most alike first. `basis` says by what: `ratings`, the cosine of who rated both, and how highly, or `content`,
    genres and year, for a movie that nobody has rated.
    """
    return current().recommendations.similar(movie_id, asked.n)


@router.get("/similar", responses=_ALIKE_ANSWERS)
def similar_by_query(asked: Annotated[SimilarByQuery, Query()]) -> SimilarMovies:
    """Find similar movies, with the id as a query parameter.

    The same answer, for ids that a path can't hold: those with a part `..`, or with slashes behind a proxy that
    rewrites %2F.
    """
    return current().recommendations.similar(asked.movie_id, asked.n)


class ChangedRating(BaseModel):
    """A rating as it might be."""

    model_config = ConfigDict(strict=True, extra="forbid")

    movie_id: Identifier = Field(description="A movie of the catalogue.")
    rating: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="Inside the rating scale; null, or nothing, as if it had never been rated."
    )


class WhatIfRequest(ListBody):
    """Whose list, and which ratings are to be others."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "42",
                    "changes": [{"movie_id": "527", "rating": None}, {"movie_id": "296", "rating": 1.0}],
                    "n": 10,
                }
            ]
        },
    )

    user_id: Identifier = Field(description="The user.")
    changes: list[ChangedRating] = Field(max_length=MOST_CHANGES, description="At most 1,000 ratings, one a movie.")


IMAGINED = {
    "user_id": "42",
    "status": "personal",
    "reason": "Ordered by what 56 ratings say about this taste.",
    "model_version": 3,
    "ratings_count": 56,
    "items": [
        {
            "rank": 1,
            "movie": {
                "movie_id": "318",
                "title": "The Shawshank Redemption",
                "year": 1994,
                "genres": ["Crime", "Drama"],
            },
            "change": 4,
            "predicted_rating": 4.2,
            "predicted_before": 4.4,
        }
    ],
    "left": [{"movie_id": "593", "title": "The Silence of the Lambs", "year": 1991, "genres": ["Crime"]}],
}


@router.post("/what-if", responses=answers(IMAGINED, CHANGING, JSON_BODY, InvalidRating, UnknownMovie, NotReady))
def what_if(body: WhatIfRequest) -> WhatIf:
    """Imagine other ratings.

    The list that the user would get if some of their ratings were others, or had never been given. Nothing is kept.
    `change` says how many places a movie rises (+) or falls (-) against the list as it is, null where it is new; `left`
    are the movies that leave it. What the user has really rated stays out of both lists.
    """
    changes = {one.movie_id: one.rating for one in body.changes}
    return current().recommendations.what_if(body.user_id, changes, body.options())

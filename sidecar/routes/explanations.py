"""Explanations of recommendations, similar movies, and what-if lists."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from engine.errors import InvalidRating, UnknownMovie
from engine.recommending.explanations import Explanation, SimilarMovies
from engine.recommending.lists import WhatIf
from engine.services import current
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import (
    Body,
    BodyMovie,
    BodyUser,
    Parameters,
    PathMovie,
    QueryMovie,
    QueryUser,
    RatingValue,
    by_query,
    example,
)
from sidecar.routes.pairs import PairInPath
from sidecar.routes.recommendations import Genres, ListBody

router = APIRouter(prefix="/ml", tags=["recommendations"], route_class=StrictRoute)

MAX_CHANGES = 1000
LIKED = "The `genres_liked` that the list was requested with."
UNKNOWN = raises(UnknownMovie)


class ExplainRequest(Parameters):
    """Which recommendation to explain."""

    user_id: QueryUser
    movie_id: QueryMovie
    genres_liked: Genres = Field([], description=LIKED)


# None of these is async: leaving out each of a thousand ratings, or searching for similar users in large data, would
# block the event loop too long.
@router.get("/explain/{user_id:path}/{movie_id:path}", openapi_extra=UNKNOWN)
def explain(
    pair: Annotated[tuple[str, str], Depends(PairInPath("/ml/explain"))],
    genres_liked: Annotated[Genres, Query(default_factory=list, description=LIKED)],
) -> Explanation:
    """Explain a recommendation.

    Returns the exact share of each past rating in the movie's score (`baseline` + shares + `residual` = `score`), and
    supporting evidence: similar movies that the user rated, the user's taste in its genres, and similar users who rated
    it. Each entry of `genre_match.genres` is a genre, how far above their own mean the user rates it, and the number of
    ratings. `genres_liked` are the movie's genres among those that the list was requested with; they raise `baseline`.

    `rating` splits up the predicted rating in the same way: a share is how much lower the prediction would be without
    that one rating. Its `residual` has four parts: how much higher the user rates than others (`level`), what the
    ratings say `together` beyond what each says alone, what else training has `learned` about the user, and what was
    `clipped` at the ends of the scale.
    """
    return current().recommendations.explain(*pair, genres_liked)


@router.get("/explain", openapi_extra=UNKNOWN, description=by_query("Explain a recommendation"))
def explain_by_query(asked: Annotated[ExplainRequest, Query()]) -> Explanation:
    """Explain a recommendation."""
    return current().recommendations.explain(asked.user_id, asked.movie_id, asked.genres_liked)


class SimilarRequest(Parameters):
    """How many similar movies."""

    n: int = Field(10, ge=1, le=1000, description="Maximum number of movies.", examples=[10])


class SimilarByQuery(SimilarRequest):
    """The same, with the movie."""

    movie_id: QueryMovie


@router.get("/similar/{movie_id:path}", openapi_extra=UNKNOWN)
def similar(movie_id: PathMovie, asked: Annotated[SimilarRequest, Query()]) -> SimilarMovies:
    """Find similar movies.

    Most similar first. `basis` is `ratings` (cosine similarity of who rated both, and how highly) or, for movies
    without ratings, `content` (genres and year).
    """
    return current().recommendations.similar(movie_id, asked.n)


@router.get("/similar", openapi_extra=UNKNOWN, description=by_query("Find similar movies"))
def similar_by_query(asked: Annotated[SimilarByQuery, Query()]) -> SimilarMovies:
    """Find similar movies."""
    return current().recommendations.similar(asked.movie_id, asked.n)


class ChangedRating(Body):
    """A changed or removed rating."""

    movie_id: BodyMovie
    rating: RatingValue | None = Field(
        None, description="Within the rating scale; null or omitted to remove the rating."
    )


class WhatIfRequest(ListBody):
    """The user, and the ratings to change."""

    model_config = example(
        user_id="42", changes=[{"movie_id": "527", "rating": None}, {"movie_id": "296", "rating": 1.0}], n=10
    )

    user_id: BodyUser
    changes: list[ChangedRating] = Field(max_length=MAX_CHANGES, description="Up to 1,000 ratings, one per movie.")


@router.post("/what-if", openapi_extra=raises(InvalidRating, UnknownMovie))
def what_if(body: WhatIfRequest) -> WhatIf:
    """Try out other ratings.

    Returns the list that the user would get if some ratings were different or removed. Nothing is stored. `change` is
    how many places a movie rises (+) or falls (-) compared with the current list, null if it is new; `left` has the
    movies that drop out, also because the request rates them. Movies that the user has really rated appear in neither
    list.
    """
    changes = {one.movie_id: one.rating for one in body.changes}
    return current().recommendations.what_if(body.user_id, changes, body.options())

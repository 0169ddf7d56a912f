"""Ratings: add or remove one, and check how well updates without retraining hold up."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from engine.errors import InvalidRating, UnknownMovie, UnknownUser
from engine.services import current
from engine.services.ratings import RatingReceipt, RatingRemoval
from engine.training.drift import UpdateHealth
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import (
    Body,
    BodyMovie,
    BodyUser,
    Parameters,
    QueryMovie,
    QueryUser,
    RatingValue,
    by_query,
    example,
)
from sidecar.routes.pairs import PairInPath

router = APIRouter(tags=["ratings"], route_class=StrictRoute)

REMOVED = raises(UnknownUser, UnknownMovie)


class RatingRequest(Body):
    """A user's rating of a movie."""

    model_config = example(user_id="42", movie_id="318", rating=4.5)

    user_id: BodyUser
    movie_id: BodyMovie
    rating: RatingValue


class RatingByQuery(Parameters):
    """Which rating."""

    user_id: QueryUser
    movie_id: QueryMovie


# Not async: it waits for the disk, and the event loop has the console's WebSockets to serve meanwhile.
@router.post("/rate", openapi_extra=raises(InvalidRating, UnknownMovie))
def rate(body: RatingRequest) -> RatingReceipt:
    """Rate a movie.

    The rating is on disk before the response is sent, and the user's next list takes it into account without
    retraining. Rating the same movie again replaces the rating. An unknown user is added.
    """
    return current().ratings.rate(body.user_id, body.movie_id, body.rating)


@router.delete("/rate/{user_id:path}/{movie_id:path}", openapi_extra=REMOVED)
def unrate(pair: Annotated[tuple[str, str], Depends(PairInPath("/rate"))]) -> RatingRemoval:
    """Remove a rating.

    The removal is on disk before the response is sent, and the user's next list is made without the rating. Removing
    it again changes nothing: `previous_rating` is null if there was none. The store keeps what the rating was for as
    long as a stored version or a kept list was made from it, so that either can be made again; deleting the user
    erases it at once.
    """
    return current().ratings.unrate(*pair)


@router.delete("/rate", openapi_extra=REMOVED, description=by_query("Remove a rating"))
def unrate_by_query(asked: Annotated[RatingByQuery, Query()]) -> RatingRemoval:
    """Remove a rating."""
    return current().ratings.unrate(asked.user_id, asked.movie_id)


# Not async: it learns for a second or two.
@router.get("/ml/health-of-updates")
def health_of_updates() -> UpdateHealth:
    """Measure the drift of the active version.

    New ratings update the active version without retraining; this says when retraining is due. `rmse_gap` (rating
    units) and `top10_overlap` compare these updates with full retraining on newer held-out ratings, using a matrix
    factorization that stands in for the version, and a sample of users. Both are null if there are no newer ratings, as
    is `ratings_since` for versions of earlier releases. `advice` is `fine`, `retrain soon` (a gap of 1%, or 20% more
    ratings) or `retrain` (a gap of 3%); a gap over fewer than 100 `held_out_ratings` is ignored. The first response
    after a change of ratings takes a second or two.
    """
    return current().serving.health()

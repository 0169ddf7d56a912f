"""Rating a movie, taking a rating away, and how well what was folded in holds up."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from engine.errors import DiskFull, InvalidRating, NotReady, UnknownMovie, UnknownUser
from engine.services import current
from engine.services.ratings import RatingReceipt, RatingRemoval
from engine.training.drift import UpdateHealth
from sidecar.http.identifiers import Identifier
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers
from sidecar.routes.explanations import PairRequest, PathMovie, PathUser, ids_in_path

router = APIRouter(tags=["ratings"], route_class=StrictRoute)


class RatingRequest(BaseModel):
    """A user's rating of a movie."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"user_id": "42", "movie_id": "318", "rating": 4.5}]},
    )

    user_id: Identifier = Field(description="Who rates. A user Marquee has not met is created.")
    movie_id: Identifier = Field(description="A movie of the catalogue.")
    rating: Annotated[float, Field(allow_inf_nan=False)] = Field(description="Inside the rating scale.")


RATED = {
    "user_id": "42",
    "movie_id": "318",
    "rating": 4.5,
    "previous_rating": None,
    "predicted_before": 4.02,
    "predicted_after": 4.31,
    "embedding_updated": True,
    "update_ms": 2.4,
}


# Not async: it waits for the disk, and the event loop has the console's WebSockets to serve meanwhile.
@router.post("/rate", responses=answers(RATED, CHANGING, JSON_BODY, InvalidRating, UnknownMovie, NotReady, DiskFull))
def rate(body: RatingRequest) -> RatingReceipt:
    """Rate a movie.

    The rating is on disk when the answer arrives, and the user's next list knows it: no training is needed. Rating the
    same movie again replaces the rating.
    """
    return current().ratings.rate(body.user_id, body.movie_id, body.rating)


def rated_pair(request: Request, user_id: PathUser, movie_id: PathMovie) -> tuple[str, str]:  # noqa: ARG001
    """The two ids of a path below ``/rate``; the parameters are there for the API's description."""
    return ids_in_path(request, ("rate",), ", or ask /rate?user_id=...&movie_id=...")


REMOVED = {
    "user_id": "42",
    "movie_id": "318",
    "previous_rating": 4.5,
    "predicted_after": 4.02,
    "embedding_updated": True,
    "update_ms": 2.1,
}


_REMOVED_ANSWERS = answers(REMOVED, CHANGING, PARAMETERS, UnknownUser, UnknownMovie, NotReady, DiskFull)


@router.delete("/rate/{user_id:path}/{movie_id:path}", responses=_REMOVED_ANSWERS)
def unrate(pair: Annotated[tuple[str, str], Depends(rated_pair)]) -> RatingRemoval:
    """Take a rating away.

    It is gone from disk when the answer arrives, and the user's next list is made without it. Asking again changes
    nothing: `previous_rating` is null where there was none.
    """
    return current().ratings.unrate(*pair)


@router.delete("/rate", responses=_REMOVED_ANSWERS)
def unrate_by_query(asked: Annotated[PairRequest, Query()]) -> RatingRemoval:
    """Take a rating away, with the ids as query parameters.

    The same answer, for ids that a path can't hold: those with a part `..`, or with slashes behind a proxy that
    rewrites %2F.
    """
    return current().ratings.unrate(asked.user_id, asked.movie_id)


HEALTH = {
    "model_version": 3,
    "folded_users": 120,
    "folded_movies": 340,
    "ratings_since": 1000,
    "rmse_gap": 0.0011,
    "top10_overlap": 0.83,
    "sampled_users": 100,
    "held_out_ratings": 500,
    "advice": "fine",
}


# Not async: it learns for a second or two.
@router.get("/ml/health-of-updates", responses=answers(HEALTH, NotReady))
def health_of_updates() -> UpdateHealth:
    """How far the version has drifted.

    New ratings are folded in; this says whether a training is due. `rmse_gap` (stars) and `top10_overlap` compare
    folding in with learning again on newer ratings that neither knew, measured on a factorisation that stands in for
    the version and on a sample of users; both are null where there are no newer ratings, as is `ratings_since` for a
    version of an earlier release. `advice` is `fine`, `retrain soon` (a gap of 1%, or a fifth more ratings) or
    `retrain` (3%); a gap of fewer than 100 `held_out_ratings` does not enter it. The first answer after a change of the
    ratings takes a second or two.
    """
    return current().serving.health()

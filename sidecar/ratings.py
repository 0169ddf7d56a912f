"""Rating a movie."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import DiskFull, InvalidRating, NotReady, UnknownMovie
from engine.services import current
from engine.types import RatingReceipt
from sidecar.answers import CHANGING, JSON_BODY, answers
from sidecar.identifiers import Identifier
from sidecar.requests import StrictRoute

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
    return current().serving.rate(body.user_id, body.movie_id, body.rating)

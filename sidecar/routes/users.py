"""Forgetting a user."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import DiskFull, NotReady, UnknownUser
from engine.services import current
from engine.services.ratings import ForgettingReceipt
from sidecar.http.identifiers import PathIdentifier
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, PARAMETERS, answers
from sidecar.routes.recommendations import UserId

router = APIRouter(prefix="/users", tags=["data"], route_class=StrictRoute)

FORGOTTEN = {
    "user_id": "42",
    "ratings_removed": 57,
    "forgotten_at": 1795000000.0,
    "versions": [2, 3],
    "text": "57 ratings and the id were erased. Versions 2, 3 learned from them before: train again, then delete what "
    "is named here.",
}


class UserRequest(BaseModel):
    """Whom to forget; a query parameter."""

    model_config = ConfigDict(extra="forbid")

    user_id: PathIdentifier = Field(description="The user.", examples=["42"])


_FORGOTTEN_ANSWERS = answers(FORGOTTEN, CHANGING, PARAMETERS, UnknownUser, NotReady, DiskFull)


# Not async, neither of them: what serves is built anew without the user.
@router.delete("/{user_id:path}", responses=_FORGOTTEN_ANSWERS)
def forget(user_id: UserId) -> ForgettingReceipt:
    """Forget a user.

    Ratings and id are erased from the store and from memory when the answer arrives; what lay in the file is
    overwritten. `versions` names the stored versions that have learned from the ratings before, under a key that leads
    to nobody: train again and delete them to be rid of that too. A training or a study that goes on begins anew without
    the user, so no version saved later has learned from them; a study keeps, under that key, how many ratings each
    trial predicted, a fingerprint of them, and how far off it was. Files that were exported, and backups, are yours to
    look after. Whoever comes under the same id later is somebody new.
    """
    return current().ratings.forget(user_id)


@router.delete("", responses=_FORGOTTEN_ANSWERS)
def forget_by_query(asked: Annotated[UserRequest, Query()]) -> ForgettingReceipt:
    """Forget a user, with the id as a query parameter.

    The same answer, for ids that a path can't hold: those with a part `..`, or with slashes behind a proxy that
    rewrites %2F.
    """
    return current().ratings.forget(asked.user_id)

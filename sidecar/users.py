"""Forgetting a user."""

from __future__ import annotations

from fastapi import APIRouter

from engine.errors import DiskFull, NotReady, UnknownUser
from engine.services import current
from engine.types import ForgettingReceipt
from sidecar.answers import CHANGING, PARAMETERS, answers
from sidecar.recommendations import UserId
from sidecar.requests import StrictRoute

router = APIRouter(prefix="/users", tags=["data"], route_class=StrictRoute)

FORGOTTEN = {
    "user_id": "42",
    "ratings_removed": 57,
    "forgotten_at": 1795000000.0,
    "versions": [2, 3],
    "text": "57 ratings and the id were erased. Versions 2, 3 learned from them before: train again, then delete what "
    "is named here.",
}


# Not async: what serves is built anew without the user.
@router.delete("/{user_id:path}", responses=answers(FORGOTTEN, CHANGING, PARAMETERS, UnknownUser, NotReady, DiskFull))
def forget(user_id: UserId) -> ForgettingReceipt:
    """Forget a user.

    Ratings and id are erased from the store and from memory when the answer arrives; what lay in the file is
    overwritten. `versions` names the stored versions that have learned from the ratings before, under a key that leads
    to nobody: train again and delete them to be rid of that too. A training or a study that goes on begins anew without
    the user, so no version saved later has learned from them; a study keeps, under that key, how many ratings each
    trial predicted, a fingerprint of them, and how far off it was. Files that were exported, and backups, are yours to
    look after. Whoever comes under the same id later is somebody new.
    """
    return current().serving.forget(user_id)

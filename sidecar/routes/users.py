"""Deletion of users."""

from typing import Annotated

from fastapi import APIRouter, Query

from engine.errors import UnknownUser
from engine.services import current
from engine.services.ratings import ForgettingReceipt
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import Parameters, PathUser, QueryUser, by_query

router = APIRouter(prefix="/users", tags=["data"], route_class=StrictRoute)

DELETED = raises(UnknownUser)


class UserRequest(Parameters):
    """Which user."""

    user_id: QueryUser


# Neither is async: the serving state is rebuilt without the user.
@router.delete("/{user_id:path}", openapi_extra=DELETED)
def forget(user_id: PathUser) -> ForgettingReceipt:
    """Delete a user.

    The user's ratings and ID are erased from the store and from memory before the response is sent, and overwritten in
    the file. `versions` are the stored versions that learned from the ratings, under a key that no longer identifies
    anyone: retrain and delete these versions to remove that as well. Training runs and studies in progress restart
    without the user, so no later version learns from them; a study keeps, under that key, the number of predicted
    ratings per trial, a fingerprint of them, and their error. Exported files and backups are your responsibility. A
    later user with the same ID is a new user.
    """
    return current().ratings.forget(user_id)


@router.delete("", openapi_extra=DELETED, description=by_query("Delete a user"))
def forget_by_query(asked: Annotated[UserRequest, Query()]) -> ForgettingReceipt:
    """Delete a user."""
    return current().ratings.forget(asked.user_id)

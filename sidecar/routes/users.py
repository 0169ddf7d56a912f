"""What users were shown, replays of it, and deletion of users."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from engine.errors import NotReplayable, UnknownAnswer, UnknownUser
from engine.services import current
from engine.services.answers import Shown
from engine.services.ratings import ForgettingReceipt
from engine.services.replays import Replay
from sidecar.http.paging import Next, PageRequest, cut, page_size
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import AnswerNumber, Parameters, PathUser, QueryUser, by_query

router = APIRouter(tags=["data"], route_class=StrictRoute)

KNOWN = raises(UnknownUser)


class UserRequest(Parameters):
    """Which user."""

    user_id: QueryUser


class ShownRequest(PageRequest):
    """Which lists."""

    limit: int = page_size(20, 200)


class ShownByQuery(ShownRequest):
    """The same, with the user."""

    user_id: QueryUser


class ShownLists(BaseModel):
    """Lists that a user was given, newest first."""

    lists: list[Shown]
    next: Next


# Neither is async: they read the store.
@router.get("/users/{user_id:path}/shown", openapi_extra=KNOWN)
def shown(user_id: PathUser, asked: Annotated[ShownRequest, Query()]) -> ShownLists:
    """List what a user was shown.

    Every list that the user was given by `GET /ml/recommendations/{user_id}` or by the pages Recommend and Newcomer,
    newest first: when, by which version, and from how many ratings. `options` are those that were not the default. The
    same list again within ten minutes is kept once. `MARQUEE_ANSWER_LOG_MB` limits how many are kept; the oldest go
    first. Deleting the user erases them.
    """
    return _shown(user_id, asked)


@router.get("/users/shown", openapi_extra=KNOWN, description=by_query("List what a user was shown"))
def shown_by_query(asked: Annotated[ShownByQuery, Query()]) -> ShownLists:
    """List what a user was shown."""
    return _shown(asked.user_id, asked)


def _shown(user_id: str, asked: ShownRequest) -> ShownLists:
    found = current().answers.shown(user_id, asked.limit + 1, before=asked.before)
    page, following = cut(found, asked.limit, lambda one: one.answer_id)
    return ShownLists(lists=page, next=following)


# Not async: past ratings are put together.
@router.get("/answers/{answer_id}", openapi_extra=raises(UnknownAnswer, NotReplayable))
def replay(answer_id: AnswerNumber) -> Replay:
    """Replay a list that a user was shown.

    The list is made again by the version that made it, from the ratings and movies of that time, whatever has happened
    since: `answer_id` is that of *List what a user was shown*. `is_exact` says whether the same movies are in the same
    places with the same scores; `ratings` are the user's ratings then. Where parts of it are gone, as after a version
    or a person was deleted, the response is `not_replayable`; `detail` says what is missing.
    """
    return current().replays.replay(answer_id)


# Neither is async: the serving state is rebuilt without the user.
@router.delete("/users/{user_id:path}", openapi_extra=KNOWN)
def forget(user_id: PathUser) -> ForgettingReceipt:
    """Delete a user.

    The user's ratings, the lists that they were shown, and the ID are erased from the store and from memory before the
    response is sent, and overwritten in the file. `versions` are the stored versions that learned from the ratings,
    under a key that no longer identifies anyone: retrain and delete these versions to remove that as well. Training
    runs and studies in progress restart without the user, so no later version learns from them; a study keeps, under
    that key, the number of predicted ratings per trial, a fingerprint of them, and their error. Exported files and
    backups are your responsibility. A later user with the same ID is a new user.
    """
    return current().ratings.forget(user_id)


@router.delete("/users", openapi_extra=KNOWN, description=by_query("Delete a user"))
def forget_by_query(asked: Annotated[UserRequest, Query()]) -> ForgettingReceipt:
    """Delete a user."""
    return current().ratings.forget(asked.user_id)

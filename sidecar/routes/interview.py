"""The interview: questions that find out a new user's taste."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from engine.recommending.interview import InterviewState
from engine.services import current
from sidecar.http.identifiers import PathIdentifier
from sidecar.http.requests import StrictRoute
from sidecar.routes.fields import Parameters, PathUser, QueryUser, by_query

router = APIRouter(prefix="/ml", tags=["recommendations"], route_class=StrictRoute)


class InterviewRequest(Parameters):
    """How the interview continues."""

    n: int = Field(
        1,
        ge=1,
        le=100,
        description="Maximum number of questions; each assumes that those before it were answered.",
        examples=[1],
    )
    skipped: list[PathIdentifier] = Field(
        [],
        max_length=500,
        description="Movies that the user doesn't know.",
        examples=[["858"]],
    )


class InterviewByQuery(InterviewRequest):
    """The same, with the user."""

    user_id: QueryUser


# Neither is async: the first question after a training run or an import takes up to a second.
@router.get("/interview/{user_id:path}")
def interview(user_id: PathUser, asked: Annotated[InterviewRequest, Query()]) -> InterviewState:
    """Interview a new user.

    Suggests the movies whose ratings would reveal most about the user's taste, weighted by the chance that the user
    knows them. Answer with `POST /rate`; from then on, list movies that the user doesn't know in `skipped`.
    `confidence` says how much of the taste is known, `finished` why no further question is worthwhile.
    """
    return current().recommendations.interview(user_id, asked.n, asked.skipped)


@router.get("/interview", description=by_query("Interview a new user"))
def interview_by_query(asked: Annotated[InterviewByQuery, Query()]) -> InterviewState:
    """Interview a new user."""
    return current().recommendations.interview(asked.user_id, asked.n, asked.skipped)

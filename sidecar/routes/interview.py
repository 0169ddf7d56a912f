"""The interview that gets to know a newcomer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import NotReady
from engine.recommending.interview import InterviewState
from engine.services import current
from sidecar.http.identifiers import PathIdentifier
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import PARAMETERS, answers
from sidecar.routes.recommendations import UserId

router = APIRouter(prefix="/ml", tags=["recommendations"], route_class=StrictRoute)


class InterviewRequest(BaseModel):
    """How an interview goes on; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    n: int = Field(
        1,
        ge=1,
        le=100,
        description="The most questions; each as if those before it had been answered.",
        examples=[1],
    )
    skipped: list[PathIdentifier] = Field(
        [],
        max_length=500,
        description="Movies that the user does not know; repeat the parameter for several.",
        examples=[["858"]],
    )


class InterviewByQuery(InterviewRequest):
    """The same with the user."""

    user_id: PathIdentifier = Field(description="The user.", examples=["42"])


ASKED = {
    "user_id": "new",
    "status": "blended",
    "model_version": 3,
    "ratings_count": 2,
    "confidence": 0.24,
    "questions": [
        {
            "movie": {
                "movie_id": "318",
                "title": "The Shawshank Redemption",
                "year": 1994,
                "genres": ["Crime", "Drama"],
            },
            "chance": 0.46,
            "teaches": 0.05,
        }
    ],
    "finished": None,
}


_ASKED_ANSWERS = answers(ASKED, PARAMETERS, NotReady)


# Not async, neither of them: the first question after a training or an import takes up to a second.
@router.get("/interview/{user_id:path}", responses=_ASKED_ANSWERS)
def interview(user_id: UserId, asked: Annotated[InterviewRequest, Query()]) -> InterviewState:
    """Ask a newcomer.

    The movies whose rating would teach most about the user's taste, weighed by the chance that the user knows them. An
    answer is a rating (`POST /rate`); what the user does not know is named in `skipped` from then on. `confidence` says
    how much of the taste is known, and `finished` why no question is left that is worth asking.
    """
    return current().recommendations.interview(user_id, asked.n, asked.skipped)


@router.get("/interview", responses=_ASKED_ANSWERS)
def interview_by_query(asked: Annotated[InterviewByQuery, Query()]) -> InterviewState:
    """Ask a newcomer, with the id as a query parameter.

    The same answer, for ids that a path can't hold: those with a part `..`, or with slashes behind a proxy that
    rewrites %2F.
    """
    return current().recommendations.interview(asked.user_id, asked.n, asked.skipped)

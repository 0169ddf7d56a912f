"""Health probes: whether the process runs, and whether it can serve recommendations."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from engine.errors import NotReady
from engine.services import current
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises

router = APIRouter(prefix="/health", tags=["health"], route_class=StrictRoute)


class Live(BaseModel):
    """The process is running."""

    status: Literal["live"]


class Ready(BaseModel):
    """Recommendations can be served."""

    status: Literal["ready"]
    model_version: int
    exams_dropped: int = Field(description="New ratings since the start that were no exam, as too many waited.")
    answers_dropped: int = Field(description="Lists since the start that were not kept in the answer log.")


# Async and without the store: it answers whenever the event loop runs, even while the thread pool is busy.
@router.get("/live")
async def live() -> Live:
    """Check whether the process is running.

    Always 200 while the server runs.
    """
    return Live(status="live")


@router.get("/ready", openapi_extra=raises(NotReady))
def ready() -> Ready:
    """Check whether recommendations can be served.

    503 before the first version is active, while the store does not respond, and while a background worker that died
    has not restarted yet; `detail` says which.
    """
    services = current()
    if dead := services.dead_workers():
        raise NotReady(f"A background worker died and will restart in a moment: {', '.join(dead)}. See the log.")
    services.storage.ping()
    version = services.serving.active_version()
    if version is None:
        raise NotReady("No version is active yet. Import ratings and train a model; the console shows the progress.")
    dropped, missed = services.exams.facts().dropped, services.answers.facts().dropped
    return Ready(status="ready", model_version=version, exams_dropped=dropped, answers_dropped=missed)

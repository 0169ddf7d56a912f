"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from engine.errors import NotReady
from engine.services import current
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import answers

router = APIRouter(prefix="/health", tags=["health"], route_class=StrictRoute)


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"]


class Ready(BaseModel):
    """A version serves."""

    status: Literal["ready"]
    model_version: int


# Async and without the store: it answers whenever the event loop turns, even while the thread pool is busy.
@router.get("/live", responses=answers({"status": "live"}, key=False))
async def live() -> Live:
    """Whether the process is alive.

    Always 200 while the server runs. Needs no key.
    """
    return Live(status="live")


@router.get("/ready", responses=answers({"status": "ready", "model_version": 3}, NotReady, key=False))
def ready() -> Ready:
    """Whether recommendations can be served.

    503 until a model version serves, while the store does not answer, and while one of the threads that work in the
    background has died and not begun again yet; the detail says which. Needs no key.
    """
    services = current()
    if dead := services.dead_workers():
        raise NotReady(f"A background worker has died and begins again in a moment: {', '.join(dead)}. See the log.")
    services.storage.ping()
    version = services.serving.active_version()
    if version is None:
        raise NotReady("No model version serves yet. Import ratings and train a model; the console shows how it goes.")
    return Ready(status="ready", model_version=version)

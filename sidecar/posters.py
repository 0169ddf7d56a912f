"""Pictures of movies from the owner's folder, for the console."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from engine.data.posters import ROUTE, poster_file
from engine.settings import Settings

KEPT = {"Cache-Control": "private, max-age=3600"}


def create_posters(settings: Settings) -> list[Route]:
    """The route of the folder in ``MARQUEE_POSTERS``; none without a folder."""
    if not settings.posters or "://" in settings.posters:
        return []
    folder = Path(settings.posters)

    def poster(request: Request) -> Response:
        file = poster_file(folder, request.path_params["name"])
        if file is None:
            return PlainTextResponse("There is no such picture.", 404)
        return FileResponse(file, headers=KEPT)

    return [Route(f"{ROUTE}/{{name}}", poster, methods=["GET"])]

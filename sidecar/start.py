"""The start: a failed one is told as a sentence, and requests to the API wait some seconds for its end."""

from dataclasses import dataclass
from threading import Event

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import MarqueeError, NotReady
from engine.services import STARTING
from engine.services.storing import in_words
from sidecar.http.problems import marquee_problem

API = "/api/"
POLL_S = 0.05
WAIT_S = 10.0


@dataclass(frozen=True)
class StartMiddleware:
    """Logs a sentence instead of a traceback where Marquee can't start for a known reason.

    Pages are served while Marquee starts, and say so. The API has nothing to say yet, so its requests wait, and get a
    503 after ``WAIT_S``.

    Attributes:
        app: what comes next.
        starting: set while Marquee starts.
    """

    app: ASGIApp
    starting: Event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; the message of a failed start waits for the reason."""
        if scope["type"] != "lifespan":
            answers = self.app if await self._has_started(scope) else marquee_problem(NotReady(STARTING))
            await answers(scope, receive, send)
            return
        failed: list[Message] = []

        async def keep(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failed.append(message)
            else:
                await send(message)

        try:
            await self.app(scope, receive, keep)
        except Exception as error:
            told = error if isinstance(error, MarqueeError) else in_words(error)
            for message in failed:
                await send(message if told is None else dict(message, message=f"Marquee can't start. {told}"))
            raise

    async def _has_started(self, scope: Scope) -> bool:
        """Whether the request can be answered, perhaps after some seconds."""
        with anyio.move_on_after(WAIT_S):
            while self.starting.is_set() and scope["path"].startswith(API):
                await anyio.sleep(POLL_S)
            return True
        return False

"""The console with fake services, to look at states that a real store is rarely in.

    python -m tests.pages.serve STATE [--port 8601]

Nothing is stored.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
import uvicorn

from engine.data.scale import RatingScale
from engine.services import use
from pages.ui.page import show_unexpected
from tests.pages import fakes
from tests.pages.conftest import SHELL

STATES: dict[str, Callable[[], fakes.Fakes]] = {
    "loaded": fakes.loaded,
    "empty": fakes.empty,
    "training": fakes.first_training,
    "retraining": fakes.retraining,
    "storied": fakes.storied,
    "searching": fakes.searching,
    "ten": lambda: fakes.rated_on(RatingScale(1, 10, 1)),
    "hundred": lambda: fakes.rated_on(RatingScale(0, 100, 1)),
    "jester": lambda: fakes.rated_on(RatingScale(-10, 10, 0.01)),
    "asking": fakes.asking,  # open the import in the sidebar
    "planned": lambda: fakes.asking(ended="planned"),
    "failed": lambda: fakes.asking(ended="failed"),
}


def console(held: fakes.Fakes) -> st.App:
    """The shell with these services."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        use(held.services())
        try:
            yield
        finally:
            use(None)

    return st.App(SHELL, lifespan=lifespan, on_script_error=show_unexpected)


def main() -> None:
    """Serve one state until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", choices=STATES)
    parser.add_argument("--port", type=int, default=8601)
    chosen = parser.parse_args()
    uvicorn.run(console(STATES[chosen.state]()), host="127.0.0.1", port=chosen.port, access_log=False)


if __name__ == "__main__":
    main()

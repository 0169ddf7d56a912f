"""The one thing that is sensible to do now."""

from __future__ import annotations

import streamlit as st

from engine.services import Services
from pages.ui import progress


def next_steps(services: Services, *, busy: bool) -> None:
    """Say what comes next; say nothing of it while that is going on already."""
    with st.container(border=True):
        if services.library.counts().ratings == 0:
            _step(
                "Bring in ratings",
                "Ratings are being imported. The first version is then trained by itself."
                if busy
                else f"Marquee is empty. Import {_what(services)}; the first version is then trained by itself.",
            )
        elif services.serving.active_version() is None:
            _step(
                "Train the first version",
                "The first version is being trained. Lists are there as soon as it serves."
                if busy
                else "There are ratings but no version yet. Train one; with the demo ratings it takes about a minute.",
            )
            st.page_link("training.py", label="Open Training", icon=":material/model_training:")
        else:
            _step(
                "Ready", "Choose someone, see what Marquee recommends and why, and rate a movie to see the list change."
            )
            st.page_link("recommend.py", label="Open Recommend", icon=":material/movie:")


def require_version(services: Services) -> None:
    """End the page here, saying what comes first, as long as no version serves."""
    if services.serving.active_version() is not None:
        return
    next_steps(services, busy=progress.expecting(services))
    st.page_link("overview.py", label="Open Overview", icon=":material/space_dashboard:")
    st.stop()


def _what(services: Services) -> str:
    return "the demo ratings or your own" if services.library.has_demo() else "files of ratings"


def _step(title: str, what: str) -> None:
    st.markdown(f"**{title}**")
    st.markdown(what)

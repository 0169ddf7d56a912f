"""The next step, and what a page shows before it can work."""

import streamlit as st

from engine.services import Services
from pages.ui import progress


def next_steps(services: Services, *, busy: bool) -> None:
    """Show the next step, or that it is under way."""
    with st.container(border=True):
        if services.library.counts().ratings == 0:
            sources = "your own ratings or the demo" if services.imports.has_demo() else "your ratings"
            _step(
                "Importing ratings" if busy else "Import ratings",
                "The first version is trained automatically afterwards."
                if busy
                else f"Marquee is empty. Import {sources}; the first version is then trained automatically.",
            )
            st.page_link("imports.py", label="Open Import", icon=":material/upload_file:")
        elif services.serving.active_version() is None:
            _step(
                "Training the first version" if busy else "Train the first version",
                "Recommendations appear as soon as it is ready."
                if busy
                else "The ratings are in. Train a version to get recommendations; with the demo it takes a minute.",
            )
            st.page_link("training.py", label="Open Training", icon=":material/model_training:")
        else:
            _step(
                "Ready", "Choose a user to see what Marquee recommends and why. Rate a movie and watch the list change."
            )
            st.page_link("recommend.py", label="Open Recommend", icon=":material/movie:")


def require_version(services: Services) -> None:
    """Show the next step and end the page if no version is active."""
    if services.serving.active_version() is not None:
        return
    next_steps(services, busy=progress.expecting(services))
    st.stop()


def require_ratings(services: Services) -> bool:
    """Whether there are ratings to train on; if not, a link to the import is shown."""
    if services.library.counts().ratings:
        return True
    st.info("No ratings to train on yet.", icon=":material/hourglass_empty:")
    st.page_link("imports.py", label="Import ratings", icon=":material/upload_file:")
    return False


def _step(title: str, text: str) -> None:
    st.markdown(f"**{title}**")
    st.markdown(text)

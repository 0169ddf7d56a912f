"""What a page does when a service refuses: it says why, and the rest of the page stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from engine.errors import MarqueeError, NotReady
from engine.services.storing import in_words
from pages.ui.escape import text


@contextmanager
def shown() -> Iterator[None]:
    """Show what a service raised inside the block as a message. Anything else is a fault and goes on."""
    try:
        yield
    except NotReady as error:
        st.info(text(error), icon=":material/hourglass_empty:")
    except MarqueeError as error:
        st.error(text(error), icon=":material/error:")


def unexpected(error: Exception) -> bool:
    """Instead of Streamlit's box: what a person can do about a fault of ours. The details are in the log already."""
    told = in_words(error)
    st.error(
        "Something went wrong on this page. Reload it; if it happens again, the log says why."
        if told is None
        else text(told),
        icon=":material/error:",
    )
    return True

"""The actor in threads of the console, for the audit log."""

from collections.abc import Callable

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine.services.acting import NO_KEY, Actor


def console_actor(name_in: Callable[[], str | None]) -> Actor | None:
    """The user of the console, where this is the thread of a page; None elsewhere.

    Args:
        name_in: returns the name of the key that the session of the page began with; None without one.
    """
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    return Actor(f"console, {name_in() or NO_KEY}", st.context.ip_address)

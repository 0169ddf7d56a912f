"""What every page begins with."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import session
from pages.ui.escape import markup

STYLE = Path(__file__).parent / "assets" / "style.css"


def opening(title: str, lead: str) -> None:
    """The page's title, a sentence under it, and what the last run wanted to tell."""
    st.html(STYLE)
    st.title(title, anchor=False)
    st.html(f'<p class="mq-lead">{markup(lead)}</p>')
    for told in st.session_state.pop(session.TOLD, ()):
        st.toast(told, icon=":material/check_circle:", duration="long")


def tell_next(message: str) -> None:
    """Show ``message`` (Markdown, data in it escaped) as a toast in the run that follows."""
    st.session_state[session.TOLD] = (*st.session_state.get(session.TOLD, ()), message)

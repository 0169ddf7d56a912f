"""The frame of a page: heading, toasts that outlive a rerun, and error messages."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Literal, NoReturn, ParamSpec

import streamlit as st

from engine.errors import InvalidInput, MarqueeError, NotReady
from engine.services.storing import in_words
from pages.ui import session
from pages.ui.escape import text

P = ParamSpec("P")
DialogWidth = Literal["small", "medium", "large"]


def page_header(title: str, lead: str) -> None:
    """Show the title, a one-sentence introduction, and any toasts left by the previous run, whose dialog is closed."""
    st.session_state[session.DIALOG] = False
    st.title(title, anchor=False)
    with st.container(key=session.LEAD):  # Markdown, as HTML has another height until the browser has its script
        st.markdown(text(lead))
    for message in st.session_state.pop(session.TOASTS, ()):
        st.toast(message, icon=":material/check_circle:", duration="long")


def dialog(title: str, *, width: DialogWidth = "small") -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A dialog to fill in or confirm; background work does not redraw the page behind it, which would close it."""

    def wrap(ask: Callable[P, None]) -> Callable[P, None]:
        shown = st.dialog(title, width=width, on_dismiss="rerun")(ask)

        @wraps(ask)
        def show(*args: P.args, **given: P.kwargs) -> None:
            st.session_state[session.DIALOG] = True
            shown(*args, **given)

        return show

    return wrap


def toast_next(message: str) -> None:
    """Show ``message`` (Markdown; escape any data in it) as a toast in the next run."""
    st.session_state[session.TOASTS] = (*st.session_state.get(session.TOASTS, ()), message)


def rerun_with(message: str) -> NoReturn:
    """Rerun the page, then toast ``message``; in a dialog, this closes it."""
    toast_next(message)
    st.rerun()


def confirmed(label: str) -> bool:
    """Whether the reader confirms in a dialog; its Cancel button closes it."""
    with st.container(horizontal=True):
        yes = st.button(label, key=session.CONFIRM, type="primary")
        if st.button("Cancel", key=session.CANCEL):
            st.rerun()
    return yes


def in_labels(message: str, labels: Mapping[str, str]) -> str:
    """A message with labels of fields in place of the engine's names for them, such as ``batch_size``."""
    for name, label in labels.items():
        told = rf"(^|\. ){re.escape(name)} is (.+?), but must be (.+)\.$"
        message = re.sub(told, rf"\g<1>{label} must be \g<3>, not \g<2>.", message)
    return message


@contextmanager
def errors_shown(labels: Mapping[str, str] | None = None) -> Iterator[None]:
    """Show a service error raised in the block as a message, so the rest of the page still renders.

    Other exceptions are bugs and propagate. ``labels``: of fields by the engine's name for them.
    """
    try:
        yield
    except InvalidInput as error:
        st.error(text(in_labels(str(error), labels or {})), icon=":material/error:")
    except NotReady as error:
        st.info(text(error), icon=":material/hourglass_empty:")
    except MarqueeError as error:
        st.error(text(error), icon=":material/error:")


def show_unexpected(error: Exception) -> bool:
    """Replace Streamlit's error box with advice for the reader; the traceback is already in the log."""
    known = in_words(error)
    message = "Something went wrong on this page. Reload it; if it happens again, check the log."
    st.error(text(known) if known else message, icon=":material/error:")
    return True

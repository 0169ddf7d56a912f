"""Below the navigation: which version serves, what goes on, and what is unread."""

from __future__ import annotations

import streamlit as st

from engine.services import Services
from pages.ui import progress

SIGN_OUT = '<a class="mq-out" href="/sign-out" target="_self"><span aria-hidden="true">logout</span>Sign out</a>'


def sidebar(services: Services) -> None:
    """Draw the state of Marquee; it follows what goes on by itself, and keeps the page beside it up to date."""

    def state() -> None:
        _version(services)
        _going(services)
        _notices(services)

    progress.watch(services, state)
    if services.settings.key is not None:
        st.html(SIGN_OUT)


def _version(services: Services) -> None:
    version = services.serving.active_version()
    if version is None:
        st.badge("No version yet", icon=":material/hourglass_empty:", color="gray")
    else:
        st.badge(f"Version {version} serves", icon=":material/check_circle:", color="green")


def _going(services: Services) -> None:
    job, run = progress.running_job(services), services.training.current()
    if job is not None:
        progress.job_bar(job)
    if run is not None:
        progress.short_training_bar(run)


def _notices(services: Services) -> None:
    unread = services.inbox.unread()
    if unread:
        label = "1 unread notice" if unread == 1 else f"{unread} unread notices"
        if st.button(label, type="tertiary", icon=":material/notifications_unread:"):
            st.switch_page("notices.py")

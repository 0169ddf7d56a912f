"""Below the navigation: the active version, work in progress and unread notices."""

import streamlit as st

from engine.services import Services
from engine.words import counted
from pages.panels import shell_search
from pages.ui import progress, session

API = '<a class="mq-out" href="/api/docs" target="_blank"><span aria-hidden="true">api</span>API reference</a>'
SIGN_OUT = '<a class="mq-out" href="/sign-out" target="_self"><span aria-hidden="true">logout</span>Sign out</a>'


def sidebar(services: Services) -> None:
    """Show the state of Marquee, refreshed in the background, and redraw the page when it becomes out of date."""

    def state() -> None:
        _version(services)
        _work(services)
        _notices(services)

    shell_search.search(services)
    progress.watch(services, state)
    st.html(API)
    if services.settings.key is not None:
        st.html(SIGN_OUT)


def _version(services: Services) -> None:
    version = services.serving.active_version()
    if version is None:
        coming = progress.expecting(services)
        icon = ":material/hourglass_empty:" if coming else ":material/radio_button_unchecked:"
        st.badge("No version yet", icon=icon, color="gray")
    else:
        st.badge(f"Version {version} active", icon=":material/check_circle:", color="green")


def _work(services: Services) -> None:
    job, run = progress.running_job(services), services.training.current()
    if job is not None:
        progress.job_bar(job)
    waiting = progress.waiting_jobs(services)
    label = f"{counted(len(waiting), 'import')} to confirm"
    if waiting and st.button(label, key=session.IMPORT_WAITING, type="tertiary", icon=":material/rule:"):
        st.switch_page("imports.py", query_params={"job": str(waiting[0].job_id)})
    if run is not None:
        progress.short_training_bar(run)


def _notices(services: Services) -> None:
    unread = services.inbox.unread()
    label = counted(unread, "unread notice")
    if unread and st.button(label, key=session.UNREAD, type="tertiary", icon=":material/notifications_unread:"):
        st.switch_page("notices.py")

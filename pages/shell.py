"""The frame of the console: navigation, wordmark and sidebar. ``st.App`` runs this script."""

from pathlib import Path

import streamlit as st

from engine.services import running, stage
from pages.panels.shell_sidebar import sidebar
from pages.ui.escape import text
from pages.ui.page import errors_shown

ASSETS = Path(__file__).parent / "ui" / "assets"
ICON = str(ASSETS / "icon.svg")
SIDEBAR_PX = 240


@st.fragment(run_every=1.0)
def starting() -> None:
    """Say how the start goes on until there are services, then draw the page."""
    if running() is not None:
        st.rerun()
    st.markdown(f":material/hourglass_top: {text(stage() or 'Opening the store')}. The page appears by itself.")


# Before the navigation, or the browser fetches the page's own icon from outside.
st.set_page_config(page_title="Marquee", page_icon=ICON, layout="wide", initial_sidebar_state=SIDEBAR_PX)
st.html(ASSETS / "style.css")  # first, so that nothing moves when it arrives
st.logo(str(ASSETS / "wordmark.svg"), size="large", icon_image=ICON)
page = st.navigation(
    [
        st.Page("overview.py", title="Overview", icon=":material/space_dashboard:", default=True),
        st.Page("imports.py", title="Import", icon=":material/upload_file:"),
        st.Page("data.py", title="Data", icon=":material/bar_chart:"),
        st.Page("catalogue.py", title="Catalogue", icon=":material/table_rows:"),
        st.Page("recommend.py", title="Recommend", icon=":material/movie:"),
        st.Page("newcomer.py", title="Newcomer", icon=":material/person_add:"),
        st.Page("training.py", title="Training", icon=":material/model_training:"),
        st.Page("tuning.py", title="Tuning", icon=":material/search_insights:"),
        st.Page("versions.py", title="Versions", icon=":material/inventory_2:"),
        st.Page("live.py", title="Live", icon=":material/monitoring:"),
        st.Page("automation.py", title="Automation", icon=":material/event_repeat:"),
        st.Page("notices.py", title="Notices", icon=":material/notifications:"),
        st.Page("keys.py", title="Keys", icon=":material/key:"),
        st.Page("settings.py", title="Settings", icon=":material/settings:"),
        st.Page("movie.py", title="Movie", icon=":material/movie:", visibility="hidden"),
        st.Page("person.py", title="Person", icon=":material/person:", visibility="hidden"),
    ],
    expanded=True,
)
st.set_page_config(page_title=f"{page.title} · Marquee")
services = running()
if services is None:
    st.title("Marquee is starting", anchor=False)
    starting()
else:
    with st.sidebar, errors_shown():
        sidebar(services)
    with errors_shown():
        page.run()

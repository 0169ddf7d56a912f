"""Settings: every setting, its value, and where it comes from."""

import streamlit as st

from engine.services import current
from pages.ui.escape import markup
from pages.ui.page import page_header
from pages.ui.tables import Drawn, table

SOURCES = {"environment": "Environment", "default": "Default"}


def name(variable: str) -> str:
    """A variable, which a phone breaks between its words."""
    return f'<span class="mq-name">{markup(variable).replace("_", "_<wbr>")}</span>'


services = current()
page_header("Settings", "Every setting of this server, its value, and where it comes from. Secrets are hidden.")
st.caption(
    "Set a variable where Marquee is started, such as `make run MARQUEE_PORT=9000`, and restart it. Defaults of"
    " hyperparameters and the ranges of tuning are in `hyperparameters.toml`, next to `app.py`; the schedules of"
    " trainings and backups are on *Automation*."
)
rows = [
    {
        "Setting": Drawn(name(one.variable), one.variable),
        "Value": one.value,
        "From": SOURCES[one.source],
        "Meaning": one.meaning.replace("`", ""),
    }
    for one in services.settings.listed()
]
table(rows, "Settings", phone="stack")

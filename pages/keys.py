"""Keys: who may use Marquee for what, and the audit log of what they did."""

from __future__ import annotations

import streamlit as st

from engine.services import current
from pages.panels import keys_access
from pages.ui.page import errors_shown, page_header

services = current()
page_header("Keys", "Who may use Marquee, and for what. Each key can be revoked without touching the others.")
with errors_shown():
    keys_access.creation(services.access)
    keys_access.listing(services.access)
st.subheader("Audit log", anchor=False)
days = services.settings.audit_days
st.caption(f"Sign-ins, key changes, imports, exports, erasures and activations of the last {days} days.")
with errors_shown():
    keys_access.log(services.audit)

"""Keys: API keys and the audit log."""

import streamlit as st

from engine.services import current
from pages.panels import keys_access
from pages.ui.page import errors_shown, page_header

services = current()
page_header("Keys", "Create and revoke API keys, and see a log of what was done.")
with errors_shown():
    keys_access.creation(services.access)
    keys_access.listing(services.access)
st.header("Audit log", anchor=False)
days = services.settings.audit_days
st.caption(f"Sign-ins, keys, imports, exports, backups, deleted people and activations of the last {days} days.")
with errors_shown():
    keys_access.log(services.audit)

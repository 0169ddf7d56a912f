"""Versions: what was trained, how good it is, which one serves, and who decided that."""

from __future__ import annotations

import streamlit as st

from engine.services import current
from pages.ui import registry
from pages.ui.failures import shown
from pages.ui.page import opening

services = current()
opening(
    "Versions",
    "Every trained version with its metrics. Any intact one can serve at once; every change is written down.",
)
versions = services.versions.list()
if not versions:
    st.info("There is no version yet. The first training makes one.", icon=":material/inventory_2:")
    st.page_link("training.py", label="Open Training", icon=":material/model_training:")
    st.stop()

chosen = registry.table(versions)
with st.container(horizontal=True), shown():
    if st.button(
        f"Let version {chosen.version} serve",
        type="primary",
        icon=":material/play_circle:",
        disabled=chosen.active or chosen.state != "ready",
    ):
        registry.confirm_activation(services.versions, chosen)
    if st.button("Roll back", icon=":material/undo:", disabled=len(services.versions.ledger(2)) < 2):
        registry.confirm_rollback(services.versions)

registry.details(chosen)
st.subheader("Who changed what serves", anchor=False)
registry.ledger(services.versions.ledger(100))

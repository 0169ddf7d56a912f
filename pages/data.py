"""Data: what the ratings look like, and whether there is enough of them."""

import streamlit as st

from engine.services import current
from pages.panels import data_enough, data_shape
from pages.ui import next_steps, preferences
from pages.ui.page import errors_shown, page_header

services = current()
page_header("Data", "What the ratings look like, and what you can trust with this many.")
if not next_steps.require_ratings(services, "No ratings yet. Import some to see what they look like."):
    st.stop()
preferences.explain()
with errors_shown():
    picture = services.data.picture()
    data_shape.numbers(picture)
    data_enough.enough(picture)
    data_shape.shape(services, picture)
st.header("What did an import change?", anchor=False)
st.caption("Import lists every import with what it added, replaced and left out, and can undo it.")
st.page_link("imports.py", label="Imports so far", icon=":material/upload_file:")

"""Catalogue: every movie with its ratings and its reach in lists, sorted and page by page, and the long tail."""

import streamlit as st

from engine.services import current
from pages.panels import catalogue_table, catalogue_tail
from pages.ui import next_steps
from pages.ui.page import errors_shown, page_header

services = current()
page_header("Catalogue", "Every movie, how much it is rated and how often people's lists show it.")
if not services.library.counts().movies:
    next_steps.require_ratings(services, next_steps.NO_MOVIES)
    st.stop()
with errors_shown():
    catalogue_tail.numbers(services)
with errors_shown():
    catalogue_table.table(services)
with errors_shown():
    catalogue_tail.tail(services)

"""Live: how versions do on the ratings that come in, and whether a shadow version does better."""

import streamlit as st

from engine.services import current
from pages.panels import live_curves, live_shadows
from pages.ui import next_steps, preferences
from pages.ui.page import errors_shown, page_header

services = current()
page_header("Live", "Every new rating is an exam: versions predict it before they learn it.")
next_steps.require_version(services)
preferences.explain()
with errors_shown():
    report = services.live.report()
    active = next(one for one in report.versions if one.version == report.active_version)
    if not report.exams:
        live_curves.nothing_yet(report)
        st.stop()
    live_curves.version(active)
    live_shadows.shadows(report)
    live_curves.table(report)
    live_curves.newest(services.live.exams(None, live_curves.NEWEST), services.scale.current)

"""Notices: what happened that somebody should know of, newest first."""

from __future__ import annotations

from engine.services import current
from pages.ui import notices
from pages.ui.page import errors_shown, page_header

services = current()
page_header("Notices", "Trainings and their verdicts, failures, damage, and what was missed. Newest first.")
with errors_shown():
    notices.channel(services)
    notices.inbox(services)

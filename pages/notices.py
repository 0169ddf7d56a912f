"""Notices: what happened that somebody should know of, newest first."""

from __future__ import annotations

from engine.services import current
from pages.ui import notices
from pages.ui.failures import shown
from pages.ui.page import opening

services = current()
opening("Notices", "Trainings and their verdicts, failures, damage, and what was missed. Newest first.")
with shown():
    notices.channel(services)
    notices.inbox(services)

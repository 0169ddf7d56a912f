"""Notices: what happened, newest first."""

from engine.services import current
from pages.ui import notices
from pages.ui.page import errors_shown, page_header

services = current()
page_header("Notices", "Finished trainings, verdicts, failures and missed runs, newest first.")
with errors_shown():
    notices.webhook(services)
    notices.inbox(services)

"""Keys: created and shown once, revoked, and the audit log."""

from __future__ import annotations

from dataclasses import replace

from pages.ui import session
from pages.ui.escape import markup, text
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, press, words

REVOCATION = """
from engine.services import current
from pages.panels import keys_access
keys = current().access
keys_access.confirm_revocation(keys, keys.list_keys()[0])
"""


def test_without_keys_the_page_names_the_first(visit: Open) -> None:
    told = words(visit("keys.py", fakes.empty()))
    assert "The first key is the value of `MARQUEE_API_KEY`." in told
    assert "No entries yet." in told


def test_without_a_first_key_none_can_be_created(visit: Open) -> None:
    held = fakes.empty()
    held.access.needed = False
    at = visit("keys.py", held)
    assert "accepts requests only from this computer" in at.info[0].value
    assert not at.text_input


def test_a_key_is_shown_once(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("keys.py", held)
    at.text_input(key=session.KEY_NAME).input("shop")
    press(at, session.CREATE_KEY)
    assert [one.value for one in at.code] == ["mq_shown_once"]
    assert held.access.held[0].scopes == ("read",)
    at.run()
    assert not at.code
    intact(at)


def test_a_key_without_a_name_is_refused_and_the_page_stays(visit: Open) -> None:
    at = press(visit("keys.py", fakes.loaded()), session.CREATE_KEY)
    assert text("A key's name") in at.error[0].value
    assert "Audit log" in words(at)


def test_keys_show_scopes_and_state_as_text(visit: Open) -> None:
    told = words(visit("keys.py", fakes.loaded()))
    assert "read, rate" in told.lower()
    assert "Revoked" in told
    assert markup(fakes.TRICKY) in told
    assert fakes.TRICKY not in told


def test_revoking_asks_first(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("keys.py", held)
    assert button(at, session.REVOKE).disabled
    at.selectbox(key=session.KEY_TO_REVOKE).select_index(0).run()
    press(at, session.REVOKE)
    assert button(intact(at), session.CONFIRM)
    assert held.access.held[0].revoked_at is None


def test_a_confirmed_key_is_revoked(dialog: Open) -> None:
    held = fakes.loaded()
    intact(press(dialog(REVOCATION, held), session.CONFIRM))
    assert held.access.held[0].revoked_at is not None


def test_older_entries_are_shown_on_demand(visit: Open) -> None:
    at = visit("keys.py", fakes.loaded())
    assert words(at).count(">Sign-in</td>") == 50
    press(at, session.OLDER_ENTRIES)
    assert words(at).count(">Sign-in</td>") == 60


def test_failures_are_shown_in_words(visit: Open) -> None:
    held = fakes.loaded()
    held.audit.held = [replace(held.audit.held[0], result="unknown backup"), held.audit.held[1]]
    shown = words(visit("keys.py", held))
    assert ">Failed: unknown backup</td>" in shown
    assert ">Done</td>" in shown


def test_each_cell_carries_the_name_of_its_column_for_phones(visit: Open) -> None:
    assert '<td data-name="Scopes">Read, Rate</td>' in words(visit("keys.py", fakes.loaded()))


def test_a_dialog_can_be_cancelled(dialog: Open) -> None:
    held = fakes.loaded()
    intact(press(dialog(REVOCATION, held), session.CANCEL))
    assert held.access.held[0].revoked_at is None

"""Notices: the inbox, its filters and pages, and marking as read."""

from __future__ import annotations

from dataclasses import replace

from engine.services.notices import WebhookState
from pages.ui import notices, session
from pages.ui.escape import text
from pages.ui.format import day
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, press, words


def test_an_empty_inbox_says_what_will_appear(visit: Open) -> None:
    at = visit("notices.py", fakes.empty())
    assert "No notices yet." in at.info[0].value
    assert "MARQUEE_WEBHOOK_URL" in words(at)
    assert button(at, session.READ_ALL).disabled


def test_notices_show_level_text_and_changes(visit: Open) -> None:
    told = words(visit("notices.py", fakes.loaded()))
    assert text(fakes.TRICKY) in told
    assert text("RMSE 0.8814 → 0.8731.") in told
    assert told.count("green-badge[New]") == 2
    assert "red-badge[:material/error: Error]" in told


def test_a_notice_links_to_its_subject(visit: Open) -> None:
    held = fakes.loaded()
    held.inbox.held[2] = replace(held.inbox.held[2], details={"study_id": 5})
    links = visit("notices.py", held).main.get("page_link")
    assert [link.label for link in links] == ["Training run 3", "Training run 3", "Version 2", "Study 5"]
    assert [link.proto.query_string for link in links] == ["run=3", "run=3", "version=2", "study=5"]


def test_a_verdict_is_a_badge_with_the_compared_metrics(visit: Open) -> None:
    held = fakes.loaded()
    compared = {"compared": {"rmse": [0.88, 0.87], "ndcg_at_k": [0.3, 0.31]}}
    held.inbox.held[1] = replace(held.inbox.held[1], details=fakes.ABOUT | compared)
    told = words(visit("notices.py", held))
    assert "green-badge[:material/verified: Promote]" in told
    assert text("RMSE 0.8800 → 0.8700, NDCG@10 0.3000 → 0.3100.") in told


def test_the_state_of_the_webhook_is_shown(visit: Open) -> None:
    held = fakes.loaded()
    held.inbox.hook = WebhookState(0, fakes.NOW, None, None, None)
    assert "Last delivery: " in words(visit("notices.py", held))
    held.inbox.hook = WebhookState(9, None, fakes.NOW, "*refused*", fakes.NOW + 300)
    at = visit("notices.py", held)
    assert text("(*refused*). 9 notices waiting; next attempt at") in at.warning[0].value


def test_one_or_all_are_marked_as_read(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("notices.py", held)
    at = intact(at.button(key=session.read(2)).click().run())
    assert [one.notice_id for one in held.inbox.held if one.read_at is None] == [4]
    assert at.sidebar.button[0].label == "1 unread notice"
    intact(press(at, session.READ_ALL))
    assert held.inbox.unread() == 0


def test_the_inbox_is_filtered(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("notices.py", held)
    for chosen, there, gone in (
        (notices.UNREAD, "Training was late", "Version 2 is trained"),
        (notices.TROUBLE, "script", "Version 2 is trained"),
    ):
        at.segmented_control(key=session.NOTICES).set_value(chosen)
        told = words(intact(at.run()))
        assert there in told
        assert gone not in told
    held.inbox.mark_read()
    at.segmented_control(key=session.NOTICES).set_value(notices.UNREAD)
    assert "No unread notices." in intact(at.run()).info[0].value


def test_a_large_inbox_is_paged(visit: Open) -> None:
    held = fakes.loaded()
    held.inbox.held = [replace(held.inbox.held[2], notice_id=n, read_at=1.0, text=f"No {n}.") for n in range(60, 0, -1)]
    at = visit("notices.py", held)
    assert text("No 36.") in words(at)
    assert text("No 35.") not in words(at)
    at = intact(press(at, session.OLDER_NOTICES))
    assert text("No 11.") in words(at)
    at = intact(press(at, session.OLDER_NOTICES))
    assert text("No 1.") in words(at)
    assert button(at, session.OLDER_NOTICES) is None


def test_routine_notices_of_a_day_are_folded(visit: Open) -> None:
    held = fakes.loaded()
    one = held.inbox.held[1]
    held_back = replace(one, notice_id=8, details=one.details | {"verdict": "HOLD"})
    other = replace(one, notice_id=7, details={})
    yesterday = replace(one, notice_id=6, created_at=one.created_at - 86_400)
    held.inbox.held = [replace(one, notice_id=9), held_back, other, yesterday]
    at = visit("notices.py", held)
    today = day(one.created_at)
    assert [fold.label for fold in at.expander] == [f"{today}: 2 trainings (1 promoted, 1 held), 1 other"]
    assert "green-badge[New]" not in words(at)
    assert notices.folded(today, [other, other]) == f"{today}: 2 notices"

"""When a page is out of date, and that it is then rerun."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from engine.services import use
from engine.services.records import State
from pages.ui import progress, session
from tests.pages import fakes
from tests.pages.conftest import intact
from tests.pages.fakes import RUNNING, Fakes, run
from tests.pages.fakes.tuning import GOING

Change = Callable[[Fakes], object]


def names(held: Fakes, version: int | None) -> None:
    held.versions.activated = lambda: version  # type: ignore[method-assign]


CHANGES: dict[str, Change] = {
    "a run waits": lambda held: setattr(held.training, "going", replace(RUNNING, state=State.QUEUED)),
    "a run goes on": lambda held: setattr(held.training, "going", RUNNING),
    "a run came and failed between two looks": lambda held: held.training.history.insert(0, run(4, "failed")),
    "another version serves": lambda held: setattr(held.serving, "version", 1),
    "the ledger names a version that is still being loaded": lambda held: names(held, 3),
    "an import goes on": lambda held: held.imports.import_demo(),
    "an import came and ended between two looks": lambda held: (held.imports.import_demo(), held.imports.end()),
    "a study goes on": lambda held: setattr(held.tuning, "going", GOING),
    "there is something to tell": lambda held: held.inbox.held.insert(0, replace(held.inbox.held[0], notice_id=5)),
    "there are no ratings any more": lambda held: setattr(held.library, "ratings", 0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_background_changes_make_a_page_out_of_date(change: Change) -> None:
    held = fakes.loaded()
    services = held.services()
    drawn = progress.situation(services)
    assert progress.situation(services) == drawn
    change(held)
    assert progress.situation(services) != drawn


def test_a_finished_run_makes_a_page_out_of_date_even_if_counted_before() -> None:
    held = fakes.first_training()
    held.training.counts = lambda: {"succeeded": 1}  # type: ignore[method-assign]  # saved, and not serving yet
    services = held.services()
    drawn = progress.situation(services)
    held.training.going = None
    assert progress.situation(services) != drawn


@pytest.mark.parametrize("change", ["a run goes on", "an import goes on", "a study goes on"])
def test_work_in_progress_is_polled_more_often(change: str) -> None:
    held = fakes.loaded()
    assert progress.every(held.services()) == progress.IDLE_S
    CHANGES[change](held)
    assert progress.every(held.services()) == progress.EVERY_S


def test_a_loading_version_is_polled_more_often() -> None:
    held = fakes.loaded()
    names(held, 3)
    assert progress.every(held.services()) == progress.EVERY_S
    names(held, 2)
    assert progress.every(held.services()) == progress.IDLE_S


SCRIPT = """
import streamlit as st
from engine.services import current
from pages.ui import progress, session

services = current()
st.session_state.times = st.session_state.get("times", 0) + 1

def draw():
    if st.session_state.times == 1:
        services.serving.version = 9

progress.watch(services, draw)
st.text(f"version {services.serving.active_version()}")
"""


RATED_ELSEWHERE = """
import streamlit as st
from engine.services import current
from pages.ui import progress, session

services = current()
st.session_state.times = st.session_state.get("times", 0) + 1
library, mark = services.library, services.library.mark

def later(user_id):
    library.mark = mark
    found = mark(user_id)
    services.ratings.rate(user_id, "4", 4.5)
    return found

if st.session_state.times == 1:
    library.mark = later
progress.watch_person(services, "7")
st.text(f"{len(library.user_ratings('7'))} ratings")
"""


@pytest.mark.parametrize(("script", "shown"), [(SCRIPT, "version 9"), (RATED_ELSEWHERE, "2 ratings")])
def test_an_outdated_page_is_rerun(script: str, shown: str) -> None:
    use(fakes.loaded().services())
    try:
        at = intact(AppTest.from_string(script, default_timeout=20).run())
    finally:
        use(None)
    assert (at.session_state.times, at.text[0].value) == (2, shown)


@pytest.mark.parametrize("script", [SCRIPT, RATED_ELSEWHERE])
def test_an_open_dialog_is_not_closed(script: str) -> None:
    use(fakes.loaded().services())
    try:
        at = AppTest.from_string(script, default_timeout=20)
        at.session_state[session.DIALOG] = True
        at = intact(at.run())
    finally:
        use(None)
    assert at.session_state.times == 1

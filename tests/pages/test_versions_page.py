"""Versions: the registry, activation with a reason, roll back, the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from engine.errors import VersionUnavailable
from engine.services import use
from pages.ui import keys
from tests.pages import fakes
from tests.pages.conftest import Open, intact, press, select, words


def test_without_versions_it_points_to_training(visit: Open) -> None:
    at = visit("versions.py", fakes.empty())
    assert "There is no version yet" in at.info[0].value
    assert at.main.get("page_link")[0].label == "Open Training"


def test_versions_are_listed_with_the_one_that_serves(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded())
    table = at.dataframe[0].value
    assert table["Version"].tolist() == [2, 1, 3]
    assert table["State"].tolist() == ["● Serves", "Ready", "Damaged"]
    assert at.subheader[1].value == "Version 2"
    assert "0.8655 to 0.8809" in words(at)
    assert "Chosen by hand." in words(at)


def test_only_an_intact_version_that_does_not_serve_can_be_activated(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded())
    assert at.button[0].label == "Let version 2 serve"
    assert at.button[0].disabled
    assert intact(select(at, 0, 2)).button[0].disabled
    assert not intact(select(at, 0, 1)).button[0].disabled


def test_the_buttons_open_a_dialog_first(visit: Open) -> None:
    held = fakes.loaded()
    at = select(visit("versions.py", held), 0, 1)
    assert "Let version 1 serve now" in [button.label for button in intact(press(at, "Let version 1 serve")).button]
    assert "Roll back now" in [button.label for button in intact(press(at, "Roll back")).button]
    assert held.versions.changes == []


# In a browser a dialog runs alone; AppTest always runs the whole script, so here the dialog is the script.
ACTIVATION = """
from engine.services import current
from pages.ui import keys, registry
versions = current().versions
registry.confirm_activation(versions, versions.get(1))
"""
ROLLBACK = """
from engine.services import current
from pages.ui import registry
registry.confirm_rollback(current().versions)
"""


@pytest.fixture
def dialog() -> Iterator[Callable[[str, fakes.Fakes], AppTest]]:
    def _dialog(script: str, held: fakes.Fakes) -> AppTest:
        use(held.services())
        return intact(AppTest.from_string(script, default_timeout=20).run())

    yield _dialog
    use(None)


def test_activation_asks_for_the_reason_and_then_serves(dialog: Callable[..., AppTest]) -> None:
    held = fakes.loaded()
    at = dialog(ACTIVATION, held)
    at.text_input(key=keys.REASON).set_value("Better *lists*")
    intact(press(at, "Let version 1 serve now"))
    assert held.versions.changes == [(1, "Better *lists*")]
    assert at.session_state[keys.TOLD] == ("Version 1 serves now.",)


def test_a_refused_activation_says_why(dialog: Callable[..., AppTest]) -> None:
    held = fakes.loaded()
    held.versions.fails = VersionUnavailable("Version 1 is damaged.")
    at = intact(press(dialog(ACTIVATION, held), "Let version 1 serve now"))
    assert r"Version 1 is damaged" in at.error[0].value


def test_roll_back(dialog: Callable[..., AppTest]) -> None:
    held = fakes.loaded()
    at = intact(press(dialog(ROLLBACK, held), "Roll back now"))
    assert held.versions.changes == [(1, "")]
    assert at.session_state[keys.TOLD] == ("Version 1 serves again.",)

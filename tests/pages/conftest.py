"""Runs the console's shell with AppTest and fake services."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.services import use
from pages.ui import session
from tests.pages.fakes import Fakes

SHELL = Path(__file__).parents[2] / "pages" / "shell.py"
Open = Callable[..., AppTest]


@pytest.fixture
def visit() -> Iterator[Open]:
    """Opens a page by its file, with these services and query parameters; asserts that nothing broke."""

    def _visit(page: str, fakes: Fakes, /, **query: str) -> AppTest:
        use(fakes.services())
        at = AppTest.from_file(SHELL, default_timeout=20)
        at.run()
        for name, value in query.items():
            at.query_params[name] = value
        return intact(at.switch_page(page).run())

    yield _visit
    use(None)


@pytest.fixture
def dialog() -> Iterator[Open]:
    """Runs a script that opens a dialog: a browser reruns only the dialog, AppTest the whole page."""

    def _dialog(script: str, held: Fakes) -> AppTest:
        use(held.services())
        return intact(AppTest.from_string(script, default_timeout=20).run())

    yield _dialog
    use(None)


def intact(at: AppTest) -> AppTest:
    """The page, after asserting that it shows no exception."""
    assert [error.value for error in at.exception] == []
    return at


def rate(at: AppTest, movie_id: str, rating: object) -> AppTest:
    """Send a rating clicked on a movie's card."""
    return click_rating(at, f"recommend.rate.{movie_id}", rating)


def click_rating(at: AppTest, key: str, rating: object) -> AppTest:
    """Send a rating clicked on any input."""
    return send(at, key, "rated", rating)


def choose(at: AppTest, user_id: str) -> AppTest:
    """Enter a person's id in the field in which one is chosen."""
    return send(at, session.PICKER, "chosen", user_id)


def send(at: AppTest, key: str, event: str, value: object) -> AppTest:
    """What the browser sends for an event of a component of ours."""
    found = component(at, key)
    states = at._tree.get_widget_states()
    click = states.widgets.add()
    click.id = f"$$STREAMLIT_INTERNAL_KEY_{found.proto.id}__events"
    click.json_trigger_value = json.dumps([{"event": event, "value": value}])
    return at._run(states)


def type_in(at: AppTest, key: str, typed: str) -> list[dict[str, str]]:
    """What a field finds for a text: its options."""
    found = component(at, key)
    states = at._tree.get_widget_states()
    state = states.widgets.add()
    state.id = found.proto.id
    state.json_value = json.dumps({"typed": typed})
    return options(intact(at._run(states)), key)


def options(at: AppTest, key: str) -> list[dict[str, str]]:
    """The options that a field shows."""
    return list(json.loads(component(at, key).proto.json)["options"])


def component(at: AppTest, key: str) -> Any:
    """The component of ours with this key."""
    return next(one for one in at.get("bidi_component") if one.key == key)


def rating_inputs(at: AppTest) -> list[Any]:
    """The inputs for ratings."""
    return [one for one in at.get("bidi_component") if one.key not in (session.PICKER, session.SEARCH)]


def press(at: AppTest, key: str) -> AppTest:
    """Click the button with this key."""
    return at.button(key=key).click().run()


def button(at: AppTest, key: str) -> Any:
    """The button with this key, None if it is not on the page."""
    return next((one for one in at.button if one.key == key), None)


def table(at: AppTest, key: str) -> Any:
    """The table whose rows can be selected or edited under this key."""
    return next(one for one in at.dataframe if f"-{key}" in one.proto.id)


def words(at: AppTest) -> str:
    """All text of the page, without its style sheet."""
    kinds = (
        at.title,
        at.header,
        at.markdown,
        at.caption,
        at.html,
        at.info,
        at.warning,
        at.error,
        at.success,
        at.metric,
    )
    shown = [
        str(getattr(one, "label", "")) + " " + str(getattr(one, "value", "") or one.body)
        for kind in kinds
        for one in kind
    ]
    return re.sub(r"<style>.*?</style>", "", "\n".join(shown), flags=re.DOTALL)


def links(at: AppTest) -> dict[str, str]:
    """Page and query of each link, by label."""
    found = [one.proto for one in at.get("page_link")]
    return {one.label: f"{one.page}?{one.query_string}" for one in found}


def select(at: AppTest, key: str, *rows: int) -> AppTest:
    """What the browser sends when rows of the table with this key are selected."""
    states = at._tree.get_widget_states()
    pick = states.widgets.add()
    pick.id = table(at, key).proto.id
    pick.string_value = json.dumps({"selection": {"rows": rows, "columns": [], "cells": []}})
    return at._run(states)


def edit(at: AppTest, key: str, rows: Mapping[int, Mapping[str, Any]]) -> AppTest:
    """What the browser sends when these rows of an editable table are changed."""
    states = at._tree.get_widget_states()
    typed = states.widgets.add()
    typed.id = table(at, key).proto.id
    typed.string_value = json.dumps({"edited_rows": rows, "added_rows": [], "deleted_rows": []})
    return at._run(states)

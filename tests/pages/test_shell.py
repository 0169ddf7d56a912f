"""The frame: start, sidebar, errors of a page."""

from __future__ import annotations

from dataclasses import replace

from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from engine.errors import TrainingDiverged
from engine.services import Services, use
from engine.settings import Settings
from pages.panels.shell_sidebar import API, SIGN_OUT
from pages.ui import session
from pages.ui.progress import NO_BREAK
from tests.pages import fakes
from tests.pages.conftest import SHELL, Open, intact, options, type_in, words


def test_while_marquee_starts_the_page_says_so(visit: Open) -> None:
    use(None)
    at = intact(AppTest.from_file(SHELL, default_timeout=20).run())
    assert at.title[0].value == "Marquee is starting"
    assert "Opening the store. The page appears by itself." in words(at)


def test_the_sidebar_shows_version_and_unread_notices(visit: Open) -> None:
    at = visit("training.py", fakes.loaded())
    assert "Version 2 active" in at.sidebar.markdown[0].value
    assert at.sidebar.button[0].label == "2 unread notices"
    assert intact(at.sidebar.button[0].click().run()).title[0].value == "Notices"


class Keyed(fakes.Fakes):
    """Services of a server that requires a key."""

    def services(self) -> Services:
        return replace(super().services(), settings=Settings(demo=False, api_key=SecretStr("open sesame")))


def test_with_a_key_the_sidebar_has_a_sign_out(visit: Open) -> None:
    assert [one.proto.body for one in visit("overview.py", Keyed()).sidebar.get("html")] == [API, SIGN_OUT]
    assert [one.proto.body for one in visit("overview.py", fakes.empty()).sidebar.get("html")] == [API]


def test_the_sidebar_of_an_empty_store(visit: Open) -> None:
    at = visit("overview.py", fakes.empty())
    assert "No version yet" in at.sidebar.markdown[0].value
    assert not at.sidebar.button


def test_the_sidebar_follows_a_training(visit: Open) -> None:
    at = visit("versions.py", fakes.first_training())
    assert at.sidebar.caption[0].value == "Training run 4, step 2 of 8"
    assert at.sidebar.get("progress")[0].text == "About 20 s left".replace(" ", NO_BREAK)


def test_service_errors_are_shown_as_text(visit: Open) -> None:
    class Refusing(fakes.FakeVersions):
        def active(self) -> None:
            raise TrainingDiverged("The *loss* became infinite.")

    held = fakes.loaded()
    held.versions = Refusing(held.serving)
    at = visit("overview.py", held)
    assert at.error[0].value == r"The \*loss\* became infinite\."
    assert "100,004" in words(at)


def test_the_search_finds_movies_people_and_versions(visit: Open) -> None:
    at = visit("overview.py", fakes.loaded())
    assert options(at, session.SEARCH) == []
    found = type_in(at, session.SEARCH, "in the")
    assert [(one["group"], one["title"], one["value"]) for one in found] == [
        ("Movies", "Once Upon a Time in the West", "/movie?id=7"),
        ("Movies", "Singin' in the Rain", "/movie?id=10"),
    ]
    assert [(one["group"], one["title"]) for one in type_in(at, session.SEARCH, "2")] == [("Versions", "Version 2")]
    assert [one["title"] for one in type_in(at, session.SEARCH, "version")] == []
    assert [(one["title"], one["about"]) for one in type_in(at, session.SEARCH, "a_b")] == [("a_b*", "1 rating")]


def test_every_page_is_in_the_navigation() -> None:
    pages = {path.name for path in SHELL.parent.glob("*.py")} - {"shell.py", "__init__.py"}
    assert len(pages) >= 8
    assert all(f'"{name}"' in SHELL.read_text("utf-8") for name in pages)


def test_nothing_is_fetched_from_outside() -> None:
    files = [path for path in SHELL.parent.rglob("*") if path.suffix in {".py", ".css", ".js", ".svg"}]
    assert len(files) > 20
    for path in files:
        outside = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in outside, path
        assert "https://" not in outside, path

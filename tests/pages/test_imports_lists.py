"""Everybody's list from Spark on the Import page: ordered, followed, cancelled, and where it is."""

from __future__ import annotations

from pages.ui import session
from tests.pages import fakes
from tests.pages.conftest import Open, button, words
from tests.pages.fakes.lists import PATH

TITLE = "Everybody's list from Spark"


def of_spark() -> fakes.Fakes:
    held = fakes.loaded()
    held.spark_lists.of_spark = True
    return held


def test_a_version_of_another_model_says_nothing_of_spark(visit: Open) -> None:
    assert TITLE not in words(visit("imports.py", fakes.loaded()))
    assert TITLE not in words(visit("imports.py", fakes.first_training()))


def test_lists_are_ordered_followed_and_found(visit: Open) -> None:
    held = of_spark()
    at = visit("imports.py", held)
    assert TITLE in words(at)
    at.number_input(key=session.LIST_LENGTH).set_value(25)
    button(at, session.WRITE_LISTS).click().run()
    assert held.spark_lists.written == [25]
    assert "list on Spark" in str(at.get("progress")[0].proto)
    assert button(at, session.WRITE_LISTS) is None
    held.spark_lists.end()
    at = visit("imports.py", held)
    assert "671 people" in at.success[0].value
    assert at.code[0].value == PATH


def test_a_job_is_cancelled(visit: Open) -> None:
    held = of_spark()
    held.spark_lists.write(10)
    at = visit("imports.py", held)
    button(at, session.CANCEL_LISTS).click().run()
    assert held.spark_lists.cancelled == [6]
    assert "nothing was kept" in visit("imports.py", held).warning[0].value


def test_a_failure_has_its_reason_and_the_way_to_try_again(visit: Open) -> None:
    held = of_spark()
    held.spark_lists.write(10)
    held.spark_lists.end("failed", "The job on Spark failed: no route to the master.")
    at = visit("imports.py", held)
    assert "no route to the master" in at.error[0].value
    assert button(at, session.WRITE_LISTS) is not None


def test_without_spark_the_reason_stands_in_place_of_the_button(visit: Open) -> None:
    held = of_spark()
    held.spark_lists.refused = "Apache Spark needs Java 17."
    at = visit("imports.py", held)
    assert "Apache Spark needs Java 17." in [one.value for one in at.caption]
    assert button(at, session.WRITE_LISTS) is None

"""Automation: the plan, its form, and the runs that it ordered."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import NotReady
from tests.pages import fakes
from tests.pages.conftest import Open, intact, press, words


def test_the_plan_is_shown(visit: Open) -> None:
    at = visit("automation.py", fakes.loaded())
    tiles = {metric.label: metric.value for metric in at.metric}
    assert tiles["New ratings"] == "1,204"
    assert tiles["Next run"].startswith("2026-")
    assert "None yet. The next run is above." in words(at)


def test_with_nothing_trained_it_opens(visit: Open) -> None:
    held = fakes.empty()
    held.automation.planned = replace(held.automation.planned, last_run=None, ratings_since=0)
    at = visit("automation.py", held)
    assert {metric.value for metric in at.metric} >= {"None yet", "0"}


def test_runs_of_the_plan_are_listed_alone(visit: Open) -> None:
    held = fakes.loaded()
    held.training.history[0] = replace(held.training.history[0], actor="rule")
    at = visit("automation.py", held)
    assert at.dataframe[0].value["Run"].tolist() == [3]


def test_saving_sends_the_plan(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("automation.py", held), "Save the plan"))
    ((_, values),) = held.automation.asked
    assert values == {
        "days": [6],
        "hour": 3,
        "minute": 0,
        "zone": "Europe/Berlin",
        "after_ratings": 5000,
        "activate": "if_better",
    }
    assert "counts from now on" in at.toast[0].value


def test_a_refused_plan_says_why_under_its_field(visit: Open) -> None:
    at = visit("automation.py", fakes.loaded())
    at.number_input[0].set_value(-1)
    at = intact(press(at, "Save the plan"))
    assert "after_ratings is -1, but must be from 0 to 100." in words(at)


def test_pausing_and_going_on(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("automation.py", held), "Pause"))
    assert {metric.label: metric.value for metric in at.metric}["Next run"] == "Paused"
    intact(press(at, "Go on"))
    assert held.automation.asked == [("pause", True), ("pause", False)]


def test_a_run_at_once_leads_to_training(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("automation.py", held), "Retrain now"))
    assert held.automation.asked == [("run_now",)]
    assert at.title[0].value == "Training"


def test_the_drift_is_measured_when_asked_for(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("automation.py", held)
    assert not at.warning
    at = intact(press(at, "Measure the drift"))
    assert "Retrain soon" in at.warning[0].value
    tiles = {metric.label: metric.value for metric in at.metric}
    assert (tiles["RMSE behind"], tiles["Same top ten"], tiles["Ratings since"]) == ("+0.0123", "81%", "1,204")
    held.serving.version = 1
    assert not intact(at.run()).warning  # it was of another version


def test_without_a_version_there_is_no_drift(visit: Open) -> None:
    held = fakes.empty()
    held.serving.fails = NotReady("No model is trained yet.")
    at = intact(press(visit("automation.py", held), "Measure the drift"))
    assert "No model is trained yet" in at.info[0].value

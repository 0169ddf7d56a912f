"""Automation: the schedule, runs, drift and backups."""

from __future__ import annotations

from dataclasses import replace

from pages.ui import session
from pages.ui.escape import text
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, press, table, words


def test_the_schedule_is_shown(visit: Open) -> None:
    at = visit("automation.py", fakes.loaded())
    tiles = {metric.label: metric.value for metric in at.metric}
    assert tiles["New ratings"] == "1,204"
    assert tiles["Next run"].startswith("2026-")
    assert [one.value for one in at.header][-2:] == ["Automatic runs", "Backups"]


def test_the_page_opens_without_a_run(visit: Open) -> None:
    held = fakes.empty()
    held.automation.planned = replace(held.automation.planned, last_run=None, ratings_since=0)
    at = visit("automation.py", held)
    assert {metric.value for metric in at.metric} >= {"None yet", "0"}


def test_runs_are_listed_with_before_after_and_actor(visit: Open) -> None:
    held = fakes.loaded()
    held.training.history[0] = replace(held.training.history[0], actor="rule", judgement=fakes.JUDGEMENT)
    at = visit("automation.py", held)
    row = at.dataframe[0].value.iloc[0]
    assert "Run 3" in [one.value for one in at.header]
    assert f"**For whom?** {text(fakes.JUDGEMENT.whom)}" in words(at)
    (goal,) = [one for one in fakes.JUDGEMENT.evidence if (one.role, one.metric) == ("goal", "rmse")]
    assert (row["Run"], row["Verdict"], row["By"]) == (3, "Promote", "new ratings")
    assert (row["RMSE before"], row["RMSE"]) == (goal.difference.baseline, goal.difference.value)


def test_runs_that_people_started_are_left_out(visit: Open) -> None:
    at = visit("automation.py", fakes.loaded())
    assert "No automatic runs yet." in words(at)
    assert not at.dataframe


def test_one_sentence_says_whether_to_retrain(visit: Open) -> None:
    held = fakes.loaded()
    told = visit("automation.py", held).success[0].value
    assert told == "No need to retrain yet: 1,204 new ratings since version 2. Lists follow at once."
    held.automation.planned = replace(held.automation.planned, ratings_since=0)
    assert "version 2 has learned every rating" in visit("automation.py", held).success[0].value
    held.serving.version = 1
    assert visit("automation.py", held).success[0].value.endswith("has learned every rating. Version 1 is active.")
    held.serving.version = 2
    held.automation.planned = replace(held.automation.planned, ratings_since=30_000)
    at = visit("automation.py", held)
    assert at.warning[0].value == "Retrain soon: 30,000 ratings (30%) came in since version 2 was trained."
    at = intact(press(at, session.MEASURE_DRIFT))
    assert [one.value for one in at.warning] == ["Retrain soon: instant updates are starting to fall behind."]
    assert not visit("automation.py", fakes.empty()).success


def test_the_last_run_is_summarised(visit: Open) -> None:
    held = fakes.loaded()
    last = replace(held.training.history[0], actor="schedule", judgement=fakes.REJECTED)
    held.automation.planned = replace(held.automation.planned, last_run=last)
    tiles = {metric.label: metric.delta for metric in visit("automation.py", held).metric}
    assert tiles["Last run"].startswith("Reject, RMSE ")
    assert tiles["Next run"] == "03:00 in Europe/Berlin"
    assert tiles["New ratings"] == "Retrains at 5,000"


def test_a_running_training_blocks_another(visit: Open) -> None:
    held = fakes.loaded()
    held.training.going = replace(fakes.RUNNING, actor="schedule")
    at = visit("automation.py", held)
    assert "**Run 4** · started by schedule" in words(at)
    assert button(at, session.RETRAIN).disabled


def test_an_empty_store_links_to_the_import(visit: Open) -> None:
    at = visit("automation.py", fakes.empty())
    assert "No ratings to train on yet" in at.info[0].value
    assert button(at, session.RETRAIN).disabled
    assert button(at, session.MEASURE_DRIFT).disabled


def test_saving_sends_the_schedule(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("automation.py", held), session.SAVE_PLAN))
    ((_, values),) = held.automation.asked
    assert values == {
        "days": [6],
        "hour": 3,
        "minute": 0,
        "zone": "Europe/Berlin",
        "after_ratings": 5000,
        "activate": "if_better",
    }
    assert at.toast[0].value == "Schedule saved."


def test_a_refused_schedule_has_a_message_under_its_field(visit: Open) -> None:
    at = visit("automation.py", fakes.loaded())
    at.number_input(key=session.PLAN_RATINGS).set_value(-1)
    at = intact(press(at, session.SAVE_PLAN))
    assert "The number of new ratings must be from 0 to 100, not -1." in words(at)


def test_pausing_and_resuming(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("automation.py", held), session.PAUSE))
    assert {metric.label: metric.value for metric in at.metric}["Next run"] == "Paused"
    intact(press(at, session.PAUSE))
    assert held.automation.asked == [("pause", True), ("pause", False)]


def test_retraining_now_opens_training(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("automation.py", held), session.RETRAIN))
    assert held.automation.asked == [("run_now",)]
    assert at.title[0].value == "Training"


def test_drift_is_measured_on_request(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("automation.py", held)
    assert not at.warning
    at = intact(press(at, session.MEASURE_DRIFT))
    assert "Retrain soon" in at.warning[0].value
    tiles = {metric.label: metric.value for metric in at.metric}
    assert (tiles["RMSE gap"], tiles["Shared top 10"]) == ("+0.0123", "81%")
    held.serving.version = 1
    assert not intact(at.run()).warning  # it was of another version


# -- backups ---------------------------------------------------------------------------------------------------------


def test_a_first_backup_is_started(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("automation.py", held)
    assert any("No backups yet. Make one now" in one.value for one in at.info)
    intact(press(at, session.BACK_UP))
    assert held.storage.asked == [("start_backup",)]


def test_backups_are_listed(visit: Open) -> None:
    held = fakes.loaded()
    held.storage.held = list(fakes.BACKUPS)
    backups = table(visit("automation.py", held), session.BACKUP).value
    assert list(backups["Ratings"]) == [100_316] * 3
    assert list(backups["Trigger"]) == ["schedule"] * 3


def test_a_running_backup_can_be_cancelled(visit: Open) -> None:
    held = fakes.loaded()
    held.storage.going = 0.4
    at = visit("automation.py", held)
    assert button(at, session.BACK_UP).disabled
    intact(press(at, session.CANCEL_BACKUP))
    assert held.storage.asked == [("cancel",)]


def test_the_store_is_checked_and_problems_are_shown(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("automation.py", held), session.CHECK_STORE))
    assert any("No problems" in one.value for one in at.success)
    held.storage.faults = ["There are 5 ratings, but 3 were counted."]
    at = intact(press(visit("automation.py", held), session.CHECK_STORE))
    assert any("3 were counted" in one.value for one in at.error)


def test_the_backup_schedule_is_saved(visit: Open) -> None:
    held = fakes.loaded()
    intact(press(visit("automation.py", held), session.SAVE_BACKUPS))
    wanted = {"every": "never", "hour": 2, "minute": 0, "zone": "UTC", "keep_days": 30}
    assert held.storage.asked == [("change_plan", wanted)]


RESTORE = """
from engine.services import current
from pages.panels import automation_backups
storage = current().storage
automation_backups.confirm_restore(storage, storage.backups()[0])
"""


def test_restoring_asks_first_and_can_be_cancelled(dialog: Open) -> None:
    held = fakes.loaded()
    held.storage.held = list(fakes.BACKUPS)
    at = dialog(RESTORE, held)
    assert "100,316 ratings and 3 versions" in words(at)
    at = intact(press(at, session.CANCEL))
    assert held.storage.asked == []
    at = intact(press(at, session.CONFIRM))
    assert held.storage.asked == [("restore", fakes.BACKUPS[0].name)]
    assert "The previous data is in" in at.session_state[session.TOASTS][0]

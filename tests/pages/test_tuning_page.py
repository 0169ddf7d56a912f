"""Tuning: the form, the running study, finished studies and their results."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import InvalidInput, TrainingBusy
from engine.models.list_settings import ranking_space
from engine.models.registry import MODELS, search_space
from engine.training.tuning import FoldResult
from pages.panels import tuning_charts, tuning_studies
from pages.ui import session
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, press, select, words
from tests.pages.fakes import tuning as fake_tuning


def test_without_ratings_it_asks_for_them(visit: Open) -> None:
    at = visit("tuning.py", fakes.empty())
    assert "No ratings to train on" in at.info[0].value
    assert not at.button
    assert "No studies yet" in words(at)


def test_a_first_study_is_offered_with_its_search_space(visit: Open) -> None:
    held = fakes.loaded()
    held.tuning.history = []
    at = visit("tuning.py", held)
    assert button(at, session.START_STUDY)
    assert button(at, session.RESUME_STUDY) is None
    for one in search_space("svd"):
        assert one.title in words(at)
    at.segmented_control(key=session.STUDY_MODEL).set_value("ncf")
    assert "Hidden layers" in words(intact(at.run()))


@pytest.mark.parametrize("kind", MODELS)
def test_starting_sends_the_form(visit: Open, kind: str) -> None:
    held = fakes.loaded()
    at = visit("tuning.py", held)
    at.segmented_control(key=session.STUDY_MODEL).set_value(kind)
    at = intact(at.run())
    at.number_input(key=session.TRIALS).set_value(12)
    at.number_input(key=session.MINUTES).set_value(2.5)
    at = intact(press(at, session.START_STUDY))
    assert held.tuning.asked == [("start", kind, 12, 3, 2.5, 0, "rmse")]
    assert at.toast[0].value == "Study 5 started."
    assert button(at, session.START_STUDY) is None


def test_a_study_can_aim_at_lists(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("tuning.py", held)
    at.segmented_control(key=session.STUDY_GOAL).set_value("ndcg_at_k")
    at = intact(at.run())
    for one in ranking_space():
        assert one.title in words(at)
    assert "groups of people" in words(at)
    intact(press(at, session.START_STUDY))
    assert held.tuning.asked == [("start", "svd", 20, 3, 30.0, 0, "ndcg_at_k")]


def test_a_study_of_lists_shows_its_metric(visit: Open) -> None:
    held = fakes.loaded()
    held.tuning.history = [fake_tuning.LISTS]
    at = visit("tuning.py", held)
    assert "It is better" in at.success[0].value
    assert "Hyperparameters and NDCG@10" in words(at)
    assert at.dataframe[0].value["Aim"].tolist() == ["NDCG@10"]
    assert at.dataframe[1].value["NDCG@10"].tolist()[0] == pytest.approx(0.14)
    assert at.dataframe[1].value["Fold 3"].tolist()[0] == pytest.approx(0.144)
    assert "RMSE" not in at.dataframe[1].value
    intact(press(at, session.TRAIN_BEST))
    assert held.tuning.asked == [("train", 7)]


def test_higher_is_better_in_the_charts_of_lists() -> None:
    rows = tuning_charts.trial_rows(fake_tuning.LIST_TRIALS, "ndcg_at_k")
    assert [round(row["best"], 3) for row in rows] == [0.14, 0.15, 0.15, 0.15, 0.152, 0.152, 0.152]
    lines, _ = tuning_charts.parallel_rows(fake_tuning.LIST_TRIALS, "ndcg_at_k")
    assert list(dict.fromkeys(row["axis"] for row in lines)) == ["L2", "Recency", "Rating weight", "NDCG@10"]
    assert {row["axis"]: row for row in lines if row["trial"] == 4}["NDCG@10"]["place"] == 1


def test_a_refused_value_has_a_message_and_is_kept(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("tuning.py", held)
    at.number_input(key=session.TRIALS).set_value(1)
    at = intact(press(at, session.START_STUDY))
    fault = next(one for one in at.html if 'class="mq-error"' in one.value)
    assert "Trials must be from 2 to 1000, not 1." in fault.value
    assert at.number_input(key=session.TRIALS).value == 1
    assert held.tuning.asked == []
    at.number_input(key=session.TRIALS).set_value(10)
    at = intact(press(at, session.START_STUDY))
    assert not [one for one in at.html if 'class="mq-error"' in one.value]


def test_errors_of_no_field_are_shown(visit: Open) -> None:
    held = fakes.loaded()
    held.tuning.fails = InvalidInput("40 ratings are too few.", field="ratings")
    at = intact(press(visit("tuning.py", held), session.START_STUDY))
    assert "40 ratings are too few." in words(at)


def test_a_running_study_shows_progress_and_can_be_stopped(visit: Open) -> None:
    held = fakes.searching()
    at = visit("tuning.py", held)
    told = at.get("progress")[0].proto.text
    assert "6 of 20 trials done" in told
    assert "42 s left" in told
    assert "Best so far: trial 5, RMSE 0.8931." in words(at)
    assert button(at, session.START_STUDY) is None
    at = intact(press(at, session.STOP_STUDY))
    assert held.tuning.asked == [("stop", 5)]


def test_a_stopped_study_is_resumed(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("tuning.py", held), session.RESUME_STUDY))
    assert held.tuning.asked == [("resume", 4, None, None)]
    assert at.toast[0].value == "Study 4 resumed."
    assert "Study 4" in at.header[0].value


def test_a_study_can_be_extended(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("tuning.py", held)
    at.number_input(key=session.new_limit("trials", 4)).set_value(40)
    at.number_input(key=session.new_limit("minutes", 4)).set_value(90.0)
    intact(press(at, session.new_limit("continue", 4)))
    assert held.tuning.asked == [("resume", 4, 40, 90.0)]


def test_refused_limits_say_why(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("tuning.py", held)
    at.number_input(key=session.new_limit("trials", 4)).set_value(3)
    at = intact(press(at, session.new_limit("continue", 4)))
    assert "7 of 7 trials are done" in at.error[0].value.replace("\\", "")
    assert held.tuning.asked == []


def test_nothing_is_resumed_beside_a_running_study(visit: Open) -> None:
    at = visit("tuning.py", fakes.searching())
    assert button(at, session.RESUME_STUDY).disabled


def test_the_best_trial_is_trained_with_one_click(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("tuning.py", held), session.TRAIN_BEST))
    assert held.tuning.asked == [("train", 4)]
    assert at.title[0].value == "Training"
    assert "trial 5" in at.toast[0].value


def test_a_refused_training_says_why(visit: Open) -> None:
    held = fakes.loaded()
    held.tuning.fails = TrainingBusy(9)
    at = intact(press(visit("tuning.py", held), session.TRAIN_BEST))
    assert "Training run 9 is in progress" in at.error[0].value


def test_evidence_is_shown(visit: Open) -> None:
    at = visit("tuning.py", fakes.loaded())
    assert "May be chance" in at.info[0].value  # of the newest, which stopped
    assert at.info[0].value.startswith("**Resume: 13 trials to go.**")
    at = intact(select(at, session.STUDY, 1))
    assert "It is better" in at.success[0].value
    at = intact(select(at, session.STUDY, 3))
    assert at.info[0].value.startswith("**Keep the defaults.** No trial beat them")


def test_a_failed_study_says_why_as_text(visit: Open) -> None:
    at = intact(select(visit("tuning.py", fakes.loaded()), session.STUDY, 2))
    assert at.error[0].value.replace("\\", "") == fake_tuning.HISTORY[2].error
    assert "\\<script\\>" in at.error[0].value
    assert "The charts appear with the first finished trial." in words(at)


def test_trials_are_listed_with_folds_and_why_they_failed(visit: Open) -> None:
    at = visit("tuning.py", fakes.loaded())
    table = at.dataframe[1].value
    assert table["State"].tolist()[:5] == ["Finished (defaults)", "Finished", "Finished", "Failed", "Stopped early"]
    assert table["State"].tolist()[6] == tuning_studies.INTERRUPTED
    assert table["Reason"].tolist()[3] == fake_tuning.HOSTILE
    assert table["Fold 2"].tolist()[0] == pytest.approx(0.8962)


def test_the_address_selects_a_study(visit: Open) -> None:
    at = visit("tuning.py", fakes.loaded(), study="3")
    assert "Study 3" in at.header[-1].value
    assert "It is better" in at.success[0].value
    at = intact(select(at, session.STUDY, 3))
    assert "Study 1" in at.header[-1].value
    assert at.query_params["study"] == "1"


@pytest.mark.parametrize("asked", ["99", "x", "-1", "²", "9" * 5000])
def test_an_address_with_no_such_study_does_no_harm(visit: Open, asked: str) -> None:
    at = visit("tuning.py", fakes.loaded(), study=asked)
    assert [error.value for error in at.error] == ([r"There is no study 99\."] if asked == "99" else [])


def test_a_link_to_the_running_study_shows_it_once(visit: Open) -> None:
    at = visit("tuning.py", fakes.searching(), study="5")
    assert [one.value for one in at.header if "Study 5" in one.value] == ["Study 5 · Matrix factorisation · RMSE"]
    assert button(at, session.TRAIN_BEST) is None


def test_the_defaults_cannot_be_trained_from_a_study(visit: Open) -> None:
    at = visit("tuning.py", fakes.loaded(), study="1")
    assert "No trial beat them" in at.info[0].value
    assert button(at, session.TRAIN_BEST) is None


def test_the_trial_axis_leaves_room() -> None:
    assert [tuning_charts._axis_length(one) for one in (*fake_tuning.HISTORY[:2], fake_tuning.GOING)] == [8, 8, 20]


def test_rows_of_the_trial_chart_hold_the_best_so_far() -> None:
    rows = tuning_charts.trial_rows(fake_tuning.TRIALS, "rmse")
    assert [row["trial"] for row in rows] == [0, 1, 2, 4, 5, 7]
    assert [row["best"] for row in rows] == [0.8962, 0.8962, 0.8955, 0.8955, 0.8931, 0.8931]
    assert [row["kind"] for row in rows] == ["Defaults", "Trial", "Trial", "Stopped early", "Trial", "Trial"]


def test_trials_stopped_early_stand_at_the_folds_they_finished() -> None:
    folds = (FoldResult(0, 0.95, 3, 0.1), FoldResult(1, 0.97, 3, 0.1))
    history = (*fake_tuning.TRIALS[:3], replace(fake_tuning.TRIALS[4], folds=folds), fake_tuning.TRIALS[4])
    rows = tuning_charts.trial_rows(history, "rmse")
    assert [row["value"] for row in rows[3:]] == [pytest.approx(0.96), 0.8993]


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({}, "Train with trial 5."),
        ({"evidence": fake_tuning.MAYBE}, "Keep the defaults."),
        ({"evidence": fake_tuning.MAYBE, "trials": 9}, "Resume: 2 trials to go."),
        ({"evidence": None, "best": fake_tuning.TRIALS[0]}, "Keep the defaults."),
        ({"evidence": None}, "Extend the study."),
        ({"evidence": None, "best": None}, "Start another study."),
    ],
)
def test_a_study_ends_in_one_recommendation(changes: dict[str, Any], advice: str) -> None:
    assert tuning_studies.recommend(fake_tuning.study(1, **changes))[0] == advice


def test_parallel_lines_cross_every_axis_between_its_ends() -> None:
    lines, ends = tuning_charts.parallel_rows(fake_tuning.TRIALS, "rmse")
    axes = ["Factors", "Learning rate", "Regularization", "RMSE"]
    assert list(dict.fromkeys(row["axis"] for row in lines)) == axes
    assert len(lines) == 5 * len(axes) + 3  # what was given up has no RMSE
    given_up = [row for row in lines if row["kind"] == "Stopped early"]
    assert [(row["trial"], row["axis"]) for row in given_up] == [(4, axis) for axis in axes[:3]]
    best = {row["axis"]: row for row in lines if row["trial"] == 5}
    assert best["RMSE"]["place"] == 0
    assert best["RMSE"]["label"] == "0.8931"
    assert all(0 <= row["place"] <= 1 for row in lines)
    by_axis = {axis: [end for end in ends if end["axis"] == axis] for axis in axes}
    assert [end["label"] for end in by_axis["RMSE"]] == ["0.893", "0.901"]
    assert [(end["place"], end["label"]) for end in by_axis["Regularization"]] == [(0.5, "0.1")]


def test_lists_have_an_axis_of_choices_and_long_numbers_are_short(visit: Open) -> None:
    lines, ends = tuning_charts.parallel_rows(fake_tuning.NEURAL_TRIALS, "rmse")
    assert [end["label"] for end in ends if end["axis"] == "Hidden"] == ["128-64", "32", "64-32"]
    assert {row["kind"] for row in lines} == set(tuning_charts.KINDS)
    assert max(len(end["label"]) for end in ends) <= 8
    assert "13 h 43 min of 24 h" in words(visit("tuning.py", fakes.storied()))


def test_axes_are_logarithmic_linear_or_categorical() -> None:
    assert tuning_charts.places([1, 10, 100])[0] == pytest.approx([0, 0.5, 1])
    assert tuning_charts.places([1.0, 2.0, 3.0])[0] == pytest.approx([0, 0.5, 1])
    assert tuning_charts.places([0.0, 50.0, 100.0])[0] == pytest.approx([0, 0.5, 1])
    placed, labels = tuning_charts.places([(64, 32), (32,), (64, 32)])
    assert placed == [1.0, 0.0, 1.0]
    assert labels == [(0.0, "32"), (1.0, "64-32")]
    assert not any(math.isnan(place) for place in tuning_charts.places([5, 5])[0])

"""Versions: the registry, details and actions of a version, deployment history, files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import streamlit as st

from engine.errors import VersionUnavailable
from engine.evaluation.baselines import Baseline, shortfalls
from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from pages.ui import session
from pages.ui.escape import text
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, press, select, words


def test_without_versions_it_points_to_what_is_missing(visit: Open) -> None:
    at = visit("versions.py", fakes.empty())
    assert "No versions yet, and no ratings" in at.info[0].value
    assert at.main.get("page_link")[0].label == "Import ratings"
    held = fakes.loaded()
    held.versions.held = []
    at = visit("versions.py", held)
    assert "Train the first one" in at.info[0].value
    assert at.main.get("page_link")[0].label == "Open Training"


def test_during_the_first_training_it_says_that_the_version_comes_by_itself(visit: Open) -> None:
    held = fakes.first_training()
    assert "trained automatically and appears here by itself" in visit("versions.py", held).info[0].value


def test_versions_are_listed_with_the_active_one(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded())
    table = at.dataframe[0].value
    assert table["Version"].tolist() == [2, 1, 3]
    assert table["State"].tolist() == ["● Active", "Ready", "Damaged"]
    assert at.header[1].value == "Version 2"
    assert "0.8655 to 0.8809" in words(at)
    assert "Activated by hand. No reason was given." in words(at)


def test_newcomers_are_charted_with_a_baseline(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("versions.py", held)
    assert "Not measured: this needs 160 people" in words(at)
    points = tuple(
        NewcomerPoint(known, 40, MetricValue(1 - known / 100, 0.7, 1.1), 0.99, MetricValue(0.3, 0.2, 0.4), 0.25)
        for known in (0, 3, 20)
    )
    held.versions.held = [replace(one, newcomers=points) for one in held.versions.held]
    at = visit("versions.py", held)
    assert "40 people were kept out of training" in words(at)
    assert "Dashed: each movie's mean, 0.9900." in words(at)
    assert "Dashed: the most popular movies, 0.2500." in words(at)
    alone = tuple(replace(one, ndcg=None, popularity=None) for one in points)
    held.versions.held = [replace(one, newcomers=alone) for one in held.versions.held]
    assert "popular movies" not in words(visit("versions.py", held))


def test_metrics_stand_beside_popular_movies_and_a_random_list(visit: Open) -> None:
    held = fakes.loaded()
    assert "Popular movies" not in words(visit("versions.py", held))
    of_all = Baseline("all", "ndcg_at_k", 0.3054, 0.145, 0.002, 0.1604, 0.141, 0.18, 653, "better")
    coverage = Baseline("all", "coverage", 0.087, 0.012, None, 0.075, None, None, 653, "no difference shown")
    below = Baseline("new_users", "ndcg_at_k", 0.05, 0.07, 0.001, -0.02, -0.035, -0.005, 64, "worse")
    beside = (of_all, coverage, below)
    told = tuple(shortfalls(beside))
    held.versions.held = [replace(one, baselines=beside, shortfalls=told) for one in held.versions.held]
    at = visit("versions.py", held)
    wanted = (
        "Popular movies",
        "+0.1604",
        "+0.1410 to +0.1800",
        "1.2%, popular movies",
        "0.0020",
        "People with few ratings",
        "-0.0200",
    )
    for expected in wanted:
        assert expected in words(at), expected
    assert [one.value for one in at.warning][:1] == [text(told[0])]


def test_only_intact_inactive_versions_can_be_activated(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded())
    assert button(at, session.ACTIVATE).disabled
    assert button(select(at, session.VERSION, 2), session.ACTIVATE).disabled
    assert not button(select(at, session.VERSION, 1), session.ACTIVATE).disabled


def test_active_and_deleted_versions_cannot_be_deleted(visit: Open) -> None:
    at = visit("versions.py", fakes.storied())
    assert button(at, session.DELETE_VERSION).disabled
    assert "It is active" in button(at, session.DELETE_VERSION).help
    gone = intact(select(at, session.VERSION, 8))
    assert button(gone, session.DELETE_VERSION).disabled
    assert "Already deleted" in button(gone, session.DELETE_VERSION).help
    assert "arrays were deleted" in gone.warning[0].value
    assert next(one for one in gone.get("download_button") if one.label == "Export").disabled
    assert not button(intact(select(at, session.VERSION, 0)), session.DELETE_VERSION).disabled


def test_the_buttons_open_a_dialog_first(visit: Open) -> None:
    held = fakes.loaded()
    at = select(visit("versions.py", held), session.VERSION, 1)
    assert button(intact(press(at, session.ACTIVATE)), session.CONFIRM)
    assert button(intact(press(at, session.ROLL_BACK)), session.CONFIRM)
    assert button(intact(press(at, session.DELETE_VERSION)), session.CONFIRM)
    assert held.versions.changes == []
    assert held.versions.deleted == []


def test_a_link_leads_to_a_version(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded(), version="1")
    assert at.header[1].value == "Version 1"
    intact(select(at, session.VERSION, 0))
    assert at.header[1].value == "Version 2"
    assert at.query_params["version"] == "2"


def test_the_address_keeps_a_comparison_and_its_baseline(visit: Open) -> None:
    held = fakes.storied()
    at = visit("versions.py", held, version="8,6,x", baseline="6")
    assert at.header[1].value == "Versions 8 and 6"
    assert held.versions.compared == [([8, 6], 6)]
    assert (at.query_params["version"], at.query_params["baseline"]) == ("8,6", "6")
    intact(at.selectbox(key=session.baseline([8, 6], 8)).set_value(8).run())
    assert "baseline" not in at.query_params


def test_a_version_says_what_it_changes_for_people(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded())
    assert text(fakes.EFFECT.text) in words(at)
    assert "Beside version 1, lists of a sample of 200 people." in words(at)
    assert "Beside version" not in words(visit("versions.py", fakes.loaded(), version="1"))


def test_hyperparameters_show_what_was_asked_for(visit: Open) -> None:
    held = fakes.loaded()
    held.versions.held[0] = replace(held.versions.held[0], asked={"factors": "auto"}, hyperparameters={"factors": 40})
    assert "<td>Factors</td><td>auto</td><td>40</td>" in words(visit("versions.py", held))


def test_without_an_earlier_version_there_is_no_rollback(visit: Open) -> None:
    held = fakes.loaded()
    held.versions.held = [held.versions.held[0]]
    assert button(visit("versions.py", held), session.ROLL_BACK).disabled


def test_a_link_asks_whether_to_roll_back(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded(), roll_back="1")
    assert "Version 1 was active before" in words(at)
    assert "roll_back" not in at.query_params
    assert "was active before" not in words(visit("versions.py", fakes.loaded(), roll_back="2"))


def test_a_selection_survives_a_new_version(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(select(visit("versions.py", held), session.VERSION, 1))
    assert at.header[1].value == "Version 1"
    held.versions.held.insert(0, fakes.version(4))
    assert intact(at.run()).header[1].value == "Version 1"


def test_hostile_and_long_words_are_shown_as_they_are(visit: Open) -> None:
    at = visit("versions.py", fakes.storied())
    said = [one.value for one in at.markdown]
    assert any(text(fakes.TRICKY) in one and "in production" in one for one in said)
    assert text(fakes.LONG * 4) in said
    assert at.dataframe[0].value["Note"].tolist()[:2] == [fakes.TRICKY, fakes.LONG * 4]


def test_note_and_tags_are_edited(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("versions.py", held)
    at.text_area(key=session.description("note", 2)).set_value("Before the *festival*")
    at.multiselect(key=session.description("tags", 2)).set_value(["keep"])
    at = intact(press(at, session.SAVE_DESCRIPTION))
    assert (held.versions.get(2).note, held.versions.get(2).tags) == ("Before the *festival*", ("keep",))
    assert at.toast[0].value == "Saved note and tags of version 2."
    assert at.dataframe[0].value["Tags"].tolist() == ["keep", "", ""]


def test_the_log_of_its_run_is_linked(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("versions.py", held)
    links = [link.proto for link in at.main.get("page_link")]
    assert [(link.label, link.query_string) for link in links] == [("Training run 2", "run=2")]
    held.versions.held[0] = fakes.version(2, active=True, run_id=None)
    assert "Imported from a file" in words(intact(at.run()))


def test_a_version_is_reproduced_and_the_result_shown(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(press(visit("versions.py", held), session.TRAIN_AGAIN))
    assert held.training.going is not None
    assert held.training.going.repeats == 2
    assert "Reproducing this version" in words(at)
    held.training.going, held.training.history = None, [fakes.repeated(4, 2), *held.training.history]
    assert "bit for bit" in intact(at.run()).success[0].value
    held.training.history[0] = fakes.repeated(4, 2, equal=False)
    assert "did not come out the same" in intact(at.run()).error[0].value


def test_a_refused_reproduction_says_why(visit: Open) -> None:
    held = fakes.loaded()
    held.training.fails = VersionUnavailable("The ratings have changed since version 2 was trained.")
    at = intact(press(visit("versions.py", held), session.TRAIN_AGAIN))
    assert "ratings have changed since" in at.error[0].value


def test_an_export_is_made_on_request(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[Any] = []
    monkeypatch.setattr(st, "download_button", lambda *given, **_: offered.append(given))
    held = fakes.loaded()
    visit("versions.py", held)
    assert held.versions.exported == []
    (content,) = [content for label, content in offered if label == "Export"]
    assert content() == b"arrays"
    assert held.versions.exported == [2]


def test_an_imported_version_is_selected(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("versions.py", held)
    at.file_uploader(key=session.VERSION_FILE).set_value(("version.zip", b"arrays", "application/zip"))
    at = intact(press(at, session.IMPORT_VERSION))
    assert held.versions.imported == [b"arrays"]
    assert at.toast[0].value == "Version 4 imported. Activate it when you are ready."
    assert at.header[1].value == "Version 4"


def test_other_files_are_refused(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded())
    assert "Choose a file" in intact(press(at, session.IMPORT_VERSION)).warning[0].value
    at.file_uploader(key=session.VERSION_FILE).set_value(("version.zip", b"a virus", "application/zip"))
    assert "not an exported version" in intact(press(at, session.IMPORT_VERSION)).error[0].value


ACTIVATION = """
from engine.services import current
from pages.panels import versions_actions
from pages.ui import session
versions = current().versions
versions_actions.confirm_activation(versions, versions.get(1))
"""
DELETION = """
from engine.services import current
from pages.panels import versions_actions
versions = current().versions
versions_actions.confirm_deletion(versions, versions.get(1))
"""
ROLLBACK = """
from engine.services import current
from pages.panels import versions_actions
versions_actions.confirm_rollback(current().versions, 1)
"""


def test_activation_asks_for_a_reason(dialog: Open) -> None:
    held = fakes.loaded()
    at = dialog(ACTIVATION, held)
    at.text_input(key=session.REASON).set_value("Better *lists*")
    intact(press(at, session.CONFIRM))
    assert held.versions.changes == [(1, "Better *lists*")]
    assert at.session_state[session.TOASTS] == ("Version 1 is active.",)


def test_activation_against_the_verdict_needs_a_reason(dialog: Open) -> None:
    held = fakes.loaded()
    held.versions.judgements[1] = fakes.REJECTED
    at = dialog(ACTIVATION, held)
    assert text(fakes.REJECTED.text) in at.error[0].value
    at = intact(press(at, session.CONFIRM))
    assert "Give a reason" in at.error[-1].value
    assert held.versions.changes == []
    at.text_input(key=session.REASON).set_value("For a trial")
    intact(press(at, session.CONFIRM))
    assert held.versions.changes == [(1, "For a trial")]


def test_a_version_without_a_verdict_says_why(visit: Open) -> None:
    assert "No verdict: the version was imported" in words(visit("versions.py", fakes.loaded()))


def test_a_refused_activation_says_why(dialog: Open) -> None:
    held = fakes.loaded()
    held.versions.fails = VersionUnavailable("Version 1 is damaged.")
    at = intact(press(dialog(ACTIVATION, held), session.CONFIRM))
    assert r"Version 1 is damaged" in at.error[0].value


def test_roll_back(dialog: Open) -> None:
    held = fakes.loaded()
    at = intact(press(dialog(ROLLBACK, held), session.CONFIRM))
    assert held.versions.changes == [(1, "")]
    assert at.session_state[session.TOASTS] == ("Version 1 is active again.",)


def test_a_version_is_deleted_with_a_reason(dialog: Open) -> None:
    held = fakes.loaded()
    at = dialog(DELETION, held)
    assert "can't be activated or compared again" in words(at)
    at.text_input(key=session.REASON).set_value("Too large")
    intact(press(at, session.CONFIRM))
    assert held.versions.deleted == [(1, "Too large")]
    assert at.session_state[session.TOASTS] == ("Version 1 deleted.",)


def test_a_refused_deletion_says_why(dialog: Open) -> None:
    held = fakes.loaded()
    held.versions.fails = VersionUnavailable("Version 1 serves now.")
    at = intact(press(dialog(DELETION, held), session.CONFIRM))
    assert "Version 1 serves now" in at.error[0].value


def test_a_version_that_there_is_not_is_named(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded(), version="1,99,<b>")
    assert at.warning[0].value == r"There is no version 99, \<b\>."
    assert "There is no version" not in words(visit("versions.py", fakes.loaded(), version="2"))

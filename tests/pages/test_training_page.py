"""Training: the form from the config, live progress, the history of runs."""

from __future__ import annotations

import shlex
from dataclasses import replace
from math import nan
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.errors import NotReady
from engine.models.hyperparameters import AUTO
from engine.models.list_settings import DEFAULT_RANKING, RANKING
from engine.models.registry import MODELS, configure
from pages.ui import forms, session
from pages.ui.escape import markup, text
from pages.ui.progress import NO_BREAK
from sidecar.routes.training import RetrainRequest, TrainRequest
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, press, select, words


def test_without_ratings_it_asks_for_them(visit: Open) -> None:
    at = visit("training.py", fakes.empty())
    assert "No ratings to train on" in at.info[0].value
    assert not at.button
    assert "No runs yet" in words(at)


def test_during_the_first_run_the_list_of_runs_says_when_it_comes(visit: Open) -> None:
    told = words(visit("training.py", fakes.first_training()))
    assert "A run is listed once it has ended" in told
    assert "No runs yet" not in told


@pytest.mark.parametrize("kind", MODELS)
def test_the_form_has_every_hyperparameter_with_its_default(visit: Open, kind: str) -> None:
    at = form_of(visit, fakes.loaded(), kind)
    inputs = {one.key: one for one in (*at.number_input, *at.selectbox, *at.text_input)}
    for name, field in MODELS[kind].config.model_fields.items():
        shown = inputs[session.hyperparameter(kind, name)]
        assert shown.label == field.title
        expected = {AUTO: None, (64, 32): "64, 32"}.get(field.default, field.default)
        assert shown.value == expected
        assert shown.value is not None or shown.placeholder == AUTO
        assert shown.help


def form_of(visit: Open, held: Any, kind: str = "svd") -> AppTest:
    """The page with the form of this model."""
    at = visit("training.py", held)
    at.segmented_control(key=session.MODEL).set_value(kind)
    return intact(at.run())


def test_the_most_accurate_model_is_offered_first(visit: Open) -> None:
    at = visit("training.py", fakes.loaded())
    choice = at.segmented_control(key=session.MODEL)
    assert choice.value == forms.MOST_ACCURATE == "ncf"
    assert choice.options == [MODELS[kind].label for kind in ("ncf", "svd", "als")]
    assert at.text_input(key=session.hyperparameter("ncf", "hidden"))


def test_without_spark_the_page_says_how_to_get_it(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not form_of(visit, fakes.loaded(), "als").error
    monkeypatch.setenv("MARQUEE_SPARK_SUBMIT", "/nowhere/spark-submit")
    assert "Run `make spark`" in form_of(visit, fakes.loaded(), "als").error[0].value.replace("\\", "")
    assert not form_of(visit, fakes.loaded(), "svd").error


def test_a_table_outside_marquee_is_never_activated_by_a_rule(visit: Open) -> None:
    held = fakes.loaded()
    at = form_of(visit, held, "als")
    assert at.selectbox(key=session.ACTIVATION).value == "if_better"
    at = intact(at.selectbox(key=session.hyperparameter("als", "source")).set_value("table").run())
    (activation,) = [one for one in at.selectbox if one.label == "Activate the new version"]
    assert (activation.value, activation.disabled) == ("never", True)
    assert "activated by hand" in activation.help
    intact(press(at, session.START))
    kind, values, policy = held.training.asked[-1]
    assert (kind, values["source"], policy) == ("als", "table", "never")
    at = intact(form_of(visit, held, "als").run())
    assert at.selectbox(key=session.ACTIVATION).value == "if_better"


def test_the_form_has_every_setting_of_lists_with_its_default(visit: Open) -> None:
    at = visit("training.py", fakes.loaded())
    assert "Ranking" in [one.label for one in at.expander]
    inputs = {one.key: one for one in (*at.number_input, *at.selectbox, *at.text_input)}
    for name, field in RANKING.model_fields.items():
        shown = inputs[session.hyperparameter("ranker", name)]
        assert shown.label == RANKING.title_of(name)
        assert shown.value == (None if field.default == AUTO and name != "method" else field.default)
        assert shown.help.startswith(text(field.description or ""))


def test_settings_of_lists_are_sent(visit: Open) -> None:
    held = fakes.loaded()
    at = form_of(visit, held)
    at.number_input(key=session.hyperparameter("ranker", "recency")).set_value(0.7)
    at.number_input(key=session.hyperparameter("ranker", "dislike")).set_value(1.5)
    at.selectbox(key=session.hyperparameter("ranker", "method")).set_value("als")
    intact(press(at, session.START))
    wanted = {"recency": 0.7, "dislike": 1.5, "method": "als"}
    assert held.training.lists == [DEFAULT_RANKING.model_dump() | wanted]


def test_refused_settings_of_lists_have_messages_beside_those_of_the_model(visit: Open) -> None:
    held = fakes.loaded()
    at = form_of(visit, held)
    typed: dict[str, dict[str, float]] = {"svd": {"factors": 0}, "ranker": {"recency": 9.0, "dislike": -1.0}}
    for kind, values in typed.items():
        for name, value in values.items():
            at.number_input(key=session.hyperparameter(kind, name)).set_value(value)
    at = intact(press(at, session.START))
    for kind, values in typed.items():
        for name in values:
            told = cell_of(at, session.hyperparameter(kind, name)).get("html")
            assert ["must be" in one.proto.body for one in told] == [True], name
    alerts = [one.proto.body for one in at.html if "alert" in one.proto.body]
    assert len(alerts) == 4
    assert alerts[0].endswith(">Factors must be auto or a whole number from 1 to 1000, not 0.</p>")
    assert alerts[-1].endswith(">Not started. Correct Factors, Recency and Dislike above.</p>")
    assert [one.proto.expanded for one in at.expander if one.label == "Ranking"] == [True]
    assert held.training.asked == []


def test_start_sends_the_form(visit: Open) -> None:
    held = fakes.loaded()
    at = form_of(visit, held)
    at.number_input(key=session.hyperparameter("svd", "factors")).set_value(20)
    at.selectbox(key=session.ACTIVATION).set_value("never")
    intact(press(at, session.START))
    kind, values, policy = held.training.asked[0]
    assert (kind, values["factors"], values["epochs"], policy) == ("svd", 20, 50, "never")
    assert values["regularization"] == AUTO  # left empty
    assert at.toast[0].value == "Training run 4 started."
    assert at.header[0].value == "Run 4 is in progress"


def test_a_list_is_written_with_commas(visit: Open) -> None:
    held = fakes.loaded()
    at = form_of(visit, held, "ncf")
    at.text_input(key=session.hyperparameter("ncf", "hidden")).set_value("32,16")
    intact(press(at, session.START))
    assert configure("ncf", held.training.asked[0][1]).model_dump()["hidden"] == (32, 16)


def test_a_refused_start_says_why(visit: Open) -> None:
    held = fakes.loaded()
    held.training.fails = NotReady("There are no ratings to learn from.")
    at = intact(press(visit("training.py", held), session.START))
    assert "no ratings to learn from" in at.info[0].value


def test_refused_fields_have_messages_and_keep_their_values(visit: Open) -> None:
    held = fakes.loaded()
    at = form_of(visit, held)
    typed = {"factors": 0, "learning_rate": 7.5}
    for name, value in typed.items():
        at.number_input(key=session.hyperparameter("svd", name)).set_value(value)
    at = intact(press(at, session.START))
    faults = {
        "factors": "Factors must be auto or a whole number from 1 to 1000, not 0.",
        "learning_rate": "Learning rate must be a number above 0, at most 1, not 7.5.",
    }
    for name, told in faults.items():
        cell = cell_of(at, session.hyperparameter("svd", name))
        assert [markup(told) in one.proto.body for one in cell.get("html")] == [True]
    assert not cell_of(at, session.hyperparameter("svd", "epochs")).get("html")
    assert {name: at.number_input(key=session.hyperparameter("svd", name)).value for name in typed} == typed
    assert held.training.asked == []


def cell_of(at: AppTest, key: str) -> Any:
    """The cell of the form's grid that holds this input."""
    blocks: list[Any] = [at.main]
    for block in blocks:
        held = block.children.values()
        if any(getattr(one, "key", None) == key for one in held):
            return block
        blocks += [one for one in held if hasattr(one, "children")]
    raise AssertionError(key)


def test_a_corrected_form_starts_without_messages(visit: Open) -> None:
    held = fakes.loaded()
    at = form_of(visit, held)
    at.number_input(key=session.hyperparameter("svd", "factors")).set_value(0)
    press(at, session.START)
    at.number_input(key=session.hyperparameter("svd", "factors")).set_value(30)
    at = intact(press(at, session.START))
    assert held.training.asked[0][1]["factors"] == 30
    assert not cell_of(at, session.hyperparameter("svd", "factors")).get("html")


def test_errors_belong_to_one_model(visit: Open) -> None:
    at = form_of(visit, fakes.loaded())
    at.number_input(key=session.hyperparameter("svd", "factors")).set_value(0)
    press(at, session.START)
    at.segmented_control(key=session.MODEL).set_value("ncf")
    assert not any("alert" in one.proto.body for one in intact(at.run()).html)


def test_a_note_goes_to_the_new_version(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("training.py", held)
    at.text_input(key=session.NOTE).set_value("With *new* ratings")
    intact(press(at, session.START))
    assert held.training.noted == ["With *new* ratings"]


def test_a_second_run_is_queued_and_can_be_removed(visit: Open) -> None:
    held = fakes.loaded()
    press(visit("training.py", held), session.START)
    at = form_of(visit, held)
    at.number_input(key=session.hyperparameter("svd", "factors")).set_value(7)
    at = intact(press(at, session.START))
    assert at.toast[0].value == "Training run 5 queued."
    assert [one.hyperparameters["factors"] for one in held.training.line] == [7]
    assert "**Run 5** · Matrix factorisation · queued " in words(at)
    at = intact(press(at, session.leave_queue(5)))
    assert held.training.cancelled == [5]
    assert "Run 5" not in words(at)
    assert held.training.going is not None


def test_it_says_which_version_is_active(visit: Open) -> None:
    at = visit("training.py", fakes.loaded())
    (told,) = [one.value for one in at.caption if "is active" in one.value]
    assert told.startswith("Version 2 is active: ")
    assert told.endswith(" on 100,004 ratings.")


def test_the_queue_is_shown_in_order(visit: Open) -> None:
    at = visit("training.py", fakes.retraining())
    told = [one.value for one in at.markdown if "· queued " in one.value]
    assert [one.split(" · ")[:2] for one in told] == [
        ["1. **Run 5**", "Neural collaborative filter"],
        ["2. **Run 6**", "repeats version 2"],
    ]
    assert told[1].endswith("by Marquee")


def test_a_training_is_followed_and_can_be_cancelled(visit: Open) -> None:
    held = fakes.first_training()
    at = visit("training.py", held)
    told = at.main.get("progress")[0].text.replace(NO_BREAK, " ")
    assert told == "Step 2 of 8 · Learning · epoch 17 of up to 50 · about 20 s left"
    held.training.going = replace(fakes.RUNNING, stage="Saving", progress=0.98, eta_s=0.2, step=8)
    bar = intact(at.run()).main.get("progress")[0]
    assert (bar.text.replace(NO_BREAK, " "), bar.value) == ("Step 8 of 8 · Saving · a few seconds left", 98)
    assert len(at.get("vega_lite_chart")) == 1
    assert [one.value for one in at.header if "in progress" in one.value] == ["Run 4 is in progress"]
    assert [one.text for one in at.main.get("progress")[1:]] == ["A few seconds left".replace(" ", NO_BREAK)]
    assert "is active" not in words(at)
    assert button(at, session.START)
    at = intact(press(at, session.CANCEL_RUN).run())
    assert button(at, session.START)
    assert held.training.cancelled == [4]
    assert at.dataframe[0].value["State"].tolist() == ["Cancelled"]


def test_runs_are_listed_and_can_be_selected(visit: Open) -> None:
    at = visit("training.py", fakes.loaded())
    table = at.dataframe[0].value
    assert table["Run"].tolist() == [3, 2, 1]
    assert table["State"].tolist() == ["Succeeded", "Failed", "Succeeded"]
    assert table["RMSE"].tolist() == [0.8731, pytest.approx(nan, nan_ok=True), 0.8814]
    assert table["Took"].tolist()[0] == "36 s"
    assert at.header[-1].value == "Run 3"  # the newest, before one is picked
    intact(select(at, session.RUN, 1))
    assert at.header[-1].value == "Run 2"
    intact(select(at, session.RUN, 0))
    assert len(at.get("vega_lite_chart")) == 3  # by epoch, and RMSE and NDCG of the verdict
    assert "Previous version" in words(at)
    assert "It serves now" in at.success[0].value


def test_a_run_can_be_started_from_code(visit: Open) -> None:
    held = fakes.loaded()
    command = next(one.value for one in visit("training.py", held).code if one.language == "bash")
    body = TrainRequest.model_validate_json(shlex.split(command)[3])
    newest = held.training.history[0]
    assert (body.model, body.hyperparameters, body.activate) == (newest.model, newest.hyperparameters, newest.activate)
    held.training.history = [fakes.repeated(6, 7)]
    command = next(one.value for one in visit("training.py", held).code if one.language == "bash")
    again = RetrainRequest.model_validate_json(shlex.split(command)[3])
    assert (again.version, again.exact) == (7, True)


def test_a_run_shows_what_its_numbers_depend_on(visit: Open) -> None:
    told = words(intact(select(visit("training.py", fakes.loaded()), session.RUN, 0)))
    for name, value in {
        "started by": "you",
        "took": "36 s",
        "seed": "0",
        "data fingerprint": "9f1c02ab77de",
        "peak memory of the process": "700 MiB",
        "numpy": "2.1.3",
    }.items():
        assert f"<tr><td>{name}</td><td>{value}</td></tr>" in told


def test_the_address_selects_a_run(visit: Open) -> None:
    at = visit("training.py", fakes.loaded(), run="1")
    assert at.header[-1].value == "Run 1"
    assert "first version" in at.info[0].value
    at = intact(select(at, session.RUN, 1))
    assert at.header[-1].value == "Run 2"
    assert at.query_params["run"] == "2"


@pytest.mark.parametrize("asked", ["99", "x", "-1", "9" * 30, "9" * 5000])
def test_an_address_with_no_such_run_does_no_harm(visit: Open, asked: str) -> None:
    at = visit("training.py", fakes.loaded(), run=asked)
    assert [error.value for error in at.error] == ([r"There is no training run 99\."] if asked == "99" else [])


@pytest.mark.parametrize("equal", [True, False])
def test_a_reproduction_shows_its_result(visit: Open, equal: bool) -> None:
    held = fakes.loaded()
    held.training.history.insert(0, fakes.repeated(4, 1, equal=equal))
    at = intact(select(visit("training.py", held), session.RUN, 0))
    assert [text(fakes.EQUAL.format(1))] * equal == [one.value for one in at.success]
    assert [text(fakes.UNEQUAL.format(1))] * (not equal) == [one.value for one in at.error]


def test_a_failed_run_says_why(visit: Open) -> None:
    at = intact(select(visit("training.py", fakes.loaded()), session.RUN, 1))
    assert "learning rate below 1" in at.error[0].value


@pytest.mark.parametrize(("default", "expected"), [(0.01, 0.005), (0.1, 0.05), (1.0, 0.5), (0.0, 0.1)])
def test_a_step_suits_its_value(default: float, expected: float) -> None:
    assert forms.step(default) == pytest.approx(expected)


def test_the_form_keeps_its_values_during_a_run(visit: Open) -> None:
    held = fakes.loaded()
    at = form_of(visit, held)
    at.number_input(key=session.hyperparameter("svd", "factors")).set_value(20)
    at.selectbox(key=session.ACTIVATION).set_value("always")
    press(at, session.START)
    press(at, session.CANCEL_RUN)
    intact(at.run())
    assert at.number_input(key=session.hyperparameter("svd", "factors")).value == 20
    assert at.selectbox(key=session.ACTIVATION).value == "always"

"""Training: the form from the config, live progress, the history of runs."""

from __future__ import annotations

import pytest

from engine.errors import NotReady
from engine.models.catalog import MODELS, configure
from pages.ui import forms, keys
from tests.pages import fakes
from tests.pages.conftest import Open, intact, press, select, words


def test_without_ratings_it_asks_for_them(visit: Open) -> None:
    at = visit("training.py", fakes.empty())
    assert "no ratings to learn from" in at.info[0].value
    assert not at.button
    assert "Nothing was trained yet" in words(at)


@pytest.mark.parametrize("kind", MODELS)
def test_the_form_has_every_hyperparameter_with_its_default(visit: Open, kind: str) -> None:
    at = visit("training.py", fakes.loaded())
    at.segmented_control(key=keys.MODEL).set_value(kind)
    at = intact(at.run())
    inputs = {one.key: one for one in (*at.number_input, *at.selectbox, *at.text_input)}
    for name, field in MODELS[kind].config.model_fields.items():
        shown = inputs[keys.hyperparameter(kind, name)]
        assert shown.label == field.title
        assert shown.value == (field.default if not isinstance(field.default, tuple) else "64, 32")
        assert shown.help


def test_start_sends_the_form(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("training.py", held)
    at.number_input(key=keys.hyperparameter("svd", "factors")).set_value(20)
    at.selectbox(key=keys.ACTIVATION).set_value("never")
    intact(press(at, "Start training"))
    kind, values, policy = held.training.asked[0]
    assert (kind, values["factors"], values["epochs"], policy) == ("svd", 20, 50, "never")
    assert at.toast[0].value == "Training run 4 has started."
    assert at.subheader[0].value == "Run 4"


def test_a_list_is_written_with_commas(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("training.py", held)
    at.segmented_control(key=keys.MODEL).set_value("ncf")
    at = intact(at.run())
    at.text_input(key=keys.hyperparameter("ncf", "hidden")).set_value("32,16")
    intact(press(at, "Start training"))
    assert configure("ncf", held.training.asked[0][1]).model_dump()["hidden"] == (32, 16)


def test_a_refused_start_says_why(visit: Open) -> None:
    held = fakes.loaded()
    held.training.fails = NotReady("There are no ratings to learn from.")
    at = intact(press(visit("training.py", held), "Start training"))
    assert "no ratings to learn from" in at.info[0].value


def test_a_training_is_followed_and_can_be_cancelled(visit: Open) -> None:
    held = fakes.training()
    at = visit("training.py", held)
    assert "Learning · epoch 17 of at most 50 · about 21 s left" in at.main.get("progress")[0].text
    assert len(at.get("vega_lite_chart")) == 1
    assert "Start training" not in [button.label for button in at.button]
    intact(press(at, "Cancel this run"))
    assert held.training.cancelled == [4]
    assert at.dataframe[0].value["State"].tolist() == ["Cancelled"]


def test_runs_are_listed_and_one_can_be_looked_at(visit: Open) -> None:
    at = visit("training.py", fakes.loaded())
    table = at.dataframe[0].value
    assert table["Run"].tolist() == [3, 2, 1]
    assert table["State"].tolist() == ["Succeeded", "Failed", "Succeeded"]
    assert table["RMSE"].tolist() == ["0.8731", "–", "0.8814"]
    assert table["Took"].tolist()[0] == "36 s"
    assert not at.get("vega_lite_chart")
    intact(select(at, 0, 0))
    assert len(at.get("vega_lite_chart")) == 1
    assert "Version before" in words(at)
    assert "It serves now" in at.info[0].value


def test_a_failed_run_says_why(visit: Open) -> None:
    at = intact(select(visit("training.py", fakes.loaded()), 0, 1))
    assert "learning rate below 1" in at.error[0].value


@pytest.mark.parametrize(("default", "expected"), [(0.01, 0.005), (0.1, 0.05), (1.0, 0.5), (0.0, 0.1)])
def test_a_step_suits_its_value(default: float, expected: float) -> None:
    assert forms.step(default) == pytest.approx(expected)


def test_what_was_filled_in_is_kept_while_a_run_goes_on(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("training.py", held)
    at.number_input(key=keys.hyperparameter("svd", "factors")).set_value(20)
    at.selectbox(key=keys.ACTIVATION).set_value("always")
    press(at, "Start training")
    press(at, "Cancel this run")
    intact(at.run())
    assert at.number_input(key=keys.hyperparameter("svd", "factors")).value == 20
    assert at.selectbox(key=keys.ACTIVATION).value == "always"

"""Examples in the documentation are what the product returns and says."""

from __future__ import annotations

from typing import get_type_hints

import pytest

from engine.services.access import Holder
from sidecar.app import ROUTES
from sidecar.docs.examples import ANSWERS
from sidecar.docs.instances import NOTICE
from sidecar.docs.problem_examples import ENGINE_ERRORS, PROBLEMS
from sidecar.http.kinds import ALL, OF_ERROR
from sidecar.security.scopes import too_often, too_small
from sidecar.security.sign_in import too_many

JSON = {route.name: route for route in ROUTES if "200" not in route.responses and route.response_model is not None}


@pytest.mark.parametrize("name", JSON)
def test_an_example_is_an_instance_of_what_the_route_returns(name: str) -> None:
    returned = get_type_hints(JSON[name].endpoint)["return"]
    assert type(ANSWERS[name.removesuffix("_by_query")]) is returned


def test_no_example_is_left_over() -> None:
    assert set(ANSWERS) == {name.removesuffix("_by_query") for name in JSON}


def test_every_kind_of_problem_has_an_example() -> None:
    assert set(PROBLEMS) == {kind.code for kind in ALL}
    for kind in ALL:
        body = PROBLEMS[kind.code]
        assert (body["title"], body["status"]) == (kind.title, kind.status)
        assert body["detail"].endswith((".", "?")) or "..." in body["detail"]
    assert PROBLEMS["training_busy"]["run_id"] == 7
    assert PROBLEMS["tuning_busy"]["study_id"] == 2
    assert PROBLEMS["invalid_hyperparameter"]["errors"][0]["field"] == "factors"
    assert PROBLEMS["internal_error"]["request_id"] in PROBLEMS["internal_error"]["detail"]


def test_every_error_that_a_route_may_raise_has_the_message_of_the_engine() -> None:
    raised = {type(error) for error in ENGINE_ERRORS}
    abstract = {"MarqueeError", "InvalidInput", "InvalidHyperparameter", "NotFound"}
    # End a start, a run, or Marquee.
    ending = {"InvalidSettings", "TrainingDiverged", "NotSolvable", "ClusterFailed", "StoreReplaced"}
    assert {cls.__name__ for cls in set(OF_ERROR) - raised} == abstract | ending


def test_refusals_of_the_security_layer_are_those_it_sends() -> None:
    assert PROBLEMS["scope_too_small"]["detail"] == too_small(Holder(2, "shop", frozenset({"read"})), "admin")
    assert PROBLEMS["too_many_requests"]["detail"] == too_often(12)
    assert PROBLEMS["too_many_wrong_keys"]["detail"] == too_many(6)
    assert "203.0.113.7" in NOTICE.text

"""What a version is made of: which arrays it may have, and what can be read of an odd record."""

from __future__ import annotations

import pytest

from engine.data.ratings import Interactions
from engine.errors import InvalidInput
from engine.evaluation.intervals import MetricValue
from engine.models.registry import MODELS
from engine.runtime import Runtime
from engine.services.version_files import check_names
from engine.services.version_records import all_arrays, check_report, frontier_points, metric_values
from engine.training.pipeline import Learned
from engine.training.ranking import FrontierPoint
from store.versions import MLModelManager
from tests.engine.models.test_version import bundle


@pytest.mark.parametrize("kind", MODELS)
def test_every_array_of_every_kind_is_known(small: Interactions, kind: str) -> None:
    names = list(all_arrays(Learned(bundle(kind, small), None, 1)))
    assert {name.split("/")[0] for name in names} == {
        "rating",
        "ranker",
        "popularity",
        "calibration",
        "counts",
        "offsets",
        "spread",
    }
    check_names(kind, names)
    for name in names:
        with pytest.raises(InvalidInput, match="has no array"):
            check_names(kind, [*names, f"{name}_more"])
    with pytest.raises(InvalidInput, match="there is no model 'oracle'"):
        check_names("oracle", names)


def test_no_version_has_as_many_arrays_as_one_likes() -> None:
    with pytest.raises(InvalidInput, match="it has 500 arrays"):
        check_names("svd", [f"report/list/{n}" for n in range(500)])


def test_a_report_is_known_and_fits_together(trained: Runtime) -> None:
    arrays = MLModelManager(trained.database).load_model(1).arrays
    assert "report/row/squared" in arrays
    check_names("svd", list(arrays))
    check_report(arrays)
    check_report({})
    with pytest.raises(KeyError):
        check_report({"report/users": arrays["report/users"]})


def test_a_metric_that_can_not_be_read_is_left_out() -> None:
    good = {"value": 1.0, "low": 0, "high": 2}
    few = {"value": 1.0, "low": None, "high": None}
    odd = {
        "a": "x",
        "b": {"value": 1},
        "c": good | {"more": 1},
        "d": good | {"low": None},
        "e": good | {"high": 10**400},
    }
    found = metric_values(odd | {"rmse": good, "mae": few})
    assert found is not None
    assert list(found) == ["rmse", "mae"]
    assert found["mae"] == MetricValue(1.0, None, None)
    assert metric_values(None) is None


POINT = {"popularity_discount": 0.1, "ndcg": 0.2, "coverage": 0.3, "chosen": True}


def test_a_frontier_is_read() -> None:
    assert frontier_points({"ranking": [POINT]}) == (FrontierPoint(0.1, 0.2, 0.3, chosen=True),)
    assert frontier_points({}) == ()


@pytest.mark.parametrize(
    "rows",
    [
        "high",
        {"x": 1},
        [1],
        [{"x": 1}],
        [POINT | {"more": 1}],
        [POINT | {"ndcg": None}],
        [POINT | {"ndcg": "x"}],
        [POINT | {"chosen": 1}],
        [POINT, POINT | {"coverage": 10**400}],
    ],
)
def test_a_frontier_that_can_not_be_read_is_left_out(rows: object) -> None:
    assert frontier_points({"ranking": rows}) == ()

"""Hyperparameters as they come from outside: nothing but numbers passes for a number."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidHyperparameter
from engine.models.ease import ItemSimilarityConfig
from engine.models.registry import MODELS, allowed, configure

SIZES = "must be 1 to 3 numbers, each a whole number from 1 to 512"


@pytest.mark.parametrize(
    ("kind", "name", "value", "told"),
    [
        ("svd", "epochs", True, "epochs is true, but must be a whole number from 1 to 1000."),
        ("svd", "epochs", "5", "epochs is '5', but must be a whole number from 1 to 1000."),
        ("svd", "epochs", 5.0, "epochs is 5.0, but must be a whole number from 1 to 1000."),
        ("svd", "epochs", None, "epochs is null, but must be a whole number from 1 to 1000."),
        ("svd", "learning_rate", True, "learning_rate is true, but must be a number above 0, at most 1."),
        ("svd", "learning_rate", "0.1", "learning_rate is '0.1', but must be a number above 0, at most 1."),
        ("svd", "seed", -1, "seed is -1, but must be a whole number from 0 to 4294967295."),
        ("svd", "precision", True, "precision is true, but must be one of float32, float64."),
        ("ncf", "batch_size", True, "batch_size is true, but must be a whole number from 8 to 65536."),
        ("ncf", "hidden", [True], f"hidden is true, but {SIZES}."),
        ("ncf", "hidden", [64, 0], f"hidden is 0, but {SIZES}."),
        ("ncf", "hidden", "64, x", f"hidden is 'x', but {SIZES}."),
        ("ncf", "hidden", 64, f"hidden is 64, but {SIZES}."),
    ],
)
def test_what_is_no_such_number_is_refused(kind: str, name: str, value: Any, told: str) -> None:
    with pytest.raises(InvalidHyperparameter) as refused:
        configure(kind, {name: value})
    assert refused.value.faults == {name: told}


def test_a_whole_number_does_where_any_number_does() -> None:
    config = configure("svd", {"learning_rate": 1, "regularization": 0}).model_dump()
    assert (config["learning_rate"], config["regularization"]) == (1.0, 0.0)


@pytest.mark.parametrize("written", [(64, 32), [64, 32], ["64", "32"], "64, 32", "64,32"])
def test_a_list_may_be_typed(written: Any) -> None:
    assert configure("ncf", {"hidden": written}).model_dump()["hidden"] == (64, 32)


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_stored_of_a_version_can_be_read_again(kind: str) -> None:
    config = configure(kind, {})
    assert configure(kind, json.loads(json.dumps(config.model_dump(mode="json")))) == config
    assert configure(kind, config.model_dump()) == config


def test_large_ends_of_a_range_are_written_out() -> None:
    assert allowed(ItemSimilarityConfig, "l2") == "a number above 0, at most 1000000"


@pytest.mark.parametrize("kind", MODELS)
def test_numbers_of_numpy_are_numbers(kind: str) -> None:
    numpys = {"factors": np.int64(8), "regularization": np.float32(0.5), "epochs": np.uint8(2)}
    found = configure(kind, numpys)
    assert found == configure(kind, {"factors": 8, "regularization": 0.5, "epochs": 2})
    assert all(type(getattr(found, name)) in (int, float) for name in numpys)
    with pytest.raises(InvalidHyperparameter, match="factors is"):
        configure(kind, {"factors": np.bool_(True)})


@pytest.mark.parametrize("hidden", [np.array([64, 32]), [np.int32(64), 32], (64, np.int64(32))])
def test_a_list_may_hold_numbers_of_numpy(hidden: Any) -> None:
    assert configure("ncf", {"hidden": hidden}) == configure("ncf", {"hidden": [64, 32]})

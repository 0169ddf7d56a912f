"""A version from a file is tried in all it does before it is stored; one that can't serve never stops a start."""

from __future__ import annotations

import copy
import json
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidInput, VersionUnavailable
from engine.recommending.state import ServingState
from engine.runtime import Runtime
from sidecar.app import create_api
from store.errors import NotWritten
from store.exchange import write_export
from store.records import StoredModel
from store.sqlite_errors import translated
from store.versions import MLModelManager
from tests.engine.services.conftest import QUICK, finished, opened, store_in, train_first
from tests.shared_folder import shared_folder
from tests.sidecar.client import Client
from tests.store.faults import sqlite_error
from tests.store.test_versions import flip_a_byte

NCF = {"epochs": 2, "factors": 5, "networks": 2, "parts": 2, "iterations": 2, "hidden": [6, 4]}


def both_kinds(factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        with opened(store_in(folder)) as runtime:
            train_first(runtime)
            assert finished(runtime, runtime.services.training.train_model("ncf", NCF, "never")).state == "succeeded"

    return shared_folder(factory, "both-kinds", make)


@pytest.fixture
def kinds(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """Version 1 is a factorisation and serves, version 2 a neural filter."""
    with opened(store_in(tmp_path), both_kinds(tmp_path_factory)) as runtime:
        yield runtime


def model_of(runtime: Runtime, version: int) -> StoredModel:
    return MLModelManager(runtime.database).load_model(version)


def sealed(model: StoredModel, arrays: dict[str, Any] | None = None, **changes: Any) -> BytesIO:
    """A version as a file whose hashes and seal are right, whatever it says."""
    file = BytesIO()
    record = replace(model.record, **changes)
    write_export(replace(model, record=record, arrays=dict(model.arrays) | (arrays or {})), file)
    file.seek(0)
    return file


def spoilt(array: Any, value: float, *, whole: bool = False) -> Any:
    out = np.array(array)
    if whole:
        out[...] = value
    elif out.size:
        out.reshape(-1)[out.size // 2] = value
    return out


def numbers(array: Any, value: float) -> Any:
    """The value where the type of the array can hold it, or else the largest that it can."""
    return value if array.dtype.kind == "f" else np.iinfo(array.dtype).max


MUTATIONS: dict[str, Callable[[Any], Any]] = {
    "one row less": lambda array: array[:-1],
    "1 x 1": lambda array: np.resize(array, (1,) * array.ndim),
    "empty": lambda array: array[:0],
    "flat": lambda array: array.reshape(-1) if array.ndim > 1 else array.reshape(1, -1),
    "turned": lambda array: array.T if array.ndim > 1 else array[::-1],
    "permuted": lambda array: np.random.default_rng(0).permutation(array.flatten()).reshape(array.shape),
    "doubled": lambda array: np.concatenate([array, array]),
    "other type": lambda array: array.astype(np.float64 if array.dtype != np.float64 else np.float32),
    "whole numbers": lambda array: array.astype(np.int16),
    "half": lambda array: array.astype(np.float16),
    "not a number": lambda array: spoilt(array if array.dtype.kind == "f" else array.astype(np.float32), np.nan),
    "endless": lambda array: spoilt(array, np.inf) if array.dtype.kind == "f" else array,
    "one huge": lambda array: spoilt(array, numbers(array, 1e9)),
    "all huge": lambda array: spoilt(array, numbers(array, 1e9), whole=True),
    "all tiny": lambda array: spoilt(array, 1e-30 if array.dtype.kind == "f" else 0, whole=True),
    "zeros": lambda array: np.zeros_like(array),
    "negative": lambda array: -array if array.dtype.kind == "f" else spoilt(array, 0),
    "all -1e9": lambda array: spoilt(array, -1e9 if array.dtype.kind == "f" else 0, whole=True),
}
SHORT = ("1 x 1", "negative")


def ask_everything(runtime: Runtime, version: int) -> None:
    """Activate, list, predict, explain, rate, compare, export, and start again: nothing fails inside."""
    client = Client(create_api(runtime.settings))

    def ok(answer: Any, *others: int) -> None:
        assert answer.status_code in (200, 202, *others), (answer.status_code, answer.text)

    ok(client.post(f"/ml/models/activate/{version}", json={"reason": "a trial"}))
    for user in ("u1", "u40", "nobody"):
        ok(client.get(f"/ml/recommendations/{user}"))
        ok(client.get(f"/ml/recommendations/{user}?rank_by=rating&diversity=0.4&n=50"))
        ok(client.get(f"/ml/explain/{user}/m3"))
        ok(client.get(f"/ml/explain/{user}/m71"))
    ok(client.post("/ml/predict", json={"pairs": [{"user_id": "u2", "movie_id": "m2"}]}))
    changes = [{"movie_id": "m2", "rating": 1.0}, {"movie_id": "m9", "rating": 4.5}]
    ok(client.post("/ml/what-if", json={"user_id": "u2", "changes": changes}))
    ok(client.post("/rate", json={"user_id": "u5", "movie_id": "m5", "rating": 2}))
    ok(client.get("/ml/explain/u5/m5"))
    ok(client.get("/ml/interview/somebody"))
    ok(client.get(f"/ml/models/compare?versions=1,{version}"))
    ok(client.get("/ml/models"))
    ok(client.get(f"/ml/models/{version}/export"))
    runtime.services.serving.load_active()
    ok(client.get("/ml/recommendations/u1"))


def try_file(runtime: Runtime, file: BytesIO) -> bool:
    """Whether a file is taken in; it serves then."""
    try:
        version = runtime.services.version_files.import_file(file)
    except InvalidInput:
        return False
    ask_everything(runtime, version)
    return True


def test_what_is_exported_is_taken_in_and_does_everything(kinds: Runtime) -> None:
    assert try_file(kinds, sealed(model_of(kinds, 1)))
    assert try_file(kinds, sealed(model_of(kinds, 2)))


def check_mutations(runtime: Runtime, kind: int, mutations: list[str]) -> None:
    model, taken = model_of(runtime, kind), []
    for mutation in mutations:
        for name in model.arrays:
            if not model.arrays[name].size:
                continue
            with np.errstate(over="ignore"):
                changed = MUTATIONS[mutation](model.arrays[name])
            if np.array_equal(changed, model.arrays[name]) and changed.dtype == model.arrays[name].dtype:
                continue  # as one number is 1 x 1 already
            if try_file(runtime, sealed(model, {name: np.ascontiguousarray(changed)})):
                taken.append((mutation, name))
    assert not [one for one in taken if one[0] in ("1 x 1", "flat", "half", "not a number") and "report" not in one[1]]


@pytest.mark.parametrize("mutation", SHORT)
def test_a_changed_array_is_refused_or_serves(kinds: Runtime, mutation: str) -> None:
    check_mutations(kinds, 1, [mutation])


@pytest.mark.parametrize("mutation", ["1 x 1"])
def test_a_changed_array_of_a_neural_filter_is_refused_or_serves(kinds: Runtime, mutation: str) -> None:
    check_mutations(kinds, 2, [mutation])


@pytest.mark.long
@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_any_changed_array_is_refused_or_serves(kinds: Runtime, mutation: str, kind: int) -> None:
    check_mutations(kinds, kind, [mutation])


def changed_numbers(config: Any) -> Iterator[Any]:
    """The description with one of its numbers, or texts, changed."""
    for part, values in config.items():
        for name in values:
            for value in (0, -1, 1, 10**9, 1e308, 0.5, "x", None, [], [1, 2], True):
                changed = copy.deepcopy(config)
                changed[part][name] = value
                yield changed


@pytest.mark.parametrize("kind", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_changed_number_of_its_description_is_refused_or_serves(kinds: Runtime, kind: int) -> None:
    model = model_of(kinds, kind)
    configs = list(changed_numbers(model.record.config))
    for place, config in enumerate(configs):
        if place % 4 == kind:
            try_file(kinds, sealed(model, config=config))


METADATA = "rating/features/metadata"


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found | {"newest": 10**30},
        lambda found: found | {"newest": "x"},
        lambda found: found | {"vocabulary": ["Drama"] * 1000},
        lambda found: found | {"vocabulary": []},
        lambda found: found | {"features": found["features"][:-1]},
        lambda found: found | {"features": [found["features"][0]] * len(found["features"])},
        lambda found: found | {"features": [one | {"scale": 0} for one in found["features"]]},
        lambda found: found | {"features": [one | {"mean": 1e300} for one in found["features"]]},
        lambda found: found | {"features": [one | {"strategy": "guess"} for one in found["features"]]},
        lambda found: found | {"features": [one | {"name": "x" + one["name"]} for one in found["features"]]},
        lambda found: [],
    ],
)
def test_features_that_are_none_are_refused(kinds: Runtime, change: Callable[[Any], Any]) -> None:
    model = model_of(kinds, 2)
    found = json.loads(model.arrays[METADATA].tobytes())
    content = np.frombuffer(json.dumps(change(found)).encode(), np.uint8)
    assert not try_file(kinds, sealed(model, {METADATA: content}))


def test_json_that_is_nested_without_end_is_refused(kinds: Runtime) -> None:
    content = np.frombuffer(b"[" * 100_000, np.uint8)
    assert not try_file(kinds, sealed(model_of(kinds, 2), {METADATA: content}))


def test_a_number_that_sizes_an_array_takes_no_memory(kinds: Runtime) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    constants = model_of(kinds, 1).arrays["ranker/constants"] * np.array([1e9 / 80, 1, 1])
    assert constants[0] == 1e9
    assert not try_file(kinds, sealed(model_of(kinds, 1), {"ranker/constants": constants}))
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 300e6


# -- versions that are stored and can't serve ------------------------------------------------------------------------


@pytest.fixture
def unbuildable(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[int]], None]:
    """Let versions be such as can't be built."""
    build = ServingState.build

    def set_to(versions: set[int]) -> None:
        def fails(version: int, *args: Any) -> ServingState:
            if version in versions:
                raise IndexError("index 2 is out of bounds for axis 0 with size 1")
            return build(version, *args)

        monkeypatch.setattr(ServingState, "build", fails)

    return set_to


def test_a_version_that_cannot_be_built_is_not_activated(kinds: Runtime, unbuildable: Any) -> None:
    ledger = kinds.services.versions.ledger()
    unbuildable({2})
    with pytest.raises(VersionUnavailable, match="Version 2 can't serve: IndexError: index 2 is out of bounds"):
        kinds.services.versions.activate(2)
    assert kinds.services.versions.ledger() == ledger
    assert kinds.services.recommendations.recommend("u1").model_version == 1
    answer = Client(create_api(kinds.settings)).post("/ml/models/activate/2", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "version_unavailable")


def test_a_roll_back_to_a_version_that_cannot_be_built_changes_nothing(kinds: Runtime, unbuildable: Any) -> None:
    kinds.services.versions.activate(2)
    ledger = kinds.services.versions.ledger()
    unbuildable({1})
    with pytest.raises(VersionUnavailable, match="Version 1 can't serve"):
        kinds.services.versions.rollback()
    assert kinds.services.versions.ledger() == ledger
    assert kinds.services.recommendations.recommend("u1").model_version == 2


def test_a_start_serves_the_best_version_that_it_can(kinds: Runtime, unbuildable: Any) -> None:
    kinds.services.versions.activate(2)
    kinds.stop()
    unbuildable({2})
    with opened(kinds.settings) as again:
        assert again.services.recommendations.recommend("u1").model_version == 1
        told = again.services.inbox.notices()[0]
        assert told.level == "error"
        assert told.text.startswith("Version 2 can't serve: IndexError: index 2 is out of bounds")
        assert told.text.endswith("Version 1 serves in its place.")
        newest = again.services.versions.ledger()[0]
        assert (newest.version, newest.actor) == (1, "marquee")


def test_a_start_without_a_version_that_can_serve_says_so_and_trains_again(kinds: Runtime, unbuildable: Any) -> None:
    """A retraining is compared with nothing then: nobody gains from what can't serve."""
    kinds.stop()
    unbuildable({1, 2})
    with opened(kinds.settings) as again:
        assert again.services.inbox.notices()[0].text.endswith("No stored version can serve. Train again.")
        training = again.services.training
        run = finished(again, training.runs(1)[0].run_id)
        assert (run.state, run.version) == ("succeeded", 3)
        assert again.services.recommendations.recommend("u1").model_version == 3
        assert run.judgement is not None
        assert (run.judgement.verdict, run.judgement.baseline) == ("PROMOTE", None)
        assert run.judgement.text == "Version 1 can't serve, so the new version has nothing to beat."


def test_the_only_version_damaged_holds_no_other_back(trained: Runtime) -> None:
    """The damage is in an array that no comparison reads, and the version still serves from memory."""
    flip_a_byte(trained.database, 1, "rating/user_bias")
    run = finished(trained, trained.services.training.train_model("svd", QUICK, "if_better"))
    assert run.judgement is not None
    assert (run.judgement.verdict, run.judgement.baseline) == ("PROMOTE", None)
    assert "damaged" in run.judgement.text
    assert trained.services.serving.active_version() == 2
    trained.stop()
    with opened(trained.settings) as again:
        assert again.services.serving.active_version() == 2


@pytest.mark.parametrize("kind", ["full", "broken"])
def test_a_store_that_can_not_be_read_is_no_fault_of_a_version(
    kinds: Runtime, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What serves from memory goes on serving."""

    def fails(*_: Any) -> None:
        raise translated(sqlite_error(kind))

    monkeypatch.setattr(MLModelManager, "load_model", fails)
    with pytest.raises(NotWritten):
        kinds.services.serving.load_active()
    assert kinds.services.recommendations.recommend("u1").model_version == 1
    assert [line.version for line in kinds.services.versions.ledger()] == [1]

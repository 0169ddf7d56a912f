"""Training runs and studies by HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import VersionUnavailable
from engine.services import Services
from tests.sidecar.client import Client
from tests.sidecar.fakes import (
    RUN,
    STUDY,
)
from tests.sidecar.test_api_routes import as_json


def test_train(client: Client, services: Services) -> None:
    body = {"model": "svd", "hyperparameters": {"factors": 10, "learning_rate": 0.01}, "activate": "never"}
    ranker = {"recency": 0.5, "l2": "auto"}
    answer = client.post("/ml/train", json=body | {"queue": True, "note": "a try", "ranker": ranker})
    assert (answer.status_code, answer.json()) == (202, {"run_id": 7})
    wanted = ("train_model", "svd", {"factors": 10, "learning_rate": 0.01}, "never", "api", True, "a try", ranker)
    assert services.training.calls == [wanted]
    assert [type(value) for value in services.training.calls[0][2].values()] == [int, float]


def test_a_hyperparameter_may_be_a_list(client: Client, services: Services) -> None:
    body = {"model": "ncf", "hyperparameters": {"hidden": [64, 32]}}
    assert client.post("/ml/train", json=body).status_code == 202
    assert services.training.calls[0][2] == {"hidden": [64, 32]}


def test_train_has_defaults(client: Client, services: Services) -> None:
    assert client.post("/ml/train", json={}).status_code == 202
    assert services.training.calls == [("train_model", "svd", {}, "if_better", "api", False, "", {})]


@pytest.mark.parametrize(
    ("body", "run_id", "call"),
    [
        (None, 8, ("retrain", None, "if_better", "api", False)),
        ({}, 8, ("retrain", None, "if_better", "api", False)),
        ({"version": 2, "activate": "always", "queue": True}, 8, ("retrain", 2, "always", "api", True)),
        ({"version": 2, "exact": True}, 9, ("train_again", 2, "api", False)),
        ({"version": 2, "exact": True, "queue": True}, 9, ("train_again", 2, "api", True)),
    ],
)
def test_retrain(client: Client, services: Services, body: Any, run_id: int, call: tuple[Any, ...]) -> None:
    answer = client.post("/ml/retrain", **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json()) == (202, {"run_id": run_id})
    assert services.training.calls == [call]


def test_a_version_that_cannot_be_repeated(client: Client, services: Services) -> None:
    services.training.fails = VersionUnavailable("The ratings have changed since.")
    answer = client.post("/ml/retrain", json={"version": 2, "exact": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "version_unavailable")
    assert answer.json()["detail"] == "The ratings have changed since."


def test_training_runs(client: Client, services: Services) -> None:
    runs = [as_json(RUN), as_json(replace(RUN, run_id=4))]
    assert client.get("/ml/training-runs").json() == {"runs": runs, "next": None}


@pytest.mark.parametrize(
    ("path", "rows", "number", "numbers", "service"),
    [
        ("/ml/training-runs", "runs", "run_id", [7, 4], "training"),
        ("/ml/tuning", "studies", "study_id", [2, 1], "tuning"),
        ("/ml/models", "models", "version", [3, 2], "versions"),
        ("/ml/activations", "activations", "activation_id", [4, 2], "versions"),
        ("/ml/metrics/history", "history", "version", [3, 2], "versions"),
    ],
)
def test_long_lists_are_read_page_by_page(
    client: Client, services: Services, path: str, rows: str, number: str, numbers: list[int], service: str
) -> None:
    """No page asks for all there is, and the last one says that it is the last, though it is full."""
    pages, following = [], None
    for place in range(2):
        answer = client.get(f"{path}?limit=1" + (f"&before={following}" if place else "")).json()
        pages.append([row[number] for row in answer[rows]])
        following = answer["next"]
        assert following == (None if place else numbers[0])
    assert pages == [[one] for one in numbers]
    asked = getattr(services, service).calls
    assert [call[1] for call in asked] == [2, 2]
    assert [call[-1] for call in asked] == [None, numbers[0]]


@pytest.mark.parametrize(
    "path", ["/ml/training-runs", "/ml/tuning", "/ml/models", "/ml/activations", "/ml/metrics/history", "/notices"]
)
@pytest.mark.parametrize("query", ["limit=0", "limit=100000", "before=0", f"before={2**63}", "page=2"])
def test_pages_that_there_are_not(client: Client, path: str, query: str) -> None:
    answer = client.get(f"{path}?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize(("query", "run_id"), [("", None), ("?run_id=7", 7)])
def test_training_status(client: Client, services: Services, query: str, run_id: int | None) -> None:
    answer = client.get(f"/ml/training-status{query}")
    assert (answer.status_code, answer.json()) == (200, as_json(RUN))
    assert services.training.calls == [("status", run_id)]


def test_cancel_training(client: Client, services: Services) -> None:
    answer = client.post("/ml/training-runs/7/cancel")
    assert (answer.status_code, answer.json()) == (202, as_json(RUN))
    assert services.training.calls == [("cancel", 7), ("status", 7)]


def test_start_a_study(client: Client, services: Services) -> None:
    assert client.post("/ml/tuning", json={}).json() == {"study_id": 2}
    body = {"model": "ncf", "goal": "ndcg_at_k", "trials": 5, "folds": 2, "minutes": 1, "seed": 7}
    assert client.post("/ml/tuning", json=body).status_code == 202
    assert services.tuning.calls == [
        ("start", "svd", 20, 3, 30.0, 0, "api", "rmse"),
        ("start", "ncf", 5, 2, 1.0, 7, "api", "ndcg_at_k"),
    ]


def test_studies(client: Client, services: Services) -> None:
    studies = [as_json(STUDY), as_json(replace(STUDY, study_id=1))]
    assert client.get("/ml/tuning").json() == {"studies": studies, "next": None}
    assert client.get("/ml/tuning?limit=100").status_code == 200
    assert client.get("/ml/tuning/2").json() == as_json(STUDY)
    assert services.tuning.calls == [("studies", 21, None), ("studies", 101, None), ("status", 2)]


@pytest.mark.parametrize(
    ("path", "body", "call"),
    [
        ("stop", None, ("stop", 2)),
        ("resume", None, ("resume", 2, None, None)),
        ("resume", {}, ("resume", 2, None, None)),
        ("resume", {"trials": 40, "minutes": 60}, ("resume", 2, 40, 60.0)),
    ],
)
def test_stop_and_resume_a_study(
    client: Client, services: Services, path: str, body: Any, call: tuple[Any, ...]
) -> None:
    answer = client.post(f"/ml/tuning/2/{path}", **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json()) == (202, as_json(STUDY))
    assert services.tuning.calls == [call, ("status", 2)]


@pytest.mark.parametrize(
    ("body", "trial", "activate"),
    [(None, None, "if_better"), ({"trial": 0}, 0, "if_better"), ({"activate": "always"}, None, "always")],
)
def test_train_with_a_study(client: Client, services: Services, body: Any, trial: int | None, activate: str) -> None:
    answer = client.post("/ml/tuning/2/train", **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json()) == (202, {"run_id": 9})
    assert services.tuning.calls == [("train_with", 2, activate, "api", trial)]

"""Every route with a good request: what it asks the service, and what it answers."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from typing import Any

import pytest

from engine.services import Services
from tests.api.client import Client
from tests.api.fakes import JOB, RUN, SCRIPT, STATISTICS, VERSION

URI = "https://boxd.it/2a"
ENCODED = "https%3A%2F%2Fboxd.it%2F2a"


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(asdict(value)))


def test_rate(client: Client, services: Services) -> None:
    answer = client.post("/rate", json={"user_id": 42, "movie_id": " 318 ", "rating": 4})
    assert answer.status_code == 200
    assert services.serving.calls == [("rate", "42", "318", 4.0)]
    assert answer.json() == {
        "user_id": "42",
        "movie_id": "318",
        "rating": 4.0,
        "previous_rating": None,
        "predicted_before": 3.5,
        "predicted_after": 4.0,
        "embedding_updated": True,
        "update_ms": 1.5,
    }


def test_train(client: Client, services: Services) -> None:
    body = {"model": "svd", "hyperparameters": {"factors": 10, "learning_rate": 0.01}, "activate": "never"}
    answer = client.post("/ml/train", json=body)
    assert (answer.status_code, answer.json()) == (202, {"run_id": 7})
    wanted = ("train_model", "svd", {"factors": 10, "learning_rate": 0.01}, "never", "api")
    assert services.training.calls == [wanted]
    assert [type(value) for value in services.training.calls[0][2].values()] == [int, float]


def test_train_has_defaults(client: Client, services: Services) -> None:
    assert client.post("/ml/train", json={}).status_code == 202
    assert services.training.calls == [("train_model", "svd", {}, "if_better", "api")]


@pytest.mark.parametrize(("query", "run_id"), [("", None), ("?run_id=7", 7)])
def test_training_status(client: Client, services: Services, query: str, run_id: int | None) -> None:
    answer = client.get(f"/ml/training-status{query}")
    assert (answer.status_code, answer.json()) == (200, as_json(RUN))
    assert services.training.calls == [("status", run_id)]


def test_cancel_training(client: Client, services: Services) -> None:
    answer = client.post("/ml/training-runs/7/cancel")
    assert (answer.status_code, answer.json()) == (202, as_json(RUN))
    assert services.training.calls == [("cancel", 7), ("status", 7)]


@pytest.mark.parametrize(("query", "on_the_loop"), [("n=100", True), ("n=101", False), ("diversity=0.1", False)])
def test_only_quick_lists_are_made_on_the_event_loop(
    client: Client, services: Services, query: str, on_the_loop: bool
) -> None:
    threads: list[threading.Thread] = []
    services.serving.note = lambda *_call: threads.append(threading.current_thread())
    assert client.get(f"/ml/recommendations/1?{query}").status_code == 200
    assert (threads[0] is threading.main_thread()) is on_the_loop


def test_recommendations_with_every_parameter(client: Client, services: Services) -> None:
    query = "n=5&genre=Drama&year_from=1990&exclude=1&exclude=x/y&diversity=0.5&rank_by=rating"
    answer = client.get(f"/ml/recommendations/42?{query}")
    assert answer.status_code == 200
    options = {"genre": "Drama", "year_from": 1990, "exclude": ("1", "x/y"), "diversity": 0.5, "rank_by": "rating"}
    assert services.serving.calls == [("recommend", "42", 5, options)]
    assert answer.json()["items"][0] == {
        "rank": 1,
        "movie_id": URI,
        "title": SCRIPT,
        "year": None,
        "genres": ["Drama"],
        "score": 0.9,
        "predicted_rating": 4.4,
        "interval": [3.4, 5.0],
        "confidence": 0.6,
    }
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "user_id"),
    [("42", "42"), (ENCODED, URI), ("a/b", "a/b"), ("%C3%A9%20x", "é x"), ("a%252Fb", "a%2Fb"), ("%20a%20", "a")],
)
def test_recommendations_take_any_id_in_the_path(client: Client, services: Services, path: str, user_id: str) -> None:
    assert client.get(f"/ml/recommendations/{path}").json()["user_id"] == user_id


def test_predict(client: Client, services: Services) -> None:
    pairs = [{"user_id": "1", "movie_id": 2}, {"user_id": URI, "movie_id": "3"}]
    answer = client.post("/ml/predict", json={"pairs": pairs})
    assert services.serving.calls == [("predict", [("1", "2"), (URI, "3")])]
    assert answer.json() == {
        "model_version": 3,
        "predictions": [
            {"user_id": "1", "movie_id": "2", "predicted_rating": 3.5, "interval": None, "fallback": "unknown"},
            {"user_id": URI, "movie_id": "3", "predicted_rating": 3.5, "interval": None, "fallback": "unknown"},
        ],
    }


def test_predict_takes_ten_thousand_pairs_and_no_more(client: Client) -> None:
    pair = {"user_id": "u" * 200, "movie_id": "m" * 200}
    answer = client.post("/ml/predict", json={"pairs": [pair] * 10_000})
    assert len(answer.json()["predictions"]) == 10_000
    answer = client.post("/ml/predict", json={"pairs": [pair] * 10_001})
    assert (answer.status_code, answer.json()["field"]) == (422, "pairs")


@pytest.mark.parametrize(
    ("path", "pair"),
    [
        ("/42/318", ("42", "318")),
        (f"/{ENCODED}/318", (URI, "318")),
        (f"/42/{ENCODED}", ("42", URI)),
        (f"/{ENCODED}/{ENCODED}", (URI, URI)),
        ("/a%2Fb/c%2F", ("a/b", "c/")),
        ("/a%252Fb/%C3%A9", ("a%2Fb", "é")),
        ("?user_id=42&movie_id=318", ("42", "318")),
        (f"?user_id={ENCODED}&movie_id=a/b", (URI, "a/b")),
    ],
)
@pytest.mark.parametrize("mounted", [False, True])
def test_explain_takes_any_two_ids(
    client: Client, server: Client, services: Services, path: str, pair: tuple[str, str], mounted: bool
) -> None:
    answer = server.get(f"/api/ml/explain{path}") if mounted else client.get(f"/ml/explain{path}")
    assert answer.status_code == 200, answer.text
    assert services.serving.calls == [("explain", *pair)]
    assert (answer.json()["user_id"], answer.json()["movie_id"]) == pair
    assert answer.json()["genre_match"] == {"score": 0.4, "genres": [["Crime", 0.5, 12]]}


@pytest.mark.parametrize(
    "path", ["/42/https://boxd.it/2a", "/a/b/c", "/1/", "//1", f"/1/{'9' * 201}", "/%20/1", "/1/%00"]
)
def test_explain_refuses_what_is_not_two_ids(client: Client, services: Services, path: str) -> None:
    answer = client.get(f"/ml/explain{path}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_input"
    assert services.serving.calls == []


def test_models(client: Client, services: Services) -> None:
    assert client.get("/ml/models").json() == {"active_version": 3, "models": [as_json(VERSION)]}
    services.versions.served = None
    assert client.get("/ml/models").json() == {"active_version": None, "models": []}


@pytest.mark.parametrize(("body", "reason"), [({}, ""), ({"json": {"reason": "better"}}, "better")])
def test_activate_and_roll_back(client: Client, services: Services, body: dict[str, Any], reason: str) -> None:
    assert client.post("/ml/models/activate/5", **body).json() == {"active_version": 5}
    assert client.post("/ml/models/rollback", **body).json() == {"active_version": 2}
    assert services.versions.calls == [("activate", 5, "api", reason), ("rollback", "api", reason)]


def test_metrics_of_the_active_version(client: Client, services: Services) -> None:
    metrics = {"rmse": {"value": 0.87, "low": 0.86, "high": 0.88}}
    assert client.get("/ml/metrics").json() == {"version": 3, "protocol": {"k": 10}, "metrics": metrics, "segments": {}}
    services.versions.served = None
    assert client.get("/ml/metrics").status_code == 503


def test_import_of_the_demo(client: Client, services: Services) -> None:
    answer = client.post("/data/imports", json={"source": "demo"})
    assert (answer.status_code, answer.json()) == (202, {"job_id": 4})
    assert services.library.calls == [("import_demo",)]


def test_import_of_files(client: Client, services: Services) -> None:
    files = [("files", ("ratings.csv", b"a")), ("files", ("../../etc/movies.csv", b"b"))]
    answer = client.post("/data/imports", files=files, data={"format": "movielens", "user_id": "me"})
    assert (answer.status_code, answer.json()) == (202, {"job_id": 4})
    wanted = [("ratings.csv", b"a"), ("movies.csv", b"b")]
    assert services.library.calls == [("import_files", wanted, "movielens", "me")]


@pytest.mark.parametrize(
    ("sent", "name"),
    [("a\\b\\c.csv", "c.csv"), ("..", "upload"), ("/", "upload"), ("x" * 300 + ".csv", "x" * 100), ("é.csv", "é.csv")],
)
def test_names_of_files_are_only_labels(client: Client, services: Services, sent: str, name: str) -> None:
    client.post("/data/imports", files=[("files", (sent, b"a"))])
    assert services.library.calls == [("import_files", [(name, b"a")], "auto", None)]


def test_a_large_file_arrives_whole(client: Client, services: Services) -> None:
    content = bytes(range(256)) * 16384
    client.post("/data/imports", files=[("files", ("ratings.csv", content))])
    assert services.library.calls[0][1] == [("ratings.csv", content)]


def test_statistics(client: Client) -> None:
    expected = as_json(STATISTICS)
    assert client.get("/data/statistics").json() == expected
    assert expected["rating_counts"] == {"0.5": 2, "4.0": 3}


def test_jobs(client: Client, services: Services) -> None:
    assert client.get("/jobs/4").json() == as_json(JOB)
    answer = client.post("/jobs/4/cancel")
    assert (answer.status_code, answer.json()) == (202, as_json(JOB))
    assert services.library.calls == [("job", 4), ("cancel_job", 4), ("job", 4)]


def test_health(client: Client, services: Services) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready", "model_version": 3}
    services.serving.version = None
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert client.get("/health/live").status_code == 200

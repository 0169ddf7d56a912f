"""Every route with a good request: what it asks the service, and what it answers."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter
from starlette.requests import ClientDisconnect

from engine.errors import (
    Conflict,
    InvalidInput,
    MarqueeError,
    NotReady,
    StoreReplaced,
    UnknownMovie,
    UnknownUser,
    VersionUnavailable,
)
from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from engine.recommending.lists import ListOptions
from engine.services import Services
from engine.services.version_files import ExportedVersion
from sidecar.docs import instances
from sidecar.docs.instances import IMPORTED
from sidecar.http.limits import JSON_LIMIT
from sidecar.routes.exports import MEDIA_TYPES
from sidecar.routes.version_files import PIECE, VersionFile
from tests.sidecar.client import Client, run
from tests.sidecar.fakes import (
    BACKUP,
    BACKUP_PLAN,
    FACTS,
    JOB,
    NOTICES,
    OLDER,
    PIECES,
    PLAN,
    RUN,
    SCRIPT,
    STATISTICS,
    STUDY,
    VERSION,
    calls_of,
)
from tests.sidecar.test_api_malformed import GOOD, ROUTES

URI = "https://boxd.it/2a"
ENCODED = "https%3A%2F%2Fboxd.it%2F2a"


def as_json(value: Any) -> Any:
    return TypeAdapter(type(value)).dump_python(value, mode="json", by_alias=True)


def test_rate(client: Client, services: Services) -> None:
    answer = client.post("/rate", json={"user_id": 42, "movie_id": " 318 ", "rating": 4})
    assert answer.status_code == 200
    assert services.ratings.calls == [("rate", "42", "318", 4.0)]
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


@pytest.mark.parametrize("sent", [3.14159265358979, 4.5, 0.1 + 0.2])
def test_a_rating_is_judged_as_sent(client: Client, services: Services, sent: float) -> None:
    assert client.post("/rate", json={"user_id": 42, "movie_id": 318, "rating": sent}).status_code == 200
    assert services.ratings.calls == [("rate", "42", "318", sent)]


def test_unrate(client: Client, services: Services) -> None:
    answer = client.request("DELETE", "/rate/https:%2F%2Fboxd.it%2F2/318")
    assert answer.status_code == 200, answer.text
    assert services.ratings.calls == [("unrate", "https://boxd.it/2", "318")]
    assert answer.json() == {
        "user_id": "https://boxd.it/2",
        "movie_id": "318",
        "previous_rating": 4.5,
        "predicted_after": 4.0,
        "embedding_updated": True,
        "update_ms": 1.5,
    }


@pytest.mark.parametrize("path", ["/rate/1/2/3", "/rate/%00/2", "/rate/1/%20"])
def test_unrate_needs_two_ids(client: Client, services: Services, path: str) -> None:
    answer = client.request("DELETE", path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert services.ratings.calls == []


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(UnknownUser("No such user."), 404, "unknown_user"), (UnknownMovie("No such movie."), 404, "unknown_movie")],
)
def test_unrate_of_what_is_unknown(
    client: Client, services: Services, error: MarqueeError, status: int, code: str
) -> None:
    services.ratings.fails = error
    answer = client.request("DELETE", "/rate/1/2")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_health_of_updates(client: Client, services: Services) -> None:
    answer = client.get("/ml/health-of-updates")
    assert answer.status_code == 200
    assert services.serving.calls == [("health",)]
    assert (answer.json()["ratings_since"], answer.json()["advice"]) == (1000, "fine")


def test_train(client: Client, services: Services) -> None:
    body = {"model": "svd", "hyperparameters": {"factors": 10, "learning_rate": 0.01}, "activate": "never"}
    answer = client.post("/ml/train", json=body | {"queue": True, "note": "a try"})
    assert (answer.status_code, answer.json()) == (202, {"run_id": 7})
    wanted = ("train_model", "svd", {"factors": 10, "learning_rate": 0.01}, "never", "api", True, "a try")
    assert services.training.calls == [wanted]
    assert [type(value) for value in services.training.calls[0][2].values()] == [int, float]


def test_a_hyperparameter_may_be_a_list(client: Client, services: Services) -> None:
    body = {"model": "ncf", "hyperparameters": {"hidden": [64, 32]}}
    assert client.post("/ml/train", json=body).status_code == 202
    assert services.training.calls[0][2] == {"hidden": [64, 32]}


def test_train_has_defaults(client: Client, services: Services) -> None:
    assert client.post("/ml/train", json={}).status_code == 202
    assert services.training.calls == [("train_model", "svd", {}, "if_better", "api", False, "")]


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


def test_what_reads_or_writes_the_store_runs_in_the_thread_pool(client: Client, services: Services) -> None:
    threads: list[threading.Thread] = []
    for service in (
        services.training,
        services.versions,
        services.tuning,
        services.automation,
        services.inbox,
        services.library,
        services.storage,
    ):
        service.note = lambda *_call: threads.append(threading.current_thread())  # type: ignore[union-attr]
    for route in ROUTES:
        client.send_body(route, json.dumps(GOOD[route]))
    client.post("/ml/models/import", files=[("file", ("a.zip", b"a"))])
    for path in ("training-runs", "models", "models/3", "models/3/export", "models/compare", "metrics", "tuning"):
        assert client.get(f"/ml/{path}").status_code == 200
    assert client.request("DELETE", "/ml/models/2").status_code == 200
    assert len(threads) > len(ROUTES)
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(("query", "on_the_loop"), [("n=100", True), ("n=101", False), ("diversity=0.1", False)])
def test_only_quick_lists_are_made_on_the_event_loop(
    client: Client, services: Services, query: str, on_the_loop: bool
) -> None:
    made: list[bool] = []
    services.recommendations.note = lambda *_call: made.append(a_loop_runs_here())
    assert client.get(f"/ml/recommendations/1?{query}").status_code == 200
    assert made == [on_the_loop]


def a_loop_runs_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def test_recommendations_with_every_parameter(client: Client, services: Services) -> None:
    query = "n=5&genre=Drama&year_from=1990&exclude=1&exclude=x/y&diversity=0.5&rank_by=rating"
    query += "&genres_liked=War&genres_liked=Drama&include_rated=true"
    answer = client.get(f"/ml/recommendations/42?{query}")
    assert answer.status_code == 200
    options = {"genre": "Drama", "year_from": 1990, "exclude": ["1", "x/y"], "diversity": 0.5, "rank_by": "rating"}
    more = {"genres_liked": ["War", "Drama"], "include_rated": True}
    assert services.recommendations.calls == [("recommend", "42", 5, options | more)]
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
        "rated": None,
    }
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "user_id"),
    [("42", "42"), (ENCODED, URI), ("a/b", "a/b"), ("%C3%A9%20x", "é x"), ("a%252Fb", "a%2Fb"), ("%20a%20", "a")],
)
def test_recommendations_take_any_id_in_the_path(client: Client, services: Services, path: str, user_id: str) -> None:
    assert client.get(f"/ml/recommendations/{path}").json()["user_id"] == user_id


def test_a_list_for_somebody_who_is_not_stored(client: Client, services: Services) -> None:
    body = {"ratings": [{"movie_id": 7, "rating": 2}, {"movie_id": "7", "rating": 4.5}], "n": 5, "exclude": [8]}
    answer = client.post("/ml/recommendations", json=body | {"genres_liked": ["War"]})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["user_id"], answer.json()["ratings_count"]) == ("", 1)
    wanted = ListOptions(5, exclude=["8"], genres_liked=["War"])
    assert services.recommendations.calls[0] == ("recommend_to", {"7": 4.5}, wanted)


def test_what_if(client: Client, services: Services) -> None:
    changes = [{"movie_id": 7}, {"movie_id": URI, "rating": 4.5}]
    answer = client.post("/ml/what-if", json={"user_id": 42, "changes": changes, "n": 5, "diversity": 0.2})
    assert answer.status_code == 200, answer.text
    wanted = ListOptions(5, exclude=[], genres_liked=[], diversity=0.2)
    assert services.recommendations.calls == [("what_if", "42", {"7": None, URI: 4.5}, wanted)]
    item = answer.json()["items"][0]
    assert (item["movie"]["title"], item["change"], item["predicted_before"]) == (SCRIPT, None, 4.4)
    too_many = [{"movie_id": str(n)} for n in range(1001)]
    answer = client.post("/ml/what-if", json={"user_id": 42, "changes": too_many})
    assert (answer.status_code, answer.json()["field"]) == (422, "changes")


def test_forgetting_a_user(client: Client, services: Services) -> None:
    answer = client.request("DELETE", f"/users/{ENCODED}")
    assert services.ratings.calls == [("forget", URI)]
    assert (answer.json()["user_id"], answer.json()["versions"]) == (URI, [2, 3])
    services.ratings.fails = UnknownUser("There is no user 'nobody'.")
    answer = client.request("DELETE", "/users/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_user")


def test_similar_movies(client: Client, services: Services) -> None:
    answer = client.get(f"/ml/similar/{ENCODED}?n=3")
    assert services.recommendations.calls == [("similar", URI, 3)]
    assert (answer.json()["basis"], answer.json()["items"][0]["movie"]["title"]) == ("ratings", SCRIPT)


def test_interview(client: Client, services: Services) -> None:
    answer = client.get(f"/ml/interview/{ENCODED}?n=3&skipped=7&skipped=x/y")
    assert services.recommendations.calls == [("interview", URI, 3, ["7", "x/y"])]
    assert (answer.json()["user_id"], answer.json()["questions"][0]["movie"]["title"]) == (URI, SCRIPT)
    assert client.get("/ml/interview/new?n=101").json()["field"] == "n"


def test_predict(client: Client, services: Services) -> None:
    pairs = [{"user_id": "1", "movie_id": 2}, {"user_id": URI, "movie_id": "3"}]
    answer = client.post("/ml/predict", json={"pairs": pairs})
    assert services.recommendations.calls == [("predict", [("1", "2"), (URI, "3")])]
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
    assert services.recommendations.calls == [("explain", *pair, [])]
    assert (answer.json()["user_id"], answer.json()["movie_id"]) == pair
    assert answer.json()["genre_match"] == {"score": 0.4, "genres": [["Crime", 0.5, 12], ["Drama", 0.3, 31]]}


@pytest.mark.parametrize("path", ["/42/318?", "?user_id=42&movie_id=318&"])
def test_explain_takes_the_genres_that_the_list_was_asked_for_with(
    client: Client, services: Services, path: str
) -> None:
    assert client.get(f"/ml/explain{path}genres_liked=War&genres_liked=Drama").status_code == 200
    assert services.recommendations.calls == [("explain", "42", "318", ["War", "Drama"])]


@pytest.mark.parametrize(
    "path", ["/42/https://boxd.it/2a", "/a/b/c", "/1/", "//1", f"/1/{'9' * 201}", "/%20/1", "/1/%00"]
)
def test_explain_refuses_what_is_not_two_ids(client: Client, services: Services, path: str) -> None:
    answer = client.get(f"/ml/explain{path}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_input"
    assert services.recommendations.calls == []


def test_models(client: Client, services: Services) -> None:
    assert client.get("/ml/models").json() == {
        "active_version": 3,
        "models": [as_json(VERSION), as_json(OLDER)],
        "next": None,
    }
    services.serving.active_version = lambda: None  # type: ignore[method-assign]
    services.versions.held = []
    assert client.get("/ml/models").json() == {"active_version": None, "models": [], "next": None}


def test_one_model(client: Client, services: Services) -> None:
    answer = client.get("/ml/models/2")
    assert (answer.status_code, answer.json()) == (200, as_json(OLDER))
    answer = client.get("/ml/models/4")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_version")


@pytest.mark.parametrize(
    ("body", "call"),
    [
        ({"note": "mine", "tags": ["a", "b"]}, ("describe", 3, "mine", ["a", "b"])),
        ({"note": ""}, ("describe", 3, "", None)),
        ({"tags": []}, ("describe", 3, None, [])),
        ({"tags": ["x" * 50] * 20, "note": "x" * 2000}, ("describe", 3, "x" * 2000, ["x" * 50] * 20)),
        ({}, ("describe", 3, None, None)),
    ],
)
def test_describe(client: Client, services: Services, body: dict[str, Any], call: tuple[Any, ...]) -> None:
    answer = client.request("PATCH", "/ml/models/3", json=body)
    assert (answer.status_code, answer.json()["note"], answer.json()["tags"]) == (
        200,
        body.get("note", ""),
        body.get("tags", []),
    )
    assert services.versions.calls == [call]


def test_describe_needs_a_body(client: Client, services: Services) -> None:
    assert client.request("PATCH", "/ml/models/3").status_code == 422
    assert calls_of(services) == []


def test_delete(client: Client, services: Services) -> None:
    answer = client.request("DELETE", "/ml/models/2")
    assert (answer.status_code, answer.json()) == (200, {"version": 2, "state": "deleted", "freed_bytes": 99})
    assert services.versions.calls == [("get", 2), ("delete", 2, "api")]
    services.versions.held = [replace(OLDER, state="deleted")]
    assert client.request("DELETE", "/ml/models/2").json()["freed_bytes"] == 0


def test_the_version_that_serves_is_not_deleted(client: Client, services: Services) -> None:
    def refuse(version: int, *, actor: str) -> Any:
        raise VersionUnavailable(f"Version {version} serves now.")

    services.versions.delete = refuse  # type: ignore[method-assign, assignment]
    answer = client.request("DELETE", "/ml/models/3")
    assert (answer.status_code, answer.json()["code"]) == (409, "version_unavailable")
    assert client.request("DELETE", "/ml/models/9").status_code == 404


def test_export(client: Client, services: Services) -> None:
    answer = client.get("/ml/models/3/export")
    assert answer.status_code == 200
    assert answer.content == bytes(range(256)) * 4096
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="marquee-version-3.zip"'
    assert answer.headers["content-length"] == str(2**20)
    assert services.versions.exported.stream.closed  # type: ignore[attr-defined]


def test_an_export_that_is_refused(client: Client, services: Services) -> None:
    services.versions.fails = VersionUnavailable("Version 3 is deleted.")
    answer = client.get("/ml/models/3/export")
    assert (answer.status_code, answer.json()["code"]) == (409, "version_unavailable")


class Watched(SpooledTemporaryFile[bytes]):
    """A file that counts how much was asked of it."""

    most = 0
    reads = 0

    def read(self, *size: int) -> bytes:
        self.reads += 1
        self.most = max(self.most, *size)
        return super().read(*size)


@pytest.mark.parametrize("spec_version", ["2.0", "2.4"])
def test_an_export_is_read_in_pieces_and_closed_when_the_client_goes_away(spec_version: str) -> None:
    stream = Watched()
    stream.write(b"a" * (20 * PIECE))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        while len(sent) < 3:
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > 3 and spec_version == "2.4":
            raise OSError("the client went away")
        await asyncio.sleep(0)

    async def ask() -> None:
        file = VersionFile(ExportedVersion("a.zip", stream))  # type: ignore[arg-type]
        scope = {"type": "http", "asgi": {"spec_version": spec_version}}
        try:
            await file(scope, receive, send)
        except ClientDisconnect:
            assert spec_version == "2.4"

    run(ask())
    assert stream.closed
    assert stream.most == PIECE
    assert stream.reads < 20


def test_import_of_a_version(client: Client, services: Services) -> None:
    answer = client.post("/ml/models/import", files=[("file", ("../v.zip", b"PK" * 1000))])
    assert (answer.status_code, answer.json()) == (201, {"version": 4})
    assert services.versions.calls == [("import_file", b"PK" * 1000, "api")]
    services.versions.fails = InvalidInput("The file is no exported version.", field="file")
    answer = client.post("/ml/models/import", files=[("file", ("v.zip", b"a"))])
    assert (answer.status_code, answer.json()["field"]) == (422, "file")


@pytest.mark.parametrize(("body", "reason"), [({}, ""), ({"json": {"reason": "better"}}, "better")])
def test_activate_and_roll_back(client: Client, services: Services, body: dict[str, Any], reason: str) -> None:
    assert client.post("/ml/models/activate/5", **body).json() == {"active_version": 5}
    assert client.post("/ml/models/rollback", **body).json() == {"active_version": 2}
    assert services.versions.calls == [("activate", 5, "api", reason), ("rollback", "api", reason)]


def test_the_ledger_answers_for_any_moment(client: Client, services: Services) -> None:
    line = {"activation_id": 4, "version": 3, "activated_at": 101.0, "actor": "api", "reason": "better"}
    first = {"activation_id": 2, "version": 2, "activated_at": 99.0, "actor": "you", "reason": "first"}
    assert client.get("/ml/activations").json() == {"activations": [line, first], "next": None}
    assert client.get("/ml/activations?at=120.5&limit=1").json() == {"activations": [line], "next": 4}
    assert services.versions.calls == [("ledger", 101, None, None), ("ledger", 2, 120.5, None)]


def test_metrics_of_the_active_version(client: Client, services: Services) -> None:
    metrics = {
        "rmse": {"value": 0.874, "low": 0.862, "high": 0.886},
        "ndcg_at_k": {"value": 0.142, "low": 0.128, "high": 0.157},
    }
    found = {"version": 3, "protocol": instances.PROTOCOL, "metrics": metrics, "segments": {}}
    assert client.get("/ml/metrics").json() == found | {"newcomers": []}
    curve = NewcomerPoint(3, 40, MetricValue(0.97, 0.9, 1.04), 0.99, None, None)
    services.versions.held = [replace(VERSION, newcomers=(curve,))]
    assert client.get("/ml/metrics").json() == found | {"newcomers": [as_json(curve)]}
    services.versions.held = [OLDER]
    assert client.get("/ml/metrics").status_code == 503


def test_metrics_of_a_named_version(client: Client, services: Services) -> None:
    answer = client.get("/ml/metrics?version=2").json()
    assert (answer["version"], set(answer["metrics"])) == (2, {*instances.METRICS, "mae"})
    assert services.versions.calls == [("get", 2)]
    answer = client.get("/ml/metrics?version=4")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_version")


def test_metrics_history(client: Client, services: Services) -> None:
    fields = ("version", "kind", "state", "active", "created_at", "ratings", "metrics")
    wanted = [{name: as_json(each)[name] for name in fields} for each in (OLDER, VERSION)]
    assert client.get("/ml/metrics/history").json() == {"history": wanted, "next": None}
    one = client.get("/ml/metrics/history?metric=mae").json()["history"]
    assert [(each["version"], list(each["metrics"])) for each in one] == [(2, ["mae"]), (3, [])]
    answer = client.get("/ml/metrics/history?metric=ndgc")
    assert (answer.status_code, answer.json()["field"]) == (422, "metric")
    assert answer.json()["detail"] == "Unknown metric. Available: mae, ndcg_at_k, rmse."
    services.versions.held = []
    assert client.get("/ml/metrics/history?metric=rmse").json() == {"history": [], "next": None}


@pytest.mark.parametrize(
    ("query", "numbers", "baseline"),
    [
        ("", [3, 2], None),
        ("?versions=2&versions=3", [2, 3], None),
        ("?versions=2,3", [2, 3], None),
        ("?versions=2,%203", [2, 3], None),
        ("?versions=3,2&baseline=3", [3, 2], 3),
        ("?versions=2&baseline=3", [2], 3),
        ("?baseline=2", [3, 2], 2),
    ],
)
def test_compare(client: Client, services: Services, query: str, numbers: list[int], baseline: int | None) -> None:
    answer = client.get(f"/ml/models/compare{query}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert ("compare", numbers, baseline) in services.versions.calls
    against, other = (3, 2) if baseline == 3 else (2, 3)
    assert found["baseline"] == against
    assert [each["version"] for each in found["versions"]] == [against, other]
    assert found["versions"][0]["metrics"]["rmse"] == {"value": 0.874, "low": 0.862, "high": 0.886}
    difference = {
        "version": other,
        "baseline": against,
        "differences": {"rmse": as_json(instances.DIFFERENCES["rmse"])},
        "text": instances.COMPARISON.text,
    }
    assert found["comparisons"] == [difference]


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ([], "no intact version"),
        ([VERSION], "one intact version"),
        ([VERSION, replace(OLDER, state="deleted"), replace(OLDER, version=1, state="damaged")], "one intact version"),
    ],
)
def test_compare_needs_two_versions(client: Client, services: Services, held: Any, words: str) -> None:
    services.versions.held = held
    answer = client.get("/ml/models/compare")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert words in answer.json()["detail"]
    assert "Train a model" in answer.json()["detail"]


def test_compare_with_an_unknown_version_or_only_one(client: Client) -> None:
    answer = client.get("/ml/models/compare?versions=2,9")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_version")
    answer = client.get("/ml/models/compare?versions=3&versions=3")
    assert (answer.status_code, answer.json()["field"]) == (422, "versions")


def test_start_a_study(client: Client, services: Services) -> None:
    assert client.post("/ml/tuning", json={}).json() == {"study_id": 2}
    body = {"model": "ncf", "trials": 5, "folds": 2, "minutes": 1, "seed": 7}
    assert client.post("/ml/tuning", json=body).status_code == 202
    assert services.tuning.calls == [("start", "svd", 20, 3, 30.0, 0, "api"), ("start", "ncf", 5, 2, 1.0, 7, "api")]


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


def test_import_of_the_demo(client: Client, services: Services) -> None:
    answer = client.post("/data/imports", json={"source": "demo"})
    assert (answer.status_code, answer.json()) == (202, {"job_id": 4})
    assert services.imports.calls == [("import_demo",)]


def test_import_of_files(client: Client, services: Services) -> None:
    files = [("files", ("ratings.csv", b"a")), ("files", ("../../etc/movies.csv", b"b"))]
    given = {"source": "movielens", "scale": [1, 10], "columns": {"rating": 2}, "dry_run": True}
    answer = client.post("/data/imports", files=files, data={"options": json.dumps(given)})
    assert (answer.status_code, answer.json()) == (202, {"job_id": 4})
    wanted = [("ratings.csv", b"a"), ("movies.csv", b"b")]
    assert services.imports.calls == [("import_files", wanted, given)]


@pytest.mark.parametrize(
    ("sent", "name"),
    [("a\\b\\c.csv", "c.csv"), ("..", "upload"), ("/", "upload"), ("x" * 300 + ".csv", "x" * 100), ("é.csv", "é.csv")],
)
def test_names_of_files_are_only_labels(client: Client, services: Services, sent: str, name: str) -> None:
    client.post("/data/imports", files=[("files", (sent, b"a"))])
    assert services.imports.calls == [("import_files", [(name, b"a")], {})]


def test_a_large_file_arrives_whole(client: Client, services: Services) -> None:
    content = bytes(range(256)) * 16384
    client.post("/data/imports", files=[("files", ("ratings.csv", content))])
    assert services.imports.calls[0][1] == [("ratings.csv", content)]


def test_statistics(client: Client) -> None:
    expected = as_json(STATISTICS)
    assert client.get("/data/statistics").json() == expected
    assert expected["rating_counts"] == {"3.0": 20064, "4.0": 28750}


def test_jobs(client: Client, services: Services) -> None:
    assert client.get("/jobs/4").json() == as_json(JOB)
    answer = client.post("/jobs/4/cancel")
    assert (answer.status_code, answer.json()) == (202, as_json(JOB))
    assert services.imports.calls == [("job", 4), ("cancel_job", 4), ("job", 4)]


@pytest.mark.parametrize(
    "answers",
    [
        {"scale": [1, 10]},
        {"user": "maria", "dates": "dmy", "encoding": "cp1251", "catalogue": "separate"},
        {"columns": {"user": "who", "movie": 1, "rating": "stars"}, "matches": {"tt1": "17"}},
        {"matches": {}},
        {},
    ],
)
def test_answers(client: Client, services: Services, answers: dict[str, Any]) -> None:
    answer = client.post("/jobs/4/answers", json=answers)
    assert (answer.status_code, answer.json()) == (202, as_json(JOB))
    assert services.imports.calls == [("answer", 4, answers), ("job", 4)]


def test_the_history_of_imports(client: Client) -> None:
    (found,) = client.get("/data/imports").json()["imports"]
    assert found == IMPORTED.model_dump()
    assert "user_key" not in found


def test_undo(client: Client, services: Services) -> None:
    answer = client.post("/data/imports/3/undo")
    assert (answer.status_code, answer.json()) == (202, {"job_id": 5})
    assert services.imports.calls == [("undo", 3)]


def test_health(client: Client, services: Services) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready", "model_version": 3}
    services.serving.version = None
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/ml/models/3", "/ml/recommendations/42", "/docs", "/openapi.json"]
)
def test_head_is_answered_like_get(server: Client, path: str) -> None:
    """Probers ask so. The server leaves out the body, which is known to it before the app is."""
    asked, told = (server.request(method, f"/api{path}") for method in ("GET", "HEAD"))
    assert (told.status_code, told.headers["content-type"]) == (200, asked.headers["content-type"])
    assert told.headers["content-length"] == str(len(asked.content))
    assert server.request("HEAD", "/api/rate").headers["allow"] == "DELETE, POST"
    assert server.request("HEAD", "/api/nothing").status_code == 404


def test_measurements_are_what_prometheus_reads(client: Client) -> None:
    def measured() -> dict[tuple[str, str], float]:
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return {
            (sample.name, sample.labels.get("route") or sample.labels.get("state", "")): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.labels.get("status", "200") == "200" and sample.labels.get("method", "GET") == "GET"
        }

    before = measured()
    assert before["marquee_ratings", ""] == 100_004
    assert before["marquee_active_version", ""] == 3
    assert (before["marquee_training_runs", "succeeded"], before["marquee_training_runs", "queued"]) == (2, 0)
    route = "marquee_http_request_duration_seconds_count", "/ml/recommendations/{user_id}"
    for user in ("1", "<script>"):
        assert client.get(f"/ml/recommendations/{user}").status_code == 200
    after = measured()
    assert after[route] - before.get(route, 0) == 2
    assert "<script>" not in client.get("/metrics").text


def test_what_meets_no_route_is_measured_as_none(server: Client) -> None:
    def counted() -> dict[tuple[str, str, str], float]:
        return {
            (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
            for family in text_string_to_metric_families(server.get("/api/metrics").text)
            for sample in family.samples
            if sample.name == "marquee_http_request_duration_seconds_count"
        }

    before = counted()
    server.get("/api/nothing")
    server.get("/api")
    server.get("/api/openapi.json")
    server.post("/api/rate", content=b" " * (JSON_LIMIT + 1))
    server.request("HEAD", "/api/health/live")
    after = counted()
    grown = {labels for labels, count in after.items() if count != before.get(labels, 0)}
    assert {("GET", "none", "404"), ("GET", "none", "200"), ("POST", "none", "413")} <= grown
    assert after["GET", "none", "404"] - before.get(("GET", "none", "404"), 0) == 2
    assert ("HEAD", "/health/live", "200") in grown
    assert not [route for _, route, _ in after if "path" in route]


def test_notices_are_read_page_by_page(client: Client, services: Services) -> None:
    first = client.get("/notices?limit=2").json()
    assert ([one["notice_id"] for one in first["notices"]], first["next"], first["unread"]) == ([9, 6], 6, 3)
    assert first["webhook"] == as_json(services.inbox.webhook())
    assert first["notices"][0] == as_json(NOTICES[0])
    last = client.get(f"/notices?limit=2&before={first['next']}&unread=true").json()
    assert ([one["notice_id"] for one in last["notices"]], last["next"]) == ([5], None)
    assert services.inbox.calls == [("notices", 3, None, False), ("notices", 3, 6, True)]
    assert client.get("/notices?limit=0").json()["errors"][0]["field"] == "limit"


def test_notices_are_marked_as_read(client: Client, services: Services) -> None:
    assert client.post("/notices/read", json={"notice_ids": [9]}).json() == {"unread": 3}
    assert client.post("/notices/read").json() == {"unread": 3}
    assert services.inbox.calls == [("mark_read", [9]), ("mark_read", None)]


def test_the_plan_of_retrainings(client: Client, services: Services) -> None:
    assert client.get("/automation").json() == as_json(PLAN)
    body = {"days": [0, 6], "hour": 3, "zone": "Europe/Berlin"}
    assert client.post("/automation", json=body).json() == as_json(PLAN)
    assert client.post("/automation/pause", json={"paused": True}).json() == as_json(PLAN)
    wanted = body | {"minute": 0, "after_ratings": 0, "activate": "if_better"}
    assert services.automation.calls == [("plan",), ("change", wanted), ("plan",), ("pause", True), ("plan",)]


def test_backups(client: Client, services: Services) -> None:
    name = BACKUP.name
    assert client.get("/store").json() == as_json(FACTS)
    assert client.get("/store/backups").json() == {"backups": [as_json(BACKUP)]}
    made = client.post("/store/backups")
    assert (made.status_code, made.json()) == (201, as_json(BACKUP))
    file = client.get(f"/store/backups/{name}")
    assert file.status_code == 200
    assert "attachment" in file.headers["content-disposition"]
    assert client.request("DELETE", f"/store/backups/{name}").json() == {"name": name}
    restored = client.post(f"/store/backups/{name}/restore")
    assert restored.json() == {"name": name, "replaced": "m.db.replaced-1"}
    wanted = {"every": "daily", "hour": 2, "minute": 0, "zone": "UTC", "keep_days": 30}
    assert client.get("/store/backup-plan").json() == as_json(BACKUP_PLAN)
    assert client.post("/store/backup-plan", json={"every": "daily"}).json() == as_json(BACKUP_PLAN)
    assert services.storage.calls == [
        ("facts",),
        ("backups",),
        ("back_up",),
        ("path_of", name),
        ("delete", name),
        ("restore", name),
        ("plan",),
        ("change_plan", wanted),
        ("plan",),
    ]


def test_the_store_is_checked_when_asked(client: Client, services: Services) -> None:
    assert client.post("/store/check", json={}).json() == {"sound": False, "faults": ["A fault."]}
    assert client.post("/store/check", json={"thorough": False}).json() == {"sound": True, "faults": []}


def test_readiness_asks_the_store(client: Client, services: Services) -> None:
    assert client.get("/health/ready").status_code == 200
    services.storage.fails = StoreReplaced("The store is gone.")
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_replaced")


@pytest.mark.parametrize("body", [{"days": [], "hour": 3}, {"days": [7], "hour": 3}, {"days": [1], "hour": 24}])
def test_plans_that_make_no_sense_are_refused(client: Client, services: Services, body: dict[str, Any]) -> None:
    assert client.post("/automation", json=body).status_code == 422
    assert services.automation.calls == []


EXPORTS = {
    "ratings": ("export", "ratings"),
    "movies": ("export", "movies"),
    "recommendations": ("recommendations", 10),
    "recommendations?n=3": ("recommendations", 3),
    "factors": ("factors", None),
    "factors?version=2": ("factors", 2),
}


@pytest.mark.parametrize(
    ("form", "media_type"), [("csv", "text/csv; charset=utf-8"), ("parquet", MEDIA_TYPES["parquet"])]
)
@pytest.mark.parametrize("path", EXPORTS)
def test_a_table_as_a_file(client: Client, services: Services, path: str, form: str, media_type: str) -> None:
    answer = client.get(f"/data/exports/{path}{'&' if '?' in path else '?'}format={form}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    name = path.partition("?")[0]
    assert answer.headers["content-disposition"] == f'attachment; filename="marquee-{name}.{form}"'
    assert answer.content == b"".join(PIECES)
    assert services.exports.calls == [(*EXPORTS[path], form)]


def test_the_archive_as_a_file(client: Client, services: Services) -> None:
    answer = client.get("/data/exports/archive")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="marquee-archive.zip"'
    assert answer.content == b"".join(PIECES)
    assert services.exports.calls == [("archive",)]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("users", "table"),
        ("ratings?format=xlsx", "format"),
        ("recommendations?n=0", "n"),
        ("recommendations?n=1001", "n"),
        ("factors?version=0", "version"),
        ("archive?format=csv", "format"),
    ],
)
def test_exports_that_there_are_not(client: Client, services: Services, path: str, field: str) -> None:
    answer = client.get(f"/data/exports/{path}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert services.exports.calls == []


@pytest.mark.parametrize(("error", "status"), [(NotReady("Nothing is trained."), 503), (Conflict("It has none."), 409)])
def test_an_export_that_can_not_be_made_is_a_problem(
    client: Client, services: Services, error: MarqueeError, status: int
) -> None:
    services.exports.fails = error  # type: ignore[attr-defined]
    answer = client.get("/data/exports/factors")
    assert (answer.status_code, answer.json()["detail"]) == (status, str(error))

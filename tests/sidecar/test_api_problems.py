"""Every error is a problem document that says what to do and shows nothing it should not."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
from typing import Any

import pytest

from engine import errors
from engine.models.registry import configure
from engine.services import Services, use
from sidecar.http.access_log import AccessMiddleware
from sidecar.http.kinds import ALL, OF_ERROR
from tests.sidecar.client import Client, run

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.MarqueeError)]

STATUS = {
    "InvalidInput": 422,
    "InvalidRating": 422,
    "InvalidHyperparameter": 422,
    "NotFound": 404,
    "UnknownUser": 404,
    "UnknownMovie": 404,
    "UnknownVersion": 404,
    "UnknownRun": 404,
    "UnknownStudy": 404,
    "UnknownKey": 404,
    "UnknownGoldenPerson": 404,
    "UnknownJob": 404,
    "UnknownImport": 404,
    "UnknownBackup": 404,
    "UnknownAnswer": 404,
    "Conflict": 409,
    "BackupBusy": 409,
    "UnusableBackup": 409,
    "TrainingBusy": 409,
    "TuningBusy": 409,
    "VersionUnavailable": 409,
    "NotReplayable": 409,
    "Cancelled": 409,
    "NotReady": 503,
    "StoreLocked": 503,
    "StoreNotWritable": 503,
    "StoreFailing": 503,
    "StoreReplaced": 503,
    "StoreDamaged": 503,
    "DiskFull": 507,
    "TrainingDiverged": 500,
    "NotSolvable": 500,
    "ClusterFailed": 500,
    "InvalidSettings": 500,
}


def make(cls: type[errors.MarqueeError], message: str = "Say what to do.") -> errors.MarqueeError:
    if cls is errors.InvalidHyperparameter:
        return cls({"factors": message, "epochs": "Say something else."})
    if issubclass(cls, errors.InvalidInput):
        return cls(message, field="factors")
    return cls(7) if cls in {errors.TrainingBusy, errors.TuningBusy} else cls(message)


def test_every_error_has_its_own_line_in_the_table() -> None:
    assert set(CLASSES) == set(OF_ERROR)
    assert {cls.__name__ for cls in CLASSES} == {*STATUS, "MarqueeError"}
    assert len({kind.code for kind in ALL}) == len(ALL)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not errors.MarqueeError])
def test_errors_of_the_engine(client: Client, services: Services, cls: type[errors.MarqueeError]) -> None:
    services.training.fails = make(cls)
    answer = client.post("/ml/train", json={})
    assert answer.status_code == STATUS[cls.__name__]
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"] == str(make(cls))
    assert body["code"] == OF_ERROR[cls].code
    assert body["title"] == OF_ERROR[cls].title
    assert body["type"] == f"/api/docs#problem-{body['code']}"
    assert body.get("field") == ("factors" if STATUS[cls.__name__] == 422 else None)
    assert body.get("run_id") == (7 if cls is errors.TrainingBusy else None)
    assert body.get("study_id") == (7 if cls is errors.TuningBusy else None)
    assert ("errors" in body) is (cls is errors.InvalidHyperparameter)
    assert answer.headers.get("retry-after") == ("5" if STATUS[cls.__name__] == 503 else None)
    at_fault = STATUS[cls.__name__] >= 500 and cls is not errors.NotReady
    assert services.traffic.last_hour().errors == at_fault, "nothing trained yet is no error"


def test_every_hyperparameter_at_fault_is_named(client: Client, services: Services) -> None:
    hyperparameters = {"factors": 0, "learning_rate": 7, "depth": 3}
    with pytest.raises(errors.InvalidHyperparameter) as refused:
        configure("svd", hyperparameters)
    services.training.fails = refused.value
    answer = client.post("/ml/train", json={"hyperparameters": hyperparameters})
    body = answer.json()
    assert (answer.status_code, body["code"], body["field"]) == (422, "invalid_hyperparameter", "factors")
    named = {fault["field"]: fault["message"] for fault in body["errors"]}
    assert set(named) == set(hyperparameters)
    assert named["factors"] == body["detail"]
    assert re.search(r"factors is 0\b.* 1 .*1000", named["factors"])
    assert re.search(r"learning_rate is 7\b.* 0\b.* 1\b", named["learning_rate"])
    assert "depth" in named["depth"]


def test_of_many_hyperparameters_at_fault_the_first_are_named(client: Client, services: Services) -> None:
    faults = {f"\udfff{number}": "\ud800 is no number." for number in range(25)}
    services.training.fails = errors.InvalidHyperparameter(faults)
    named = client.post("/ml/train", json={}).json()["errors"]
    assert len(named) == 20
    assert named[0] == {"field": "\\udfff0", "message": "\\ud800 is no number."}


def test_a_later_error_answers_like_its_parent(client: Client, services: Services) -> None:
    class UnknownActor(errors.NotFound):
        pass

    services.training.fails = UnknownActor("No such actor.")
    answer = client.post("/ml/train", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_error_that_quotes_half_a_character_is_still_answered(client: Client, services: Services) -> None:
    services.training.fails = errors.InvalidInput("\ud800 is no number.", field="\udfff")
    answer = client.post("/ml/train", json={})
    assert (answer.status_code, answer.json()["detail"]) == (422, "\\ud800 is no number.")


@pytest.mark.parametrize("error", [RuntimeError("secret /home/x"), errors.MarqueeError("secret /home/x")])
@pytest.mark.parametrize("mounted", [False, True])
def test_unexpected_errors_are_logged_and_not_shown(
    client: Client,
    server: Client,
    services: Services,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    mounted: bool,
) -> None:
    services.recommendations.fails = error
    answer = server.get("/api/ml/explain/1/2") if mounted else client.get("/ml/explain/1/2")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    identity = answer.headers["x-request-id"]
    assert answer.json()["request_id"] == identity
    assert identity in answer.json()["detail"]
    (logged,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert identity in logged.getMessage()
    assert logged.exc_info is not None
    assert logged.exc_info[1] is error


@pytest.mark.parametrize("begun", [False, True])
def test_a_request_that_a_stop_cuts_short(caplog: pytest.LogCaptureFixture, begun: bool) -> None:
    """Where nothing was sent yet it is answered; in any case whoever cancels it sees it cancelled."""
    caplog.set_level(logging.INFO, "marquee.access")
    sent: list[Any] = []
    scope = {"type": "http", "method": "POST", "path": "/data/imports", "headers": [(b"x-request-id", b"mine")]}

    async def slow(_scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    async def receive() -> Any:
        waits.set()
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    async def cut_short() -> None:
        asked = asyncio.create_task(AccessMiddleware(slow)(scope, receive, send))  # type: ignore[arg-type]
        await waits.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    waits = asyncio.Event()
    run(cut_short())
    assert [message.get("status") for message in sent] == ([200] if begun else [503, None])
    if not begun:
        assert json.loads(sent[1]["body"])["code"] == "stopping"
        assert (b"retry-after", b"5") in sent[0]["headers"]
    first, second = [record.getMessage() for record in caplog.records if record.name == "marquee.access"]
    assert first == "mine was interrupted by a shutdown"
    assert f" status={200 if begun else 503} " in second
    assert [record for record in caplog.records if record.exc_info] == []


def test_before_the_services_are_there_every_route_says_so(client: Client) -> None:
    use(None)
    answer = client.get("/ml/recommendations/1")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize("path", ["/", "/nothing", "/ml", "/ml/models/3/", "/health/live/", "/ml/training-runs/7"])
def test_no_such_route(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_route")
    assert answer.json()["detail"] == "No such address."


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/rate", "DELETE, POST"),
        ("POST", "/ml/models/3", "DELETE, GET, HEAD, PATCH"),
        ("PUT", "/ml/tuning", "GET, HEAD, POST"),
        ("POST", "/ml/metrics", "GET, HEAD"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
    ],
)
def test_wrong_method(client: Client, method: str, path: str, allow: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allow


def test_wrong_method_where_the_api_is_mounted(server: Client) -> None:
    assert server.post("/api/ml/models/3").headers["allow"] == "DELETE, GET, HEAD, PATCH"


def test_every_fault_is_named_and_no_value_repeated(client: Client) -> None:
    answer = client.post("/rate", json={"user_id": "secret\0", "rating": "secret", "sekret": 1})
    body = answer.json()
    assert answer.status_code == 422
    assert {fault["field"]: fault["message"] for fault in body["errors"]} == {
        "user_id": "An ID can't contain control characters or lone surrogates.",
        "movie_id": "This field is required.",
        "rating": "Must be a valid number.",
        "sekret": "Unknown field.",
    }
    assert body["field"] == "user_id"
    assert body["detail"].startswith("user_id: An ID can't")
    assert "3 more" in body["detail"]
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1}, "Must be a valid boolean, a valid integer, a valid number, a valid string or a valid list."),
        ("x" * 201, "String should have at most 200 characters."),
    ],
)
def test_a_value_that_is_of_none_of_several_types_is_one_fault(client: Client, value: object, message: str) -> None:
    answer = client.post("/ml/train", json={"hyperparameters": {"hidden": value}})
    assert answer.json()["errors"] == [{"field": "hyperparameters.hidden", "message": message}]
    assert answer.json()["detail"] == f"hyperparameters.hidden: {message}"


def test_text_in_place_of_a_file_is_told_so(client: Client) -> None:
    answer = client.post("/data/imports", data={"files": "text"}, files=[("files", ("a.csv", b"a"))])
    assert answer.json()["errors"] == [{"field": "files", "message": "A file is expected."}]


def test_of_many_faults_the_first_are_listed(client: Client) -> None:
    answer = client.post("/ml/predict", json={"pairs": [{"user_id": ""}] * 1000})
    assert len(answer.json()["errors"]) == 20
    assert "1999 more" in answer.json()["detail"]
    assert answer.json()["field"] == "pairs.0.user_id"


def test_one_line_is_logged_per_request(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "marquee.access")
    client.get("/nothing/a%0Ab?n=5", headers={"X-Request-ID": "mine-1"})
    client.get("/nothing")
    first, second = [record.getMessage() for record in caplog.records if record.name == "marquee.access"]
    # A line feed in a path fits no route; in the log it must not begin a line.
    assert re.fullmatch(r"request_id=mine-1 method=GET path=/nothing/a%0Ab status=404 ms=\d+\.\d", first)
    assert re.fullmatch(r"request_id=[0-9a-f]{32} method=GET path=/nothing status=404 ms=\d+\.\d", second)


@pytest.mark.parametrize(
    ("sent", "kept"), [("a-B_1.2", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("", False)]
)
def test_the_request_id_is_echoed_when_it_is_plain(client: Client, sent: str, kept: bool) -> None:
    answer = client.get("/health/live", headers={"X-Request-ID": sent})
    assert (answer.headers["x-request-id"] == sent) is kept
    assert len(answer.headers["x-request-id"]) >= 7

"""Bodies and parameters that are wrong in many ways: each gets a problem, and nothing reaches a service."""

from __future__ import annotations

import json

import pytest

from engine.services import Services
from tests.api.client import Client

GOOD = {
    "/rate": {"user_id": "1", "movie_id": "2", "rating": 4.0},
    "/ml/train": {"model": "svd", "hyperparameters": {"factors": 10}, "activate": "never"},
    "/ml/predict": {"pairs": [{"user_id": "1", "movie_id": "2"}]},
    "/ml/models/activate/3": {"reason": "better"},
    "/ml/models/rollback": {"reason": "better"},
    "/data/imports": {"source": "demo"},
}
PATHS = sorted(GOOD)

NOT_JSON = {
    "not json": "rating=4",
    "empty object cut off": "{",
    "not utf-8": b'{"a": "\xff"}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "nan": '{"extra": NaN}',
    "infinity": '{"extra": -Infinity}',
    "overflowing number": '{"extra": 1e999}',
    "2**63": f'{{"extra": {2**63}}}',
    "-2**63-1": f'{{"extra": {-(2**63) - 1}}}',
    "5,000 digits": f'{{"extra": {"9" * 5000}}}',
    "lone surrogate": r'{"extra": "\ud800"}',
    "lone surrogate as a key": r'{"\uDFFF": 1}',
    "deep arrays": "[" * 100_000,
    "deep objects": '{"a":' * 20_000 + "1" + "}" * 20_000,
}

OF_WRONG_SHAPE = {
    "null": "null",
    "a number": "5",
    "a text": '"text"',
    "a list": "[]",
    "an extra field": '{"extra": 1}',
    "an extra field of odd name": '{"\\u0000\\n<b>": 1}',
}


def refused(client: Client, services: Services, path: str, body: bytes | str, code: str) -> None:
    answer = client.post_body(path, body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert len(answer.content) < 3000
    for service in (services.library, services.serving, services.training, services.versions):
        assert service.calls == []


@pytest.mark.parametrize("path", PATHS)
def test_the_good_bodies_are_good(client: Client, path: str) -> None:
    assert client.post_body(path, json.dumps(GOOD[path])).status_code in {200, 202}
    assert client.post_body(path, json.dumps(GOOD[path]), "application/json; charset=utf-8").status_code in {200, 202}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", NOT_JSON)
def test_what_is_not_json(client: Client, services: Services, path: str, case: str) -> None:
    refused(client, services, path, NOT_JSON[case], "invalid_json")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", OF_WRONG_SHAPE)
def test_json_of_the_wrong_shape(client: Client, services: Services, path: str, case: str) -> None:
    refused(client, services, path, OF_WRONG_SHAPE[case], "invalid_input")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_json_that_is_not_declared_as_json(client: Client, services: Services, path: str, content_type: str) -> None:
    # text/plain is what a page of another site can send without asking the browser first.
    answer = client.post_body(path, json.dumps(GOOD[path]), content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert services.serving.calls + services.training.calls + services.versions.calls + services.library.calls == []


ODD_IDS = {
    "null": None,
    "true": True,
    "a fraction": 1.5,
    "a list": ["1"],
    "an object": {"id": 1},
    "empty": "",
    "blank": "  \t\n ",
    "201 characters": "x" * 201,
    "nul": "a\0b",
    "escape": "a\x1b[31mb",
    "c1 control": "a\x85b",
}


@pytest.mark.parametrize("field", ["user_id", "movie_id"])
@pytest.mark.parametrize("case", ODD_IDS)
def test_odd_ids(client: Client, services: Services, field: str, case: str) -> None:
    pair = {"user_id": "1", "movie_id": "2"} | {field: ODD_IDS[case]}
    refused(client, services, "/rate", json.dumps(pair | {"rating": 4}), "invalid_input")
    refused(client, services, "/ml/predict", json.dumps({"pairs": [pair]}), "invalid_input")


def test_long_ids_that_fit(client: Client, services: Services) -> None:
    assert (
        client.post("/rate", json={"user_id": " " + "é" * 200, "movie_id": 2**63 - 1, "rating": 1}).status_code == 200
    )
    assert services.serving.calls == [("rate", "é" * 200, str(2**63 - 1), 1.0)]


@pytest.mark.parametrize("rating", ["null", "true", '"4"', "[4]", "{}"])
def test_ratings_that_are_not_numbers(client: Client, services: Services, rating: str) -> None:
    body = f'{{"user_id": "1", "movie_id": "2", "rating": {rating}}}'
    refused(client, services, "/rate", body, "invalid_input")


@pytest.mark.parametrize(
    "body",
    [
        '{"model": "nothing"}',
        '{"model": 1}',
        '{"activate": "perhaps"}',
        '{"hyperparameters": []}',
        '{"hyperparameters": {"factors": [10]}}',
        '{"hyperparameters": {"factors": {"a": 1}}}',
        '{"hyperparameters": {"factors": "a\\u0000b"}}',
        '{"hyperparameters": {"a\\u0000b": 1}}',
        json.dumps({"hyperparameters": {"x" * 201: 1}}),
        json.dumps({"hyperparameters": {"x": "x" * 201}}),
        json.dumps({"hyperparameters": {str(number): 1 for number in range(51)}}),
    ],
)
def test_trainings(client: Client, services: Services, body: str) -> None:
    refused(client, services, "/ml/train", body, "invalid_input")


@pytest.mark.parametrize("body", ['{"pairs": []}', '{"pairs": [1]}', '{"pairs": {}}', '{"pairs": [{"user_id": "1"}]}'])
def test_pairs(client: Client, services: Services, body: str) -> None:
    refused(client, services, "/ml/predict", body, "invalid_input")


@pytest.mark.parametrize("path", ["/ml/models/activate/3", "/ml/models/rollback"])
@pytest.mark.parametrize("reason", ["1", "null", '"a\\u0007"', json.dumps("x" * 501)])
def test_reasons(client: Client, services: Services, path: str, reason: str) -> None:
    refused(client, services, path, f'{{"reason": {reason}}}', "invalid_input")


NUMBERED = ["/ml/models/activate/{}", "/ml/training-runs/{}/cancel", "/jobs/{}/cancel"]
ODD_NUMBERS = ["0", "-1", "x", "1.5", "1e3", str(2**63), "9" * 5000, "NaN", "%00", "1%00", "%EF%BC%91x"]


@pytest.mark.parametrize("path", [*NUMBERED, "/jobs/{}", "/ml/training-status?run_id={}"])
@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_numbers_in_paths(client: Client, services: Services, path: str, number: str) -> None:
    answer = client.request("POST" if path in NUMBERED else "GET", path.format(number))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert services.training.calls + services.versions.calls + services.library.calls == []


@pytest.mark.parametrize(
    "query",
    [
        "n=0",
        "n=1001",
        "n=x",
        f"n={2**63}",
        f"n={'9' * 5000}",
        "n=1.5",
        "diversity=NaN",
        "diversity=inf",
        "diversity=1e999",
        "diversity=-0.1",
        "rank_by=luck",
        "year_from=0",
        "year_from=MCMXC",
        "genre=",
        "genre=a%00b",
        "exclude=",
        f"exclude={'x' * 201}",
        "exclude=a%0Ab",
        "nn=10",
        "&".join(["exclude=1"] * 501),
    ],
)
def test_parameters_of_a_list(client: Client, services: Services, query: str) -> None:
    answer = client.get(f"/ml/recommendations/1?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert services.serving.calls == []


@pytest.mark.parametrize("user_id", ["", "%20", "a%00b", "a%07b", "x" * 201])
def test_odd_ids_in_paths(client: Client, services: Services, user_id: str) -> None:
    answer = client.get(f"/ml/recommendations/{user_id}")
    assert (answer.status_code, answer.json()["field"]) == (422, "user_id")
    assert services.serving.calls == []


def test_bytes_in_a_path_that_are_not_utf8(client: Client) -> None:
    assert client.get("/ml/recommendations/%FF%FE").json()["user_id"] == "\ufffd\ufffd"
    assert client.get("/ml/explain/%FF/1").json()["user_id"] == "\ufffd"


@pytest.mark.parametrize("query", ["", "user_id=1", "user_id=1&movie_id=", "user_id=1&movie_id=2&n=1"])
def test_explain_by_query_needs_both_ids(client: Client, services: Services, query: str) -> None:
    assert client.get(f"/ml/explain?{query}").status_code == 422
    assert services.serving.calls == []


FORMS = {
    "no file": ({"format": "csv"}, [("other", ("a.csv", b"a"))]),
    "unknown field": ({"colour": "red"}, [("files", ("a.csv", b"a"))]),
    "unknown format": ({"format": "odt"}, [("files", ("a.csv", b"a"))]),
    "odd user": ({"user_id": "a\0"}, [("files", ("a.csv", b"a"))]),
    "blank user": ({"user_id": " "}, [("files", ("a.csv", b"a"))]),
}


@pytest.mark.parametrize("case", FORMS)
def test_forms(client: Client, services: Services, case: str) -> None:
    data, files = FORMS[case]
    answer = client.post("/data/imports", data=data, files=files)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert services.library.calls == []


def test_a_form_without_files(client: Client, services: Services) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="format"\r\n\r\ncsv\r\n--x--\r\n'
    answer = client.post_body("/data/imports", body, "multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json()["field"]) == (422, "files")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
    ],
)
def test_broken_forms(client: Client, services: Services, content_type: str, body: bytes) -> None:
    answer = client.post_body("/data/imports", body, content_type)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert services.library.calls == []


def test_too_many_files_and_too_long_fields(client: Client, services: Services) -> None:
    answer = client.post("/data/imports", files=[("files", (f"{n}.csv", b"a")) for n in range(21)])
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    answer = client.post("/data/imports", data={"user_id": "x" * 2000}, files=[("files", ("a.csv", b"a"))])
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert services.library.calls == []

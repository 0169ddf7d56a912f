"""Bodies and parameters that are wrong in many ways: each gets a problem, and nothing reaches a service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.services import Services
from sidecar.app import ROUTES as API_ROUTES
from sidecar.routes.data import MAX_OPTIONS
from tests.sidecar.client import IDS, Client
from tests.sidecar.fakes import calls_of

GOOD: dict[str, dict[str, Any]] = {
    "POST /rate": {"user_id": "1", "movie_id": "2", "rating": 4.0},
    "POST /ml/train": {
        "model": "svd",
        "hyperparameters": {"factors": 10},
        "activate": "never",
        "queue": True,
        "note": "a try",
    },
    "POST /ml/retrain": {"version": 3, "activate": "never", "queue": True, "exact": True},
    "POST /ml/predict": {"pairs": [{"user_id": "1", "movie_id": "2"}]},
    "POST /ml/recommendations": {
        "ratings": [{"movie_id": "2", "rating": 4.0}],
        "n": 5,
        "genre": "Drama",
        "year_from": 1990,
        "exclude": ["7", 8],
        "diversity": 0.5,
        "rank_by": "rating",
        "genres_liked": ["War"],
        "include_rated": True,
    },
    "POST /ml/what-if": {"user_id": "1", "changes": [{"movie_id": "2", "rating": None}], "n": 5},
    "POST /ml/models/activate/3": {"reason": "better"},
    "POST /ml/models/rollback": {"reason": "better"},
    "PATCH /ml/models/3": {"note": "better", "tags": ["keep"]},
    "POST /ml/golden": {
        "name": "Lover of war films",
        "ratings": {"2": 4.0},
        "expectations": [{"kind": "listed", "movie_id": "7", "first": 10}],
    },
    "PATCH /ml/golden/2": {"expectations": [{"kind": "listed", "movie_id": "7", "first": 10}]},
    "POST /ml/tuning": {"model": "ncf", "goal": "ndcg_at_k", "trials": 2, "folds": 2, "minutes": 1, "seed": 1},
    "POST /ml/tuning/2/resume": {"trials": 40, "minutes": 60.5},
    "POST /ml/tuning/2/train": {"trial": 0, "activate": "always"},
    "POST /automation": {
        "days": [0, 6],
        "hour": 3,
        "minute": 30,
        "zone": "Europe/Berlin",
        "after_ratings": 500,
        "activate": "never",
    },
    "POST /automation/pause": {"paused": True},
    "POST /store/check": {"thorough": False},
    "POST /store/backup-plan": {"every": "daily", "hour": 2, "minute": 0, "zone": "Europe/Berlin", "keep_days": 30},
    "POST /notices/read": {"notice_ids": [1, 2]},
    "POST /data/imports": {"source": "demo"},
    "POST /jobs/4/answers": {
        "encoding": "cp1251",
        "columns": {"user": 0, "movie": "film"},
        "user": "maria",
        "dates": "dmy",
        "scale": [1, 10],
        "catalogue": "separate",
        "matches": {"tt1": "17"},
    },
}
ROUTES = sorted(GOOD)
"""Every route that takes JSON."""

NOT_JSON: dict[str, bytes | str] = {
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


def refused(client: Client, services: Services, route: str, body: bytes | str, code: str) -> None:
    answer = client.send_body(route, body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert len(answer.content) < 3000
    assert calls_of(services) == []


@pytest.mark.parametrize("route", ROUTES)
def test_the_good_bodies_are_good(client: Client, route: str) -> None:
    assert client.send_body(route, json.dumps(GOOD[route])).status_code in {200, 201, 202}
    assert client.send_body(route, json.dumps(GOOD[route]), "application/json; charset=utf-8").status_code in {
        200,
        201,
        202,
    }


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("case", NOT_JSON)
def test_what_is_not_json(client: Client, services: Services, route: str, case: str) -> None:
    refused(client, services, route, NOT_JSON[case], "invalid_json")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("case", OF_WRONG_SHAPE)
def test_json_of_the_wrong_shape(client: Client, services: Services, route: str, case: str) -> None:
    refused(client, services, route, OF_WRONG_SHAPE[case], "invalid_input")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_json_that_is_not_declared_as_json(client: Client, services: Services, route: str, content_type: str) -> None:
    # text/plain is what a page of another site can send without asking the browser first.
    answer = client.send_body(route, json.dumps(GOOD[route]), content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert calls_of(services) == []


WRONG = ['{"a": {"b": 1}}', '[["a"]]', "1.25", '""']
RIGHT = {("rating", "1.25"), ("minutes", "1.25"), ("reason", '""'), ("note", '""')}
FIELDS = [
    (route, field, wrong) for route in ROUTES for field in GOOD[route] for wrong in WRONG if (field, wrong) not in RIGHT
]


@pytest.mark.parametrize(("route", "field", "wrong"), FIELDS)
def test_each_field_of_the_wrong_type(client: Client, services: Services, route: str, field: str, wrong: str) -> None:
    refused(client, services, route, json.dumps(GOOD[route] | {field: json.loads(wrong)}), "invalid_input")


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
    refused(client, services, "POST /rate", json.dumps(pair | {"rating": 4}), "invalid_input")
    refused(client, services, "POST /ml/predict", json.dumps({"pairs": [pair]}), "invalid_input")


def test_long_ids_that_fit(client: Client, services: Services) -> None:
    assert (
        client.post("/rate", json={"user_id": " " + "é" * 200, "movie_id": 2**63 - 1, "rating": 1}).status_code == 200
    )
    assert services.ratings.calls == [("rate", "é" * 200, str(2**63 - 1), 1.0)]


@pytest.mark.parametrize("rating", ["null", "true", '"4"', "[4]", "{}"])
def test_ratings_that_are_not_numbers(client: Client, services: Services, rating: str) -> None:
    body = f'{{"user_id": "1", "movie_id": "2", "rating": {rating}}}'
    refused(client, services, "POST /rate", body, "invalid_input")


@pytest.mark.parametrize(
    "body",
    [
        '{"model": "nothing"}',
        '{"model": 1}',
        '{"activate": "perhaps"}',
        '{"hyperparameters": []}',
        '{"hyperparameters": {"hidden": ["a"]}}',
        '{"hyperparameters": {"hidden": [[10]]}}',
        '{"hyperparameters": {"factors": {"a": 1}}}',
        '{"hyperparameters": {"factors": "a\\u0000b"}}',
        '{"hyperparameters": {"a\\u0000b": 1}}',
        json.dumps({"hyperparameters": {"x" * 201: 1}}),
        json.dumps({"hyperparameters": {"x": "x" * 201}}),
        json.dumps({"hyperparameters": {str(number): 1 for number in range(51)}}),
        '{"queue": 1}',
        '{"queue": null}',
        '{"note": "a\\u0007"}',
        '{"note": null}',
        json.dumps({"note": "x" * 501}),
    ],
)
def test_trainings(client: Client, services: Services, body: str) -> None:
    refused(client, services, "POST /ml/train", body, "invalid_input")


@pytest.mark.parametrize("body", ['{"pairs": []}', '{"pairs": [1]}', '{"pairs": {}}', '{"pairs": [{"user_id": "1"}]}'])
def test_pairs(client: Client, services: Services, body: str) -> None:
    refused(client, services, "POST /ml/predict", body, "invalid_input")


@pytest.mark.parametrize("route", ["POST /ml/models/activate/3", "POST /ml/models/rollback"])
@pytest.mark.parametrize("reason", ["1", "null", '"a\\u0007"', json.dumps("x" * 501)])
def test_reasons(client: Client, services: Services, route: str, reason: str) -> None:
    refused(client, services, route, f'{{"reason": {reason}}}', "invalid_input")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"note": "x" * 2001}, "note"),
        ({"note": "a\x1b[31m"}, "note"),
        ({"tags": "keep"}, "tags"),
        ({"tags": [""]}, "tags.0"),
        ({"tags": ["keep", "x" * 51]}, "tags.1"),
        ({"tags": ["a\nb"]}, "tags.0"),
        ({"tags": [1]}, "tags.0"),
        ({"tags": [str(number) for number in range(21)]}, "tags"),
        ({"version": 4}, "version"),
    ],
)
def test_descriptions(client: Client, services: Services, body: dict[str, Any], field: str) -> None:
    answer = client.request("PATCH", "/ml/models/3", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert calls_of(services) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"version": 0}, "version"),
        ({"version": "3"}, "version"),
        ({"version": True}, "version"),
        ({"exact": None}, "exact"),
        ({"exact": True}, "version"),
        ({"exact": True, "version": None}, "version"),
        ({"activate": "perhaps"}, "activate"),
    ],
)
def test_retrainings(client: Client, services: Services, body: dict[str, Any], field: str) -> None:
    answer = client.post("/ml/retrain", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert calls_of(services) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"ratings": {"2": "4"}}, "ratings.2"),
        ({"expectations": []}, "expectations"),
        ({"expectations": [{"kind": "first", "movie_id": "7"}]}, "expectations.0"),
        ({"expectations": [{"kind": "listed", "movie_id": "7", "first": "10"}]}, "expectations.0.first"),
        ({"expectations": [{"kind": "listed", "movie_id": "7", "first": 1001}]}, "expectations.0.first"),
        ({"expectations": [{"kind": "kept", "movie_id": "7"}]}, "expectations.0.movie_id"),
        ({"expectations": [{"kind": "predicted", "movie_id": "7"}]}, "expectations.0.rating"),
    ],
)
def test_golden_people(client: Client, services: Services, wrong: dict[str, Any], field: str) -> None:
    answer = client.post("/ml/golden", json=GOOD["POST /ml/golden"] | wrong)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    if "expectations" in wrong:
        answer = client.request("PATCH", "/ml/golden/2", json=wrong)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert calls_of(services) == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("", {"model": "nothing"}, "model"),
        ("", {"goal": "mae"}, "goal"),
        ("", {"trials": 1}, "trials"),
        ("", {"trials": 1001}, "trials"),
        ("", {"trials": 2.5}, "trials"),
        ("", {"folds": 1}, "folds"),
        ("", {"folds": 11}, "folds"),
        ("", {"minutes": 0}, "minutes"),
        ("", {"minutes": 10081}, "minutes"),
        ("", {"minutes": True}, "minutes"),
        ("", {"seed": -1}, "seed"),
        ("", {"seed": 2**32}, "seed"),
        ("/2/resume", {"trials": 0}, "trials"),
        ("/2/resume", {"minutes": 0}, "minutes"),
        ("/2/train", {"trial": -1}, "trial"),
        ("/2/train", {"trial": "0"}, "trial"),
        ("/2/train", {"activate": None}, "activate"),
    ],
)
def test_studies(client: Client, services: Services, path: str, body: dict[str, Any], field: str) -> None:
    answer = client.post(f"/ml/tuning{path}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert calls_of(services) == []


NUMBERED = [
    "GET /jobs/{}",
    "POST /jobs/{}/cancel",
    "POST /data/imports/{}/undo",
    "GET /data/exports/recommendations?n={}",
    "GET /data/exports/factors?version={}",
    "GET /ml/training-status?run_id={}",
    "POST /ml/training-runs/{}/cancel",
    "GET /ml/training-runs?limit={}",
    "POST /ml/models/activate/{}",
    "GET /ml/models/{}",
    "PATCH /ml/models/{}",
    "DELETE /ml/models/{}",
    "GET /ml/models/{}/export",
    "GET /ml/metrics?version={}",
    "GET /ml/models/compare?versions={}",
    "GET /ml/models/compare?versions=2,{}",
    "GET /ml/models/compare?versions=2&versions={}",
    "GET /ml/models/compare?baseline={}",
    "GET /ml/models/{}/golden",
    "GET /ml/models/{}/changes",
    "PATCH /ml/golden/{}",
    "DELETE /ml/golden/{}",
    "GET /ml/tuning/{}",
    "GET /ml/tuning?limit={}",
    "POST /ml/tuning/{}/stop",
    "POST /ml/tuning/{}/resume",
    "POST /ml/tuning/{}/train",
]
ODD_NUMBERS = ["0", "-1", "x", "1.5", "1e3", str(2**63), "9" * 5000, "NaN", "%00", "1%00", "%EF%BC%91x"]
NOT_PLAIN = ["+1", "%2B1", "%201", "1%20", "1_0", "1.0", "%D9%A1", "%EF%BC%91", "0x1"]


@pytest.mark.parametrize("route", NUMBERED)
@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_numbers_in_addresses(client: Client, services: Services, route: str, number: str) -> None:
    method, path = route.format(number).split(" ")
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert calls_of(services) == []


@pytest.mark.parametrize("route", [route for route in NUMBERED if "?" not in route])
@pytest.mark.parametrize("number", NOT_PLAIN)
def test_a_number_in_a_path_has_one_way_to_be_written(
    client: Client, services: Services, route: str, number: str
) -> None:
    method, path = route.format(number).split(" ")
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert answer.json()["errors"][0]["message"] == "Must be a whole number, in digits."
    assert calls_of(services) == []


@pytest.mark.parametrize(
    "path",
    [
        "/ml/training-runs?limit=201",
        "/ml/training-runs?limt=2",
        "/ml/tuning?limit=101",
        "/ml/metrics?versions=3",
        "/ml/metrics/history?metric=",
        "/ml/metrics/history?metric=a%00b",
        f"/ml/metrics/history?metric={'x' * 101}",
        "/ml/models/compare?versions=",
        "/ml/models/compare?versions=2,",
        "/ml/models/compare?versions=2;3",
        "/ml/models/compare?baseline=2,3",
        "/ml/models/compare?version=2",
        f"/ml/models/compare?versions={','.join(map(str, range(1, 22)))}",
    ],
)
def test_parameters(client: Client, services: Services, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert calls_of(services) == []


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
    assert services.recommendations.calls == []


@pytest.mark.parametrize("user_id", ["", "%20", "a%00b", "a%07b", "x" * 201])
def test_odd_ids_in_paths(client: Client, services: Services, user_id: str) -> None:
    answer = client.get(f"/ml/recommendations/{user_id}")
    assert (answer.status_code, answer.json()["field"]) == (422, "user_id")
    assert services.recommendations.calls == []


@pytest.mark.parametrize(
    "path",
    ["recommendations/%FF%FE", "explain/%FF/1", "recommendations/%ED%A0%80", "models/%C3", "recommendations/1%80?n=1"],
)
def test_bytes_in_a_path_that_are_not_utf8(server: Client, services: Services, path: str) -> None:
    """Decoding would make the same character of them all, so that two ids were one."""
    answer = server.get(f"/api/ml/{path}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_path")
    assert calls_of(services) == []


@pytest.mark.parametrize("query", ["genre=%FF", "genre=a%ED%A0%80", "%C3=1", "exclude=1&exclude=%80"])
def test_bytes_in_a_query_that_are_not_utf8(client: Client, services: Services, query: str) -> None:
    answer = client.get(f"/ml/recommendations/1?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, "query")
    assert calls_of(services) == []


def test_characters_that_are_utf8_pass(server: Client, services: Services) -> None:
    answer = server.get("/api/ml/recommendations/%EF%BF%BD%F0%9F%98%80?genre=%C3%A9")
    assert answer.json()["user_id"] == "\ufffd\U0001f600"
    assert services.recommendations.calls[0][3]["genre"] == "\u00e9"


EVERY_ROUTE = sorted((method, route.path_format.format(**IDS)) for route in API_ROUTES for method in route.methods)


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_no_route_passes_over_a_parameter(client: Client, services: Services, method: str, path: str) -> None:
    """Who misspells ``dry_run``, or believes that there is one, has to learn of it before anything is done."""
    body = {"json": GOOD[f"{method} {path}"]} if f"{method} {path}" in GOOD else {}
    answer = client.request(method, f"{path}?dry_run=true", **body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert {"field": "dry_run", "message": "Unknown field."} in answer.json()["errors"]
    assert calls_of(services) == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/ml/recommendations/1?n=1&n=2", "n"),
        ("/ml/recommendations/1?n=1&n=1&genre=a", "n"),
        ("/ml/explain?user_id=1&user_id=2&movie_id=3", "user_id"),
        ("/ml/training-status?run_id=1&run_id=2", "run_id"),
        ("/notices?unread=true&unread=false", "unread"),
        ("/ml/models/compare?versions=2&versions=3&baseline=2&baseline=3", "baseline"),
        ("/ml/explain/1/2?genre_liked=Drama", "genre_liked"),
        ("/ml/recommendations/1?=1", "query"),
    ],
)
def test_a_parameter_is_given_once_and_by_its_name(client: Client, services: Services, path: str, field: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "invalid_input", field)
    assert calls_of(services) == []


@pytest.mark.parametrize("query", ["", "user_id=1", "user_id=1&movie_id=", "user_id=1&movie_id=2&n=1"])
def test_explain_by_query_needs_both_ids(client: Client, services: Services, query: str) -> None:
    assert client.get(f"/ml/explain?{query}").status_code == 422
    assert services.recommendations.calls == []


FORMS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "other", "other"),
    ({"files": "text"}, "files", "files"),
    ({"colour": "red"}, "files", "colour"),
    ({"options": "{}", "format": "csv"}, "files", "format"),
    ({"options": ["{}", "{}"]}, "files", "options"),
    ({"options": "x" * (MAX_OPTIONS + 1)}, "files", "options"),
]


@pytest.mark.parametrize(("data", "name", "field"), FORMS)
def test_forms(client: Client, services: Services, data: dict[str, Any], name: str, field: str) -> None:
    answer = client.post("/data/imports", data=data, files=[(name, ("a.csv", b"a"))])
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "invalid_input", field)
    assert calls_of(services) == []


OPTIONS = {
    "{": "options",
    "": "options",
    "[]": "options",
    "null": "options",
    '"auto"': "options",
    '{"scale": [1, NaN]}': "options",
    '{"scale": [1, 1e999]}': "options",
    '{"source": "imdb", "source": "trakt"}': "options",
    r'{"user_id": "\ud800"}': "options",
    "[" * 10_000: "options",
    '{"colour": "red"}': "colour",
    '{"user_id": 7}': "user_id",
    '{"user_id": " "}': "user_id",
    r'{"user_id": "a\u0000"}': "user_id",
    '{"source": "odt"}': "source",
    '{"encoding": "klingon"}': "encoding",
    '{"encoding": "base64"}': "encoding",
    '{"header": "yes"}': "header",
    '{"header": 1}': "header",
    '{"delimiter": ""}': "delimiter",
    '{"delimiter": "abc"}': "delimiter",
    r'{"delimiter": "\n"}': "delimiter",
    r'{"delimiter": "\""}': "delimiter",
    '{"delimiter": "a"}': "delimiter",
    '{"decimal": ";"}': "decimal",
    '{"scale": [5, 1]}': "scale",
    '{"scale": [1, 1]}': "scale",
    '{"scale": [1]}': "scale",
    '{"scale": [1, 5, 10]}': "scale",
    '{"scale": ["1", "5"]}': "scale.0",
    '{"scale": {"low": 1}}': "scale",
    '{"scale": [-1e308, 1e308]}': "scale.0",
    '{"dates": "ydm"}': "dates",
    '{"catalogue": "both"}': "catalogue",
    '{"prefix": ""}': "prefix",
    r'{"prefix": "a\tb"}': "prefix",
    '{"on_question": "guess"}': "on_question",
    '{"dry_run": "true"}': "dry_run",
    '{"columns": []}': "columns",
    '{"columns": {}}': "columns",
    '{"columns": {"price": 1}}': "columns.price",
    '{"columns": {"rating": -1}}': "columns",
    '{"columns": {"rating": 1.5}}': "columns.rating",
    '{"columns": {"rating": true}}': "columns.rating",
    '{"columns": {"user": 1, "rating": 1}}': "columns",
    '{"columns": {"user": "a", "rating": "a"}}': "columns",
}


@pytest.mark.parametrize(("options", "field"), OPTIONS.items())
def test_options_of_an_import(client: Client, services: Services, options: str, field: str) -> None:
    answer = client.post("/data/imports", data={"options": options}, files=[("files", ("a.csv", b"a"))])
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "invalid_input", field)
    assert calls_of(services) == []


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"user": 7}, "user"),
        ({"scale": "1-10"}, "scale"),
        ({"scale": [1, None]}, "scale.1"),
        ({"columns": {"price": 1}}, "columns.price"),
        ({"dates": "ydm"}, "dates"),
        ({"catalogue": "both"}, "catalogue"),
        ({"matches": {"tt1": 17}}, "matches.tt1"),
    ],
)
def test_answers_to_an_import(client: Client, services: Services, answers: dict[str, Any], field: str) -> None:
    answer = client.post("/jobs/4/answers", json=answers)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert calls_of(services) == []


def test_a_form_without_files(client: Client, services: Services) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="format"\r\n\r\ncsv\r\n--x--\r\n'
    answer = client.send_body("POST /data/imports", body, "multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json()["field"]) == (422, "files")


@pytest.mark.parametrize("path", ["/data/imports", "/ml/models/import"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
    ],
)
def test_broken_forms(client: Client, services: Services, path: str, content_type: str, body: bytes) -> None:
    answer = client.send_body(f"POST {path}", body, content_type)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert calls_of(services) == []


HEAD = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a.csv"\r\n\r\n'


@pytest.mark.parametrize(("path", "field"), [("/data/imports", b"files"), ("/ml/models/import", b"file")])
@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n--x", b"\r\n--x-", b"\r\n--x\r\n", b"\r\n--y--"])
def test_a_form_that_breaks_off(client: Client, services: Services, path: str, field: bytes, end: bytes) -> None:
    """What came of the file is not the file."""
    answer = client.send_body(f"POST {path}", HEAD % field + b"1,2,3" + end, 'multipart/form-data; boundary="x"')
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert calls_of(services) == []


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("end", [b"\r\n--x--", b"\r\n--x--\r\n", b"\r\n--x--\r\n\r\nan epilogue"])
def test_a_form_that_ends_is_taken_however_it_is_cut(client: Client, services: Services, size: int, end: bytes) -> None:
    whole = HEAD % b"files" + b"1,2,3" + end

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), size):
            yield whole[start : start + size]

    sent = {"Content-Type": "Multipart/Form-Data; boundary=x"}
    assert client.post("/data/imports", content=pieces(), headers=sent).status_code == 202
    assert services.imports.calls == [("import_files", [("a.csv", b"1,2,3")], {})]


def test_too_many_files_and_fields(client: Client, services: Services) -> None:
    answer = client.post("/data/imports", files=[("files", (f"{n}.csv", b"a")) for n in range(21)])
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    fields = {f"field{place}": "x" for place in range(20)}
    answer = client.post("/data/imports", data=fields, files=[("files", ("a.csv", b"a"))])
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert calls_of(services) == []


@pytest.mark.parametrize(
    ("data", "files", "status", "field"),
    [
        ({}, [("files", ("a.zip", b"a"))], 422, "files"),
        ({"version": "3"}, [("file", ("a.zip", b"a"))], 422, "version"),
        ({"file": "a"}, [("other", ("a.zip", b"a"))], 422, "file"),
        ({"file": "a"}, [("file", ("a.zip", b"a"))], 422, "file"),
        ({}, [("file", ("a.zip", b"a")), ("file", ("b.zip", b"b"))], 400, None),
        ({"file": "x" * 2000}, [("file", ("a.zip", b"a"))], 400, None),
    ],
)
def test_forms_with_a_version(
    client: Client, services: Services, data: dict[str, str], files: Any, status: int, field: str | None
) -> None:
    answer = client.post("/ml/models/import", data=data, files=files)
    assert (answer.status_code, answer.json().get("field")) == (status, field)
    assert calls_of(services) == []


def test_a_version_that_is_not_sent_as_a_form(client: Client, services: Services) -> None:
    for content_type in ("application/zip", "application/json", "application/octet-stream"):
        answer = client.send_body("POST /ml/models/import", b"PK", content_type)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        assert "multipart/form-data" in answer.json()["detail"]
    assert calls_of(services) == []

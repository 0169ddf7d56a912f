"""Lists, predictions, explanations and interviews by HTTP."""

from __future__ import annotations

import asyncio

import pytest

from engine.recommending.lists import ListOptions
from engine.services import Services
from tests.sidecar.client import Client
from tests.sidecar.fakes import (
    SCRIPT,
)
from tests.sidecar.test_api_routes import ENCODED, URI


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

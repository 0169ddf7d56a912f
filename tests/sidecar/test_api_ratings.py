"""Ratings by HTTP: rate, remove, forget a user, and how well instant updates hold up."""

from __future__ import annotations

import pytest

from engine.errors import MarqueeError, NotReplayable, UnknownAnswer, UnknownMovie, UnknownUser
from engine.services import Services
from sidecar.docs.shown import REPLAY, SHOWN
from tests.sidecar.client import Client
from tests.sidecar.test_api_routes import ENCODED, URI, as_json


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


def test_what_a_user_was_shown_comes_in_pages(client: Client, services: Services) -> None:
    first = client.get(f"/users/{ENCODED}/shown?limit=1").json()
    last = client.get("/users/shown", params={"user_id": URI, "limit": 1, "before": first["next"]}).json()
    assert services.answers.calls == [("shown", URI, 2, None), ("shown", URI, 2, 412)]
    assert first["lists"] == [as_json(SHOWN)]
    assert ([one["answer_id"] for one in last["lists"]], last["next"]) == ([7], None)
    services.answers.fails = UnknownUser("Nobody has the id 'nobody'.")
    answer = client.get("/users/nobody/shown")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_user")
    assert client.get("/users/1/shown?limit=201").json()["errors"][0]["field"] == "limit"
    assert client.get("/users/1/shown?before=0").json()["errors"][0]["field"] == "before"


def test_a_list_is_replayed(client: Client, services: Services) -> None:
    assert client.get("/answers/412").json() == as_json(REPLAY)
    assert services.replays.calls == [("replay", 412)]
    services.replays.fails = NotReplayable("This list can't be made again. Version 1 was deleted.")
    answer = client.get("/answers/412")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_replayable")
    services.replays.fails = UnknownAnswer("There is no list 9.")
    answer = client.get("/answers/9")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_answer")


def test_forgetting_a_user(client: Client, services: Services) -> None:
    answer = client.request("DELETE", f"/users/{ENCODED}")
    assert services.ratings.calls == [("forget", URI)]
    assert (answer.json()["user_id"], answer.json()["versions"]) == (URI, [2, 3])
    services.ratings.fails = UnknownUser("Nobody has the id 'nobody'.")
    answer = client.request("DELETE", "/users/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_user")

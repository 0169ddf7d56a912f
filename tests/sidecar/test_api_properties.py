"""Whatever is sent, an answer is one that the description names, and ids arrive as they were meant."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.settings import Settings
from sidecar.http.identifiers import id_text
from tests.sidecar.client import Client
from tests.sidecar.conftest import whole_server
from tests.sidecar.test_api_description import SCHEMA
from tests.sidecar.test_api_malformed import GOOD, ROUTES

# The services of a test are the same for all examples of it, and hold nothing that matters between them.
fuzzed = hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

NAMES = [
    "user_id",
    "movie_id",
    "rating",
    "pairs",
    "model",
    "hyperparameters",
    "activate",
    "reason",
    "source",
    "factors",
    "version",
    "queue",
    "exact",
    "note",
    "tags",
    "trials",
    "minutes",
    "trial",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(codec=None, categories=None), max_size=5),
    st.sampled_from(["svd", "never", "demo", "1", "\ud800", "\0"]),
)
KEYS = st.one_of(st.sampled_from(NAMES), st.text(max_size=3))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


def described(route: str) -> set[str]:
    """The statuses that the description gives for ``POST /ml/models/activate/3``."""
    method, path = route.split(" ")
    templates = [path] if path in SCHEMA["paths"] else list(SCHEMA["paths"])
    (found,) = (each for each in templates if re.fullmatch(re.sub(r"\{\w+\}", r"\\d+", each), path))
    return set(SCHEMA["paths"][found][method.lower()]["responses"])


@fuzzed
@given(route=st.sampled_from(ROUTES), changes=st.dictionaries(KEYS, VALUES, max_size=3), whole=st.none() | VALUES)
def test_any_json_gets_a_described_answer(
    client: Client, route: str, changes: dict[str, object], whole: object
) -> None:
    body = json.dumps(GOOD[route] | changes if whole is None else whole)
    answer = client.send_body(route, body)
    assert str(answer.status_code) in described(route), answer.text
    assert answer.status_code < 500
    json.loads(answer.content.decode("utf-8"))


@fuzzed
@given(route=st.sampled_from([*ROUTES, "POST /ml/models/import"]), body=st.binary(max_size=40))
def test_any_bytes_get_a_described_answer(client: Client, route: str, body: bytes) -> None:
    answer = client.send_body(route, body)
    assert str(answer.status_code) in described(route), answer.text
    assert answer.status_code < 500


ASKED = ["/ml/training-status", "/ml/training-runs", "/ml/tuning", "/ml/metrics", "/ml/metrics/history"]
PARAMETERS = st.sampled_from(["version", "versions", "baseline", "metric", "limit", "run_id", "n"])
WORDS = st.one_of(
    st.integers(-(2**70), 2**70).map(str), st.sampled_from(["2,3", "2,", "3", "rmse", "", "1e3"]), st.text(max_size=5)
)


@fuzzed
@given(
    path=st.sampled_from([*ASKED, "/ml/models/compare", "/ml/recommendations/1"]),
    query=st.lists(st.tuples(PARAMETERS, WORDS), max_size=3),
)
def test_any_parameters_get_a_described_answer(client: Client, path: str, query: list[tuple[str, str]]) -> None:
    answer = client.get(path, params=query)
    assert str(answer.status_code) in described(f"GET {path}"), answer.text
    assert answer.status_code < 500


def is_id(text: str) -> bool:
    try:
        return id_text(text) == text
    except ValueError:
        return False


IDS = st.text(min_size=1, max_size=12).filter(is_id) | st.text("/%?#&;:.a\\ ", min_size=1, max_size=8).filter(is_id)


@fuzzed
@given(user=IDS, movie=IDS)
def test_ids_in_a_path_arrive_unchanged(server: Client, user: str, movie: str) -> None:
    answer = server.get(f"/api/ml/explain/{quote(user, safe='')}/{quote(movie, safe='')}")
    if {".", ".."} & set(f"{user}/{movie}".replace("\\", "/").split("/")):
        # Clients resolve these parts before they send a path, and Streamlit refuses what is left of them.
        assert answer.status_code < 500
    else:
        assert (answer.json()["user_id"], answer.json()["movie_id"]) == (user, movie)
    asked = server.get("/api/ml/explain", params={"user_id": user, "movie_id": movie})
    assert (asked.json()["user_id"], asked.json()["movie_id"]) == (user, movie)


@fuzzed
@given(origin=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_no_made_up_origin_passes(server: Client, origin: str) -> None:
    assert server.post("/api/ml/models/rollback", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("key", ["k", "schlüssel", "ключ"])
def test_keys_of_any_letters_never_fail(key: str) -> None:
    client = Client(whole_server(Settings(api_key=key)))
    assert client.get("/api/ml/models", headers={b"X-API-Key": "ключ?".encode()}).status_code == 401

"""Every route answers as the description says: generated requests, good and bad, against the real server."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from sidecar.security.scopes import RULES
from tests.browser.console import server
from tests.engine.services.conftest import QUICK, finished, opened, store_in, trained_store
from tests.sidecar.test_api_description import NAMES

EXAMPLES = 25
"""Cases of each operation with a key of the scope *admin*, good and bad ones each; fewer where few differ."""
FEWEST = 2000
FEWEST_SCOPED = 5000
"""With each kind of key."""
KEY = "a key for the tests"
HEADERS = {"X-API-Key": KEY}
KINDS = ("none", "revoked", "read", "rate", "admin")
UNREACHED = {
    "post /ml/models/import",
    "post /jobs/{job_id}/answers",
    "post /data/imports/{import_id}/undo",
    "post /ml/tuning/{study_id}/train",
    "delete /keys/{key_id}",
    "delete /ml/golden/{golden_id}",
    "get /store/backups/{name}",
    "delete /store/backups/{name}",
    "post /store/backups/{name}/restore",
}
"""What no generated case names, or not surely: a version's file, a job that waits, an import, a study with an ended
trial, a key, a golden person, a backup."""
LONGEST_S = 60
KNOWN = {"user_id": "u1", "movie_id": "m1"}
UNREADABLE = {"bad_path", "head_too_large"}
"""Refused whatever the key."""
asked: Counter[str] = Counter()
answered: Counter[tuple[str, int]] = Counter()
scoped: Counter[str] = Counter()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over a small store with three versions."""
    folder = tmp_path_factory.mktemp("contract")
    with opened(store_in(folder), trained_store(tmp_path_factory)) as runtime:
        for _ in range(2):
            finished(runtime, runtime.services.training.train_model("svd", QUICK, "always"))
    # No limits: what is asked for here is what the scopes say, as often as the generator likes.
    unlimited = {"MARQUEE_JOBS_PER_HOUR": "0", "MARQUEE_RATINGS_PER_SECOND": "0"}
    with server(folder, MARQUEE_DEMO="false", MARQUEE_API_KEY=KEY, **unlimited) as address:
        yield address


@pytest.fixture
def keys(url: str) -> dict[str, dict[str, str]]:
    """The headers of each kind of key; that of ``revoked`` was one for admin."""
    # Among what is asked with the scope admin is to revoke keys, so that of admin is the first one, which can't be.
    made: dict[str, dict[str, str]] = {"none": {}, "admin": HEADERS}
    with httpx.Client(base_url=f"{url}/api", headers=HEADERS) as client:
        for kind in ("revoked", "read", "rate"):
            body = {"name": f"{kind} {uuid.uuid4()}", "scopes": ["admin" if kind == "revoked" else kind]}
            key = client.post("/keys", json=body).raise_for_status().json()
            made[kind] = {"X-API-Key": key["key"]}
            if kind == "revoked":
                client.delete(f"/keys/{key['key_id']}").raise_for_status()
    return made


@pytest.fixture(scope="module")
def description(url: str) -> Any:
    return schemathesis.openapi.from_url(f"{url}/api/openapi.json", headers=HEADERS)


def name_known(case: Case[Any]) -> None:
    """Let a case ask about a user and a movie that are there."""
    for part in (case.path_parameters, case.query, case.body):
        if isinstance(part, dict):
            part |= {name: KNOWN[name] for name in KNOWN.keys() & part.keys()}


def excluded(status: int) -> list[Any]:
    """Checks that do not fit.

    The description can't say which characters an id may hold; 413 is a refusal too, though not in their list; and of
    the wrong keys that they try all but ten a minute are answered with 429. Keys have a test of their own below.
    """
    return [positive_data_acceptance, ignored_auth] + ([negative_data_rejection] if status in {413, 431} else [])


CASES = [
    pytest.param(name, mode, id=f"{name}-{mode.value}")
    for name in NAMES
    for mode in GenerationMode
    if (name, mode) not in {(f"get /health/{probe}", GenerationMode.NEGATIVE) for probe in ("live", "ready")}
]
"""The generator finds nothing to get wrong about a request of the probes: they take no input and no key."""


@pytest.mark.long
@pytest.mark.parametrize(("name", "mode"), CASES)
def test_the_answer_is_one_that_is_described(url: str, description: Any, name: str, mode: GenerationMode) -> None:
    method, path = name.split(" ", 1)
    operation = description[path][method]

    @hypothesis_settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case[Any]) -> None:
        asked[name] += 1
        if mode is GenerationMode.POSITIVE and asked[name] % 2:
            name_known(case)
            if name == "delete /users":  # where the same user is named in the path, it was deleted already
                rating = KNOWN | {"rating": 3.0}
                requests.post(f"{url}/api/rate", json=rating, headers=HEADERS, timeout=LONGEST_S).raise_for_status()
        answer = case.call(headers=HEADERS, timeout=LONGEST_S)
        answered[name, answer.status_code] += 1
        case.validate_response(answer, headers=HEADERS, excluded_checks=excluded(answer.status_code))

    ask()


@pytest.mark.long
def test_enough_was_asked_and_each_route_has_been_reached() -> None:
    """Runs after the others, which count."""
    assert sum(asked.values()) >= FEWEST, asked
    reached = {name for (name, status), _ in answered.items() if status < 300}
    assert set(NAMES) - reached <= UNREACHED


def allowed(name: str, kind: str) -> set[int] | None:
    """The statuses of a refusal by key; None where there is to be none."""
    method, path = name.split(" ", 1)
    rule = RULES[f"{method.upper()} {path}"]
    if rule.scope == "none" or kind in {rule.scope, "admin"}:
        return None
    return {401, 429} if kind in {"none", "revoked"} else {403}


def ask_with(url: str, description: Any, keys: dict[str, dict[str, str]], name: str, kind: str, examples: int) -> None:
    """Ask a route with good and bad cases and one kind of key: 401 and 403 only where the table of scopes says so.

    Raises:
        AssertionError: another answer came, or one of 5xx.
    """
    method, path = name.split(" ", 1)
    operation, refusals = description[path][method], allowed(name, kind)

    @hypothesis_settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def ask(case: Case[Any]) -> None:
        name_known(case)
        case.headers, case.cookies = {}, {}  # type: ignore[assignment]  # among them are keys that the generator made up
        sent = case.as_transport_kwargs(base_url=f"{url}/api")
        sent["headers"] = dict(sent.get("headers") or {}) | keys[kind]
        answer = requests.request(**sent, timeout=LONGEST_S)
        scoped[kind] += 1
        told = f"{name} with {kind}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500, told
        if refusals is None:
            assert answer.status_code not in {401, 403}, told
        else:
            assert answer.status_code in refusals or answer.json()["code"] in UNREADABLE, told

    ask()


@pytest.mark.parametrize("kind", KINDS)
def test_each_scope_opens_what_the_table_says(
    url: str, description: Any, keys: dict[str, dict[str, str]], kind: str
) -> None:
    """The short form, one case each; with the scope admin without what begins work, so that it is quick."""
    for name in NAMES:
        method, path = name.split(" ", 1)
        if RULES[f"{method.upper()} {path}"].counted != "jobs" or kind != "admin":
            ask_with(url, description, keys, name, kind, 1)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_each_scope_opens_what_the_table_says_whatever_is_asked(
    url: str, description: Any, keys: dict[str, dict[str, str]], kind: str
) -> None:
    examples = -(-FEWEST_SCOPED // len(NAMES))
    for name in NAMES:
        ask_with(url, description, keys, name, kind, examples)
    assert scoped[kind] >= FEWEST_SCOPED / 2  # there are fewer where few differ

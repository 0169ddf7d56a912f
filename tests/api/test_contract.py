"""Every route answers as the description says: generated requests, good and bad, against the real server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.api.test_api_description import NAMES
from tests.browser.console import server
from tests.engine.services.conftest import QUICK, finished, opened, store_in, trained_store

pytestmark = pytest.mark.long

EXAMPLES = 25
"""Cases of each operation, good and bad ones each; there are fewer where few differ."""
FEWEST = 2000
KEY = "a key for the tests"
HEADERS = {"X-API-Key": KEY}
UNREACHED = {"post /ml/models/import", "post /ml/tuning/{study_id}/train"}
"""What no generated case names: the file of a version, and a study with a trial that has ended."""
LONGEST_S = 60
KNOWN = {"user_id": "u1", "movie_id": "m1"}
asked: Counter[str] = Counter()
answered: Counter[tuple[str, int]] = Counter()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over a small store with three versions."""
    folder = tmp_path_factory.mktemp("contract")
    with opened(store_in(folder), trained_store(tmp_path_factory)) as runtime:
        for _ in range(2):
            finished(runtime, runtime.services.training.train_model("svd", QUICK, "always"))
    with server(folder, MARQUEE_DEMO="false", MARQUEE_API_KEY=KEY) as address:
        yield address


@pytest.fixture(scope="module")
def description(url: str) -> Any:
    return schemathesis.openapi.from_url(f"{url}/api/openapi.json", headers=HEADERS)


def name_known(case: Case) -> None:
    """Let a case ask about a user and a movie that are there."""
    for part in (case.path_parameters, case.query, case.body):
        if isinstance(part, dict):
            part |= {name: KNOWN[name] for name in KNOWN.keys() & part.keys()}


def excluded(status: int) -> list[Any]:
    """The description can't say which characters an id may hold; and 413 is a refusal too, though not in their list."""
    return [positive_data_acceptance] + ([negative_data_rejection] if status == 413 else [])


CASES = [
    pytest.param(name, mode, id=f"{name}-{mode.value}")
    for name in NAMES
    for mode in GenerationMode
    if (name, mode) not in {(f"get /health/{probe}", GenerationMode.NEGATIVE) for probe in ("live", "ready")}
]
"""The generator finds nothing to get wrong about a request of the probes: they take no input and no key."""


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_the_answer_is_one_that_is_described(description: Any, name: str, mode: GenerationMode) -> None:
    method, path = name.split(" ", 1)
    operation = description[path][method]

    @hypothesis_settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        asked[name] += 1
        if mode is GenerationMode.POSITIVE and asked[name] % 2:
            name_known(case)
        answer = case.call(headers=HEADERS, timeout=LONGEST_S)
        answered[name, answer.status_code] += 1
        case.validate_response(answer, headers=HEADERS, excluded_checks=excluded(answer.status_code))

    ask()


def test_enough_was_asked_and_each_route_has_been_reached() -> None:
    """Runs after the others, which count."""
    assert sum(asked.values()) >= FEWEST, asked
    reached = {name for (name, status), _ in answered.items() if status < 300}
    assert set(NAMES) - reached <= UNREACHED

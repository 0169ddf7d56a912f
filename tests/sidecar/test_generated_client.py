"""A client generated from the OpenAPI document covers every route, and trains a model."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.browser.console import server, until
from tests.engine.services.conftest import trained_store
from tests.sidecar.test_api_description import SCHEMA

GENERATOR = Path(sys.executable).with_name("openapi-python-client")
PACKAGE = "marquee_client"
TRAINED_S = 120
# The generator knows JSON, text and bytes; the types of our files are bytes.
BYTES = (
    "text/csv",
    "application/vnd.apache.parquet",
    "application/jsonl",
    "application/zip",
    "application/vnd.sqlite3",
)
CONFIG = {"content_type_overrides": dict.fromkeys(BYTES, "application/octet-stream"), "post_hooks": []}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The client; a warning of the generator fails the test."""
    folder = tmp_path_factory.mktemp("client")
    document, config = folder / "openapi.json", folder / "config.json"
    document.write_text(json.dumps(SCHEMA), encoding="utf-8")
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    paths = ["--path", str(document), "--config", str(config), "--output-path", str(folder / PACKAGE)]
    command = [str(GENERATOR), "generate", *paths, "--meta", "none", "--fail-on-warning"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module(PACKAGE)
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def part(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def test_the_client_has_a_function_for_every_route(package: ModuleType) -> None:
    for operations in SCHEMA["paths"].values():
        for operation in operations.values():
            assert callable(part(f"api.{operation['tags'][0]}.{operation['operationId']}").sync_detailed)


def test_the_client_trains_and_recommends(
    package: ModuleType, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    models = part("models")
    shutil.copytree(trained_store(tmp_path_factory), tmp_path, dirs_exist_ok=True)
    with server(tmp_path, MARQUEE_DEMO="false") as url, package.Client(base_url=f"{url}/api") as client:
        hyperparameters = models.TrainRequestMatrixFactorisation(factors=4, epochs=2)
        body = models.TrainRequest(hyperparameters=hyperparameters, activate=models.TrainRequestActivate.ALWAYS)
        started = part("api.training.train").sync(client=client, body=body)
        assert isinstance(started, models.RunStarted)

        def status() -> Any:
            return part("api.training.training_status").sync(client=client, run_id=started.run_id)

        until(lambda: status().state not in {"queued", "running"}, TRAINED_S, "the run has not ended")
        run = status()
        assert run.state == "succeeded", run.error
        assert (run.hyperparameters["factors"], run.hyperparameters["epochs"]) == (4, 2)
        until(
            lambda: part("api.health.ready").sync(client=client).model_version == run.version, TRAINED_S, "not active"
        )
        found = part("api.recommendations.recommend").sync("u1", client=client, n=3)
        assert (found.model_version, len(found.items)) == (run.version, 3)

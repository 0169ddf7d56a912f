from threading import Event
from typing import Any

from tests.engine.services.conftest import QUICK


def test_a_run_goes_on_until_its_version_serves(trained, monkeypatch):
    training, serving = trained.services.training, trained.services.serving
    loading, release, serve = Event(), Event(), serving.serve

    def held(*args: Any) -> None:
        loading.set()
        assert release.wait(30)
        serve(*args)

    monkeypatch.setattr(serving, "serve", held)
    training.train_model("svd", QUICK, "always")
    assert loading.wait(60)
    try:
        assert training.current() is not None
    finally:
        release.set()

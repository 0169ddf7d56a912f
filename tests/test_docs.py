"""Settings, hyperparameters, pages, files and dependencies are documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from engine.models.registry import MODELS
from engine.settings import Settings
from sidecar.app import VERSION
from tools.pins import asked_for

ROOT = Path(__file__).parents[1]
README, DEPLOYMENT, MODELS_PAGE, GUIDE, SECURITY = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/deployment.md", "docs/models.md", "docs/guide.md", "docs/security.md")
)
TEST = r"`(tests/[\w/]+\.py)::(test_\w+)`"


def settings_in(page: str) -> dict[str, str]:
    """Settings in the table of a page, with their defaults."""
    found: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`MARQUEE_[^|]*) \| ([^|]+) \|", page, flags=re.MULTILINE):
        found |= dict(zip(names.replace("`", "").split(", "), defaults.replace("`", "").split(", "), strict=True))
    return found


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    default = Settings.model_fields[name].default
    shown = "none" if default in (None, "") else str(default).lower() if isinstance(default, bool) else str(default)
    for page in (README, DEPLOYMENT):
        assert settings_in(page)[f"MARQUEE_{name.upper()}"] == shown


@pytest.mark.parametrize("name", sorted({name for entry in MODELS.values() for name in entry.config.model_fields}))
def test_every_hyperparameter_is_documented_and_described(name: str) -> None:
    assert f"`{name}`" in MODELS_PAGE
    for entry in MODELS.values():
        field = entry.config.model_fields.get(name)
        assert field is None or (field.title and field.description)


@pytest.mark.parametrize(
    "page", sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem not in ("__init__", "shell"))
)
def test_every_page_is_in_the_guide(page: str) -> None:
    assert page.capitalize() in GUIDE


def test_the_newest_release_of_the_changelog_is_the_version() -> None:
    headings = re.findall(r"^## (.+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(VERSION)}, 20\d\d-\d\d-\d\d", headings[1])


def test_commits_are_checked_by_what_make_check_runs() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repo["repo"] == "local"
    assert [(hook["entry"], hook["language"]) for hook in repo["hooks"]] == [("make check", "system")]


@pytest.mark.parametrize("risk", range(1, 11))
def test_each_risk_of_the_list_names_tests_that_there_are(risk: int) -> None:
    (row,) = re.findall(rf"^\| \*\*API{risk}\*\*.*$", SECURITY, flags=re.MULTILINE)
    assert len(re.findall(TEST, row)) > 1


def test_every_test_that_the_page_on_security_names_is_there() -> None:
    named = re.findall(TEST, SECURITY)
    assert SECURITY.count("::") == len(named)
    for file, name in named:
        assert (ROOT / file).exists(), file
        found = re.findall(
            r"^ *(?:async )?def (test_\w+)", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        assert name in found, f"{file} has no {name}"


def test_every_folder_of_the_map_is_there() -> None:
    names = re.findall(r"^(\w+)/ ", README, flags=re.MULTILINE)
    assert len(names) == 10
    chapters = [f"engine/{name}" for name in re.findall(r"^  (\w+)/ ", README, flags=re.MULTILINE)]
    assert len(chapters) == 6
    for name in [*names, *chapters]:
        assert (ROOT / name).is_dir(), name


@pytest.mark.parametrize("page", ["README.md", "docs/conventions.md"])
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    names = re.findall(r"`((?:engine|store|sidecar|pages|tests|tools|docs)/[\w/.]+)`", (ROOT / page).read_text("utf-8"))
    assert len(names) > 9
    for name in names:
        assert (ROOT / name).exists(), name


def test_direct_dependencies_have_a_reason() -> None:
    sets = ("requirements", "requirements-build", "requirements-demo", "requirements-spark", "requirements-tools")
    names = {name for each in sets for name in asked_for(ROOT / f"{each}.in")}
    reasons = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").lower().replace("_", "-")
    given = {
        "altair",
        "numpy",
        "pandas",
        "scikit-learn",
        "streamlit",
        "starlette",
    }  # named by the owner, or part of one
    assert names > given
    for name in names - given:
        assert name in reasons, name

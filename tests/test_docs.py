"""What can be set, chosen or called is written down."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.models.catalog import MODELS
from engine.settings import Settings
from tools.pins import asked_for

ROOT = Path(__file__).parents[1]
README, DEPLOYMENT, MODELS_PAGE, GUIDE = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/deployment.md", "docs/models.md", "docs/guide.md")
)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    variable = f"MARQUEE_{name.upper()}"
    assert f"`{variable}`" in README
    assert f"`{variable}`" in DEPLOYMENT


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


def test_what_the_readme_links_to_is_there() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(targets) > 5
    for target in targets:
        assert (ROOT / target).exists(), target


def test_every_folder_of_the_map_is_there() -> None:
    names = re.findall(r"^(\w+)/ ", README, flags=re.MULTILINE)
    assert len(names) == 8
    for name in names:
        assert (ROOT / name).is_dir(), name


def test_direct_dependencies_have_a_reason() -> None:
    sets = ("requirements", "requirements-build", "requirements-demo", "requirements-tools")
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

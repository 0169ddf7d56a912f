"""Addresses of pictures: from a folder, from a template, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.data.posters import poster_address, poster_file
from engine.settings import Settings

TEMPLATE = "https://images.example/{imdb}/{id}.jpg"


def test_without_a_setting_there_is_no_picture() -> None:
    assert poster_address("", "1", {"imdb": "0114709"}) is None


def test_a_template_takes_ids_and_needs_all_it_names() -> None:
    assert poster_address(TEMPLATE, "a/b?", {"imdb": "0114709"}) == "https://images.example/tt0114709/a%2Fb%3F.jpg"
    assert poster_address(TEMPLATE, "1", {"tmdb": "862"}) is None
    assert poster_address("http://x.example/{tmdb}", "1", {"tmdb": "862"}) == "http://x.example/862"


def test_a_folder_has_pictures_by_id_or_by_number_at_imdb(tmp_path: Path) -> None:
    for name in ("7.png", "tt0114709.jpg", "a b.webp", "8.svg"):
        (tmp_path / name).write_bytes(b"picture")
    found = {movie: poster_address(str(tmp_path), movie, {}) for movie in ("7", "8", "9", "a b")}
    assert found == {"7": "/posters/7.png", "8": None, "9": None, "a b": "/posters/a%20b.webp"}
    assert poster_address(str(tmp_path), "9", {"imdb": "0114709"}) == "/posters/tt0114709.jpg"


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "..", "x/y.png", "\0.jpg", "a" * 4000 + ".jpg", ""])
def test_nothing_outside_the_folder_is_a_picture(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "inside").mkdir()
    assert poster_file(tmp_path / "inside", name) is None
    assert poster_address(str(tmp_path / "inside"), f"../{'secret'}", {}) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("https://images.example/all.jpg", "has none of"),
        ("https://images.example/{title}.jpg", "{title}"),
        ("ftp://images.example/{id}.jpg", "http"),
        ("/nowhere/at/all", "no folder"),
    ],
)
def test_a_setting_that_leads_nowhere_is_refused(value: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Settings(posters=value)


def test_folders_and_templates_are_accepted(tmp_path: Path) -> None:
    for value in ("", str(tmp_path), TEMPLATE):
        assert Settings(posters=value).posters == value

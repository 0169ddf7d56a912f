"""The owner's pictures are offered by name, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette

from engine.settings import Settings
from sidecar.posters import create_posters
from tests.sidecar.client import Client


@pytest.fixture
def client(tmp_path: Path) -> Client:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "posters"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"picture")
    (folder / "notes.txt").write_text("private")
    return Client(Starlette(routes=create_posters(Settings(posters=str(folder)))))


def test_a_picture_is_sent_with_its_type(client: Client) -> None:
    answer = client.get("/posters/1.png")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"picture", "image/png")
    assert answer.headers["cache-control"] == "private, max-age=3600"


@pytest.mark.parametrize("name", ["2.png", "notes.txt", "..%2Fsecret.jpg", "%2e%2e/secret.jpg", "..%5Csecret.jpg"])
def test_other_names_are_not_found(client: Client, name: str) -> None:
    answer = client.get(f"/posters/{name}")
    assert answer.status_code == 404
    assert b"secret" not in answer.content


def test_without_a_folder_there_is_no_route() -> None:
    assert create_posters(Settings()) == []
    assert create_posters(Settings(posters="https://images.example/{id}.jpg")) == []

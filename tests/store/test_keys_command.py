"""``python -m store keys``: keys of a store while Marquee is stopped."""

from __future__ import annotations

import re

import pytest

from store.__main__ import main
from store.audit import AuditStore
from store.database import Database
from store.keys import KeyStore, digest


def run(url: str, *arguments: str) -> int:
    return main(["--database", url, "keys", *arguments])


def test_a_key_is_made_listed_and_revoked(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(url, "list") == 0
    assert "No keys" in capsys.readouterr().out
    assert run(url, "create", "shop", "read", "rate") == 0
    (key,) = re.findall(r"mq_[\w-]{43}", capsys.readouterr().out)
    assert run(url, "list") == 0
    told = capsys.readouterr().out
    assert "1\tshop\tread, rate" in told
    assert "last used never" in told
    assert key not in told
    assert run(url, "revoke", "1") == 0
    assert run(url, "list") == 0
    assert "revoked 2" in capsys.readouterr().out
    database = Database.open(url)
    try:
        (stored,) = KeyStore(database).all()
        assert stored.sha256 == digest(key.encode())
        assert stored.created_by == "command line"
        assert [one.action for one in AuditStore(database).newest(5)] == ["key revoked", "key created"]
    finally:
        database.close()


def test_what_can_t_be_done_is_a_sentence(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(url, "create", "shop", "read") == 0
    assert run(url, "create", "shop", "read") == 2
    assert "in use" in capsys.readouterr().err
    assert run(url, "revoke", "7") == 2
    assert "There is no key 7." in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(url, "create", "other", "write")


def test_while_marquee_runs_it_leads_to_the_page(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    running = Database.open(url)
    try:
        assert run(url, "create", "shop", "read") == 2
    finally:
        running.close()
    assert "use the Keys page or the API instead" in capsys.readouterr().err

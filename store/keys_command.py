"""``python -m store keys list|create|revoke``: API keys of a store while Marquee is stopped."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from store.audit import AuditStore
from store.connections import Transaction
from store.database import Database
from store.errors import StoreError, StoreInUse
from store.keys import SCOPES, KeyStore
from store.records import KeyRecord

ACTOR = "command line"

Answer = tuple[dict[str, Any], str, int]
"""As JSON, as text, and the exit code."""


def add_to(subparsers: Any) -> None:
    """Add ``keys`` to the subparsers of a command; parsed arguments have ``run``."""
    keys = subparsers.add_parser("keys", help="list, create and revoke API keys while Marquee is stopped")
    actions = keys.add_subparsers(required=True, metavar="list|create|revoke")
    actions.add_parser("list", help="list every key").set_defaults(run=_with_store(_list))
    create = actions.add_parser("create", help="create a key and print it, once")
    create.add_argument("name", help="what the key is for")
    create.add_argument("scopes", nargs="+", choices=SCOPES, metavar="scope", help="read, rate or admin")
    create.set_defaults(run=_with_store(_create))
    revoke = actions.add_parser("revoke", help="revoke a key")
    revoke.add_argument("key_id", type=int, help="its number, as shown by list")
    revoke.set_defaults(run=_with_store(_revoke))


def _with_store(
    action: Callable[[Database, argparse.Namespace], Answer],
) -> Callable[[Path, argparse.Namespace], Answer]:
    def run(_: Path, asked: argparse.Namespace) -> Answer:
        try:
            database = Database.open(asked.database)
        except StoreInUse as error:
            raise StoreInUse(f"{error} While Marquee runs, use the Keys page or the API instead.") from error
        try:
            return action(database, asked)
        except ValueError as error:
            raise StoreError(str(error)) from error
        finally:
            database.close()

    return run


def _list(database: Database, _: argparse.Namespace) -> Answer:
    found = KeyStore(database).all()
    lines = []
    for one in found:
        state = f"revoked {_day(one.revoked_at)}" if one.revoked_at else f"last used {_day(one.last_used_at)}"
        lines.append(f"{one.key_id}\t{one.name}\t{', '.join(one.scopes)}\tcreated {_day(one.created_at)}\t{state}")
    return {"keys": [_plain(one) for one in found]}, "\n".join(lines) or "No keys have been created.", 0


def _create(database: Database, asked: argparse.Namespace) -> Answer:
    def create(tx: Transaction) -> tuple[KeyRecord, str]:
        made, key = KeyStore(database).add(asked.name, asked.scopes, created_by=ACTOR, tx=tx)
        AuditStore(database).add([_entry(database, "key created", made)], tx=tx)
        return made, key

    made, key = database.write(create)
    text = f"Key {made.key_id}, {made.name}, with {', '.join(made.scopes)}. It is shown only once:\n{key}"
    return _plain(made) | {"key": key}, text, 0


def _revoke(database: Database, asked: argparse.Namespace) -> Answer:
    def revoke(tx: Transaction) -> KeyRecord:
        revoked = KeyStore(database).revoke(asked.key_id, tx=tx)
        AuditStore(database).add([_entry(database, "key revoked", revoked)], tx=tx)
        return revoked

    revoked = database.write(revoke)
    return _plain(revoked), f"Key {revoked.key_id}, {revoked.name}, is revoked.", 0


def _plain(key: KeyRecord) -> dict[str, Any]:
    """A key without its hash."""
    return {name: value for name, value in asdict(key).items() if name != "sha256"}


def _entry(database: Database, action: str, key: KeyRecord) -> dict[str, Any]:
    return {
        "at": database.clock(),
        "actor": ACTOR,
        "address": None,
        "action": action,
        "subject": f"key {key.key_id}: {key.name} ({', '.join(key.scopes)})",
        "result": "done",
    }


def _day(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")

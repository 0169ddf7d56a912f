"""``python -m store keys list|create|revoke``: keys of a store while Marquee is stopped."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from typing import Any

from store.audit import AuditStore
from store.database import Database
from store.errors import StoreError
from store.keys import SCOPES, KeyStore
from store.records import KeyRecord

ACTOR = "command line"
DEFAULT_URL = "sqlite:///var/marquee.db"


def add_to(subparsers: Any) -> None:
    """Register ``keys`` with the subparsers of a command; what is parsed has ``run``, which returns the exit code."""
    keys = subparsers.add_parser("keys", help="list, create and revoke API keys while Marquee is stopped")
    keys.add_argument("--url", default=os.environ.get("MARQUEE_DATABASE_URL", DEFAULT_URL), help="the store's file")
    actions = keys.add_subparsers(required=True, metavar="list|create|revoke")
    actions.add_parser("list", help="list every key").set_defaults(run=_with_store(_list))
    create = actions.add_parser("create", help="create a key and print it, once")
    create.add_argument("name", help="what the key is for")
    create.add_argument("scopes", nargs="+", choices=SCOPES, metavar="scope", help="read, rate or admin")
    create.set_defaults(run=_with_store(_create))
    revoke = actions.add_parser("revoke", help="revoke a key")
    revoke.add_argument("key_id", type=int, help="its number, as list shows it")
    revoke.set_defaults(run=_with_store(_revoke))


def _with_store(action: Any) -> Any:
    def run(arguments: argparse.Namespace) -> int:
        try:
            database = Database.open(arguments.url)
            try:
                action(database, arguments)
            finally:
                database.close()
        except (StoreError, ValueError) as error:
            print(_in_words(error))  # noqa: T201  # the command's answer
            return 1
        return 0

    return run


def _in_words(error: Exception) -> str:
    told = str(error)
    if told.startswith("Another Marquee has"):
        return f"{told} While Marquee runs, use the Keys page or the API instead."
    return told


def _list(database: Database, _: argparse.Namespace) -> None:
    found = KeyStore(database).all()
    if not found:
        print("No keys have been created.")  # noqa: T201
    for one in found:
        state = f"revoked {_day(one.revoked_at)}" if one.revoked_at else f"last used {_day(one.last_used_at)}"
        scopes = ", ".join(one.scopes)
        print(f"{one.key_id}\t{one.name}\t{scopes}\tcreated {_day(one.created_at)}\t{state}")  # noqa: T201


def _create(database: Database, arguments: argparse.Namespace) -> None:
    audit = AuditStore(database)

    def also(connection: Any, made: KeyRecord) -> None:
        audit.add_in(connection, [_entry(database, "key created", made)])

    made, key = KeyStore(database).add(arguments.name, arguments.scopes, created_by=ACTOR, also=also)
    print(f"Key {made.key_id}, {made.name}, with {', '.join(made.scopes)}. It is shown this once:\n{key}")  # noqa: T201


def _revoke(database: Database, arguments: argparse.Namespace) -> None:
    audit = AuditStore(database)

    def also(connection: Any, gone: KeyRecord) -> None:
        audit.add_in(connection, [_entry(database, "key revoked", gone)])

    gone = KeyStore(database).revoke(arguments.key_id, also=also)
    print(f"Key {gone.key_id}, {gone.name}, is revoked.")  # noqa: T201


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

"""API keys, of which only hashes are kept, and the sessions that were ended before their time."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from store.database import Database
from store.errors import NotStored
from store.records import KeyRecord
from store.schema import api_keys, ended_sessions

SCOPES = ("read", "rate", "admin")
PREFIX = "mq_"
"""So that whoever finds a key, a scanner of repositories for example, knows what it is."""
RANDOM_BYTES = 32
LONGEST_NAME = 100

Also = Callable[[Connection, KeyRecord], None]
"""What else belongs into the transaction of a change."""


def digest(key: bytes) -> str:
    """SHA-256 of a key, in hex. Keys are as random as the hash is long, so a slow hash would add nothing."""
    return hashlib.sha256(key).hexdigest()


def new_key() -> str:
    """A key that nobody can guess: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def _nothing(_connection: Connection, _record: KeyRecord) -> None:
    """What else there is to do where nothing was asked for."""


class KeyStore:
    """Keys by their numbers, and ended sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[KeyRecord]:
        """Every key ever made, newest first; revoked ones keep their line."""
        with self._database.read() as connection:
            found = connection.execute(select(api_keys).order_by(api_keys.c.key_id.desc()))
            return [_record(row._mapping) for row in found]

    def add(self, name: str, scopes: Iterable[str], *, created_by: str, also: Also = _nothing) -> tuple[KeyRecord, str]:
        """Make a key; returns it, and the key itself, which is stored nowhere.

        Args:
            name: what it is for, 1 to 100 characters.
            scopes: of ``SCOPES``, at least one.
            created_by: who asked for it.
            also: called within the transaction.

        Raises:
            ValueError: the name or the scopes are not acceptable, or a key of that name is in use.
        """
        label, wanted = name.strip(), sorted(set(scopes), key=SCOPES.index) if set(scopes) <= set(SCOPES) else []
        if not 1 <= len(label) <= LONGEST_NAME or not label.isprintable():
            raise ValueError(f"A key's name has 1 to {LONGEST_NAME} characters that can be printed.")
        if not wanted:
            raise ValueError(f"A key has at least one of the scopes {', '.join(SCOPES)}.")
        key = new_key()
        values = {
            "name": label,
            "scopes": wanted,
            "sha256": digest(key.encode()),
            "created_at": self._database.clock(),
            "created_by": created_by,
        }

        def work(connection: Connection) -> KeyRecord:
            same = select(api_keys.c.key_id).where(api_keys.c.name == label, api_keys.c.revoked_at.is_(None))
            if connection.execute(same).first() is not None:
                raise ValueError("A key of this name is in use. Choose another name, or revoke that key first.")
            made = connection.execute(insert(api_keys).values(values).returning(*api_keys.c)).one()
            record = _record(made._mapping)
            also(connection, record)
            return record

        return self._database.write(work, urgent=True), key

    def revoke(self, key_id: int, *, also: Also = _nothing) -> KeyRecord:
        """Let a key open nothing from now on. One that was revoked before stays as it is.

        Args:
            key_id: which.
            also: called within the transaction.

        Raises:
            NotStored: there is no such key.
        """

        def work(connection: Connection) -> KeyRecord:
            ours = api_keys.c.key_id == key_id
            now = self._database.clock()
            connection.execute(update(api_keys).where(ours, api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
            found = connection.execute(select(api_keys).where(ours)).first()
            if found is None:
                raise NotStored(f"There is no key {key_id}.")
            record = _record(found._mapping)
            also(connection, record)
            return record

        return self._database.write(work, urgent=True)

    def note_use(self, key_id: int, at: float) -> None:
        """Write down when a key was last used; nobody waits for it."""
        used = update(api_keys).where(api_keys.c.key_id == key_id).values(last_used_at=at)
        self._database.write_later(lambda connection: connection.execute(used))

    # -- sessions ----------------------------------------------------------------------------------------------------

    def end_session(self, session_id: str, until: float) -> None:
        """Keep in mind that a session has ended, until its cookie is void by itself; forget those that are."""
        row = insert(ended_sessions).values(session_id=session_id, until=until).on_conflict_do_nothing()
        gone = delete(ended_sessions).where(ended_sessions.c.until < self._database.clock())

        def work(connection: Connection) -> None:
            connection.execute(gone)
            connection.execute(row)

        self._database.write(work, urgent=True)

    def ended_sessions(self) -> Sequence[str]:
        """The sessions that were ended and whose cookies would still be good."""
        with self._database.read() as connection:
            lasting = select(ended_sessions.c.session_id).where(ended_sessions.c.until >= self._database.clock())
            return connection.execute(lasting).scalars().all()


def _record(row: object) -> KeyRecord:
    values = dict(row)  # type: ignore[call-overload]  # a row's mapping
    return KeyRecord(**values | {"scopes": tuple(values["scopes"])})

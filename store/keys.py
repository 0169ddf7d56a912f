"""API keys, stored as hashes only, and sessions that were ended early."""

import hashlib
import secrets
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.sqlite import insert

from store.connections import Transaction
from store.database import Store
from store.errors import NotStored
from store.records import KeyRecord
from store.schema import api_keys, ended_sessions

SCOPES = ("read", "rate", "admin")
PREFIX = "mq_"
"""Lets people and secret scanners recognise a key."""
RANDOM_BYTES = 32
MAX_NAME = 100


def digest(key: bytes) -> str:
    """SHA-256 of a key, in hex. Keys hold as many random bits as the hash, so a slow hash would add nothing."""
    return hashlib.sha256(key).hexdigest()


def new_key() -> str:
    """A new key with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


class KeyStore(Store):
    """Keys by number, and ended sessions."""

    def all(self) -> list[KeyRecord]:
        """Every key ever created, newest first, including revoked ones."""
        with self._database.read() as connection:
            found = connection.execute(select(api_keys).order_by(api_keys.c.key_id.desc()))
            return [_record(row._mapping) for row in found]

    def add(
        self, name: str, scopes: Iterable[str], *, created_by: str, tx: Transaction | None = None
    ) -> tuple[KeyRecord, str]:
        """Create a key; returns its record and the key itself, which is stored nowhere.

        Args:
            name: what the key is for, 1 to 100 characters.
            scopes: of ``SCOPES``, at least one.
            created_by: who asked for it.
            tx: a transaction to be part of.

        Raises:
            ValueError: the name or the scopes are invalid, or a key with that name is in use.
        """
        label, wanted = name.strip(), sorted(set(scopes), key=SCOPES.index) if set(scopes) <= set(SCOPES) else []
        if not 1 <= len(label) <= MAX_NAME or not label.isprintable():
            raise ValueError(f"A key's name has 1 to {MAX_NAME} printable characters.")
        if not wanted:
            raise ValueError(f"Choose at least one scope: {', '.join(SCOPES)}.")
        key = new_key()
        values = {
            "name": label,
            "scopes": wanted,
            "sha256": digest(key.encode()),
            "created_at": self._database.clock(),
            "created_by": created_by,
        }

        def work(tx: Transaction) -> KeyRecord:
            same = select(api_keys.c.key_id).where(api_keys.c.name == label, api_keys.c.revoked_at.is_(None))
            if tx.execute(same).first() is not None:
                raise ValueError("A key with this name is in use. Choose another name, or revoke that key first.")
            made = tx.execute(insert(api_keys).values(values).returning(*api_keys.c)).one()
            return _record(made._mapping)

        return self._database.write(work, tx=tx), key

    def revoke(self, key_id: int, *, tx: Transaction | None = None) -> KeyRecord:
        """Revoke a key. One that was revoked before stays as it is.

        Raises:
            NotStored: there is no such key.
        """

        def work(tx: Transaction) -> KeyRecord:
            ours = api_keys.c.key_id == key_id
            now = self._database.clock()
            tx.execute(update(api_keys).where(ours, api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
            found = tx.execute(select(api_keys).where(ours)).first()
            if found is None:
                raise NotStored(f"There is no key {key_id}.")
            return _record(found._mapping)

        return self._database.write(work, tx=tx)

    def note_use(self, key_id: int, at: float) -> None:
        """Record when a key was last used, without waiting until it is stored."""
        used = update(api_keys).where(api_keys.c.key_id == key_id).values(last_used_at=at)
        self._database.write_later(lambda tx: tx.execute(used))

    # -- sessions ----------------------------------------------------------------------------------------------------

    def end_session(self, session_id: str, until: float) -> None:
        """Remember an ended session until its cookie expires; forget those whose cookies have expired."""
        row = insert(ended_sessions).values(session_id=session_id, until=until).on_conflict_do_nothing()
        expired = delete(ended_sessions).where(ended_sessions.c.until < self._database.clock())

        def work(tx: Transaction) -> None:
            tx.execute(expired)
            tx.execute(row)

        self._database.write(work)

    def ended_sessions(self) -> Sequence[str]:
        """Ended sessions whose cookies have not expired."""
        with self._database.read() as connection:
            lasting = select(ended_sessions.c.session_id).where(ended_sessions.c.until >= self._database.clock())
            return connection.execute(lasting).scalars().all()


def _record(row: object) -> KeyRecord:
    values = dict(row)  # type: ignore[call-overload]  # a row's mapping
    return KeyRecord(**values | {"scopes": tuple(values["scopes"])})

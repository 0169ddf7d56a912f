"""API keys: created, revoked and recognised."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_hex
from threading import Lock

from engine.errors import Conflict, InvalidInput, UnknownKey
from engine.services.acting import MARQUEE, NO_KEY, actor
from engine.services.audit import AuditService
from engine.services.storing import stores
from store.connections import Transaction
from store.database import Database
from store.errors import NotStored, StoreClosed
from store.keys import SCOPES, KeyStore, digest
from store.records import KeyRecord
from store.values import ValueStore

USED_EVERY_S = 60.0
"""Seconds between updates of a key's last use."""
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of a key; ``key_id`` is 0 for the first key, which is a setting."""

    key_id: int
    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the key has a scope; ``admin`` includes all."""
        return scope in self.scopes or ADMIN in self.scopes


FIRST = Holder(0, "first key", frozenset({ADMIN}))
RESERVED = frozenset({FIRST.name, NO_KEY, MARQUEE.name, "schedule", "rule", "command line"})
"""Names that the audit log uses for actors without a key."""


class AccessService:
    """Keys, held in memory as hashes, so that requests need no query.

    Args:
        keys: where they are stored.
        audit: records each change in the same transaction.
        secret: of the store; cookies are signed with it.
        needed: whether requests need a key, which ``MARQUEE_API_KEY`` decides.
        clock: Unix seconds.
    """

    def __init__(
        self, keys: KeyStore, audit: AuditService, secret: bytes, *, needed: bool, clock: Callable[[], float]
    ) -> None:
        self._keys = keys
        self._audit = audit
        self.secret = secret
        self.needed = needed
        self._clock = clock
        self._lock = Lock()
        self._holders: dict[str, Holder] = {}
        self._used: dict[int, float] = {}
        self._read()
        self._ended = set(keys.ended_sessions())

    def _read(self) -> None:
        with self._lock:
            active = (one for one in self._keys.all() if one.revoked_at is None)
            self._holders = {one.sha256: Holder(one.key_id, one.name, frozenset(one.scopes)) for one in active}

    def list_keys(self) -> Sequence[KeyRecord]:
        """Every key ever created, newest first."""
        return self._keys.all()

    @stores
    def create(self, name: str, scopes: Iterable[str]) -> tuple[KeyRecord, str]:
        """Create a key; returns its record and the key itself, which can't be shown again.

        Raises:
            Conflict: keys are not in use, as no first key is set.
            InvalidInput: the name is empty, too long or in use, or a scope is unknown.
        """
        if not self.needed:
            raise Conflict(
                "Marquee needs no keys because MARQUEE_API_KEY is not set: it accepts requests only from this "
                "computer. Set MARQUEE_API_KEY and start again, then create keys."
            )
        if name.strip().casefold() in RESERVED or name.strip().casefold().startswith("console"):
            raise InvalidInput(f"{name!r} is reserved in the audit log. Choose another name.", field="name")
        wanted = tuple(scopes)
        if not wanted or not set(wanted) <= set(SCOPES):
            raise InvalidInput(f"Choose at least one scope: {', '.join(SCOPES)}.", field="scopes")
        by = actor()

        def create(tx: Transaction) -> tuple[KeyRecord, str]:
            made, key = self._keys.add(name, wanted, created_by=by.name, tx=tx)
            self._audit.record_now("key created", _subject(made), by=by, tx=tx)
            return made, key

        try:
            made = self._keys.transaction(create)
        except ValueError as error:
            raise InvalidInput(str(error), field="name") from error
        self._read()
        return made

    @stores
    def revoke(self, key_id: int) -> KeyRecord:
        """Revoke a key and end its sessions.

        Raises:
            UnknownKey: there is no such key.
        """
        by = actor()

        def revoke(tx: Transaction) -> KeyRecord:
            revoked = self._keys.revoke(key_id, tx=tx)
            self._audit.record_now("key revoked", _subject(revoked), by=by, tx=tx)
            return revoked

        try:
            revoked = self._keys.transaction(revoke)
        except NotStored as error:
            raise UnknownKey(f"There is no key {key_id}.") from error
        self._read()
        return revoked

    # -- on the path of each request: no SQL -------------------------------------------------------------------------

    def holder(self, key: bytes) -> Holder | None:
        """The holder of a key; None for an unknown or revoked one."""
        # A hash tells nothing of how much of the key was right, so neither does the time that looking it up takes.
        return self._seen(self._holders.get(digest(key)))

    def holder_of(self, key_id: int) -> Holder | None:
        """The holder of a session, by the number of its key; None where the key was revoked."""
        if key_id == FIRST.key_id:
            return FIRST
        return self._seen(next((one for one in self._holders.values() if one.key_id == key_id), None))

    def _seen(self, holder: Holder | None) -> Holder | None:
        """Store the time of use, at most once a minute."""
        now = self._clock()
        if holder is not None and abs(now - self._used.get(holder.key_id, float("-inf"))) >= USED_EVERY_S:
            self._used[holder.key_id] = now
            with suppress(StoreClosed):  # Marquee is stopping, and the request that came last gets its answer anyway
                self._keys.note_use(holder.key_id, now)
        return holder

    def is_ended(self, session_id: str) -> bool:
        """Whether a session was ended by signing out."""
        return session_id in self._ended

    @stores
    def end_session(self, session_id: str, until: float) -> None:
        """End a session, so that a copy of its cookie is useless.

        Args:
            session_id: the session.
            until: Unix seconds when its cookie expires.
        """
        self._ended.add(session_id)
        self._keys.end_session(session_id, until)


def first_holder(key: bytes, first: str) -> Holder | None:
    """The holder of the first key, where this is it; compared in constant time."""
    return FIRST if compare_digest(digest(key), digest(first.encode())) else None


def _subject(key: KeyRecord) -> str:
    return f"key {key.key_id}: {key.name} ({', '.join(key.scopes)})"


def secret_of(database: Database) -> bytes:
    """The store's secret, created on its first start; it signs cookies and keys the hashes of ids in logs."""
    values = ValueStore(database, "secrets")
    found = values.read()
    if "access" not in found:
        found = {"access": token_hex(32)}
        values.write(found)
    return bytes.fromhex(found["access"])

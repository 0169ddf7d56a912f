"""SQLite's errors in the store's words, where a person can do something about them."""

from __future__ import annotations

import pysqlite3.dbapi2 as sqlite

from store.errors import StoreBusy, StoreDamaged, StoreError, StoreFailing, StoreFull, StoreReadOnly

NO_VALUE = "malformed JSON", "Could not decode to UTF-8"
"""How SQLite and its driver begin to say that a value is none that Marquee has written."""
FAILING = frozenset({sqlite.SQLITE_IOERR, sqlite.SQLITE_CANTOPEN, sqlite.SQLITE_PROTOCOL, sqlite.SQLITE_NOLFS})
"""What the operating system is to blame for, rather than the file's content."""


def translated(error: BaseException) -> BaseException:
    """The store's own error for one of SQLite's, also where other errors were raised from it; any other as it is."""
    cause: BaseException | None = error
    while cause is not None:
        told = _told(getattr(cause, "orig", cause))
        if told is not None:
            told.__cause__ = error
            return told
        cause = cause.__cause__
    return error


def _told(error: BaseException | None) -> StoreError | None:
    if not isinstance(error, sqlite.Error):
        return None
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits only go into detail
    if code == sqlite.SQLITE_FULL or "disk is full" in str(error):
        return StoreFull("There is no space left on the disk", "Free some space and try again.")
    if code == sqlite.SQLITE_BUSY:
        return StoreBusy(
            "Another program has the store locked",
            "Nothing is lost: what was saved before is there. Let that program finish, or close it, and try again.",
        )
    if code == sqlite.SQLITE_READONLY:
        return StoreReadOnly(
            "The store can't be written to",
            "Nothing is lost: what was saved before is there. Let Marquee write to the file and to its folder, then "
            "start it again.",
        )
    if code in FAILING:
        return StoreFailing(
            "The disk that holds the store fails to read or write",
            "Check the disk and its mount, and that not too many files are open; then try again.",
        )
    if code in (sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB) or str(error).startswith(NO_VALUE):
        return damaged()
    return None


def damaged() -> StoreDamaged:
    """The error for a store of which a part can't be read."""
    return StoreDamaged(
        "A part of the store that is needed for this is damaged; what can be read goes on. Stop Marquee, see what is "
        "wrong with 'python -m store check', and restore a backup with 'python -m store restore'."
    )

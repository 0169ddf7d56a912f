"""Translates SQLite's errors into the store's errors if a person can do something about them."""

import pysqlite3.dbapi2 as sqlite

from store.errors import StoreBusy, StoreDamaged, StoreError, StoreFailing, StoreFull, StoreReadOnly

NO_VALUE = "malformed JSON", "Could not decode to UTF-8"
"""Starts of messages about values that Marquee can't have written."""
FAILING = frozenset({sqlite.SQLITE_IOERR, sqlite.SQLITE_CANTOPEN, sqlite.SQLITE_PROTOCOL, sqlite.SQLITE_NOLFS})
"""Faults of the operating system rather than of the file's content."""


def translated(error: BaseException) -> BaseException:
    """The store's error for an SQLite error, even one that others were raised from; any other error unchanged."""
    cause: BaseException | None = error
    while cause is not None:
        found = _store_error(getattr(cause, "orig", cause))
        if found is not None:
            found.__cause__ = error
            return found
        cause = cause.__cause__
    return error


def _store_error(error: BaseException | None) -> StoreError | None:
    if not isinstance(error, sqlite.Error):
        return None
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits only add detail
    if code == sqlite.SQLITE_FULL or "disk is full" in str(error):
        return StoreFull("There is no space left on the disk", "Free some space and try again.")
    if code == sqlite.SQLITE_BUSY:
        return StoreBusy(
            "Another program has the store locked",
            "Nothing is lost: earlier writes are saved. Let that program finish, or close it, and try again.",
        )
    if code == sqlite.SQLITE_READONLY:
        return StoreReadOnly(
            "The store can't be written to",
            "Nothing is lost: earlier writes are saved. Let Marquee write to file and folder, then start it again.",
        )
    if code in FAILING:
        return StoreFailing(
            "The disk with the store fails to read or write",
            "Check the disk, its mount and the number of open files, then try again.",
        )
    if code in (sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB) or str(error).startswith(NO_VALUE):
        return damaged()
    return None


def damaged() -> StoreDamaged:
    """Error for a store that can't be read in part."""
    return StoreDamaged(
        "A part of the store that this needs is damaged; everything else still works. Stop Marquee, find out what is "
        "wrong with 'python -m store check', and restore a backup with 'python -m store restore'."
    )

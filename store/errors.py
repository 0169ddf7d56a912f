"""What can go wrong in the store; services turn these into the engine's errors."""

from __future__ import annotations


class StoreError(Exception):
    """The root of the store's errors."""


class UnsafeSQLite(StoreError):
    """The SQLite found here is known to lose data."""


class NotStored(StoreError):
    """The row asked for is not there."""


class DamagedVersion(StoreError):
    """An array of a model version is not what was saved."""


class StoreClosed(StoreError):
    """The store is closed, or closing."""


class NotWritten(StoreError):
    """The root of what keeps the store from a read or write; nothing of a write was kept.

    Attributes:
        reason: why, as the beginning of a sentence.
        advice: what to do about it, as sentences.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}, so nothing was saved. {advice}" if advice else reason)
        self.reason = reason.rstrip(".")
        self.advice = advice


class StoreFull(NotWritten):
    """There was no space to write."""


class StoreBusy(NotWritten):
    """Another program has the store locked."""


class StoreReadOnly(NotWritten):
    """The file, or the folder it lies in, can't be written to."""


class StoreFailing(NotWritten):
    """The operating system fails to read or write the file: a failing disk, a lost mount, too many open files."""


class ForeignStore(StoreError):
    """The file is something else than a store of Marquee, or can't be read as one; nothing in it was changed."""


class UnreadableExport(StoreError):
    """A file is no exported version, or not as it was written."""


class StoreInUse(StoreError):
    """Another Marquee has the store open."""


class StoreReplaced(StoreError):
    """The file was moved, deleted or written over while it was open; what is written would be lost."""


class StoreDamaged(StoreError):
    """Pages of the file are not what was written."""


class UnusableBackup(StoreError):
    """A backup is damaged, or no backup of a store."""

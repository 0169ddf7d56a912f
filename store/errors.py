"""Errors of the store; services translate them into the engine's errors."""


class StoreError(Exception):
    """Root of the store's errors."""


class UnsafeSQLite(StoreError):
    """The installed SQLite is known to lose data."""


class NotStored(StoreError):
    """The requested row does not exist."""


class DamagedVersion(StoreError):
    """An array of a model version differs from what was saved."""


class StoreClosed(StoreError):
    """The store is closed, or closing."""


class NotWritten(StoreError):
    """Root of the errors that prevent a read or write; nothing of a write was kept.

    Attributes:
        reason: why, as the beginning of a sentence.
        advice: what to do, as sentences.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}, so nothing was saved. {advice}" if advice else reason)
        self.reason = reason.rstrip(".")
        self.advice = advice


class StoreFull(NotWritten):
    """There is no space left to write."""


class StoreBusy(NotWritten):
    """Another program has the store locked."""


class StoreReadOnly(NotWritten):
    """The file or its folder can't be written to."""


class StoreFailing(NotWritten):
    """The operating system can't read or write the file: a failing disk, a lost mount, too many open files."""


class ForeignStore(StoreError):
    """The file is not a store of Marquee or can't be read as one; it was left unchanged."""


class UnreadableExport(StoreError):
    """The file is not an exported version, or was changed after the export."""


class StoreInUse(StoreError):
    """Another Marquee has the store open."""


class StoreReplaced(StoreError):
    """The file was moved, deleted or overwritten while it was open; further writes would be lost."""


class StoreDamaged(StoreError):
    """Pages of the file are damaged."""


class UnusableBackup(StoreError):
    """The backup is damaged, or not a backup of a store."""

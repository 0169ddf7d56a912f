"""Versions that are trained again exactly, and the ratings that they learned from."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import VersionUnavailable
from engine.services.history import HistoryService
from engine.services.snapshots import DataSnapshot, Snapshots
from engine.services.version_records import TABLE, find_version, readable
from store.records import VersionRecord
from store.versions import MLModelManager


@dataclass(eq=False)
class Repeats:
    """Finds out whether a version can be repeated, and puts together what it learned from."""

    _models: MLModelManager
    _snapshots: Snapshots
    _history: HistoryService
    _personal_from: int

    def check(self, version: int) -> VersionRecord:
        """A version that can be trained again exactly: its arrays, its settings and what it learned from are there.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: it can't be repeated; the message says why.
        """
        record = readable(find_version(self._models, version))
        why = why_not_repeatable(record, self._personal_from)
        if why is None and not _has_learned(record, self._snapshots.load()):
            why = self._history.gap(record.data["revision"], record.data["ids"]["users"])
        if why is not None:
            raise _refused(version, why)
        return record

    def learned_by(self, record: VersionRecord) -> DataSnapshot:
        """The ratings and movies that a version learned from.

        Raises:
            VersionUnavailable: they can't be put together again.
        """
        now = self._snapshots.load()
        if _has_learned(record, now):
            return now
        size = record.data["ids"]["users"], record.data["ids"]["movies"]
        past = self._history.at(record.data["revision"], record.created_at, size=size).snapshot
        if not _has_learned(record, past):
            raise _refused(record.version, "what it learned from can't be put together again")
        return past


def why_not_repeatable(record: VersionRecord, personal_from: int) -> str | None:
    """Why a version can't be repeated, its ratings aside; None if nothing is in the way.

    Args:
        record: of the version.
        personal_from: as the settings are now.
    """
    if record.state != "ready":
        return f"it is {record.state}"
    if TABLE in record.data:
        return "it learned from a table outside Marquee, of whose contents then there is no record"
    if "asked" not in record.config:
        return "the settings of its training are not known"
    if "asked_ranker" not in record.config:
        return "it is of an earlier release, whose lists were made in another way"
    if record.protocol.get("personal_from", personal_from) != personal_from:
        return "MARQUEE_PERSONAL_FROM has changed since"
    return None


def _has_learned(record: VersionRecord, snapshot: DataSnapshot) -> bool:
    """Whether a version learned from these ratings, years and genres."""
    data = snapshot.data
    return (record.data["fingerprint"], record.data.get("catalogue")) == (data.fingerprint, data.movies.fingerprint)


def _refused(version: int, why: str) -> VersionUnavailable:
    return VersionUnavailable(f"Version {version} can't be trained again exactly: {why}.")

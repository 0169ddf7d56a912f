"""The registry of versions as a person uses it: what there is, what serves, and since when and why."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import UnknownVersion, VersionUnavailable
from engine.services.descriptions import metric_values
from engine.services.serving import ServingService
from engine.services.storing import stores
from engine.types import VersionSummary
from store.errors import NotStored, StoreError, StoreFull
from store.models import MLModelManager
from store.notices import NoticeStore
from store.records import ActivationRecord, NoticeRecord, VersionRecord


class VersionService:
    """Lists, activates, rolls back and deletes versions; tells the notices."""

    def __init__(self, models: MLModelManager, notices: NoticeStore, serving: ServingService) -> None:
        self._models = models
        self._notices = notices
        self._serving = serving

    def list(self) -> list[VersionSummary]:
        """Every version, newest first; deleted ones keep their line."""
        active = self._serving.active_version()
        since: dict[int, ActivationRecord] = {}
        for record in self._models.ledger(10_000):
            since.setdefault(record.version, record)
        return [_summary(record, active, since.get(record.version)) for record in self._models.list_versions()]

    def active(self) -> VersionSummary | None:
        """The version that serves, None before the first."""
        return next((version for version in self.list() if version.active), None)

    def get(self, version: int) -> VersionSummary:
        """One version.

        Raises:
            UnknownVersion: there is no such version.
        """
        for found in self.list():
            if found.version == version:
                return found
        raise UnknownVersion(f"There is no version {version}.")

    @stores
    def activate(self, version: int, *, actor: str = "you", reason: str = "") -> None:
        """Let a version serve from the next request on.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: it is damaged or deleted.
        """
        self.get(version)
        try:
            self._models.load_model(version)  # a damaged version is found here, before it serves
            self._models.activate(version, actor=actor, reason=reason or "Chosen by hand.")
        except StoreFull:
            raise
        except StoreError as error:
            raise VersionUnavailable(str(error)) from error
        self._serving.load_active()

    @stores
    def rollback(self, *, actor: str = "you", reason: str = "") -> int:
        """Let the version serve again that served before; returns its number.

        Raises:
            VersionUnavailable: no other intact version has served.
        """
        try:
            version = self._models.rollback(actor=actor, reason=reason or "Rolled back.")
        except NotStored as error:
            raise VersionUnavailable(str(error)) from error
        self._serving.load_active()
        return version

    @stores
    def delete(self, version: int) -> None:
        """Give up a version's arrays.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: it serves now.
        """
        self.get(version)
        try:
            self._models.delete_version(version)
        except StoreFull:
            raise
        except StoreError as error:
            raise VersionUnavailable(str(error)) from error

    def ledger(self, limit: int = 100) -> Sequence[ActivationRecord]:
        """Which version served from when, who activated it and why; newest first."""
        return self._models.ledger(limit)

    def notices(self, limit: int = 50) -> Sequence[NoticeRecord]:
        """The newest notices, newest first."""
        return self._notices.newest(limit)

    def unread_notices(self) -> int:
        """How many notices nobody has read."""
        return self._notices.unread_count()

    @stores
    def mark_notices_read(self) -> None:
        """Mark every notice as read."""
        self._notices.mark_read()


def _summary(record: VersionRecord, active: int | None, activation: ActivationRecord | None) -> VersionSummary:
    return VersionSummary(
        version=record.version,
        kind=record.kind,
        state=record.state,
        active=record.version == active,
        created_at=record.created_at,
        run_id=record.run_id,
        hyperparameters=record.config["model"],
        metrics=metric_values(record.metrics) or {},
        protocol=record.protocol,
        ratings=record.data["ratings"],
        users=record.data["users"],
        movies=record.data["movies"],
        data_fingerprint=record.data["fingerprint"],
        size_bytes=record.size,
        activated_at=activation.activated_at if activation else None,
        activated_by=activation.actor if activation else None,
        note=record.note,
        segments={name: metric_values(values) or {} for name, values in record.segments.items()},
    )

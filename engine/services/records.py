"""Records of the store that services hand on to pages and routes as they are."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from store.records import (
    ActivationRecord,
    AuditRecord,
    Counts,
    EpochRecord,
    ImportRecord,
    JobState,
    KeyRecord,
    NoticeRecord,
    State,
    StudyState,
    WorkState,
)

__all__ = [
    "ActivationRecord",
    "AuditRecord",
    "Counts",
    "EpochRecord",
    "ImportRecord",
    "JobState",
    "KeyRecord",
    "NoticeRecord",
    "State",
    "StudyState",
    "WorkState",
    "shared",
]


def shared(record: Any, kind: type[Any]) -> dict[str, Any]:
    """The fields of a record that a dataclass has as well, by name."""
    return {field.name: getattr(record, field.name) for field in fields(kind) if hasattr(record, field.name)}

"""Records of the store that services hand on to pages and routes as they are."""

from dataclasses import fields
from typing import Any

from store.exams import ExamRecord as ExamRecord
from store.records import ActivationRecord as ActivationRecord
from store.records import AuditRecord as AuditRecord
from store.records import Counts as Counts
from store.records import EpochRecord as EpochRecord
from store.records import ImportRecord as ImportRecord
from store.records import JobState as JobState
from store.records import KeyRecord as KeyRecord
from store.records import NoticeRecord as NoticeRecord
from store.records import State as State
from store.records import StudyState as StudyState
from store.records import WorkState as WorkState


def shared(record: Any, kind: type[Any]) -> dict[str, Any]:
    """The fields of a record that a dataclass has as well, by name."""
    return {field.name: getattr(record, field.name) for field in fields(kind) if hasattr(record, field.name)}

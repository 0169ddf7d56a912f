"""Frozen records of the rows in the store. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

VersionState = Literal["saving", "ready", "damaged", "deleted"]
UNKNOWN_TIME = -1


class WorkState(StrEnum):
    """Base of the states of background work."""

    @property
    def is_finished(self) -> bool:
        """Whether the work has ended, in whatever way."""
        return self.value not in UNFINISHED


UNFINISHED = ("queued", "running", "waiting", "writing", "undoing")


class State(WorkState):
    """State of a training run."""

    QUEUED = auto()
    RUNNING = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()


class JobState(WorkState):
    """State of a job; a waiting one has questions."""

    QUEUED = auto()
    RUNNING = auto()
    WAITING = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()


class ImportState(WorkState):
    """State of an import in the history."""

    WRITING = auto()
    DONE = auto()
    UNDOING = auto()
    UNDONE = auto()


class StudyState(WorkState):
    """State of a study; a stopped one can be resumed."""

    QUEUED = auto()
    RUNNING = auto()
    STOPPED = auto()
    SUCCEEDED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class MovieRow:
    """One movie of the catalogue.

    Attributes:
        external_id: its id.
        title: empty if unknown.
        year: None if unknown.
        genres: in alphabetical order, as the store returns them.
        links: its ids on other sites, such as ``{"imdb": "0111161", "tmdb": "278"}``.
        removed: an import added it and was undone; it is hidden, but its key stays taken.
    """

    external_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """int32[n] keys in the order requested, and how many of them are new."""

    keys: NDArray[np.int32]
    added: int


@dataclass(frozen=True, slots=True)
class Added:
    """Numbers of ratings added, updated and left unchanged by a bulk write, and the revision afterwards."""

    added: int
    updated: int
    unchanged: int
    revision: int


@dataclass(frozen=True, slots=True)
class RatingChange:
    """One rating before and after; ``rating`` is None after a deletion, ``previous`` if there was none.

    ``rated_at``: Unix time of the new rating; ``UNKNOWN_TIME`` after a deletion.
    """

    user_key: int
    movie_key: int
    rating: float | None
    previous: float | None
    rated_at: int
    revision: int
    new_user: bool


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A user with the number and the mean of their ratings; the mean is None without any."""

    user_id: str
    ratings: int
    mean: float | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A deleted user: the key, which is never assigned again, and the number of ratings deleted."""

    user_key: int
    ratings: int
    revision: int


@dataclass(frozen=True, slots=True)
class RatingArrays:
    """Ratings by key, sorted by user and movie: int32[n], int32[n], float32[n], int64[n] (-1: time unknown)."""

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    ratings: NDArray[np.float32]
    rated_at: NDArray[np.int64]
    revision: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of rows."""

    users: int
    movies: int
    ratings: int


@dataclass(frozen=True, slots=True)
class Activation:
    """Who or what activates a version, and why."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class ActivationRecord:
    """One entry of the activation ledger."""

    activation_id: int
    version: int
    activated_at: float
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A model version without its arrays; ``size`` in bytes, ``digest`` is SHA-256 over all array descriptions."""

    version: int
    kind: str
    state: VersionState
    config: dict[str, Any]
    metrics: dict[str, Any]
    segments: dict[str, Any]
    protocol: dict[str, Any]
    data: dict[str, Any]
    run_id: int | None
    note: str
    created_at: float
    digest: str | None
    size: int
    tags: list[str] = field(default_factory=list)
    charts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model version with its arrays, verified."""

    record: VersionRecord
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of a training run."""

    epoch: int
    epochs: int
    train_loss: float
    validation_rmse: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A training run."""

    run_id: int
    kind: str
    state: State
    stage: str
    hyperparameters: dict[str, Any]
    activate: Literal["if_better", "always", "never"]
    seed: int
    actor: str
    version: int | None
    metrics: dict[str, Any] | None
    before: dict[str, Any] | None
    verdict: str | None
    error: str | None
    details: dict[str, Any] | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    note: str = ""
    repeats: int | None = None
    ranker: dict[str, Any] = field(default_factory=dict)
    epochs: tuple[EpochRecord, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class TuningRecord:
    """A hyperparameter study; its trials are in Optuna's tables, under the name ``study_name``.

    ``goal`` is the metric that it improves: ``rmse``, or ``ndcg_at_k`` for a study of the settings of lists.
    """

    tuning_id: int
    kind: str
    goal: str
    state: StudyState
    stage: str
    trials: int
    folds: int
    seed: int
    budget_s: float
    used_s: float
    actor: str
    held_out: dict[str, Any] | None
    error: str | None
    created_at: float
    ended_at: float | None

    @property
    def study_name(self) -> str:
        """Name of the study in Optuna."""
        return f"{self.kind} study {self.tuning_id}"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A background job; ``progress`` from 0 to 1, ``questions`` while it waits for answers."""

    job_id: int
    kind: str
    state: JobState
    progress: float
    message: str
    result: dict[str, Any] | None
    error: str | None
    created_at: float
    ended_at: float | None
    plan: dict[str, Any] | None = None
    questions: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One import in the history.

    Attributes:
        import_id: its number.
        job_id: the job that wrote it.
        state: of the import.
        user_key: owner of a personal export; None for other files.
        files: names and hashes; empty once the owner was deleted.
        choices: options and answers; empty once the owner was deleted.
        counts: numbers of ratings and movies added, replaced and rejected.
        created_at: start of writing.
        ended_at: end of writing; None if it was interrupted.
        undone_at: None unless it was undone.
    """

    import_id: int
    job_id: int
    state: ImportState
    user_key: int | None
    files: list[dict[str, Any]]
    choices: dict[str, Any]
    counts: dict[str, int]
    created_at: float
    ended_at: float | None
    undone_at: float | None


@dataclass(frozen=True, slots=True)
class UndoneCounts:
    """Numbers of ratings and movies removed by an undo, and of those whose earlier values were restored."""

    ratings_removed: int = 0
    ratings_restored: int = 0
    movies_removed: int = 0
    movies_restored: int = 0


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """A notice; ``read_at`` is None until it is read. Those of level info need no action, and are never unread."""

    notice_id: int
    level: Literal["info", "warning", "error"]
    topic: str
    text: str
    details: dict[str, Any]
    created_at: float
    read_at: float | None

    @property
    def is_unread(self) -> bool:
        """Whether it needs action and nobody has seen it; earlier releases left all notices without ``read_at``."""
        return self.read_at is None and self.level != "info"


@dataclass(frozen=True, slots=True)
class GoldenRecord:
    """A golden person; ``user_id`` is None for somebody made up, who has ``ratings`` by movie id instead."""

    golden_id: int
    name: str
    user_id: str | None
    ratings: dict[str, float]
    expectations: list[dict[str, Any]]
    created_at: float
    created_by: str


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key without its secret; ``last_used_at`` may lag by a minute, and is None before the first use."""

    key_id: int
    name: str
    scopes: tuple[str, ...]
    sha256: str
    created_at: float
    created_by: str
    last_used_at: float | None
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One entry of the audit log; ``address`` is None if unknown."""

    audit_id: int
    at: float
    actor: str
    address: str | None
    action: str
    subject: str
    result: str

"""Services that answer from a script: each remembers what it was asked, and raises ``fails`` when that is set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from engine.data.catalogue import Movie
from engine.data.plan import ImportOptions
from engine.data.scale import STARS
from engine.errors import InvalidInput, UnknownKey, UnknownVersion
from engine.evaluation.intervals import MetricValue
from engine.recommending.changes import ListChanges
from engine.recommending.explanations import (
    Explanation,
    LikeMovie,
    SimilarMovies,
)
from engine.recommending.golden import Expectation, GoldenResult
from engine.recommending.interview import InterviewQuestion, InterviewState
from engine.recommending.lists import (
    ImaginedItem,
    ListOptions,
    Prediction,
    Predictions,
    Recommendations,
    RecommendedItem,
    WhatIf,
)
from engine.services import Services
from engine.services.access import FIRST, Holder
from engine.services.answers import AnswerLogFacts, Shown
from engine.services.automation import Automation
from engine.services.backup_plan import BackupPlan
from engine.services.exams import ExamFacts
from engine.services.golden import Pinned
from engine.services.jobs import Job
from engine.services.library import DataStatistics
from engine.services.live import LiveReport
from engine.services.notices import WebhookState
from engine.services.ratings import ForgettingReceipt, RatingReceipt, RatingRemoval
from engine.services.replays import Replay
from engine.services.storage import Backup, StoreFacts
from engine.services.studies import Study
from engine.services.training import Also, TrainingStatus
from engine.services.version_files import ExportedVersion
from engine.services.version_records import VersionSummary
from engine.services.versions import Comparison
from engine.settings import Settings
from engine.training.drift import UpdateHealth
from sidecar.docs import golden_people, instances, live_instances
from sidecar.docs.golden_people import LIST_CHANGES
from sidecar.docs.shown import REPLAY, SHOWN
from store.exams import ExamRecord
from store.notices import Level
from store.records import ActivationRecord, AuditRecord, Counts, ImportRecord, KeyRecord, NoticeRecord

METRICS = instances.METRICS
SCRIPT = "<script>alert('title')</script>"


def _older(found: list[Any], number: str, before: int | None) -> list[Any]:
    """What comes on a page that begins there."""
    return [one for one in found if before is None or getattr(one, number) < before]


class Recorder:
    """Remembers calls; raises ``fails`` instead of answering."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails: Exception | None = None

    def note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.fails is not None:
            raise self.fails


class FakeServing(Recorder):
    version: int | None = 3

    def active_version(self) -> int | None:
        self.note("active_version")
        return self.version

    def health(self) -> UpdateHealth:
        self.note("health")
        return instances.DRIFT


class FakeRatings(Recorder):
    def rate(self, user_id: str, movie_id: str, rating: float) -> RatingReceipt:
        self.note("rate", user_id, movie_id, rating)
        return RatingReceipt(user_id, movie_id, rating, None, 3.5, 4.0, True, 1.5)

    def unrate(self, user_id: str, movie_id: str) -> RatingRemoval:
        self.note("unrate", user_id, movie_id)
        return RatingRemoval(user_id, movie_id, 4.5, 4.0, True, 1.5)

    def forget(self, user_id: str) -> ForgettingReceipt:
        self.note("forget", user_id)
        return ForgettingReceipt(user_id, 57, 100.0, (2, 3), "57 ratings and the id were erased.")


class FakeRecommendations(Recorder):
    def changes(
        self, new: tuple[int, object], old: tuple[int, object], progress: Callable[[float], object] = float
    ) -> ListChanges:
        self.note("changes", new, old)
        return LIST_CHANGES

    def recommend(self, user_id: str, n: int = 10, **options: Any) -> Recommendations:
        self.note("recommend", user_id, n, options)
        item = RecommendedItem(1, "https://boxd.it/2a", SCRIPT, None, ("Drama",), 0.9, 4.4, (3.4, 5.0), 0.6)
        return Recommendations(user_id, "personal", "57 ratings.", 3, 10.0, 1.5, 57, (item,))

    def predict(self, pairs: Sequence[tuple[str, str]]) -> Predictions:
        self.note("predict", pairs)
        return Predictions(3, tuple(Prediction(user, movie, 3.5, None, "unknown") for user, movie in pairs))

    def recommend_to(self, ratings: Mapping[str, float], wanted: ListOptions) -> Recommendations:
        self.note("recommend_to", ratings, wanted)
        return replace(self.recommend("", wanted.n), ratings_count=len(ratings))

    def what_if(self, user_id: str, changes: Mapping[str, float | None], wanted: ListOptions) -> WhatIf:
        self.note("what_if", user_id, changes, wanted)
        movie = Movie("7", SCRIPT, 1998, ("Crime",))
        return WhatIf(user_id, "personal", "56 ratings.", 3, 56, (ImaginedItem(1, movie, None, 4.2, 4.4),), (movie,))

    def similar(self, movie_id: str, n: int = 10) -> SimilarMovies:
        self.note("similar", movie_id, n)
        movie = Movie(movie_id, SCRIPT, None, ())
        return SimilarMovies(movie, "ratings", (LikeMovie(movie, 0.5),))

    def interview(self, user_id: str, n: int = 1, skipped: Collection[str] = ()) -> InterviewState:
        self.note("interview", user_id, n, skipped)
        question = InterviewQuestion(Movie("7", SCRIPT, 1998, ("Crime",)), 0.4, 0.05)
        return InterviewState(user_id, "blended", 3, 2, 0.2, (question,), None)

    def explain(self, user_id: str, movie_id: str, genres_liked: Collection[str] = ()) -> Explanation:
        self.note("explain", user_id, movie_id, genres_liked)
        return replace(instances.EXPLANATION, user_id=user_id, movie_id=movie_id)


RUN = instances.RUN


class FakeTraining(Recorder):
    def counts(self) -> dict[str, int]:
        self.note("counts")
        return {"succeeded": 2, "failed": 1}

    def train_model(
        self,
        kind: str = "svd",
        hyperparameters: Mapping[str, Any] | None = None,
        activate: str = "if_better",
        actor: str = "you",
        *,
        ranker: Mapping[str, Any] | None = None,
        queue: bool = False,
        note: str = "",
        also: Also | None = None,
    ) -> int:
        self.note("train_model", kind, hyperparameters, activate, actor, queue, note, ranker)
        return 7

    def retrain(
        self,
        version: int | None = None,
        activate: str = "if_better",
        actor: str = "you",
        *,
        queue: bool = False,
        also: Also | None = None,
    ) -> int:
        self.note("retrain", version, activate, actor, queue)
        return 8

    def train_again(self, version: int, actor: str = "you", *, queue: bool = False) -> int:
        self.note("train_again", version, actor, queue)
        return 9

    def runs(
        self, limit: int = 50, *, before: int | None = None, actors: Sequence[str] | None = None
    ) -> list[TrainingStatus]:
        self.note("runs", limit, before)
        return _older([RUN, replace(RUN, run_id=4)], "run_id", before)[:limit]

    def status(self, run_id: int | None = None) -> TrainingStatus:
        self.note("status", run_id)
        return RUN

    def cancel(self, run_id: int) -> None:
        self.note("cancel", run_id)


VERSION = instances.VERSION
OLDER = replace(VERSION, version=2, active=False, metrics=METRICS | {"mae": MetricValue(0.7, 0.6, 0.8)}, size_bytes=99)


class FakeVersions(Recorder):
    """Holds versions newest first; 3 serves."""

    def __init__(self) -> None:
        super().__init__()
        self.held = [VERSION, OLDER]
        self.exported: ExportedVersion | None = None

    def bundle(self, version: int) -> Any:
        self.note("bundle", version)
        self.get(version)
        return f"models of version {version}"

    def list(self, limit: int | None = None, *, before: int | None = None) -> list[VersionSummary]:
        self.note("list", limit, before)
        return _older(self.held, "version", before)[:limit]

    def active(self) -> VersionSummary | None:
        self.note("active")
        return next((each for each in self.held if each.active), None)

    def get(self, version: int) -> VersionSummary:
        self.note("get", version)
        for each in self.held:
            if each.version == version:
                return each
        raise UnknownVersion(f"There is no version {version}.")

    def compare(self, versions: Sequence[int], baseline: int | None = None) -> Sequence[Comparison]:
        self.note("compare", versions, baseline)
        against = baseline or min(versions)
        others = [version for version in versions if version != against]
        if not others:
            raise InvalidInput("Name at least two versions to compare.", field="versions")
        for version in (against, *others):
            self.get(version)
        return [replace(instances.COMPARISON, version=version, baseline=against) for version in others]

    def describe(self, version: int, *, note: str | None = None, tags: Sequence[str] | None = None) -> VersionSummary:
        self.note("describe", version, note, tags)
        return replace(VERSION, version=version, note=note or "", tags=tuple(tags or ()))

    def delete(self, version: int, *, actor: str = "you", reason: str = "") -> VersionSummary:
        self.note("delete", version, actor)
        return replace(OLDER, version=version, state="deleted")

    def export(self, version: int) -> ExportedVersion:
        self.note("export", version)
        stream = TemporaryFile()  # noqa: SIM115  # the route closes it
        stream.write(bytes(range(256)) * 4096)
        self.exported = ExportedVersion(f"marquee-version-{version}.zip", stream)
        return self.exported

    def import_file(self, stream: Any, *, actor: str = "you") -> int:
        self.note("import_file", stream.read(), actor)
        return 4

    def activate(self, version: int, *, actor: str = "you", reason: str = "") -> None:
        self.note("activate", version, actor, reason)

    def ledger(
        self, limit: int = 100, at: float | None = None, *, before: int | None = None
    ) -> Sequence[ActivationRecord]:
        self.note("ledger", limit, at, before)
        lines = [ActivationRecord(4, 3, 101.0, "api", "better"), ActivationRecord(2, 2, 99.0, "you", "first")]
        return _older(lines, "activation_id", before)[:limit]

    def rollback(self, actor: str = "you", reason: str = "") -> int:
        self.note("rollback", actor, reason)
        return 2


JOB, STATISTICS = instances.JOB, instances.STATISTICS
IMPORT = ImportRecord(**instances.IMPORTED.model_dump(), user_key=7)
PIECES = b"user_id,movie_id\n", b"1,'=Heat\n"


class FakeLibrary(Recorder):
    def counts(self) -> Counts:
        self.note("counts")
        return Counts(671, 9066, 100_004)

    def statistics(self, *, fresh: bool = True) -> DataStatistics:
        self.note("statistics")
        return STATISTICS


class FakeImports(Recorder):
    def import_demo(self) -> int:
        self.note("import_demo")
        return 4

    def import_files(self, files: Any, options: ImportOptions | None = None) -> int:
        given = None if options is None else options.model_dump(exclude_unset=True)
        self.note("import_files", [(file.name, file.stream.read()) for file in files], given)
        return 4

    def answer(self, job_id: int, answers: Mapping[str, Any]) -> int:
        self.note("answer", job_id, answers)
        return job_id

    def undo(self, import_id: int) -> int:
        self.note("undo", import_id)
        return 5

    def batches(self, limit: int = 100) -> list[ImportRecord]:
        self.note("batches")
        return [IMPORT]

    def job(self, job_id: int) -> Job:
        self.note("job", job_id)
        return JOB

    def cancel_job(self, job_id: int) -> None:
        self.note("cancel_job", job_id)


class FakeExports(Recorder):
    def export(self, table: str, form: str = "csv") -> Iterator[bytes]:
        self.note("export", table, form)
        return iter(PIECES)

    def recommendations(self, n: int = 10, form: str = "csv") -> Iterator[bytes]:
        self.note("recommendations", n, form)
        return iter(PIECES)

    def factors(self, version: int | None = None, form: str = "csv") -> Iterator[bytes]:
        self.note("factors", version, form)
        return iter(PIECES)

    def archive(self) -> Iterator[bytes]:
        self.note("archive")
        return iter(PIECES)


STUDY = instances.STUDY


class FakeTuning(Recorder):
    def start(
        self,
        kind: str = "svd",
        trials: int = 20,
        folds: int = 3,
        minutes: float = 30.0,
        seed: int = 0,
        actor: str = "you",
        *,
        goal: str = "rmse",
    ) -> int:
        self.note("start", kind, trials, folds, minutes, seed, actor, goal)
        return 2

    def studies(self, limit: int = 20, *, before: int | None = None) -> list[Study]:
        self.note("studies", limit, before)
        return _older([STUDY, replace(STUDY, study_id=STUDY.study_id - 1)], "study_id", before)[:limit]

    def status(self, study_id: int | None = None) -> Study:
        self.note("status", study_id)
        return STUDY

    def stop(self, study_id: int) -> None:
        self.note("stop", study_id)

    def resume(self, study_id: int, trials: int | None = None, minutes: float | None = None) -> None:
        self.note("resume", study_id, trials, minutes)

    def train_with(
        self, study_id: int, activate: str = "if_better", actor: str = "you", *, trial: int | None = None
    ) -> int:
        self.note("train_with", study_id, activate, actor, trial)
        return 9


PLAN = instances.PLAN


class FakeAutomation(Recorder):
    def plan(self) -> Automation:
        self.note("plan")
        return PLAN

    def change(self, **values: Any) -> None:
        self.note("change", values)

    def pause(self, *, paused: bool) -> None:
        self.note("pause", paused)


NOTICES = [
    NoticeRecord(number, "warning", "training", f"Notice {number}", {"run_id": number}, 100.0 + number, None)
    for number in (9, 6, 5)
]


class FakeInbox(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, ...]] = []

    def notices(
        self,
        limit: int = 50,
        *,
        before: int | None = None,
        levels: Sequence[Level] | None = None,
        unread_only: bool = False,
    ) -> list[NoticeRecord]:
        self.note("notices", limit, before, unread_only)
        return [one for one in NOTICES if before is None or one.notice_id < before][:limit]

    def unread(self) -> int:
        return 3

    def tell(self, level: str, topic: str, text: str, details: Any = None) -> None:
        self.told.append((level, topic, text, details))

    def webhook(self) -> WebhookState | None:
        return WebhookState(2, None, 90.0, "connection refused", 120.0)

    def mark_read(self, notice_ids: Sequence[int] | None = None) -> None:
        self.note("mark_read", notice_ids)


BACKUP = instances.BACKUP
FACTS = instances.FACTS
BACKUP_PLAN = instances.BACKUP_PLAN


class FakeStorage(Recorder):
    """Its one backup is this very file."""

    def ping(self) -> None:
        self.note("ping")

    def facts(self) -> StoreFacts:
        self.note("facts")
        return FACTS

    def check(self, *, thorough: bool = True) -> list[str]:
        self.note("check", thorough)
        return ["A fault."] if thorough else []

    def backups(self) -> list[Backup]:
        self.note("backups")
        return [BACKUP]

    def back_up(self) -> Backup:
        self.note("back_up")
        return BACKUP

    def plan(self) -> BackupPlan:
        self.note("plan")
        return BACKUP_PLAN

    def change_plan(self, **values: Any) -> None:
        self.note("change_plan", values)

    def path_of(self, name: str) -> Path:
        self.note("path_of", name)
        return Path(__file__)

    def delete(self, name: str) -> None:
        self.note("delete", name)

    def restore(self, name: str, actor: str = "you") -> str | None:
        self.note("restore", name)
        return "m.db.replaced-1"


KEYS = [
    KeyRecord(2, "shop", ("read", "rate"), "0" * 64, 100.0, "first key", None, None),
    KeyRecord(1, "old", ("admin",), "1" * 64, 90.0, "first key", 95.0, 99.0),
]
ENTRIES = [AuditRecord(number, 100.0 + number, "=shop", "203.0.113.7", "sign-in", "", "done") for number in (9, 6, 5)]


class FakeGolden(Recorder):
    def people(self) -> list[Pinned]:
        self.note("people")
        return [golden_people.PERSON]

    def pin(self, name: str, expectations: Sequence[Expectation], **given: Any) -> Pinned:
        self.note("pin", name, expectations, given)
        return golden_people.PERSON

    def expect(self, golden_id: int, expectations: Sequence[Expectation]) -> Pinned:
        self.note("expect", golden_id, expectations)
        return golden_people.PERSON

    def unpin(self, golden_id: int) -> Pinned:
        self.note("unpin", golden_id)
        return golden_people.PERSON

    def check(self, bundle: object) -> tuple[GoldenResult, ...]:
        self.note("check", bundle)
        return (golden_people.RESULT,)


class FakeAnswers(Recorder):
    def facts(self) -> AnswerLogFacts:
        return AnswerLogFacts(2, 4096, 100_000_000, 0, 5)

    def shown(self, user_id: str, limit: int = 20, *, before: int | None = None) -> list[Shown]:
        self.note("shown", user_id, limit, before)
        return _older([SHOWN, replace(SHOWN, answer_id=7)], "answer_id", before)[:limit]


class FakeReplays(Recorder):
    def replay(self, answer_id: int) -> Replay:
        self.note("replay", answer_id)
        return REPLAY


class FakeSparkLists(Recorder):
    def write(self, n: int = 10) -> int:
        self.note("write", n)
        return 6

    def cancel(self, job_id: int) -> None:
        self.note("cancel", job_id)


class FakeAccess(Recorder):
    secret = b"0" * 32

    def __init__(self) -> None:
        super().__init__()
        self.holders: dict[bytes, Holder] = {}
        self.ended: set[str] = set()

    def list_keys(self) -> list[KeyRecord]:
        return KEYS

    def create(self, name: str, scopes: Iterable[str]) -> tuple[KeyRecord, str]:
        self.note("create", name, scopes)
        return replace(KEYS[0], name=name, scopes=tuple(scopes)), "mq_secret"

    def revoke(self, key_id: int) -> KeyRecord:
        self.note("revoke", key_id)
        if key_id > 2:
            raise UnknownKey(f"There is no key {key_id}.")
        return replace(KEYS[0], revoked_at=200.0)

    def holder(self, key: bytes) -> Holder | None:
        return self.holders.get(key)

    def holder_of(self, key_id: int) -> Holder | None:
        return next((one for one in (FIRST, *self.holders.values()) if one.key_id == key_id), None)

    def is_ended(self, session_id: str) -> bool:
        return session_id in self.ended

    def end_session(self, session_id: str, until: float) -> None:
        if self.fails is not None:
            raise self.fails
        self.ended.add(session_id)


class FakeAudit(Recorder):
    def record(self, action: str, subject: str = "", result: str = "done", *, by: Any = None) -> None:
        self.entries_made.append((action, subject, result, by))

    def __init__(self) -> None:
        super().__init__()
        self.entries_made: list[tuple[Any, ...]] = []

    def hashed(self, user_id: str) -> str:
        return f"~{len(user_id)}"

    def entries(self, limit: int = 50, *, before: int | None = None) -> list[AuditRecord]:
        self.note("entries", limit, before)
        return [one for one in ENTRIES if before is None or one.audit_id < before][:limit]

    def table(self) -> Iterator[bytes]:
        self.note("table")
        return iter([b"audit_id\n"])

    def all(self) -> Iterator[AuditRecord]:
        self.note("all")
        return iter(ENTRIES)


class FakeScale:
    current = STARS


class FakeExams(Recorder):
    def facts(self) -> ExamFacts:
        self.note("facts")
        return ExamFacts(900, 2, 1, (4,), ())


class FakeLive(Recorder):
    def report(self, days: int | None = None) -> LiveReport:
        self.note("report", days)
        return replace(live_instances.LIVE, days=days)

    def known(self) -> LiveReport:
        self.note("known")
        return live_instances.LIVE

    def exams(self, version: int | None, limit: int = 100, *, before: int | None = None) -> list[ExamRecord]:
        self.note("exams", version, limit, before)
        if version is not None and version > 4:
            raise UnknownVersion(f"There is no version {version}.")
        made = [replace(live_instances.EXAM, exam_id=number, title=SCRIPT) for number in (9, 6, 5)]
        return _older(made, "exam_id", before)[:limit]


def fake_services(settings: Settings) -> Services:
    versions = FakeVersions()
    fakes: dict[str, Any] = {
        "scale": FakeScale(),
        "library": FakeLibrary(),
        "imports": FakeImports(),
        "exams": FakeExams(),
        "live": FakeLive(),
        "exports": FakeExports(),
        "spark_lists": FakeSparkLists(),
        "training": FakeTraining(),
        "serving": FakeServing(),
        "ratings": FakeRatings(),
        "recommendations": FakeRecommendations(),
        "versions": versions,
        "golden": FakeGolden(),
        "answers": FakeAnswers(),
        "replays": FakeReplays(),
        "version_files": versions,
        "tuning": FakeTuning(),
        "automation": FakeAutomation(),
        "inbox": FakeInbox(),
        "storage": FakeStorage(),
        "access": FakeAccess(),
        "audit": FakeAudit(),
        **dict.fromkeys(("catalogue", "profiles", "data")),  # no route asks them
    }
    return Services(settings, **fakes)


def calls_of(services: Services) -> list[tuple[Any, ...]]:
    """What any of the services was asked."""
    fakes: Any = (
        services.library,
        services.imports,
        services.exams,
        services.live,
        services.exports,
        services.spark_lists,
        services.training,
        services.serving,
        services.ratings,
        services.recommendations,
        services.versions,
        services.golden,
        services.answers,
        services.replays,
        services.tuning,
        services.automation,
        services.inbox,
        services.storage,
        services.access,
        services.audit,
    )
    return [call for fake in fakes for call in fake.calls]
